package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Open begins a run. It refuses a policy without hosts, and hosts that aren't on
// this machine while nobody can be reached about us.
func (t *Transport) Open(p Policy) (Session, error) {
	if len(p.Hosts) == 0 {
		return nil, cashback.Errorf(cashback.Invalid, "%s: a run needs the portal's hosts", p.Portal)
	}
	for _, h := range p.Hosts {
		if t.contact == "" && !t.isLocal(h) {
			return nil, cashback.Errorf(cashback.Invalid, "%s: %s can't be crawled before a contact is set: portals must be able to reach you (--contact, a URL or a mail address)", p.Portal, strings.TrimPrefix(h, "http://"))
		}
	}
	if p.MaxBody <= 0 {
		p.MaxBody = t.limits.Body
	}
	p.MaxBody = min(p.MaxBody, t.limits.BodyMost)
	return &session{Transport: t, policy: p, cookies: newJar(), failures: make(map[cashback.Outcome]int)}, nil
}

func (t *Transport) isLocal(host string) bool {
	u := url.URL{Host: strings.TrimPrefix(host, "http://")}
	return t.local(u.Hostname())
}

type session struct {
	*Transport
	policy  Policy
	cookies *jar

	mu       sync.Mutex // guards the fields below
	counts   Counts
	failures map[cashback.Outcome]int
}

func (s *session) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Moved, c.Notes = slices.Clone(c.Moved), slices.Clone(c.Notes)
	c.Failures = maps.Clone(s.failures)
	return c
}

// RoundTrip sends one request, or one hop of a redirect, through the whole chain.
// The answer's body is whole and decoded. Answers that don't carry a page are
// errors; other 4xx are answers, because "not found" is something that a portal
// says.
func (s *session) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, e := s.hop(req)
	if e == nil {
		return resp, nil
	}
	if e.URL == "" {
		e.URL = withoutQuery(req.URL)
	}
	s.mu.Lock()
	if e.Outcome == cashback.FetchRobotsDenied {
		s.counts.RobotsDenied++
	}
	if e.RetryAt.After(s.counts.RetryAt) {
		s.counts.RetryAt = e.RetryAt
	}
	s.mu.Unlock()
	s.log.LogAttrs(req.Context(), slogLevel(e), "fetch", attrs(s.policy.Portal, e)...)
	return nil, e
}

func (s *session) hop(req *http.Request) (*http.Response, *Error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil, refused("", "only GET and HEAD are sent")
	}
	if e := s.budget(); e != nil {
		return nil, e
	}
	if e := s.redirected(req); e != nil {
		return nil, e
	}
	if e := checkURL(req.URL, s.policy.Hosts, s.local); e != nil {
		return nil, e
	}
	rules, e := s.rules(req.Context(), req.URL)
	if e != nil {
		return nil, e
	}
	if !rules.Allows(req.URL) {
		return nil, &Error{Outcome: cashback.FetchRobotsDenied, Reason: "the portal's robots.txt forbids it"}
	}
	if e := s.postponed(req); e != nil {
		return nil, e
	}
	return s.validated(req, rules.Delay)
}

// postponed says whether the host's breaker is open, before anything is looked up
// for a host that won't be asked.
func (s *session) postponed(req *http.Request) *Error {
	h, e := s.owed(req)
	if e != nil {
		return e
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open(s.now())
}

// owed finds the request's host with what is owed to it.
func (s *session) owed(req *http.Request) (*host, *Error) {
	h, err := s.host(strings.ToLower(req.URL.Hostname()))
	if err != nil {
		return nil, &Error{Outcome: cashback.FetchRefused, Reason: "what is owed to the host can't be read, so nothing is sent", Err: err}
	}
	return h, nil
}

// budget is the run's own bound; it also stops a redirect or a retry.
func (s *session) budget() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := func(what, say string) *Error {
		return &Error{Outcome: cashback.FetchPostponed, Budget: what, Reason: say}
	}
	switch {
	case s.policy.Requests > 0 && s.counts.Requests >= s.policy.Requests:
		return over("pages", fmt.Sprintf("the run has sent its %d requests", s.policy.Requests))
	case s.policy.Bytes > 0 && s.counts.Bytes >= s.policy.Bytes:
		return over("bytes", fmt.Sprintf("the run has read its %d bytes", s.policy.Bytes))
	case !s.policy.Until.IsZero() && !s.now().Before(s.policy.Until):
		return over("wall_time", "the run's time has ended")
	}
	return nil
}

// redirected judges the chain of redirects that led here: net/http hands it along,
// so no client above can lose the rule.
func (s *session) redirected(req *http.Request) *Error {
	hops := 0
	for r := req; r.Response != nil; r = r.Response.Request {
		from := r.Response.Request
		if hops++; hops > s.limits.Redirects {
			return refused("", "more than %d redirects in a row", s.limits.Redirects)
		}
		if from == nil || from.URL == nil {
			break
		}
		if from.URL.Scheme == "https" && r.URL.Scheme != "https" {
			return refused("", "a redirect from https to %s", short(r.URL.Scheme))
		}
	}
	if hops > 0 {
		status, from := req.Response.StatusCode, req.Response.Request
		if (status == http.StatusMovedPermanently || status == http.StatusPermanentRedirect) && from != nil {
			s.mu.Lock()
			const most = 20
			if len(s.counts.Moved) < most {
				s.counts.Moved = append(s.counts.Moved, withoutQuery(from.URL)+" -> "+withoutQuery(req.URL))
			}
			s.mu.Unlock()
		}
	}
	return nil
}

// validated asks only whether a stored page has changed.
func (s *session) validated(req *http.Request, floor time.Duration) (*http.Response, *Error) {
	var stored Stored
	var have bool
	key := Canonical(req.URL)
	if asked := req.Header.Get("X-Requested-With"); asked != "" {
		key += "\nX-Requested-With: " + asked // a fragment is another answer than the page around it
	}
	if s.pages != nil && !s.policy.Force && req.Method == http.MethodGet {
		var err error
		if stored, have, err = s.pages.LoadPage(s.policy.Portal, key); err != nil {
			s.note("a stored page can't be read and is asked for anew: " + short(err.Error()))
			have = false
		}
		// Another definition would have read it otherwise.
		have = have && stored.Version == s.policy.Version
	}
	if have && stored.FreshUntil.After(s.now()) {
		return stored.answer(req, "fresh", stored.ReadAt), nil
	}
	send := req.Clone(req.Context())
	if have {
		if stored.ETag != "" {
			send.Header.Set("If-None-Match", stored.ETag)
		}
		if stored.LastModified != "" {
			send.Header.Set("If-Modified-Since", stored.LastModified)
		}
	}
	resp, e := s.retried(send, floor, have && (stored.ETag != "" || stored.LastModified != ""))
	if e != nil {
		return nil, e
	}
	now := s.now()
	resp.Request = req
	if resp.StatusCode == http.StatusNotModified {
		s.mu.Lock()
		s.counts.NotModified++
		s.mu.Unlock()
		// RFC 9111, 3.2: the 304's own headers replace the stored ones.
		if v := resp.Header.Get("ETag"); v != "" {
			stored.ETag = v
		}
		if v := resp.Header.Get("Last-Modified"); v != "" {
			stored.LastModified = v
		}
		stored.ReadAt = now
		stored.FreshUntil, _ = freshUntil(resp.Header, now)
		s.save(key, stored)
		return stored.answer(req, "not-modified", now), nil
	}
	if resp.StatusCode == http.StatusOK && s.pages != nil && req.Method == http.MethodGet {
		fresh, store := freshUntil(resp.Header, now)
		// A page that opens a session must be asked for again by the next one.
		store = store && !resp.Body.(*wholeBody).session
		etag, modified := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
		if store && (etag != "" || modified != "" || fresh.After(now)) {
			s.save(key, Stored{URL: Canonical(req.URL), ETag: etag, LastModified: modified, ContentType: resp.Header.Get("Content-Type"),
				Version: s.policy.Version, Body: resp.Body.(*wholeBody).bytes, ReadAt: now, FreshUntil: fresh})
		}
	}
	return resp, nil
}

func (s *session) save(key string, p Stored) {
	if err := s.pages.SavePage(s.policy.Portal, key, p); err != nil {
		s.note("a page can't be kept for conditional requests: " + short(err.Error()))
	}
}

func (p Stored) answer(req *http.Request, from string, readAt time.Time) *http.Response {
	h := http.Header{"Content-Type": {p.ContentType}}
	h.Set(HeaderReadAt, readAt.UTC().Format(time.RFC3339))
	h.Set(HeaderFrom, from)
	return answer(req, http.StatusOK, h, p.Body)
}

// note adds a sentence for the operator, a bounded number of them, each once.
func (s *session) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const most = 20
	if len(s.counts.Notes) < most && !slices.Contains(s.counts.Notes, text) {
		s.counts.Notes = append(s.counts.Notes, text)
	}
}

// retried is the retry loop. Each try waits for the host's slot again and counts
// in its breaker.
func (s *session) retried(req *http.Request, floor time.Duration, conditional bool) (*http.Response, *Error) {
	var last *Error
	for try := 1; ; try++ {
		resp, e := s.try(req, floor, conditional)
		if e == nil {
			return resp, nil
		}
		if last != nil && e.Outcome == cashback.FetchPostponed && e.Host {
			// The breaker opened on the last try: what happened says more than that.
			last.Host, last.RetryAt = true, e.RetryAt
			return nil, last
		}
		last = e
		if e.RetryAt.Sub(s.now()) > s.limits.MaxWait {
			e.Host = true // it won't be asked in this run
			return nil, e
		}
		if try >= s.limits.Tries || !retryable(e) || !s.mayRetry() {
			return nil, e
		}
		// Full jitter: all of the backoff is random, so that many clients of a host that
		// recovers don't come back together.
		back := min(s.limits.Backoff<<(try-1), s.limits.MostBack)
		if err := s.wait(req.Context(), time.Duration(s.random()*float64(back))); err != nil {
			return nil, canceled(req.Context())
		}
		if s.budget() != nil {
			return nil, e // what went wrong says more than that the time is over
		}
	}
}

func (s *session) mayRetry() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts.Retries >= s.limits.RetryFree && s.counts.Retries*100 >= s.counts.Requests*s.limits.RetryShare {
		return false
	}
	s.counts.Retries++
	return true
}

// retryable: what may be gone a moment later. A 4xx is the host's word, but for
// the three that mean "later".
func retryable(e *Error) bool {
	switch e.Status {
	case 408, 425, 429, 500, 502, 503, 504, 522, 524:
		return e.Outcome == cashback.FetchUpstream || e.Outcome == cashback.FetchThrottled
	case 0, http.StatusOK:
		return e.Outcome == cashback.FetchTimeout || e.Outcome == cashback.FetchUnreachable || e.Outcome == cashback.FetchTruncated
	}
	return false
}

// try is one attempt: slot, deadline, dial guard, decoding.
func (s *session) try(req *http.Request, floor time.Duration, conditional bool) (*http.Response, *Error) {
	ctx := req.Context()
	h, e := s.owed(req)
	if e != nil {
		return nil, e
	}
	free := s.free(req.URL.Hostname())
	release, e := s.take(ctx, h, max(floor, s.policy.Delay), free, s.policy.Until)
	if e != nil {
		return nil, e
	}
	s.mu.Lock()
	s.counts.Requests++
	s.mu.Unlock()
	began := s.now()
	resp, raw, e := s.exchange(req, conditional)
	release()
	took := s.now().Sub(began)
	s.mu.Lock()
	s.counts.Bytes += raw
	if e != nil {
		s.failures[e.Outcome]++
	}
	s.mu.Unlock()
	return resp, s.settle(ctx, h, resp, e, took, free)
}

// settle tells the host's breaker and pace how an attempt went.
func (s *session) settle(ctx context.Context, h *host, resp *http.Response, e *Error, took time.Duration, free bool) *Error {
	if e != nil && ctx.Err() != nil && e.Outcome != cashback.PageBlocked {
		return canceled(ctx) // not the host's fault
	}
	var err error
	switch {
	case e == nil:
		err = s.succeed(h, took, resp.StatusCode == http.StatusOK, free)
	case e.Outcome == cashback.PageBlocked:
		err = s.fail(h, e.Reason, 0, false, true)
	case e.Outcome == cashback.FetchThrottled, e.Outcome == cashback.FetchUpstream, e.Outcome == cashback.FetchTimeout, e.Outcome == cashback.FetchUnreachable, e.Outcome == cashback.FetchTruncated:
		wait := time.Duration(0)
		if !e.RetryAt.IsZero() {
			wait = e.RetryAt.Sub(s.now())
		}
		err = s.fail(h, e.Reason, wait, e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable, false)
	}
	if err != nil {
		return &Error{Outcome: cashback.FetchRefused, Host: true, Reason: "what the host said can't be stored, so it isn't asked again", Err: err}
	}
	return e
}

// exchange sends and reads, under the wall-clock limit and the least throughput.
func (s *session) exchange(req *http.Request, conditional bool) (_ *http.Response, raw int64, _ *Error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	wall := time.AfterFunc(s.limits.Wall, func() { cancel(errWallTimeout) })
	defer wall.Stop()
	robots, _ := req.Context().Value(robotsKey{}).(bool)
	var conn *wire
	informal := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { conn, _ = i.Conn.(*wire) },
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			const most = 5 // what net/http itself once allowed
			if informal++; informal > most {
				return errInformal
			}
			return nil
		},
	})
	send := req.Clone(ctx)
	// With a body that can't be had twice, net/http doesn't send a request again by
	// itself when a kept connection has broken: that would be one without a slot.
	send.Body, send.GetBody, send.ContentLength = noBody{}, nil, 0
	s.dress(send)
	resp, err := s.wire.RoundTrip(send)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = errors.Join(err, cause)
		}
		o, reason := outcomeOf(err)
		return nil, 0, &Error{Outcome: o, Reason: reason, Err: err}
	}
	defer resp.Body.Close()
	if s.cookies.take(req.URL, resp.Header) {
		s.note(withoutQuery(req.URL) + ": cookies were refused, they are too large or too many")
	}
	session := len(resp.Header["Set-Cookie"]) > 0
	for name := range resp.Header {
		if strings.HasPrefix(name, "Cagnotte-") {
			resp.Header.Del(name)
		}
	}
	if e := challenge(resp.StatusCode, resp.Header, nil); e != nil {
		return nil, 0, e
	}
	var body []byte
	bodyless := req.Method == http.MethodHead || resp.StatusCode == http.StatusNotModified || resp.StatusCode/100 == 3
	if !bodyless {
		rate := s.watchRate(cancel, resp)
		var e *Error
		if robots {
			body, raw, e = readBody(resp, maxRobots, true, &s.limits)
		} else {
			body, raw, e = readBody(resp, s.policy.MaxBody, false, &s.limits)
		}
		rate.stop()
		if e == nil && !robots && isFile(req.URL, body) {
			if body, e = unpacked(resp, body, s.policy.MaxBody, &s.limits); e == nil {
				resp.Header.Set("Content-Type", "application/xml")
			}
		}
		if e == nil && !robots && resp.ContentLength >= 0 && conn != nil && conn.longer() {
			e = &Error{Outcome: cashback.FetchTruncated, Reason: fmt.Sprintf("more came than the %d bytes that the page says it has", resp.ContentLength)}
		}
		if e != nil {
			if cause := context.Cause(ctx); cause != nil {
				o, reason := outcomeOf(cause)
				e = &Error{Outcome: o, Reason: reason, Err: cause}
			}
			e.Status = resp.StatusCode
			return nil, raw, e
		}
	}
	now := s.now()
	if e := challenge(resp.StatusCode, resp.Header, body); e != nil {
		return nil, raw, e
	}
	if e := s.statusError(resp, conditional, now); e != nil {
		return nil, raw, e
	}
	if resp.StatusCode == http.StatusOK && !bodyless && !robots {
		reason, note := checkType(resp.Header.Get("Content-Type"), body)
		if note != "" {
			s.note(withoutQuery(req.URL) + ": " + note)
		}
		if reason != "" {
			return nil, raw, &Error{Outcome: cashback.FetchWrongType, Status: resp.StatusCode, Reason: reason}
		}
	}
	header := resp.Header.Clone()
	header.Del("Content-Encoding")
	header.Del("Content-Length")
	header.Del("Set-Cookie")
	header.Set(HeaderReadAt, now.UTC().Format(time.RFC3339))
	header.Set(HeaderFrom, "network")
	out := answer(req, resp.StatusCode, header, body)
	out.Body.(*wholeBody).session = session
	return out, raw, nil
}

// noBody is an empty body that isn't http.NoBody.
type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noBody) Close() error             { return nil }

// dress gives a request what we say about ourselves, whatever the caller set.
func (s *session) dress(req *http.Request) {
	h := req.Header
	for _, name := range []string{"Authorization", "Proxy-Authorization", "From", "Forwarded", "X-Forwarded-For", "Cookie"} {
		h.Del(name)
	}
	s.cookies.give(req.URL, h)
	h.Set("User-Agent", s.agent)
	h.Set("Accept-Encoding", acceptEncoding)
	if h.Get("Accept") == "" || h.Get("Accept") == "*/*" {
		h.Set("Accept", "text/html,application/xhtml+xml,application/json;q=0.9,application/xml;q=0.8,*/*;q=0.1")
	}
	if s.policy.Language != "" && h.Get("Accept-Language") == "" {
		h.Set("Accept-Language", s.policy.Language)
	}
	req.Host = ""
}

// statusError makes errors of the answers that hold no page and that the portal
// doesn't mean as one.
func (s *session) statusError(resp *http.Response, conditional bool, now time.Time) *Error {
	status := resp.StatusCode
	again := retryAfter(resp.Header, now, s.limits.RetryAfter)
	at := time.Time{}
	if again > 0 {
		at = now.Add(again)
	}
	switch {
	case status == http.StatusTooManyRequests:
		return &Error{Outcome: cashback.FetchThrottled, Status: status, RetryAt: at, Reason: "the host says that we ask too often (429)"}
	case status == http.StatusServiceUnavailable && again > 0:
		return &Error{Outcome: cashback.FetchThrottled, Status: status, RetryAt: at, Reason: "the host asks us to come back later (503)"}
	case status == http.StatusNotModified && !conditional:
		return &Error{Outcome: cashback.FetchUpstream, Status: status, Reason: "the host says that a page hasn't changed which it was asked for anew (304)"}
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return &Error{Outcome: cashback.FetchUpstream, Status: status, Reason: fmt.Sprintf("the host answered %d", status)}
	case status == http.StatusPartialContent:
		return &Error{Outcome: cashback.FetchTruncated, Status: status, Reason: "the host sent a part of the page (206)"}
	case status < 200:
		return &Error{Outcome: cashback.FetchUpstream, Status: status, Reason: fmt.Sprintf("the host answered %d", status)}
	}
	return nil
}

// watchRate ends an answer that comes too slowly: each window must bring its
// bytes.
func (s *session) watchRate(cancel context.CancelCauseFunc, resp *http.Response) *rateWatch {
	w := &rateWatch{body: resp.Body, cancel: cancel, least: int64(float64(s.limits.MinRate) * s.limits.RateWindow.Seconds()), window: s.limits.RateWindow}
	w.mu.Lock()
	w.timer = time.AfterFunc(w.window, w.check)
	w.mu.Unlock()
	resp.Body = w
	return w
}

type rateWatch struct {
	body   interface{ Read([]byte) (int, error) }
	cancel context.CancelCauseFunc
	least  int64
	window time.Duration

	mu    sync.Mutex // guards the fields below
	timer *time.Timer
	n     int64
	done  bool
}

func (w *rateWatch) Read(b []byte) (int, error) {
	n, err := w.body.Read(b)
	w.mu.Lock()
	w.n += int64(n)
	w.mu.Unlock()
	return n, err
}

// Close is for the type only: exchange closes the real body.
func (w *rateWatch) Close() error { return nil }

func (w *rateWatch) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.done:
	case w.n < w.least:
		w.cancel(errTooSlow)
	default:
		w.n = 0
		w.timer.Reset(w.window)
	}
}

func (w *rateWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	w.timer.Stop()
}
