package account

import (
	"sync"
	"time"
)

// Pace is how fast one name may try.
type Pace struct {
	// Burst tries are free at once, another after each Every.
	Burst int
	Every time.Duration
	// After Free failures in a row each further try waits twice as long as the one
	// before, from First up to Most.
	Free        int
	First, Most time.Duration
}

// SignInPace is for an account or a network. Nobody is ever locked out: whoever has the
// right password waits at most a minute (RELIABILITY.md, WA07).
var SignInPace = Pace{Burst: 10, Every: 30 * time.Second, Free: 4, First: time.Second, Most: time.Minute}

// maxNames bounds the limiter's memory to about 20 MB. Above it the names that were
// quiet longest are forgotten, which only makes them free again.
const maxNames = 100_000

// Limiter counts tries by name in memory. It is safe for concurrent use.
type Limiter struct {
	pace  Pace
	most  int
	mu    sync.Mutex
	names map[string]*tries
}

type tries struct {
	tokens float64
	at     time.Time // when tokens was reckoned
	fails  int
	next   time.Time // no try before
}

// NewLimiter makes one of a pace.
func NewLimiter(p Pace) *Limiter {
	return &Limiter{pace: p, most: maxNames, names: map[string]*tries{}}
}

// Try takes a try for all names, or for none of them and says how long to wait.
func (l *Limiter) Try(now time.Time, names ...string) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range names {
		t := l.of(n, now)
		if d := t.next.Sub(now); d > wait {
			wait = min(d, l.pace.Most) // a clock that went back locks nobody out
		}
		if t.tokens < 1 {
			wait = max(wait, time.Duration((1-t.tokens)*float64(l.pace.Every)))
		}
	}
	if wait > 0 {
		return wait, false
	}
	for _, n := range names {
		t := l.names[n]
		t.tokens--
		// Until the answer is known the try counts as failed: who asks a hundred times
		// at once isn't answered a hundred times.
		l.failed(t, now)
	}
	return 0, true
}

func (l *Limiter) failed(t *tries, now time.Time) {
	t.fails++
	if over := t.fails - l.pace.Free; over > 0 {
		t.next = now.Add(min(l.pace.Most, l.pace.First<<min(over-1, 20)))
	}
}

// Succeeded forgets the failures of a name, and takes the try itself off those that
// several people share, such as networks: were those cleared, an attacker's own
// account would clear the way to others.
func (l *Limiter) Succeeded(now time.Time, own string, shared ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.of(own, now)
	t.fails, t.next = 0, time.Time{}
	for _, n := range shared {
		t := l.of(n, now)
		if t.fails = max(0, t.fails-1); t.fails <= l.pace.Free {
			t.next = time.Time{}
		}
	}
}

// of returns a name's tries as of now.
func (l *Limiter) of(name string, now time.Time) *tries {
	t := l.names[name]
	if t == nil {
		if len(l.names) >= l.most {
			l.forget(now)
		}
		t = &tries{tokens: float64(l.pace.Burst), at: now}
		l.names[name] = t
		return t
	}
	if d := now.Sub(t.at); d > 0 {
		t.tokens = min(float64(l.pace.Burst), t.tokens+float64(d)/float64(l.pace.Every))
		// Failures fade too: a quiet day and all is as new.
		if d > 24*time.Hour {
			t.fails = 0
		}
	}
	t.at = now
	return t
}

// forget lets go of the names that have nothing to remember, or else of every second.
func (l *Limiter) forget(now time.Time) {
	for n, t := range l.names {
		if now.Sub(t.at) > time.Duration(l.pace.Burst)*l.pace.Every && now.After(t.next.Add(l.pace.Most)) {
			delete(l.names, n)
		}
	}
	if len(l.names) < l.most {
		return
	}
	keep := false
	for n := range l.names {
		if keep = !keep; !keep {
			delete(l.names, n)
		}
	}
}
