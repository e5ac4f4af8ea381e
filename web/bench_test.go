package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/background"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/internal/store/storetest"
)

// The size that the project promises its numbers for: 400,000 offers.
const (
	benchShops   = 50_000
	benchPortals = 80
	benchListed  = 5_000 // shops of one portal
)

// bigTown is a folder with a store and an index of that size, made once and kept
// among the temporary files.
func bigTown(b *testing.B) string {
	b.Helper()
	dir := filepath.Join(os.TempDir(), "cagnotte-bench-web-3")
	if _, err := os.Stat(filepath.Join(dir, "whole")); err == nil {
		return dir
	}
	_ = os.RemoveAll(dir)
	facts := townPortals()
	var portals []cashback.Portal
	for i := range benchPortals {
		p := facts[i%3]
		p.ID, p.Name = fmt.Sprintf("portal-%02d", i), fmt.Sprintf("Portal %d", i)
		p.Homepage = "https://www." + p.ID + ".test"
		portals = append(portals, p)
	}
	town := storetest.Town{Portals: portals, Shops: benchShops, Listed: benchListed, At: today}
	if err := town.Fill(b.Context(), filepath.Join(dir, "store")); err != nil {
		b.Fatal(err)
	}
	st, err := store.Open(b.Context(), filepath.Join(dir, "store"), store.Options{Now: func() time.Time { return today }})
	if err != nil {
		b.Fatal(err)
	}
	x, stop := runIndex(b, filepath.Join(dir, "index"), st)
	for !x.Ready().Ready {
		time.Sleep(10 * time.Millisecond)
	}
	if err := errors.Join(stop(), st.Close(), os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)); err != nil {
		b.Fatal(err)
	}
	return dir
}

func runIndex(b *testing.B, dir string, st *store.Store) (*index.Index, func() error) {
	b.Helper()
	x, err := index.Open(context.Background(), dir, source{st}, index.Options{Now: func() time.Time { return today }})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- background.Quietly(func() error { return x.Run(context.Background()) }) }()
	return x, func() error { return errors.Join(x.Close(), <-done) }
}

// benchServer serves the big town, and says how long the start took.
func benchServer(b *testing.B) *Server {
	b.Helper()
	dir := bigTown(b)
	begin := time.Now()
	st, err := store.Open(context.Background(), filepath.Join(dir, "store"), store.Options{Now: func() time.Time { return today }})
	if err != nil {
		b.Fatal(err)
	}
	x, stop := runIndex(b, filepath.Join(dir, "index"), st)
	b.Cleanup(func() {
		if err := errors.Join(stop(), st.Close()); err != nil {
			b.Error(err)
		}
	})
	c := config()
	c.Store, c.Index = st, x
	s, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	for !x.Ready().Ready {
		time.Sleep(time.Millisecond)
	}
	b.Logf("serving %d offers after %v", benchPortals*benchListed, time.Since(begin).Round(time.Millisecond))
	return s
}

// wire is a client that costs as little as one can: a connection, a request written
// as bytes, and an answer of which only the length is read.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(b *testing.B, address string) *wire {
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	return &wire{c, bufio.NewReaderSize(c, 64<<10)}
}

func (w *wire) get(path string) (int, error) {
	if _, err := io.WriteString(w.conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return 0, err
	}
	length := -1
	for first := true; ; first = false {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return 0, fmt.Errorf("%s: %s", path, line)
		}
		if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(string(n)))
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := w.in.Discard(length)
	return length, err
}

// listen serves h on loopback and returns the address.
func listen(b *testing.B, h *http.Server) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	b.Cleanup(func() { _ = h.Close(); <-done })
	return l.Addr().String()
}

// BenchmarkServe compares what is served at 400,000 offers with a bare net/http
// handler that sends the same bytes: the ratio is its throughput over the baseline's.
// "kept" asks for 500 shops again and again, as visitors do; "new" never asks the same
// question twice, so that each answer is made.
func BenchmarkServe(b *testing.B) {
	s := benchServer(b)
	ours := listen(b, s.HTTP())
	var sent atomic.Pointer[[]byte]
	sent.Store(&[]byte{})
	bare := listen(b, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body := *sent.Load()
		w.Header().Set("Content-Type", kindJSON)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})})
	shop := func(n int) int { return 1 + n*7919%benchShops }
	for _, c := range []struct {
		name string
		path func(n int) string
	}{
		{"ranking/kept", func(n int) string { return fmt.Sprintf("/api/v1/merchants/%d/ranking?amount=120", shop(n%500)) }},
		{"ranking/new", func(n int) string {
			return fmt.Sprintf("/api/v1/merchants/%d/ranking?amount=%d.%02d", shop(n), 10+n%5000, n/5000%100)
		}},
		{"page/kept", func(n int) string { return fmt.Sprintf("/fr/shops/boutique-%d-fr?amount=120", shop(n%500)-1) }},
		{"page/new", func(n int) string {
			return fmt.Sprintf("/fr/shops/boutique-%d-fr?amount=%d.%02d", shop(n)-1, 10+n%5000, n/5000%100)
		}},
		{"join/new", func(n int) string { return fmt.Sprintf("/fr/join?w_rates=%d&w_terms=%d", 1+n%10, n/10%11) }},
		{"curve/new", func(n int) string {
			return fmt.Sprintf("/api/v1/merchants/%d/curve?to=%d.%02d", shop(n), 200+n%5000, n/5000%100)
		}},
		{"suggest/new", func(n int) string { return fmt.Sprintf("/fr/suggest?q=boutik+%d", shop(n)) }},
		{"search/new", func(n int) string { return fmt.Sprintf("/fr/search?q=boutique+%d", shop(n)) }},
	} {
		var ns [2]float64
		run := func(b *testing.B, address string, path func(int) string) {
			var next atomic.Int64
			next.Store(rand.Int64N(1 << 40))
			b.SetParallelism(4)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				w := dial(b, address)
				defer func() { _ = w.conn.Close() }()
				for pb.Next() {
					if _, err := w.get(path(int(next.Add(1)))); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		b.Run(c.name+"/baseline", func(b *testing.B) {
			r := ask(s.Handler(), "GET", c.path(1), local)
			body, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != http.StatusOK {
				b.Fatal(r.StatusCode, err)
			}
			sent.Store(&body)
			run(b, bare, func(int) string { return "/" })
			ns[0] = float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(float64(len(body)), "bytes")
		})
		if strings.HasSuffix(c.name, "/kept") {
			for n := range 500 {
				ask(s.Handler(), "GET", c.path(n), local)
			}
		}
		b.Run(c.name, func(b *testing.B) {
			run(b, ours, c.path)
			ns[1] = float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(100*ns[0]/ns[1], "%ofBare")
		})
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.Logf("heap in use %d MB", m.HeapInuse>>20)
}

// BenchmarkStandings values every offer anew and compares the portals, as the start of
// a server does; a publication takes its portal's share of it. The baseline only reads
// the same offers.
func BenchmarkStandings(b *testing.B) {
	s := benchServer(b)
	b.Run("update", func(b *testing.B) {
		for b.Loop() {
			s.standings.now.Store(nil)
			if _, err := s.update(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		n := 0
		for _, of := range s.standings.worth {
			n += len(of)
		}
		b.ReportMetric(float64(n), "offers")
	})
	b.Run("baseline", func(b *testing.B) {
		for b.Loop() {
			sh, err := s.shelf(b.Context(), 0)
			if err != nil {
				b.Fatal(err)
			}
			for _, p := range sh.all {
				if _, err := s.truth.PortalOffers(b.Context(), p.ID); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkWhilePublishing asks for pages that were never asked for before, at an even
// pace, while nothing else happens, and while runs of 10,000 offers are published one
// after another, in turns and on threads as cmd/cagnotte has them. The bar: the 99th percentile is at most 1.5 times the idle
// one. A second baseline keeps one core busy with nothing: what that costs too isn't the store's doing.
func BenchmarkWhilePublishing(b *testing.B) {
	const offers, looks, pace = 10_000, 800, 10 * time.Millisecond
	defer background.Threads()()
	turns := background.NewTurns()
	st, err := store.Open(b.Context(), b.TempDir(), store.Options{Now: func() time.Time { return today }})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	portals := townPortals()[:3]
	if err := st.SavePortals(b.Context(), portals); err != nil {
		b.Fatal(err)
	}
	runs := 0
	// What a crawl has staged lies there before it is published: of each portal's run
	// each twentieth rate is another one than in the run before.
	staged := map[string]*cashback.Snapshot{}
	for _, p := range portals {
		snap := &cashback.Snapshot{Portal: p}
		for i := range offers {
			link := p.Homepage + "/boutique/" + strconv.Itoa(i)
			snap.Offers = append(snap.Offers, cashback.Offer{
				Entry: cashback.Entry{Key: link, Name: "Boutique " + strconv.Itoa(i), Country: "FR", Link: link}, Merchant: cashback.MerchantID(i + 1),
				Kind: cashback.Percent, Status: cashback.OK,
				Receipt: cashback.Receipt{Portal: p.ID, URL: p.Homepage + "/boutiques?page=" + strconv.Itoa(i/50), DefinitionVersion: "v1"},
			})
		}
		staged[p.ID] = snap
	}
	publish := func(p cashback.Portal, plan merchant.Plan) error {
		runs++
		run := fmt.Sprintf("%s-%d", p.ID, runs)
		snap := staged[p.ID]
		snap.Run = cashback.Run{ID: run, Portal: p.ID, StartedAt: today, EndedAt: today, Complete: true, Finish: "done", Offers: offers}
		hash := ""
		for i := range snap.Offers {
			o := &snap.Offers[i]
			if i%50 == 0 {
				hash = fmt.Sprintf("%064x", runs*1000+i/50)
			}
			o.Receipt.Run, o.Receipt.Hash, o.Receipt.ReadAt = run, hash, today.Add(time.Duration(runs)*time.Second)
			if o.Tiers == nil || i%20 == 19 {
				rate := fmt.Sprintf("%d.%d", 1+i%12, (i+runs*(i%20/19))%10)
				o.Tiers, o.Receipt.RawText = []cashback.Tier{percent(rate)}, rate+" %"
			}
		}
		_, err := st.Publish(context.Background(), store.Publication{Snapshot: *snap, Plan: plan,
			Judgement: cashback.Judgement{Verdict: cashback.Publish, Health: cashback.PortalHealth{Portal: p.ID, State: cashback.Healthy, LastGoodAt: today}}})
		return err
	}
	for n, p := range portals {
		plan := merchant.Plan{Portal: p.ID, Assign: map[string]cashback.MerchantID{}, Founders: map[cashback.MerchantID]merchant.Ref{}}
		for i := range offers {
			id, link := cashback.MerchantID(i+1), p.Homepage+"/boutique/"+strconv.Itoa(i)
			plan.Assign[link] = id
			if n == 0 {
				slug := "boutique-" + strconv.Itoa(i) + "-fr"
				plan.New = append(plan.New, cashback.Merchant{ID: id, Name: "Boutique " + strconv.Itoa(i), Slug: slug, Country: "FR"})
				plan.Founders[id] = merchant.Ref{Portal: p.ID, Key: link}
			}
		}
		if err := publish(p, plan); err != nil {
			b.Fatal(err)
		}
	}
	x, stop := runIndex(b, b.TempDir(), st)
	defer stop()
	for !x.Ready().Ready {
		time.Sleep(10 * time.Millisecond)
	}
	c := config()
	c.Store, c.Index = st, x
	s, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	w := dial(b, listen(b, s.HTTP()))
	defer w.conn.Close()
	asked := 0
	visit := func(n int) (took []time.Duration) {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for range n {
			<-tick.C
			asked++
			start := time.Now()
			if _, err := w.get(fmt.Sprintf("/fr/shops/boutique-%d-fr?amount=%d", asked*7919%offers, 10+asked%4000)); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		return took
	}
	visit(200)
	// beside repeats something for as long as people look.
	beside := func(f func() error) []time.Duration {
		done, end := make(chan error, 1), make(chan struct{})
		go func() {
			for {
				select {
				case <-end:
					done <- nil
					return
				default:
				}
				if err := f(); err != nil {
					done <- err
					return
				}
			}
		}()
		took := visit(looks)
		close(end)
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		return took
	}
	var idle, spun, busy []time.Duration
	page := make([]byte, 1<<20)
	for b.Loop() {
		idle = append(idle, visit(looks)...)
		spun = append(spun, beside(func() error { sha256.Sum256(page); return nil })...)
		busy = append(busy, beside(func() error {
			p := portals[runs%3]
			return turns.Do(context.Background(), func(context.Context) {
				for x.Applied() < st.As(store.Public).LastChange() {
					time.Sleep(10 * time.Millisecond)
				}
			}, func() error { return publish(p, merchant.Plan{Portal: p.ID}) })
		})...)
	}
	at := func(all []time.Duration, share float64) float64 {
		slices.Sort(all)
		return float64(all[int(float64(len(all)-1)*share)]) / 1e6
	}
	for _, q := range []struct {
		name  string
		share float64
	}{{"p50", .5}, {"p99", .99}} {
		b.ReportMetric(at(idle, q.share), "idle_"+q.name+"_ms")
		b.ReportMetric(at(spun, q.share), "busy_core_"+q.name+"_ms")
		b.ReportMetric(at(busy, q.share), "publishing_"+q.name+"_ms")
	}
	b.ReportMetric(at(busy, .99)/at(idle, .99), "x_p99")
	b.ReportMetric(at(busy, .99)/at(spun, .99), "x_busy_core_p99")
	b.ReportMetric(float64(runs-3)/float64(b.N), "runs")
}

// manyPurchases gives somebody 10,000 events: 2,000 purchases of three years, most of
// them paid, every eighth still open, each fourth begun by a click whose terms are kept.
func (p *crowd) manyPurchases(u account.User) {
	ctx := context.Background()
	m, err := p.truth.MerchantBySlug(ctx, "fnac-fr")
	if err != nil {
		p.t.Fatal(err)
	}
	list, err := p.operator().Portals(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(8, 8))
	ladder := []earnings.EventKind{earnings.Tracked, earnings.Confirmed, earnings.Payable, earnings.PayoutRequested, earnings.Paid}
	events := 0
	for n := 0; events < 10_000; n++ {
		at := today.Add(-time.Duration(10_000-events) * 3 * 365 * 24 * time.Hour / 10_000)
		portal := list[n%len(list)]
		amount := &earnings.Amount{Minor: 50 + rng.Int64N(2000), Unit: earnings.Unit(portal.Currency)}
		entry := store.Entry{}
		e := earnings.Event{Purchase: fmt.Sprintf("many-%05d", n), Portal: portal.ID, Merchant: m.ID, Shop: "Shop " + strconv.Itoa(rng.IntN(300)), At: at, Source: "click"}
		if n%4 == 0 {
			kept, err := earnings.Terms{
				Frozen: at, Portal: portal.ID, PortalName: portal.Name, Facts: portal.Facts, Shop: e.Shop,
				Offer: cashback.Offer{Tiers: []cashback.Tier{percent("5"), percent("2")}, Conditions: strings.Repeat("Hors livraison. ", 40), Receipt: cashback.Receipt{RawText: strconv.Itoa(n)}},
			}.Freeze()
			if err != nil {
				p.t.Fatal(err)
			}
			e.Kind, e.Evidence, entry.Evidence = earnings.Clicked, kept.Hash, []earnings.Evidence{kept}
			entry.Events = append(entry.Events, e)
		}
		e.Kind, e.Amount, e.Basket, e.Evidence = earnings.Expected, amount, &earnings.Amount{Minor: amount.Minor * 20, Unit: amount.Unit}, ""
		entry.Events = append(entry.Events, e)
		listed := *amount
		if n%10 == 0 {
			listed.Minor = listed.Minor*8/10 + 1
		}
		e.Amount, e.Basket = &listed, nil
		for i, k := range ladder {
			if n%8 == 0 && i == n/8%4 {
				break
			}
			e.Kind, e.At = k, at.AddDate(0, 0, 1+20*i)
			entry.Events = append(entry.Events, e)
			e.Amount = nil
		}
		for i := range entry.Events {
			entry.Events[i].Key = fmt.Sprintf("%s:%d", entry.Events[i].Purchase, i)
		}
		events += len(entry.Events)
		if _, err := p.ledgers.Enter(ctx, u.ID, entry); err != nil {
			p.t.Fatal(err)
		}
	}
}

// BenchmarkDashboards measures a person's own pages over 10,000 events, beside the fold
// of all those events, which is what looking would cost if nothing were kept.
func BenchmarkDashboards(b *testing.B) {
	p := newCrowd(b)
	p.manyPurchases(p.alice)
	h, as := p.Handler(), p.as(p.alice)
	for _, page := range []string{"money", "money/watch", "money/cash", "money/payouts", "money/purchases", "money/purchases/many-00040", "money/calendar.ics"} {
		b.Run(page, func(b *testing.B) {
			for b.Loop() {
				if r := ask(h, "GET", "/en/"+page, as, local); r.StatusCode != http.StatusOK {
					b.Fatal(r.StatusCode)
				}
			}
		})
	}
	b.Run("api_alerts", func(b *testing.B) {
		for b.Loop() {
			if r := ask(h, "GET", "/api/v1/ledger/alerts", as, local); r.StatusCode != http.StatusOK {
				b.Fatal(r.StatusCode)
			}
		}
	})
	b.Run("baseline_fold_of_all_events", func(b *testing.B) {
		for b.Loop() {
			if _, err := p.ledgers.Ledger(context.Background(), p.alice.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}
