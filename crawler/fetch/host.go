package fetch

import (
	"context"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// HostState is what is owed to a registrable domain, or held against it, across
// restarts.
type HostState struct {
	// Next is when the next request may start; NotBefore is what the host itself
	// asked for (Retry-After).
	Next      time.Time `json:"next,omitzero" cbor:"1,keyasint,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero" cbor:"2,keyasint,omitempty"`
	// Delay is the present distance between requests, adapted to how quickly the
	// host answers and how often it says "too many".
	Delay time.Duration `json:"delay,omitempty" cbor:"3,keyasint,omitempty"`
	// Failures counts the failed attempts in a row; from Limits.BreakerFailures on
	// the breaker is open until OpenUntil, then one probe may go. Trips counts how
	// often in a row it opened.
	Failures  int       `json:"failures,omitempty" cbor:"4,keyasint,omitempty"`
	OpenUntil time.Time `json:"open_until,omitzero" cbor:"5,keyasint,omitempty"`
	Trips     int       `json:"trips,omitempty" cbor:"6,keyasint,omitempty"`
	// Why is the last failure, for the operator.
	Why string `json:"why,omitempty" cbor:"7,keyasint,omitempty"`
}

// State keeps what must survive the process. SaveHost returns only when the state
// is on the disk: the transport calls it before a request leaves.
type State interface {
	LoadHost(domain string) (HostState, error) // the zero state for an unknown domain
	SaveHost(domain string, s HostState) error
}

// memory is a State for a process that has nothing to remember.
type memory struct{}

func (memory) LoadHost(string) (HostState, error) { return HostState{}, nil }
func (memory) SaveHost(string, HostState) error   { return nil }

// host is one registrable domain: its slot, its pace and its breaker. All hosts of
// a site share it, because they share its machines.
type host struct {
	domain string
	slot   chan struct{} // one token for each request in flight

	mu     sync.Mutex // guards the fields below
	loaded bool
	state  HostState
	last   time.Time // when the last request started, in this process
}

// registrable is the domain whose machines a host name belongs to; an address or
// a bare name stands for itself.
func registrable(name string) string {
	if d, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return d
	}
	return name
}

func (t *Transport) host(name string) (*host, error) {
	domain := registrable(name)
	t.mu.Lock()
	h := t.hosts[domain]
	if h == nil {
		h = &host{domain: domain, slot: make(chan struct{}, t.limits.PerHost)}
		t.hosts[domain] = h
	}
	t.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.loaded {
		s, err := t.state.LoadHost(domain)
		if err != nil {
			return nil, err
		}
		// A clock that was wrong once must not stop a portal for years.
		latest := t.now().Add(t.limits.RetryAfter)
		for _, at := range []*time.Time{&s.Next, &s.NotBefore, &s.OpenUntil} {
			if at.After(latest) {
				*at = latest
			}
		}
		h.state, h.loaded = s, true
	}
	return h, nil
}

// Host shows what is kept of the domain that a host name belongs to.
func (t *Transport) Host(name string) (HostState, error) {
	h, err := t.host(name)
	if err != nil {
		return HostState{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state, nil
}

// Reset closes the breaker of the domain that a host name belongs to, and forgets
// its adapted delay: the operator says that it is well again. What the host itself
// asked for (Retry-After) stays.
func (t *Transport) Reset(name string) error {
	h, err := t.host(name)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = HostState{Next: h.state.Next, NotBefore: h.state.NotBefore}
	return t.state.SaveHost(h.domain, h.state)
}

// take waits for the host's slot and its next-allowed time, and stores the time
// after which the following request may start before it returns: whoever kills
// the process afterwards can't make the next one come too early.
//
// floor is the least distance that the run and robots.txt ask for; free says that
// the host is a local one to which no more than that is owed.
func (t *Transport) take(ctx context.Context, h *host, floor time.Duration, free bool, until time.Time) (release func(), _ *Error) {
	select {
	case h.slot <- struct{}{}:
	case <-ctx.Done():
		return nil, canceled(ctx)
	}
	give := func() { <-h.slot }
	for {
		e := t.waitForTurn(ctx, h, floor, until)
		if e != nil {
			give()
			return nil, e
		}
		// The process-wide slot comes last, so that a waiting host holds none.
		select {
		case t.global <- struct{}{}:
		case <-ctx.Done():
			give()
			return nil, canceled(ctx)
		}
		h.mu.Lock()
		now := t.now()
		if h.start(floor).After(now) { // it changed while this request queued
			h.mu.Unlock()
			<-t.global
			continue
		}
		delay := floor
		if !free {
			delay = max(t.limits.Delay, floor, h.state.Delay)
		}
		if delay > 0 {
			// ±50 %, but never below what robots.txt or the definition states.
			jittered := delay + time.Duration((t.random()-0.5)*float64(delay))
			h.state.Next = now.Add(max(jittered, floor))
			if err := t.state.SaveHost(h.domain, h.state); err != nil {
				h.mu.Unlock()
				<-t.global
				give()
				return nil, &Error{Outcome: cashback.FetchRefused, Host: true, Reason: "the host's next-allowed time can't be stored, so nothing is sent", Err: err}
			}
		}
		h.last = now
		h.mu.Unlock()
		return func() { <-t.global; give() }, nil
	}
}

// waitForTurn returns when the host may be asked, or with the reason why this run
// won't ask it.
func (t *Transport) waitForTurn(ctx context.Context, h *host, floor time.Duration, until time.Time) *Error {
	for {
		h.mu.Lock()
		now := t.now()
		e := h.open(now) // it may have opened while this request queued
		start := h.start(floor)
		asked := h.state.NotBefore.Sub(now) > t.limits.MaxWait
		h.mu.Unlock()
		switch {
		case e != nil:
			return e
		case !start.After(now):
			return nil
		case asked:
			return &Error{Outcome: cashback.FetchThrottled, Host: true, RetryAt: start, Reason: "the host asked to be left alone until " + start.UTC().Format(time.RFC3339)}
		case !until.IsZero() && start.After(until):
			return &Error{Outcome: cashback.FetchPostponed, Budget: "wall_time", RetryAt: start, Reason: "the run's time ends before the host may be asked again"}
		}
		if err := t.wait(ctx, start.Sub(now)); err != nil {
			return canceled(ctx)
		}
	}
}

// start is when a request may start whose own least distance is floor: the one
// before may have been sent, as robots.txt itself is, when less was known.
func (h *host) start(floor time.Duration) time.Time {
	at := later(h.state.Next, h.state.NotBefore)
	if !h.last.IsZero() {
		at = later(at, h.last.Add(floor))
	}
	return at
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// open says why nothing may be sent: the breaker is open. From OpenUntil on one
// probe may go; the slot keeps it single.
func (h *host) open(now time.Time) *Error {
	if h.state.OpenUntil.After(now) {
		return &Error{Outcome: cashback.FetchPostponed, Host: true, RetryAt: h.state.OpenUntil, Reason: "the host failed too often in a row (" + h.state.Why + "); it is left alone until " + h.state.OpenUntil.UTC().Format(time.RFC3339)}
	}
	return nil
}

// succeed and fail keep the breaker and the pace. They store the state only when
// something changed that a restart must not forget.
func (t *Transport) succeed(h *host, latency time.Duration, ok, free bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := h.state.Failures > 0 || h.state.Trips > 0
	h.state.Failures, h.state.Trips, h.state.OpenUntil, h.state.Why = 0, 0, time.Time{}, ""
	if !free {
		h.adapt(latency, ok, &t.limits)
	}
	if !changed {
		return nil
	}
	return t.state.SaveHost(h.domain, h.state)
}

// adapt is Scrapy's AutoThrottle for one request in flight: the delay follows the
// latency by halves, only good answers may shorten it.
func (h *host) adapt(latency time.Duration, ok bool, l *Limits) {
	old := max(h.state.Delay, l.Delay)
	next := max((old+latency)/2, latency)
	if !ok {
		next = max(next, old)
	}
	h.state.Delay = min(max(next, l.Delay), l.MaxDelay)
}

// fail records a failed attempt. retryAfter is what the host asked for; trip opens
// the breaker at once.
func (t *Transport) fail(h *host, why string, retryAfter time.Duration, slower, trip bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := t.now()
	h.state.Failures++
	h.state.Why = why
	if slower { // 429 and 503: half the rate, recovered slowly by adapt
		h.state.Delay = min(2*max(h.state.Delay, t.limits.Delay), t.limits.MaxDelay)
	}
	if retryAfter > 0 {
		h.state.NotBefore = later(h.state.NotBefore, now.Add(retryAfter))
	}
	if trip || h.state.Failures >= t.limits.BreakerFailures {
		h.state.Trips++
		cool := t.limits.BreakerCool << min(h.state.Trips-1, 16)
		if cool <= 0 || cool > t.limits.RetryAfter {
			cool = t.limits.RetryAfter
		}
		h.state.OpenUntil = now.Add(cool)
		// The probe after it has one try: a failure opens the breaker again.
		h.state.Failures = t.limits.BreakerFailures - 1
	}
	return t.state.SaveHost(h.domain, h.state)
}
