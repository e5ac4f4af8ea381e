package rank

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// sixtyOffers is a shop with sixty offers of every kind, for a shopper with a past.
func sixtyOffers() Case {
	d := decimal.MustParse
	some := func(s string) cashback.NullDecimal { return cashback.Some(d(s)) }
	c := Case{
		Now:      today,
		Purchase: Purchase{Amount: d("136.53"), Currency: "EUR", Country: "FR", VATRate: some("0.2")},
		Shopper:  Shopper{Balances: map[string]cashback.Decimal{}, History: map[string]History{}},
		FX:       map[string]cashback.Decimal{"GBP/EUR": d("1.1731"), "EUR/USD": d("1.0843")},
	}
	for i := range 60 {
		id := fmt.Sprintf("p%02d", i)
		days := 30 + i
		rate := some(fmt.Sprintf("%d.%02d", 1+i%9, i%4*25)).Decimal
		p := Portal{
			ID: id, Currency: []cashback.Currency{"EUR", "EUR", "GBP"}[i%3], VATBasis: []cashback.VATBasis{"net", "gross", "unknown"}[i%3],
			ValidationDays: &days, ConfirmRate: some(fmt.Sprintf("0.%02d", 80+i%20)), PointValues: map[string]cashback.Decimal{"pts": d("0.0067")},
			Payout: &cashback.Payout{Frequency: cashback.OnDemand, Methods: []cashback.PayoutMethod{
				{Kind: "bank_transfer", Minimum: some(fmt.Sprint(i % 4 * 10))}, {Kind: "paypal", Minimum: some("10"), Fee: d("0.35")}, {Kind: "gift_card", Minimum: some("5"), BonusRate: d("0.05")},
			}},
		}
		tiers := []Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: rate}}}}
		switch i % 6 {
		case 1:
			tiers[0].Cap = some("12")
		case 2:
			tiers = append(tiers, Tier{Audience: cashback.New, Components: []cashback.Component{{Kind: cashback.Percent, Value: d("9.5")}, {Kind: cashback.Fixed, Value: d("2"), Currency: "EUR"}}})
		case 3:
			tiers[0].Components = []cashback.Component{{Kind: cashback.PointsPerUnit, Value: d("4"), PointsCurrency: "pts", Currency: "EUR"}}
		case 4:
			tiers = append(tiers, Tier{Category: "shoes", Components: tiers[0].Components}, Tier{MinSpend: some("150"), Components: []cashback.Component{{Kind: cashback.Percent, Value: d("7")}}})
		case 5:
			tiers[0].UpTo = true
		}
		c.Portals = append(c.Portals, p)
		c.Offers = append(c.Offers, Offer{Portal: id, Merchant: "m1", VerifiedOn: today, Tiers: tiers})
		if i%4 == 0 {
			c.Shopper.Balances[id] = d("3.20")
			c.Shopper.History[id] = History{Outcomes: Outcomes{7, 1}, Earned365: d("48"), Merchants: map[string]Outcomes{"m1": {2, 0}}}
		}
	}
	return c
}

// BenchmarkRank60 is the budget of 2 ms for sixty offers; its baseline is the
// oracle, the same arithmetic without short numbers or anything prepared.
func BenchmarkRank60(b *testing.B) {
	c := sixtyOffers()
	b.Run("rank", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Rank(c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			oracle(c)
		}
	})
}

// BenchmarkNumber is a product and a sum, short and beyond 64 bits; its baseline is
// big.Rat.
func BenchmarkNumber(b *testing.B) {
	x, y := fraction(13653, 100), fraction(365, 442)
	wide := fraction(math.MaxInt64, 7).mul(fraction(math.MaxInt32, 11))
	b.Run("short", func(b *testing.B) {
		for b.Loop() {
			x.mul(y).add(x)
		}
	})
	b.Run("long", func(b *testing.B) {
		for b.Loop() {
			wide.mul(y).add(x)
		}
	})
	b.Run("baseline", func(b *testing.B) {
		x, y := big.NewRat(13653, 100), big.NewRat(365, 442)
		for b.Loop() {
			z := new(big.Rat).Mul(x, y)
			z.Add(z, x)
		}
	})
}

// BenchmarkCurve60 is the budget of 40 ms for the curves of sixty offers up to a
// thousand euros. Its baseline is what one would write first: Rank at each hundred
// cents, which finds no kink and no switch to the cent.
func BenchmarkCurve60(b *testing.B) {
	c := sixtyOffers()
	b.Run("curve", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := CurveOf(c, 0, 100_000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for amount := int64(0); amount <= 100_000; amount += 100 {
				c.Purchase.Amount = decimal.MustNew(amount, 2)
				if _, err := Rank(c); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkScore400k is the budget of 300 ms for the score of 90 portals over
// 400,000 offers of 50,000 shops. Its baseline is only to walk over and add up the
// same listings in a map by shop, without any score.
func BenchmarkScore400k(b *testing.B) {
	in := Comparison{Currency: "EUR", Rates: ShippedRates()}
	for i := range 90 {
		in.Portals = append(in.Portals, cashback.Portal{ID: fmt.Sprint(i), Currency: "EUR"})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 400_000 {
		in.Listings = append(in.Listings, Listing{cashback.MerchantID(r.IntN(50_000)), r.IntN(90), r.Int64N(1500)})
	}
	b.Run("score", func(b *testing.B) {
		for b.Loop() {
			if _, err := ScorePortals(in); err != nil {
				b.Fatal(err)
			}
		}
	})
	standings, err := Compare(in)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("weigh", func(b *testing.B) { // what a request costs, once the criteria are there
		for b.Loop() {
			if _, err := standings.Weigh(Weights{Rates: dec(3), Terms: dec(1)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("duel", func(b *testing.B) {
		for b.Loop() {
			standings.Duel(3, 5, 7, 11)
		}
	})
	b.Run("baseline", func(b *testing.B) {
		for b.Loop() {
			sums := map[cashback.MerchantID]int64{}
			for _, l := range in.Listings {
				sums[l.Merchant] += l.Value
			}
		}
	})
}
