package earnings

import (
	"slices"
	"time"
)

// Observed is what purchases, whoever made them, tell about one portal.
type Observed struct {
	Outcomes
	// ConfirmDays is the median of the days from a purchase to its confirmation, the
	// longer of two middles; Delays how many purchases it was taken from.
	ConfirmDays, Delays int
}

// Observe reads the outcomes of purchases at each portal. Only purchase rebates
// count: a bonus for joining says nothing about shops.
func Observe(purchases []Purchase) map[string]Observed {
	out := map[string]Observed{}
	delays := map[string][]int{}
	for i := range purchases {
		p := &purchases[i]
		if p.For != ForPurchase {
			continue
		}
		o := out[p.Portal]
		agreed, confirmed := p.Since[StateConfirmed]
		switch {
		case p.State == StateDeclined || p.State == StateReversed:
			o.Declined++
		case confirmed:
			o.Confirmed++
		}
		if confirmed && !p.Bought.IsZero() && !agreed.Before(p.Bought) {
			delays[p.Portal] = append(delays[p.Portal], int(agreed.Sub(p.Bought)/(24*time.Hour)))
		}
		out[p.Portal] = o
	}
	for id, days := range delays {
		o := out[id]
		slices.Sort(days)
		o.ConfirmDays, o.Delays = days[len(days)/2], len(days)
		out[id] = o
	}
	return out
}
