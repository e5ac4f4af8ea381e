package fetch

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"

	"golang.org/x/net/publicsuffix"
)

const (
	// maxCookies and maxCookie bound what a portal may make a run carry: what RFC
	// 6265, 6.1 asks of a client at the least, and no more.
	maxCookies = 50
	maxCookie  = 4 << 10
)

// jar holds one run's cookies: some portals answer their lists only to a session
// that has seen another page before. It is thrown away with the run, and nobody
// but the portal puts anything into it.
type jar struct {
	mu   sync.Mutex // guards the fields below
	kept map[string]bool
	jar  *cookiejar.Jar
}

func newJar() *jar {
	// New only fails for options that it doesn't know.
	j, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	return &jar{kept: make(map[string]bool), jar: j}
}

// take moves the cookies of an answer into the jar and reports whether some were
// too large or too many.
func (j *jar) take(u *url.URL, h http.Header) (refused bool) {
	if len(h["Set-Cookie"]) == 0 {
		return false
	}
	var fit []*http.Cookie
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range (&http.Response{Header: h}).Cookies() {
		key := c.Domain + "\n" + c.Path + "\n" + c.Name
		switch {
		case len(c.Name)+len(c.Value) > maxCookie, !j.kept[key] && len(j.kept) >= maxCookies:
			refused = true
		default:
			j.kept[key] = true
			fit = append(fit, c)
		}
	}
	j.jar.SetCookies(u, fit)
	return refused
}

// give adds the run's cookies for u to a request.
func (j *jar) give(u *url.URL, h http.Header) {
	j.mu.Lock()
	cookies := j.jar.Cookies(u)
	j.mu.Unlock()
	req := http.Request{Header: h}
	for _, c := range cookies {
		req.AddCookie(c)
	}
}
