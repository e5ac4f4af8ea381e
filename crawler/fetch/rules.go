package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// robotsEntry is what is known of one host's robots.txt.
type robotsEntry struct {
	busy chan struct{} // closed when the request in flight has ended; nil for none

	rules    *Robots // nil before it could be read
	readAt   time.Time
	until    time.Time // ask again then
	failures int
	why      string // why it couldn't be read the last time
	refused  bool   // … which is that our own policy forbids to connect
}

// rules returns the host's verdicts, asking for its robots.txt where there are
// none or they are too old; of many who need them only one asks.
func (s *session) rules(ctx context.Context, u *url.URL) (*Robots, *Error) {
	key := u.Scheme + "://" + canonicalHost(u)
	for {
		s.Transport.mu.Lock()
		e := s.robots[key]
		if e == nil {
			e = &robotsEntry{}
			s.robots[key] = e
		}
		now := s.now()
		if now.Before(e.until) {
			defer s.Transport.mu.Unlock()
			return e.verdict(now, s.limits)
		}
		if e.busy == nil {
			e.busy = make(chan struct{})
			s.Transport.mu.Unlock()
			return s.ask(ctx, u, e)
		}
		busy := e.busy
		s.Transport.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, canceled(ctx)
		}
	}
}

// verdict says what holds while nothing is asked. The caller holds the lock.
func (e *robotsEntry) verdict(now time.Time, l Limits) (*Robots, *Error) {
	if e.rules != nil && (e.failures == 0 || now.Sub(e.readAt) < l.RobotsTTL+l.RobotsStale) {
		return e.rules, nil
	}
	outcome := cashback.FetchRobotsDenied
	if e.refused {
		outcome = cashback.FetchRefused
	}
	return nil, &Error{Outcome: outcome, Host: true, RetryAt: e.until, Reason: "robots.txt can't be read (" + e.why + "): nothing is asked for before " + e.until.UTC().Format(time.RFC3339)}
}

// ask reads robots.txt and settles the entry.
func (s *session) ask(ctx context.Context, u *url.URL, e *robotsEntry) (*Robots, *Error) {
	rules, ttl, failure := s.readRobots(ctx, u)
	now := s.now()
	s.Transport.mu.Lock()
	defer s.Transport.mu.Unlock()
	close(e.busy)
	e.busy = nil
	if failure == nil {
		*e = robotsEntry{rules: rules, readAt: now, until: now.Add(ttl)}
		return rules, nil
	}
	// What stopped only this run says nothing about the host.
	if failure.Budget != "" {
		return nil, failure
	}
	e.failures++
	e.why, e.refused = failure.Reason, failure.Outcome == cashback.FetchRefused
	back := min(s.limits.RobotsBack<<min(e.failures-1, 16), s.limits.RobotsTTL)
	e.until = later(now.Add(back), failure.RetryAt)
	if failure.Outcome == cashback.PageBlocked || failure.Outcome == cashback.FetchPostponed || failure.Outcome == cashback.FetchThrottled {
		if e.rules == nil {
			return nil, failure
		}
	}
	return e.verdict(now, s.limits)
}

// readRobots asks for robots.txt and follows its redirects, each hop through the
// policy, the slot and the dial guard; only robots.txt itself needs no verdict.
// RFC 9309, 2.3.1: 2xx is parsed, 4xx means that there are no rules, all else that
// nothing may be asked for. A 429 is no "there are none" but a "not now".
func (s *session) readRobots(ctx context.Context, u *url.URL) (*Robots, time.Duration, *Error) {
	target := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/robots.txt"}
	for hop := 0; ; hop++ {
		if e := checkURL(target, s.policy.Hosts, s.local); e != nil {
			e.Reason = "its robots.txt leads away: " + e.Reason
			return nil, 0, e
		}
		if e := s.budget(); e != nil {
			return nil, 0, e
		}
		req, err := http.NewRequestWithContext(context.WithValue(ctx, robotsKey{}, true), http.MethodGet, target.String(), nil)
		if err != nil {
			return nil, 0, refused(withoutQuery(target), "robots.txt leads to an address that can't be asked for")
		}
		resp, e := s.retried(req, 0, false)
		if e != nil {
			return nil, 0, e
		}
		switch status := resp.StatusCode; {
		case status/100 == 2:
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return nil, 0, &Error{Outcome: cashback.FetchTruncated, Reason: "robots.txt broke off", Err: err}
			}
			ttl := s.limits.RobotsTTL
			// A shorter life that the host itself states is honoured, so that a "no" is
			// noticed; not below a minute, or each page would cost two requests.
			if until, _ := freshUntil(resp.Header, s.now()); !until.IsZero() {
				ttl = min(ttl, max(until.Sub(s.now()), min(time.Minute, ttl)))
			}
			return ParseRobots(body, Product), ttl, nil
		case status/100 == 3:
			next, err := resp.Location()
			if err != nil {
				return nil, 0, &Error{Outcome: cashback.FetchUpstream, Reason: "its robots.txt redirects to nowhere", Err: errors.Unwrap(err)}
			}
			if hop >= s.limits.Redirects {
				return nil, 0, refused("", "its robots.txt redirects more than %d times", s.limits.Redirects)
			}
			if target.Scheme == "https" && next.Scheme != "https" {
				return nil, 0, refused("", "its robots.txt redirects from https to %s", short(next.Scheme))
			}
			target = next
		case status/100 == 4:
			return &Robots{}, s.limits.RobotsTTL, nil
		default:
			return nil, 0, &Error{Outcome: cashback.FetchUpstream, Status: status, Reason: "robots.txt answered strangely"}
		}
	}
}

// robotsKey marks a request for robots.txt in its context: its body may be cut at
// 500 KiB, which RFC 9309 asks for, and may have any content type.
type robotsKey struct{}
