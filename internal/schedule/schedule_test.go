package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		plan  Plan
		field string // "" is valid
	}{
		{Plan{Every: 6 * time.Hour}, ""},
		{Plan{Every: 6 * time.Hour, Window: "06:00-23:00", Zone: "Europe/Paris"}, ""},
		{Plan{Every: 6 * time.Hour, Window: "22:00-02:00"}, ""},
		{Plan{Cron: "0 6 * * *", Zone: "Europe/London"}, ""},
		{Plan{Cron: "@daily"}, ""},
		{Plan{}, "every"},
		{Plan{Every: time.Minute}, "every"},
		{Plan{Every: 60 * 24 * time.Hour}, "every"},
		{Plan{Every: time.Hour, Cron: "0 6 * * *"}, "cron"},
		{Plan{Cron: "* * * * *"}, "cron"},
		{Plan{Cron: "0 25 * * *"}, "cron"},
		{Plan{Cron: "0 0 30 2 *"}, "cron"},
		{Plan{Cron: "CRON_TZ=UTC 0 6 * * *"}, "cron"},
		{Plan{Cron: "0 3 * * *", Window: "22:00-04:00"}, ""},
		{Plan{Cron: "0 3 29 2 *", Window: "02:00-04:00"}, ""},
		{Plan{Cron: "0 3 * * *", Window: "06:00-23:00"}, "window"},
		{Plan{Cron: "0 3 29 2 *", Window: "06:00-23:00"}, "window"},
		{Plan{Every: time.Hour, Window: "6-23"}, "window"},
		{Plan{Every: time.Hour, Window: "06:00-06:00"}, "window"},
		{Plan{Every: time.Hour, Window: "06:00-25:00"}, "window"},
		{Plan{Every: time.Hour, Zone: "Mars/Phobos"}, "zone"},
		{Plan{Every: time.Hour, Zone: "../../etc/passwd"}, "zone"},
	} {
		err := c.plan.Validate()
		if c.field == "" && err != nil || c.field != "" && (err == nil || cashback.KindOf(err) != cashback.Invalid || !strings.HasPrefix(err.Error(), c.field+": ")) {
			t.Errorf("%+v: %v, want a fault of %q", c.plan, err, c.field)
		}
	}
}

// An interval keeps its phase, whatever the moment one asks at.
func TestIntervalPhase(t *testing.T) {
	p := Plan{Every: 6 * time.Hour}
	first := p.Next("widilo-fr", at("2026-11-24T00:00:00Z"))
	for i := range 20 {
		after := first.Add(time.Duration(i) * 17 * time.Minute)
		if got := p.Next("widilo-fr", after); got.Sub(first)%(6*time.Hour) != 0 || !got.After(after) || got.Sub(after) > 6*time.Hour {
			t.Errorf("after %s: %s", after, got)
		}
	}
	if p.Next("a", first).Equal(p.Next("b", first)) {
		t.Error("two portals share a phase")
	}
}

func TestWindow(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.IntRange(0, 23).Draw(t, "from"), rapid.IntRange(0, 23).Draw(t, "to")
		if from == to {
			return
		}
		p := Plan{Every: time.Duration(rapid.IntRange(1, 48).Draw(t, "hours")) * time.Hour, Zone: "Europe/Paris",
			Window: time.Date(0, 1, 1, from, 0, 0, 0, time.UTC).Format("15:04") + "-" + time.Date(0, 1, 1, to, 0, 0, 0, time.UTC).Format("15:04")}
		after := time.Unix(int64(rapid.IntRange(1_700_000_000, 1_800_000_000).Draw(t, "at")), 0)
		next := p.Next(rapid.StringMatching("[a-z]{3,8}").Draw(t, "portal"), after)
		open, _ := within(next.In(paris), from*60, to*60)
		if !open || !next.After(after) || next.Sub(after) > p.Every+25*time.Hour {
			t.Fatalf("%+v after %s: %s (open %v)", p, after, next.In(paris), open)
		}
	})
}

// A run in the hour that spring skips is made at the moment it would have been;
// autumn's second 02:30 is a run more, never one less.
func TestDaylightSaving(t *testing.T) {
	p := Plan{Cron: "30 2 * * *", Zone: "Europe/Paris"}
	for _, c := range []struct{ after, want string }{
		{"2026-03-28T02:00:00Z", "2026-03-29T01:30:00Z"}, // 02:30 doesn't exist on the 29th
		{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"2026-10-24T02:00:00Z", "2026-10-25T00:30:00Z"},
		{"2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
	} {
		if got := p.Next("x", at(c.after)); !got.Equal(at(c.want)) {
			t.Errorf("after %s: %s, want %s", c.after, got.Format(time.RFC3339), c.want)
		}
	}
}

func TestDue(t *testing.T) {
	now := at("2026-11-24T12:00:00Z")
	jobs := []Job{
		{Portal: "late", Site: "a.fr", Next: now.Add(-time.Hour)},
		{Portal: "later", Site: "a.fr", Next: now.Add(-2 * time.Hour)},
		{Portal: "future", Site: "b.fr", Next: now.Add(time.Hour)},
		{Portal: "paused", Site: "c.fr", Next: now.Add(-time.Hour), Paused: true},
		{Portal: "asked", Site: "d.fr", Next: now.Add(time.Hour), Paused: true, Now: true},
		{Portal: "waits", Site: "e.fr", Next: now.Add(-time.Hour), Backoff: now.Add(time.Minute)},
		{Portal: "busy", Site: "f.fr", Lease: &Lease{}},
		{Portal: "beside", Site: "f.fr", Next: now.Add(-time.Minute)},
		{Portal: "last", Site: "g.fr", Next: now},
	}
	names := func(l Limits) (n []string) {
		for _, j := range Due(jobs, now, l) {
			n = append(n, j.Portal)
		}
		return n
	}
	l := Defaults()
	if got, want := names(l), []string{"asked", "later", "last"}; !slices.Equal(got, want) {
		t.Errorf("due %v, want %v", got, want)
	}
	l.Global = 2
	if got, want := names(l), []string{"asked"}; !slices.Equal(got, want) {
		t.Errorf("with one place left: %v, want %v", got, want)
	}
}

func TestFailuresBackOffAndBreak(t *testing.T) {
	l := Defaults()
	now := at("2026-11-24T12:00:00Z")
	j := Job{Portal: "p", Plan: Plan{Every: 6 * time.Hour}}
	var waits []time.Duration
	for range 6 {
		var err error
		if j, err = j.Start(now, "me", "run", l); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Start(now, "me", "run2", l); cashback.KindOf(err) != cashback.Conflict {
			t.Fatalf("started twice: %v", err)
		}
		if j, err = j.Finish(now, "run", Result{Err: "unreachable"}, l); err != nil {
			t.Fatal(err)
		}
		waits = append(waits, j.DueAt().Sub(now))
		now = j.DueAt()
	}
	for i := 1; i < 4; i++ {
		if waits[i] <= waits[i-1] {
			t.Errorf("waits %v don't grow", waits)
		}
	}
	if !j.Open || waits[5] != l.Probe {
		t.Errorf("after six failures: open %v, wait %s", j.Open, waits[5])
	}
	j, _ = j.Start(now, "me", "run", l)
	j, _ = j.Finish(now, "run", Result{}, l)
	if j.Open || j.Failures != 0 || !j.Backoff.IsZero() {
		t.Errorf("after a success: %+v", j)
	}
	j, _ = j.Start(now, "me", "run", l)
	j, _ = j.Finish(now, "run", Result{RetryAfter: now.Add(20 * time.Hour)}, l)
	if got := j.DueAt().Sub(now); got != 20*time.Hour {
		t.Errorf("the site asked for 20 h, due in %s", got)
	}
	j, _ = j.Start(now, "me", "run", l)
	j, _ = j.Finish(now, "run", Result{Again: now.Add(15 * time.Minute)}, l)
	if got := j.DueAt().Sub(now); got != 15*time.Minute {
		t.Errorf("the gate asked for 15 min, due in %s", got)
	}
	if _, err := j.Finish(now, "run", Result{}, l); cashback.KindOf(err) != cashback.Conflict {
		t.Errorf("finished without a lease: %v", err)
	}
}

// TestLayoutBreaks: pages that aren't understood are asked for as planned, and once a
// day when that has gone on for long enough.
func TestLayoutBreaks(t *testing.T) {
	l := Defaults()
	now := at("2026-11-24T12:00:00Z")
	j := Job{Portal: "p", Plan: Plan{Every: 6 * time.Hour}}
	for n := 1; n <= l.BreakAt+1; n++ {
		var err error
		if j, err = j.Start(now, "me", "run", l); err != nil {
			t.Fatal(err)
		}
		if j, err = j.Finish(now, "run", Result{Err: "0 of .shop", Layout: true}, l); err != nil {
			t.Fatal(err)
		}
		switch wait := j.DueAt().Sub(now); {
		case n < l.BreakAt && (j.Open || wait > 6*time.Hour || !j.Backoff.IsZero()):
			t.Errorf("after %d: open %v, due in %s", n, j.Open, wait)
		case n >= l.BreakAt && (!j.Open || wait != l.Probe):
			t.Errorf("after %d: open %v, due in %s", n, j.Open, wait)
		}
		now = j.DueAt()
	}
}

func FuzzPlan(f *testing.F) {
	f.Add("0 6 * * *", "06:00-23:00", "Europe/Paris")
	f.Add("@every 1h", "23:00-01:00", "UTC")
	f.Fuzz(func(t *testing.T, cron, window, zone string) {
		p := Plan{Cron: cron, Window: window, Zone: zone}
		if p.Validate() != nil {
			return
		}
		now := at("2026-03-29T00:59:00Z")
		for range 5 {
			next := p.Next("p", now)
			if next.IsZero() {
				return // a window that the expression never meets
			}
			if !next.After(now) {
				t.Fatalf("%+v: %s is not after %s", p, next, now)
			}
			now = next
		}
	})
}

// What an operator says changes the row alone, and only where it makes sense.
func TestOperatorsWords(t *testing.T) {
	now := at("2026-11-24T12:00:00Z")
	j := Job{Portal: "p", Plan: Plan{Every: 6 * time.Hour}, Next: now.Add(time.Hour)}
	if _, err := j.WithPlan(Plan{Every: time.Minute}, now); cashback.KindOf(err) != cashback.Invalid {
		t.Errorf("a plan of every minute was taken: %v", err)
	}
	own, err := j.WithPlan(Plan{Cron: "0 4 * * *", Zone: "Europe/Paris"}, now)
	if err != nil || !own.Own || !own.Next.Equal(at("2026-11-25T03:00:00Z")) {
		t.Errorf("planned for %s (own %t): %v", own.Next, own.Own, err)
	}
	if back := own.WithDefault(j.Plan, now); back.Own || back.Plan != j.Plan || !back.Next.Equal(j.Plan.Next("p", now)) {
		t.Errorf("the definition's plan again: %+v", back)
	}
	if same := j.WithDefault(j.Plan, now); same != j {
		t.Errorf("the same plan changed the row: %+v", same)
	}
	asked, err := j.Ask()
	if err != nil || len(Due([]Job{asked}, now, Defaults())) != 1 {
		t.Errorf("asked for, and not due: %+v, %v", asked, err)
	}
	if p := asked.Pause(); p.Now || len(Due([]Job{p}, now.Add(48*time.Hour), Defaults())) != 0 {
		t.Errorf("paused, and due: %+v", p)
	} else if r := p.Resume(); len(Due([]Job{r}, now.Add(48*time.Hour), Defaults())) != 1 {
		t.Errorf("resumed, and never due: %+v", r)
	}
	if back, err := asked.Cancel(); err != nil || back.Now {
		t.Errorf("cancelled before it began: %+v, %v", back, err)
	}
	if _, err := j.Cancel(); cashback.KindOf(err) != cashback.Conflict {
		t.Errorf("cancelled what doesn't run: %v", err)
	}
	running, err := j.Start(now, "me", "r", Defaults())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := running.Ask(); cashback.KindOf(err) != cashback.Conflict {
		t.Errorf("asked for a run beside the one in progress: %v", err)
	}
	if c, err := running.Cancel(); err != nil || !c.Lease.Cancel || running.Lease.Cancel {
		t.Errorf("cancelled: %+v, %v", c.Lease, err)
	}
}

// What an operator accepts was no failure: the breaker is closed, and nothing waits for
// its probe.
func TestAcceptedClosesTheBreaker(t *testing.T) {
	now := at("2026-11-24T12:00:00Z")
	j := Job{Portal: "p", Plan: Plan{Every: 6 * time.Hour}, Failures: 6, Open: true, Backoff: now.Add(20 * time.Hour), Next: now.Add(20 * time.Hour), LastError: "the gate's rule G2"}
	a := j.Accepted(now, now.Add(15*time.Minute))
	if a.Failures != 0 || a.Open || a.LastError != "" || !a.DueAt().Equal(now.Add(15*time.Minute)) {
		t.Errorf("%+v", a)
	}
	if a := j.Accepted(now, time.Time{}); !a.DueAt().Equal(j.Plan.Next("p", now)) {
		t.Errorf("due at %s", a.DueAt())
	}
	running, err := j.Start(now, "me", "r", Defaults())
	if err != nil {
		t.Fatal(err)
	}
	if a := running.Accepted(now, time.Time{}); a.Lease == nil || a.Failures != 0 {
		t.Errorf("accepted while another run is under way: %+v", a)
	}
}

// A good run that waits for its second closes the breaker, and forgets no failures: where
// the second is bad the portal is left alone again at once.
func TestWaitingForgetsNothing(t *testing.T) {
	now := at("2026-11-24T12:00:00Z")
	j := Job{Portal: "p", Plan: Plan{Every: 6 * time.Hour}, Failures: 5, Open: true, Next: now}
	run := func(at time.Time, r Result) {
		t.Helper()
		var err error
		if j, err = j.Start(at, "me", "r", Defaults()); err == nil {
			j, err = j.Finish(at, "r", r, Defaults())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	again := now.Add(15 * time.Minute)
	run(now, Result{Waits: true, Again: again})
	if j.Open || !j.DueAt().Equal(again) || j.Failures != 5 {
		t.Errorf("waiting: %+v", j)
	}
	run(again, Result{Err: "held back"})
	if !j.Open || !j.DueAt().Equal(again.Add(24*time.Hour)) {
		t.Errorf("bad again: due at %s, %+v", j.DueAt(), j)
	}
	run(j.DueAt(), Result{Waits: true, Again: j.DueAt().Add(15 * time.Minute)})
	run(j.DueAt(), Result{})
	if j.Open || j.Failures != 0 {
		t.Errorf("good again: %+v", j)
	}
}

// A clock that was years ahead and is set back puts nothing off for years, and what had
// to wait still waits as long.
func TestClockSetBack(t *testing.T) {
	wrong, now := at("2031-05-05T12:00:00Z"), at("2026-11-24T12:00:00Z")
	start := func() Job {
		j, err := Job{Portal: "p", Plan: Plan{Every: 6 * time.Hour}}.Start(wrong, "me", "r", Defaults())
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	for name, r := range map[string]Result{"good": {}, "failed": {Err: "unreachable"}, "asked to wait": {RetryAfter: wrong.Add(3 * time.Hour)}} {
		j, err := start().Finish(wrong, "r", r, Defaults())
		if err != nil {
			t.Fatal(err)
		}
		waits := j.DueAt().Sub(wrong)
		if _, ok := j.Replan(wrong.Add(time.Minute)); ok {
			t.Errorf("%s: replanned by a clock that goes on", name)
		}
		back, ok := j.Replan(now)
		if !ok || !back.DueAt().Equal(now.Add(waits)) || back.LastEnd.After(now) || back.LastStart.After(now) {
			t.Errorf("%s: due at %s, want in %s: %+v", name, back.DueAt(), waits, back)
		}
	}
	if _, ok := start().Replan(now); ok {
		t.Error("a run under way is replanned")
	}
}

// TestWindowHolds: a second try, a second look and what waited in the queue keep to the
// window; an operator's word doesn't.
func TestWindowHolds(t *testing.T) {
	p := Plan{Every: 6 * time.Hour, Window: "06:00-23:00", Zone: "Europe/Paris"}
	late, opens := at("2026-11-24T21:55:00Z"), at("2026-11-25T05:00:00Z") // 22:55 there, 06:00
	start := func() Job {
		j, err := Job{Portal: "p", Plan: p}.Start(late.Add(-5*time.Minute), "me", "r", Defaults())
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	failed, err := start().Finish(late, "r", Result{Err: "unreachable"}, Defaults())
	if err != nil {
		t.Fatal(err)
	}
	again, err := start().Finish(late, "r", Result{Again: late.Add(15 * time.Minute)}, Defaults())
	if err != nil {
		t.Fatal(err)
	}
	rescued, _ := start().Rescue(late.Add(time.Hour), true)
	queued := Job{Portal: "p", Plan: p, Next: late}
	for name, j := range map[string]Job{"failed": failed, "looked at again": again, "interrupted": rescued, "queued": queued} {
		if got := Due([]Job{j}, late.Add(2*time.Hour), Defaults()); len(got) != 0 {
			t.Errorf("%s: it runs at night", name)
		}
		if got := Due([]Job{j}, opens.Add(time.Hour), Defaults()); len(got) != 1 {
			t.Errorf("%s: it doesn't run in the morning: %+v", name, j)
		}
		if j.DueAt() != opens && name != "queued" {
			t.Errorf("%s: due at %s, want %s", name, j.DueAt(), opens)
		}
		if j, err = j.Ask(); err != nil {
			t.Fatal(err)
		}
		if got := Due([]Job{j}, late.Add(2*time.Hour), Defaults()); len(got) != 1 {
			t.Errorf("%s: an operator's word waits for the morning", name)
		}
	}
}
