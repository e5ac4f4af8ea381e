package store

import (
	"context"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Offers that runs no longer find, and whose removal the gate withholds, stay as they are
// until the operator answers: they go, with an end in their history, or they stay and
// have to be missed anew.
func TestWithheldRemovalsAreAnswered(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := openStore(t, t.TempDir(), options(c))
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		t.Fatal(err)
	}
	all := func() []cashback.Offer {
		var out []cashback.Offer
		for _, shop := range []string{"fnac", "darty", "zalando", "asos"} {
			out = append(out, percent("a.fr", shop, "3", 1, c.at))
		}
		return out
	}
	mustPublish(t, s, publish("a.fr", "a-1", c.at, all()...))
	// Two runs find two of the four alone.
	lost := func(run string) {
		t.Helper()
		c.at = c.at.Add(6 * time.Hour)
		p := publish("a.fr", run, c.at, all()[:2]...)
		keys := []string{all()[2].Entry.Key, all()[3].Entry.Key}
		if sp := standing(t, s); sp.Withheld > 0 || missed(t, s) > 0 {
			p.Judgement.Withheld = keys
			p.Judgement.Verdict = cashback.PublishUpserts
		} else {
			p.Judgement.Missing = keys
		}
		mustPublish(t, s, p)
	}
	lost("a-2")
	if sp := standing(t, s); sp.Withheld != 0 || sp.WithheldBy != "" {
		t.Fatalf("after one miss: %+v", sp)
	}
	lost("a-3")
	if sp := standing(t, s); sp.Withheld != 2 || sp.WithheldBy != "a-3" || sp.Offers != 4 {
		t.Fatalf("after two: %d withheld by %q of %d", sp.Withheld, sp.WithheldBy, sp.Offers)
	}
	for _, answer := range []func(context.Context, string, string, string, string) (int, error){s.Gone, s.Keep} {
		if _, err := answer(ctx, "a.fr", "a-2", "op", "seen"); cashback.KindOf(err) != cashback.Conflict {
			t.Errorf("an answer to another run: %v", err)
		}
	}
	if n, err := s.Keep(ctx, "a.fr", "a-3", "op", "they come back on Monday"); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if sp := standing(t, s); sp.Withheld != 0 || sp.Offers != 4 || missed(t, s) != 0 {
		t.Fatalf("kept: %d withheld, %d offers, %d missed", sp.Withheld, sp.Offers, missed(t, s))
	}
	lost("a-4")
	lost("a-5")
	lost("a-6") // asked again by each run
	c.at = c.at.Add(time.Hour)
	before := s.As(Public).LastChange()
	if n, err := s.Gone(ctx, "a.fr", "a-6", "op", "the portal has lost them"); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if sp := standing(t, s); sp.Withheld != 0 || sp.WithheldBy != "" || sp.Offers != 2 || sp.WithRate != 2 {
		t.Errorf("gone: %+v", sp)
	}
	if offers, err := s.As(Public).PortalOffers(ctx, "a.fr"); err != nil || len(offers) != 2 {
		t.Errorf("%d offers are shown, %v", len(offers), err)
	}
	changes, _, err := s.As(Public).Changes(ctx, before, 10)
	if err != nil || len(changes) != 3 || changes[0].Kind != cashback.OfferRemoved || changes[1].Kind != cashback.OfferRemoved {
		t.Errorf("changes: %+v, %v", changes, err)
	}
	if _, err := s.Gone(ctx, "a.fr", "a-6", "op", "twice"); cashback.KindOf(err) != cashback.Conflict {
		t.Errorf("twice: %v", err)
	}
	log, err := s.Audit(ctx, 0, 10)
	if err != nil || len(log) != 2 || log[0].What != "gone" || log[0].After != "2" || log[0].Run != "a-6" || log[1].What != "keep" || log[1].Reason != "they come back on Monday" {
		t.Errorf("audit: %+v, %v", log, err)
	}
	// What is listed again comes again.
	c.at = c.at.Add(time.Hour)
	if out := mustPublish(t, s, publish("a.fr", "a-7", c.at, all()...)); out.Run.Added != 2 {
		t.Errorf("%d added", out.Run.Added)
	}
}

func standing(t *testing.T, s *Store) Portal {
	t.Helper()
	p, err := s.As(Operator).Portal(context.Background(), "a.fr")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func missed(t *testing.T, s *Store) (n int) {
	t.Helper()
	offers, err := s.As(Operator).PortalOffers(context.Background(), "a.fr")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range offers {
		n += o.MissedRuns
	}
	return n
}
