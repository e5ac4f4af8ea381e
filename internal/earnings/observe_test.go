package earnings

import (
	"testing"
	"time"
)

func TestObserve(t *testing.T) {
	bought := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return bought.AddDate(0, 0, n) }
	got := Observe([]Purchase{
		{Portal: "a", For: ForPurchase, State: StatePayable, Bought: bought, Since: map[State]time.Time{StateConfirmed: day(60), StatePayable: day(70)}},
		{Portal: "a", For: ForPurchase, State: StateConfirmed, Bought: bought, Since: map[State]time.Time{StateConfirmed: day(30)}},
		{Portal: "a", For: ForPurchase, State: StateDeclined, Bought: bought, Since: map[State]time.Time{StateDeclined: day(9)}},
		// Confirmed first, taken back later: a decline, and still a delay.
		{Portal: "a", For: ForPurchase, State: StateReversed, Bought: bought, Since: map[State]time.Time{StateConfirmed: day(90), StateReversed: day(99)}},
		{Portal: "a", For: ForPurchase, State: StateTracked, Bought: bought, Since: map[State]time.Time{StateTracked: day(2)}},
		{Portal: "a", For: "bonus", State: StatePayable, Bought: bought, Since: map[State]time.Time{StateConfirmed: day(1)}},
		{Portal: "b", For: ForPurchase, State: StateTracked, Bought: bought},
	})
	if a := got["a"]; a.Outcomes != (Outcomes{Confirmed: 2, Declined: 2}) || a.ConfirmDays != 60 || a.Delays != 3 {
		t.Errorf("%+v", a)
	}
	if b := got["b"]; b != (Observed{}) {
		t.Errorf("%+v", b)
	}
}
