package earnings_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

var importedAt = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func day(s string) cashback.Date {
	d, err := cashback.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// row makes a line of "2026-10-03 | Fnac | 3.60 | tracked".
func row(s string) earnings.Line {
	f := strings.Split(s, " | ")
	m, err := cashback.ParseMoney(f[2], "EUR")
	if err != nil {
		panic(err)
	}
	l := earnings.Line{Portal: "exemple-fr", Date: day(f[0]), Shop: f[1], Amount: earnings.AmountOf(m), State: earnings.State(f[3]), Wording: f[3], For: earnings.ForPurchase, Rule: "test"}
	for _, extra := range f[4:] {
		name, v, _ := strings.Cut(extra, "=")
		switch name {
		case "id":
			l.External = v
		case "order":
			l.Order = v
		case "basket":
			b, _ := cashback.ParseMoney(v, "EUR")
			a := earnings.AmountOf(b)
			l.Basket = &a
		case "mail":
			t, err := time.Parse(time.RFC3339, v)
			if err != nil {
				panic(err)
			}
			l.Seen, l.Undated = t, true
		case "uplift":
			l.Uplift = true
		case "kind":
			l.For = earnings.RewardFor(v)
		}
	}
	return l
}

func rows(list ...string) []earnings.Line {
	out := make([]earnings.Line, len(list))
	for i, s := range list {
		out[i] = row(s)
	}
	return out
}

// carryOut appends a plan's events.
func carryOut(t interface{ Fatalf(string, ...any) }, l *earnings.Ledger, p earnings.Plan) {
	for _, e := range p.Events() {
		if _, fresh, err := l.Append(e, importedAt); err != nil {
			t.Fatalf("%+v: %v", e, err)
		} else if !fresh {
			t.Fatalf("%+v was there already", e)
		}
	}
}

func verdicts(p earnings.Plan) string {
	var out []string
	for _, c := range p.Changes {
		out = append(out, string(c.Verdict))
	}
	return strings.Join(out, " ")
}

// holdings are a ledger's purchases as a sorted list.
func holdings(l *earnings.Ledger) string {
	var out []string
	for _, p := range l.Purchases() {
		amount := "-"
		if p.Amount != nil {
			amount = p.Amount.String()
		}
		out = append(out, fmt.Sprintf("%s %s %s %s", cashback.DateOf(p.Bought), p.Shop, amount, p.State))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestDiff walks through imports one after the other, each with the verdicts that it
// should have and what the ledger holds in the end.
func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps [][]string // lines, the last one of each step "= verdicts"
		want  string
	}{
		{"twice", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "2026-10-04 | Boulanger | 1.20 | confirmed", "= new new"},
			{"2026-10-03 | Fnac | 3.60 | tracked", "2026-10-04 | Boulanger | 1.20 | confirmed", "= unchanged unchanged"},
		}, "2026-10-03 Fnac 3.60 EUR tracked\n2026-10-04 Boulanger 1.20 EUR confirmed"},
		{"an overlapping month, in another order, written otherwise", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "2026-10-30 | Booking.com | 9.00 | tracked", "= new new"},
			{"2026-11-02 | Darty | 2.00 | tracked", "2026-10-30 | BOOKING COM | 9.00 | tracked", "= new unchanged"},
		}, "2026-10-03 Fnac 3.60 EUR tracked\n2026-10-30 Booking.com 9.00 EUR tracked\n2026-11-02 Darty 2.00 EUR tracked"},
		{"two alike on one day are two", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "= new"},
			{"2026-10-03 | Fnac | 3.60 | tracked", "2026-10-03 | Fnac | 3.60 | tracked", "= unchanged new"},
			{"2026-10-03 | Fnac | 3.60 | tracked", "2026-10-03 | Fnac | 3.60 | tracked", "= unchanged unchanged"},
		}, "2026-10-03 Fnac 3.60 EUR tracked\n2026-10-03 Fnac 3.60 EUR tracked"},
		{"a state goes on, skipping some", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "= new"},
			{"2026-10-03 | Fnac | 3.60 | payable", "= changed"},
			{"2026-10-03 | Fnac | 3.60 | paid", "= changed"},
		}, "2026-10-03 Fnac 3.60 EUR paid"},
		{"an old list doesn't bring a state back", [][]string{
			{"2026-10-03 | Fnac | 3.60 | payable", "= new"},
			{"2026-10-03 | Fnac | 3.60 | tracked", "= unchanged"},
		}, "2026-10-03 Fnac 3.60 EUR payable"},
		{"another amount within the days of the file", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "= new"},
			{"2026-10-01 | Darty | 1.00 | tracked", "2026-10-03 | Fnac | 3.00 | confirmed", "2026-10-05 | Darty | 1.00 | tracked", "= new changed new"},
		}, "2026-10-01 Darty 1.00 EUR tracked\n2026-10-03 Fnac 3.00 EUR confirmed\n2026-10-05 Darty 1.00 EUR tracked"},
		{"another amount at the file's edge could be another purchase", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "= new"},
			{"2026-10-03 | Fnac | 3.00 | confirmed", "= doubtful"},
		}, "2026-10-03 Fnac 3.60 EUR tracked"},
		{"another amount of the same id", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked | id=77", "= new"},
			{"2026-10-03 | Fnac | 3.00 | confirmed | id=77", "= changed"},
			{"2026-10-03 | Fnac | 3.00 | confirmed | id=78", "= new"},
		}, "2026-10-03 Fnac 3.00 EUR confirmed\n2026-10-03 Fnac 3.00 EUR confirmed"},
		{"another amount of the same order", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked | order=A1", "= new"},
			{"2026-10-03 | Fnac | 3.00 | confirmed | order=A1", "= changed"},
		}, "2026-10-03 Fnac 3.00 EUR confirmed"},
		{"an id that stands for two lines names something else", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked | id=77", "2026-10-03 | Fnac | 1.00 | tracked | id=77", "= new new"},
			{"2026-10-03 | Fnac | 1.00 | tracked | id=77", "2026-10-03 | Fnac | 3.60 | tracked | id=77", "= unchanged unchanged"},
			{"2026-10-03 | Fnac | 1.00 | tracked | id=77", "= unchanged"},
		}, "2026-10-03 Fnac 1.00 EUR tracked\n2026-10-03 Fnac 3.60 EUR tracked"},
		{"an id twice in one file is one purchase", [][]string{
			{"2026-10-03 | Fnac | 3.60 | confirmed | id=77", "2026-10-03 | Fnac | 3.60 | tracked | id=77", "= changed new"},
			{"2026-10-03 | Fnac | 3.60 | confirmed | id=77", "2026-10-03 | Fnac | 3.60 | tracked | id=77", "= unchanged unchanged"},
		}, "2026-10-03 Fnac 3.60 EUR confirmed"},
		{"declined replaced with zero keeps what was promised", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "= new"},
			{"2026-10-03 | Fnac | 0.00 | declined", "= doubtful"},
			{"2026-10-03 | Fnac | 0.00 | declined", "2026-10-01 | Darty | 1.00 | tracked", "= changed new"},
			{"2026-10-03 | Fnac | 0.00 | declined", "2026-10-01 | Darty | 1.00 | tracked", "= unchanged unchanged"},
			{"2026-10-03 | Fnac | 0.00 | declined", "= unchanged"},
		}, "2026-10-01 Darty 1.00 EUR tracked\n2026-10-03 Fnac 3.60 EUR declined"},
		{"declined after it was payable is taken back", [][]string{
			{"2026-10-03 | Fnac | 3.60 | payable", "= new"},
			{"2026-10-03 | Fnac | 3.60 | declined", "= changed"},
			{"2026-10-03 | Fnac | 3.60 | declined", "= unchanged"},
		}, "2026-10-03 Fnac 3.60 EUR reversed"},
		{"paid amounts don't change", [][]string{
			{"2026-10-03 | Fnac | 3.60 | paid | id=7", "= new"},
			{"2026-10-03 | Fnac | 3.00 | paid | id=7", "= doubtful"},
		}, "2026-10-03 Fnac 3.60 EUR paid"},
		{"mails: tracked, then confirmed without the purchase's day", [][]string{
			{"2026-10-04 | Fnac | 3.60 | tracked | mail=2026-10-04T09:00:00Z", "= new"},
			{"2026-11-04 | Fnac | 3.60 | confirmed | mail=2026-11-04T09:00:00Z", "= changed"},
			{"2026-11-04 | Fnac | 3.60 | confirmed | mail=2026-11-04T09:00:00Z", "= unchanged"},
			{"2026-10-04 | Fnac | 3.60 | tracked | mail=2026-10-04T09:00:00Z", "= unchanged"},
		}, "2026-10-04 Fnac 3.60 EUR confirmed"},
		{"a mail about one of two that are alike", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "2026-10-09 | Fnac | 3.60 | tracked", "= new new"},
			{"2026-11-04 | Fnac | 3.60 | confirmed | mail=2026-11-04T09:00:00Z", "= doubtful"},
		}, "2026-10-03 Fnac 3.60 EUR tracked\n2026-10-09 Fnac 3.60 EUR tracked"},
		{"a mail after the table, and a table after the mail", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked", "= new"},
			{"2026-10-04 | Fnac | 3.60 | tracked | mail=2026-10-04T09:00:00Z", "= unchanged"},
			{"2026-10-07 | Darty | 1.60 | tracked | mail=2026-10-07T09:00:00Z", "= new"},
			{"2026-10-06 | Darty | 1.60 | tracked", "= unchanged"},
		}, "2026-10-03 Fnac 3.60 EUR tracked\n2026-10-07 Darty 1.60 EUR tracked"},
		{"two mails are two purchases", [][]string{
			{"2026-10-03 | Fnac | 3.60 | tracked | mail=2026-10-03T09:00:00Z", "= new"},
			{"2026-10-04 | Fnac | 3.60 | tracked | mail=2026-10-04T09:00:00Z", "= new"},
		}, "2026-10-03 Fnac 3.60 EUR tracked\n2026-10-04 Fnac 3.60 EUR tracked"},
		{"a referral is no purchase", [][]string{
			{"2026-10-03 | Parrainage | 5.00 | paid | kind=referral", "= new"},
			{"2026-10-03 | Parrainage | 5.00 | paid | kind=referral", "= unchanged"},
		}, "2026-10-03 Parrainage 5.00 EUR paid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := earnings.NewLedger()
			for i, s := range c.steps {
				lines, want := s[:len(s)-1], strings.TrimPrefix(s[len(s)-1], "= ")
				p := earnings.Diff(l, rows(lines...), earnings.DiffOptions{Now: importedAt.AddDate(0, 0, i)})
				if got := verdicts(p); got != want {
					t.Errorf("step %d: %s, want %s\n%+v", i+1, got, want, p.Changes)
				}
				carryOut(t, l, p)
			}
			if got := holdings(l); got != c.want {
				t.Errorf("holds\n%s\nwant\n%s", got, c.want)
			}
			for _, v := range l.Check() {
				t.Error(v)
			}
		})
	}
}

// TestMeet joins lines with clicks and expectations: surely, or by asking.
func TestMeet(t *testing.T) {
	click := func(id, at, shop string) earnings.Event {
		when, _ := time.Parse("2006-01-02 15:04", at)
		return earnings.Event{Kind: earnings.Clicked, At: when, Purchase: id, Portal: "exemple-fr", Shop: shop, Source: "click", Key: "c" + id, Evidence: "e" + id}
	}
	expect := func(id, at, shop, amount, order string) earnings.Event {
		e := click(id, at, shop)
		e.Kind, e.Key, e.Source, e.Order = earnings.Expected, "x"+id, "hand", order
		m, _ := cashback.ParseMoney(amount, "EUR")
		a := earnings.AmountOf(m)
		e.Amount = &a
		return e
	}
	byHand := func(id, at, amount string) earnings.Event {
		e := expect(id, at, "Fnac", amount, "")
		e.Kind, e.Key = earnings.Tracked, "t"+id
		return e
	}
	confirmedBy := func(id, at string) earnings.Event {
		e := click(id, at, "Fnac")
		e.Kind, e.Key, e.Source, e.Evidence = earnings.Confirmed, "k"+id, "hand", ""
		return e
	}
	for _, c := range []struct {
		name   string
		events []earnings.Event
		lines  []string
		want   string
	}{
		{"a click the same day", []earnings.Event{click("a", "2026-10-03 14:00", "Fnac")}, []string{"2026-10-03 | FNAC | 3.60 | tracked"}, "met:a"},
		{"the next day, in another zone", []earnings.Event{click("a", "2026-10-03 23:30", "Fnac")}, []string{"2026-10-04 | Fnac | 3.60 | tracked"}, "met:a"},
		{"another shop", []earnings.Event{click("a", "2026-10-03 14:00", "Darty")}, []string{"2026-10-03 | Fnac | 3.60 | tracked"}, "new:"},
		{"a click after the purchase", []earnings.Event{click("a", "2026-10-06 14:00", "Fnac")}, []string{"2026-10-03 | Fnac | 3.60 | tracked"}, "new:"},
		{"part of a name is asked", []earnings.Event{click("a", "2026-10-03 14:00", "Fnac Spectacles")}, []string{"2026-10-03 | Fnac | 3.60 | tracked"}, "doubtful:a"},
		{"a week later is asked", []earnings.Event{click("a", "2026-10-03 14:00", "Fnac")}, []string{"2026-10-10 | Fnac | 3.60 | tracked"}, "doubtful:a"},
		{"a week later with the order's number isn't", []earnings.Event{expect("a", "2026-10-03 14:00", "Fnac", "9.00", "F-1")}, []string{"2026-10-10 | Fnac | 3.60 | tracked | order=F-1"}, "met:a"},
		{"two clicks on one day with other terms are asked", []earnings.Event{click("a", "2026-10-03 10:00", "Fnac"), click("b", "2026-10-03 14:00", "Fnac")}, []string{"2026-10-03 | Fnac | 3.60 | tracked"}, "doubtful:a,b"},
		{"the amount tells them apart", []earnings.Event{expect("a", "2026-10-03 10:00", "Fnac", "3.60", ""), expect("b", "2026-10-03 14:00", "Fnac", "20.00", "")}, []string{"2026-10-03 | Fnac | 3.60 | tracked"}, "met:a"},
		{"each its own", []earnings.Event{expect("a", "2026-10-03 10:00", "Fnac", "3.60", ""), expect("b", "2026-10-03 14:00", "Fnac", "20.00", "")}, []string{"2026-10-03 | Fnac | 20.00 | tracked", "2026-10-03 | Fnac | 3.60 | declined"}, "met:b met:a"},
		{"noted as tracked by hand", []earnings.Event{expect("a", "2026-10-03 10:00", "Fnac", "3.60", ""), byHand("a", "2026-10-20 10:00", "3.60")}, []string{"2026-10-03 | Fnac | 3.60 | confirmed"}, "met:a"},
		{"noted by hand alone", []earnings.Event{byHand("a", "2026-10-03 10:00", "3.60"), byHand("b", "2026-10-03 10:00", "9.60")}, []string{"2026-10-03 | Fnac | 3.60 | tracked"}, "unchanged:a"},
		{"noted further than the list says", []earnings.Event{byHand("a", "2026-10-03 10:00", "3.60"), confirmedBy("a", "2026-10-04 10:00")}, []string{"2026-10-03 | Fnac | 3.60 | tracked"}, "unchanged:a"},
		{"a referral is not a click's", []earnings.Event{click("a", "2026-10-03 14:00", "Fnac")}, []string{"2026-10-03 | Fnac | 3.60 | tracked | kind=referral"}, "new:"},
		{"less than expected is the same purchase", []earnings.Event{expect("a", "2026-10-03 10:00", "Fnac", "9.00", "")}, []string{"2026-10-03 | Fnac | 3.60 | tracked"}, "met:a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := earnings.NewLedger()
			for _, e := range c.events {
				if _, _, err := l.Append(e, importedAt); err != nil {
					t.Fatal(err)
				}
			}
			p := earnings.Diff(l, rows(c.lines...), earnings.DiffOptions{Now: importedAt})
			var got []string
			for _, ch := range p.Changes {
				to := ch.Purchase
				switch ch.Verdict {
				case earnings.VerdictNew:
					to = ""
				case earnings.VerdictDoubtful:
					var ids []string
					for _, k := range ch.Candidates {
						ids = append(ids, k.Purchase)
					}
					slices.Sort(ids)
					to = strings.Join(ids, ",")
				}
				got = append(got, string(ch.Verdict)+":"+to)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%s, want %s\n%+v", s, c.want, p.Changes)
			}
			carryOut(t, l, p)
			if again := earnings.Diff(l, rows(c.lines...), earnings.DiffOptions{Now: importedAt.Add(time.Hour)}); len(again.Events()) > 0 {
				t.Errorf("again: %s %+v", verdicts(again), again.Events())
			}
			for _, v := range l.Check() {
				t.Error(v)
			}
			// What was asked is answered: as one of the candidates, as new, or not at all.
			for _, ch := range p.Changes {
				if ch.Verdict != earnings.VerdictDoubtful {
					continue
				}
				for answer, want := range map[string]earnings.Verdict{
					ch.Candidates[0].Purchase: earnings.VerdictMet, earnings.DecideNew: earnings.VerdictNew, earnings.DecideSkip: earnings.VerdictSkipped,
				} {
					q := earnings.Diff(l, rows(c.lines...), earnings.DiffOptions{Now: importedAt, Decisions: map[string]string{ch.ID: answer}})
					if q.Changes[0].Verdict != want {
						t.Errorf("answered %s: %s, want %s", answer, q.Changes[0].Verdict, want)
					}
				}
			}
		})
	}
}

// drawLines is what a portal lists at one moment: alike lines included.
func drawLines(t *rapid.T, ids bool) []earnings.Line {
	n := rapid.IntRange(1, 14).Draw(t, "lines")
	var out []earnings.Line
	for i := range n {
		l := row(fmt.Sprintf("2026-10-%02d | %s | %d.%02d | %s",
			rapid.IntRange(1, 9).Draw(t, "day"),
			rapid.SampledFrom([]string{"Fnac", "Darty", "Booking.com"}).Draw(t, "shop"),
			rapid.IntRange(0, 2).Draw(t, "euros"), rapid.SampledFrom([]int{0, 50}).Draw(t, "cents"),
			rapid.SampledFrom([]string{"tracked", "confirmed", "payable", "paid", "declined", "reversed"}).Draw(t, "state")))
		if ids && rapid.Bool().Draw(t, "has id") {
			l.External = fmt.Sprint(i)
		}
		out = append(out, l)
	}
	return out
}

func shuffled(t *rapid.T, lines []earnings.Line) []earnings.Line {
	out := slices.Clone(lines)
	rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// TestPropertyImportTwice: a list imported again, in any order, adds nothing, and its
// order doesn't matter the first time either.
func TestPropertyImportTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLines(t, true)
		l, m := earnings.NewLedger(), earnings.NewLedger()
		carryOut(t, l, earnings.Diff(l, lines, earnings.DiffOptions{Now: importedAt}))
		if l.Len() == 0 || len(l.Purchases()) != len(lines) {
			t.Fatalf("%d purchases of %d lines", len(l.Purchases()), len(lines))
		}
		other := shuffled(t, lines)
		carryOut(t, m, earnings.Diff(m, other, earnings.DiffOptions{Now: importedAt}))
		if holdings(l) != holdings(m) {
			t.Fatalf("the order matters:\n%s\n\n%s", holdings(l), holdings(m))
		}
		if !slices.Equal(l.Balances(), m.Balances()) {
			t.Fatal("balances differ")
		}
		again := earnings.Diff(l, other, earnings.DiffOptions{Now: importedAt.AddDate(0, 0, 3)})
		if again.Count(earnings.VerdictUnchanged) != len(lines) || len(again.Events()) != 0 {
			t.Fatalf("again: %s", verdicts(again))
		}
		if v := l.Check(); len(v) > 0 {
			t.Fatal(v)
		}
	})
}

// TestPropertyOverlap: two lists of one moment whose days overlap give what one list of
// all days gives.
func TestPropertyOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawLines(t, false)
		from := day("2026-10-01") + cashback.Date(rapid.IntRange(0, 8).Draw(t, "from"))
		to := from + cashback.Date(rapid.IntRange(0, 8).Draw(t, "days"))
		var early, late []earnings.Line
		for _, l := range all {
			if l.Date <= to {
				early = append(early, l)
			}
			if l.Date >= from {
				late = append(late, l)
			}
		}
		whole, parts := earnings.NewLedger(), earnings.NewLedger()
		carryOut(t, whole, earnings.Diff(whole, all, earnings.DiffOptions{Now: importedAt}))
		lists := [][]earnings.Line{early, late, shuffled(t, early)}
		if rapid.Bool().Draw(t, "late first") {
			lists[0], lists[1] = lists[1], lists[0]
		}
		for _, list := range lists {
			carryOut(t, parts, earnings.Diff(parts, shuffled(t, list), earnings.DiffOptions{Now: importedAt}))
		}
		if holdings(whole) != holdings(parts) {
			t.Fatalf("whole:\n%s\n\nin parts:\n%s", holdings(whole), holdings(parts))
		}
	})
}

// TestPropertyTornDay: a list that breaks off within a day never makes more purchases
// than there are, and never changes one wrongly: it asks. The one thing that can't be
// told apart, two purchases of one amount at one shop on one day of which one has moved
// on, isn't drawn.
func TestPropertyTornDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawLines(t, false)
		states := map[string]earnings.State{}
		for i, l := range all {
			k := fmt.Sprint(l.Date, l.Shop, l.Amount)
			if s, ok := states[k]; ok {
				all[i].State = s
			}
			states[k] = all[i].State
		}
		slices.SortStableFunc(all, func(a, b earnings.Line) int { return int(a.Date - b.Date) })
		whole, parts := earnings.NewLedger(), earnings.NewLedger()
		carryOut(t, whole, earnings.Diff(whole, all, earnings.DiffOptions{Now: importedAt}))
		cut, back := rapid.IntRange(0, len(all)).Draw(t, "cut"), rapid.IntRange(0, 5).Draw(t, "overlap")
		for _, list := range [][]earnings.Line{all[:cut], all[max(0, cut-back):]} {
			carryOut(t, parts, earnings.Diff(parts, list, earnings.DiffOptions{Now: importedAt}))
		}
		have := strings.Split(holdings(whole), "\n")
		for _, h := range strings.Split(holdings(parts), "\n") {
			i := slices.Index(have, h)
			if i < 0 {
				t.Fatalf("%q isn't what the portal lists:\n%s", h, holdings(whole))
			}
			have = slices.Delete(have, i, i+1)
		}
	})
}

// TestPropertyMovesOn: lists of later moments, where lines have moved on, are followed
// to the end, with nothing doubled, however often each is imported.
func TestPropertyMovesOn(t *testing.T) {
	ladder := []earnings.State{earnings.StateTracked, earnings.StateConfirmed, earnings.StatePayable, earnings.StateRequested, earnings.StatePaid}
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLines(t, false)
		for i := range lines {
			lines[i].State = earnings.StateTracked
		}
		l := earnings.NewLedger()
		for step := range rapid.IntRange(1, 5).Draw(t, "moments") {
			for i := range lines {
				at := slices.Index(ladder, lines[i].State)
				if at >= 0 && rapid.Bool().Draw(t, "moves") {
					lines[i].State = ladder[min(at+rapid.IntRange(0, 2).Draw(t, "steps"), len(ladder)-1)]
				}
			}
			now := importedAt.AddDate(0, step, 0)
			for range 2 {
				carryOut(t, l, earnings.Diff(l, shuffled(t, lines), earnings.DiffOptions{Now: now}))
			}
		}
		fresh := earnings.NewLedger()
		carryOut(t, fresh, earnings.Diff(fresh, lines, earnings.DiffOptions{Now: importedAt}))
		if len(l.Purchases()) != len(lines) {
			t.Fatalf("%d purchases of %d lines", len(l.Purchases()), len(lines))
		}
		if holdings(l) != holdings(fresh) {
			t.Fatalf("followed:\n%s\n\nat once:\n%s", holdings(l), holdings(fresh))
		}
	})
}
