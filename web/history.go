package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

// The bounds of a drawn history. A shop on sixty portals whose rates move monthly
// has 720 points a year; what lies before is in the API.
const (
	maxDrawnPoints = 2000
	maxListedRates = 200
)

// historyOf says how the rates of a shop moved; nil where none was recorded.
func (s *Server) historyOf(ctx context.Context, v *visit, m cashback.Merchant) (*view.History, error) {
	points, err := s.truth.History(ctx, m.ID, time.Time{})
	if err != nil {
		return nil, err
	}
	points = slices.DeleteFunc(points, func(p cashback.RatePoint) bool {
		return p.From.After(v.now) || p.Status != "" && p.Status != cashback.OK // never shown as a rate
	})
	if len(points) == 0 {
		return nil, nil
	}
	sh, err := s.shelf(ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(points, func(a, b cashback.RatePoint) int { return b.From.Compare(a.From) })
	left := max(0, len(points)-maxDrawnPoints)
	points = points[:len(points)-left]
	h := &view.History{Currency: s.currencyOfCountry(m.Country), Now: v.now, Left: left}
	for _, p := range points {
		portal := sh.byID[p.Portal]
		if portal == nil {
			continue
		}
		r := view.PastRate{Portal: p.Portal, PortalName: portal.Name, From: p.From, To: p.To, RawText: p.RawText, Valued: true}
		if !r.To.IsZero() && r.To.After(v.now) {
			r.To = time.Time{} // as of that day it was in force
		}
		if p.Kind.Pays() {
			offer := rank.OfferOf(cashback.Offer{Merchant: m.ID, Kind: p.Kind, Tiers: p.Tiers, Status: cashback.OK, Receipt: cashback.Receipt{Portal: p.Portal, ReadAt: p.From}})
			if r.Worth, r.Valued, err = rank.SurelyPays(portal.terms, offer, cashback.DateOf(p.From), m.Country, h.Currency, s.rates); err != nil {
				return nil, err
			}
		} else if p.Kind != cashback.NoCashback {
			r.Valued = false // not understood
		}
		h.Rates = append(h.Rates, r)
	}
	if len(h.Rates) == 0 {
		return nil, nil
	}
	sweep(h)
	slices.SortStableFunc(h.Rates, func(a, b view.PastRate) int {
		return cmp.Or(cmp.Compare(a.PortalName, b.PortalName), b.From.Compare(a.From))
	})
	if more := len(h.Rates) - maxListedRates; more > 0 {
		h.Rates, h.Left = h.Rates[:maxListedRates], h.Left+more
	}
	return h, nil
}

// sweep goes through the rates in the order of time and keeps the best.
func sweep(h *view.History) {
	rates := slices.Clone(h.Rates)
	slices.SortStableFunc(rates, func(a, b view.PastRate) int { return a.From.Compare(b.From) })
	h.Since = rates[0].From
	h.From = h.Now.AddDate(-1, 0, 0)
	if h.Since.After(h.From) {
		h.From = h.Since
	}
	var moments []time.Time
	for _, r := range rates {
		moments = append(moments, r.From)
		if !r.To.IsZero() {
			moments = append(moments, r.To)
		}
		if r.Valued && (h.Top == nil || r.Worth > h.Top.Worth) {
			h.Top = &r
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	var inForce []view.PastRate
	next := 0
	for _, at := range moments {
		inForce = slices.DeleteFunc(inForce, func(r view.PastRate) bool { return !r.To.IsZero() && !r.To.After(at) })
		for next < len(rates) && !rates[next].From.After(at) {
			inForce = append(inForce, rates[next])
			next++
		}
		best := int64(0)
		for _, r := range inForce {
			if r.Valued {
				best = max(best, r.Worth)
			}
		}
		step := view.Step100{At: at, Worth: best}
		switch {
		case !at.After(h.From):
			step.At = h.From
			h.Best = []view.Step100{step} // what was in force when the drawing begins
		case h.Best[len(h.Best)-1].Worth != best:
			h.Best = append(h.Best, step)
		}
	}
	h.Today = h.Best[len(h.Best)-1].Worth
	var all, lower, higher time.Duration
	for i, b := range h.Best {
		until := h.Now
		if i+1 < len(h.Best) {
			until = h.Best[i+1].At
		}
		d := until.Sub(b.At)
		all += d
		if b.Worth < h.Today {
			lower += d
		}
		if b.Worth > h.Today {
			higher += d
		}
	}
	if all > 0 {
		h.Lower, h.Higher = int(100*lower/all), int(100*higher/all)
	}
}
