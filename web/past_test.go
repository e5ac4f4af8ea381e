package web

import (
	"slices"
	"strconv"
	"strings"
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

// TestShopPagePast: the page says what the visitor's own past has changed, to them
// alone.
func TestShopPagePast(t *testing.T) {
	p := newCrowd(t)
	fnac := shopNamed(t, p.Server, "fnac")
	target := "/en/shops/" + fnac.Slug + "?amount=200"
	eur := &earnings.Amount{Minor: 400, Unit: "EUR"}
	for i := range 12 { // Muet, the best for this basket, refuses whatever Alice buys
		id := "m" + strconv.Itoa(i)
		for _, kind := range []earnings.EventKind{earnings.Tracked, earnings.Declined} {
			e := earnings.Event{Kind: kind, At: today.AddDate(0, -1, i), Purchase: id, Portal: "muet", Merchant: fnac.ID, Key: id + string(kind), Source: "hand", For: earnings.ForPurchase}
			if kind == earnings.Tracked {
				e.Amount = eur
			}
			if _, err := p.ledgers.Append(t.Context(), p.alice.ID, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	public := document(t, p.Server, target, 200)
	if public.Find(".lived").Length() != 0 || public.Find(".row.first").AttrOr("data-portal", "") != "muet" {
		t.Fatalf("to anybody: %q first; %q", public.Find(".row.first").AttrOr("data-portal", ""), public.Find(".lived").Text())
	}
	hers := read(t, ask(p.Handler(), "GET", target, local, p.as(p.alice)))
	if got := hers.Find(".lived").Text(); !strings.HasPrefix(got, "Without your own past, it would be Muet with €") || !strings.Contains(got, "0 purchases confirmed, 12 refused") || !strings.HasSuffix(got, "it is Sitôt.") {
		t.Errorf("to Alice: %q", got)
	}
	if got := texts(hers.Find("[data-portal=muet] .why li")); !slices.Contains(got, "at this very shop: 0 confirmed, 12 declined") {
		t.Errorf("her outcomes aren't in the sum: %q", got)
	}
	if d := read(t, ask(p.Handler(), "GET", target, local, p.as(p.bob))); d.Find(".lived").Length() != 0 {
		t.Errorf("Bob has no ledger, but reads %q", d.Find(".lived").Text())
	}
	if again := document(t, p.Server, target, 200); again.Find(".row.first").AttrOr("data-portal", "") != "muet" {
		t.Error("her past shows to others")
	}
}
