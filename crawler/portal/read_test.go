package portal

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

const origin = "https://www.exemple.test"

// plainList is a rule over `<p class=shop>` with paging.
func plainList(url, paging string) string {
	return fmt.Sprintf("pages:\n  - kind: list\n    urls: [%q]\n    paging: %s\n    items: {select: .shop, within: main}\n    fields: {name: b, reward: i, link: \"a@href\"}\n", origin+url, paging)
}

// shopPage has entries from one number to another.
func shopPage(from, to int, extra string) string {
	var b strings.Builder
	b.WriteString("<title>Shops</title>" + extra + "<main>")
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `<p class=shop><a href="/s/%d"><b>Shop %d</b></a> <i>%d %%</i></p>`, i, i, i%7+1)
	}
	return b.String() + "</main>"
}

// site answers a definition's requests from a map of addresses.
func walkSite(t *testing.T, d *Definition, pages map[string]Page) (asked []string, items []Item, last Reading) {
	t.Helper()
	queue := d.Start()
	for len(queue) > 0 && len(asked) < 50 {
		q := queue[0]
		queue = queue[1:]
		p, ok := pages[q.URL]
		if !ok {
			p = Page{Status: http.StatusNotFound, Body: []byte("<title>404</title>")}
		}
		p.Request, p.URL = q, q.URL
		asked = append(asked, strings.TrimPrefix(q.URL, origin))
		last = d.Read(p)
		items = append(items, last.Items...)
		queue = append(queue, last.Next...)
	}
	return asked, items, last
}

func TestPaging(t *testing.T) {
	page := func(body string) Page { return Page{Body: []byte(body)} }
	for _, c := range []struct {
		name, yaml string
		pages      map[string]Page
		asked      []string
		items      int
		end        bool
	}{
		{"until empty", plainList("/l?p={page}", "{param: page, from: 1, until: [empty]}"), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "")), "/l?p=2": page(shopPage(3, 5, "")), "/l?p=3": page(shopPage(0, 0, "")),
		}, []string{"/l?p=1", "/l?p=2", "/l?p=3"}, 5, true},
		{"nothing said is until empty", plainList("/l?p={page}", "{param: page, from: 0}"), map[string]Page{
			"/l?p=0": page(shopPage(0, 3, "")), "/l?p=1": page(shopPage(0, 0, "")),
		}, []string{"/l?p=0", "/l?p=1"}, 3, true},
		{"a status", plainList("/l?p={page}", "{param: page, until: [{status: 404}]}"), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "")),
		}, []string{"/l?p=1", "/l?p=2"}, 3, false}, // an error page proves nothing
		{"the last page's number", plainList("/l?p={page}", `{param: page, pages: "$.pager a"}`), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "<nav class=pager><a>1</a><a>2</a><a>»</a></nav>")), "/l?p=2": page(shopPage(3, 5, "<nav class=pager><a>1</a><a>2</a></nav>")),
		}, []string{"/l?p=1", "/l?p=2"}, 5, true},
		{"offset and total", plainList("/l?o={offset}", `{param: offset, step: 3, total: {pick: [.n], match: "of ([0-9.]+)"}}`), map[string]Page{
			"/l?o=0": page(shopPage(0, 3, "<i class=n>1-3 of 5</i>")), "/l?o=3": page(shopPage(3, 5, "<i class=n>4-5 of 5</i>")),
		}, []string{"/l?o=0", "/l?o=3"}, 5, true},
		{"fewer than the total", plainList("/l?p={page}", `{param: page, size: 3, total: .n}`), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "<i class=n>1.200</i>")), "/l?p=2": page(shopPage(3, 5, "<i class=n>1.200</i>")),
		}, []string{"/l?p=1", "/l?p=2"}, 5, false},
		// What proves the end doesn't prove that nothing is missing before it.
		{"empty before the total", plainList("/l?p={page}", `{param: page, until: [empty], total: .n}`), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "<i class=n>9</i>")), "/l?p=2": page(shopPage(0, 0, "<i class=n>9</i>")),
		}, []string{"/l?p=1", "/l?p=2"}, 3, false},
		{"empty at the total", plainList("/l?p={page}", `{param: page, until: [empty], total: .n}`), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "<i class=n>3</i>")),
		}, []string{"/l?p=1"}, 3, true},
		{"an empty page that counts nothing", plainList("/l?p={page}", `{param: page, until: [empty], total: .n}`), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "<i class=n>9</i>")), "/l?p=2": page(shopPage(0, 0, "<i class=n>0</i>")),
		}, []string{"/l?p=1", "/l?p=2"}, 3, false},
		{"a sign before the total", plainList("/l?p={page}", `{param: page, until: [".more absent"], total: .n}`), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "<b class=more></b><i class=n>9</i>")), "/l?p=2": page(shopPage(3, 5, "")),
		}, []string{"/l?p=1", "/l?p=2"}, 5, false},
		{"as few as the slack says", plainList("/l?p={page}", "{param: page, until: [empty], total: .n}\n    expect: {slack: 4}"), map[string]Page{
			"/l?p=1": page(shopPage(0, 5, "<i class=n>9</i>")), "/l?p=2": page(shopPage(0, 0, "")),
		}, []string{"/l?p=1", "/l?p=2"}, 5, true},
		{"past the end by a sign, before the total", plainList("/l?p={page}", "{param: page, until: [empty], total: .n}\n    outcomes: {past_end: [.done]}"), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "<i class=n>9</i>")), "/l?p=2": page("<p class=done>"),
		}, []string{"/l?p=1", "/l?p=2"}, 3, false},
		{"a next page of an interface is relative to itself", "pages:\n  - kind: list\n    urls: [\"" + origin + "/api/v1/shops\"]\n    paging: {next: links.next}\n    json: {items: s}\n    fields: {name: n, reward: r}\n", map[string]Page{
			"/api/v1/shops": page(`{"s":[{"n":"A","r":"1 %"}],"links":{"next":"shops?after=A"}}`), "/api/v1/shops?after=A": page(`{"s":[{"n":"B","r":"1 %"}],"links":{"next":null}}`),
		}, []string{"/api/v1/shops", "/api/v1/shops?after=A"}, 2, true},
		{"fewer than a full page", plainList("/l?p={page}", "{param: page, size: 3}"), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "")), "/l?p=2": page(shopPage(3, 5, "")),
		}, []string{"/l?p=1", "/l?p=2"}, 5, true},
		{"rel=next", plainList("/l", `{next: "link[rel=next]@href"}`), map[string]Page{
			"/l": page(shopPage(0, 3, "<link rel=next href='?c=b'>")), "/l?c=b": page(shopPage(3, 5, "")),
		}, []string{"/l", "/l?c=b"}, 5, true},
		{"the Link header", plainList("/l", `{next: "next()"}`), map[string]Page{
			"/l": {Body: []byte(shopPage(0, 3, "")), Header: http.Header{"Link": {`<https://www.exemple.test/x>; rel="prev", </l/2>; rel="next"`}}}, "/l/2": page(shopPage(3, 5, "")),
		}, []string{"/l", "/l/2"}, 5, true},
		{"a next page that is itself", plainList("/l", `{next: "a.next@href"}`), map[string]Page{
			"/l": page(shopPage(0, 3, "<a class=next href=/l>")),
		}, []string{"/l"}, 3, true},
		{"a next page elsewhere", plainList("/l", `{next: "a.next@href"}`), map[string]Page{
			"/l": page(shopPage(0, 3, "<a class=next href=https://evil.test/>")),
		}, []string{"/l"}, 3, false},
		{"an element that is gone", plainList("/l?p={page}", `{param: page, until: [".more absent"]}`), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "<b class=more>")), "/l?p=2": page(shopPage(3, 5, "")),
		}, []string{"/l?p=1", "/l?p=2"}, 5, true},
		{"no more pages than the limit", plainList("/l?p={page}", "{param: page, limit: 1}"), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "")),
		}, []string{"/l?p=1"}, 3, false},
		{"an empty category", plainList("/l?p={page}", "{param: page}"), map[string]Page{
			"/l?p=1": page("<main>Nothing here.</main>"),
		}, []string{"/l?p=1"}, 0, true},
		{"a new layout isn't an empty category", plainList("/l?p={page}", "{param: page}"), map[string]Page{
			"/l?p=1": page("<main><p class=card><a href=/s/1>Shop</a> 5 %</p></main>"),
		}, []string{"/l?p=1"}, 0, false},
		{"a page without the list's place", plainList("/l?p={page}", "{param: page}"), map[string]Page{
			"/l?p=1": page(shopPage(0, 3, "")), "/l?p=2": page("<h1>Please log in</h1>"),
		}, []string{"/l?p=1", "/l?p=2"}, 3, false},
		{"a cursor", "pages:\n  - kind: list\n    urls: [\"" + origin + "/api?c={cursor}\"]\n    paging: {param: cursor, cursor: meta.next}\n    json: {items: s}\n    fields: {name: n, reward: r}\n", map[string]Page{
			"/api?c=": page(`{"s":[{"n":"A","r":"1 %"}],"meta":{"next":"x y"}}`), "/api?c=x+y": page(`{"s":[{"n":"B","r":"1 %"}],"meta":{"next":null}}`),
		}, []string{"/api?c=", "/api?c=x+y"}, 2, true},
		{"a cursor that stands still", "pages:\n  - kind: list\n    urls: [\"" + origin + "/api?c={cursor}\"]\n    paging: {param: cursor, cursor: next}\n    json: {items: s}\n    fields: {name: n, reward: r}\n", map[string]Page{
			"/api?c=": page(`{"s":[{"n":"A","r":"1 %"}],"next":"a"}`), "/api?c=a": page(`{"s":[{"n":"A","r":"1 %"}],"next":"a"}`),
		}, []string{"/api?c=", "/api?c=a"}, 2, true},
		{"a flag in JSON", "pages:\n  - kind: list\n    urls: [\"" + origin + "/api?p={page}\"]\n    paging: {param: page, until: [\"hasMore absent\"]}\n    json: {items: s}\n    fields: {name: n, reward: r}\n", map[string]Page{
			"/api?p=1": page(`{"s":[{"n":"A","r":"1 %"}],"hasMore":true}`), "/api?p=2": page(`{"s":[{"n":"B","r":"1 %"}],"hasMore":false}`),
		}, []string{"/api?p=1", "/api?p=2"}, 2, true},
		{"seeds", "pages:\n  - kind: list\n    urls: [\"" + origin + "/{cat}?sort={sort}\"]\n    seeds: {cat: [a, b c], sort: [az, za]}\n    items: {select: .shop}\n    fields: {name: b, reward: i}\n", map[string]Page{
			"/a?sort=az": page(shopPage(0, 1, "")), "/a?sort=za": page(shopPage(0, 1, "")), "/b%20c?sort=az": page(shopPage(0, 1, "")), "/b%20c?sort=za": page(shopPage(0, 1, "")),
		}, []string{"/a?sort=az", "/a?sort=za", "/b%20c?sort=az", "/b%20c?sort=za"}, 4, true},
		{"a preparing request", "pages:\n  - kind: list\n    urls: [\"" + origin + "/l\"]\n    prepare: \"" + origin + "/hello\"\n    items: {select: .shop}\n    fields: {name: b, reward: i}\n", map[string]Page{
			"/hello": page(""), "/l": page(shopPage(0, 2, "")),
		}, []string{"/hello", "/l"}, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			pages := map[string]Page{}
			for k, p := range c.pages {
				pages[origin+k] = p
			}
			asked, items, last := walkSite(t, load(t, c.yaml), pages)
			if diff := cmp.Diff(c.asked, asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if len(items) != c.items || last.End != c.end {
				t.Errorf("%d entries and end %v, want %d and %v; last %s: %s", len(items), last.End, c.items, c.end, last.Outcome, last.Reason)
			}
		})
	}
}

// TestNowhere: a field that no entry has is told of.
func TestNowhere(t *testing.T) {
	d := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/l\"]\n    items: {select: .shop}\n    fields: {name: b, reward: i, link: \"a@href\", logo: \"img@src\", previous: s}\n")
	for n, want := range map[int]int{4: 0, 6: 1} {
		r := d.Read(Page{URL: origin + "/l", Body: []byte(shopPage(0, n, ""))})
		if len(r.Issues) != want || want > 0 && r.Issues[0].Detail != "logo is nowhere found in 6 entries" {
			t.Errorf("%d entries: %+v", n, r.Issues)
		}
	}
}

// TestScriptFile: the answer may be a script itself, and markup may lie in what a page
// only shows to some.
func TestScriptFile(t *testing.T) {
	d := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/shops.js\"]\n    json: {variable: \"var shops =\"}\n    fields: {name: n, reward: r}\n"+
		"  - kind: list\n    urls: [\""+origin+"/old\"]\n    fragment: css(noscript)\n    items: {select: li}\n    fields: {name: a, reward: b}\n")
	for url, body := range map[string]string{
		"/shops.js": "/* made at night */ var shops = [{n:'Nike', r:'4 %'},{n:'Asos', r:'3 €'},];",
		"/old":      "<div id=app></div><noscript><ul><li><a>Nike</a> <b>4 %</b></li><li><a>Asos</a> <b>3 €</b></li></ul></noscript>",
	} {
		if r := d.Read(Page{URL: origin + url, Body: []byte(body)}); len(r.Items) != 2 || r.Items[1].RateText != "3 €" {
			t.Errorf("%s: %s %s %+v", url, r.Outcome, r.Reason, r.Items)
		}
	}
}

// TestOutcomes: no cashback, not found and not understood are three things, and
// so are the others.
func TestOutcomes(t *testing.T) {
	d := load(t, `outcomes:
  blocked: [{title: "^Members only"}]
  not_found: [{moved: true, url: "/$"}]
pages:
  - name: list
    kind: list
    urls: ["https://www.exemple.test/list?p={page}"]
    paging: {param: page, until: [empty]}
    expect: {min: 2, rates: 60}
    items: {select: .shop}
    fields: {name: b, reward: {pick: [i], none: ["^Coupons"]}}
  - name: shop
    kind: merchant
    urls: ["https://www.exemple.test/shop/{id}"]
    match: /shop/
    expect: {selector: .hero, canonical: true}
    outcomes: {no_cashback: [{there: .hero, text: "^Get code"}], not_found: [{title: Oops}]}
    fields: {name: h1, reward: {pick: [.hero b], none: ["^No cash"]}}
`)
	hero := func(button string) string {
		return `<link rel=canonical href="https://www.exemple.test/shop/7/"><h1>Nike</h1><div class=hero>` + button + `</div>`
	}
	long := strings.Repeat("<p>There is a lot to say about saving money with us, and we say it here.</p>", 40)
	for _, c := range []struct {
		name, url, body string
		status          int
		want            cashback.Outcome
		items           int
	}{
		{"rates", "/list", shopPage(0, 3, ""), 0, cashback.PageOK, 3},
		{"all without", "/list", strings.ReplaceAll(shopPage(0, 3, ""), "%", "%%")[:0] + `<p class=shop><b>A</b><i>Coupons Only</i><p class=shop><b>B</b><i>Coupons Only</i>`, 0, cashback.PageNoCashback, 2},
		{"some without", "/list", `<p class=shop><b>A</b><i>Coupons Only</i><p class=shop><b>B</b><i>3 %</i>`, 0, cashback.PageOK, 2},
		{"too few entries", "/list", shopPage(0, 1, ""), 0, cashback.PageNotUnderstood, 0},
		{"few on a later page", "/list?p=4", shopPage(0, 1, ""), 0, cashback.PageOK, 1},
		{"past the end", "/list?p=9", "<main></main>" + long, 0, cashback.PagePastEnd, 0},
		{"rates vanished", "/list", `<p class=shop><b>A</b><u>3 %</u><p class=shop><b>B</b><u>4 %</u>`, 0, cashback.PageNotUnderstood, 0},
		{"half of the rates vanished", "/list", `<p class=shop><b>A</b><i>3 %</i><p class=shop><b>B</b><u>4 %</u>`, 0, cashback.PageNotUnderstood, 0},
		{"rates that nobody reads", "/list", `<p class=shop><b>A</b><i>Earn at least % Cash Back!</i><p class=shop><b>B</b><i>Earn at least % Cash Back!</i>`, 0, cashback.PageNotUnderstood, 0},
		{"a script shell", "/list", `<html><body><div id="root"></div><script src="/static/js/main.4f3c2a1b.js"></script></body></html>`, 0, cashback.PageScriptShell, 0},
		{"a wall", "/list", `<title>Just a moment...</title><body>Checking your browser`, 0, cashback.PageBlocked, 0},
		{"a login by its title", "/list", `<title>Members only</title>` + shopPage(0, 3, ""), 0, cashback.PageBlocked, 0},
		{"a login by its form", "/list", `<title>Exemple</title><form><input name=u><input type=password name=p></form>`, 0, cashback.PageBlocked, 0},
		{"forbidden", "/list", "", 403, cashback.PageBlocked, 0},
		{"gone", "/list", "", 410, cashback.PageNotFound, 0},
		{"a fault", "/list", "", 500, cashback.PageNotUnderstood, 0},
		{"an error page as 200", "/list", "<title>Page not found (404)</title>" + long, 0, cashback.PageNotFound, 0},
		{"a shop", "/shop/7", hero("<b>Up to 4 %</b>"), 0, cashback.PageOK, 1},
		{"a shop that says none", "/shop/7", hero("<b>No cash back</b>"), 0, cashback.PageNoCashback, 1},
		{"a shop with coupons only", "/shop/7", hero("Get code"), 0, cashback.PageNoCashback, 1},
		{"a shop without a rate", "/shop/7", hero("<b></b>"), 0, cashback.PageNotUnderstood, 0},
		{"a shop with a piece of program", "/shop/7", hero("<b>Earn <?php echo $rate ?>% Cash Back</b>"), 0, cashback.PageNotUnderstood, 0},
		{"another shop's page", "/shop/8", hero("<b>4 %</b>"), 0, cashback.PageNotUnderstood, 0},
		{"an error page of its own", "/shop/7", "<title>Oops</title>" + hero("<b>4 %</b>"), 0, cashback.PageNotFound, 0},
		{"another layout", "/shop/7", strings.ReplaceAll(hero("<b>4 %</b>"), "hero", "header") + long, 0, cashback.PageNotUnderstood, 0},
		{"JSON in the place of HTML", "/list", `{"error": "no"}`, 0, cashback.PageNotUnderstood, 0},
		{"nothing", "/list", "", 0, cashback.PageNotUnderstood, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := d.Read(Page{URL: origin + c.url, Request: Request{}, Status: c.status, Body: []byte(c.body)})
			if r.Outcome != c.want || len(r.Items) != c.items {
				t.Errorf("%s with %d entries (%s), want %s with %d", r.Outcome, len(r.Items), r.Reason, c.want, c.items)
			}
			if (r.Reason == "") != (c.want == cashback.PageOK) {
				t.Errorf("outcome %s with the reason %q", r.Outcome, r.Reason)
			}
		})
	}
	moved := d.Read(Page{Request: Request{URL: origin + "/shop/7", Rule: "shop", Kind: KindMerchant}, URL: origin + "/", Body: []byte(hero("<b>4 %</b>"))})
	if moved.Outcome != cashback.PageNotFound {
		t.Errorf("a shop that leads home: %s", moved.Outcome)
	}
}

// TestClassify: pages of hosts without a definition, by what all sites share.
func TestClassify(t *testing.T) {
	var rates, links strings.Builder
	for i := range 30 {
		fmt.Fprintf(&rates, "<li><a href=/s/%d>Shop %d</a> <b>%d%% cashback</b></li>", i, i, i%9+1)
		fmt.Fprintf(&links, "<li><a href=/s/%d>The shop of many things number %d</a></li>", i, i)
	}
	for _, c := range []struct {
		name, body string
		status     int
		want       cashback.Outcome
	}{
		{"a shell with a mount", `<body><div id="app"></div><script src=/assets/index-4f3c2a1b.js></script>`, 0, cashback.PageScriptShell},
		{"a shell around an empty list", "<nav>" + strings.Repeat("<a href=/x class='navigation__item navigation__item--main' data-testid='navigation'>Menu entry</a>\n", 30) + "</nav><div id=cardDeck></div>" +
			strings.Repeat("<script>"+strings.Repeat("function a(){};", 200)+"</script>", 6), 0, cashback.PageScriptShell},
		{"rates", "<ul>" + rates.String() + "</ul>", 0, cashback.PageNotUnderstood},
		{"links", "<ul>" + links.String() + "</ul>", 0, cashback.PageNoRates},
		{"a captcha", `<title>shop</title><script src="https://geo.captcha-delivery.com/captcha.js"></script>`, 0, cashback.PageBlocked},
		{"missing", "<title>404</title>", 0, cashback.PageNotFound},
		{"gone", "", 404, cashback.PageNotFound},
		{"too many", "", 429, cashback.PageBlocked},
		{"JSON", `{"a":1}`, 0, cashback.PageNotUnderstood},
		{"text", "hello", 0, cashback.PageNotUnderstood},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := Classify(Page{URL: "https://shop.example/", Status: c.status, Body: []byte(c.body)}); r.Outcome != c.want || len(r.Items) > 0 {
				t.Errorf("%s: %s, want %s", r.Outcome, r.Reason, c.want)
			}
		})
	}
}

// TestHostilePages are the rows of CRAWLING.md, section 2, that are about what a
// page holds.
func TestHostilePages(t *testing.T) {
	d := load(t, plainList("/l?p={page}", "{param: page}"))
	read := func(p Page) Reading {
		p.URL = origin + "/l"
		return d.Read(p)
	}
	one := func(inner string) string { return "<main><p class=shop>" + inner + "</p></main>" }

	t.Run("17 18 a page that chokes parsers", func(t *testing.T) {
		for name, page := range dear {
			if r := read(Page{Body: []byte(page)}); r.Outcome != cashback.PageUnparseable && r.Outcome != cashback.PageNotUnderstood {
				t.Errorf("%s: %s", name, r.Outcome)
			}
		}
	})
	t.Run("18 a selector that costs too much", func(t *testing.T) {
		costly := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/l\"]\n    items: {select: \"div div div div div div div div x\"}\n    fields: {name: .}\n")
		body := strings.Repeat("<div>", 200) + strings.Repeat("<x></x>", 20000)
		r := costly.Read(Page{URL: origin + "/l", Body: []byte(body)})
		if r.Outcome == cashback.PageOK {
			t.Errorf("%s", r.Outcome)
		}
		siblings := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/l\"]\n    items: {select: \"i:nth-child(7) ~ b\"}\n    fields: {name: .}\n")
		r = siblings.Read(Page{URL: origin + "/l", Body: []byte(strings.Repeat("<b></b>", 40000))})
		if r.Outcome != cashback.PageUnparseable {
			t.Errorf("%s: %s", r.Outcome, r.Reason)
		}
	})
	t.Run("19 character sets", func(t *testing.T) {
		for _, c := range []struct {
			name, contentType string
			body              []byte
			want              string
			issue             bool
		}{
			{"the header", "text/html; charset=iso-8859-1", []byte(one("<b>Caf\xe9</b><i>1 %</i>")), "Café", false},
			{"the meta", "", []byte("<meta charset=windows-1251>" + one("<b>\xc4\xe0</b><i>1 %</i>")), "Да", false},
			{"a BOM against the header", "text/html; charset=iso-8859-1", []byte("\xef\xbb\xbf" + one("<b>Café</b><i>1 %</i>")), "Café", false},
			{"UTF-16", "", append([]byte{0xff, 0xfe}, utf16le(one("<b>Ça</b><i>1 %</i>"))...), "Ça", false},
			{"nothing said, UTF-8", "", []byte(one("<b>楽天</b><i>1 %</i>")), "楽天", false},
			{"nothing said, not UTF-8", "", []byte(one("<b>Caf\xe9</b><i>1 %</i>")), "Café", false},
			{"Shift_JIS", "text/html; charset=Shift_JIS", []byte(one("<b>\x8ay\x93V</b><i>1 %</i>")), "楽天", false},
			{"a header that lies", "text/html; charset=utf-8", []byte(one("<b>" + strings.Repeat("\xe9", 40) + "</b><i>1 %</i>")), strings.Repeat("\uFFFD", 40), true},
		} {
			r := read(Page{Body: c.body, ContentType: c.contentType})
			if len(r.Items) != 1 || r.Items[0].Name != c.want {
				t.Errorf("%s: %s %+v", c.name, r.Outcome, r.Items)
				continue
			}
			if has := slices.ContainsFunc(r.Issues, func(i Issue) bool { return i.Code == "charset" }); has != c.issue {
				t.Errorf("%s: issues %v", c.name, r.Issues)
			}
		}
	})
	t.Run("20 21 23 names and links are text", func(t *testing.T) {
		for _, c := range []struct{ in, name, link string }{
			{"<a href=/x><b>No\u200bk\u202eia\u0007</b></a>", "Nokia", origin + "/x"},
			{"<b>Cafe\u0301</b>", "Café", ""},
			{"<b>" + strings.Repeat("é", 5000) + "</b>", strings.Repeat("é", 200), ""},
			{"<a href='javascript:alert(1)'><b>X</b></a>", "X", ""},
			{"<a href='data:text/html,x'><b>X</b></a>", "X", ""},
			{"<a href='https://user:pw@evil.test/'><b>X</b></a>", "X", ""},
			{"<a href='//cdn.test/x#frag'><b>X</b></a>", "X", "https://cdn.test/x"},
			{"<a href='HTTPS://Shop.Test'><b>X</b></a>", "X", "https://shop.test/"},
			{"<a href=' /a b\n'><b>X</b></a>", "X", origin + "/a%20b"},
			{"<a href='/" + strings.Repeat("x", 3000) + "'><b>X</b></a>", "X", ""},
			{"<b>{{7*7}} &lt;/script&gt; ${x}</b>", "{{7*7}} </script> ${x}", ""},
			{"<b><script>evil()</script>OK<style>a{}</style></b>", "OK", ""},
		} {
			r := read(Page{Body: []byte(one(c.in + "<i>1 %</i>"))})
			if len(r.Items) != 1 || r.Items[0].Name != c.name || r.Items[0].Link != c.link {
				t.Errorf("%q: %+v %s", c.in, r.Items, r.Reason)
			}
		}
		r := read(Page{Body: []byte(one("<b>Аmazon</b><i>1 %</i>"))})
		if !slices.ContainsFunc(r.Issues, func(i Issue) bool { return i.Code == "confusable" }) {
			t.Error("a Cyrillic А in a Latin name goes unnoticed")
		}
	})
	t.Run("38 sitemaps", func(t *testing.T) {
		s := load(t, "pages:\n  - kind: sitemap\n    urls: [\""+origin+"/sitemap.xml\"]\n    match: shops\n    follow: [{rule: shop, match: /shop/}]\n  - name: shop\n    kind: merchant\n    fields: {name: h1, reward: b}\n")
		q := s.Start()[0]
		get := func(q Request, body []byte) Reading { return s.Read(Page{Request: q, URL: q.URL, Body: body}) }
		index := []byte(`<?xml version="1.0"?><sitemapindex xmlns="x"><sitemap><loc>` + origin + `/shops-1.xml.gz</loc></sitemap><sitemap><loc>` + origin + `/blog.xml</loc></sitemap></sitemapindex>`)
		r := get(q, index)
		if r.Outcome != cashback.PageNoRates || len(r.Next) != 1 || r.Next[0].URL != origin+"/shops-1.xml.gz" || r.Next[0].Depth != 1 {
			t.Fatalf("%s: %+v", r.Outcome, r.Next)
		}
		set := []byte(`<urlset><url><loc> ` + origin + `/shop/nike </loc><image:image xmlns:image="y"><image:loc>` + origin + `/shop/logo.png</image:loc></image:image></url><url><loc>` + origin + `/about</loc></url><url><loc>https://evil.test/shop/x</loc></url></urlset>`)
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(set); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		r = get(r.Next[0], z.Bytes())
		if len(r.Next) != 1 || r.Next[0].URL != origin+"/shop/nike" || r.Next[0].Kind != KindMerchant {
			t.Errorf("%s %s: %+v", r.Outcome, r.Reason, r.Next)
		}
		bomb := []byte(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>`)
		if r := get(q, bomb); r.Outcome != cashback.PageUnparseable {
			t.Errorf("entities: %s", r.Outcome)
		}
		var big bytes.Buffer
		w = gzip.NewWriter(&big)
		if _, err := w.Write(bytes.Repeat([]byte(" "), 9<<20)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		if r := get(q, big.Bytes()); r.Outcome != cashback.PageUnparseable {
			t.Errorf("a bomb: %s", r.Outcome)
		}
		if r := get(Request{URL: q.URL, Rule: q.Rule, Kind: q.Kind, Depth: 2}, index); r.Outcome != cashback.PageUnparseable {
			t.Errorf("too deep: %s", r.Outcome)
		}
		if r := get(q, []byte(strings.Repeat("<a>", 1000))); r.Outcome != cashback.PageUnparseable {
			t.Errorf("nested: %s", r.Outcome)
		}
	})
	t.Run("39 JSON", func(t *testing.T) {
		j := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/api\"]\n    json: {items: a}\n    fields: {name: n, reward: r}\n")
		for name, body := range map[string]string{
			"deep":             strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000),
			"deep arrays":      strings.Repeat("[", 1<<20),
			"twice":            `{"a":[],"a":[]}`,
			"a long number":    `{"a":[{"n":"x","r":` + strings.Repeat("9", 400) + `}]}`,
			"many values":      `{"a":[` + strings.Repeat("1,", 500_000) + `1]}`,
			"cut off":          `{"a":[{"n":"x"`,
			"something behind": `{"a":[]} {"b":1}`,
			"not JSON":         `<html>`,
		} {
			if r := j.Read(Page{URL: origin + "/api", Body: []byte(body)}); r.Outcome == cashback.PageOK || len(r.Items) > 0 {
				t.Errorf("%s: %s", name, r.Outcome)
			}
		}
	})
	t.Run("41 links without end", func(t *testing.T) {
		m := load(t, "pages:\n  - kind: directory\n    urls: [\""+origin+"/all\"]\n    follow: [{rule: shop, links: \"a@href\"}]\n  - name: shop\n    kind: merchant\n    fields: {name: h1, reward: b}\n")
		var b strings.Builder
		for i := range 20_000 {
			fmt.Fprintf(&b, "<a href=/%d>x</a>", i)
		}
		r := m.Read(Page{URL: origin + "/all", Body: []byte(b.String())})
		if len(r.Next) != maxLinks || len(r.Issues) == 0 {
			t.Errorf("%s: %d links, issues %v", r.Outcome, len(r.Next), r.Issues)
		}
	})
	t.Run("43 a panic is the page's outcome", func(t *testing.T) {
		broken := load(t, plainList("/l?p={page}", "{param: page}"))
		broken.rules[0].lists[0].title = &field{ways: []*way{nil}} // what no page can do
		r := broken.Read(Page{URL: origin + "/l", Body: []byte(one("<b>X</b>"))})
		if r.Outcome != cashback.PagePanicked || len(r.Items) > 0 {
			t.Errorf("%s", r.Outcome)
		}
	})
	t.Run("too large", func(t *testing.T) {
		if r := read(Page{Body: bytes.Repeat([]byte(" "), DefaultMaxBody+1)}); r.Outcome != cashback.FetchTooLarge {
			t.Errorf("%s", r.Outcome)
		}
	})
}

func utf16le(s string) (out []byte) {
	for _, r := range s {
		out = append(out, byte(r), byte(r>>8))
	}
	return out
}

// TestKeys: an entry is the same from page to page and from list to shop.
func TestKeys(t *testing.T) {
	d := load(t, `pages:
  - kind: list
    urls: ["https://www.exemple.test/l"]
    items: {select: .shop}
    fields: {name: b, reward: i, link: {pick: ["a@href"], drop_params: [pos, "utm_*"]}}
  - name: shop
    kind: merchant
    urls: ["{link}"]
    match: /s/
    fields: {name: h1, reward: i}
`)
	r := d.Read(Page{URL: origin + "/l", Body: []byte(`<p class=shop><a href="/s/1/?pos=3&utm_x=1&v=2"><b>A</b></a><i>1 %</i><p class=shop><a href="https://exemple.test/s/1?v=2"><b>A</b></a><i>1 %</i><p class=shop><b>B</b><i>2 %</i>`)})
	var keys []string
	for _, it := range r.Items {
		keys = append(keys, it.Key)
	}
	if diff := cmp.Diff([]string{"exemple.test/s/1?v=2", "exemple.test/s/1?v=2", "name:b"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if len(r.Next) == 0 || r.Next[0].URL != origin+"/s/1/?v=2" || r.Next[0].Key != keys[0] {
		t.Fatalf("next %+v", r.Next)
	}
	own := d.Read(Page{Request: r.Next[0], URL: r.Next[0].URL, Body: []byte("<h1>A</h1><i>1 %</i>")})
	if len(own.Items) != 1 || own.Items[0].Key != keys[0] || own.Items[0].Link != origin+"/s/1/?v=2" {
		t.Errorf("%s %+v", own.Outcome, own.Items)
	}
	again := d.Read(Page{URL: origin + "/l", Body: []byte(`<p class=shop><a href="/s/1/?pos=9&v=2"><b>A</b></a><i>1 %</i>`)})
	if again.Items[0].Hash != r.Items[0].Hash {
		t.Error("the record's hash changes with the page")
	}
}

func TestDays(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "soon": 0, "45": 45, "60 - 90 Tage": 90, "innerhalb von 60 - 90 Tagen": 90, "加算日：2ヶ月半程度": 75, "約３０日": 30,
		"3 months": 90, "up to 12 weeks": 84, "sous 48 jours": 48, "30 días": 30, "1 mês": 30, "within 10 days, travel 3 months": 90, "90-day hold": 90,
	} {
		if got := days(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// TestSiblingsDescendants: behind a combinator that is meant from the entry more may
// follow, as deep as anyone writes.
func TestSiblingsDescendants(t *testing.T) {
	body := []byte(`<table><tr class=s><td class=n>A</td></tr><tr class=r><td><p><b>4 %</b></p></td></tr><tr class=x><td>12 €</td></tr>
<tr class=s><td class=n>B</td></tr><tr class=r><td><i>no</i></td></tr><tr class=x><td>9 €</td></tr></table>`)
	for pick, want := range map[string][2]string{
		"+ tr b":           {"4 %", ""},
		"+ .r > td b":      {"4 %", ""},
		"+ .r p > b":       {"4 %", ""},
		"+ tr.r + tr.x td": {"12 €", "9 €"},
		"~ .x td":          {"12 €", "9 €"},
		"+ .r b, + .r i":   {"4 %", "no"},
		"~ tr.r ~ tr > td": {"12 €", "9 €"},
		":scope + tr p b":  {"4 %", ""},
		":scope > td":      {"A", "B"},
		"closest(table) b": {"4 %", "4 %"},
		"parent() .x td":   {"12 €", "12 €"},
	} {
		d := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/l\"]\n    items: {select: tr.s}\n    fields: {name: .n, reward: {pick: [\""+pick+"\"], none: [\"^$\", no, \"^[AB]$\"]}}\n")
		r := d.Read(Page{URL: origin + "/l", Body: body})
		if len(r.Items) != 2 || r.Items[0].RateText != want[0] || r.Items[1].RateText != want[1] {
			t.Errorf("%s: %s %q %+v", pick, r.Outcome, r.Reason, r.Items)
		}
	}
}

// TestApart: what belongs to an entry may lie elsewhere on the page, found by what the
// entry says.
func TestApart(t *testing.T) {
	for _, c := range []struct{ name, yaml, body, want string }{
		{"members by an entry's field", `    json: {items: result.shops}
    fields:
      name: name
      reward: {join: "{$.entities.offers[{offerId}].text}", none: ["^$"]}
      tiers: {each: "rateIds[]", label: "$.entities.rates[{.}].label", reward: {join: "{$.entities.rates[{.}].pct} %"}}
      link: {template: "/s/{$.slugs[shop={id}].slug}"}
`, `{"result":{"shops":[{"id":7,"name":"Nike","offerId":"o1","rateIds":["r1","r2"]},{"id":8,"name":"Asos","offerId":"o9"}]},
"entities":{"offers":{"o1":{"text":"jusqu'à 5 %"}},"rates":{"r1":{"label":"Neufs","pct":5},"r2":{"label":"Autres","pct":2}}},"slugs":[{"shop":8,"slug":"asos"},{"shop":7,"slug":"nike"}]}`, `Nike | jusqu'à 5 % | up to 5 % | https://www.exemple.test/s/nike
  - Neufs | 5 % | 5 %
  - Autres | 2 % | 2 %
Asos |  | none | https://www.exemple.test/s/asos
outcome ok, the end is proven
`},
		{"lists side by side", `    json: {items: names}
    fields: {name: ., reward: {join: "{$.rates[{index()}]} €"}}
`, `{"names":["Nike","Asos"],"rates":[3,"4,5"]}`, `Nike | 3 € | 3 EUR
Asos | 4,5 € | 4.5 EUR
outcome ok, the end is proven
`},
		{"a script beside elements", `    data: {rates: {variable: "var rates ="}}
    items: {select: ".shop"}
    fields: {name: b, reward: "data(rates)[{@data-id}].text", link: "a@href"}
`, `<div class=shop data-id=31><a href=/n><b>Nike</b></a></div><div class=shop data-id=32><a href=/a><b>Asos</b></a></div><script>var rates = {31: {text: "4 %"}, "32": {text: "3 €"}};</script>`, `Nike | 4 % | 4 % | https://www.exemple.test/n
Asos | 3 € | 3 EUR | https://www.exemple.test/a
outcome ok, the end is proven
`},
		{"two states", `    data: {boosts: {script: "#boosts", find: {has: [boosts]}}}
    json: {script: "#shops", items: list}
    fields: {name: n, reward: [{join: "{data(boosts).boosts[slug={s}].pct} %", match: '^\d.*'}, r]}
`, `<script id=boosts type=application/json>{"x":{"boosts":[{"slug":"nike","pct":9}]}}</script><script id=shops type=application/json>{"list":[{"n":"Nike","s":"nike","r":"3 %"},{"n":"Asos","s":"asos","r":"2 %"}]}</script>`, `Nike | 9 % | 9 %
Asos | 2 % | 2 %
outcome ok, the end is proven
`},
		{"tiers as JSON of an attribute", `    items: {select: ".shop"}
    fields:
      name: b
      tiers: {json: "@data-rates", each: "[]", label: name, reward: {join: "{pct} %"}, audience: {pick: [who], map: {n: new}}}
`, `<div class=shop data-rates='[{"name":"Neufs","pct":5,"who":"n"},{"name":"Autres","pct":2}]'><b>Nike</b></div>`, `Nike | 5 % | up to 5 %
  - Neufs [new] | 5 % | 5 %
  - Autres | 2 % | 2 %
outcome ok, the end is proven
`},
		{"tiers as HTML of an attribute", `    items: {select: ".shop"}
    fields:
      name: b
      tiers: {html: "@data-content", each: tr, label: "td:nth-child(1)", reward: "td:nth-child(2)"}
`, `<div class=shop data-content="&lt;tr&gt;&lt;td&gt;Neufs&lt;/td&gt;&lt;td&gt;5 %&lt;/td&gt;&lt;/tr&gt;&lt;tr&gt;&lt;td&gt;Autres&lt;/td&gt;&lt;td&gt;2 %&lt;/td&gt;&lt;/tr&gt;"><b>Nike</b></div>`, `Nike | 5 % | up to 5 %
  - Neufs | 5 % | 5 %
  - Autres | 2 % | 2 %
outcome ok, the end is proven
`},
		{"tiers as HTML of JSON", `    json: {items: shops}
    fields:
      name: n
      tiers: {html: rates, each: li, label: {pick: [.], own: true}, reward: b}
`, `{"shops":[{"n":"Nike","rates":"<ul><li>Neufs <b>5 %</b><li>Autres <b>2 %</b></ul>"}]}`, `Nike | 5 % | up to 5 %
  - Neufs | 5 % | 5 %
  - Autres | 2 % | 2 %
outcome ok, the end is proven
`},
		{"tiers as sentences", `    items: {select: ".shop"}
    fields:
      name: b
      reward: .head
      tiers: {text: .desc, match: '(?P<reward>[\d,]+ ?[%€]) (?:sur|pour) (?P<label>[^,;.]+)', base: {pick: [group(label)], match: "^tout le reste"}}
`, `<div class=shop><b>Nike</b> <i class=head>Jusqu'à 5 %</i><p class=desc>5 % sur les chaussures, 2,5 % sur les textiles; 1 € pour tout le reste.</p></div>`, `Nike | Jusqu'à 5 % | up to 5 %
  - les chaussures | 5 % | 5 %
  - les textiles | 2,5 % | 2.5 %
  - tout le reste [base] | 1 € | 1 EUR
outcome ok, the end is proven
`},
		{"rows without their table", `    fragment: html
    items: {select: tr}
    fields: {name: "td:nth-child(1)", reward: "td:nth-child(2)", link: "a@href"}
`, `{"html":"<tr><td><a href='\/n'>Nike<\/a><\/td><td>4 %<\/td><\/tr>\n<tr><td><a href='\/a'>Asos<\/a><\/td><td>3 €<\/td><\/tr>"}`, `Nike | 4 % | 4 % | https://www.exemple.test/n
Asos | 3 € | 3 EUR | https://www.exemple.test/a
outcome ok, the end is proven
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/l\"]\n"+c.yaml)
			if diff := cmp.Diff(c.want, rendered(d.Read(Page{URL: origin + "/l", Body: []byte(c.body)}))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for yaml, says := range map[string]string{
		"json: {items: shops}\n    fields: {name: \"data(x).y\"}":                                         `the rule's data has nothing called "x"`,
		"json: {items: \"shops[{id}]\"}\n    fields: {name: n}":                                           "stands in picks of entries",
		"items: {select: a}\n    fields: {name: b, tiers: {label: b}}":                                    "each is missing",
		"items: {select: a}\n    fields: {name: b, tiers: {each: li, label: b}}":                          "reward is missing",
		"items: {select: a}\n    fields: {name: b, tiers: {text: i, match: \"(?P<label>.*)\"}}":           "names no group for the rate",
		"items: {select: a}\n    fields: {name: b, tiers: {text: i, each: li, reward: i}}":                "text and match belong together",
		"items: {select: a}\n    fields: {name: b, tiers: {json: i, html: i, each: li, reward: i}}":       "the lines lie in one place",
		"data: {r: {variable: x, items: y}}\n    items: {select: a}\n    fields: {name: b}":               "data has no entries of its own",
		"json: {items: shops}\n    fields: {name: \"a[{b\"}":                                              "a bracket is not closed",
		"items: {select: a}\n    fields: {name: b, reward: {expr: 'pick(\"data(z).a\") + \"%\"'}}":        `nothing called "z"`,
		"json: {items: shops}\n    fields: {name: n, reward: \"$.o[{data(z).q}].t\"}":                     `nothing called "z"`,
		"json: {items: shops}\n    fields: {name: n, reward: {join: \"{$.o[{.. }].t} %\"}}":               "is not a path",
		"data: {\"a b\": {variable: x}}\n    items: {select: a}\n    fields: {name: b}":                   "is not a name",
		"data: {r: {variable: x, script: y, ld: z}}\n    items: {select: a}\n    fields: {name: b}":       "the JSON lies in one place",
		"items: {select: a}\n    fields: {name: b, tiers: {json: i, each: \"..\", reward: i}}":            "is not a path",
		"items: {select: a}\n    fields: {name: b, tiers: {html: i, each: \"li[\", reward: i}}":           "is not a selector",
		"items: {select: a}\n    fields: {name: b, tiers: {text: i, match: \"(?P<reward>[)\", label: i}}": "is not a regular expression",
	} {
		_, err := Load("x.yaml", []byte(head+"pages:\n  - kind: list\n    urls: [\""+origin+"/l\"]\n    "+yaml+"\n"))
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "^") {
			t.Errorf("%s: says %v, wanted %s", yaml, err, says)
		}
	}
}
