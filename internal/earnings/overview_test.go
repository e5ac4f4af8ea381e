package earnings

import (
	"slices"
	"testing"
	"time"
)

func TestOverview(t *testing.T) {
	l := NewLedger()
	day := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 12, 0, 0, 0, time.UTC) }
	add := func(id, portal, shop string, bought time.Time, amount *Amount, kinds ...EventKind) {
		t.Helper()
		for i, k := range kinds {
			e := Event{Kind: k, At: bought.Add(time.Duration(i) * 10 * 24 * time.Hour), Purchase: id, Portal: portal, Shop: shop, Source: "hand", Key: id + string(k)}
			if i == 0 {
				e.Amount = amount
			}
			if k == Donation {
				e.Note = "Les Restos"
			}
			if _, _, err := l.Append(e, bought); err != nil {
				t.Fatal(err)
			}
		}
	}
	add("1", "a", "Fnac", day(1, 5), eur(500), Tracked, Confirmed, Payable, PayoutRequested, Paid)
	add("2", "a", "Fnac", day(2, 5), eur(300), Tracked, Declined)
	add("3", "a", "Darty", day(2, 6), eur(700), Tracked, Confirmed)
	add("4", "b", "Fnac", day(3, 1), eur(200), Tracked, Confirmed, Payable, Donation)
	add("5", "b", "Fnac", time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC), eur(100), Expected)
	add("6", "b", "Fnac", day(3, 2), &Amount{1000, PointsOf("pts")}, Tracked)
	add("7", "b", "", day(3, 3), nil, Clicked)
	add("8", "b", "", day(3, 3), eur(400), JoinBonus)
	o := OverviewOf(l.Purchases(), day(3, 20))
	if want := []Pot{
		{Unit: "EUR", Pending: 500, Confirmed: 700, Payable: 0, Paid: 700, Lost: 300, Purchases: 6},
		{Unit: "points:pts", Pending: 1000, Purchases: 1},
	}; !slices.Equal(o.Ever, want) {
		t.Errorf("ever %+v", o.Ever)
	}
	if o.Year[0].Pending != 400 || o.Year[0].Purchases != 5 {
		t.Errorf("this year %+v", o.Year)
	}
	if len(o.Portals) != 3 || o.Portals[0].Portal != "a" || o.Portals[0].Sum() != 1200 || o.Portals[2].Unit != PointsOf("pts") {
		t.Errorf("portals %+v", o.Portals)
	}
	if len(o.Months) != 5 || o.Months[0].Month != "2025-12" || o.Months[2].Month != "2026-02" || o.Months[2].Lost != 300 {
		t.Errorf("months %+v", o.Months)
	}
	if want := []Habit{
		{Portal: "a", Settled: 3, Lost: 1, WaitDays: 20, Waited: 1},
		{Portal: "a", Shop: "Fnac", Settled: 2, Lost: 1, WaitDays: 20, Waited: 1},
		{Portal: "b", Settled: 1, WaitDays: 20, Waited: 1},
	}; !slices.Equal(o.Habits, want) {
		t.Errorf("habits %+v", o.Habits)
	}
	if want := []Gift{{"Les Restos", 2026, Amount{200, "EUR"}}}; !slices.Equal(o.Gifts, want) {
		t.Errorf("gifts %+v", o.Gifts)
	}
	if got := LastMonths(day(2, 28), 4); !slices.Equal(got, []string{"2025-11", "2025-12", "2026-01", "2026-02"}) {
		t.Errorf("months %v", got)
	}
	// The overview says what the balances say: nothing is lost between the two folds.
	var sum, balances int64
	for _, p := range o.Ever {
		sum += p.Sum() + p.Lost
	}
	for _, b := range l.Balances() {
		if b.State != Outside {
			balances += b.Minor
		}
	}
	if sum != balances {
		t.Errorf("the overview has %d, the balances %d", sum, balances)
	}
}
