package portal

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// FuzzLoad: no file makes the loader panic or hang, and what it refuses is
// refused as wrong input.
func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("../definitions/*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatal("no definitions", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(head + "pages:\n  - kind: list\n    urls: [\"https://www.exemple.test/{x}\"]\n    seeds: {x: [a]}\n    items: {select: \"a > b:has(c) + d\"}\n    fields: {name: {join: \"{a} {b@c}\"}, reward: {expr: \"item.a / 2\"}}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Load("fuzz.yaml", b)
		if err != nil {
			if cashback.KindOf(err) != cashback.Invalid {
				t.Errorf("kind %v: %v", cashback.KindOf(err), err)
			}
			return
		}
		for _, q := range d.Start() {
			if q.URL == "" || q.Rule == "" {
				t.Errorf("a request without address or rule: %+v", q)
			}
		}
		d.Read(Page{URL: d.Portal().Homepage, Body: []byte("<p>1 %</p>")})
	})
}

// fuzzDefinitions use every way to find entries.
var fuzzDefinitions = []string{
	`pages:
  - kind: list
    urls: ["https://www.exemple.test/{x}?p={page}"]
    seeds: {x: [a]}
    paging: {param: page, until: [empty], total: .n, pages: "a.p", next: "next()"}
    items: {select: "li, p:has(b), tr", exclude: "nav", where: {absent: .ad}}
    fields:
      name: ["b@title", b, {pick: ["closest(div) h2", "before(h3)", "meta(og:title)", "ld(Store).name"]}]
      reward: {pick: [i, "~ i", "+ u"], remove: [s], none: ["^none"]}
      previous: s
      link: {pick: ["a@href"], drop_params: [a], keep: raw}
      logo: ["img@src"]
      domain: "@data-d"
      tiers: {each: "em", label: ., reward: "@r"}
    follow: [{rule: shop, links: "a@href"}]
  - name: shop
    kind: merchant
    urls: ["{link}"]
    fields: {name: h1, reward: [b, {value: "@x", unit: "@u", scale: 2}], validation_days: p, tiers: {each: li, reward: .}}
`, `pages:
  - kind: list
    urls: ["https://www.exemple.test/api?o={offset}"]
    paging: {param: offset, step: 2, total: $.t}
    json: {items: "a[].b", where: {there: n}}
    fields: {name: [n, key()], reward: [{value: v, unit: u, scale: {x: 100}, min: m}, r, {expr: "item.a / item.b"}], link: {template: "/{n}"}, tiers: {each: "t[]", label: l, reward: r, audience: ^.w}}
`, `pages:
  - kind: list
    urls: ["https://www.exemple.test/s"]
    lists:
      - json: {next_f: true, find: {has: [a]}, items: a}
        fields: {name: n, reward: r}
        optional: true
      - json: {script: script, decode: [each, b], find: {has: [a], all: true}}
        fields: {name: n, reward: r}
        optional: true
      - json: {variable: "x", refs: apollo, items: a}
        fields: {name: n, reward: r.t}
        optional: true
      - json: {script: "#n", refs: nuxt, items: a}
        fields: {name: n, reward: r}
        optional: true
      - json: {ld: "*"}
        fields: {name: name, reward: {pick: [d], decode: [html, base64, url, "json:a"]}}
        optional: true
      - items: {select: p}
        split: [{pick: [.], match: "(?P<reward>\\d+ %) (?P<name>.*)"}]
        optional: true
`, `pages:
  - kind: sitemap
    urls: ["https://www.exemple.test/sitemap.xml"]
    follow: [{rule: x}]
  - name: x
    kind: list
    fragment: a.html
    uncomment: true
    items: {select: b}
    fields: {name: ., reward: i}
`, `pages:
  - kind: list
    urls: ["https://www.exemple.test/x"]
    lists:
      - json: {xml: true, items: "a.b"}
        fields: {name: [c, "@n", "#text"], reward: {when: {there: d}, pick: [d]}, tiers: {each: "e[].f[]", label: ^.g, reward: "h*"}}
        optional: true
      - items: {match: "(?P<name>\\w+) (?P<reward>\\d+ %)"}
        optional: true
`}

// FuzzRead: no page makes the reader panic, and what it finds keeps its promises.
func FuzzRead(f *testing.F) {
	var defs []*Definition
	for _, s := range fuzzDefinitions {
		d, err := Load("fuzz.yaml", []byte(head+s))
		if err != nil {
			f.Fatal(err)
		}
		defs = append(defs, d)
	}
	addresses := []string{"https://www.exemple.test/a?p=2", "https://www.exemple.test/api?o=0", "https://www.exemple.test/s", "https://www.exemple.test/sitemap.xml", "https://www.exemple.test/x"}
	for i, body := range []string{
		shopPage(0, 3, "<link rel=next href=/x><i class=n>3</i>"), `{"t":3,"a":[{"b":[{"n":"x","v":1,"u":"x","t":[{"l":"a","r":"1 %"}]}]}]}`,
		`<script>self.__next_f.push([1,"1:{\"a\":[{\"n\":\"$2\",\"r\":\"1 %\"}]}\n2:T3,abc"])</script><script id=n>[[1],{"a":2},[3],{"n":4,"r":5},"x","2 %"]</script>` +
			`<script>x = {a: [{'n': "y", r: {"__ref": "R:1"}}], "R:1": {t: "3 %"}}</script><script type="application/ld+json">{"@type":"A","name":"z","d":"1 %"}</script><p>5 % Nike</p>`,
		`<urlset><url><loc>https://www.exemple.test/y</loc></url></urlset>`, `{"a":{"html":"<b>x<i>1 %</i></b>"}}`, `<table><tr><b id=1><td><li>`, "\xff\xfe<\x00b\x00",
		`<a><b n="x"><c>y</c><d>1 %</d><e><f><h>2 %</h></f></e></b><b>Nike 5 %</b></a>`,
	} {
		for n := range defs {
			if n == i || i >= len(defs) {
				f.Add(uint8(n), []byte(body))
			}
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		d := defs[int(n)%len(defs)]
		p := Page{URL: addresses[int(n)%len(defs)], Body: body}
		readings := []Reading{d.Read(p), Classify(p)}
		for _, r := range d.rules {
			p.Request = Request{URL: p.URL, Rule: r.name, Kind: r.kind}
			readings = append(readings, d.Read(p))
		}
		for _, r := range readings {
			if r.Outcome == "" || r.Outcome == cashback.PagePanicked {
				t.Fatalf("outcome %q: %s", r.Outcome, r.Reason)
			}
			if r.Outcome != cashback.PageOK && r.Reason == "" {
				t.Errorf("outcome %s without a reason", r.Outcome)
			}
			for i := range r.Items {
				it := &r.Items[i]
				if it.Name == "" || it.Key == "" || utf8.RuneCountInString(it.Name) > maxName || strings.ContainsFunc(it.Name, unicode.IsControl) {
					t.Errorf("name %q, key %q", it.Name, it.Key)
				}
				for _, link := range []string{it.Link, it.Logo} {
					if link != "" && !strings.HasPrefix(link, "http://") && !strings.HasPrefix(link, "https://") {
						t.Errorf("link %q", link)
					}
				}
			}
			for _, q := range r.Next {
				if q.Rule == "" || !strings.HasPrefix(q.URL, "http") {
					t.Errorf("next %+v", q)
				}
			}
		}
	})
}

// FuzzSelector: no selector makes the compiler or a walk panic.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{"a", "> a.b[c='d, e']", "+ dd", ":scope > a, b:has(c)", "a:not(.b) ~ c", `[x="]"]`, "a,,b", "a >", `\,`, "+ dd b", "~ dd > c, + a b", ":scope + dd b"} {
		f.Add(s)
	}
	root, err := parseHTML(`<div><a class=b c="d, e"><dd><b><c></c></b></a><dd>x</div>`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sel, err := parseSelector(s)
		if err != nil {
			return
		}
		m := meter{left: steps}
		for n := root; n != nil; n = next(n, root) {
			if n.FirstChild == nil {
				continue
			}
			sel.is(n, root, &m)
			for range 3 {
				sel.all(n, &m, func(*html.Node) bool { return true })
			}
		}
	})
}

// FuzzPlainSelector holds the quick matching of names and classes to cascadia's.
func FuzzPlainSelector(f *testing.F) {
	for _, s := range []string{"div", ".shop", "li.shop.on", "#list", "p#a.b", "DIV.Shop", ".a-b_c"} {
		f.Add(s, `<div id="list" class="shop shopping"><LI class=" on	shop
x">a</li><p id=a class="b b">b</p><i class="Shop a-b_c"></i><svg><foreignObject class=shop></svg></div>`)
	}
	f.Fuzz(func(t *testing.T, s, page string) {
		p := plainOf(s)
		if p == nil || len(page) > 10_000 {
			return
		}
		sel, err := cascadia.Parse(s)
		if err != nil {
			return
		}
		root, err := parseHTML(page)
		if err != nil {
			return
		}
		for n := root; n != nil; n = next(n, root) {
			if got, want := p.match(n), sel.Match(n); got != want {
				t.Fatalf("%s on <%s %v>: %v, cascadia says %v", s, n.Data, n.Attr, got, want)
			}
		}
	})
}

// FuzzOnSite holds the quick way of resolving links to the whole one.
func FuzzOnSite(f *testing.F) {
	for _, l := range []string{"/a", "/a/b-c_d.html", "/a//b", "/../a", "/a/./b", "//evil.test/", "/a?b", "/%41", "/é", "/", "/a.b..c", "/.a"} {
		f.Add("https://www.exemple.test/x/y", l)
	}
	f.Add("http://\x8d", "/")
	f.Fuzz(func(t *testing.T, at, link string) {
		base, err := url.Parse(at)
		if err != nil || link == "" {
			return
		}
		quick := onSite(base, link)
		if quick == nil {
			return
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		if want := base.ResolveReference(u).String(); quick.String() != want {
			t.Fatalf("%s on %s is %s, not %s", link, at, quick, want)
		}
		if whole, ok := absolute(base, link+"#x"); !ok || whole.String() != quick.String() {
			t.Fatalf("%s on %s is %v %v, not %s", link, at, whole, ok, quick)
		}
	})
}
