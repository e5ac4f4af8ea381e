package crawler

import (
	"context"
	"net/http"
	"time"

	"github.com/gocolly/colly/v2"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// collector makes the run's colly. Colly builds the requests, follows redirects and
// hands back what came; everything that must be polite or safe is the session's.
//
// Every field is set after NewCollector, because COLLY_* variables of the
// environment beat its options (TestCollyEnvironment).
func collector(ctx context.Context, s *past) *colly.Collector {
	c := colly.NewCollector()
	c.Context = ctx
	c.UserAgent, c.Headers = "", nil // the session says who we are
	c.AllowedDomains, c.DisallowedDomains, c.URLFilters, c.DisallowedURLFilters = nil, nil, nil, nil
	c.IgnoreRobotsTxt = true // its own reading of robots.txt allows what can't be read
	c.AllowURLRevisit = true // the frontier knows what was read, and what wasn't
	c.MaxBodySize = 0        // it would cut: the session refuses
	c.MaxDepth, c.MaxRequests = 0, 0
	c.CacheDir, c.CacheExpiration = "", 0
	c.ParseHTTPErrorResponse = true // "not found" is something that a site says
	c.Async, c.DetectCharset, c.CheckHead, c.TraceHTTP = false, false, false, false
	c.SetRequestTimeout(0) // it would count the wait for the host's turn
	c.DisableCookies()     // the session has its own, bounded
	c.WithTransport(s)
	// The session counts the hops and judges each.
	c.SetRedirectHandler(func(*http.Request, []*http.Request) error { return nil })
	return c
}

// past carries an answer past colly, which would copy the body, and recode it by its
// content type: colly gets the headers, OnResponse the body from here.
type past struct {
	fetch.Session
	body        []byte
	contentType string
}

func (p *past) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.Session.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	p.body, p.contentType = fetch.Body(resp), resp.Header.Get("Content-Type")
	resp.Body, resp.ContentLength = http.NoBody, 0
	return resp, nil
}

// fetched is what became of one request.
type fetched struct {
	page portal.Page
	err  *fetch.Error // nil where there is a page
}

// visit asks for a page through colly.
func (w *walker) visit(ctx context.Context, r portal.Request) (out fetched, err error) {
	header := make(http.Header, len(r.Header))
	for k, v := range r.Header {
		header.Set(k, v)
	}
	w.answered = func(resp *colly.Response) {
		out.page = portal.Page{
			Request: r, URL: resp.Request.URL.String(), Status: resp.StatusCode, Header: *resp.Headers,
			ContentType: w.session.contentType, Body: w.session.body, ReadAt: w.crawler.Now().UTC(),
		}
		w.session.body = nil
		if at, err := time.Parse(time.RFC3339, resp.Headers.Get(fetch.HeaderReadAt)); err == nil {
			out.page.ReadAt = at.UTC()
		}
	}
	err = w.colly.Request(http.MethodGet, r.URL, nil, nil, header)
	if err == nil {
		return out, nil
	}
	if e, ok := fetch.AsError(err); ok {
		out.err = e
		return out, nil
	}
	if ctx.Err() != nil {
		out.err = &fetch.Error{Outcome: cashback.FetchPostponed, URL: r.URL, Budget: FinishCanceled, Reason: "the run was stopped", Err: context.Cause(ctx)}
		return out, nil
	}
	// An address that can't be asked for: what the page says, not this machine.
	out.err = &fetch.Error{Outcome: cashback.FetchRefused, URL: short(r.URL), Reason: "the address can't be asked for", Err: err}
	return out, nil
}
