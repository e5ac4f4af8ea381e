package earnings

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestPastIsWhatThePortalDid(t *testing.T) {
	l := NewLedger()
	days := func(n int) time.Time { return monday.AddDate(0, 0, n) }
	for i := range 6 { // confirmed after 30 days, payable after 60+i
		must(t, l, fmt.Sprint("c", i), Event{Kind: Tracked, Merchant: 7, Amount: eur(200)}, Event{Kind: Confirmed, At: days(30)}, Event{Kind: Payable, At: days(60 + i)})
	}
	must(t, l, "paid", Event{Kind: Tracked, Merchant: 8, Amount: eur(1000)}, Event{Kind: Confirmed}, Event{Kind: Payable}, Event{Kind: PayoutRequested}, Event{Kind: Paid})
	must(t, l, "agreed", Event{Kind: Tracked, Merchant: 8, Amount: eur(50)}, Event{Kind: Confirmed, At: days(3)})
	must(t, l, "declined", Event{Kind: Tracked, Merchant: 8, Amount: eur(99)}, Event{Kind: Declined})
	must(t, l, "back", Event{Kind: Tracked, Merchant: 8, Amount: eur(99)}, Event{Kind: Confirmed}, Event{Kind: Reversed})
	must(t, l, "old", Event{Kind: Tracked, Merchant: 9, Amount: eur(777), At: days(-500)}, Event{Kind: Confirmed, At: days(-400)})
	must(t, l, "bonus", Event{Kind: JoinBonus, Amount: eur(300)}, Event{Kind: Confirmed})
	must(t, l, "points", Event{Kind: Tracked, Amount: &Amount{120000, PointsOf("miles")}}, Event{Kind: Confirmed})
	must(t, l, "waiting", Event{Kind: Tracked, Merchant: 9, Amount: eur(5)})
	got := PastOf(l.Purchases(), days(10))["malin"]
	want := &Past{
		Outcomes: Outcomes{Confirmed: 6 + 4, Declined: 2}, // with paid, agreed, old and points
		Merchants: map[cashback.MerchantID]Outcomes{
			7: {6, 0}, 8: {2, 2}, 9: {1, 0},
		},
		Balance:     map[Unit]int64{"EUR": 6*200 + 50 + 777 + 300, PointsOf("miles"): 120000},
		Earned365:   map[Unit]int64{"EUR": 1050, PointsOf("miles"): 120000},
		PayableDays: 62,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, c := range []struct{ values, want string }{{"", "23.27"}, {"0.01", "35.27"}} {
		values := map[string]cashback.Decimal{}
		if c.values != "" {
			values["miles"] = decimal.MustParse(c.values)
		}
		if got := InCurrency(got.Balance, "EUR", values); got.String() != c.want {
			t.Errorf("a balance of %s, want %s", got, c.want)
		}
	}
}
