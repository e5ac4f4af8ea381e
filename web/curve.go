package web

import (
	"context"
	"fmt"
	"sync"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

// maxDrawn is up to how many offers a shop page draws the curve without being asked:
// their curves take a few milliseconds, those of sixty offers forty.
const maxDrawn = 16

// maxCurves bounds the curves that are kept; one takes some 10 kB.
const maxCurves = 500

// curves keeps the curves of the present state: a curve doesn't depend on the amount,
// so that all who change it look at the same one.
type curves struct {
	mu    sync.Mutex
	state *state
	byKey map[string]*rank.Curve
}

func (k *curves) get(st *state, key string) *rank.Curve {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !st.same(k.state) {
		return nil
	}
	return k.byKey[key]
}

func (k *curves) put(st *state, key string, c *rank.Curve) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !st.same(k.state) || len(k.byKey) >= maxCurves {
		k.state, k.byKey = st, map[string]*rank.Curve{}
	}
	k.byKey[key] = c
}

// curve follows a question's offers over amounts, in minor units.
func (s *Server) curve(v *visit, q *question, from, to int64) (*rank.Curve, error) {
	if q.lived { // one person's own
		c, err := rank.CurveOf(q.Case, from, to)
		return &c, err
	}
	p := q.Purchase
	p.Amount = cashback.Decimal{}
	key := fmt.Sprint(q.out.Merchant.ID, from, to, p, q.Shopper)
	if c := s.curves.get(v.state, key); c != nil {
		return c, nil
	}
	c, err := rank.CurveOf(q.Case, from, to)
	if err != nil {
		return nil, err
	}
	s.curves.put(v.state, key, &c)
	return &c, nil
}

// reach is up to where a curve around an amount is drawn: round, so that amounts near
// each other share it, and beyond the amount by half of it at least.
func reach(amount cashback.Money) int64 {
	most, top := int64(cashback.MaxBasket), int64(50)
	for range amount.Currency.Digits() {
		most, top = most*10, top*10
	}
	for i := 0; top < most && top < amount.Minor+amount.Minor/2; i++ { // 50, 100, 200, 500 …
		if i%3 == 2 {
			top = top / 2 * 5
		} else {
			top *= 2
		}
	}
	return min(top, most)
}

type curveQuery struct {
	ID string `path:"id" doc:"The shop's id, a number." example:"123"`
	purchaseQuery
	shopperQuery
	From string `query:"from" doc:"The smallest amount, in major units; default 0." example:"0"`
	To   string `query:"to" doc:"The largest amount, in major units; default some twice the purchase's." example:"500"`
}

func (s *Server) apiCurve(v *visit, q curveQuery) (*view.Curve, error) {
	id, err := merchantID(q.ID)
	if err != nil {
		return nil, err
	}
	asked, err := s.ask(v.ctx, v, id, q.purchaseQuery, q.shopperQuery)
	if err != nil {
		return nil, nobody(err, "error.no_merchant", q.ID)
	}
	out := asked.out
	amount := out.Purchase.Amount
	from, to := int64(0), reach(amount)
	for _, f := range []struct {
		name, value string
		into        *int64
	}{{"from", q.From, &from}, {"to", q.To, &to}} {
		if f.value != "" {
			m, err := amountOf(f.name, f.value, amount.Currency)
			if err != nil {
				return nil, err
			}
			*f.into = m.Minor
		}
	}
	if from > to {
		return nil, badInput{"from", "error.from_to", nil}
	}
	c, err := s.curve(v, asked, from, to)
	if err != nil {
		return nil, err
	}
	return &view.Curve{Merchant: out.Merchant, Now: out.Now, Purchase: out.Purchase, Shopper: out.Shopper, Reference: out.Reference, Curve: *c}, nil
}

// drawn is the curve that the shop page draws, or nil: where there is nothing to
// compare, or more than is drawn unasked.
func (s *Server) drawn(ctx context.Context, v *visit, q *question, anyway bool) *rank.Curve {
	if len(q.Offers) < 2 || len(q.Offers) > maxDrawn && !anyway || ctx.Err() != nil {
		return nil
	}
	amount := q.out.Purchase.Amount
	to := reach(amount)
	// Near nothing, everything is worth a cent, and rounding alone decides.
	c, err := s.curve(v, q, to/40, to)
	if err != nil || len(c.Lines) < 2 {
		return nil // sums that can't be counted so far up: the ranking itself is shown
	}
	return c
}
