// Package background is how long work leaves the machine to the pages.
//
// Its one invariant: what runs here gives way. It takes turns with itself, rests nine
// times as long as it worked, has a thread that the system puts behind all others, and
// lets its garbage gather. On two cores, publications one after another made
// the pages' 99th percentile 2 to 3.5 times the idle one; so it is 1.0 to 1.1 times
// (BenchmarkWhilePublishing).
package background

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// leastThreads is how many threads run Go code at least. Go's own scheduler takes a
// core from a publication after 10 ms at best, the system's gives it to a page that
// has come at once.
const leastThreads = 4

// Threads lets the system, not Go, decide between pages and what runs beside them. It
// returns what undoes it.
func Threads() (undo func()) {
	was := runtime.GOMAXPROCS(0)
	if was < leastThreads {
		runtime.GOMAXPROCS(leastThreads)
	}
	return func() { runtime.GOMAXPROCS(was) }
}

const (
	// share is what work may take of the time, one part of so many.
	share = 10
	// maxRest is the longest rest.
	maxRest = 5 * time.Second
	// later and most are how much garbage may gather during work and rest, in per cent
	// of what is alive and in bytes: a publication of 10,000 offers and what follows from
	// it make 30 MB, and collecting it takes both cores each time.
	later = 400
	most  = 192 << 20
)

// Turns space work out. The zero value is not usable: see NewTurns.
type Turns struct {
	token chan struct{}
	until time.Time // the end of the rest; whoever has the token owns it
	// before is how the collector was, and usual sets it back after the rest.
	before int
	usual  *time.Timer
	// now, wait and after are the machine's clock, but in tests.
	now   func() time.Time
	wait  func(context.Context, time.Duration) error
	after func(time.Duration, func()) *time.Timer
}

// NewTurns begins with nobody's turn, and no rest.
func NewTurns() *Turns {
	t := &Turns{token: make(chan struct{}, 1), now: time.Now, wait: wait, after: time.AfterFunc}
	t.token <- struct{}{}
	return t
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Do waits for the others and for the rest that is owed, and works. What ready waits
// for, within ctx, belongs to the turn, as the readers' following of the work before.
// The only errors beside the work's own are ctx's, and then nothing was begun.
func (t *Turns) Do(ctx context.Context, ready func(context.Context), work func() error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.token:
		defer func() { t.token <- struct{}{} }()
	}
	if err := t.wait(ctx, t.until.Sub(t.now())); err != nil {
		return err
	}
	ready(ctx)
	if t.usual == nil {
		t.before = debug.SetGCPercent(later) // the only way to ask
	} else {
		t.usual.Stop()
	}
	debug.SetGCPercent(patience(t.before, live()))
	begin := t.now()
	err := Quietly(work)
	end := t.now()
	rest := min((share-1)*end.Sub(begin), maxRest)
	t.until = end.Add(rest)
	before := t.before
	t.usual = t.after(rest, func() { debug.SetGCPercent(before) })
	return err
}

// live is how many bytes the last collection found in use.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// patience is the collector's percentage during work and rest: the usual one where
// that is more, or where it is off.
func patience(usual int, live uint64) int {
	if usual < 0 {
		return usual
	}
	return max(usual, int(min(later, most*100/max(live, 1))))
}

// Quietly runs f on a thread of its own, which gets the processor when no other wants
// it, where the system can do that. A panic of f ends the process.
func Quietly(f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with this goroutine, and its low priority with it.
		runtime.LockOSThread()
		lower()
		done <- f()
	}()
	return <-done
}
