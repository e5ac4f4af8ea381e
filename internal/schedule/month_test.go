package schedule

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// memory is a Store in memory; what it holds survives a simulated restart.
type memory struct {
	mu   sync.Mutex
	jobs map[string]Job
}

func (m *memory) Jobs(context.Context) ([]Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Job
	for _, j := range m.jobs {
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b Job) int { return cmpString(a.Portal, b.Portal) })
	return all, nil
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (m *memory) UpdateJob(_ context.Context, portal string, change func(Job) (Job, error)) (Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, ok := m.jobs[portal]
	if !ok {
		return j, cashback.Errorf(cashback.NotFound, "no portal %q", portal)
	}
	changed, err := change(j)
	if err != nil {
		return j, err
	}
	m.jobs[portal] = changed
	return changed, nil
}

// world is what the simulated month observes.
type world struct {
	t         *testing.T
	mu        sync.Mutex
	running   map[string]int
	sites     map[string]int
	published map[string]int // by run
	lastGood  map[string]time.Time
	worst     map[string]time.Duration
	down      map[string][2]time.Time
	flakes    map[string]int // in a row
	overlaps  int
	crowded   int
	together  int
	tooMany   int
	untimely  []string // runs that began while their window was closed
	plans     map[string]Plan
	killed    int // publications whose process died before it could say so
	rng       *rand.Rand
	siteOf    map[string]string
}

func (w *world) crawl(ctx context.Context, portal, run string) Result {
	w.mu.Lock()
	site := w.siteOf[portal]
	w.running[portal]++
	w.sites[site]++
	if w.running[portal] > 1 {
		w.overlaps++
	}
	if w.sites[site] > 1 {
		w.crowded++
	}
	if w.together++; w.together > monthGlobal {
		w.tooMany++
	}
	if open, zone := w.plans[portal].Window, w.plans[portal].Zone; open != "" {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			w.t.Error(err)
		}
		now := time.Now().In(loc).Format("15:04")
		if from, to, _ := strings.Cut(open, "-"); now < from || now >= to {
			w.untimely = append(w.untimely, fmt.Sprintf("%s at %s of %s", portal, now, open))
		}
	}
	takes := time.Duration(1+w.rng.IntN(8)) * time.Minute
	// Three flaky runs in a row are an outage, and those are promised nothing.
	flaky := w.rng.IntN(50) == 0 && w.flakes[portal] < 2
	if w.flakes[portal]++; !flaky {
		w.flakes[portal] = 0
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.running[portal]--
		w.sites[site]--
		w.together--
		w.mu.Unlock()
	}()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		// The process dies. Every other run has just been published by then, and nobody
		// is left to say so: its lease is all that remains of it.
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.rng.IntN(2) == 0 {
			w.published[run]++
			w.killed++
		}
		return Result{Err: ctx.Err().Error()}
	case <-timer.C:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if d, ok := w.down[portal]; ok && now.After(d[0]) && now.Before(d[1]) || flaky {
		return Result{Err: "unreachable"}
	}
	w.published[run]++
	if last := w.lastGood[portal]; !last.IsZero() {
		age := now.Sub(last)
		if d, ok := w.down[portal]; ok && last.Before(d[1]) && now.After(d[0]) {
			age = 0 // its site was down in between
		}
		w.worst[portal] = max(w.worst[portal], age)
	}
	w.lastGood[portal] = now
	return Result{}
}

// monthGlobal is how many runs may go on together in the simulated month.
const monthGlobal = 12

// TestSimulatedMonth (mechanism 22) runs 60 portals for 31 days from before the clocks change,
// both ways, with outages, flaky runs and restarts: no overlap, no site above its
// limit, every portal within its promised age unless its site was down, no run outside its
// window, exactly one publication per run: also where its process died just after it.
func TestSimulatedMonth(t *testing.T) {
	for _, start := range []string{"2026-03-15T00:00:00Z", "2026-10-12T00:00:00Z"} {
		t.Run(start, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { month(t, at(start)) })
		})
	}
}

func month(t *testing.T, start time.Time) {
	// A bubble's clock starts in the year 2000: move to the month to be lived.
	jump := time.NewTimer(time.Until(start))
	<-jump.C
	rng, plan := rand.New(rand.NewPCG(7, 7)), rand.New(rand.NewPCG(8, 8))
	m := &memory{jobs: map[string]Job{}}
	w := &world{t: t, running: map[string]int{}, sites: map[string]int{}, published: map[string]int{}, flakes: map[string]int{}, lastGood: map[string]time.Time{},
		worst: map[string]time.Duration{}, down: map[string][2]time.Time{}, rng: rng, siteOf: map[string]string{}, plans: map[string]Plan{}}
	plans := []Plan{
		{Every: 6 * time.Hour},
		{Every: 6 * time.Hour, Window: "06:00-23:00", Zone: "Europe/Paris"},
		{Every: 24 * time.Hour, Window: "01:00-05:00", Zone: "Europe/London"},
		{Cron: "30 2 * * *", Zone: "Europe/Paris"},
		{Cron: "15 */8 * * *", Zone: "America/New_York"},
		{Every: 2 * time.Hour},
	}
	for i := range 60 {
		p := fmt.Sprintf("portal-%02d", i)
		w.siteOf[p] = fmt.Sprintf("site-%d.test", i*2/3)
		w.plans[p] = plans[i%len(plans)]
		m.jobs[p] = Job{Portal: p, Site: w.siteOf[p], Plan: plans[i%len(plans)], Next: start}
		if i%7 == 0 {
			from := start.Add(time.Duration(2+plan.IntN(20)) * 24 * time.Hour)
			w.down[p] = [2]time.Time{from, from.Add(time.Duration(1+plan.IntN(60)) * time.Hour)}
		}
	}
	limits := Defaults()
	limits.Global = monthGlobal
	limits.Silence = 10 * time.Minute // of a tick of two minutes
	runs, last := 0, ""
	var mu sync.Mutex
	ids := map[string]bool{}
	end := start.Add(31 * 24 * time.Hour)
	for restart := 0; time.Now().Before(end); restart++ {
		ctx, cancel := context.WithCancel(t.Context())
		last = fmt.Sprint("process ", restart)
		r := &Runner{Store: m, Crawl: w.crawl, Limits: limits, Owner: last, Now: time.Now, Tick: 2 * time.Minute,
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
			NewRun: func(portal string, at time.Time) string {
				mu.Lock()
				defer mu.Unlock()
				runs++
				id := fmt.Sprintf("%s %d", portal, runs)
				if ids[id] {
					t.Errorf("run id %s given twice", id)
				}
				ids[id] = true
				return id
			}}
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		alive := time.NewTimer(time.Duration(12+plan.IntN(72)) * time.Hour)
		<-alive.C
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if w.overlaps > 0 || w.crowded > 0 || w.tooMany > 0 {
		t.Errorf("%d overlaps, %d times two runs on one site, %d times more than %d together", w.overlaps, w.crowded, w.tooMany, monthGlobal)
	}
	if len(w.untimely) > 0 {
		t.Errorf("%d runs began outside their window: %s", len(w.untimely), w.untimely[0])
	}
	if w.killed == 0 {
		t.Error("no process died between a publication and its end: nothing was tried")
	}
	for p, j := range m.jobs {
		// What was interrupted was gone on with, and no lease outlived its process.
		if j.Lease != nil && j.Lease.Owner != last {
			t.Errorf("%s is still leased by %s", p, j.Lease.Owner)
		}
	}
	for run, n := range w.published {
		if n != 1 {
			t.Errorf("run %s published %d times", run, n)
		}
	}
	for p, j := range m.jobs {
		// Twice the plan's own age is what pages call stale: a flaky run and its
		// backoff, a queue and a restart must fit within.
		promised := 2 * j.Plan.Age()
		if w.worst[p] > promised {
			t.Errorf("%s (%+v): data grew %s old, promised %s", p, j.Plan, w.worst[p], promised)
		}
		if w.lastGood[p].IsZero() || len(ids) == 0 {
			t.Errorf("%s never ran", p)
		}
		if age := time.Since(w.lastGood[p]); age > promised && w.down[p][1].Before(end.Add(-promised)) {
			t.Errorf("%s: last read %s before the end", p, age)
		}
	}
	t.Logf("%d runs, %d publications, %d of them as their process died", runs, len(w.published), w.killed)
}

// A run that the operator cancels gives its lease back without counting as a
// failure, and a paused portal runs when asked to.
func TestCancelAndRunNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{jobs: map[string]Job{"p": {Portal: "p", Plan: Plan{Every: time.Hour}, Paused: true, Next: time.Now()}}}
		started := make(chan string, 1)
		r := &Runner{Store: m, Limits: Defaults(), Owner: "me", Now: time.Now, Tick: time.Second, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
			NewRun: func(p string, at time.Time) string { return p + at.String() },
			Crawl: func(ctx context.Context, _, run string) Result {
				started <- run
				<-ctx.Done()
				return Result{Err: "stopped"}
			}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		if len(started) != 0 {
			t.Fatal("a paused portal ran")
		}
		update := func(f func(*Job)) Job {
			j, err := m.UpdateJob(ctx, "p", func(j Job) (Job, error) { f(&j); return j, nil })
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		update(func(j *Job) { j.Now = true })
		<-started
		j := update(func(j *Job) {
			l := *j.Lease
			l.Cancel = true
			j.Lease = &l
		})
		wait := time.NewTimer(3 * time.Second)
		<-wait.C
		synctest.Wait()
		if j = m.jobs["p"]; j.Lease != nil || j.Failures != 0 || j.Now {
			t.Errorf("after cancelling: %+v", j)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// A run that has just been published when it is told to stop went well: its second look
// and its end count, whether an operator or the end of the process stopped it.
func TestStoppedAfterPublication(t *testing.T) {
	for _, byOperator := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{jobs: map[string]Job{"p": {Portal: "p", Plan: Plan{Every: 6 * time.Hour}, Failures: 3, Next: time.Now()}}}
			started := make(chan struct{}, 1)
			var again time.Time
			r := &Runner{Store: m, Limits: Defaults(), Owner: "me", Now: time.Now, Tick: time.Second, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
				NewRun: func(p string, at time.Time) string { return p + at.String() },
				Crawl: func(ctx context.Context, _, _ string) Result {
					started <- struct{}{}
					<-ctx.Done() // too late: it is being published
					again = time.Now().Add(15 * time.Minute)
					return Result{Again: again}
				}}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			<-started
			if byOperator {
				if _, err := m.UpdateJob(ctx, "p", Job.Cancel); err != nil {
					t.Fatal(err)
				}
				wait := time.NewTimer(3 * time.Second)
				<-wait.C
				synctest.Wait()
			}
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if j := m.jobs["p"]; j.Lease != nil || j.Failures != 0 || !j.Next.Equal(again) || j.LastGood.IsZero() {
				t.Errorf("by the operator %t: %+v", byOperator, j)
			}
		})
	}
}
