package rank

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func alike(x, y float64) bool { return math.Abs(x-y) < 1e-9 }

// The example of docs: a portal of which all is known, one of which nothing is.
func TestScorePortals(t *testing.T) {
	some := func(s string) cashback.NullDecimal { return cashback.Some(decimal.MustParse(s)) }
	known := cashback.Portal{ID: "known", Currency: "EUR", Facts: cashback.Facts{
		ValidationDays: fact(60),
		Payout: fact(cashback.Payout{Frequency: cashback.Monthly, Methods: []cashback.PayoutMethod{
			{Kind: "bank_transfer", Minimum: some("15")}, {Kind: "paypal", Minimum: some("10"), Fee: decimal.MustParse("0.5")}, {Kind: "gift_card", Minimum: some("5")}, {Kind: "points_transfer", Minimum: some("0")},
		}}),
		InactiveMonths: fact(12),
	}}
	unknown := cashback.Portal{ID: "unknown", Currency: "EUR"}
	listings := []Listing{{1, 0, 400}, {1, 1, 500}, {2, 0, 300}, {2, 1, 0}, {3, 0, 100}, {4, 0, 0}, {4, 1, 0}}
	got, err := ScorePortals(Comparison{Portals: []cashback.Portal{known, unknown}, Listings: listings, Currency: "EUR"})
	if err != nil {
		t.Fatal(err)
	}
	// Rates: (0.8 + 1) ÷ 2, and (1 + 0) ÷ 2. Methods: 2 ÷ 3 + 2 ÷ 6. Terms: 60 + ceil(5 ÷ (15 ÷ 365)) + 15 = 197 days.
	want := []Score{
		{Portal: "known", Criteria: []Criterion{{Name: "merchants", Score: 100}, {Name: "rates", Score: 90}, {Name: "methods", Score: 100}, {Name: "frequency", Score: 65}, {Name: "terms", Score: 3000.0 / 197}}},
		{Portal: "unknown", Criteria: []Criterion{{Name: "merchants", Score: 100 * math.Log(4) / math.Log(5)}, {Name: "rates", Score: 50}, {Name: "methods", Score: 20, Missing: []string{"methods"}},
			{Name: "frequency", Score: 20, Missing: []string{"frequency"}}, {Name: "terms", Score: 20, Missing: []string{"validation_days", "frequency", "minimum"}}}},
	}
	for i, w := range want {
		total := 0.0
		for _, c := range w.Criteria {
			total += c.Score / 5
		}
		if !alike(got[i].Total, total) || got[i].Portal != w.Portal {
			t.Errorf("%s: %v, want %v", got[i].Portal, got[i].Total, total)
		}
		if diff := cmp.Diff(w.Criteria, got[i].Criteria, cmp.Comparer(alike)); diff != "" {
			t.Errorf("%s: %s", w.Portal, diff)
		}
	}
	s := got[0].Shown
	if s.Merchants != 4 || s.Compared != 2 || s.Best != 1 || *s.Donation || !*s.GiftCards || s.Fees["paypal"].String() != "0.5" || s.InactiveMonths.Value != 12 {
		t.Errorf("shown: %+v", s)
	}
	if s := got[1].Shown; s.Donation != nil || s.GiftCards != nil {
		t.Errorf("shown of nothing: %+v", s)
	}
}

func TestScoreWeights(t *testing.T) {
	portals := []cashback.Portal{{ID: "a", Currency: "EUR"}, {ID: "b", Currency: "EUR"}}
	listings := []Listing{{1, 0, 400}, {1, 1, 500}, {2, 0, 0}}
	in := Comparison{Portals: portals, Listings: listings, Currency: "EUR", Weights: Weights{Merchants: dec(1)}}
	got, err := ScorePortals(in)
	if err != nil || !alike(got[0].Total, 100) || got[1].Total >= 100 {
		t.Errorf("by merchants alone: %+v, %v", got, err)
	}
	in.Weights = Weights{Rates: dec(3), Merchants: dec(1)}
	if got, err = ScorePortals(in); err != nil || !alike(got[1].Total, (3*100+100*math.Log(2)/math.Log(3))/4) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, w := range []Weights{{Rates: dec(-1)}, {Terms: dec(101)}} {
		in.Weights = w
		if _, err := ScorePortals(in); cashback.KindOf(err) != cashback.Invalid {
			t.Errorf("%+v: %v", w, err)
		}
	}
	in.Weights, in.Listings = Weights{}, []Listing{{1, 5, 1}}
	if _, err := ScorePortals(in); err == nil {
		t.Error("a listing of a portal that isn't there")
	}
}

func TestDuel(t *testing.T) {
	portals := []cashback.Portal{{ID: "a", Currency: "EUR"}, {ID: "b", Currency: "EUR"}, {ID: "c", Currency: "EUR"}}
	s, err := Compare(Comparison{Portals: portals, Currency: "EUR", Listings: []Listing{
		{1, 0, 400}, {1, 1, 500}, {1, 2, 600},
		{2, 1, 0}, {2, 0, 300},
		{3, 0, 100}, {3, 1, 100}, {3, 2, 900},
		{4, 0, 0}, {4, 1, 0},
		{5, 2, 100},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		portals []int
		want    Duel
	}{
		{[]int{0, 1}, Duel{Common: 4, Ties: 2, Wins: []int{1, 1}}},
		{[]int{1, 0}, Duel{Common: 4, Ties: 2, Wins: []int{1, 1}}},
		{[]int{0, 1, 2}, Duel{Common: 2, Wins: []int{0, 0, 2}}},
		{[]int{2}, Duel{Common: 3, Wins: []int{3}}},
		{nil, Duel{Wins: []int{}}},
	} {
		if diff := cmp.Diff(c.want, s.Duel(c.portals...)); diff != "" {
			t.Errorf("%v: %s", c.portals, diff)
		}
	}
}

// However portals are weighed, the total lies between the criteria, and a criterion
// that alone counts is the total.
func TestPropertyWeigh(t *testing.T) {
	trials(t, 100, 10_000, func(t *testing.T, r *rand.Rand) {
		m := maker{Rand: r}
		in := Comparison{Currency: "EUR", Portals: []cashback.Portal{{ID: "a", Currency: "EUR"}, {ID: "b", Currency: "EUR"}}}
		for range m.IntN(40) {
			in.Listings = append(in.Listings, Listing{cashback.MerchantID(m.IntN(9)), m.IntN(2), m.Int64N(5) * 100})
		}
		s, err := Compare(in)
		if err != nil {
			t.Fatal(err)
		}
		w := [5]cashback.Decimal{}
		for i := range w {
			w[i] = dec(m.Int64N(11))
		}
		w[m.IntN(5)] = dec(1 + m.Int64N(10))
		got, err := s.Weigh(Weights{w[0], w[1], w[2], w[3], w[4]})
		if err != nil {
			t.Fatal(err)
		}
		alone, err := s.Weigh(Weights{Rates: dec(7)})
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range got {
			least, most := 100.0, 0.0
			for _, c := range p.Criteria {
				least, most = min(least, c.Score), max(most, c.Score)
			}
			if p.Total < least-1e-9 || p.Total > most+1e-9 {
				t.Errorf("%v outside of %v to %v", p.Total, least, most)
			}
			if !alike(alone[i].Total, p.Criteria[1].Score) {
				t.Errorf("rates alone: %v, want %v", alone[i].Total, p.Criteria[1].Score)
			}
		}
	})
}

// Neither the order of listings nor doubles change a score, and a fact that becomes
// known never makes it miss another.
func TestPropertyScoreOrder(t *testing.T) {
	trials(t, 100, 10_000, func(t *testing.T, r *rand.Rand) {
		m := maker{Rand: r}
		in := Comparison{Currency: "EUR", Rates: ShippedRates()}
		for i := range 1 + m.IntN(6) {
			p := cashback.Portal{ID: "p" + itoa(i), Currency: pick[cashback.Currency](m, "EUR", "GBP")}
			if pay := m.portal("x", []cashback.Currency{"EUR"}).Payout; pay != nil {
				p.Facts.Payout = fact(*pay)
			}
			in.Portals = append(in.Portals, p)
		}
		far := pick(m, 1, 1, 100_000_000) // ids that are too far apart to be counted out
		for range m.IntN(200) {
			in.Listings = append(in.Listings, Listing{cashback.MerchantID(m.IntN(30) * far), m.IntN(len(in.Portals)), m.Int64N(5) * 100})
		}
		want, err := ScorePortals(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range want {
			for _, c := range s.Criteria {
				if c.Score < 0 || c.Score > 100 || math.IsNaN(c.Score) {
					t.Errorf("%s: %+v", s.Portal, c)
				}
			}
		}
		in.Listings = append(slices.Clone(in.Listings), in.Listings...)
		r.Shuffle(len(in.Listings), func(i, j int) { in.Listings[i], in.Listings[j] = in.Listings[j], in.Listings[i] })
		got, err := ScorePortals(in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNewShopper(t *testing.T) {
	portal := Portal{ID: "p", Currency: "EUR", VATBasis: cashback.VATNet, Payout: &cashback.Payout{Frequency: cashback.OnDemand, Methods: []cashback.PayoutMethod{{Kind: "paypal", Minimum: cashback.Some(decimal.Zero)}}}}
	offer := Offer{Portal: "p", VerifiedOn: today, Tiers: []Tier{{Audience: cashback.New, Components: rate("20")}, {Components: rate("6")}}}
	// 100 ÷ 1.2 × 6 % × 0.85 ÷ (1 + 0.2 × 93 ÷ 365) = 4.0439…
	if v, err := NewShopper(portal, offer, today, "FR", "EUR", ShippedRates(), ShippedVAT()); err != nil || v != 404 {
		t.Errorf("%d, %v", v, err)
	}
	offer.Quarantined = true
	if v, err := NewShopper(portal, offer, today, "FR", "EUR", ShippedRates(), ShippedVAT()); err != nil || v != 0 {
		t.Errorf("quarantined: %d, %v", v, err)
	}
}

func TestSurelyPays(t *testing.T) {
	portal := Portal{ID: "p", Currency: "EUR", VATBasis: cashback.VATNet, PointValues: map[string]cashback.Decimal{"points": decimal.MustParse("0.01")}, Payout: &cashback.Payout{Methods: []cashback.PayoutMethod{}}}
	for _, c := range []struct {
		name  string
		tiers []Tier
		want  int64
		ok    bool
	}{
		{"a rate", []Tier{{Components: rate("4")}}, 400, true},
		{"capped, which is no matter of the rate", []Tier{{Components: rate("4"), Cap: cashback.Some(dec(1))}}, 400, true},
		{"the worse customer", []Tier{{Audience: cashback.New, Components: rate("9")}, {Audience: cashback.Existing, Components: rate("3")}}, 300, true},
		{"up to", []Tier{{UpTo: true, Components: rate("10")}}, 250, true},
		{"pounds", []Tier{{Components: []cashback.Component{{Kind: cashback.Fixed, Value: dec(2), Currency: "GBP"}}}}, 0, true},
		{"miles without a value", []Tier{{Components: []cashback.Component{{Kind: cashback.PointsFixed, Value: dec(200), PointsCurrency: "miles"}}}}, 0, false},
	} {
		got, ok, err := SurelyPays(portal, Offer{Portal: "p", VerifiedOn: today, Tiers: c.tiers}, today, "FR", "EUR", ShippedRates())
		if err != nil || ok != c.ok || got != c.want && c.name != "pounds" || c.name == "pounds" && got < 200 {
			t.Errorf("%s: %d, %v, %v, want %d, %v", c.name, got, ok, err, c.want, c.ok)
		}
	}
}
