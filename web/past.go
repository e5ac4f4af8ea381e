package web

import (
	"slices"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/pages"
)

// recall puts what the visitor's ledger knows into a question, and says what the
// answer would be without it; nil for who isn't signed in, or has no ledger.
func (s *Server) recall(v *visit, q *question) (*pages.Past, error) {
	if v.user == nil {
		return nil, nil
	}
	purchases, err := s.ledgers.Purchases(v.ctx, v.user.ID, store.Filter{})
	if err != nil || len(purchases) == 0 {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	before, err := rank.Rank(q.Case)
	if err != nil {
		return nil, err
	}
	past := earnings.PastOf(purchases, v.now)
	out := &pages.Past{}
	var portals []cashback.Portal
	q.Portals = slices.Clone(q.Portals)
	for i := range q.Portals {
		portals = append(portals, sh.byID[q.Portals[i].ID].Portal.Portal)
		q.Portals[i] = ownDelays(q.Portals[i], past)
		if was := past[q.Portals[i].ID]; was != nil {
			out.Confirmed += was.Confirmed
			out.Declined += was.Declined
		}
	}
	q.Shopper, q.lived = withPast(q.Shopper, past, portals), true
	for id, b := range q.Shopper.Balances {
		if b.IsNeg() { // taken back after it was paid out: nothing waits there
			delete(q.Shopper.Balances, id)
		}
	}
	for id, h := range q.Shopper.History {
		if h.Earned365.IsNeg() {
			h.Earned365 = cashback.Decimal{}
			q.Shopper.History[id] = h
		}
	}
	if len(before.Ranked) > 0 {
		out.Portal, out.Value = before.Ranked[0].Portal, before.Ranked[0].Value
	}
	return out, nil
}

// withPast gives a shopper of a case what the ledger knows: balances and outcomes at
// each portal, in the portal's currency (RANKING.md, "shopper"). A shopper's own values
// of points count before the portal's.
func withPast(s rank.Shopper, past map[string]*earnings.Past, portals []cashback.Portal) rank.Shopper {
	s.Balances, s.History = map[string]cashback.Decimal{}, map[string]rank.History{}
	for _, p := range portals {
		was, lived := past[p.ID]
		if !lived {
			continue
		}
		values := map[string]cashback.Decimal{}
		if p.Facts.PointValues != nil {
			for word, v := range p.Facts.PointValues.Value {
				values[word] = v
			}
		}
		for word, v := range s.PointValues {
			values[word] = v
		}
		if b := earnings.InCurrency(was.Balance, p.Currency, values); !b.IsZero() {
			s.Balances[p.ID] = b
		}
		h := rank.History{
			Outcomes:  rank.Outcomes(was.Outcomes),
			Earned365: earnings.InCurrency(was.Earned365, p.Currency, values),
			Merchants: make(map[string]rank.Outcomes, len(was.Merchants)),
		}
		for m, o := range was.Merchants {
			h.Merchants[rank.MerchantKey(m)] = rank.Outcomes(o)
		}
		s.History[p.ID] = h
	}
	return s
}

// ownDelays puts the shopper's own median delay in the place of a portal's, where there
// are enough purchases: it is observed, and theirs.
func ownDelays(p rank.Portal, past map[string]*earnings.Past) rank.Portal {
	if was := past[p.ID]; was != nil && was.PayableDays > 0 {
		days := was.PayableDays
		p.ValidationDays = &days
	}
	return p
}
