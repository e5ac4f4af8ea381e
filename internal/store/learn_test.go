package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// What is learnt comes from twenty observations of this catalogue and its ledgers,
// never from a portal's own words, and yields to the operator.
func TestFactsAreLearnt(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	defined := portals("malin")
	defined[0].Facts.ConfirmRate = &cashback.Fact[cashback.Decimal]{Value: dec("0.99"), Origin: cashback.Origin{Source: "https://malin.test"}}
	defined[0].Facts.UpToShare = defined[0].Facts.ConfirmRate
	if err := s.SavePortals(ctx, defined); err != nil {
		t.Fatal(err)
	}
	facts := func() cashback.Facts {
		t.Helper()
		p, err := s.As(Operator).Portal(ctx, "malin")
		if err != nil {
			t.Fatal(err)
		}
		return p.Facts
	}
	if f := facts(); f.ConfirmRate != nil || f.UpToShare != nil {
		t.Errorf("a portal's own claim counts: %+v %+v", f.ConfirmRate, f.UpToShare)
	}
	run := 0
	read := func(shops, days int) {
		t.Helper()
		run++
		var offers []cashback.Offer
		for i := range shops {
			o := percent("malin", fmt.Sprint("shop", i), "8", 1, c.at)
			low := o.Tiers[0]
			low.Category, low.Components = "low", slices.Clone(low.Components)
			low.Components[0].Value = dec("2")
			o.Tiers, o.ValidationDays = append(o.Tiers, low), days
			offers = append(offers, o)
		}
		mustPublish(t, s, publish("malin", fmt.Sprint("run", run), c.at, offers...))
		c.forward(24 * time.Hour)
	}
	read(19, 40)
	if f := facts(); f.UpToShare != nil || f.ValidationDays != nil {
		t.Errorf("learnt from 19: %+v", f)
	}
	read(25, 40)
	f := facts()
	if f.UpToShare == nil || f.UpToShare.Value.String() != "0.25" || f.UpToShare.Origin != (cashback.Origin{Source: "catalogue", AsOf: "2026-07-02", Learnt: 25}) {
		t.Errorf("the share of an “up to”: %+v", f.UpToShare)
	}
	if f.ValidationDays == nil || f.ValidationDays.Value != 40 || f.ValidationDays.Origin.Learnt != 25 {
		t.Errorf("validation: %+v", f.ValidationDays)
	}
	last := s.As(Operator).LastChange()
	read(26, 40)
	if h, err := s.As(Operator).FactsHistory(ctx, "malin", 10); err != nil || len(h) != 1 || h[0].By != "learnt" || facts().UpToShare.Origin.Learnt != 25 {
		t.Errorf("the same value again is news: %+v, %v (change %d)", h, err, last)
	}

	// Twenty outcomes, of two people.
	for _, name := range []string{"anna", "ben"} {
		u := shopper(t, s, name)
		for i := range 10 {
			id := fmt.Sprint(i)
			events := []earnings.Event{step(id, earnings.Tracked, eur(100))}
			if i < 8 {
				confirmed := step(id, earnings.Confirmed, nil)
				confirmed.At = confirmed.At.AddDate(0, 0, 50)
				events = append(events, confirmed)
			} else {
				events = append(events, step(id, earnings.Declined, nil))
			}
			if _, err := s.Ledgers().Append(ctx, u, events...); err != nil {
				t.Fatal(err)
			}
		}
	}
	read(26, 40)
	f = facts()
	if f.ConfirmRate == nil || f.ConfirmRate.Value.String() != "0.8" || f.ConfirmRate.Origin.Source != "ledger" || f.ConfirmRate.Origin.Learnt != 20 {
		t.Errorf("confirmed: %+v", f.ConfirmRate)
	}
	if f.ValidationDays.Value != 40 { // 16 delays are too few
		t.Errorf("validation: %+v", f.ValidationDays)
	}

	// The operator has the last word, and takes it back.
	origin := cashback.Origin{Source: "https://forum.test/42", AsOf: "2026-07-05"}
	if err := s.SetFact(ctx, "malin", "validation_days", "75", origin, "op", "asked the support"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFact(ctx, "malin", "app", "yes", origin, "op", ""); err != nil {
		t.Fatal(err)
	}
	if f := facts(); f.ValidationDays.Value != 75 || f.ValidationDays.Origin != origin || !f.App.Value {
		t.Errorf("%+v", f)
	}
	if err := s.SetFact(ctx, "malin", "validation_days", "", cashback.Origin{}, "op", ""); err != nil {
		t.Fatal(err)
	}
	if f := facts(); f.ValidationDays.Value != 40 || !f.App.Value {
		t.Errorf("%+v", f)
	}
	for name, value := range map[string]string{"confirm_rate": "0.99", "validation_days": "99999", "payout": "weekly, paypal 5 bonus 99", "colour": "red"} {
		if err := s.SetFact(ctx, "malin", name, value, origin, "op", ""); cashback.KindOf(err) != cashback.Invalid || err == nil {
			t.Errorf("%s %s: %v", name, value, err)
		}
	}
	h, err := s.As(Operator).FactsHistory(ctx, "malin", 10)
	if err != nil || len(h) != 5 || h[0].By != "op" || h[2].Note != "asked the support" {
		t.Errorf("%d changes: %+v %v", len(h), h, err)
	}
}
