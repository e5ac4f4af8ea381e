package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/schedule"
)

// clock is a clock that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) forward(d time.Duration) { c.at = c.at.Add(d) }
func newClock() *clock                   { return &clock{time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)} }
func dec(s string) cashback.Decimal      { return decimal.MustParse(s) }
func options(c *clock) Options           { return Options{Now: c.now, Limits: Defaults()} }
func ids(n int) (out []cashback.MerchantID) {
	for i := range n {
		out = append(out, cashback.MerchantID(i+1))
	}
	return out
}

func openStore(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		checkEngine(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// checkEngine runs bbolt's own check over an open store.
func checkEngine(t testing.TB, s *Store) {
	t.Helper()
	if s.lock == nil {
		return
	}
	tx, err := s.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for err := range tx.Check() {
		t.Error("bbolt:", err)
	}
}

func portals(ids ...string) (out []cashback.Portal) {
	for _, id := range ids {
		out = append(out, cashback.Portal{ID: id, Name: "Portal " + id, Homepage: "https://" + id, Countries: []cashback.Country{"FR"}, Currency: "EUR", Publication: cashback.Public})
	}
	return out
}

// percent is an offer as a crawl reads it.
func percent(portal, shop, rate string, page int, at time.Time) cashback.Offer {
	link := "https://" + portal + "/boutique/" + shop
	return cashback.Offer{
		Entry:  cashback.Entry{Key: link, Name: shop, Country: "FR", Link: link, Logo: "https://" + portal + "/logo/" + shop + ".png"},
		Kind:   cashback.Percent,
		Tiers:  []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: dec(rate), Span: cashback.Span{End: len(rate)}}}}},
		Status: cashback.OK,
		Receipt: cashback.Receipt{
			Portal: portal, URL: fmt.Sprintf("https://%s/boutiques?page=%d", portal, page), ReadAt: at,
			RawText: rate + " %", Hash: fmt.Sprintf("%064x", page*1000003+int(at.Unix()%1000003)), DefinitionVersion: "v1", Run: "set by run",
		},
	}
}

// publication makes a complete run of offers; merchant ids are given by the offers.
func publish(portal, run string, at time.Time, offers ...cashback.Offer) Publication {
	for i := range offers {
		offers[i].Receipt.Run = run
	}
	return Publication{
		Snapshot: cashback.Snapshot{
			Portal: cashback.Portal{ID: portal},
			Run:    cashback.Run{ID: run, Portal: portal, StartedAt: at, EndedAt: at.Add(time.Minute), Complete: true, Finish: "done", Offers: len(offers), DefinitionVersion: "v1"},
			Offers: offers,
		},
		Judgement: cashback.Judgement{Verdict: cashback.Publish, Health: cashback.PortalHealth{State: cashback.Healthy, LastGoodAt: at}},
	}
}

func mustPublish(t testing.TB, s *Store, p Publication) Published {
	t.Helper()
	out, err := s.Publish(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func planOf(portal string, offers []cashback.Offer, names map[string]cashback.MerchantID) merchant.Plan {
	p := merchant.Plan{Portal: portal, Assign: map[string]cashback.MerchantID{}, Founders: map[cashback.MerchantID]merchant.Ref{}}
	for _, o := range offers {
		id := names[o.Entry.Name]
		p.Assign[o.Entry.Key] = id
		if !slices.ContainsFunc(p.New, func(m cashback.Merchant) bool { return m.ID == id }) {
			p.New = append(p.New, cashback.Merchant{ID: id, Name: o.Entry.Name, Slug: o.Entry.Name, Country: "FR"})
			p.Founders[id] = merchant.Ref{Portal: portal, Key: o.Entry.Key}
		}
	}
	return p
}

func TestPublishAndRead(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	dir := t.TempDir()
	s := openStore(t, dir, options(c))
	if err := s.SavePortals(ctx, portals("a.fr", "b.fr")); err != nil {
		t.Fatal(err)
	}
	first := []cashback.Offer{percent("a.fr", "fnac", "3.5", 1, c.at), percent("a.fr", "darty", "2", 1, c.at), percent("a.fr", "sephora", "6", 2, c.at)}
	p := publish("a.fr", "a-1", c.at, first...)
	p.Plan = planOf("a.fr", first, map[string]cashback.MerchantID{"fnac": 1, "darty": 2, "sephora": 3})
	out := mustPublish(t, s, p)
	if out.Run.Added != 3 || out.Run.Changed != 0 || out.Run.Removed != 0 {
		t.Fatalf("first run: %+v", out.Run)
	}
	pub := s.As(Public)
	offers, err := pub.Offers(ctx, 1)
	if err != nil || len(offers) != 1 {
		t.Fatalf("offers of fnac: %v, %v", offers, err)
	}
	want := first[0]
	want.Merchant, want.Receipt.InForceSince = 1, c.at
	if !sameJSON(t, offers[0], want) {
		t.Fatalf("got %+v\nwant %+v", offers[0], want)
	}
	t0 := c.at

	// Six hours later one rate has moved; the rest is only younger.
	c.forward(6 * time.Hour)
	second := []cashback.Offer{percent("a.fr", "fnac", "4", 1, c.at), percent("a.fr", "darty", "2", 1, c.at), percent("a.fr", "sephora", "6", 2, c.at)}
	last := pub.LastChange()
	out = mustPublish(t, s, publish("a.fr", "a-2", c.at, second...))
	if out.Run.Added != 0 || out.Run.Changed != 1 || out.Run.Removed != 0 {
		t.Fatalf("second run: %+v", out.Run)
	}
	offers, _ = pub.Offers(ctx, 2)
	if r := offers[0].Receipt; !r.InForceSince.Equal(t0) || !r.ReadAt.Equal(c.at) || r.Run != "a-2" {
		t.Fatalf("an unchanged offer is dated %+v", r)
	}
	points, err := pub.History(ctx, 1, time.Time{})
	if err != nil || len(points) != 2 || !points[0].To.Equal(c.at) || !points[1].To.IsZero() || points[1].RawText != "4 %" {
		t.Fatalf("history: %+v, %v", points, err)
	}
	changes, next, err := pub.Changes(ctx, last, 100)
	if err != nil || len(changes) != 2 || next != pub.LastChange() {
		t.Fatalf("changes: %+v, %d, %v", changes, next, err)
	}
	if ch := changes[0]; ch.Kind != cashback.OfferChanged || ch.Merchant != 1 || ch.Before.Receipt.RawText != "3.5 %" || ch.After.Receipt.RawText != "4 %" {
		t.Fatalf("change: %+v", ch)
	}

	// A run that misses sephora keeps it, with the time of its last reading.
	t1 := c.at
	c.forward(6 * time.Hour)
	third := []cashback.Offer{percent("a.fr", "fnac", "4", 1, c.at), percent("a.fr", "darty", "2", 2, c.at)}
	p = publish("a.fr", "a-3", c.at, third...)
	key := first[2].Entry.Key
	p.Judgement.Missing = []string{key}
	mustPublish(t, s, p)
	offers, _ = pub.Offers(ctx, 3)
	if o := offers[0]; !o.Receipt.ReadAt.Equal(t1) || o.MissedRuns != 1 || o.Receipt.Run != "a-2" {
		t.Fatalf("a missing offer: %+v", o)
	}
	// The next removes it.
	c.forward(6 * time.Hour)
	p = publish("a.fr", "a-4", c.at, percent("a.fr", "fnac", "4", 1, c.at), percent("a.fr", "darty", "2", 2, c.at))
	p.Judgement.Remove = []string{key}
	out = mustPublish(t, s, p)
	if out.Run.Removed != 1 {
		t.Fatalf("%+v", out.Run)
	}
	if offers, _ = pub.Offers(ctx, 3); len(offers) != 0 {
		t.Fatalf("a removed offer is still there: %+v", offers)
	}
	if points, _ = pub.History(ctx, 3, time.Time{}); len(points) != 1 || !points[0].To.Equal(c.at) {
		t.Fatalf("history of a removed offer: %+v", points)
	}
	st, err := s.MerchantState(ctx)
	if err != nil || len(st.Held) != 3 || st.Held[2].Entry.Key != key || st.Held[2].Entry.Name != "sephora" || st.Held[2].Merchant != 3 || st.Founders[3].Key != key {
		t.Fatalf("state: %+v, %v", st, err)
	}
	row, err := pub.Portal(ctx, "a.fr")
	if err != nil || row.Offers != 2 || row.WithRate != 2 || row.LastRun == nil || row.LastRun.ID != "a-4" || row.Health.State != cashback.Healthy {
		t.Fatalf("portal: %+v, %v", row, err)
	}
	if runs, _ := pub.Runs(ctx, "a.fr", 2); len(runs) != 2 || runs[0].ID != "a-4" || runs[1].ID != "a-3" {
		t.Fatalf("runs: %+v", runs)
	}
	if m, err := pub.MerchantBySlug(ctx, "darty"); err != nil || m.ID != 2 {
		t.Fatalf("by slug: %+v, %v", m, err)
	}
	_, err = pub.Offers(ctx, 99)
	if cashback.KindOf(err) != cashback.NotFound {
		t.Fatalf("an unknown merchant: %v", err)
	}
}

func sameJSON(t *testing.T, a, b any) bool {
	t.Helper()
	return string(encoded(a)) == string(encoded(b))
}

func TestMergeMovesOffersOfOtherPortals(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	if err := s.SavePortals(ctx, portals("a.fr", "b.fr")); err != nil {
		t.Fatal(err)
	}
	a, b := percent("a.fr", "fnac", "3", 1, c.at), percent("b.fr", "fnac.com", "4", 1, c.at)
	p := publish("a.fr", "a-1", c.at, a)
	p.Plan = planOf("a.fr", p.Snapshot.Offers, map[string]cashback.MerchantID{"fnac": 1})
	mustPublish(t, s, p)
	p = publish("b.fr", "b-1", c.at, b)
	p.Plan = planOf("b.fr", p.Snapshot.Offers, map[string]cashback.MerchantID{"fnac.com": 2})
	mustPublish(t, s, p)

	before := s.As(Public).LastChange()
	ev := merchant.Event{Number: 1, At: c.at, By: "op", Kind: merchant.Merge, Merchant: 1, Other: 2}
	plan := merchant.Plan{
		Redirects: map[cashback.MerchantID]cashback.MerchantID{2: 1},
		Moved:     []merchant.Move{{Ref: merchant.Ref{Portal: "b.fr", Key: b.Entry.Key}, From: 2, To: 1}},
	}
	if err := s.SaveMerchantEvent(ctx, ev, plan); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids(2) {
		offers, err := s.As(Public).Offers(ctx, id)
		if err != nil || len(offers) != 2 || offers[0].Merchant != 1 || offers[1].Merchant != 1 {
			t.Fatalf("offers of %d: %+v, %v", id, offers, err)
		}
	}
	changes, _, _ := s.As(Public).Changes(ctx, before, 10)
	if len(changes) != 2 || changes[0].Kind != cashback.MerchantChanged || changes[0].Merchant != 2 ||
		changes[1].Kind != cashback.OfferChanged || changes[1].Before.Merchant != 2 || changes[1].After.Merchant != 1 {
		t.Fatalf("changes: %+v", changes)
	}
	if err := s.SaveMerchantEvent(ctx, ev, merchant.Plan{}); cashback.KindOf(err) != cashback.Conflict {
		t.Fatalf("the same number twice: %v", err)
	}
	seen := 0
	err := s.As(Public).EachMerchant(ctx, func(m cashback.Merchant, o []cashback.Offer) error {
		seen++
		if m.ID != 1 || len(o) != 2 {
			t.Fatalf("%+v %+v", m, o)
		}
		return nil
	})
	if err != nil || seen != 1 {
		t.Fatal(seen, err)
	}
}

func TestPublicationModes(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	p := publish("a.fr", "a-1", c.at, percent("a.fr", "fnac", "3", 1, c.at))
	p.Plan = planOf("a.fr", p.Snapshot.Offers, map[string]cashback.MerchantID{"fnac": 1})
	mustPublish(t, s, p)
	pub, op := s.As(Public), s.As(Operator)
	for _, mode := range []cashback.Publication{cashback.RelationOnly, cashback.Private, cashback.Off, cashback.Public} {
		if err := s.SetPublication(ctx, "a.fr", mode, "op", "test"); err != nil {
			t.Fatal(err)
		}
		offers, _ := pub.Offers(ctx, 1)
		points, _ := pub.History(ctx, 1, time.Time{})
		changes, _, _ := pub.Changes(ctx, 0, 100)
		rows, _ := pub.Portals(ctx)
		rates := 0
		for _, ch := range changes {
			if ch.After != nil && len(ch.After.Tiers) > 0 {
				rates++
			}
		}
		switch mode {
		case cashback.Public:
			if len(offers) != 1 || len(offers[0].Tiers) != 1 || len(points) != 1 || rates != 1 || len(rows) != 1 {
				t.Errorf("public: %+v %+v %+v", offers, points, rows)
			}
		case cashback.RelationOnly:
			if len(offers) != 1 || len(offers[0].Tiers) != 0 || offers[0].Receipt.RawText != "" || offers[0].Unread != Withheld || len(points) != 0 || rates != 0 || len(rows) != 1 {
				t.Errorf("relation: %+v %+v %+v", offers, points, rows)
			}
		default:
			if len(offers) != 0 || len(points) != 0 || rates != 0 || len(rows) != 0 {
				t.Errorf("%s: %+v %+v %+v", mode, offers, points, rows)
			}
			// Of the portal the feed only says that it has changed: it was shown once.
			for _, ch := range changes {
				if ch.Portal != "" && ch.Kind != cashback.PortalChanged || ch.Before != nil || ch.After != nil {
					t.Errorf("%s: the public feed has %+v", mode, ch)
				}
			}
			if !slices.ContainsFunc(changes, func(ch cashback.Change) bool { return ch.Portal == "a.fr" }) {
				t.Errorf("%s: the public feed doesn't say that the portal has gone", mode)
			}
			if _, err := pub.Portal(ctx, "a.fr"); cashback.KindOf(err) != cashback.NotFound {
				t.Error(err)
			}
			if _, err := pub.Run(ctx, "a-1"); cashback.KindOf(err) != cashback.NotFound {
				t.Error(err)
			}
		}
		if offers, _ = op.Offers(ctx, 1); len(offers) != 1 || len(offers[0].Tiers) != 1 {
			t.Errorf("the operator sees %+v", offers)
		}
	}
	// The definition comes again: the operator's word stays on top.
	if err := s.SetPublication(ctx, "a.fr", cashback.Private, "op", "test"); err != nil {
		t.Fatal(err)
	}
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	if rows, _ := pub.Portals(ctx); len(rows) != 0 {
		t.Errorf("a definition made a private portal public: %+v", rows)
	}
	if log, _ := s.Audit(ctx, 0, 10); len(log) != 5 || log[0].After != string(cashback.Private) {
		t.Errorf("audit: %+v", log)
	}
}

func TestFeedKeepsSilentAboutPrivatePortals(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	hidden := portals("secret.fr")
	hidden[0].Publication = cashback.Private
	if err := s.SavePortals(ctx, hidden); err != nil {
		t.Fatal(err)
	}
	p := publish("secret.fr", "1", c.at, percent("secret.fr", "fnac", "3", 1, c.at))
	p.Plan = planOf("secret.fr", p.Snapshot.Offers, map[string]cashback.MerchantID{"fnac": 1})
	mustPublish(t, s, p)
	changes, next, err := s.As(Public).Changes(ctx, 0, 100)
	if err != nil || next != s.As(Public).LastChange() {
		t.Fatal(next, err)
	}
	for _, ch := range changes {
		if ch.Portal != "" || ch.After != nil {
			t.Errorf("the public feed has %+v", ch)
		}
	}
	if all, _, _ := s.As(Operator).Changes(ctx, 0, 100); len(all) != 4 {
		t.Errorf("the operator's feed has %+v", all)
	}
}

func TestStagedRunIsResumed(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	dir := t.TempDir()
	s := openStore(t, dir, options(c))
	if err := s.SavePortals(ctx, portals("a.fr", "b.fr")); err != nil {
		t.Fatal(err)
	}
	want := Stage{Portal: "a.fr", Run: "a-1", DefinitionVersion: "v1", StartedAt: c.at}
	if _, resumed, err := s.OpenStage(ctx, want); err != nil || resumed {
		t.Fatal(resumed, err)
	}
	big := make([]byte, 400_000)
	for i := range 7 {
		big[0] = byte(i)
		if err := s.StagePages(ctx, "a.fr", "a-1", StagedPage{fmt.Sprintf("page %d", i), big}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.StagePages(ctx, "a.fr", "a-0", StagedPage{"x", nil}); cashback.KindOf(err) != cashback.Conflict {
		t.Fatal(err)
	}
	c.forward(time.Hour)
	again := want
	again.Run, again.StartedAt = "a-2", c.at
	st, resumed, err := s.OpenStage(ctx, again)
	if err != nil || !resumed || st.Run != "a-1" {
		t.Fatal(st, resumed, err)
	}
	n := 0
	for p, err := range s.StagedPages(ctx, "a.fr") {
		if err != nil || p.Key != fmt.Sprintf("page %d", n) || p.Value[0] != byte(n) {
			t.Fatal(p.Key, err)
		}
		n++
	}
	if n != 7 {
		t.Fatal(n)
	}
	again.DefinitionVersion = "v2"
	if _, resumed, err := s.OpenStage(ctx, again); err != nil || resumed {
		t.Fatal(resumed, err)
	}
	for range s.StagedPages(ctx, "a.fr") {
		t.Fatal("pages of another definition were kept")
	}
}

func TestHeldRunIsRejectedOrAccepted(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	p := publish("a.fr", "a-1", c.at, percent("a.fr", "fnac", "3", 1, c.at))
	p.Judgement.Verdict = cashback.Hold
	if _, err := s.Publish(ctx, p); err == nil {
		t.Fatal("a held run was published")
	}
	if _, err := s.Hold(ctx, p.Snapshot, p.Judgement); err != nil {
		t.Fatal(err)
	}
	if offers, _ := s.As(Operator).PortalOffers(ctx, "a.fr"); len(offers) != 0 {
		t.Fatal("a held run is shown")
	}
	h, found, err := s.Held(ctx, "a.fr")
	if err != nil || !found || !sameJSON(t, h.Snapshot, p.Snapshot) {
		t.Fatalf("%+v %v %v", h, found, err)
	}
	if err := s.Reject(ctx, "a.fr", "a-9", "op", "no"); cashback.KindOf(err) != cashback.Conflict {
		t.Fatal(err)
	}
	if err := s.Reject(ctx, "a.fr", "a-1", "op", "no"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(ctx, p.Snapshot, p.Judgement); err != nil {
		t.Fatal(err)
	}
	p.By, p.Reason = "op", "a new season"
	mustPublish(t, s, p)
	if offers, _ := s.As(Public).PortalOffers(ctx, "a.fr"); len(offers) != 1 {
		t.Fatal("an accepted run isn't shown")
	}
	if _, found, _ := s.Held(ctx, "a.fr"); found {
		t.Fatal("an accepted run is still held")
	}
	if log, _ := s.Audit(ctx, 0, 10); len(log) != 2 || log[0].What != "accept" || log[0].Reason != "a new season" || log[1].What != "reject" {
		t.Fatalf("audit: %+v", log)
	}
}

func TestJobsHostsAndPages(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	o := options(c)
	o.Limits.CacheBytes, o.Limits.CacheAge = 4000, time.Hour
	s := openStore(t, t.TempDir(), o)
	if _, err := s.UpdateJob(ctx, "a.fr", func(j schedule.Job) (schedule.Job, error) { j.Site = "a.fr"; return j, nil }); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if _, err := s.UpdateJob(ctx, "a.fr", func(j schedule.Job) (schedule.Job, error) { j.Site = "b.fr"; return j, stop }); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if jobs, err := s.Jobs(ctx); err != nil || len(jobs) != 1 || jobs[0].Site != "a.fr" {
		t.Fatal(jobs, err)
	}
	if v, err := s.LoadHost(ctx, "a.fr"); v != nil || err != nil {
		t.Fatal(v, err)
	}
	if err := s.SaveHost(ctx, "a.fr", []byte("next")); err != nil {
		t.Fatal(err)
	}
	if v, err := s.LoadHost(ctx, "a.fr"); string(v) != "next" || err != nil {
		t.Fatal(v, err)
	}
	noise := make([]byte, 1000)
	for i := range 6 {
		for j := range noise {
			noise[j] = byte(i*7919+j*j*31+j>>3*i) ^ byte(j*2654435761>>7)
		}
		if err := s.SavePage(ctx, "a.fr", fmt.Sprint(i), noise); err != nil {
			t.Fatal(err)
		}
		c.forward(time.Minute)
	}
	if v, _ := s.LoadPage(ctx, "a.fr", "0"); v != nil {
		t.Error("the oldest page should have made room")
	}
	if v, _ := s.LoadPage(ctx, "a.fr", "5"); !slices.Equal(v, noise) {
		t.Error("the newest page isn't there")
	}
	c.forward(2 * time.Hour)
	if v, _ := s.LoadPage(ctx, "a.fr", "5"); v != nil {
		t.Error("a page is too old and still there")
	}
}

func TestSecondProcessIsTold(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	dir := t.TempDir()
	if _, held, err := Holder(dir); held || err != nil {
		t.Fatal(held, err)
	}
	o := options(c)
	o.Address = "127.0.0.1:8080"
	s := openStore(t, dir, o)
	began := time.Now()
	_, err := Open(ctx, dir, options(c))
	if cashback.KindOf(err) != cashback.Locked || time.Since(began) > 2*time.Second {
		t.Fatalf("%v after %v", err, time.Since(began))
	}
	h, held, err := Holder(dir)
	if err != nil || !held || h.Address != o.Address || h.PID != s.me.PID {
		t.Fatal(h, held, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, held, err = Holder(dir); held || err != nil {
		t.Fatal(held, err)
	}
}
