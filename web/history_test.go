package web

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/view"
)

func days(n int) time.Time { return today.AddDate(0, 0, -n) }

func past(portal string, from, to int, worth int64) view.PastRate {
	r := view.PastRate{Portal: portal, PortalName: portal, From: days(from), Worth: worth, Valued: true}
	if to > 0 {
		r.To = days(to)
	}
	return r
}

func TestSweep(t *testing.T) {
	for _, c := range []struct {
		name          string
		rates         []view.PastRate
		best          []view.Step100
		top           int64
		lower, higher int
	}{
		{"one rate", []view.PastRate{past("a", 10, 0, 400)}, []view.Step100{{At: days(10), Worth: 400}}, 400, 0, 0},
		{"a rise, and another portal below", []view.PastRate{past("a", 10, 4, 400), past("a", 4, 0, 600), past("b", 8, 0, 500)},
			[]view.Step100{{At: days(10), Worth: 400}, {At: days(8), Worth: 500}, {At: days(4), Worth: 600}}, 600, 60, 0},
		{"a peak that is over, then a gap", []view.PastRate{past("a", 20, 15, 900), past("b", 10, 0, 300)},
			[]view.Step100{{At: days(20), Worth: 900}, {At: days(15), Worth: 0}, {At: days(10), Worth: 300}}, 900, 25, 25},
		{"a record of years ago isn't drawn", []view.PastRate{past("a", 900, 800, 2000), past("a", 800, 0, 500)},
			[]view.Step100{{At: today.AddDate(-1, 0, 0), Worth: 500}}, 2000, 0, 0},
		{"without a value", []view.PastRate{{Portal: "a", From: days(3), Worth: 100}}, []view.Step100{{At: days(3)}}, 0, 0, 0},
	} {
		h := &view.History{Now: today, Rates: c.rates}
		sweep(h)
		if diff := cmp.Diff(c.best, h.Best); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if h.Lower != c.lower || h.Higher != c.higher {
			t.Errorf("%s: lower for %d %%, higher for %d %%", c.name, h.Lower, h.Higher)
		}
		top := int64(0)
		if h.Top != nil {
			top = h.Top.Worth
		}
		if top != c.top {
			t.Errorf("%s: best ever %d, want %d", c.name, top, c.top)
		}
	}
}

// Whatever was published, the line at any moment is the best rate in force then.
func TestPropertySweep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &view.History{Now: today}
		for range rapid.IntRange(1, 20).Draw(t, "rates") {
			from := rapid.IntRange(1, 700).Draw(t, "from")
			h.Rates = append(h.Rates, past("p", from, rapid.IntRange(0, from-1).Draw(t, "to"), rapid.Int64Range(0, 9).Draw(t, "worth")*100))
		}
		sweep(h)
		at := today.AddDate(0, 0, -rapid.IntRange(0, 364).Draw(t, "at"))
		if at.Before(h.From) {
			return
		}
		var want, got int64
		for _, r := range h.Rates {
			if !r.From.After(at) && (r.To.IsZero() || r.To.After(at)) {
				want = max(want, r.Worth)
			}
		}
		for _, b := range h.Best {
			if !b.At.After(at) {
				got = b.Worth
			}
		}
		if got != want {
			t.Fatalf("at %v: %d, want %d of %+v", at, got, want, h.Rates)
		}
	})
}

// The page tells what the API holds: every published rate, from its first to its
// last moment, in the page's own words.
func TestHistoryOnPage(t *testing.T) {
	s := newServer(t)
	m := shopNamed(t, s, "sephora")
	d := document(t, s, "/en/shops/"+m.Slug, 200)
	points, err := s.truth.History(t.Context(), m.ID, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	rows := d.Find("#history-rates tbody tr")
	if rows.Length() != len(points) || len(points) != 3 {
		t.Errorf("%d rows for %d points", rows.Length(), len(points))
	}
	var words []string
	for _, p := range points {
		words = append(words, p.RawText)
	}
	got := texts(d.Find("#history-rates tbody td:nth-child(4)"))
	slices.Sort(words)
	slices.Sort(got)
	if !slices.Equal(words, got) {
		t.Errorf("the page says %q, the store %q", got, words)
	}
	told := strings.Join(texts(d.Find(".told")), " ")
	if !strings.Contains(told, "Best ever recorded: €8.00 at Grand Taux (“8 %”)") || !strings.Contains(told, "Today’s best, €8.00, hasn’t moved") {
		t.Errorf("told: %q", told)
	}
	if d.Find(".past-plot path.best").AttrOr("d", "") == "" {
		t.Error("no line is drawn")
	}
	// A rate that nobody understood is a line of the table, and no rate.
	few := document(t, s, "/en/shops/"+shopNamed(t, s, "leroy").Slug, 200)
	if got := texts(few.Find("#history-rates .missing")); len(got) != 1 {
		t.Errorf("a rate that wasn't understood: %q", got)
	}
}

// What is taken down is nowhere in the history either.
func TestHistoryTakenDown(t *testing.T) {
	w := newTown(t)
	w.populate()
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	slug := shopNamed(t, s, "sephora").Slug
	for _, mode := range []cashback.Publication{cashback.RelationOnly, cashback.Private} {
		if err := w.store.SetPublication(t.Context(), "grandtaux", mode, "test", ""); err != nil {
			t.Fatal(err)
		}
		if text := document(t, s, "/en/shops/"+slug, 200).Find("#history-rates").Text(); strings.Contains(text, "Grand Taux") || strings.Contains(text, "8 %") {
			t.Errorf("%s: the history still tells of it: %q", mode, text)
		}
	}
}
