package crawler

import (
	"context"
	"encoding/json"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/store"
)

// kept puts the real store behind the crawler's interfaces, as cmd does.
type kept struct{ *store.Store }

var (
	_ Stages      = kept{}
	_ Publisher   = kept{}
	_ fetch.State = kept{}
	_ fetch.Pages = kept{}
)

func (k kept) OpenStage(ctx context.Context, want Stage) (Stage, bool, error) {
	st, resumed, err := k.Store.OpenStage(ctx, store.Stage(want))
	return Stage(st), resumed, err
}

func (k kept) StagePage(ctx context.Context, portal, run string, p StagedPage) error {
	return k.StagePages(ctx, portal, run, store.StagedPage(p))
}

func (k kept) StagedPages(ctx context.Context, portal string) iter.Seq2[StagedPage, error] {
	return func(yield func(StagedPage, error) bool) {
		for p, err := range k.Store.StagedPages(ctx, portal) {
			if !yield(StagedPage(p), err) {
				return
			}
		}
	}
}

func (k kept) Evidence(ctx context.Context, portal string, merchants []cashback.MerchantID) (Evidence, error) {
	e, err := k.Store.Evidence(ctx, portal, merchants)
	return Evidence(e), err
}

func (k kept) Publish(ctx context.Context, p Publication) (cashback.Run, error) {
	out, err := k.Store.Publish(ctx, store.Publication(p))
	return out.Run, err
}

func (k kept) Held(ctx context.Context, portal string) (cashback.Snapshot, cashback.Judgement, bool, error) {
	h, found, err := k.Store.Held(ctx, portal)
	return h.Snapshot, h.Judgement, found, err
}

func (k kept) LoadHost(domain string) (s fetch.HostState, err error) {
	b, err := k.Store.LoadHost(context.Background(), domain)
	if err != nil || b == nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

func (k kept) SaveHost(domain string, s fetch.HostState) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return k.Store.SaveHost(context.Background(), domain, b)
}

func (k kept) LoadPage(portal, key string) (s fetch.Stored, ok bool, err error) {
	b, err := k.Store.LoadPage(context.Background(), portal, key)
	if err != nil || b == nil {
		return s, false, err
	}
	return s, true, json.Unmarshal(b, &s)
}

func (k kept) SavePage(portal, key string, s fetch.Stored) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return k.Store.SavePage(context.Background(), portal, key, b)
}

// clock is the tests' clock: real time goes on in it, and tests move it.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
	start time.Time
}

func newClock() *clock {
	return &clock{start: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), ahead: 0}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += time.Millisecond
	return c.start.Add(c.ahead)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func openStore(t testing.TB, dir string, now func() time.Time) kept {
	t.Helper()
	s, err := store.Open(context.Background(), dir, store.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return kept{s}
}

// rules are read once: they don't change, and that takes a while.
var rules = sync.OnceValues(func() (*merchant.Rules, error) { return merchant.NewRules(merchant.Options{}) })

func newCatalogue(t testing.TB) *merchant.Catalogue {
	t.Helper()
	r, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	return merchant.New(r)
}
