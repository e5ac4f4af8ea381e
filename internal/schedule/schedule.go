// Package schedule says which portal is due, and what happens to its job as it is
// leased, run, paused, cancelled, and as it fails.
//
// Its one invariant: a schedule is data. Every decision is a pure function of the
// stored jobs and a given moment; Runner only carries decisions out. A crash
// therefore loses nothing but the run it interrupts: its lease runs out, or is
// taken back at the next start, and the job is due again.
package schedule

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Plan is when a portal is crawled: an interval, or a cron expression, within a
// daily window of a time zone. The definition states one, the operator may put
// another in its place.
type Plan struct {
	// Every is the interval; runs are spread by a stable phase of the portal's id.
	Every time.Duration `json:"every,omitempty" yaml:"every,omitempty" cbor:"1,keyasint,omitempty"`
	// Cron is a five-field expression, in Zone.
	Cron string `json:"cron,omitempty" yaml:"cron,omitempty" cbor:"2,keyasint,omitempty"`
	// Window is "HH:MM-HH:MM" in Zone; it may pass midnight. Empty is all day.
	Window string `json:"window,omitempty" yaml:"window,omitempty" cbor:"3,keyasint,omitempty"`
	// Zone is an IANA name; empty is UTC.
	Zone string `json:"zone,omitempty" yaml:"zone,omitempty" cbor:"4,keyasint,omitempty"`
}

// Least and Most bound an interval: below it nobody's site is polite to read, and
// above it a portal would be out of date for ever.
const (
	Least = 10 * time.Minute
	Most  = 31 * 24 * time.Hour
)

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// Validate refuses a plan that could never run, or too often, in one sentence with
// the field concerned.
func (p Plan) Validate() error {
	bad := func(field, format string, args ...any) error {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: field}, format, args...)
	}
	loc, err := p.location()
	if err != nil {
		return bad("zone", "%q is not a time zone: use a name such as Europe/Paris", p.Zone)
	}
	if _, _, err := p.window(); err != nil {
		return err
	}
	switch {
	case p.Every != 0 && p.Cron != "":
		return bad("cron", "a schedule has an interval or a cron expression, not both")
	case p.Every == 0 && p.Cron == "":
		return bad("every", "a schedule needs an interval (every: 6h) or a cron expression")
	case p.Every != 0 && (p.Every < Least || p.Every > Most):
		return bad("every", "%s is not allowed: between %s and %s", p.Every, Least, Most)
	case p.Cron != "":
		if strings.Contains(p.Cron, "TZ=") {
			return bad("cron", "the time zone belongs in the field zone")
		}
		s, err := cronParser.Parse(p.Cron)
		if err != nil {
			return bad("cron", "%q is not a cron expression: five fields such as 0 6 * * * (%v)", p.Cron, err)
		}
		// A month of runs shows the densest stretch of what people write.
		t := time.Date(2026, 1, 1, 0, 0, 0, 0, loc)
		for n := 0; n < 100 && t.Year() < 2090; n++ { // 2100 has no leap day
			next := s.Next(t)
			if next.IsZero() {
				return bad("cron", "%q never comes due", p.Cron)
			}
			if n > 0 && next.Sub(t) < Least {
				return bad("cron", "%q comes due every %s: at least %s apart", p.Cron, next.Sub(t), Least)
			}
			t = next
		}
		if p.nextCron(loc, time.Date(2026, 1, 1, 0, 0, 0, 0, loc)).IsZero() {
			return bad("window", "%q never comes due within %s", p.Cron, p.Window)
		}
	}
	return nil
}

// Age is how old the plan lets data grow between two runs that succeed: the
// interval, the longest gap of the cron expression, and the night outside the
// window.
func (p Plan) Age() time.Duration {
	t := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	end, longest := t.Add(14*24*time.Hour), p.Every
	for t.Before(end) {
		next := p.Next("", t)
		if next.IsZero() || !next.After(t) {
			return Most
		}
		longest = max(longest, next.Sub(t))
		t = next
	}
	return longest
}

func (p Plan) location() (*time.Location, error) {
	if p.Zone == "Local" {
		return nil, cashback.Errorf(cashback.Invalid, "Local is no zone of its own")
	}
	return time.LoadLocation(p.Zone)
}

// window returns minutes of the day; equal values are all day.
func (p Plan) window() (from, to int, err error) {
	if p.Window == "" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(p.Window, "-")
	from, okA := clock(a)
	to, okB := clock(b)
	if !ok || !okA || !okB || from == to {
		return 0, 0, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "window"}, "%q is not a window of the day: use HH:MM-HH:MM, such as 06:00-23:00", p.Window)
	}
	return from, to % (24 * 60), nil
}

func clock(s string) (minutes int, ok bool) {
	h, m, ok := strings.Cut(strings.TrimSpace(s), ":")
	hh, errH := strconv.Atoi(h)
	mm, errM := strconv.Atoi(m)
	ok = ok && errH == nil && errM == nil && len(m) == 2 && hh >= 0 && mm >= 0 && mm < 60 && (hh < 24 || hh == 24 && mm == 0)
	return hh*60 + mm, ok
}

// Next is the first moment after the given one at which the portal is due. Missed
// moments don't pile up: only the next counts. It is zero for a plan that Validate
// refuses.
func (p Plan) Next(portal string, after time.Time) time.Time {
	loc, err := p.location()
	if err != nil {
		return time.Time{}
	}
	if p.Cron != "" {
		return p.nextCron(loc, after)
	}
	if p.Every <= 0 {
		return time.Time{}
	}
	phase := time.Duration(hash(portal) % uint64(p.Every))
	slot := after.Truncate(p.Every).Add(phase)
	for !slot.After(after) {
		slot = slot.Add(p.Every)
	}
	for back := slot.Add(-p.Every); back.After(after); back = slot.Add(-p.Every) {
		slot = back
	}
	from, to, err := p.window()
	if err != nil {
		return time.Time{}
	}
	if open, opens := within(slot.In(loc), from, to); !open {
		// The night's slots become one soon after the window opens, spread by the same
		// phase so that not all portals wake together.
		// The window's last quarter is left for what has to be tried again.
		length := time.Duration((to-from+24*60)%(24*60)) * time.Minute * 3 / 4
		slot = opens.Add(phase % min(p.Every/4+1, length))
		if !slot.After(after) {
			return p.Next(portal, opens.Add(min(p.Every/4+1, length)))
		}
	}
	return slot.UTC()
}

// within reports whether t's wall clock lies in the window, and else when the
// window opens next.
func within(t time.Time, from, to int) (open bool, opens time.Time) {
	if from == to {
		return true, t
	}
	m := t.Hour()*60 + t.Minute()
	if from < to && m >= from && m < to || from > to && (m >= from || m < to) {
		return true, t
	}
	y, mo, d := t.Date()
	opens = time.Date(y, mo, d, from/60, from%60, 0, 0, t.Location())
	if !opens.After(t) {
		opens = time.Date(y, mo, d+1, from/60, from%60, 0, 0, t.Location())
	}
	return false, opens
}

// nextCron asks the expression, and runs at the corresponding moment what a clock
// put forward would skip. When clocks go back an hour a time within it comes twice,
// and so does its run.
func (p Plan) nextCron(loc *time.Location, after time.Time) time.Time {
	s, err := cronParser.Parse(p.Cron)
	if err != nil {
		return time.Time{}
	}
	from, to, err := p.window()
	if err != nil {
		return time.Time{}
	}
	local := after.In(loc)
	_, offset := local.Zone()
	// A window that no run ever falls into ends here: two leap days are at most eight
	// years apart.
	last := after.AddDate(9, 0, 0)
	for {
		next := s.Next(local)
		if next.IsZero() || next.After(last) {
			return time.Time{}
		}
		if _, now := next.Zone(); now > offset {
			// The offset grew in between: a run may lie in the hour that was skipped.
			still := s.Next(local.In(time.FixedZone("", offset)))
			wall := still.In(loc)
			if still.Before(next) && (wall.Hour() != still.Hour() || wall.Minute() != still.Minute()) {
				next = wall
			}
		}
		open, opens := within(next, from, to)
		if open {
			return next.UTC()
		}
		local = opens.Add(-time.Second)
		_, offset = local.Zone()
	}
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // a hash never fails to write
	return h.Sum64()
}

// Lease is a run in progress: who runs it, until when it may be silent.
type Lease struct {
	Owner string    `json:"owner" cbor:"1,keyasint"`
	Run   string    `json:"run" cbor:"2,keyasint"`
	Since time.Time `json:"since" cbor:"3,keyasint"`
	Until time.Time `json:"until" cbor:"4,keyasint"`
	// Cancel asks the runner to stop the run.
	Cancel bool `json:"cancel,omitempty" cbor:"5,keyasint,omitempty"`
}

// Job is a portal's row: what is planned, what runs, what went wrong.
type Job struct {
	Portal string `json:"portal" cbor:"1,keyasint"`
	// Site is the registrable domain, whose limit portals of one site share.
	Site string `json:"site" cbor:"2,keyasint"`
	Plan Plan   `json:"plan" cbor:"3,keyasint"`
	// Own says that the operator's plan stands in the place of the definition's.
	Own    bool      `json:"own,omitempty" cbor:"4,keyasint,omitempty"`
	Paused bool      `json:"paused,omitempty" cbor:"5,keyasint,omitempty"`
	Next   time.Time `json:"next" cbor:"6,keyasint"`
	// Now asks for a run at once, whatever the plan, a pause or a backoff say.
	Now   bool   `json:"now,omitempty" cbor:"7,keyasint,omitempty"`
	Lease *Lease `json:"lease,omitempty" cbor:"8,keyasint,omitempty"`
	// Failures counts failed runs in a row; Backoff is the moment before which none
	// is tried again.
	Failures int       `json:"failures,omitempty" cbor:"9,keyasint,omitempty"`
	Backoff  time.Time `json:"backoff,omitzero" cbor:"10,keyasint,omitempty"`
	// Open says that the breaker is open: after BreakAt failures in a row only one
	// probe a day is made until one succeeds.
	Open      bool      `json:"open,omitempty" cbor:"11,keyasint,omitempty"`
	LastRun   string    `json:"last_run,omitempty" cbor:"12,keyasint,omitempty"`
	LastStart time.Time `json:"last_start,omitzero" cbor:"13,keyasint,omitempty"`
	LastEnd   time.Time `json:"last_end,omitzero" cbor:"14,keyasint,omitempty"`
	LastError string    `json:"last_error,omitempty" cbor:"15,keyasint,omitempty"`
	// LastGood is when a run last succeeded.
	LastGood time.Time `json:"last_good,omitzero" cbor:"16,keyasint,omitempty"`
}

// Limits bound what runs at once.
type Limits struct {
	// Global is how many runs go on together, PerSite how many of one site.
	Global, PerSite int
	// Silence is how long a lease lives without being renewed.
	Silence time.Duration
	// BreakAt is how many failures in a row open the breaker; Probe is how long it
	// stays open before each probe.
	BreakAt int
	Probe   time.Duration
	// Backoff is the first wait after a failure; it doubles up to MostBackoff.
	Backoff, MostBackoff time.Duration
}

// Defaults are CRAWLING.md's numbers (rows 5, 10, 11).
func Defaults() Limits {
	return Limits{Global: 4, PerSite: 1, Silence: 2 * time.Minute, BreakAt: 5, Probe: 24 * time.Hour, Backoff: 15 * time.Minute, MostBackoff: 24 * time.Hour}
}

// Opens is the given moment, or, where the plan's window is closed then, the moment at
// which it opens: nothing but an operator's word crawls outside it, no second try and no
// second look either.
func (p Plan) Opens(t time.Time) time.Time {
	if p.Window == "" {
		return t
	}
	loc, err := p.location()
	if err != nil {
		return t
	}
	from, to, err := p.window()
	if err != nil {
		return t
	}
	if _, opens := within(t.In(loc), from, to); opens.After(t) {
		return opens.UTC()
	}
	return t
}

// DueAt is when the job may be leased; zero for never (paused and not asked for).
func (j Job) DueAt() time.Time {
	at := j.wanted()
	if j.Now || at.IsZero() {
		return at
	}
	return j.Plan.Opens(at)
}

// wanted is when the job is due, whether or not its window is open then.
func (j Job) wanted() time.Time {
	if j.Now {
		return time.Unix(0, 0).UTC()
	}
	if j.Paused {
		return time.Time{}
	}
	if j.Backoff.After(j.Next) {
		return j.Backoff
	}
	return j.Next
}

// Due picks the jobs to lease now, longest overdue first, within the limits.
func Due(jobs []Job, now time.Time, l Limits) []Job {
	running, sites := 0, map[string]int{}
	var due []Job
	for _, j := range jobs {
		if j.Lease != nil {
			running++
			sites[j.Site]++
			continue
		}
		if at := j.wanted(); !at.IsZero() && !at.After(now) && (j.Now || !j.Plan.Opens(now).After(now)) {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b Job) int {
		return cmp.Or(a.wanted().Compare(b.wanted()), cmp.Compare(a.Portal, b.Portal))
	})
	var take []Job
	for _, j := range due {
		if running >= l.Global {
			break
		}
		if sites[j.Site] >= l.PerSite {
			continue
		}
		running++
		sites[j.Site]++
		take = append(take, j)
	}
	return take
}

// Start leases the job. A job that is leased already is a Conflict: no portal is
// ever crawled twice at once.
func (j Job) Start(now time.Time, owner, run string, l Limits) (Job, error) {
	if j.Lease != nil {
		return j, cashback.Errorf(cashback.Conflict, "%s is being crawled since %s", j.Portal, j.Lease.Since.Format(time.RFC3339))
	}
	j.Lease = &Lease{Owner: owner, Run: run, Since: now, Until: now.Add(l.Silence)}
	j.LastStart, j.LastRun, j.Now = now, run, false
	return j, nil
}

// Renew tells that the run is alive.
func (j Job) Renew(now time.Time, run string, l Limits) (Job, error) {
	if j.Lease == nil || j.Lease.Run != run {
		return j, cashback.Errorf(cashback.Conflict, "%s: run %s has lost its lease", j.Portal, run)
	}
	lease := *j.Lease
	lease.Until = now.Add(l.Silence)
	j.Lease = &lease
	return j, nil
}

// Rescue takes back a lease that ran out, or that an owner left who is gone; the
// job is due again at once.
func (j Job) Rescue(now time.Time, gone bool) (Job, bool) {
	if j.Lease == nil || !gone && j.Lease.Until.After(now) {
		return j, false
	}
	j.Lease = nil
	j.Next = now
	return j, true
}

// Replan plans a job anew whose last run lies ahead of the clock: the clock has been set
// back, and what was planned by it would come late by as much. Waits keep their length.
func (j Job) Replan(now time.Time) (Job, bool) {
	ahead := j.LastEnd
	if j.LastStart.After(ahead) {
		ahead = j.LastStart
	}
	if j.Lease != nil || !ahead.After(now) {
		return j, false
	}
	back := func(t time.Time) time.Time {
		if t.After(now) {
			t = t.Add(now.Sub(ahead))
		}
		return t
	}
	j.Next, j.Backoff = back(j.Next), back(j.Backoff)
	j.LastStart, j.LastEnd, j.LastGood = back(j.LastStart), back(j.LastEnd), back(j.LastGood)
	return j, true
}

// Result is what a run came to, for its schedule.
type Result struct {
	// Err is why the run failed; empty for one that went well, partial or not.
	Err string
	// Layout says that the site answered but its pages weren't understood: no hot
	// retry helps, the plan goes on, until the breaker opens.
	Layout bool
	// RetryAfter is the site's own wish; Again the gate's for an early second look.
	RetryAfter time.Time
	Again      time.Time
	// Waits says that the run was good and is held back for a second one, after bad ones:
	// the failures before it aren't forgotten yet.
	Waits     bool
	Cancelled bool
}

// Finish gives the lease back and plans what comes next.
func (j Job) Finish(now time.Time, run string, r Result, l Limits) (Job, error) {
	if j.Lease == nil || j.Lease.Run != run {
		return j, cashback.Errorf(cashback.Conflict, "%s: run %s has lost its lease", j.Portal, run)
	}
	j.Lease = nil
	j.LastEnd, j.LastError = now, r.Err
	j.Next = j.Plan.Next(j.Portal, now)
	j.Backoff = time.Time{}
	switch {
	case r.Cancelled:
	case r.Err == "" && r.Waits:
		if j.Open = false; !r.Again.IsZero() && r.Again.Before(j.Next) {
			j.Next = r.Again
		}
	case r.Err == "":
		j.Failures, j.Open, j.LastGood = 0, false, now
		if !r.Again.IsZero() && r.Again.Before(j.Next) {
			j.Next = r.Again
		}
	default:
		j.Failures++
		if r.Layout && j.Failures < l.BreakAt {
			break
		}
		wait := l.Backoff << min(j.Failures-1, 20)
		if wait > l.MostBackoff || wait <= 0 {
			wait = l.MostBackoff
		}
		// A quarter of jitter, stable by portal and attempt.
		wait += time.Duration(hash(j.Portal+strconv.Itoa(j.Failures)) % uint64(wait/4+1))
		if j.Open = j.Failures >= l.BreakAt; j.Open {
			wait = l.Probe
		}
		j.Backoff = now.Add(wait)
		// What failed is tried again after the backoff, not only at the next slot.
		if j.Backoff.Before(j.Next) {
			j.Next = j.Backoff
		}
	}
	if r.RetryAfter.After(j.Backoff) && r.RetryAfter.After(now) {
		j.Backoff = r.RetryAfter
	}
	return j, nil
}

// The operator's words. Each is a pure change of the row, like everything here.

// WithPlan puts the operator's plan in the place of the definition's. A job that
// waits is planned anew; one that is asked for, backs off or runs goes on doing so.
func (j Job) WithPlan(p Plan, now time.Time) (Job, error) {
	if err := p.Validate(); err != nil {
		return j, err
	}
	j.Plan, j.Own = p, true
	j.Next = p.Next(j.Portal, now)
	return j, nil
}

// WithDefault gives the word back to the definition, whose plan it is.
func (j Job) WithDefault(p Plan, now time.Time) Job {
	if j.Own || j.Plan != p {
		j.Plan, j.Own = p, false
		j.Next = p.Next(j.Portal, now)
	}
	return j
}

// Accepted says that the last run was no failure after all, whatever the gate thought of
// it. Again is the moment of an early second look, zero for none.
func (j Job) Accepted(now, again time.Time) Job {
	j.Failures, j.Open, j.LastError, j.LastGood = 0, false, "", now
	if j.Lease != nil {
		return j // its end plans what comes next
	}
	j.Backoff = time.Time{}
	if j.Next = j.Plan.Next(j.Portal, now); !again.IsZero() && again.Before(j.Next) {
		j.Next = again
	}
	return j
}

// Pause lets no run begin until Resume; one in progress goes on.
func (j Job) Pause() Job {
	j.Paused, j.Now = true, false
	return j
}

// Resume lets the plan count again. What was missed meanwhile is one run, due now.
func (j Job) Resume() Job {
	j.Paused = false
	return j
}

// Ask wants a run at once. It is a Conflict while one is in progress.
func (j Job) Ask() (Job, error) {
	if j.Lease != nil {
		return j, cashback.Errorf(cashback.Conflict, "%s is being crawled since %s", j.Portal, j.Lease.Since.Format(time.RFC3339))
	}
	j.Now = true
	return j, nil
}

// Cancel stops the run in progress, or takes back that one was asked for. It is a
// Conflict where there is neither.
func (j Job) Cancel() (Job, error) {
	switch {
	case j.Lease != nil:
		lease := *j.Lease
		lease.Cancel = true
		j.Lease = &lease
	case !j.Now:
		return j, cashback.Errorf(cashback.Conflict, "%s isn't being crawled", j.Portal)
	}
	j.Now = false
	return j, nil
}
