package portaltest

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// demo starts the portals on free ports; the clock stands where at points.
func demo(t *testing.T, seed uint64, at *time.Time) *Demo {
	t.Helper()
	d, err := NewDemo(DemoConfig{Seed: seed, Now: func() time.Time { return *at }})
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// client asks the portals as the crawler will: by their names, resolved by Demo.
func client(t *testing.T, d *Demo) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		ips, err := d.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(ips[0].String(), port))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func get(t *testing.T, c *http.Client, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestDemoCatalogue(t *testing.T) {
	at := monday
	d := demo(t, 1, &at)
	if len(d.Portals()) < 10 {
		t.Errorf("%d portals, want at least 10", len(d.Portals()))
	}
	total := 0
	for market, shops := range d.shops {
		total += len(shops)
		if len(shops) < 250 {
			t.Errorf("%s has %d shops", market, len(shops))
		}
		slugs := map[string]string{}
		for _, s := range shops {
			if other, taken := slugs[slug(s.name)]; taken || slug(s.name) == "" {
				t.Errorf("%q and %q have the same slug %q", other, s.name, slug(s.name))
			}
			slugs[slug(s.name)] = s.name
			if categoryWords[s.category][0] == "" {
				t.Errorf("%s: no words for the category %q", s.name, s.category)
			}
			on := 0
			for _, p := range d.portals {
				if p.spec.market == market && p.lists(s) {
					on++
				}
			}
			if on < 1 || on > 8 {
				t.Errorf("%s in %s stands on %d portals, want 1 to 8", s.name, market, on)
			}
		}
	}
	if total < 300 {
		t.Errorf("%d shops, want at least 300", total)
	}
	for _, p := range d.Portals() {
		if !slices.ContainsFunc(p.all, func(l listing) bool { return l.Name == p.canary && p.quote(l.shop, at).Kind.Pays() }) {
			t.Errorf("%s doesn't pay for %q, which its definition pins", p.Name(), p.canary)
		}
		if p.Size() < 60 {
			t.Errorf("%s lists %d shops: too few to be a portal", p.Name(), p.Size())
		}
	}
}

// TestDemoTechniques asks each portal for its list as its definition does, and
// counts what a reader of that technique finds.
func TestDemoTechniques(t *testing.T) {
	at := monday
	d := demo(t, 1, &at)
	c := client(t, d)

	count := func(selector string) func(body string) int {
		return func(body string) int {
			doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			return doc.Find(selector).Length()
		}
	}
	next := func(body string) string {
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return doc.Find("[rel=next]").AttrOr("href", "")
	}
	object := func(body string) map[string]any {
		var v map[string]any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatalf("%v in %.80q", err, body)
		}
		return v
	}
	for _, tc := range []struct {
		portal, path string
		items        func(string) int
		next         func(string) string
		header       []string
	}{
		{"tirelire", "/boutiques", count("#boutiques .boutique"), nil, nil},
		{"cashmoi", "/enseignes?page=1", count(".enseigne"), next, nil},
		{"malin", "/cashback", func(body string) int {
			var stream strings.Builder
			for i, part := range strings.Split(body, "self.__next_f.push([1,") {
				if i > 0 {
					var text string
					if err := json.NewDecoder(strings.NewReader(part)).Decode(&text); err != nil {
						t.Fatal(err)
					}
					stream.WriteString(text)
				}
			}
			_, list, _ := strings.Cut(stream.String(), `"merchants":`)
			var merchants []any
			if err := json.NewDecoder(strings.NewReader(list)).Decode(&merchants); err != nil {
				t.Fatal(err)
			}
			return len(merchants)
		}, nil, nil},
		{"ristourne", "/api/public/stores?limit=50&offset=0", func(b string) int { return len(object(b)["stores"].([]any)) }, func() func(string) string {
			offset := 0
			return func(b string) string {
				if offset += 50; offset >= int(object(b)["total"].(float64)) {
					return ""
				}
				return fmt.Sprintf("/api/public/stores?limit=50&offset=%d", offset)
			}
		}(), nil},
		{"bonpli", "/offres?page=1", count("#cashback .vignette"), next, nil},
		{"pousse-cause", "/partenaires", func(body string) int {
			doc, _ := goquery.NewDocumentFromReader(strings.NewReader(body))
			n := 0
			for _, part := range object(doc.Find("#ng-state").Text()) {
				if shops, ok := object(part.(map[string]any)["b"].(string))["shops"]; ok {
					n += len(shops.([]any))
				}
			}
			return n
		}, nil, nil},
		{"point-carre", "/fragments/boutiques?page=1", count(".ligne"), next, []string{"X-Requested-With", "XMLHttpRequest"}},
		{"pennywell", "/stores/a", count("#stores .store"), next, nil},
		{"backpenny", "/api/retailers", func(b string) int { return len(object(b)["message"].(map[string]any)["retailers"].([]any)) }, func(b string) string {
			if cursor := object(b)["message"].(map[string]any)["nextCursor"].(string); cursor != "" {
				return "/api/retailers?cursor=" + cursor
			}
			return ""
		}, nil},
		{"kindbasket", "/shops?page=1", count(`a[aria-label^="Find out more at"]`), next, nil},
		{"mileswise", "/content-api/partners", func(b string) int { return len(object(b)["partners"].([]any)) }, nil, nil},
		{"copperjar", "/api/merchants?page=1", func(b string) int { return len(object(b)["data"].(map[string]any)["merchants"].(map[string]any)) }, func() func(string) string {
			page := 1
			return func(b string) string {
				if page++; page > int(object(b)["data"].(map[string]any)["meta"].(map[string]any)["pagination"].(map[string]any)["total_pages"].(float64)) {
					return ""
				}
				return fmt.Sprintf("/api/merchants?page=%d", page)
			}
		}(), nil},
	} {
		t.Run(tc.portal, func(t *testing.T) {
			p := d.Portal(tc.portal)
			found := 0
			for path := tc.path; path != ""; {
				resp, body := get(t, c, p.Origin+path, tc.header...)
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("%s: %s", path, resp.Status)
				}
				found += tc.items(body)
				if path = ""; tc.next != nil {
					path = tc.next(body)
				}
			}
			if found != p.Size() {
				t.Errorf("found %d shops, the portal lists %d", found, p.Size())
			}
		})
	}
	t.Run("by category", func(t *testing.T) {
		for portal, path := range map[string]string{"fidelo": "/rayon/", "thriftbird": "/category/"} {
			p, found := d.Portal(portal), 0
			items := count("#offres .offre")
			if portal == "thriftbird" {
				items = count("#panels .panel")
			}
			for _, s := range p.sections(path) {
				for at := s.Link; at != ""; {
					_, body := get(t, c, p.Origin+at)
					found += items(body)
					at = next(body)
				}
			}
			if found != p.Size() {
				t.Errorf("%s: found %d shops, it lists %d", portal, found, p.Size())
			}
		}
	})
	t.Run("no header, nothing", func(t *testing.T) {
		resp, body := get(t, c, d.Portal("point-carre").Origin+"/fragments/boutiques?page=1")
		if resp.StatusCode != 200 || body != "" {
			t.Errorf("%s, %d bytes; want 200 and nothing", resp.Status, len(body))
		}
	})
	t.Run("past the end", func(t *testing.T) {
		_, body := get(t, c, d.Portal("point-carre").Origin+"/fragments/boutiques?page=99", "X-Requested-With", "XMLHttpRequest")
		if !strings.Contains(body, "(0 boutiques)") || !strings.Contains(body, "conseil") {
			t.Errorf("the page after the last says %q", body)
		}
	})
}

func TestDemoManners(t *testing.T) {
	at := monday
	d := demo(t, 1, &at)
	c := client(t, d)
	p := d.Portal("tirelire")

	t.Run("ETag", func(t *testing.T) {
		resp, _ := get(t, c, p.Origin+"/boutiques")
		tag := resp.Header.Get("ETag")
		again, body := get(t, c, p.Origin+"/boutiques", "If-None-Match", tag)
		if tag == "" || again.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("ETag %q, then %s with %d bytes; want 304 without a body", tag, again.Status, len(body))
		}
	})
	t.Run("robots.txt forbids the click-out", func(t *testing.T) {
		_, robots := get(t, c, p.Origin+"/robots.txt")
		_, body := get(t, c, p.Origin+"/boutiques")
		doc, _ := goquery.NewDocumentFromReader(strings.NewReader(body))
		_, shop := get(t, c, p.Origin+doc.Find(".boutique a").First().AttrOr("href", ""))
		doc, _ = goquery.NewDocumentFromReader(strings.NewReader(shop))
		out := doc.Find("a.go").AttrOr("href", "")
		if !strings.HasPrefix(out, "/sortie/") || !strings.Contains(robots, "Disallow: /sortie/") {
			t.Errorf("click-out %q, robots.txt %q", out, robots)
		}
		if resp, _ := get(t, c, p.Origin+out); resp.StatusCode != 200 {
			t.Errorf("click-out: %s", resp.Status)
		}
	})
	t.Run("another host's name", func(t *testing.T) {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Origin, nil)
		r.Host = "elsewhere.localhost"
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s, want 421", resp.Status)
		}
	})
	t.Run("only the portals' names and ports", func(t *testing.T) {
		for _, host := range []string{"localhost", "example.com", "nobody.localhost", "metadata"} {
			if ips, err := d.LookupNetIP(t.Context(), "ip", host); err == nil {
				t.Errorf("%s resolves to %v", host, ips)
			}
		}
		if d.Serves(netip.MustParseAddrPort("127.0.0.1:22")) || !d.Serves(p.listener.Addr().(*net.TCPAddr).AddrPort()) {
			t.Error("Serves must accept the portals' ports and no other")
		}
	})
	t.Run("unknown shop", func(t *testing.T) {
		if resp, _ := get(t, c, p.Origin+"/boutique/nobody-99999"); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s, want 404", resp.Status)
		}
	})
}

func TestDemoRatesMove(t *testing.T) {
	at := monday
	d := demo(t, 1, &at)
	moved, total, nocash, fixed, tiers, promos := 0, 0, 0, 0, 0, 0
	for _, p := range d.portals {
		for _, l := range p.all {
			before, after, later := p.quote(l.shop, at), p.quote(l.shop, at.Add(flashEvery)), p.quote(l.shop, at.AddDate(0, -6, 0))
			total++
			if before.Value != after.Value {
				moved++
			}
			if before.Kind != cashback.NoCashback && (before.Value <= 0 || later.Value <= 0 || before.Was >= before.Value && before.Was != 0) {
				t.Errorf("%s at %s: %+v", p.Name(), l.name, before)
			}
			if before.Kind == cashback.Percent && before.Value > 5000 {
				t.Errorf("%s at %s pays %d hundredths of a per cent", p.Name(), l.name, before.Value)
			}
			nocash += count1(before.Kind == cashback.NoCashback)
			fixed += count1(before.Kind == cashback.Fixed)
			tiers += count1(len(before.Tiers) > 0)
			promos += count1(before.Was > 0)
		}
	}
	t.Logf("%d offers: %d move within %s, %d pay nothing, %d fixed, %d with tiers, %d promoted", total, moved, flashEvery, nocash, fixed, tiers, promos)
	if moved == 0 || moved > total/10 {
		t.Errorf("%d of %d rates moved within %s: want some, and at most a tenth", moved, total, flashEvery)
	}
	if min(nocash, fixed, tiers, promos) < 20 {
		t.Error("too little variety")
	}
}

func count1(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestDemoRepeats: the same seed and clock give the same bytes; another seed
// gives other rates.
func TestDemoRepeats(t *testing.T) {
	at := monday
	bodies := map[uint64][2]string{}
	for _, seed := range []uint64{1, 2} {
		for i := range 2 {
			d := demo(t, seed, &at)
			_, body := get(t, client(t, d), d.Portal("tirelire").Origin+"/boutiques")
			pair := bodies[seed]
			pair[i] = body
			bodies[seed] = pair
		}
		if bodies[seed][0] != bodies[seed][1] {
			t.Errorf("seed %d gave two pages", seed)
		}
	}
	if bodies[1][0] == bodies[2][0] {
		t.Error("two seeds gave one page")
	}
}

func TestDemoPast(t *testing.T) {
	at := monday
	d := demo(t, 1, &at)
	p := d.Portal("cashmoi")
	it := p.items(p.all[:1])[0]
	rate, was, _, ok := p.Past(p.Origin+it.Link, at)
	if !ok || rate != it.Rate || was != it.Was {
		t.Errorf("Past says %q, %q, %v; the page says %q, %q", rate, was, ok, it.Rate, it.Was)
	}
	if _, _, _, ok := p.Past(p.Origin+"/enseigne/nobody-0", at); ok {
		t.Error("Past knows a shop that isn't listed")
	}
}

func TestDemoFaults(t *testing.T) {
	at := monday
	d := demo(t, 1, &at)
	c := client(t, d)
	for _, p := range d.Portals() {
		if len(p.spec.relayout)%2 != 0 || len(p.spec.relayout) == 0 {
			t.Errorf("%s: a layout change needs pairs", p.Name())
		}
	}
	p := d.Portal("tirelire")
	_, before := get(t, c, p.Origin+"/boutiques")
	for fault, changed := range map[Fault]func(*http.Response, string) bool{
		NewLayout:    func(_ *http.Response, b string) bool { return !strings.Contains(b, `class="boutique"`) },
		HalfMissing:  func(_ *http.Response, b string) bool { return len(b) < len(before)*3/4 },
		RatesTenfold: func(r *http.Response, b string) bool { return r.StatusCode == 200 && b != before },
		Down:         func(r *http.Response, b string) bool { return r.StatusCode == 503 },
		Healthy:      func(_ *http.Response, b string) bool { return b == before },
	} {
		if err := d.Break("tirelire", fault); err != nil {
			t.Fatal(err)
		}
		if resp, body := get(t, c, p.Origin+"/boutiques"); !changed(resp, body) {
			t.Errorf("fault %q: the page doesn't show it (%s)", fault, resp.Status)
		}
	}
	if cashback.KindOf(d.Break("nobody", Down)) != cashback.NotFound || cashback.KindOf(d.Break("tirelire", "tired")) != cashback.Invalid {
		t.Error("an unknown portal or fault is accepted")
	}
	// The switch on the home page refuses other sites.
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Origin+"/demo/fault", strings.NewReader("fault=down"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site may switch faults: %s", resp.Status)
	}
}

// TestDemoHelp: each fact's phrase to watch stands on the page that the
// definition names as its source.
func TestDemoHelp(t *testing.T) {
	at := monday
	d := demo(t, 1, &at)
	c := client(t, d)
	for _, p := range d.Portals() {
		definition, err := p.Definition()
		if err != nil {
			t.Fatal(err)
		}
		resp, page := get(t, c, p.Origin+"/help")
		if resp.StatusCode != 200 || !strings.Contains(string(definition), p.Origin+"/help") {
			t.Errorf("%s: %s", p.Name(), resp.Status)
		}
		page = html.UnescapeString(page)
		for _, m := range regexp.MustCompile(`phrase: "([^"]+)"`).FindAllStringSubmatch(string(definition), -1) {
			if !strings.Contains(page, m[1]) {
				t.Errorf("%s: the help page lacks %q", p.Name(), m[1])
			}
		}
	}
}
