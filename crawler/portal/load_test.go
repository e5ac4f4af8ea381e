package portal

import (
	"slices"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// head is the part of a definition that tests rarely vary.
const head = `portal: exemple
name: Exemple
homepage: https://www.exemple.test/
countries: [FR]
locale: fr-FR
currency: EUR
hosts: [www.exemple.test]
`

// load loads a definition made of head and pages.
func load(t *testing.T, pages string) *Definition {
	t.Helper()
	d, err := Load("exemple.yaml", []byte(head+pages))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFaults asks for each mistake where it is and what would be right.
func TestFaults(t *testing.T) {
	list := func(s string) string {
		return head + "pages:\n  - kind: list\n    urls: [\"https://www.exemple.test/all\"]\n" + s
	}
	for _, c := range []struct {
		name, yaml string
		says       []string
	}{
		{"a field that isn't there", list("    items: {select: .shop, whitin: main}\n    fields: {name: [.n]}\n"), []string{"exemple.yaml:11:", "whitin", "is within meant?", "^"}},
		{"a bad selector", list("    items: {select: \".shop[\"}\n    fields: {name: [.n]}\n"), []string{"exemple.yaml:11:21", "pages[0].items.select", ".shop[", "   11 |"}},
		{"a bad selector in a chain", list("    items: {select: .shop}\n    fields: {name: [.n, \"img:nth(@alt\"]}\n"), []string{"exemple.yaml:12:25", "name"}},
		{"a bad regular expression", list("    items: {select: .shop}\n    fields: {name: {pick: .n, match: \"(\"}}\n"), []string{":12:38", "regular expression"}},
		{"a bad path", list("    json: {items: \"a..b\"}\n    fields: {name: n}\n"), []string{":11:19", "path"}},
		{"a bad expression", list("    json: {items: a}\n    fields: {name: n, reward: {expr: \"item.a +\"}}\n"), []string{":12:38", "expression"}},
		{"a missing field", "portal: x\nname: X\n", []string{"hosts is missing", "pages is missing"}},
		{"a foreign host", strings.Replace(list("    items: {select: .shop}\n    fields: {name: [.n]}\n"), "www.exemple.test/all", "evil.test/all", 1), []string{"evil.test is not among the hosts"}},
		{"an unknown placeholder", strings.Replace(list("    items: {select: .shop}\n    fields: {name: [.n]}\n"), "/all", "/{shop}", 1), []string{"{shop}"}},
		{"a credential", list("    headers: {Authorization: secret}\n    items: {select: .shop}\n    fields: {name: [.n]}\n"), []string{"Authorization is not for a definition"}},
		{"twice", head + "name: Y\n", []string{"name"}},
		{"not YAML", "portal: [", []string{"not YAML"}},
		{"nothing", "", []string{"0 definitions"}},
		{"too deep", strings.Repeat("[", 1000), []string{"nested deeper"}},
		{"too deep in lines", strings.Repeat("- ", 1000), []string{"nested deeper"}},
		{"an alias of nothing", "portal: *x\n", []string{"*x"}},
		{"a tag", "portal: !!binary x\n", []string{"tags"}},
		{"a fact without a source", list("    items: {select: .shop}\n    fields: {name: [.n]}\nfacts: {vat_basis: {value: net}}\n"), []string{"no source"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load("exemple.yaml", []byte(c.yaml))
			if err == nil {
				t.Fatal("it loads")
			}
			if cashback.KindOf(err) != cashback.Invalid {
				t.Errorf("kind %v", cashback.KindOf(err))
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("it doesn't say %q:\n%v", s, err)
				}
			}
		})
	}
}

// TestMistakes makes plausible mistakes in a good definition, each told at its place
// and with what would be right where that is plain.
func TestMistakes(t *testing.T) {
	const good = head + `pages:
  - kind: list
    urls: ["https://www.exemple.test/l?p={page}"]
    paging: {param: page, from: 1}
    expect: {selector: "#list .shop", min: 3}
    items: {select: ".shop"}
    fields:
      name: [".title", "img@alt"]
      reward: {pick: [".rate"], none: ["^Pas de"]}
      link: "a@href"
`
	if _, err := Load("x.yaml", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, says string }{
		{"currency: EUR", "currency: EURO", `x.yaml:6:11: currency: "EURO" is not a currency: use a three-letter code`},
		{"locale: fr-FR", "locale: fr_FR", `x.yaml:5:9: locale: "fr_FR" is not a locale: use a language and region such as fr-FR`},
		{"locale: fr-FR", "locale: xx-XX", `"xx-XX" is not a locale`},
		{"countries: [FR]", "countries: [XX]", `x.yaml:4:13: countries[0]: "XX" is not a country`},
		{"countries: [FR]", "countries: FR", `x.yaml:4:12: countries: a list is expected here: put it in brackets, [FR]`},
		{"hosts: [www.exemple.test]\n", "", "x.yaml:1:1: hosts is missing"},
		{"hosts: [www", `hosts: ["https://www`, "x.yaml:"},
		{"hosts: [www.exemple.test]", "hosts: [exemple.test]", "x.yaml:10:12: pages[0].urls[0]: www.exemple.test is not among the hosts [exemple.test]"},
		{"urls: [\"https:", "urls: [\"http:", "x.yaml:10:12: pages[0].urls[0]: write https, or list http://www.exemple.test among the hosts where it has none"},
		{"kind: list", "kind: lists", `x.yaml:9:11: pages[0].kind: "lists" is not a kind of page: use list, merchant`},
		{"?p={page}", "?p=1", "x.yaml:11:21: pages[0].paging.param: no address has a {page}"},
		{"?p={page}", "?p={pgae}", "nothing gives a value to {pgae}"},
		{"    paging: {param: page, from: 1}\n", "", "{page} needs a paging with param: page"},
		{`".shop"}`, `"//div[@class='shop']"}`, "that is XPath, here are CSS selectors"},
		{`".shop"}`, `[data-shop]}`, `a value that begins with a bracket stands in quotes, "[data-x]"`},
		{`items: {select: ".shop"}`, `json: {items: shops}`, "in a rule with json picks are paths, and css(.title) is a selector"},
		{`[".title", "img@alt"]`, `"rates[].value"`, "that is a path, and the rule has no json"},
		{`[".title", "img@alt"]`, `closset(section) h2`, "closset(…) is not a function: there are before, canonical, closest"},
		{`"a@href"`, "@href", `x.yaml:17:13: not YAML: '@' is a reserved character; a value that begins with @, %, & or * stands in quotes`},
		{`"a@href"`, "#main a@href", `a value that begins with "#" is a comment unless it stands in quotes`},
		{`"#list .shop"`, "#list .shop", `on line 12 a "#" begins a comment`},
		{`"^Pas de"`, `"^Pas (de"`, "x.yaml:16:40: pages[0].fields.reward.none[0]: \"^Pas (de\" is not a regular expression: missing closing )"},
		{`"^Pas de"`, `"\d"`, "in double quotes a backslash is written twice, in single quotes once"},
		{`none: [`, `nones: [`, `"nones" is not a field of field; is none meant?`},
		{"    fields:\n", "fields:\n", `x.yaml:14:1: fields: "fields" is not a field of a definition, but of page: is the line indented as it should be?`},
		{"    items:", "\titems:", "YAML indents by spaces, not tabs"},
		{`{pick: [".rate"], none: ["^Pas de"]}`, `{pick: [".rate"], replace: [{find: "([0-9]+)", with: "$1p"}]}`, "$1p names no group of the expression; the first is $1, and ${1} before letters"},
		{"link: \"a@href\"", "url: \"a@href\"", `x.yaml:17:7: pages[0].fields.url: "url" is not a field of fields; there are category, conditions, country, domain, id, link, logo, name`},
		{`"a@href"`, `"a::attr(href)"`, "an attribute is written a@href"},
		{`".shop"}`, `":is(.a, .b)"}`, "write the alternatives out, with a comma between"},
		{`".shop"}`, `".shop:visible"}`, "name the class or attribute that hides it"},
		{`"^Pas de"`, `"^(?!Pas)"`, "there is no look-around here: match cuts out"},
		{"?p={page}", "?p={{page}}", "x.yaml:10:12: pages[0].urls[0]: a placeholder stands in one pair of braces: {page}"},
		{"?p={page}", "?p={page}&q={", "a brace that isn't a placeholder's is written %7B"},
		{`"#list .shop"`, "#list .shop", "x.yaml:12:24: not YAML"},
		{`".shop"}`, `".shop}`, "x.yaml:13:21: "},
		{"link: \"a@href\"", "link: [a@href", "x.yaml:17:13: "},
		{"      link", "schedule: {every: 30s}\n#", "schedule.every: 30s: at least 10m"},
	} {
		_, err := Load("x.yaml", []byte(strings.Replace(good, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "^") {
			t.Errorf("%s: says %v\nwanted %s", c.to, err, c.says)
		}
	}
	// What isn't wrong but rarely meant is told too.
	forgot, err := Load("x.yaml", []byte(strings.NewReplacer(`".rate"`, "rate", "from: 1}", "from: 1, until: [no more]}").Replace(good)))
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	for _, r := range forgot.Remarks() {
		told += r.Error() + "\n"
	}
	for _, s := range []string{`x.yaml:16:23: pages[0].fields.reward.pick[0]: no element of HTML is called "rate": is the class .rate meant?`, "^", `x.yaml:11:44: `} {
		if !strings.Contains(told, s) {
			t.Errorf("it says\n%swithout %s", told, s)
		}
	}
	for host, odd := range map[string]bool{"shop.exemple.test": false, "shop.exemple.test:443": false, "127.0.0.1": true, "[::1]": true, "0x7f.1": true, "2130706433": true, "localhost": true, "shop.exemple.test:6379": true} {
		d, err := Load("x.yaml", []byte(strings.Replace(good, "hosts: [www", `hosts: ["`+host+`", www`, 1)))
		if err != nil || len(d.Remarks()) > 0 != odd || odd && !strings.Contains(d.Remarks()[0].Error(), "hosts[0]: a crawl asks only hosts that have a name") {
			t.Errorf("%s: %v, %v", host, err, d.Remarks())
		}
	}
	// A host without https is reached as it is listed.
	d, err := Load("x.yaml", []byte(strings.NewReplacer("hosts: [www", "hosts: [a.exemple.test, http://www", "urls: [\"https:", "urls: [\"http:").Replace(good)))
	if err != nil || !slices.Equal(d.Hosts(), []string{"a.exemple.test", "www.exemple.test"}) || !slices.Equal(d.Origins(), []string{"a.exemple.test", "http://www.exemple.test"}) {
		t.Error(err)
	}
	// A unit that can't be meant as a pick is the unit itself.
	for unit, want := range map[string]string{`"%"`: "6.5 %", "EUR": "6.5 EUR", `"€"`: "6.5 EUR"} {
		d, err := Load("x.yaml", []byte(strings.Replace(good, `{pick: [".rate"], none: ["^Pas de"]}`, `{value: "i@data-rate", unit: `+unit+`}`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		r := d.Read(Page{URL: origin + "/l?p=2", Body: []byte(`<div id=list><div class=shop><b class=title>A</b><i data-rate="6.50"></i></div></div>`)})
		if len(r.Items) != 1 || said(r.Items[0].Reward) != want {
			t.Errorf("%s: %+v %s", unit, r.Items, r.Reason)
		}
	}
}

// TestAliases: fields can be shared between lists, and nothing grows without
// bound.
func TestAliases(t *testing.T) {
	d := load(t, `pages:
  - kind: list
    urls: ["https://www.exemple.test/all"]
    lists:
      - list: tiles
        items: {select: .tile}
        fields: &f {name: [.n], reward: [.r]}
      - list: rows
        items: {select: .row}
        fields: {<<: *f, reward: [.x]}
`)
	r := d.Read(Page{URL: "https://www.exemple.test/all", Body: []byte(`<div class=row><i class=n>A</i><i class=x>2%</i></div><div class=tile><i class=n>B</i><i class=r>3%</i></div>`)})
	if len(r.Items) != 2 || r.Items[0].RateText != "2%" || r.Items[1].RateText != "3%" {
		t.Errorf("%s %q %+v", r.Outcome, r.Reason, r.Items)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		n := string(rune('b' + i))
		p := string(rune('a' + i))
		bomb += n + ": &" + n + " [" + strings.TrimSuffix(strings.Repeat("*"+p+",", 9), ",") + "]\n"
	}
	if _, err := Load("bomb.yaml", []byte(bomb+"hosts: *i\n")); err == nil {
		t.Error("the bomb loads")
	}
}
