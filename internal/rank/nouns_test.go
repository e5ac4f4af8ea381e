package rank

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func fact[T any](v T) *cashback.Fact[T] { return &cashback.Fact[T]{Value: v} }

func TestPortalOf(t *testing.T) {
	d := decimal.MustParse
	p := cashback.Portal{ID: "p", Currency: "EUR", Facts: cashback.Facts{
		VATBasis: fact(cashback.VATNet), ConfirmRate: fact(d("0.91")), ValidationDays: fact(45),
		PointValues: fact(map[string]cashback.Decimal{"pts": d("0.01")}),
		Payout:      fact(cashback.Payout{Frequency: cashback.Weekly, Methods: []cashback.PayoutMethod{{Kind: "paypal"}}}),
		Donation:    fact(cashback.Donation{Possible: true, Associations: []string{"Les Amis"}, Share: cashback.Some(d("0.9"))}),
	}}
	got := PortalOf(p)
	if got.ID != "p" || got.VATBasis != cashback.VATNet || got.ConfirmRate.Decimal.String() != "0.91" || got.UpToShare.Valid || *got.ValidationDays != 45 || got.PointValues["pts"].String() != "0.01" {
		t.Errorf("%+v", got)
	}
	want := []cashback.PayoutMethod{{Kind: "paypal"}, {Kind: "donation", Share: cashback.Some(d("0.9")), Association: "Les Amis"}}
	if diff := cmp.Diff(want, got.Payout.Methods); diff != "" {
		t.Error(diff)
	}
	if len(p.Facts.Payout.Value.Methods) != 1 {
		t.Error("the portal's own methods were changed")
	}
	if empty := PortalOf(cashback.Portal{ID: "q", Currency: "EUR"}); empty.Payout != nil || empty.VATBasis != "" || empty.ValidationDays != nil {
		t.Errorf("facts out of nothing: %+v", empty)
	}
}

// A wrong fact is told to whoever edits it, and counts as not known meanwhile.
func TestPortalOfWrongFact(t *testing.T) {
	p := cashback.Portal{ID: "p", Currency: "EUR", Facts: cashback.Facts{VATBasis: fact(cashback.VATNet), ConfirmRate: fact(decimal.MustParse("91")), ValidationDays: fact(45)}}
	err := CheckPortal(p)
	if err == nil || err.Error() != "confirm_rate: 91 is not a share: use a number from 0 to 1" {
		t.Errorf("%v", err)
	}
	if got := PortalOf(p); got.ConfirmRate.Valid || got.VATBasis != cashback.VATNet || *got.ValidationDays != 45 {
		t.Errorf("%+v", got)
	}
}

func percent(s string) cashback.Tier {
	return cashback.Tier{Components: []cashback.Component{{Kind: cashback.Percent, Value: decimal.MustParse(s)}}}
}

func TestOfferOf(t *testing.T) {
	read := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	entry := func(tiers ...cashback.Tier) cashback.Offer {
		return cashback.Offer{Merchant: 7, Status: cashback.OK, Tiers: tiers, Receipt: cashback.Receipt{Portal: "p", ReadAt: read}}
	}
	conditional := percent("5")
	conditional.MinSpend = &cashback.Money{Minor: 5000, Currency: "GBP"}
	conditional.Cap = &cashback.Money{Minor: 1050, Currency: "EUR"}
	o := OfferOf(entry(conditional))
	if o.Portal != "p" || o.Merchant != MerchantKey(7) || o.VerifiedOn.String() != "2026-11-22" || o.Quarantined || o.Tiers[0].MinSpend.Decimal.String() != "50.00" ||
		o.Tiers[0].MinSpendCurrency != "GBP" || o.Tiers[0].Cap.Decimal.String() != "10.50" || o.Tiers[0].CapCurrency != "EUR" {
		t.Errorf("%+v", o)
	}

	older, slow := entry(percent("3")), entry(percent("4"))
	older.Receipt.ReadAt = read.AddDate(0, 0, -3)
	slow.ValidationDays = 60
	if o := OfferOf(older, slow); len(o.Tiers) != 2 || o.VerifiedOn.String() != "2026-11-19" || *o.ValidationDays != 60 {
		t.Errorf("two entries: %+v", o)
	}

	wrong := entry(percent("3"))
	wrong.Tiers[0].Components[0].Kind = cashback.Unknown
	unverified := entry(percent("90"))
	unverified.Status = cashback.Unverified
	if o := OfferOf(wrong, unverified); !o.Quarantined || o.Portal != "p" || o.Tiers != nil {
		t.Errorf("nothing sound: %+v", o)
	}
	if o := OfferOf(wrong, slow, unverified); o.Quarantined || len(o.Tiers) != 1 || o.Tiers[0].Components[0].Value.String() != "4" {
		t.Errorf("one sound entry: %+v", o)
	}
}

// Whatever the nouns hold, their case can be ranked.
func TestPropertyNounsRank(t *testing.T) {
	trials(t, 300, 100_000, func(t *testing.T, r *rand.Rand) {
		m := maker{r, true}
		c := Case{Now: today, Purchase: Purchase{Amount: decimal.Hundred, Currency: "EUR"}}
		for i := range 3 {
			id := "p" + itoa(i)
			p := cashback.Portal{ID: id, Currency: "EUR"}
			if m.chance(50) {
				p.Facts.ConfirmRate = fact(m.dec("0.5", "2", "-1"))
				p.Facts.ValidationDays = fact(m.IntN(9000) - 1000)
				p.Facts.VATBasis = fact(pick[cashback.VATBasis](m, "net", "brut"))
				p.Facts.Payout = fact(cashback.Payout{Frequency: pick[cashback.Frequency](m, "weekly", "daily"), Methods: []cashback.PayoutMethod{{Kind: pick(m, "", "paypal"), Fee: m.dec("-1", "0", "1")}}})
				p.Facts.Donation = fact(cashback.Donation{Possible: true, Share: cashback.Some(m.dec("0.5", "50"))})
			}
			o := cashback.Offer{Receipt: cashback.Receipt{Portal: id, ReadAt: today.Time()}, Status: pick(m, cashback.OK, cashback.Unverified, ""), ValidationDays: m.IntN(9000) - 1000}
			for range m.IntN(3) {
				k := m.component()
				if m.chance(20) {
					k.Kind, k.Value = pick(m, cashback.Unknown, cashback.NoCashback, cashback.Fixed), k.Value.Neg()
				}
				o.Tiers = append(o.Tiers, cashback.Tier{Category: pick(m, "", "-", "tv"), Components: []cashback.Component{k}})
			}
			c.Portals = append(c.Portals, PortalOf(p))
			c.Offers = append(c.Offers, OfferOf(o))
		}
		mustRank(t, c)
	})
}

func TestAsk(t *testing.T) {
	c := twoPortals()
	// p pays 8 % to new customers and 2 % to others; q 5 % to all, 1 % on tv.
	c.Offers[0].Tiers = []Tier{{Audience: cashback.New, Components: rate("8")}, {Audience: cashback.Existing, Components: rate("2")}}
	c.Offers[1].Tiers = []Tier{{Components: rate("5")}, {Category: "tv", Components: rate("1")}}
	q, ok, err := Ask(c)
	want := Question{Fact: "customer", Choices: []Choice{{Answer: "new", Portal: "p", Value: 640, Instead: 640}, {Answer: "existing", Portal: "p", Value: 160, Instead: 160}}}
	if err != nil {
		t.Fatal(err)
	}
	// Today p leads (2 % against 1 %). Whoever is new keeps p; a basket without a tv
	// goes to q: that is the question.
	if !ok || q.Fact != "category" {
		t.Fatalf("%+v %v; for the customer it would be %+v", q, ok, want)
	}
	if diff := cmp.Diff(Question{Fact: "category", Choices: []Choice{{Answer: "tv", Portal: "p", Value: 160, Instead: 160}, {Answer: NoCategory, Portal: "q", Value: 400, Instead: 160}}}, q); diff != "" {
		t.Error(diff)
	}
	c.Purchase.Category = NoCategory
	if q, ok, err = Ask(c); err != nil || !ok || q.Fact != "customer" || q.Choices[0].Portal != "p" || q.Choices[0].Value != 640 || q.Choices[0].Instead != 400 || q.Choices[1].Portal != "q" {
		t.Errorf("%+v %v %v", q, ok, err)
	}
	c.Purchase.Customer = cashback.New
	if q, ok, err = Ask(c); err != nil || ok {
		t.Errorf("nothing is left to ask: %+v %v", q, err)
	}
}

func rate(s string) []cashback.Component { return percent(s).Components }

// twoPortals are p and q, whose rewards are worth 0.8 of what they state.
func twoPortals() Case {
	c := Case{Now: today, Purchase: Purchase{Amount: decimal.Hundred, Currency: "EUR"}, Shopper: Shopper{PatienceRate: cashback.Some(decimal.Zero)}}
	for _, id := range []string{"p", "q"} {
		c.Portals = append(c.Portals, Portal{ID: id, Currency: "EUR", VATBasis: cashback.VATGross, ConfirmRate: cashback.Some(decimal.MustParse("0.8")),
			Payout: &cashback.Payout{Frequency: cashback.Weekly, Methods: []cashback.PayoutMethod{{Kind: "paypal", Minimum: cashback.Some(decimal.Zero)}}}})
		c.Offers = append(c.Offers, Offer{Portal: id, VerifiedOn: c.Now})
	}
	return c
}

func TestKeepOrGive(t *testing.T) {
	c := twoPortals()
	c.Offers[0].Tiers, c.Offers[1].Tiers = []Tier{{Components: rate("5")}}, []Tier{{Components: rate("4")}}
	c.Portals[0].Payout.Methods = append(c.Portals[0].Payout.Methods, cashback.PayoutMethod{Kind: "donation", Minimum: cashback.Some(decimal.Zero), Share: cashback.Some(decimal.MustParse("0.5")), Association: "Half"})
	c.Portals[1].Payout.Methods = append(c.Portals[1].Payout.Methods, cashback.PayoutMethod{Kind: "donation", Minimum: cashback.Some(decimal.Zero), Association: "All"})
	for _, methods := range [][]string{nil, {"paypal", "donation"}, {"donation"}} {
		c.Shopper.Methods = methods
		g, err := KeepOrGive(c)
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Keep.Ranked) != 2 || g.Keep.Ranked[0].Portal != "p" || g.Keep.Ranked[0].Value != 400 || g.Keep.Ranked[0].Method != "paypal" {
			t.Errorf("%v: keep %+v", methods, g.Keep.Ranked)
		}
		if len(g.Give.Ranked) != 2 || g.Give.Ranked[0].Portal != "q" || g.Give.Ranked[0].Value != 320 || g.Give.Ranked[1].Value != 200 || g.Give.Ranked[0].Estimate {
			t.Errorf("%v: give %+v", methods, g.Give.Ranked)
		}
		want := map[string]Gift{"p": {Association: "Half", Share: decimal.MustParse("0.5")}, "q": {Association: "All", Share: decimal.One, ShareUnknown: true}}
		if diff := cmp.Diff(want, g.Gifts); diff != "" {
			t.Error(diff)
		}
	}
}
