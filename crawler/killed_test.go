package crawler

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// mortal is a store whose process kills itself when as many steps are done as it has
// lives: a step is the moment before a write, and that after it.
type mortal struct {
	kept
	steps *atomic.Int64
}

func (m mortal) step() {
	if m.steps.Add(-1) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing is done after it
	}
}

func (m mortal) OpenStage(ctx context.Context, want Stage) (Stage, bool, error) {
	m.step()
	defer m.step()
	return m.kept.OpenStage(ctx, want)
}

func (m mortal) StagePage(ctx context.Context, portal, run string, p StagedPage) error {
	m.step()
	defer m.step()
	return m.kept.StagePage(ctx, portal, run, p)
}

func (m mortal) DropStage(ctx context.Context, portal string) error {
	m.step()
	defer m.step()
	return m.kept.DropStage(ctx, portal)
}

func (m mortal) Publish(ctx context.Context, p Publication) (cashback.Run, error) {
	m.step()
	defer m.step()
	return m.kept.Publish(ctx, p)
}

func (m mortal) SaveRun(ctx context.Context, run cashback.Run) error {
	m.step()
	defer m.step()
	return m.kept.SaveRun(ctx, run)
}

func (m mortal) SaveHost(domain string, s fetch.HostState) error {
	m.step()
	defer m.step()
	return m.kept.SaveHost(domain, s)
}

func (m mortal) SavePage(portal, key string, s fetch.Stored) error {
	m.step()
	defer m.step()
	return m.kept.SavePage(portal, key, s)
}

// TestMechanism24KilledAnywhere kills a run before and after each write that it makes
// (make prove: at all of them; else at some), and lets another process go on: readers
// see the old or the new, at most one page is asked for again, and all is right at the
// end.
func TestMechanism24KilledAnywhere(t *testing.T) {
	if dir := os.Getenv("CAGNOTTE_TEST_DIR"); dir != "" { // the process that dies
		definition, err := os.ReadFile(os.Getenv("CAGNOTTE_TEST_DEFINITION"))
		if err != nil {
			t.Fatal(err)
		}
		lives, err := strconv.ParseInt(os.Getenv("CAGNOTTE_TEST_LIVES"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{TB: t, clock: newClock(), catalogue: newCatalogue(t)}
		r.store = openStore(t, dir, time.Now)
		st := mortal{r.store, &atomic.Int64{}}
		def := r.load(definition)
		st.steps.Store(lives)
		transport, err := fetch.New(fetch.Config{Now: time.Now, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal, State: st, Pages: st})
		if err != nil {
			t.Fatal(err)
		}
		if r.Crawler, err = New(Config{Opener: transport, Stages: st, Publisher: st, Catalogue: &alone{Catalogue: r.catalogue}, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
		report := r.crawl(def, Options{Run: os.Getenv("CAGNOTTE_TEST_RUN")})
		if lives > 0 {
			return // not dead: the run has fewer steps
		}
		if !report.Complete {
			t.Errorf("%+v", report)
		}
		return
	}
	s := portaltest.Shelf{Name: "dying", Pages: 4, PerPage: 5}
	site, definition := serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"`+r.URL.RequestURI()+`"`) // so that pages are kept too
			h.ServeHTTP(w, r)
		})
	})
	stride := int64(3)
	if os.Getenv("CAGNOTTE_PROVE") != "" {
		stride = 1
	}
	killed, published := 0, 0
	for lives := int64(1); ; lives += stride {
		dir := t.TempDir()
		file := filepath.Join(dir, "definition.yaml")
		if err := os.WriteFile(file, definition, 0o600); err != nil {
			t.Fatal(err)
		}
		data := filepath.Join(dir, "data")
		start := func(run string, lives int64) error {
			cmd := exec.Command(os.Args[0], "-test.run=^TestMechanism24KilledAnywhere$")
			cmd.Env = append(os.Environ(), "CAGNOTTE_TEST_DIR="+data, "CAGNOTTE_TEST_DEFINITION="+file, "CAGNOTTE_TEST_RUN="+run, fmt.Sprintf("CAGNOTTE_TEST_LIVES=%d", lives))
			cmd.Stderr = os.Stderr
			return cmd.Run()
		}
		before := len(site.Paths())
		if err := start("run-1", lives); err == nil {
			break // it lived: every step was tried
		}
		killed++
		live := func() map[string]cashback.Offer {
			st := openStore(t, data, time.Now)
			defer st.Close()
			e, err := st.Evidence(context.Background(), s.Name, nil)
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]cashback.Offer{}
			for _, o := range e.Live {
				out[o.Entry.Key] = o
			}
			return out
		}
		after := live()
		if len(after) != 0 && !maps.Equal(rates(after), truth(s)) {
			t.Errorf("killed at step %d: %d offers are shown, a part of a run", lives, len(after))
		}
		if err := start("run-2", 0); err != nil {
			t.Fatalf("killed at step %d, the next run fails: %v", lives, err)
		}
		if got := live(); !maps.Equal(rates(got), truth(s)) {
			t.Errorf("killed at step %d: in the end %d offers of %d are right", lives, len(rates(got)), len(truth(s)))
		}
		times, again := map[string]int{}, 0
		for _, p := range site.Paths()[before:] {
			if times[p]++; times[p] > 1 && p != "/robots.txt" {
				again++
			}
		}
		if len(after) > 0 {
			published++ // what is published is crawled anew, as a run of its own
		} else if again > 1 {
			t.Errorf("killed at step %d: %d pages were asked for again: %v", lives, again, times)
		}
	}
	if killed < 5 {
		t.Errorf("%d moments were tried", killed)
	}
	t.Logf("killed at %d moments, %d of them after publication", killed, published)
}
