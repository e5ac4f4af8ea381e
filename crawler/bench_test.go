package crawler

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
	"github.com/cagnotte/cagnotte/internal/reward"
)

// The portals of the benchmarks: each page has 60 KB and 40 offers.
const (
	benchPortals = 50
	benchPad     = 60_000
	benchItems   = 40
	benchRuns    = 16 // at once
)

// benchShelf is what each portal shows, pages long.
func benchShelf(name string, pages int) portaltest.Shelf {
	return portaltest.Shelf{Name: name, Pages: pages, PerPage: benchItems, Pad: benchPad}
}

// TestBenchProcess is the far side of the benchmarks, or their crawler, in a process
// of its own: so that its CPU time and memory are nobody else's. It does nothing
// unless a benchmark has started it.
func TestBenchProcess(t *testing.T) {
	pages, _ := strconv.Atoi(os.Getenv("CAGNOTTE_BENCH_PAGES"))
	switch os.Getenv("CAGNOTTE_BENCH") {
	case "server":
		serveBench(t, pages)
	case "crawl":
		crawlBench(t, os.Getenv("CAGNOTTE_BENCH_PORT"), benchPortals, pages)
		fmt.Printf("\nresident %d\n", resident())
	}
}

// serveBench answers for all portals on one port until its standard input ends.
func serveBench(t testing.TB, pages int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := benchShelf("bench", pages)
	var cache sync.Map
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.RequestURI()
		if b, ok := cache.Load(key); ok {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(b.([]byte))
			return
		}
		rec := &recorder{header: http.Header{}}
		s.ServeHTTP(rec, r)
		if rec.status == 0 && pages <= 100 {
			cache.Store(key, rec.body.Bytes())
		}
		w.Header().Set("Content-Type", rec.header.Get("Content-Type"))
		if rec.status != 0 {
			w.WriteHeader(rec.status)
		}
		_, _ = w.Write(rec.body.Bytes())
	})}
	go func() { _ = server.Serve(l) }()
	fmt.Printf("\nport %d\n", l.Addr().(*net.TCPAddr).Port)
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = server.Close()
}

// far starts the server process and returns its port.
func far(t testing.TB, pages int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBenchProcess$")
	cmd.Env = append(os.Environ(), "CAGNOTTE_BENCH=server", "CAGNOTTE_BENCH_PAGES="+strconv.Itoa(pages))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	return word(t, out, "port")
}

// word waits for a line "name value".
func word(t testing.TB, out io.Reader, name string) string {
	t.Helper()
	scan := bufio.NewScanner(out)
	for scan.Scan() {
		if value, ok := strings.CutPrefix(scan.Text(), name+" "); ok {
			return value
		}
	}
	t.Fatalf("the process didn't say its %s", name)
	return ""
}

// benchClock stands still: politeness is at zero.
func benchConfig() fetch.Config {
	return fetch.Config{Now: time.Now, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal}
}

// crawlBench crawls all portals with the crawler and returns the offers found. The
// stage is the disk's stand-in: it takes the bytes and forgets them.
func crawlBench(t testing.TB, port string, portals, pages int) int {
	transport, err := fetch.New(benchConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer transport.Close()
	sink := &sink{}
	c, err := New(Config{Opener: transport, Stages: sink, Publisher: sink, Catalogue: &alone{Catalogue: newCatalogue(t)}, Now: time.Now, Limits: Limits{Pages: pages + 10, Bytes: 1 << 40}})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	runs := make(chan struct{}, benchRuns)
	for n := range portals {
		runs <- struct{}{}
		all.Go(func() {
			defer func() { <-runs }()
			name := fmt.Sprintf("p%d", n)
			definition := strings.Replace(string(benchShelf(name, pages).Definition(name+".localhost:"+port)), "pages: 60}", fmt.Sprintf("pages: %d}", pages+10), 1)
			def, err := portal.Load(name+".yaml", []byte(definition))
			if err != nil {
				t.Error(err)
				return
			}
			w, err := c.begin(context.Background(), def, Options{Run: name})
			if err == nil {
				err = w.walk(context.Background())
			}
			if err != nil || w.run.Pages != pages || len(w.incomplete) != 0 {
				t.Errorf("%s: %d pages, %v %v", name, w.run.Pages, err, w.incomplete)
			}
			sink.offers.Add(int64(w.keys.len()))
		})
	}
	all.Wait()
	return int(sink.offers.Load())
}

// plainBench does the same with net/http and goquery alone.
func plainBench(t testing.TB, port string, portals, pages int) int {
	transport := &http.Transport{
		MaxIdleConnsPerHost: 1, MaxIdleConns: 64, DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(addr)
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	runs := make(chan struct{}, benchRuns)
	var offers atomic.Int64
	var all sync.WaitGroup
	for n := range portals {
		runs <- struct{}{}
		all.Go(func() {
			defer func() { <-runs }()
			url := fmt.Sprintf("http://p%d.localhost:%s/boutiques?page=1", n, port)
			for url != "" {
				resp, err := client.Get(url)
				if err != nil {
					t.Error(err)
					return
				}
				doc, err := goquery.NewDocumentFromReader(resp.Body)
				resp.Body.Close()
				if err != nil {
					t.Error(err)
					return
				}
				at := time.Now()
				base := resp.Request.URL
				var found []cashback.Offer
				doc.Find("#list").Find(".shop").Each(func(_ int, s *goquery.Selection) {
					text := strings.TrimSpace(s.Find(".rate").First().Text())
					r := reward.Parse(text, reward.Context{Locale: "fr-FR", Currency: "EUR"})
					o := cashback.Offer{Entry: cashback.Entry{Name: strings.TrimSpace(s.Find(".name").First().Text()), Country: "FR"}, Kind: r.Kind, Tiers: r.Tiers, Previous: r.Previous, Receipt: cashback.Receipt{URL: url, ReadAt: at, RawText: text}}
					if href, ok := s.Find("a").First().Attr("href"); ok {
						if u, err := base.Parse(href); err == nil {
							o.Entry.Link = u.String()
						}
					}
					if src, ok := s.Find("img").First().Attr("src"); ok {
						if u, err := base.Parse(src); err == nil {
							o.Entry.Logo = u.String()
						}
					}
					found = append(found, o)
				})
				offers.Add(int64(len(found)))
				url = ""
				if href, ok := doc.Find("link[rel=next]").First().Attr("href"); ok {
					if u, err := base.Parse(href); err == nil {
						url = u.String()
					}
				}
			}
		})
	}
	all.Wait()
	return int(offers.Load())
}

// BenchmarkCrawl fetches and extracts 4,000 pages from 50 portals, with the crawler
// and with its baselines in turn. The bars: x_plain at least 0.85, x_scrapy (per CPU
// second) at least 4.5.
func BenchmarkCrawl(b *testing.B) {
	const pages = 80
	port := far(b, pages)
	want := benchPortals * pages * benchItems
	measure := func(name string, f func() int) (wall, cpu time.Duration) {
		runtime.GC()
		start, used := time.Now(), cpuTime(syscall.RUSAGE_SELF)
		if n := f(); n != want {
			b.Errorf("%s found %d offers of %d", name, n, want)
		}
		return time.Since(start), cpuTime(syscall.RUSAGE_SELF) - used
	}
	plainBench(b, port, benchPortals, pages) // the server fills its cache
	var ours, plain, oursCPU, plainCPU time.Duration
	rounds := 0
	for b.Loop() {
		w, c := measure("plain", func() int { return plainBench(b, port, benchPortals, pages) })
		plain, plainCPU = plain+w, plainCPU+c
		w, c = measure("cagnotte", func() int { return crawlBench(b, port, benchPortals, pages) })
		ours, oursCPU = ours+w, oursCPU+c
		rounds++
	}
	total := float64(rounds * benchPortals * pages)
	b.ReportMetric(total/ours.Seconds(), "pages/s")
	b.ReportMetric(total/plain.Seconds(), "plain_pages/s")
	b.ReportMetric(plain.Seconds()/ours.Seconds(), "x_plain")
	b.ReportMetric(plainCPU.Seconds()/oursCPU.Seconds(), "x_plain_cpu")
	b.ReportMetric(float64(resident())/(1<<20), "MiB_resident")
	if pages, cpu, err := scrapyBench(port, pages); err != nil {
		b.Logf("SCRAPY IS MISSING, the comparison is left out (apt-get install python3-scrapy): %v", err)
	} else {
		per := float64(pages) / cpu.Seconds()
		b.ReportMetric(per, "scrapy_pages/cpu_s")
		b.ReportMetric(total/oursCPU.Seconds()/per, "x_scrapy")
	}
}

// scrapyBench crawls the same pages with Scrapy and returns its CPU time.
func scrapyBench(port string, pages int) (int, time.Duration, error) {
	var python string
	for _, p := range []string{"/usr/bin/python3", "python3"} { // Debian's package belongs to Debian's Python
		if exec.Command(p, "-c", "import scrapy").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		return 0, 0, errors.New("no python3 has a module scrapy")
	}
	pages = max(1, pages/8) // it takes its time, and no less for each page
	out, err := exec.Command(python, "bench/scrapy_spider.py", port, strconv.Itoa(benchPortals), strconv.Itoa(pages)).CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "cpu "); ok {
			seconds, err := strconv.ParseFloat(v, 64)
			return benchPortals * pages, time.Duration(seconds * float64(time.Second)), err
		}
	}
	return 0, 0, fmt.Errorf("it didn't say its CPU time: %s", out)
}

// BenchmarkNeighbours times ten healthy portals alone and beside all forty-four
// hostile ones, at a twentieth of the delay that hosts are owed: what hostile pages
// cost this machine weighs twenty times as much as in earnest. The bar: x_alone at
// most 1.25.
func BenchmarkNeighbours(b *testing.B) {
	const delay = 100 * time.Millisecond
	var alone, beside time.Duration
	for b.Loop() {
		alone += neighbours(b, nil, delay).took
		beside += neighbours(b, portaltest.Hostiles(), delay).took
	}
	b.ReportMetric(alone.Seconds()/float64(b.N), "alone_s")
	b.ReportMetric(beside.Seconds()/alone.Seconds(), "x_alone")
}

// TestProveMemoryIsFlat: a run's memory doesn't grow with the pages that it reads:
// in full 4,000 and 40,000 pages are compared, otherwise 100 are held to the limit.
func TestProveMemoryIsFlat(t *testing.T) {
	measure := func(pages int) int64 {
		port := far(t, pages)
		cmd := exec.Command(os.Args[0], "-test.run=^TestBenchProcess$")
		cmd.Env = append(os.Environ(), "CAGNOTTE_BENCH=crawl", "CAGNOTTE_BENCH_PAGES="+strconv.Itoa(pages), "CAGNOTTE_BENCH_PORT="+port)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		n, err := strconv.ParseInt(word(t, strings.NewReader(string(out)), "resident"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d pages: %d MiB resident at most", benchPortals*pages, n>>20)
		// The race detector shadows each byte some seven times over.
		if most := int64(150 << 20); !raceEnabled && n > most || n > 8*most {
			t.Errorf("%d MiB are resident, 150 are allowed", n>>20)
		}
		return n
	}
	if os.Getenv("CAGNOTTE_PROVE") == "" {
		measure(2)
		return
	}
	if few, many := measure(80), measure(800); !raceEnabled && many > few*5/4 {
		t.Errorf("memory grows from %d to %d MiB", few>>20, many>>20)
	}
}

// resident is the most memory that this process has held, in bytes.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

func cpuTime(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sink takes what a run stages and publishes, and keeps nothing.
type sink struct{ offers atomic.Int64 }

func (*sink) OpenStage(_ context.Context, want Stage) (Stage, bool, error) { return want, false, nil }
func (*sink) StagePage(context.Context, string, string, StagedPage) error  { return nil }
func (*sink) DropStage(context.Context, string) error                      { return nil }
func (*sink) StagedPages(context.Context, string) iter.Seq2[StagedPage, error] {
	return func(func(StagedPage, error) bool) {}
}

func (*sink) Evidence(context.Context, string, []cashback.MerchantID) (Evidence, error) {
	return Evidence{}, nil
}

func (*sink) Publish(_ context.Context, p Publication) (cashback.Run, error) {
	return p.Snapshot.Run, nil
}

func (*sink) Hold(_ context.Context, s cashback.Snapshot, _ cashback.Judgement) (cashback.Run, error) {
	return s.Run, nil
}

func (*sink) Held(context.Context, string) (cashback.Snapshot, cashback.Judgement, bool, error) {
	return cashback.Snapshot{}, cashback.Judgement{}, false, nil
}
func (*sink) SaveRun(context.Context, cashback.Run) error { return nil }
