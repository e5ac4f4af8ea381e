package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// A catalogue that is rebuilt from the store is the one that was there before: same
// merchants, same members, nothing left to change.
func TestCatalogueComesBack(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	dir := t.TempDir()
	rules, err := merchant.NewRules(merchant.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cat := merchant.New(rules)
	s, err := Open(ctx, dir, options(c))
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"a.fr", "b.fr", "c.fr"}
	if err := s.SavePortals(ctx, portals(ids...)); err != nil {
		t.Fatal(err)
	}
	names := []string{"Fnac", "Darty", "Sephora", "La Redoute", "Boulanger", "Cdiscount", "Zalando", "Asos", "Decathlon", "Ikea"}
	rng := rand.New(rand.NewPCG(4, 4))
	for round := range 6 {
		portal := ids[round%3]
		var offers []cashback.Offer
		var entries []cashback.Entry
		for _, name := range names {
			if rng.IntN(4) == 0 {
				continue
			}
			o := percent(portal, name, "3", 1, c.at)
			o.Entry.Name = []string{name, name + " FR", name + ".fr", "Cashback " + name}[rng.IntN(4)]
			offers, entries = append(offers, o), append(entries, o.Entry)
		}
		p := publish(portal, fmt.Sprint(portal, round), c.at, offers...)
		p.Plan = cat.Upsert(portal, entries)
		mustPublish(t, s, p)
		c.forward(time.Hour)
	}
	all := slices.Collect(cat.Merchants())
	if len(all) < 2 {
		t.Fatalf("%d merchants", len(all))
	}
	ev, plan, err := cat.Apply(merchant.Event{Number: 1, At: c.at, By: "op", Kind: merchant.Merge, Merchant: all[0].ID, Other: all[1].ID})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveMerchantEvent(ctx, ev, plan); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, options(c))
	st, err := s.MerchantState(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again := merchant.New(rules)
	plan, err = again.Restore(st)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.New) > 0 || len(plan.Changed) > 0 || len(plan.Moved) > 0 {
		t.Errorf("the catalogue came back otherwise: %+v", plan)
	}
	if err := s.SavePlan(ctx, plan); err != nil {
		t.Fatal(err)
	}
	want, got := slices.Collect(cat.Merchants()), slices.Collect(again.Merchants())
	if string(encoded(want)) != string(encoded(got)) {
		t.Errorf("merchants\n%+v\nwere\n%+v", got, want)
	}
	for _, m := range want {
		if !slices.Equal(cat.Members(m.ID), again.Members(m.ID)) {
			t.Errorf("members of %d: %v, were %v", m.ID, again.Members(m.ID), cat.Members(m.ID))
		}
		offers, err := s.As(Operator).Offers(ctx, m.ID)
		if err != nil || len(offers) != len(cat.Members(m.ID)) {
			t.Errorf("merchant %d has %d offers and %d members (%v)", m.ID, len(offers), len(cat.Members(m.ID)), err)
		}
	}
}

func TestFeedIsBoundedAndSaysSo(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	o := options(c)
	o.Limits.Changes, o.Limits.Runs = 50, 3
	s := openStore(t, t.TempDir(), o)
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	op := s.As(Operator)
	woken := make(chan error, 1)
	go func() { woken <- op.Wait(ctx, 100) }()
	for n := range 12 {
		var offers []cashback.Offer
		for i := range 10 {
			offers = append(offers, percent("a.fr", fmt.Sprint("shop-", i), fmt.Sprint(n+1), 1, c.at))
		}
		mustPublish(t, s, publish("a.fr", fmt.Sprint(n), c.at, offers...))
		c.forward(time.Hour)
	}
	if err := <-woken; err != nil {
		t.Fatal(err)
	}
	last := op.LastChange()
	if _, _, err := op.Changes(ctx, 0, 10); cashback.KindOf(err) != cashback.Conflict {
		t.Fatalf("changes that are gone: %v", err)
	}
	changes, next, err := op.Changes(ctx, last-50, 100)
	if err != nil || len(changes) != 50 || next != last {
		t.Fatalf("%d changes up to %d of %d: %v", len(changes), next, last, err)
	}
	if changes, next, err := op.Changes(ctx, last, 10); err != nil || len(changes) != 0 || next != last {
		t.Fatalf("nothing new: %v %d %v", changes, next, err)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := op.Wait(short, last); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	runs, err := op.Runs(ctx, "a.fr", 100)
	if err != nil || len(runs) != 3 || runs[2].ID != "9" {
		t.Fatalf("runs: %+v, %v", runs, err)
	}
	if _, err := op.Run(ctx, "1"); cashback.KindOf(err) != cashback.NotFound {
		t.Fatalf("a run that is gone: %v", err)
	}
}

// A crawl that finds nothing new writes a few readings, and no offer.
func TestUnchangedRunWritesLittle(t *testing.T) {
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	w := newWorld(9, 1, 1000)
	if err := s.SavePortals(context.Background(), w.portals); err != nil {
		t.Fatal(err)
	}
	first := w.run(0, 1000, c.at, map[int]bool{})
	mustPublish(t, s, first)
	before := s.As(Operator).LastChange()
	c.forward(6 * time.Hour)
	again := first
	again.Plan = merchant.Plan{}
	again.Snapshot.Run.ID = "again"
	again.Snapshot.Offers = slices.Clone(first.Snapshot.Offers)
	for i := range again.Snapshot.Offers {
		r := &again.Snapshot.Offers[i].Receipt
		r.ReadAt, r.Run = r.ReadAt.Add(6*time.Hour), "again"
	}
	puts := 0
	err := s.write(context.Background(), func(t *tx) error {
		var out Published
		err := t.publish(&again, &out)
		puts = t.puts
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// 20 pages, and the rows of run, portal and health.
	if puts > 30 || s.As(Operator).LastChange() != before+1 {
		t.Errorf("%d records were written, and %d changes", puts, s.As(Operator).LastChange()-before)
	}
	offers, err := s.As(Operator).PortalOffers(context.Background(), w.portals[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range offers {
		want := again.Snapshot.Offers[i].Receipt
		if !o.Receipt.ReadAt.Equal(want.ReadAt) || o.Receipt.Run != "again" || !o.Receipt.InForceSince.Equal(first.Snapshot.Offers[i].Receipt.ReadAt) {
			t.Fatalf("%+v, want %+v", o.Receipt, want)
		}
	}
}

func TestFactsHaveAHistory(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	defined := portals("a.fr")
	days := func(n int) *cashback.Fact[int] { return &cashback.Fact[int]{Value: n} }
	defined[0].Facts = cashback.Facts{TrackingDays: days(2), ValidationDays: days(60), Notes: "n"}
	if err := s.SavePortals(ctx, defined); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveFacts(ctx, "a.fr", cashback.Facts{ValidationDays: days(90)}, "op", "their terms say so"); err != nil {
		t.Fatal(err)
	}
	defined[0].Facts.TrackingDays = days(3)
	if err := s.SavePortals(ctx, defined); err != nil {
		t.Fatal(err)
	}
	op := s.As(Operator)
	p, err := op.Portal(ctx, "a.fr")
	if err != nil || p.Facts.TrackingDays.Value != 3 || p.Facts.ValidationDays.Value != 90 || p.Facts.Notes != "n" || p.Edits.TrackingDays != nil {
		t.Fatalf("%+v %v", p, err)
	}
	h, err := op.FactsHistory(ctx, "a.fr", 10)
	if err != nil || len(h) != 2 || h[0].By != "definition" || h[0].Before.TrackingDays.Value != 2 || h[1].By != "op" || h[1].Note != "their terms say so" || h[1].Before.ValidationDays.Value != 60 {
		t.Fatalf("%+v %v", h, err)
	}
	last := op.LastChange()
	if err := s.SavePortals(ctx, defined); err != nil || op.LastChange() != last {
		t.Fatalf("the same definitions changed something: %v", err)
	}
	if err := s.SavePortals(ctx, portals("b.fr")); err != nil {
		t.Fatal(err)
	}
	if p, _ := op.Portal(ctx, "a.fr"); p.Defined {
		t.Error("a portal that nobody defines any more says that it is defined")
	}
	for name, err := range map[string]error{
		"mode":    s.SetPublication(ctx, "a.fr", "loud", "op", ""),
		"no id":   s.SavePortals(ctx, portals("")),
		"unknown": s.SaveFacts(ctx, "z.fr", cashback.Facts{}, "op", ""),
	} {
		if k := cashback.KindOf(err); k != cashback.Invalid && k != cashback.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEvidence(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	if err := s.SavePortals(ctx, portals("a.fr", "b.fr")); err != nil {
		t.Fatal(err)
	}
	names := map[string]cashback.MerchantID{"fnac": 1, "darty": 2}
	run := 0
	crawl := func(portal string, unverified bool, rates ...string) {
		t.Helper()
		var offers []cashback.Offer
		for i, shop := range []string{"fnac", "darty"} {
			offers = append(offers, percent(portal, shop, rates[i], 1, c.at))
		}
		run++
		p := publish(portal, fmt.Sprint(run), c.at, offers...)
		p.Plan = planOf(portal, offers, names)
		if unverified {
			p.Judgement.Unverified = []string{offers[0].Entry.Key}
		}
		mustPublish(t, s, p)
	}
	crawl("a.fr", false, "3", "2")
	crawl("b.fr", false, "4", "5")
	c.forward(200 * 24 * time.Hour)
	crawl("a.fr", true, "30", "2")
	c.forward(100 * 24 * time.Hour)
	crawl("a.fr", true, "31", "2")
	ev, err := s.Evidence(ctx, "a.fr", []cashback.MerchantID{1, 2, 1, 0, 77})
	if err != nil {
		t.Fatal(err)
	}
	fnac := percent("a.fr", "fnac", "3", 1, c.at).Entry.Key
	texts := func(points []cashback.RatePoint) (out []string) {
		for _, p := range points {
			out = append(out, p.RawText+" "+string(p.Status))
		}
		return out
	}
	if got := texts(ev.Past[fnac]); !slices.Equal(got, []string{"3 % ok", "30 % unverified", "31 % unverified"}) {
		t.Errorf("the past of an unverified offer: %v", got)
	}
	if len(ev.Past) != 1 || len(ev.Live) != 2 || ev.Health.State != cashback.Healthy {
		t.Errorf("%+v", ev)
	}
	if o := ev.Others[1]; len(o) != 1 || o[0].Receipt.Portal != "b.fr" || o[0].Receipt.RawText != "4 %" || o[0].Merchant != 1 {
		t.Errorf("others: %+v", ev.Others)
	}
}

// Readers beside a writer see one generation or the next, never both; under -race
// this also shows that the store may be used by many.
func TestReadersSeeWholeGenerations(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, s, generation(1))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				offers, err := s.As(Public).PortalOffers(ctx, "a.fr")
				if err != nil {
					t.Error(err)
					return
				}
				for _, o := range offers {
					if o.Receipt.Run != offers[0].Receipt.Run {
						t.Errorf("run %s beside run %s", o.Receipt.Run, offers[0].Receipt.Run)
						return
					}
				}
				if _, err := s.As(Public).Portals(ctx); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := 2; n < 12; n++ {
		mustPublish(t, s, generation(n))
	}
	close(done)
	readers.Wait()
}

func TestClosedStoreAnswers(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir(), options(newClock()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveHost(ctx, "a.fr", nil); cashback.KindOf(err) != cashback.Unavailable {
		t.Error(err)
	}
	if _, err := s.LoadHost(ctx, "a.fr"); cashback.KindOf(err) != cashback.Unavailable {
		t.Error(err)
	}
	if v, err := s.LoadPage(ctx, "a.fr", "x"); v != nil || err != nil {
		t.Error(v, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Jobs(over); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A cache that is damaged begins anew, and nobody has to know.
func TestDamagedCacheBeginsAnew(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	c := newClock()
	if err := os.WriteFile(filepath.Join(dir, cacheName), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir, options(c))
	if err := s.SavePage(ctx, "a.fr", "k", []byte("page")); err != nil {
		t.Fatal(err)
	}
	if v, err := s.LoadPage(ctx, "a.fr", "k"); string(v) != "page" || err != nil {
		t.Fatal(string(v), err)
	}
}

// A portal whose record is lost comes back under its number, hidden until an
// operator says again what may be shown.
func TestLostPortalComesBackHidden(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	dir := t.TempDir()
	s, err := Open(ctx, dir, options(c))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, s, publish("a.fr", "1", c.at, percent("a.fr", "fnac", "3", 1, c.at)))
	err = s.write(ctx, func(t *tx) error {
		v := clone(t.bucket(portalsBucket).Get([]byte("a.fr")))
		v[len(v)-1] ^= 1
		t.wrote = true
		return t.bucket(portalsBucket).Put([]byte("a.fr"), v)
	})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, options(c))
	if _, err := s.As(Operator).Portal(ctx, "a.fr"); !isDamaged(err) {
		t.Fatalf("a damaged portal: %v", err)
	}
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.As(Public).Portal(ctx, "a.fr"); cashback.KindOf(err) != cashback.NotFound {
		t.Fatalf("the public sees it: %v", err)
	}
	if offers, err := s.As(Operator).PortalOffers(ctx, "a.fr"); err != nil || len(offers) != 1 {
		t.Fatalf("its offers: %v, %v", offers, err)
	}
}

// A rate whose successor is lost isn't shown as if it were still in force.
func TestLostRateLeavesAGap(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s, err := Open(ctx, t.TempDir(), options(c))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		p := publish("a.fr", fmt.Sprint(n), c.at, percent("a.fr", "fnac", fmt.Sprint(n+1), 1, c.at))
		p.Plan = planOf("a.fr", p.Snapshot.Offers, map[string]cashback.MerchantID{"fnac": 1})
		mustPublish(t, s, p)
		c.forward(time.Hour)
	}
	lose := func(back int) {
		t.Helper()
		err := s.write(ctx, func(t *tx) error {
			cur := t.bucket(historyBucket).Cursor()
			k, _ := cur.Last()
			for range back {
				k, _ = cur.Prev()
			}
			return t.drop(historyBucket, clone(k))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	texts := func() (out []string) {
		points, err := s.As(Operator).History(ctx, 1, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			out = append(out, p.RawText)
		}
		return out
	}
	lose(2) // 3 %
	if got := texts(); !slices.Equal(got, []string{"1 %", "4 %", "5 %"}) {
		t.Errorf("without 3 %%: %v", got)
	}
	lose(0) // 5 %
	if got := texts(); !slices.Equal(got, []string{"1 %"}) {
		t.Errorf("without 5 %%: %v", got)
	}
}
