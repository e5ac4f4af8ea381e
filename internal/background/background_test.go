package background

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// clock stands still but for what is waited and worked.
type clock struct {
	at     time.Time
	waited []time.Duration
}

func turns(c *clock) *Turns {
	t := NewTurns()
	t.now = func() time.Time { return c.at }
	t.wait = func(ctx context.Context, d time.Duration) error {
		if d > 0 {
			c.waited = append(c.waited, d)
			c.at = c.at.Add(d)
		}
		return ctx.Err()
	}
	t.after = func(_ time.Duration, f func()) *time.Timer {
		f() // the collector is one for all tests
		return time.NewTimer(time.Hour)
	}
	return t
}

func nothing(context.Context) {}

// TestRest: after its work, a turn owes nine times as long, and never more than the
// longest rest; what passes meanwhile counts.
func TestRest(t *testing.T) {
	c := &clock{at: time.Unix(1_000, 0)}
	all := turns(c)
	work := func(took time.Duration) {
		t.Helper()
		if err := all.Do(t.Context(), nothing, func() error { c.at = c.at.Add(took); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	work(100 * time.Millisecond)
	work(time.Second)
	c.at = c.at.Add(2 * time.Second)
	work(time.Millisecond)
	c.at = c.at.Add(time.Hour)
	work(time.Millisecond)
	want := []time.Duration{900 * time.Millisecond, 3 * time.Second}
	if len(c.waited) != len(want) || c.waited[0] != want[0] || c.waited[1] != want[1] {
		t.Errorf("rests of %v, not %v", c.waited, want)
	}
}

// TestOneAtATime: nobody works while another does, and each waits for what it must.
func TestOneAtATime(t *testing.T) {
	all := turns(&clock{at: time.Unix(1_000, 0)})
	inside, ready, ran := 0, 0, 0
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			err := all.Do(t.Context(), func(context.Context) { ready++ }, func() error {
				if inside++; inside != 1 {
					t.Errorf("%d work at once", inside)
				}
				ran++
				inside--
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if ready != 8 || ran != 8 {
		t.Errorf("%d were ready and %d worked, of 8", ready, ran)
	}
}

// TestLeft: who leaves while another works, or during the rest, hasn't worked, and
// holds nobody up; the work's own error comes back.
func TestLeft(t *testing.T) {
	all := turns(&clock{at: time.Unix(1_000, 0)})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	never := func() error { t.Error("worked after it had left"); return nil }
	if err := all.Do(gone, nothing, never); !errors.Is(err, context.Canceled) {
		t.Errorf("left at once: %v", err)
	}
	fails := errors.New("it fails")
	err := all.Do(t.Context(), nothing, func() error {
		if err := all.Do(gone, nothing, never); !errors.Is(err, context.Canceled) {
			t.Errorf("left while another works: %v", err)
		}
		return fails
	})
	if !errors.Is(err, fails) {
		t.Errorf("the work's error: %v", err)
	}
	if err := wait(gone, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("left during the rest: %v", err)
	}
	if err := wait(t.Context(), time.Microsecond); err != nil {
		t.Errorf("the rest is over: %v", err)
	}
}

// TestGarbage: during work and rest the collector has more patience, the next turn in
// the rest changes nothing, and after it all is as before; one that is off stays off.
func TestGarbage(t *testing.T) {
	was := debug.SetGCPercent(100)
	defer debug.SetGCPercent(was)
	runtime.GC() // little is alive
	is := func(when string, want int) {
		t.Helper()
		got := debug.SetGCPercent(want)
		if got != want {
			t.Errorf("%s: %d, not %d", when, got, want)
		}
	}
	for before, during := range map[int]int{100: later, -1: -1, 800: 800} {
		debug.SetGCPercent(before)
		all := turns(&clock{at: time.Unix(1_000, 0)})
		var rested []func()
		all.after = func(_ time.Duration, f func()) *time.Timer {
			rested = append(rested, f)
			return time.NewTimer(time.Hour)
		}
		for range 2 {
			if err := all.Do(t.Context(), nothing, func() error { is("work", during); return nil }); err != nil {
				t.Fatal(err)
			}
			is("rest", during)
		}
		all.usual.Stop()
		rested[1]()
		is("after the rest", before)
	}
}

// TestPatience: at most four times what is alive gathers, at most 192 MB, and never less
// than usually.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		usual int
		live  uint64
		want  int
	}{
		{100, 0, 400}, {100, 10 << 20, 400}, {100, 48 << 20, 400}, {100, 96 << 20, 200}, {100, 192 << 20, 100}, {100, 1 << 40, 100},
		{50, 1 << 30, 50}, {50, 384 << 20, 50}, {-1, 10 << 20, -1}, {800, 10 << 20, 800},
	} {
		if got := patience(c.usual, c.live); got != c.want {
			t.Errorf("usually %d, with %d MB alive: %d, not %d", c.usual, c.live>>20, got, c.want)
		}
	}
	runtime.GC()
	if n := live(); n == 0 || n > 1<<40 {
		t.Errorf("%d bytes are alive", n)
	}
}
