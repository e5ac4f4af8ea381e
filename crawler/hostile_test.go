package crawler

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// fate is what becomes of a run that meets a hostile portal.
type fate struct {
	// outcome is one that the report must count; empty for any.
	outcome cashback.Outcome
	// verdict is the gate's; empty for any.
	verdict cashback.Verdict
	// complete says that the run must, or must not, be complete; either leaves it
	// open.
	complete, either bool
	// changed allows rates of the hostile pages to be other than the healthy ones.
	changed bool
	check   func(t *testing.T, r *rig, s *portaltest.HostileSite, report Report)
}

// hostileRun crawls a portal while it is healthy, then while it is hostile, and holds
// what no portal may break: no offer is lost, no rate that readers rely on is another
// than the portal's honest one, and the run ends within its bounds.
func hostileRun(t *testing.T, number int, fates map[string]fate, otherwise fate, only ...string) {
	h := portaltest.Hostiles()[number-1]
	for _, v := range h.Variants {
		if len(only) > 0 && !slices.Contains(only, v.Name) {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			f, ok := fates[v.Name]
			if !ok {
				f = otherwise
			}
			s, err := h.Start(v.Name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			r := newRig(t, func(c *Config, f *fetch.Config) {
				c.Limits.Pages = 20
				if number == 4 || number == 6 {
					f.Limits = hasty(f.Limits)
				}
			})
			def := r.load(s.Definition())
			// What the transport answers for needs no memory of healthy runs.
			transport := number <= 14 || slices.Contains([]int{33, 34, 36, 37}, number)
			healthy := 3
			if transport {
				healthy = 1
			}
			for range healthy {
				if report := r.crawl(def, Options{}); !report.Complete || report.Offers != 60 {
					t.Fatalf("while it is healthy: %+v", report)
				}
			}
			before := rates(r.live(def.ID()))
			if !maps.Equal(before, truth(s.Shelf)) {
				t.Fatalf("while it is healthy: %v", before)
			}
			s.Turn(true)
			r.clock.forward(48 * time.Hour) // robots.txt is due again
			requests := len(s.Asked())
			began := time.Now()
			report := r.crawl(def, Options{})
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if n := len(s.Asked()) - requests; n > 60 {
				t.Errorf("%d requests", n)
			}
			if f.outcome != "" && report.Outcomes[f.outcome] == 0 {
				t.Errorf("no outcome %q: %+v", f.outcome, report)
			}
			if report.Complete != f.complete && !f.either {
				t.Errorf("complete %v: %+v", report.Complete, report)
			}
			if f.verdict != "" && report.Verdict != f.verdict {
				t.Errorf("verdict %q, want %q: %+v", report.Verdict, f.verdict, report)
			}
			if report.Removed != 0 {
				t.Errorf("%d offers are removed: %+v", report.Removed, report)
			}
			all := r.live(def.ID())
			after := rates(all)
			for link, rate := range before {
				if got, shown := after[link]; got != rate && (shown || !f.changed) {
					t.Errorf("%s: %q, the portal honestly pays %s", link, got, rate)
				}
			}
			if len(all) < len(before) {
				t.Errorf("%d offers of %d are left", len(all), len(before))
			}
			if f.check != nil {
				f.check(t, r, s, report)
			}
			if transport {
				return
			}
			// Well again, it is read again.
			s.Turn(false)
			r.clock.forward(48 * time.Hour)
			report = r.crawl(def, Options{})
			if !report.Complete || report.Verdict != cashback.Publish && report.Verdict != cashback.PublishUpserts {
				t.Errorf("well again: %+v", report)
			}
		})
	}
}

// The transport's own answers to 01 to 14, 33 to 37 and 41 stand in crawler/fetch;
// here they are met in the middle of a run.
func TestHostile01to14InARun(t *testing.T) {
	for number, outcome := range map[int]cashback.Outcome{
		1: cashback.FetchTooLarge, 3: cashback.FetchTooLarge, 4: cashback.FetchTimeout, 6: cashback.FetchTimeout, 7: cashback.FetchTruncated, 8: cashback.FetchRefused,
		9: cashback.FetchRefused, 10: cashback.FetchRefused, 11: cashback.FetchRefused, 12: cashback.FetchRefused, 13: cashback.FetchRobotsDenied, 14: cashback.FetchRefused,
	} {
		t.Run(fmt.Sprintf("%02d", number), func(t *testing.T) {
			first := portaltest.Hostiles()[number-1].Variants[0].Name
			hostileRun(t, number, nil, fate{outcome: outcome, verdict: cashback.PublishUpserts}, first)
		})
	}
	t.Run("02", func(t *testing.T) { hostileRun(t, 2, nil, fate{verdict: cashback.PublishUpserts}, "brotli", "xml-gz") })
	t.Run("05", func(t *testing.T) { hostileRun(t, 5, nil, fate{verdict: cashback.PublishUpserts}, "large") })
}

func TestHostile15EndlessPages(t *testing.T) {
	hostileRun(t, 15, map[string]fate{"new-shops": {check: func(t *testing.T, _ *rig, _ *portaltest.HostileSite, report Report) {
		if report.Finish != FinishPages || report.Pages != 20 {
			t.Errorf("%+v", report)
		}
	}}}, fate{check: func(t *testing.T, _ *rig, _ *portaltest.HostileSite, report Report) {
		if report.Pages > 6 { // a healthy one, a second, and three barren ones
			t.Errorf("%d pages were read", report.Pages)
		}
	}})
}

func TestHostile16PageOneAgain(t *testing.T) {
	hostileRun(t, 16, nil, fate{check: func(t *testing.T, _ *rig, _ *portaltest.HostileSite, report Report) {
		if report.Pages > 4 {
			t.Errorf("%d pages were read", report.Pages)
		}
	}})
}

func TestHostile17QuadraticPages(t *testing.T) {
	hostileRun(t, 17, nil, fate{outcome: cashback.PageUnparseable})
}

func TestHostile18DeepPages(t *testing.T) {
	hostileRun(t, 18, map[string]fate{"attributes": {}}, fate{outcome: cashback.PageUnparseable})
}

func TestHostile19CharsetLies(t *testing.T) {
	hostileRun(t, 19, map[string]fate{
		"bom-against-header": {complete: true},
		// Either the bytes are read as what they are, or the page is refused.
		"latin1-as-utf8": {either: true, changed: true, check: func(t *testing.T, r *rig, s *portaltest.HostileSite, _ Report) {
			for _, o := range r.live(s.Shelf.Name) {
				if strings.Contains(o.Entry.Name, "\uFFFD") {
					t.Errorf("%q", o.Entry.Name)
				}
			}
		}},
		"utf7": {complete: true, changed: true, check: func(t *testing.T, r *rig, s *portaltest.HostileSite, _ Report) {
			for _, o := range r.live(s.Shelf.Name) {
				if strings.Contains(o.Entry.Name, "<") {
					t.Errorf("UTF-7 was decoded: %q", o.Entry.Name)
				}
			}
		}},
	}, fate{})
}

func TestHostile20OddNames(t *testing.T) {
	hostileRun(t, 20, nil, fate{complete: true, changed: true, check: cleanNames})
}

// cleanNames: whatever the page says, names are short, whole and without anything
// that isn't seen.
func cleanNames(t *testing.T, r *rig, s *portaltest.HostileSite, _ Report) {
	for _, o := range r.live(s.Shelf.Name) {
		e := o.Entry
		for _, text := range []string{e.Name, e.Link, e.Logo, e.Domain, e.Category, o.Conditions, o.Receipt.RawText} {
			if strings.ContainsFunc(text, func(c rune) bool {
				return c < ' ' || c == 0x7f || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 || c == 0x200b
			}) {
				t.Errorf("%q", text)
			}
		}
		if len([]rune(e.Name)) > 200 {
			t.Errorf("a name of %d characters", len([]rune(e.Name)))
		}
	}
}

func TestHostile21Scripts(t *testing.T) {
	hostileRun(t, 21, nil, fate{complete: true, changed: true, check: func(t *testing.T, r *rig, s *portaltest.HostileSite, _ Report) {
		for _, o := range r.live(s.Shelf.Name) {
			for _, link := range []string{o.Entry.Link, o.Entry.Logo} {
				if link != "" && !strings.HasPrefix(link, "http://") && !strings.HasPrefix(link, "https://") {
					t.Errorf("%s: %q", o.Entry.Name, link)
				}
			}
		}
	}})
}

func TestHostile22Formulas(t *testing.T) {
	hostileRun(t, 22, nil, fate{complete: true, changed: true, check: cleanNames})
}

func TestHostile23Templates(t *testing.T) {
	hostileRun(t, 23, nil, fate{complete: true, changed: true, check: cleanNames})
}

func TestHostile24OddRates(t *testing.T) {
	hostileRun(t, 24, nil, fate{complete: true, changed: true, check: func(t *testing.T, r *rig, s *portaltest.HostileSite, _ Report) {
		for _, o := range r.live(s.Shelf.Name) {
			for _, tier := range o.Tiers {
				for _, c := range tier.Components {
					if high, _ := c.Value.Cmp(c.Value.Abs()), 0; high != 0 {
						t.Errorf("%s pays %s", o.Entry.Name, c.Value)
					}
				}
			}
		}
		for link, rate := range rates(r.live(s.Shelf.Name)) {
			var v int64
			if _, err := fmt.Sscanf(rate, "percent %d", &v); err != nil || v > 500_000 {
				t.Errorf("%s is shown with %s", link, rate)
			}
		}
	}})
}

func TestHostile25CurrencyFlip(t *testing.T) {
	hostileRun(t, 25, nil, fate{either: true, verdict: cashback.Hold})
}

func TestHostile26MassRemoval(t *testing.T) {
	hostileRun(t, 26, nil, fate{complete: true, verdict: cashback.Hold})
}

func TestHostile27Recycled(t *testing.T) {
	hostileRun(t, 27, nil, fate{either: true, verdict: cashback.Hold})
}

func TestHostile28NewLayout(t *testing.T) {
	hostileRun(t, 28, nil, fate{outcome: cashback.PageNotUnderstood, verdict: cashback.Hold})
}

func TestHostile29Garbage(t *testing.T) {
	hostileRun(t, 29, nil, fate{complete: true, verdict: cashback.Hold})
}

func TestHostile30SoftBlock(t *testing.T) {
	hostileRun(t, 30, map[string]fate{
		"soft-404":  {verdict: ""},
		"challenge": {outcome: cashback.PageBlocked, check: blockedOnce},
		"captcha":   {outcome: cashback.PageBlocked, check: blockedOnce},
		"login":     {outcome: cashback.PageBlocked, check: blockedOnce},
		"consent":   {verdict: cashback.Hold},
	}, fate{})
}

// blockedOnce: a wall ends the run at once, and nobody knocks again.
func blockedOnce(t *testing.T, _ *rig, s *portaltest.HostileSite, report Report) {
	if report.Finish != FinishBlocked || report.Requests > 2 {
		t.Errorf("%+v", report)
	}
}

func TestHostile31Variants(t *testing.T) {
	hostileRun(t, 31, nil, fate{})
}

func TestHostile32OtherLocale(t *testing.T) {
	hostileRun(t, 32, map[string]fate{"by-language": {complete: true, verdict: cashback.Publish}}, fate{either: true, verdict: cashback.Hold})
}

func TestHostile33RobotsInARun(t *testing.T) {
	nothing := func(t *testing.T, _ *rig, s *portaltest.HostileSite, report Report) {
		if report.Pages != 0 || report.Finish == FinishDone || report.Verdict != "" {
			t.Errorf("%+v", report)
		}
	}
	hostileRun(t, 33, map[string]fate{
		"html": {complete: true}, "large": {complete: true}, "flips": {complete: true},
		"deny": {outcome: cashback.FetchRobotsDenied, check: nothing},
	}, fate{check: nothing}, "500", "503", "html", "deny", "flips")
}

func TestHostile34ThrottledInARun(t *testing.T) {
	hostileRun(t, 34, map[string]fate{"3600": {outcome: cashback.FetchThrottled, check: func(t *testing.T, r *rig, s *portaltest.HostileSite, report Report) {
		if wait := report.RetryAt.Sub(report.EndedAt); wait > time.Hour || wait < 50*time.Minute || report.Result().RetryAfter != report.RetryAt {
			t.Errorf("again in %v: %+v", wait, report)
		}
	}}}, fate{outcome: cashback.FetchThrottled}, "3600", "-5", "storm")
}

func TestHostile35ValidatorsInARun(t *testing.T) {
	hostileRun(t, 35, map[string]fate{
		"same-tag-new-page": {complete: true, verdict: cashback.Hold}, // one rate everywhere
		"new-tag-same-page": {complete: true, verdict: cashback.Publish},
		"304-with-body":     {},
	}, fate{outcome: cashback.FetchUpstream})
}

func TestHostile36CookiesInARun(t *testing.T) {
	hostileRun(t, 36, map[string]fate{"large": {outcome: cashback.FetchTooLarge}}, fate{complete: true, verdict: cashback.Publish})
}

func TestHostile37ProtocolInARun(t *testing.T) {
	hostileRun(t, 37, map[string]fate{"http10": {complete: true}, "trailers": {complete: true}}, fate{})
}

func TestHostile38XML(t *testing.T) {
	hostileRun(t, 38, nil, fate{})
}

func TestHostile39JSON(t *testing.T) {
	hostileRun(t, 39, map[string]fate{"large-numbers": {changed: true}, "long-string": {changed: true}}, fate{})
}

func TestHostile40TimeBombs(t *testing.T) {
	hostileRun(t, 40, nil, fate{complete: true, verdict: cashback.Publish, check: func(t *testing.T, r *rig, s *portaltest.HostileSite, _ Report) {
		for _, o := range r.live(s.Shelf.Name) {
			if o.Receipt.ReadAt.After(r.clock.now()) {
				t.Errorf("read at %v", o.Receipt.ReadAt)
			}
		}
	}})
}

func TestHostile41FanOut(t *testing.T) {
	hostileRun(t, 41, nil, fate{})
}

func TestHostile42TarpitInARun(t *testing.T) {
	h := portaltest.Hostiles()[41]
	s, err := h.Start("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Turn(true)
	r := newRig(t, func(c *Config, f *fetch.Config) {
		f.Now, c.Now = time.Now, time.Now
		c.Limits.Wall = 400 * time.Millisecond
	})
	began := time.Now()
	report := r.crawl(r.load(s.Definition()), Options{})
	if report.Complete || report.Finish != FinishWall || time.Since(began) > 3*time.Second {
		t.Errorf("%+v after %v", report, time.Since(began))
	}
}

func TestHostile43CraftedPage(t *testing.T) {
	hostileRun(t, 43, nil, fate{})
	t.Run("a fault of the reader's", func(t *testing.T) {
		h := portaltest.Hostiles()[42]
		s, err := h.Start("")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		kept := &specimens{}
		r := newRig(t, func(c *Config, _ *fetch.Config) { c.Specimens = kept })
		def := r.load(s.Definition())
		read := r.read
		r.read = func(d *portal.Definition, p portal.Page) portal.Reading {
			if strings.HasSuffix(p.URL, "page=2") {
				var none []int
				_ = none[len(p.Body)] // a planted fault
			}
			return read(d, p)
		}
		report := r.crawl(def, Options{})
		if report.Complete || report.Outcomes[cashback.PagePanicked] != 1 || report.Offers != 20 || len(kept.kept) != 1 {
			t.Errorf("%+v, %d specimens", report, len(kept.kept))
		}
	})
}

func TestHostile44PoisonedLogos(t *testing.T) {
	hostileRun(t, 44, nil, fate{complete: true, verdict: cashback.Publish, check: func(t *testing.T, _ *rig, s *portaltest.HostileSite, _ Report) {
		for _, p := range s.Paths() { // logos are linked to, never fetched
			if strings.HasPrefix(p, "/logos/") {
				t.Errorf("%s was asked for", p)
			}
		}
	}})
}

// beside is what ten healthy portals come to, beside hostile ones or alone.
type beside struct {
	rates map[string]map[string]string // by portal
	asked map[string]int
	took  time.Duration // until the healthy ones were done
	extra uint64        // bytes of heap above what was there before
}

// neighbours crawls ten healthy portals and the hostile ones together, at a delay.
func neighbours(t testing.TB, hostiles []portaltest.Hostile, delay time.Duration) beside {
	r := newRig(t, func(c *Config, f *fetch.Config) {
		c.Limits.Pages = 20
		c.Now, f.Now = time.Now, time.Now
		f.Random = func() float64 { return .5 }
		// The healthy ones must not meet a limit on a machine that is busy.
		f.Limits.Header, f.Limits.Wall, f.Limits.RateWindow, f.Limits.Tries = 3*time.Second, 10*time.Second, 2*time.Second, 1
	})
	polite := func(definition []byte) []byte {
		return bytes.Replace(definition, []byte("delay: 0s"), []byte("delay: "+delay.String()), 1)
	}
	sites := map[string]*portaltest.Site{}
	defs := map[string]*portal.Definition{}
	for i := range 10 {
		s := portaltest.Shelf{Name: fmt.Sprintf("healthy-%d", i), Number: i, Pages: 5, PerPage: 20, Pad: 40_000, JSON: i%3 == 2}
		site, definition := serve(t, s, nil)
		sites[s.Name], defs[s.Name] = site, r.load(polite(definition))
	}
	var bad []*portal.Definition
	for _, h := range hostiles {
		s, err := h.Start("")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		s.Turn(true)
		bad = append(bad, r.load(polite(s.Definition())))
	}
	out := beside{rates: map[string]map[string]string{}, asked: map[string]int{}}
	before := memory()
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
				if now := memory(); now > before {
					out.extra = max(out.extra, now-before)
				}
			}
		}
	})
	ctx, stop := context.WithCancel(context.Background())
	var healthy, rest sync.WaitGroup
	for _, d := range bad {
		rest.Go(func() {
			if _, err := r.Run(ctx, d, Options{Run: d.ID()}); err != nil {
				t.Errorf("%s: %v", d.ID(), err)
			}
		})
	}
	began := time.Now()
	for _, d := range defs {
		healthy.Go(func() {
			if report, err := r.Run(ctx, d, Options{Run: d.ID()}); err != nil || !report.Complete {
				t.Errorf("%s: %v %+v", d.ID(), err, report)
			}
		})
	}
	healthy.Wait()
	out.took = time.Since(began)
	rest.Wait()
	stop()
	close(done)
	watch.Wait()
	for name, site := range sites {
		out.rates[name], out.asked[name] = values(r.live(name)), len(site.Asked())
	}
	return out
}

// TestHostileNeighbours: healthy portals beside hostile ones are read as if they
// were alone, and the hostile ones take no more than their share of memory. In full
// each of the forty-four is tried by itself.
func TestHostileNeighbours(t *testing.T) {
	// Whatever runs here has ended when all is closed.
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	alone := neighbours(t, nil, 0)
	check := func(t *testing.T, got beside, most uint64) {
		t.Helper()
		for name, want := range alone.rates {
			if got.asked[name] != alone.asked[name] || !maps.Equal(got.rates[name], want) || len(want) != 100 {
				t.Errorf("%s: %d requests and %d rates, alone %d and %d", name, got.asked[name], len(got.rates[name]), alone.asked[name], len(want))
			}
		}
		t.Logf("%.1f MiB of heap, alone %.1f", float64(got.extra)/(1<<20), float64(alone.extra)/(1<<20))
		if got.extra > alone.extra+most {
			t.Errorf("%.1f MiB extra", float64(got.extra-alone.extra)/(1<<20))
		}
	}
	all := portaltest.Hostiles()
	for _, h := range all {
		// Without the full share: the one that would take the most.
		if os.Getenv("CAGNOTTE_PROVE") == "" && h.Number != 17 {
			continue
		}
		t.Run(fmt.Sprintf("%02d-%s", h.Number, h.Name), func(t *testing.T) { check(t, neighbours(t, []portaltest.Hostile{h}, 0), 64<<20) })
	}
	t.Run("all", func(t *testing.T) { check(t, neighbours(t, all, 0), 44*64<<20) })
}

// memory is what the process holds.
func memory() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
