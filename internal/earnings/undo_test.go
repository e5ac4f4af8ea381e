package earnings

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestUndoPayout: a payout that was noted wrongly is taken back by events that correct it:
// its lines are payable as before, or asked for as before, and the invariants hold.
func TestUndoPayout(t *testing.T) {
	l := NewLedger()
	payable := func(id string) {
		must(t, l, id, Event{Kind: Tracked, Amount: eur(500)}, Event{Kind: Confirmed}, Event{Kind: Payable})
	}
	append1 := func(list []Event) {
		t.Helper()
		for _, e := range list {
			if _, _, err := l.Append(e, monday); err != nil {
				t.Fatal(err)
			}
		}
	}
	payable("a")
	payable("b")
	payable("c")
	must(t, l, "b", Event{Kind: PayoutRequested, Payout: "asked"})
	before := l.Balances()
	asked := l.purchases["b"].Since[StateRequested]
	day := monday.Add(100 * time.Hour)
	b := l.Book()
	events, err := b.Payout("P 1", []string{"a", "b"}, day, "")
	if err != nil {
		t.Fatal(err)
	}
	append1(events)
	given, err := b.Payout("P 2", []string{"c"}, day, "Les Restos")
	if err != nil {
		t.Fatal(err)
	}
	append1(given)
	var docs []Document
	keep := func(d Document) {
		if i := slices.IndexFunc(docs, func(o Document) bool { return o.Name == d.Name }); i >= 0 {
			docs[i] = d
		} else {
			docs = append(docs, d)
		}
	}
	arrived := func(a Arrival) {
		d, err := a.Document()
		if err != nil {
			t.Fatal(err)
		}
		keep(d)
	}
	arrived(Arrival{ID: "P 1", Portal: "malin", At: day, Arrived: *eur(1200), Gross: *eur(1200)})
	arrived(Arrival{ID: "P 2", Portal: "malin", At: day, Arrived: *eur(500), Gross: *eur(500), GivenTo: "Les Restos"})
	if n := Ahead(PaidOuts(l.Book(), docs), "malin", "EUR"); n != 200 {
		t.Errorf("%d were paid ahead", n)
	}
	for _, x := range PaidOuts(l.Book(), docs) {
		events, kept, err := l.UndoPayout(x, day.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		append1(events)
		for _, d := range kept {
			keep(d)
		}
	}
	if d := cmp.Diff(before, l.Balances()); d != "" {
		t.Errorf("the balances aren't those of before: %s", d)
	}
	p := l.purchases["b"]
	if p.State != StateRequested || p.Payout != "asked" || !p.Since[StateRequested].Equal(asked) {
		t.Errorf("what had been asked for: %+v", p)
	}
	if p = l.purchases["c"]; p.State != StatePayable || p.Donated != "" || p.Note != "" || p.Payout != "" {
		t.Errorf("what was given: %+v", p)
	}
	if _, paid := l.purchases["a"].Since[StatePaid]; paid {
		t.Error("a payout that never was has a day")
	}
	list := PaidOuts(l.Book(), docs)
	undone := 0
	for _, x := range list {
		if !x.Undone.IsZero() {
			undone++
			if len(x.Lines) > 0 || x.Rest.Minor != 0 {
				t.Errorf("taken back: %+v", x)
			}
		}
	}
	if undone != 2 || Ahead(list, "malin", "EUR") != 0 {
		t.Errorf("the list: %+v", list)
	}
	// Its name isn't given again, so it can be noted as it was.
	name := FreeName(list, "P 1")
	if name != "P 1 2" {
		t.Errorf("the next name is %q", name)
	}
	b = l.Book()
	if events, err = b.Payout(name, []string{"a"}, day, ""); err != nil {
		t.Fatal(err)
	}
	append1(events)
	if got := l.purchases["a"]; got.State != StatePaid || !got.Since[StatePaid].Equal(day) || got.Payout != name {
		t.Errorf("noted again: %+v", got)
	}
	if v := l.Check(); len(v) > 0 {
		t.Error(v)
	}
	// A change of amount on the way back would make more payable than was confirmed.
	if _, _, err := l.Append(Event{Kind: PayoutUndone, Purchase: "a", Portal: "malin", At: day, Amount: eur(900), Key: "more"}, monday); err == nil {
		t.Error("a payout was taken back with another amount")
	}
	if _, err := json.Marshal(list); err != nil {
		t.Error(err)
	}
}
