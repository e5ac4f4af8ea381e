package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// The demo's year has everything that the pages show, whatever the seed.
func TestYearHasEveryState(t *testing.T) {
	now := time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)
	var shelf []shelved
	for i := range 400 {
		component := cashback.Component{Kind: cashback.Percent, Value: decimal.MustNew(int64(20+i%60), 1)}
		if i%10 == 3 {
			component = cashback.Component{Kind: cashback.PointsPerUnit, Value: decimal.MustNew(4, 0), PointsCurrency: "pts"}
		}
		shop := cashback.Merchant{ID: cashback.MerchantID(i/8 + 1), Name: fmt.Sprint("Shop ", i/8), Slug: fmt.Sprint("shop-", i/8)}
		shelf = append(shelf, shelved{
			cashback.Portal{ID: fmt.Sprint("portal-", i%8), Name: "P", Currency: "EUR", Countries: []cashback.Country{"FR"}}, shop,
			cashback.Offer{Entry: cashback.Entry{Key: fmt.Sprint(i)}, Kind: component.Kind, Tiers: []cashback.Tier{
				{Components: []cashback.Component{component}},
				{Label: "Sale", Components: []cashback.Component{{Kind: cashback.Percent, Value: decimal.MustNew(15, 1)}}},
			}},
		})
	}
	causes := map[string]int{}
	for seed := range uint64(8) {
		a, err := yearOf(seed, now, shelf)
		if err != nil {
			t.Fatal(err)
		}
		l, err := earnings.Replay(a.Events)
		if err != nil {
			t.Fatal(err)
		}
		if v := l.Check(); len(v) > 0 {
			t.Fatal(v)
		}
		states, claims, payouts := map[earnings.State]int{}, 0, map[string]bool{}
		for _, p := range l.Purchases() {
			states[p.State]++
			if p.Claim != "" {
				claims++
			}
			if p.Payout != "" && p.State == earnings.StatePaid {
				payouts[p.Payout] = true
			}
		}
		for _, s := range earnings.States {
			if states[s] == 0 {
				t.Errorf("seed %d: nothing is %s: %v", seed, s, states)
			}
		}
		if claims == 0 || len(payouts) != 2 {
			t.Errorf("seed %d: %d claims, payouts %v", seed, claims, payouts)
		}
		for _, x := range earnings.Watch(l.Book(), knownOf(a), now) {
			if x.Kind == earnings.AlertShort {
				causes[x.Reasons[1].Key]++
				if last := x.Reasons[len(x.Reasons)-1].Key; !strings.HasPrefix(last, "watch.do.") && !strings.HasPrefix(last, "watch.claim.") {
					t.Errorf("seed %d: %s: nothing says what to do: %v", seed, x.Purchase, x.Reasons)
				}
			}
		}
		if e := a.Events[len(a.Events)-1]; e.At.After(now) {
			t.Errorf("seed %d: event %d is in the future", seed, e.Seq)
		}
		again, _ := yearOf(seed, now, shelf)
		if d := cmp.Diff(a.Events, again.Events); d != "" {
			t.Errorf("seed %d: two years: %s", seed, d)
		}
	}
	total, dark := 0, causes["watch.short.unexplained"]
	for _, n := range causes {
		total += n
	}
	if causes["watch.short.tier_vat"] == 0 || causes["watch.short.vat_guess"] == 0 || causes["watch.short.lowered"] == 0 || dark == 0 || 2*dark > total {
		t.Errorf("what explains too small a credit: %v", causes)
	}
}

// knownOf are the facts that an archive holds itself.
func knownOf(a earnings.Archive) earnings.Facts {
	return earnings.Facts{
		Portal: func(id string) (cashback.Portal, bool) {
			return cashback.Portal{ID: id, Currency: "EUR", Countries: []cashback.Country{"FR"}}, true
		},
		Terms: func(hash string) (t earnings.Terms, ok bool) {
			for _, e := range a.Evidence {
				if e.Hash == hash {
					t, err := e.Terms()
					return t, err == nil
				}
			}
			return t, false
		},
		VAT: func(cashback.Country, cashback.Date) (cashback.Decimal, bool) { return decimal.MustNew(2, 1), true },
		Events: func(p earnings.Purchase) (out []earnings.Event) {
			for _, n := range p.Events {
				out = append(out, a.Events[n-1])
			}
			return out
		},
	}
}

// What the demo's person reckons with is exact, as everything about money is.
func TestDemoReward(t *testing.T) {
	basket := cashback.Money{Minor: 120_00, Currency: "EUR"}
	for _, c := range []struct {
		kind  cashback.RewardKind
		value string
		want  earnings.Amount
	}{
		{cashback.Percent, "6.5", earnings.Amount{Minor: 650, Unit: "EUR"}},
		{cashback.Percent, "0.115", earnings.Amount{Minor: 12, Unit: "EUR"}},
		{cashback.Fixed, "12.5", earnings.Amount{Minor: 1250, Unit: "EUR"}},
		{cashback.PointsPerUnit, "1.5", earnings.Amount{Minor: 150_00, Unit: "points:pts"}},
		{cashback.PointsFixed, "500", earnings.Amount{Minor: 500_00, Unit: "points:pts"}},
		{cashback.Percent, "0", earnings.Amount{}},
	} {
		o := cashback.Offer{Tiers: []cashback.Tier{{Components: []cashback.Component{{Kind: c.kind, Value: decimal.MustParse(c.value), PointsCurrency: "pts"}}}}}
		got, ok := demoReward(o, basket)
		if ok != (c.want.Minor > 0) || ok && got != c.want {
			t.Errorf("%s %s: %+v, %v, want %+v", c.kind, c.value, got, ok, c.want)
		}
	}
}
