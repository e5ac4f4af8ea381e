package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

func shopper(t testing.TB, s *Store, name string) account.UserID {
	t.Helper()
	u, err := s.Accounts().CreateUser(context.Background(), account.User{Email: name + "@example.org", Role: account.Shopper, Created: s.now()}, nil, "", s.now())
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func eur(minor int64) *earnings.Amount { return &earnings.Amount{Minor: minor, Unit: "EUR"} }

func step(purchase string, kind earnings.EventKind, amount *earnings.Amount) earnings.Event {
	return earnings.Event{
		Kind: kind, Purchase: purchase, Portal: "malin", At: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
		Amount: amount, Key: purchase + "/" + string(kind), Source: "hand",
	}
}

func TestLedgerIsAppendedToAllOrNothing(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	dir := t.TempDir()
	s := openStore(t, dir, options(c))
	l := s.Ledgers()
	anna, ben := shopper(t, s, "anna"), shopper(t, s, "ben")

	in, err := l.Append(ctx, anna, step("1", earnings.Clicked, nil), step("1", earnings.Tracked, eur(450)), step("1", earnings.Confirmed, nil))
	if err != nil || len(in.Added) != 3 || in.Head != 3 {
		t.Fatal(in, err)
	}
	// The same again, with one more: only that one is new.
	in, err = l.Append(ctx, anna, step("1", earnings.Tracked, eur(450)), step("1", earnings.Payable, nil))
	if err != nil || len(in.Added) != 1 || len(in.Known) != 1 || in.Known[0].Seq != 2 || in.Head != 4 {
		t.Fatal(in, err)
	}
	for name, batch := range map[string][]earnings.Event{
		"an illegal step":                {step("2", earnings.Tracked, eur(100)), step("2", earnings.Paid, nil)},
		"a key for another amount":       {step("2", earnings.Tracked, eur(100)), step("1", earnings.Tracked, eur(451))},
		"a key twice, for two events":    {step("2", earnings.Tracked, eur(100)), step("2", earnings.Tracked, eur(101))},
		"an event without a key":         {step("2", earnings.Tracked, eur(100)), {Kind: earnings.Clicked, Purchase: "3", Portal: "p", At: c.at}},
		"a text that isn't UTF-8":        {step("2", earnings.Tracked, eur(100)), {Kind: earnings.Clicked, Purchase: "3\xff", Portal: "p", At: c.at, Key: "x"}},
		"a purchase's name of a million": {step("2", earnings.Tracked, eur(100)), step(strings.Repeat("x", 1_000_000), earnings.Clicked, nil)},
	} {
		if _, err := l.Append(ctx, anna, batch...); err == nil {
			t.Errorf("%s is accepted", name)
		} else if k := cashback.KindOf(err); k != cashback.Invalid && k != cashback.Conflict {
			t.Errorf("%s: %s: %v", name, k, err)
		}
	}
	want := []earnings.Balance{{Portal: "malin", Unit: "EUR", State: earnings.StatePayable, Minor: 450}}
	got, err := l.Balances(ctx, anna)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(d, err)
	}
	seen := uint64(3)
	if _, err := l.Enter(ctx, anna, Entry{After: &seen}); cashback.KindOf(err) != cashback.Conflict {
		t.Errorf("a ledger that has moved on: %v", err)
	}

	// Ben has nothing of hers, nobody has anything of a person who isn't there.
	if got, err := l.Balances(ctx, ben); len(got) > 0 || err != nil {
		t.Error(got, err)
	}
	if _, _, err := l.Purchase(ctx, ben, "1"); cashback.KindOf(err) != cashback.NotFound {
		t.Errorf("her purchase, for him: %v", err)
	}
	if _, err := l.Append(ctx, 77, step("1", earnings.Clicked, nil)); cashback.KindOf(err) != cashback.NotFound {
		t.Errorf("a ledger of nobody: %v", err)
	}

	// Everything is there after a restart, and folds into the same.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, options(c))
	l = s.Ledgers()
	p, events, err := l.Purchase(ctx, anna, "1")
	if err != nil || p.State != earnings.StatePayable || len(events) != 4 {
		t.Fatal(p, events, err)
	}
	fold, err := l.Ledger(ctx, anna)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, fold.Balances()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(fold.Purchases(), []earnings.Purchase{p}); d != "" {
		t.Error(d)
	}
	if v, err := l.Check(ctx, anna); len(v) > 0 || err != nil {
		t.Error(v, err)
	}
	if some, err := l.Events(ctx, anna, 2, 1); err != nil || len(some) != 1 || some[0].Seq != 3 {
		t.Error(some, err)
	}
}

func TestPurchasesAreChosen(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir(), options(newClock()))
	l, anna := s.Ledgers(), shopper(t, s, "anna")
	for i := range 12 {
		e := step(fmt.Sprint(11-i), earnings.Tracked, eur(100)) // later ones sort first
		e.Portal, e.Merchant = fmt.Sprint("portal-", i%2), cashback.MerchantID(i%3)
		e.At = e.At.AddDate(0, i, 0)
		if _, err := l.Append(ctx, anna, e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Append(ctx, anna, earnings.Event{Kind: earnings.Declined, Purchase: "3", Portal: "portal-0", At: newClock().at, Key: "d"}); err != nil {
		t.Fatal(err)
	}
	day := func(m time.Month) time.Time { return time.Date(2026, m, 2, 10, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		f    Filter
		want []string
	}{
		{Filter{}, []string{"11", "10", "9", "8", "7", "6", "5", "4", "3", "2", "1", "0"}},
		{Filter{Portal: "portal-1", Merchant: 2}, []string{"6", "0"}},
		{Filter{States: []earnings.State{earnings.StateDeclined}}, []string{"3"}},
		{Filter{From: day(4), Before: day(6)}, []string{"10", "9"}},
	} {
		got, err := l.Purchases(ctx, anna, c.f)
		var ids []string
		for _, p := range got {
			ids = append(ids, p.ID)
		}
		if d := cmp.Diff(c.want, ids); d != "" || err != nil {
			t.Errorf("%+v: %s %v", c.f, d, err)
		}
	}
}

func terms(name string) earnings.Terms {
	return earnings.Terms{
		Frozen: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), Portal: "malin", PortalName: "Malin", Shop: name,
		Offer: cashback.Offer{Entry: cashback.Entry{Key: "k", Name: name}, Kind: cashback.Percent, Conditions: "hors livraison", Receipt: cashback.Receipt{RawText: "4,5 %"}},
	}
}

func TestEvidenceDocumentsImports(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir(), options(newClock()))
	l := s.Ledgers()
	anna, ben := shopper(t, s, "anna"), shopper(t, s, "ben")
	e, err := terms("Fnac").Freeze()
	if err != nil {
		t.Fatal(err)
	}
	click := step("1", earnings.Clicked, nil)
	click.Evidence = e.Hash
	im := earnings.Import{Hash: earnings.EvidenceOf([]byte("a file")).Hash, Rule: "igraal", Lines: 1}
	for range 2 { // the second changes nothing
		if _, err := l.Enter(ctx, anna, Entry{Events: []earnings.Event{click}, Evidence: []earnings.Evidence{e}, Import: &im}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.Evidence(ctx, anna, e.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := got.Terms(); err != nil || back.Offer.Conditions != "hors livraison" {
		t.Error(back, err)
	}
	if _, err := l.Evidence(ctx, ben, e.Hash); cashback.KindOf(err) != cashback.NotFound {
		t.Errorf("hers, for him: %v", err)
	}
	forged := earnings.Evidence{Hash: e.Hash, Document: []byte("{}")}
	if err := l.SaveEvidence(ctx, anna, forged); cashback.KindOf(err) != cashback.Invalid {
		t.Errorf("evidence under another hash: %v", err)
	}
	imports, err := l.Imports(ctx, anna)
	if err != nil || len(imports) != 1 || imports[0].Added != 1 || imports[0].Known != 0 {
		t.Error(imports, err)
	}

	if err := l.SaveDocument(ctx, anna, earnings.Document{Kind: "mapping", Name: "igraal", Body: []byte("columns: …")}); err != nil {
		t.Fatal(err)
	}
	if err := l.SaveDocument(ctx, anna, earnings.Document{Kind: "mapping2", Name: "x", Body: make([]byte, earnings.MaxDocument+1)}); cashback.KindOf(err) != cashback.Invalid {
		t.Errorf("a document that is too large: %v", err)
	}
	if docs, err := l.Documents(ctx, anna, "mapping"); err != nil || len(docs) != 1 || docs[0].Name != "igraal" {
		t.Error(docs, err)
	}
	if docs, err := l.Documents(ctx, ben, ""); err != nil || len(docs) != 0 {
		t.Error(docs, err)
	}
	if err := l.DropDocument(ctx, ben, "mapping", "igraal"); cashback.KindOf(err) != cashback.NotFound {
		t.Errorf("hers, dropped by him: %v", err)
	}
	if err := l.DropDocument(ctx, anna, "mapping", "igraal"); err != nil {
		t.Error(err)
	}
	if _, err := l.Document(ctx, anna, "mapping", "igraal"); cashback.KindOf(err) != cashback.NotFound {
		t.Errorf("a document that was dropped: %v", err)
	}
}

// TestLedgersProperty appends random events, legal or not, alone and in batches, with
// retries, for several people, against ledgers in memory; restarts in between. The
// invariants are run over what is kept.
func TestLedgersProperty(t *testing.T) {
	ctx := context.Background()
	rounds := share(3, 2000)
	kinds := []earnings.EventKind{
		earnings.Clicked, earnings.Expected, earnings.Tracked, earnings.AmountChanged, earnings.Confirmed, earnings.Payable, earnings.PayoutRequested,
		earnings.Paid, earnings.PayoutUndone, earnings.Declined, earnings.Reversed, earnings.ClaimOpened, earnings.ClaimSent, earnings.ClaimAnswered, earnings.Donation, earnings.JoinBonus, earnings.Referral,
	}
	steps, accepted := 0, 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(uint64(round), 8))
		c := newClock()
		dir := t.TempDir()
		s, err := Open(ctx, dir, options(c))
		if err != nil {
			t.Fatal(err)
		}
		people := []account.UserID{shopper(t, s, "anna"), shopper(t, s, "ben")}
		want := map[account.UserID]*earnings.Ledger{}
		var sent []earnings.Event
		for _, u := range people {
			want[u] = earnings.NewLedger()
		}
		for range 100 {
			u := people[rng.IntN(len(people))]
			var batch []earnings.Event
			for range 1 + rng.IntN(3)*rng.IntN(3) {
				who := rng.IntN(20)
				e := earnings.Event{
					Kind: kinds[rng.IntN(len(kinds))], Purchase: fmt.Sprint(who), Portal: fmt.Sprint("portal-", who%3), At: c.at.Add(time.Duration(rng.IntN(1000)) * time.Hour),
					Key: fmt.Sprint(round, len(sent)), Source: "hand",
				}
				if rng.IntN(5) > 0 { // mostly a step that leads somewhere
					p, _ := want[u].Purchase(e.Purchase)
					if way, ok := earnings.Steps(p.State, earnings.States[rng.IntN(len(earnings.States))]); ok && len(way) > 0 {
						e.Kind = way[0]
					}
				}
				if e.Kind == earnings.Tracked || rng.IntN(4) == 0 {
					e.Amount = &earnings.Amount{Minor: rng.Int64N(100000), Unit: []earnings.Unit{"EUR", "GBP", earnings.PointsOf("SB")}[who%3]}
				}
				if rng.IntN(8) == 0 && len(sent) > 0 {
					e = sent[rng.IntN(len(sent))]
				}
				sent = append(sent, e)
				batch = append(batch, e)
			}
			steps += len(batch)
			// The model takes the batch or stays as it was.
			model, err := earnings.Replay(want[u].Events(0))
			if err != nil {
				t.Fatal(err)
			}
			added, refused := 0, false
			for _, e := range batch {
				_, isNew, err := model.Append(e, c.at)
				if refused = refused || err != nil; isNew {
					added++
				}
			}
			in, err := s.Ledgers().Append(ctx, u, batch...)
			if refused != (err != nil) {
				t.Fatalf("round %d: the model refuses: %v, the store says %v", round, refused, err)
			}
			if err == nil {
				accepted += added
				if want[u] = model; len(in.Added) != added || int(in.Head) != model.Len() {
					t.Fatalf("round %d: %d added, head %d; want %d and %d", round, len(in.Added), in.Head, added, model.Len())
				}
			}
			c.at = c.at.Add(time.Minute)
			if rng.IntN(40) == 0 {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open(ctx, dir, options(c)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, u := range people {
			if v, err := s.Ledgers().Check(ctx, u); len(v) > 0 || err != nil {
				t.Fatal(v, err)
			}
			got, err := s.Ledgers().Ledger(ctx, u)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want[u].Events(0), got.Events(0)); d != "" {
				t.Fatal(d)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if accepted < steps/10 {
		t.Errorf("only %d of %d events were accepted: the test proves little", accepted, steps)
	}
	t.Logf("%d steps, %d events", steps, accepted)
}

// The check sees what it is there to see.
func TestCheckSeesBrokenLedgers(t *testing.T) {
	ctx := context.Background()
	for name, plant := range map[string]func(*tx, account.UserID) error{
		"L3: an event is gone": func(t *tx, u account.UserID) error { return t.drop(ledgerBucket, eventKey(u, 2)) },
		"L7: an event was changed": func(t *tx, u account.UserID) error {
			e, err := t.event(u, 2)
			e.Note = "altered"
			return firstError(err, t.put(ledgerBucket, eventKey(u, 2), eventRecordOf(&e)))
		},
		"L7: the last event is gone": func(t *tx, u account.UserID) error { return t.drop(ledgerBucket, eventKey(u, 3)) },
		"L6: a cent appears": func(t *tx, u account.UserID) error {
			h, err := t.head(u)
			h.Balances[0].Minor++
			return firstError(err, t.put(headsBucket, userKey(u), &h))
		},
		"L6: a purchase was changed": func(t *tx, u account.UserID) error {
			p, _, err := t.purchase(u, "1")
			p.State = earnings.StatePaid
			return firstError(err, t.put(purchasesBucket, ownKey(u, "1"), purchaseRecordOf(&p)))
		},
		"L4: a key is gone":       func(t *tx, u account.UserID) error { return t.drop(eventKeysBucket, ownKey(u, "1/tracked")) },
		"L4: a key leads nowhere": func(t *tx, u account.UserID) error { return t.putRaw(eventKeysBucket, ownKey(u, "zz"), numberKey(9)) },
		"L9: an event is nobody's": func(t *tx, u account.UserID) error {
			e, err := t.event(u, 1)
			return firstError(err, t.put(ledgerBucket, eventKey(u+7, 1), eventRecordOf(&e)))
		},
		"evidence was changed": func(t *tx, u account.UserID) error {
			return t.putRaw(evidenceBucket, append(userKey(u), make([]byte, 32)...), []byte("{}"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := Open(ctx, dir, options(newClock()))
			if err != nil {
				t.Fatal(err)
			}
			anna := shopper(t, s, "anna")
			if _, err := s.Ledgers().Append(ctx, anna, step("1", earnings.Clicked, nil), step("1", earnings.Tracked, eur(450)), step("1", earnings.Confirmed, nil)); err != nil {
				t.Fatal(err)
			}
			if err := s.write(ctx, func(t *tx) error { return plant(t, anna) }); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			rep, err := Check(ctx, dir, options(newClock()))
			if err != nil || rep.Found == 0 {
				t.Errorf("unnoticed: %+v %v", rep, err)
			}
		})
	}
}

// Every field of an event and of a purchase comes back: one that a colleague adds to the
// noun, and that the records don't carry, fails here.
func TestNoFieldOfTheLedgerIsLost(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 100 {
		var e earnings.Event
		fill(rng, reflect.ValueOf(&e).Elem())
		e.At, e.Recorded = e.At.Truncate(time.Microsecond), e.Recorded.Truncate(time.Microsecond)
		e.Input, e.Hash = earnings.EvidenceOf([]byte(e.Input)).Hash, earnings.EvidenceOf([]byte(e.Hash)).Hash
		var er eventRecord
		if err := decode(ledgerBucket, nil, encoded(eventRecordOf(&e)), &er); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, er.event(e.Seq)); d != "" {
			t.Fatal(d)
		}
		var p earnings.Purchase
		for i := range reflect.TypeOf(p).NumField() {
			if f := reflect.ValueOf(&p).Elem().Field(i); f.Kind() != reflect.Map {
				fill(rng, f)
			}
		}
		p.Bought = p.Bought.Truncate(time.Microsecond)
		p.Since = map[earnings.State]time.Time{}
		for _, s := range earnings.States {
			if rng.IntN(2) == 0 {
				p.Since[s] = time.UnixMicro(1 + rng.Int64N(1<<50)).UTC()
			}
		}
		var pr purchaseRecord
		if err := decode(purchasesBucket, nil, encoded(purchaseRecordOf(&p)), &pr); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, pr.purchase(p.ID)); d != "" {
			t.Fatal(d)
		}
	}
}
