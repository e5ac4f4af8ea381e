package web

import (
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/rank"
)

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
