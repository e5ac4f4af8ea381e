package web

import (
	"strconv"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestClickOut(t *testing.T) {
	s := newServer(t)
	id := strconv.Itoa(int(shopNamed(t, s, "fnac").ID))
	r := ask(s.Handler(), "GET", "/go/sitot/"+id)
	if got := r.Header.Get("Location"); r.StatusCode != 303 || got != "https://www.sitot.test/boutique/fnac" {
		t.Errorf("%d %q", r.StatusCode, got)
	}
	if got := r.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy %q", got)
	}
	for _, target := range []string{
		"/go/thrift/" + id, "/go/nobody/" + id, "/go/sitot/0", "/go/sitot/-1", "/go/sitot/1e1", "/go/sitot/" + id + "x",
		"/go/%2f%2fevil.test/" + id, "/go//evil.test/1", "/go/sitot/99999999999999999999",
	} {
		if r := ask(s.Handler(), "GET", target); r.StatusCode != 404 || r.Header.Get("Location") != "" {
			t.Errorf("%s: %d %q", target, r.StatusCode, r.Header.Get("Location"))
		}
	}
	// Nothing that the asker adds changes where it leads.
	if r := ask(s.Handler(), "GET", "/go/sitot/"+id+"?to=https://evil.test"); r.StatusCode != 400 {
		t.Errorf("a parameter was accepted: %d", r.StatusCode)
	}
}

// TestTarget: a stored link only leads to the portal's own site, however it was
// written on the page that it was read from.
func TestTarget(t *testing.T) {
	const own = "https://www.portal.co.uk/"
	for link, ok := range map[string]bool{
		"https://www.portal.co.uk/shop/1":              true,
		"https://portal.co.uk/shop/1?x=%2f%2fevil":     true,
		"https://click.portal.co.uk/out":               true,
		"https://WWW.PORTAL.CO.UK./x":                  true,
		"http://www.portal.co.uk/shop/1":               false,
		"https://other.co.uk/":                         false,
		"https://co.uk/":                               false,
		"https://portal.co.uk.evil.test/":              false,
		"https://evil.test/portal.co.uk":               false,
		"https://evil.test#portal.co.uk":               false,
		"https://portal.co.uk@evil.test/":              false,
		"https://evil.test@portal.co.uk/":              false,
		"https://portal.co.uk:8443/":                   false,
		"//portal.co.uk/":                              false,
		"/shop/1":                                      false,
		"":                                             false,
		"javascript:alert(1)//portal.co.uk":            false,
		"data:text/html,portal.co.uk":                  false,
		"https:portal.co.uk/":                          false,
		"https:///portal.co.uk/":                       false,
		"https://evil.test\\@portal.co.uk/":            false,
		"https://evil.test\\.portal.co.uk/":            false,
		"https://portal.co.uk\t.evil.test/":            false,
		"https://portal.co.uk%2eevil.test/":            false,
		"https://portal.co.uk%00.evil.test/":           false,
		"https://portal\uff0eco.uk/":                   false,
		"https://evil.test\u2044portal.co.uk/":         false,
		"https://evil.test\u3002portal.co.uk/":         false,
		" https://www.portal.co.uk/":                   false,
		"https://www.portal.co.uk/\r\nLocation: https": false,
		"ftp://www.portal.co.uk/":                      false,
		"https://[::1]/":                               false,
		"https://127.0.0.1/":                           false,
	} {
		if _, got := homeOf(own).target(cashback.Offer{Entry: cashback.Entry{Link: link}}); got != ok {
			t.Errorf("%q: %v, want %v", link, got, ok)
		}
	}
	// The demo's portals are many on one machine: name and port tell them apart.
	for link, ok := range map[string]bool{
		"http://bonpli.localhost:8101/out/1": true,
		"http://malin.localhost:8102/out/1":  false,
		"http://bonpli.localhost:8102/out/1": false,
	} {
		if _, got := homeOf("http://bonpli.localhost:8101/").target(cashback.Offer{Entry: cashback.Entry{Link: link}}); got != ok {
			t.Errorf("%q: %v, want %v", link, got, ok)
		}
	}
}
