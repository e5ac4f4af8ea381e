package earnings

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/google/go-cmp/cmp"
)

var monday = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func eur(minor int64) *Amount { return &Amount{minor, "EUR"} }

// must appends events of one purchase in order.
func must(t testing.TB, l *Ledger, purchase string, events ...Event) {
	t.Helper()
	for _, e := range events {
		e.Purchase = purchase
		if e.Portal == "" {
			e.Portal = "malin"
		}
		if e.At.IsZero() {
			e.At = monday
		}
		e.Key = fmt.Sprintf("%s/%s/%d", purchase, e.Kind, l.Len())
		e.Source = "hand"
		if _, _, err := l.Append(e, monday); err != nil {
			t.Fatalf("%s %s: %v", purchase, e.Kind, err)
		}
	}
}

func TestMoneyMovesThroughTheStates(t *testing.T) {
	l := NewLedger()
	must(t, l, "1", Event{Kind: Clicked}, Event{Kind: Expected, Amount: eur(540), Basket: eur(12000)}, Event{Kind: Tracked, Amount: eur(450)},
		Event{Kind: AmountChanged, Amount: eur(460)}, Event{Kind: Confirmed}, Event{Kind: Payable})
	must(t, l, "2", Event{Kind: Tracked, Amount: eur(100)}, Event{Kind: Declined, Wording: "Refusé"})
	must(t, l, "3", Event{Kind: JoinBonus, Amount: eur(300)}, Event{Kind: Confirmed}, Event{Kind: Payable}, Event{Kind: PayoutRequested}, Event{Kind: Paid, Payout: "p1"})
	must(t, l, "4", Event{Kind: Tracked, Amount: &Amount{120000, PointsOf("miles")}})
	want := []Balance{
		{"malin", "EUR", StatePayable, 460}, {"malin", "EUR", StatePaid, 300}, {"malin", "EUR", StateDeclined, 100},
		{"malin", "points:miles", StateTracked, 120000},
	}
	if d := cmp.Diff(want, l.Balances()); d != "" {
		t.Error(d)
	}
	p, err := l.Purchase("1")
	if err != nil || p.State != StatePayable || p.Expected.Minor != 540 || p.Amount.Minor != 460 {
		t.Errorf("%+v %v", p, err)
	}
	if p, _ := l.Purchase("3"); p.For != ForSignUp {
		t.Errorf("a join bonus counts as %s", p.For)
	}
	for _, v := range l.Check() {
		t.Error(v)
	}
}

func TestIllegalSteps(t *testing.T) {
	for _, c := range []struct {
		name string
		past []Event
		e    Event
	}{
		{"paid out of nothing", nil, Event{Kind: Paid, Amount: eur(1)}},
		{"payable before it is confirmed", []Event{{Kind: Tracked, Amount: eur(5)}}, Event{Kind: Payable}},
		{"tracked without an amount", []Event{{Kind: Clicked}}, Event{Kind: Tracked}},
		{"more payable than confirmed", []Event{{Kind: Tracked, Amount: eur(5)}, {Kind: Confirmed}}, Event{Kind: Payable, Amount: eur(6)}},
		{"another currency", []Event{{Kind: Tracked, Amount: eur(5)}}, Event{Kind: AmountChanged, Amount: &Amount{5, "GBP"}}},
		{"negative", nil, Event{Kind: Tracked, Amount: eur(-5)}},
		{"too much", nil, Event{Kind: Tracked, Amount: eur(MaxMinor + 1)}},
		{"another portal", []Event{{Kind: Clicked}}, Event{Kind: Tracked, Amount: eur(5), Portal: "other"}},
		{"a claim that was not opened", []Event{{Kind: Clicked}}, Event{Kind: ClaimSent}},
		{"a claim that was sent twice", []Event{{Kind: Clicked}, {Kind: ClaimOpened}, {Kind: ClaimSent}}, Event{Kind: ClaimSent}},
		{"an answer to nothing", []Event{{Kind: Tracked, Amount: eur(5)}}, Event{Kind: Confirmed, Answer: AnswerWon}},
		{"an answer that there isn't", []Event{{Kind: Clicked}, {Kind: ClaimOpened}, {Kind: ClaimSent}}, Event{Kind: ClaimAnswered, Answer: "maybe"}},
		{"a claim that moves money", []Event{{Kind: Tracked, Amount: eur(5)}, {Kind: Confirmed}}, Event{Kind: ClaimOpened, Amount: eur(6)}},
		{"an answer that pays more at once", []Event{{Kind: Tracked, Amount: eur(5)}, {Kind: Confirmed}, {Kind: ClaimOpened}, {Kind: ClaimSent}}, Event{Kind: ClaimAnswered, Answer: AnswerPart, Amount: eur(6)}},
		{"confirmed twice", []Event{{Kind: Tracked, Amount: eur(5)}, {Kind: Confirmed}}, Event{Kind: Confirmed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger()
			must(t, l, "1", c.past...)
			n, before := l.Len(), l.Balances()
			e := c.e
			e.Purchase, e.At, e.Key = "1", monday, "new"
			if e.Portal == "" {
				e.Portal = "malin"
			}
			_, _, err := l.Append(e, monday)
			if cashback.KindOf(err) != cashback.Invalid {
				t.Errorf("accepted: %v", err)
			}
			if l.Len() != n || cmp.Diff(before, l.Balances()) != "" {
				t.Error("a refused event left a trace")
			}
		})
	}
}

func TestIdempotency(t *testing.T) {
	l := NewLedger()
	e := Event{Kind: Tracked, Purchase: "1", Portal: "malin", At: monday, Amount: eur(5), Key: "k", Source: "hand"}
	first, added, err := l.Append(e, monday)
	if err != nil || !added {
		t.Fatal(added, err)
	}
	again, added, err := l.Append(e, monday.Add(time.Hour))
	if err != nil || added || again.Hash != first.Hash {
		t.Errorf("the same again: added %v, %v", added, err)
	}
	e.Amount = eur(6)
	if _, _, err := l.Append(e, monday); cashback.KindOf(err) != cashback.Conflict {
		t.Errorf("the same key for another amount: %v", err)
	}
}

func TestStepsFollowTheTable(t *testing.T) {
	for _, from := range append([]State{StateNone}, States...) {
		for _, to := range States {
			kinds, ok := Steps(from, to)
			if !ok {
				continue
			}
			state := from
			for _, k := range kinds {
				next, legal := transitions[state][k]
				if !legal {
					t.Fatalf("%s → %s: %v isn't legal from %s", from, to, kinds, state)
				}
				state = next
			}
			if state != to && (to != StateDeclined || state != StateReversed) {
				t.Errorf("%s → %s by %v ends in %s", from, to, kinds, state)
			}
		}
	}
}

// steps is how many random events the property test appends: a million with
// CAGNOTTE_PROVE=1 (make prove).
func steps() int {
	if os.Getenv("CAGNOTTE_PROVE") != "" {
		return 1_000_000
	}
	return 40_000
}

// TestLedgerProperty appends random events, legal or not, and holds all invariants
// after every 500.
func TestLedgerProperty(t *testing.T) {
	kinds := []EventKind{Clicked, Expected, Tracked, AmountChanged, Confirmed, Payable, PayoutRequested, Paid, PayoutUndone, Declined, Reversed, ClaimOpened, ClaimSent, ClaimAnswered, Donation, JoinBonus, Referral}
	const perLedger = 500
	ledgers := steps() / perLedger
	accepted := 0
	for n := range ledgers {
		l := randomLedger(uint64(n), perLedger, kinds)
		accepted += l.Len()
		if v := l.Check(); len(v) > 0 {
			t.Fatalf("ledger %d: %v", n, v)
		}
	}
	if accepted < ledgers*perLedger/10 {
		t.Errorf("only %d of %d events were legal: the test proves little", accepted, ledgers*perLedger)
	}
	t.Logf("%d steps, %d events", ledgers*perLedger, accepted)
}

func randomLedger(seed uint64, n int, kinds []EventKind) *Ledger {
	rng := rand.New(rand.NewPCG(seed, 99))
	l := NewLedger()
	units := []Unit{"EUR", "GBP", PointsOf("SB")}
	for i := range n {
		who := rng.IntN(40)
		e := Event{
			Kind: kinds[rng.IntN(len(kinds))], Purchase: fmt.Sprint(who), Portal: fmt.Sprint("portal-", who%3),
			At: monday.Add(time.Duration(rng.IntN(1000)) * time.Hour), Key: fmt.Sprint(i), Source: "hand",
		}
		if rng.IntN(2) == 0 {
			e.Amount = &Amount{rng.Int64N(100000), units[who%3]}
		}
		if e.Kind == ClaimAnswered && e.Amount != nil {
			e.Answer = Answers[rng.IntN(len(Answers))]
		}
		_, _, _ = l.Append(e, monday) // most are refused: that is the point
		if rng.IntN(10) == 0 && l.Len() > 0 {
			_, _, _ = l.Append(l.events[rng.IntN(l.Len())], monday) // as a client that retries
		}
	}
	return l
}

// The checks see what they are there to see.
func TestCheckCatchesPlantedFaults(t *testing.T) {
	fresh := func() *Ledger {
		l := NewLedger()
		must(t, l, "1", Event{Kind: Tracked, Amount: eur(450)}, Event{Kind: Confirmed}, Event{Kind: Payable}, Event{Kind: PayoutRequested}, Event{Kind: Paid})
		must(t, l, "2", Event{Kind: Tracked, Amount: eur(450)})
		return l
	}
	rechain := func(l *Ledger) {
		hash := ""
		for i := range l.events {
			l.events[i].Input = l.events[i].inputHash()
			l.events[i].Hash = l.events[i].chainHash(hash)
			hash = l.events[i].Hash
		}
	}
	for _, c := range []struct {
		invariant string
		plant     func(*Ledger)
	}{
		{"L2", func(l *Ledger) { l.events[0].Amount = eur(-1); rechain(l) }},
		{"L3", func(l *Ledger) { l.events = append(l.events[:1], l.events[2:]...) }},
		{"L4", func(l *Ledger) { l.events[5].Key = l.events[0].Key; rechain(l) }},
		{"L4", func(l *Ledger) { l.events[0].Input = "x" }},
		{"L5", func(l *Ledger) { l.events[1].Kind = Paid; rechain(l) }},
		{"L6", func(l *Ledger) { l.balances[BalanceKey{"malin", "EUR", StatePaid}]++ }},
		{"L7", func(l *Ledger) { l.events[2].Note = "altered" }},
	} {
		l := fresh()
		c.plant(l)
		found := false
		for _, v := range l.Check() {
			found = found || v.Invariant == c.invariant
		}
		if !found {
			t.Errorf("a broken %s went unnoticed: %v", c.invariant, l.Check())
		}
	}
	if v := fresh().Check(); len(v) > 0 {
		t.Errorf("a sound ledger: %v", v)
	}
}

func BenchmarkFold(b *testing.B) {
	l := NewLedger()
	for i := range 2000 {
		must(b, l, fmt.Sprint(i), Event{Kind: Clicked}, Event{Kind: Tracked, Amount: eur(450)}, Event{Kind: Confirmed}, Event{Kind: Payable}, Event{Kind: PayoutRequested})
	}
	events := l.Events(0)
	b.Run("replay_10000_events", func(b *testing.B) {
		for b.Loop() {
			if _, err := Replay(events); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("balances_of_10000_events", func(b *testing.B) {
		for b.Loop() {
			l.Balances()
		}
	})
}
