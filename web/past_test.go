package web

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/rank"
)

func TestTheLedgerFeedsTheRanking(t *testing.T) {
	past := map[string]*earnings.Past{
		"malin": {
			Outcomes:    earnings.Outcomes{Confirmed: 9, Declined: 1},
			Merchants:   map[cashback.MerchantID]earnings.Outcomes{7: {Confirmed: 3}},
			Balance:     map[earnings.Unit]int64{"EUR": 1250, "GBP": 99, earnings.PointsOf("pts"): 50000},
			Earned365:   map[earnings.Unit]int64{"EUR": 8000},
			PayableDays: 72,
		},
		"gone": {Balance: map[earnings.Unit]int64{"EUR": 1}},
	}
	points := cashback.Fact[map[string]cashback.Decimal]{Value: map[string]cashback.Decimal{"pts": decimal.MustParse("0.02")}}
	portals := []cashback.Portal{{ID: "malin", Currency: "EUR", Facts: cashback.Facts{PointValues: &points}}, {ID: "new", Currency: "EUR"}}
	same := cmp.Comparer(func(a, b cashback.Decimal) bool { return a.Equal(b) })
	for _, c := range []struct {
		own  map[string]cashback.Decimal
		want string
	}{
		{nil, "22.5"}, // 12.50 and 500 points of 0.02; pounds aren't the portal's currency
		{map[string]cashback.Decimal{"pts": decimal.MustParse("0.01")}, "17.5"},
	} {
		s := withPast(rank.Shopper{PointValues: c.own}, past, portals)
		if d := cmp.Diff(map[string]cashback.Decimal{"malin": decimal.MustParse(c.want)}, s.Balances, same); d != "" {
			t.Error(d)
		}
		want := map[string]rank.History{"malin": {
			Outcomes: rank.Outcomes{Confirmed: 9, Declined: 1}, Earned365: decimal.MustParse("80"), Merchants: map[string]rank.Outcomes{"7": {Confirmed: 3}},
		}}
		if d := cmp.Diff(want, s.History, same); d != "" {
			t.Error(d)
		}
	}
	if p := ownDelays(rank.Portal{ID: "malin"}, past); p.ValidationDays == nil || *p.ValidationDays != 72 {
		t.Error("the own delay isn't taken")
	}
	if p := ownDelays(rank.Portal{ID: "gone"}, past); p.ValidationDays != nil {
		t.Error("a delay out of nothing")
	}
}
