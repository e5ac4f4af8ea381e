// Package fetch is the only way to the network.
//
// Its one invariant: no byte leaves for a portal's host unless the address, the
// robots verdict, the breaker and the host's next-allowed time all agree, for
// every hop of every redirect and for robots.txt itself. What comes back is
// whole, decoded and within its limit, or it is a typed error; nothing is cut.
//
// A run opens a Session; a Session is an http.RoundTripper. Its chain is the one
// of CRAWLING.md, section 1: budget, URL and host policy, robots, breaker,
// validators, then the retry loop around slot, deadline, dial guard and decoding.
package fetch

import (
	"net/http"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Session carries one run's requests. It is safe for concurrent use.
type Session interface {
	http.RoundTripper
	// Counts says what has gone over the wire so far.
	Counts() Counts
}

// Policy is what one run may do.
type Policy struct {
	Portal string
	// Hosts are the only hosts of the run, exactly: "www.exemple.test", with a port
	// only where it isn't the scheme's own.
	Hosts []string
	// Delay is the portal's own least time between two requests; it can only make
	// the transport's slower.
	Delay time.Duration
	// Language is sent as Accept-Language, so that a portal answers each run alike.
	Language string
	// MaxBody is the most that a decoded page may have, in bytes; 0 for the
	// transport's default.
	MaxBody int64
	// Version is the definition's: stored validators of another version are not
	// used, because the old extraction may have missed what the page already had.
	Version string
	// Force asks for every page anew, whatever is stored.
	Force bool
	// Requests, Bytes and Until bound the run: requests sent, bytes received, and
	// the moment after which nothing is sent. Zero means unbounded.
	Requests int
	Bytes    int64
	Until    time.Time
}

// Counts are a session's counters, for the run report.
type Counts struct {
	// Requests that left, robots.txt, redirect hops and retries included.
	Requests     int
	Bytes        int64 // as received, before decoding
	NotModified  int
	Retries      int
	RobotsDenied int
	// RetryAt is the earliest moment at which a host wants to be asked again.
	RetryAt time.Time
	// Moved are permanent redirects seen, "old -> new", for the operator.
	Moved []string
	// Notes are what the operator should know: a content type that contradicts the
	// bytes, cookies refused.
	Notes []string
	// Failures counts attempts by outcome, also those that a retry mended.
	Failures map[cashback.Outcome]int
}

// The headers that a session adds to its answers. What a server sends under these
// names is dropped.
const (
	// HeaderReadAt is when the bytes were really read from the portal (RFC 3339):
	// earlier than now for a page that a 304 confirmed or that replay answers.
	HeaderReadAt = "Cagnotte-Read-At"
	// HeaderFrom is "network", "not-modified" (a 304 confirmed the stored body),
	// "fresh" (the portal had said that it wouldn't change yet) or "replay".
	HeaderFrom = "Cagnotte-From"
)
