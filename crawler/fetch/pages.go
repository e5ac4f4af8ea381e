package fetch

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Stored is a page as it was read, with what the host said about its validity.
type Stored struct {
	URL          string
	ETag         string // verbatim, weak or strong
	LastModified string // verbatim
	ContentType  string
	Version      string // of the definition that read it
	Body         []byte // decoded
	ReadAt       time.Time
	// FreshUntil is how long the host said that it stays as it is; zero for nothing
	// said.
	FreshUntil time.Time
}

// Pages keeps pages for conditional requests. It is a cache: what it lost is asked
// for anew.
type Pages interface {
	LoadPage(portal, key string) (Stored, bool, error)
	SavePage(portal, key string, s Stored) error
}

// maxFresh bounds what a host may say about the future of a page: above a day a
// rate must be looked at again whatever it promised.
const maxFresh = 24 * time.Hour

// freshUntil reads Cache-Control and Expires; store says whether the page may be
// kept at all.
func freshUntil(h http.Header, now time.Time) (until time.Time, store bool) {
	store = true
	explicit := false
	for _, directive := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store":
			return time.Time{}, false
		case "no-cache":
			until, explicit = time.Time{}, true
		case "max-age":
			if s, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 64); err == nil && s >= 0 && !explicit {
				until = now.Add(min(time.Duration(min(s, int64(maxFresh/time.Second)))*time.Second, maxFresh))
				explicit = true
			}
		}
	}
	if strings.Contains(h.Get("Vary"), "*") {
		return time.Time{}, false
	}
	if !explicit && h.Get("Expires") != "" {
		if at, err := http.ParseTime(h.Get("Expires")); err == nil && at.After(now) {
			until = at
			if latest := now.Add(maxFresh); until.After(latest) {
				until = latest
			}
		}
	}
	return until, store
}

// retryAfter reads a Retry-After header, seconds or date; 0 for none or nonsense.
func retryAfter(h http.Header, now time.Time, most time.Duration) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		if len(value) > 9 {
			return most
		}
		s, err := strconv.Atoi(value)
		if err != nil {
			return 0
		}
		return min(time.Duration(s)*time.Second, most)
	}
	at, err := http.ParseTime(value)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), most)
}
