package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/schedule"
)

// dump reads everything that the store can be asked for, each thing under a name.
// What can't be read is missing from it.
func dump(s *Store) map[string]string {
	ctx := context.Background()
	out := map[string]string{}
	put := func(name string, v any) { out[name] = string(encoded(v)) }
	op := s.As(Operator)
	if rows, err := op.Portals(ctx); err == nil {
		for _, p := range rows {
			if !p.Damaged {
				put("portal "+p.ID, p)
			}
		}
	}
	for _, portal := range []string{"a.fr", "b.fr"} {
		if offers, err := op.PortalOffers(ctx, portal); err == nil {
			for _, o := range offers {
				put("listed "+o.Receipt.Portal+o.Entry.Key, o)
			}
		}
		if runs, err := op.Runs(ctx, portal, 100); err == nil {
			for _, r := range runs {
				put("run "+r.ID, r)
			}
		}
		if facts, err := op.FactsHistory(ctx, portal, 100); err == nil {
			for _, f := range facts {
				put("facts "+portal+f.At.String(), f)
			}
		}
		if h, found, err := s.Held(ctx, portal); err == nil && found {
			put("held "+portal, h)
		}
		for p, err := range s.StagedPages(ctx, portal) {
			if err == nil {
				put("staged "+portal+p.Key, p.Value)
			}
		}
	}
	_ = op.EachMerchant(ctx, func(m cashback.Merchant, offers []cashback.Offer) error {
		put(fmt.Sprint("merchant ", m.ID), m)
		for _, o := range offers {
			put("offer "+o.Receipt.Portal+o.Entry.Key, o)
		}
		return nil
	})
	for id := range cashback.MerchantID(20) {
		if m, err := op.Merchant(ctx, id); err == nil {
			put(fmt.Sprint("by id ", id), m)
		}
		if points, err := op.History(ctx, id, time.Time{}); err == nil {
			for _, p := range points {
				put("rate "+p.Portal+p.Key+p.From.String()+string(p.Status), p)
			}
		}
		if m, err := op.MerchantBySlug(ctx, fmt.Sprint("shop-", id)); err == nil {
			put(fmt.Sprint("by slug ", id), m)
		}
	}
	for after := uint64(0); after < op.LastChange(); after++ {
		if changes, _, err := op.Changes(ctx, after, 1); err == nil && len(changes) == 1 {
			put(fmt.Sprint("change ", changes[0].Number), changes[0])
		}
	}
	if jobs, err := s.Jobs(ctx); err == nil {
		for _, j := range jobs {
			put("job "+j.Portal, j)
		}
	}
	if hosts, err := s.Hosts(ctx); err == nil {
		for name, v := range hosts {
			put("host "+name, v)
		}
	}
	if log, err := s.Audit(ctx, 0, 100); err == nil {
		for _, e := range log {
			put(fmt.Sprint("audit ", e.Number), e)
		}
	}
	if reviews, err := s.Reviews(ctx); err == nil {
		for _, r := range reviews {
			put("review "+r.Ref.Portal+r.Ref.Key, r)
		}
	}
	if st, err := s.MerchantState(ctx); err == nil {
		for _, h := range st.Held {
			put("held entry "+h.Portal+h.Entry.Key, h)
		}
		for id, ref := range st.Founders {
			put(fmt.Sprint("founder ", id), ref)
		}
		for _, e := range st.Events {
			put(fmt.Sprint("event ", e.Number), e)
		}
		put("next merchant", st.Next)
	}
	return out
}

// sample is a folder with something in every bucket.
func sample(t *testing.T) (dir string, truth map[string]string) {
	t.Helper()
	ctx := context.Background()
	c := newClock()
	dir = t.TempDir()
	s, err := Open(ctx, dir, options(c))
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.SavePortals(ctx, portals("a.fr", "b.fr")))
	names := map[string]cashback.MerchantID{}
	for i := range 19 {
		names[fmt.Sprint("shop-", i)] = cashback.MerchantID(i + 1)
	}
	for round := range 5 {
		for _, portal := range []string{"a.fr", "b.fr"} {
			c.forward(3 * time.Hour)
			var offers []cashback.Offer
			for i := range 19 {
				if (i+round)%6 > 0 {
					offers = append(offers, percent(portal, fmt.Sprint("shop-", i), fmt.Sprint(1+(i*round)%5), i/6, c.at))
				}
			}
			p := publish(portal, fmt.Sprint(portal, "-", round), c.at, offers...)
			p.Plan = planOf(portal, offers, names)
			p.Plan.Review = []merchant.Review{{Ref: merchant.Ref{Portal: portal, Key: offers[0].Entry.Key}, Name: "x", Reasons: []string{"y"}}}
			mustPublish(t, s, p)
		}
	}
	must(s.SetPublication(ctx, "b.fr", cashback.RelationOnly, "op", "asked by the portal"))
	must(s.SaveFacts(ctx, "a.fr", cashback.Facts{Notes: "pays late"}, "op", "read on their page"))
	must(s.SaveMerchantEvent(ctx, merchant.Event{Number: 1, By: "op", Kind: merchant.Merge, Merchant: 1, Other: 19}, merchant.Plan{
		Redirects: map[cashback.MerchantID]cashback.MerchantID{19: 1},
		Moved:     []merchant.Move{{Ref: merchant.Ref{Portal: "a.fr", Key: "https://a.fr/boutique/shop-18"}, From: 19, To: 1}, {Ref: merchant.Ref{Portal: "b.fr", Key: "https://b.fr/boutique/shop-18"}, From: 19, To: 1}},
	}))
	_, err = s.UpdateJob(ctx, "a.fr", func(j schedule.Job) (schedule.Job, error) { j.Next = c.at; return j, nil })
	must(err)
	must(s.SaveHost(ctx, "a.fr", []byte("state of the host")))
	held := publish("b.fr", "held", c.at, percent("b.fr", "shop-1", "99", 1, c.at))
	_, err = s.Hold(ctx, held.Snapshot, held.Judgement)
	must(err)
	_, _, err = s.OpenStage(ctx, Stage{Portal: "a.fr", Run: "next", StartedAt: c.at})
	must(err)
	must(s.StagePages(ctx, "a.fr", "next", StagedPage{"page", make([]byte, 9000)}))
	must(s.Close())
	s, err = Open(ctx, dir, options(c))
	must(err)
	truth = dump(s)
	must(s.Close())
	if rep, err := Check(ctx, dir, options(c)); err != nil || rep.Found > 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	return dir, truth
}

// TestProveFlips flips one bit of the database after another, anywhere in the file,
// and reads everything: nothing that comes back may differ from what was written.
// What is missing must have been noticed: by the opening, by a damaged record, or by
// the check. Salvage must bring back a folder that checks whole, with nothing wrong
// in it.
func TestProveFlips(t *testing.T) {
	rounds := share(20, 100_000)
	dir, truth := sample(t)
	path := filepath.Join(dir, fileName)
	b, err := openBoltFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(b.end) * b.pageSize
	b.close()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, uint64(rounds)))
	bytes := append([]byte(nil), whole...)
	tally := map[string]int{}
	for round := range rounds {
		at, bit := rng.IntN(len(bytes)), rng.IntN(8)
		bytes[at] ^= 1 << bit
		if err := os.WriteFile(path, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		bytes[at] ^= 1 << bit
		outcome := flipped(t, dir, truth, fmt.Sprintf("round %d, bit %d of byte %d", round, bit, at), round%10 == 0)
		tally[outcome]++
	}
	t.Logf("%d flips in %d bytes: %v", rounds, len(whole), tally)
}

func flipped(t *testing.T, dir string, truth map[string]string, where string, salvage bool) string {
	ctx := context.Background()
	c := newClock()
	rep, err := Check(ctx, dir, options(c))
	if err != nil && cashback.KindOf(err) != cashback.DiskFailed {
		t.Fatalf("%s: check: %v", where, err)
	}
	noticed := err != nil || rep.Found > 0
	outcome := "harmless"
	s, err := Open(ctx, dir, options(c))
	switch {
	case err != nil && cashback.KindOf(err) != cashback.DiskFailed:
		t.Fatalf("%s: open: %v", where, err)
	case err != nil:
		outcome = "refused"
	default:
		missing := wrong(t, where, dump(s), truth)
		outcome = "nothing missing"
		if len(s.Damage()) > 0 {
			noticed = true
			outcome = "record named"
		}
		if missing > 0 && !noticed {
			t.Fatalf("%s: %d things are missing and nobody has noticed", where, missing)
		}
		if missing > 0 && len(s.Damage()) == 0 {
			outcome = "only the check notices"
		}
		if err := s.Close(); err != nil && cashback.KindOf(err) != cashback.DiskFailed {
			t.Fatalf("%s: close: %v", where, err)
		}
	}
	if !salvage || !noticed {
		return outcome
	}
	if _, _, err := Salvage(ctx, dir, options(c)); err != nil {
		if cashback.KindOf(err) != cashback.DiskFailed {
			t.Fatalf("%s: salvage: %v", where, err)
		}
		return outcome + ", lost"
	}
	s, err = Open(ctx, dir, options(c))
	if err != nil {
		t.Fatalf("%s: after salvage: %v", where, err)
	}
	// Rows count what is left, so they may differ from what was.
	left := dump(s)
	for name := range left {
		if len(name) > 7 && name[:7] == "portal " {
			delete(left, name)
		}
	}
	wrong(t, where+", after salvage", left, truth)
	if err := s.SavePortals(ctx, portals("a.fr", "b.fr")); err != nil {
		t.Fatalf("%s: after salvage: %v", where, err)
	}
	for _, portal := range []string{"a.fr", "b.fr"} {
		mustPublish(t, s, publish(portal, "after-"+portal, c.at, percent(portal, "shop-3", "3", 1, c.at)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return outcome + ", salvaged"
}

// wrong counts what is missing and fails on anything that differs.
func wrong(t *testing.T, where string, got, truth map[string]string) (missing int) {
	t.Helper()
	for name, v := range got {
		want, known := truth[name]
		if !known {
			t.Fatalf("%s: %s was never written", where, name)
		}
		if v != want {
			t.Fatalf("%s: %s is\n%q and was\n%q", where, name, v, want)
		}
	}
	return len(truth) - len(got)
}
