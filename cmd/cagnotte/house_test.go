package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web"
	"github.com/cagnotte/cagnotte/web/view"
)

const ownDefinition = `portal: %ID%
name: Mine
homepage: https://%HOST%
countries: [FR]
locale: fr-FR
currency: EUR
hosts: [%HOST%]
pages:
  - kind: list
    urls: ["https://%HOST%/shops"]
    items: {select: ".shop"}
    fields: {name: [".title"], reward: [".rate"], link: ["a@href"]}
`

// TestOwnDefinitions: what an operator describes in the data folder is crawled like
// what is shipped, replaces what has its id, and is refused with its place.
func TestOwnDefinitions(t *testing.T) {
	data, pages := filepath.Join(t.TempDir(), "data"), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := func(file, id, host string) {
		write(filepath.Join(data, "definitions", file), strings.NewReplacer("%ID%", id, "%HOST%", host).Replace(ownDefinition))
	}
	write(filepath.Join(pages, "p.html"), `<html lang="fr"><body><h1>Boutiques</h1><div class="shop"><a class="title" href="/fnac">Fnac</a> <b class="rate">3 %</b></div></body></html>`)
	write(filepath.Join(pages, "index.json"), `[{"url": "https://www.mine.example/shops", "file": "p.html", "content_type": "text/html", "status": 200, "recorded_at": "2026-11-20T10:00:00Z"}]`)
	crawl := func() (int, string, string) { return command(t, "", "crawl", "--pages", pages, "--data", data) }

	if status, _, _ := command(t, "", "crawl", "nobody", "--data", data); status != exitInvalid {
		t.Errorf("an unknown portal: status %d", status)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("an unknown portal made a data folder")
	}
	own("mine.yaml", "mine", "www.mine.example")
	if status, out, stderr := crawl(); status != exitOK || !strings.Contains(out, "mine ") {
		t.Fatalf("status %d: %s%s", status, out, stderr)
	}
	if status, out, stderr := command(t, "", "rank", "Fnac", "--country", "FR", "--amount", "100", "--as-of", "2026-11-20", "--data", data); status != exitOK || !strings.Contains(out, "mine") {
		t.Errorf("status %d: %s%s", status, out, stderr)
	}
	own("b.yaml", "mine", "www.mine.example")
	if status, _, stderr := crawl(); status != exitInvalid || !strings.Contains(stderr, "b.yaml and") {
		t.Errorf("one id twice: status %d, %s", status, stderr)
	}
	own("b.yaml", "other", "www.mine.example")
	if status, _, stderr := crawl(); status != exitInvalid || !strings.Contains(stderr, "claim the host") {
		t.Errorf("one host twice: status %d, %s", status, stderr)
	}
	write(filepath.Join(data, "definitions", "b.yaml"), "portal: b\nnmae: x\n")
	if status, _, stderr := crawl(); status != exitInvalid || !strings.Contains(stderr, "b.yaml:2:1") {
		t.Errorf("a fault: status %d, %s", status, stderr)
	}
	own("b.yaml", "widilo-fr", "www.mine2.example") // in the place of a shipped one
	if status, out, stderr := crawl(); status != exitOK || strings.Contains(out, "widilo") {
		t.Errorf("a shipped one replaced: status %d: %s%s", status, out, stderr)
	}
}

// TestPublishInTurn: a publication waits until the index has the one before, and no
// longer than its caller does.
func TestPublishInTurn(t *testing.T) {
	w := &world{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, now: time.Now}
	w.logTo(w.stderr, slog.LevelError)
	h, err := openHouse(w.ctx, w, t.TempDir(), houseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.caughtUp(w.ctx) // nothing is served: there is nothing to wait for
	s, err := h.site(w, web.Config{DefaultCountry: "FR"})
	if err != nil {
		t.Fatal(err)
	}
	last := h.operator().LastChange()
	if last == 0 {
		t.Fatal("the definitions' portals made no change")
	}
	ctx, cancel := context.WithCancel(w.ctx)
	waited := make(chan struct{})
	go func() { defer close(waited); h.caughtUp(ctx) }()
	cancel()
	<-waited
	if got := s.index.Applied(); got != 0 {
		t.Fatalf("nobody follows, and %d changes are applied", got)
	}
	follow, stop := context.WithCancel(w.ctx)
	followed := make(chan error, 1)
	go func() { followed <- s.index.Run(follow) }()
	h.caughtUp(w.ctx)
	if got := s.index.Applied(); got < last {
		t.Errorf("the next publication began with %d of %d changes applied", got, last)
	}
	stop()
	if err := errors.Join(<-followed, s.index.Close()); err != nil {
		t.Error(err)
	}
}

// TestCatalogueLetGo: the merchants' catalogue is read when it is needed, let go when
// nobody has needed it for a while, and the same when it is read again.
func TestCatalogueLetGo(t *testing.T) {
	w := &world{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, now: time.Now}
	w.logTo(w.stderr, slog.LevelError)
	h, err := openHouse(w.ctx, w, t.TempDir(), houseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if h.merchants.held != nil {
		t.Fatal("it is read before anybody needs it")
	}
	merchants, done, err := h.merchants.Open(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	p := h.definitions[0].Portal()
	entry := cashback.Entry{Key: "fnac", Name: "Fnac", Country: p.Countries[0], Link: p.Homepage + "/fnac"}
	plan := merchants.Upsert(p.ID, []cashback.Entry{entry})
	_, err = h.store.Publish(w.ctx, store.Publication{
		Plan: plan, Judgement: cashback.Judgement{Verdict: cashback.Publish, Health: cashback.PortalHealth{Portal: p.ID, State: cashback.Healthy, LastGoodAt: w.now()}},
		Snapshot: cashback.Snapshot{
			Portal: p, Run: cashback.Run{ID: "run-1", Portal: p.ID, StartedAt: w.now(), EndedAt: w.now(), Complete: true, Finish: "done"},
			Offers: []cashback.Offer{{Entry: entry, Merchant: plan.Assign["fnac"], Kind: cashback.NoCashback, Status: cashback.OK, Receipt: cashback.Receipt{Portal: p.ID, URL: p.Homepage, ReadAt: w.now(), Run: "run-1"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() { ended <- h.merchants.letGo(ctx, 4*time.Millisecond) }()
	done()
	for gone := false; !gone; { // or the test's own limit ends it
		h.merchants.mu.Lock()
		gone = h.merchants.held == nil
		h.merchants.mu.Unlock()
		runtime.Gosched()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	again, done, err := h.merchants.Open(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if again == merchants || !reflect.DeepEqual(slices.Collect(again.Merchants()), slices.Collect(merchants.Merchants())) {
		t.Errorf("read again: %v; before: %v", slices.Collect(again.Merchants()), slices.Collect(merchants.Merchants()))
	}
}

// TestAsOfFinds: data of another day is found as fresh as it was that day.
func TestAsOfFinds(t *testing.T) {
	data, recorded := filepath.Join(t.TempDir(), "data"), t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "definitions"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(data, "definitions", "mine.yaml"): strings.NewReplacer("%ID%", "mine", "%HOST%", "www.mine.example").Replace(ownDefinition),
		filepath.Join(recorded, "p.html"):               `<html lang="fr"><body><div class="shop"><a class="title" href="/fnac">Fnac</a> <b class="rate">3 %</b></div></body></html>`,
		filepath.Join(recorded, "index.json"):           `[{"url": "https://www.mine.example/shops", "file": "p.html", "content_type": "text/html", "status": 200, "recorded_at": "2026-07-09T00:00:00Z"}]`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if status, _, stderr := command(t, "", "crawl", "--pages", recorded, "--data", data); status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	for day, fresh := range map[string]bool{"": false, "2026-07-10": true, "2026-08-10": false} {
		w := &world{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, now: time.Now}
		asOf, err := parseAsOf(day)
		if err != nil {
			t.Fatal(err)
		}
		a, closing, err := askers(w, data, "FR", asOf)
		if err != nil {
			t.Fatal(err)
		}
		var found view.Found
		if err := a.get(w.ctx, "search", url.Values{"q": {"fnac"}}, &found); err != nil || len(found.Items) != 1 {
			t.Fatalf("%s: %+v, %v", day, found, err)
		}
		if got := found.Items[0].Best != nil; got != fresh {
			t.Errorf("as of %q: a rate is shown: %t, want %t", day, got, fresh)
		}
		if err := closing(); err != nil {
			t.Error(err)
		}
	}
}
