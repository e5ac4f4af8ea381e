package portal

import (
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
