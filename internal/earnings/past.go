package earnings

import (
	"slices"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Outcomes counts purchases that a portal confirmed, and that it declined or took back.
type Outcomes struct {
	Confirmed int `json:"confirmed"`
	Declined  int `json:"declined"`
}

// Past is what a person has lived through at one portal: the part of RANKING.md's
// shopper that the ledger knows.
type Past struct {
	// Outcomes are of purchase rebates only: a bonus for joining says nothing about a
	// shop.
	Outcomes
	Merchants map[cashback.MerchantID]Outcomes
	// Balance is what counts towards the portal's threshold: confirmed and payable, of
	// every kind. Requested money has left.
	Balance map[Unit]int64
	// Earned365 is what purchases of the last 365 days were confirmed for.
	Earned365 map[Unit]int64
	// TrackingDays and PayableDays are the person's own medians from the purchase to
	// the portal's list, and to money that can be asked for; 0 for fewer than
	// MinDelays purchases.
	TrackingDays, PayableDays int
}

// MinDelays is how many own purchases a median delay needs: with fewer, one slow shop
// would be the portal's delay.
const MinDelays = 5

// PastOf reads a person's purchases as of a moment, by portal.
func PastOf(purchases []Purchase, now time.Time) map[string]*Past {
	out := map[string]*Past{}
	tracking, payable := map[string][]int{}, map[string][]int{}
	for i := range purchases {
		p := &purchases[i]
		past := out[p.Portal]
		if past == nil {
			past = &Past{Merchants: map[cashback.MerchantID]Outcomes{}, Balance: map[Unit]int64{}, Earned365: map[Unit]int64{}}
			out[p.Portal] = past
		}
		if p.Amount != nil && (p.State == StateConfirmed || p.State == StatePayable) {
			past.Balance[p.Amount.Unit] += p.Amount.Minor
		}
		if p.For != ForPurchase {
			continue
		}
		agreed, confirmed := p.Since[StateConfirmed]
		lost := p.State == StateDeclined || p.State == StateReversed
		at := past.Merchants[p.Merchant]
		switch {
		case lost:
			past.Declined++
			at.Declined++
		case confirmed:
			past.Confirmed++
			at.Confirmed++
			if p.Amount != nil && !agreed.After(now) && now.Sub(agreed) < 365*24*time.Hour {
				past.Earned365[p.Amount.Unit] += p.Amount.Minor
			}
		}
		if p.Merchant != 0 && at != (Outcomes{}) {
			past.Merchants[p.Merchant] = at
		}
		wait := func(into map[string][]int, s State) {
			if t, entered := p.Since[s]; entered && !p.Bought.IsZero() && !t.Before(p.Bought) {
				into[p.Portal] = append(into[p.Portal], int(t.Sub(p.Bought)/(24*time.Hour)))
			}
		}
		wait(tracking, StateTracked)
		wait(payable, StatePayable)
	}
	for id, past := range out {
		past.TrackingDays, past.PayableDays = median(tracking[id]), median(payable[id])
	}
	return out
}

// median is the upper one of two middles; 0 for too few.
func median(days []int) int {
	if len(days) < MinDelays {
		return 0
	}
	slices.Sort(days)
	return days[len(days)/2]
}

// InCurrency adds amounts up in a currency: money of that currency, and points at their
// values. Other currencies are left out: a portal pays in its own (L2).
func InCurrency(sums map[Unit]int64, c cashback.Currency, pointValues map[string]cashback.Decimal) cashback.Decimal {
	var total cashback.Decimal
	for unit, minor := range sums {
		d, err := decimal.New(minor, unit.Digits())
		if word, points := unit.Points(); points && err == nil {
			value, known := pointValues[word]
			if !known {
				continue
			}
			d, err = d.Mul(value)
		} else if cashback.Currency(unit) != c {
			continue
		}
		if err != nil {
			continue // beyond 19 digits: no balance is
		}
		if sum, err := total.Add(d); err == nil {
			total = sum
		}
	}
	return total.Trim(0)
}
