package portal_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// walk follows a definition over a site as a crawl does, without the network,
// and returns the entries of its lists and those of its merchants' own pages.
func walk(t *testing.T, d *portal.Definition, site http.Handler, at time.Time) (lists, own []portal.Item, ended bool) {
	t.Helper()
	queue := d.Start()
	asked := map[string]bool{}
	ended = true
	for n := 0; len(queue) > 0; n++ {
		if n > 2000 {
			t.Fatal("the walk doesn't end")
		}
		q := queue[0]
		queue = queue[1:]
		if asked[q.URL] {
			continue
		}
		asked[q.URL] = true
		u, err := url.Parse(q.URL)
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodGet, q.URL, nil)
		req.Host = u.Host
		for k, v := range q.Header {
			req.Header.Set(k, v)
		}
		rec := httptest.NewRecorder()
		site.ServeHTTP(rec, req)
		r := d.Read(portal.Page{
			Request: q, URL: q.URL, Status: rec.Code, Header: rec.Header(), ContentType: rec.Header().Get("Content-Type"), Body: rec.Body.Bytes(), ReadAt: at,
		})
		if r.Outcome != cashback.PageOK && r.Outcome != cashback.PageNoCashback && r.Outcome != cashback.PagePastEnd {
			t.Errorf("%s: %s: %s", q.URL, r.Outcome, r.Reason)
		}
		for _, i := range r.Issues {
			t.Errorf("%s: issue %s: %s", q.URL, i.Code, i.Detail)
		}
		if q.Kind == portal.KindMerchant {
			own = append(own, r.Items...)
		} else {
			lists = append(lists, r.Items...)
			next := len(r.Next) > 0 && r.Next[0].Kind == q.Kind
			ended = ended && (r.End || next)
		}
		queue = append(queue, r.Next...)
	}
	return lists, own, ended
}

// TestDemoPortals reads each demo portal by its definition to the end, and finds
// every shop with what the portal pays.
func TestDemoPortals(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	demo, err := portaltest.NewDemo(portaltest.DemoConfig{Seed: 1, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	demo.Start()
	t.Cleanup(func() { _ = demo.Close() })
	for _, p := range demo.Portals() {
		t.Run(p.Name(), func(t *testing.T) {
			b, err := p.Definition()
			if err != nil {
				t.Fatal(err)
			}
			d, err := portal.Load(p.Name()+".yaml", b)
			if err != nil {
				t.Fatal(err)
			}
			items, own, ended := walk(t, d, p, at)
			if !ended {
				t.Error("the list's end is not proven")
			}
			distinct := map[string]bool{}
			for i := range items {
				it := &items[i]
				distinct[it.Key] = true
				rate, previous, quote, ok := p.Past(it.Link, at)
				if !ok {
					t.Errorf("%s: %s is no shop of the portal", it.Name, it.Link)
					continue
				}
				pays := quote.Kind.Pays()
				switch {
				case pays && it.RateText == "", !pays && it.Reward.Kind != cashback.NoCashback:
					t.Errorf("%s: rate %q (%s), the portal says %q", it.Name, it.RateText, it.Reward.Kind, rate)
				case previous != "" && it.PreviousText == "" && bytes.Contains(b, []byte("previous:")):
					t.Errorf("%s: no previous rate, the portal says %q", it.Name, previous)
				}
				if it.Logo == "" && bytes.Contains(b, []byte("logo:")) {
					t.Errorf("%s has no logo", it.Name)
				}
			}
			if len(distinct) != p.Size() {
				t.Errorf("%d shops, the portal lists %d", len(distinct), p.Size())
			}
			if own != nil && len(own) != p.Size() {
				t.Errorf("%d pages of shops, the portal lists %d", len(own), p.Size())
			}
			tiers := 0
			for i := range own {
				tiers += len(own[i].Tiers)
				if !distinct[own[i].Key] {
					t.Errorf("%s: its own page has the key %s, the list doesn't", own[i].Name, own[i].Key)
				}
			}
			if own != nil && tiers == 0 {
				t.Error("no shop's own page has tiers")
			}
		})
	}
}
