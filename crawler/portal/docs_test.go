package portal

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/reward"
)

var fenced = regexp.MustCompile("(?ms)^```(\\w+) (definition|page|result)(?: (\\S+))?\\n(.*?)^```$")

// TestDocs runs every example of docs/definitions.md: the definition on its page
// must give the result that stands below them. The last chapter lists every
// field of the shapes. `make generate` writes both anew.
func TestDocs(t *testing.T) {
	const name = docs + "definitions.md"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	var d *Definition
	var page Page
	examples := 0
	out := fenced.ReplaceAllStringFunc(text, func(m string) string {
		g := fenced.FindStringSubmatch(m)
		switch g[2] {
		case "definition":
			source := g[4]
			if !strings.Contains(source, "portal:") {
				source = head + source
			}
			if d, err = Load("example.yaml", []byte(source)); err != nil {
				t.Errorf("%v\n%s", err, source)
			}
		case "page":
			page = Page{URL: g[3], Body: []byte(g[4])}
			if g[1] == "json" {
				page.ContentType = "application/json"
			}
		case "result":
			if d == nil {
				return m
			}
			examples++
			return "```text result\n" + rendered(d.Read(page)) + "```"
		}
		return m
	})
	if examples < 20 {
		t.Errorf("%d examples were run", examples)
	}
	const mark = "<!-- fields -->\n"
	before, _, ok := strings.Cut(out, mark)
	if !ok {
		t.Fatal("the page has no place for its fields")
	}
	fresh(t, name, []byte(before+mark+reference(t)))
}

// rendered is a reading in the short form of the page's examples.
func rendered(r Reading) string {
	var b strings.Builder
	for i := range r.Items {
		it := &r.Items[i]
		fmt.Fprintf(&b, "%s | %s | %s", it.Name, it.RateText, said(it.Reward))
		if it.PreviousText != "" {
			fmt.Fprintf(&b, " | before: %s", it.PreviousText)
		}
		if it.Link != "" {
			fmt.Fprintf(&b, " | %s", it.Link)
		}
		for _, extra := range []struct{ name, text string }{{"category", it.Category}, {"domain", it.Domain}, {"conditions", it.Conditions}, {"id", it.ID}, {"logo", it.Logo}} {
			if extra.text != "" && (extra.name != "logo" || strings.Contains(extra.text, "/l/")) {
				fmt.Fprintf(&b, " | %s: %s", extra.name, extra.text)
			}
		}
		if it.ValidationDays > 0 {
			fmt.Fprintf(&b, " | confirmed in %d days", it.ValidationDays)
		}
		b.WriteByte('\n')
		for j := range it.Tiers {
			tier := &it.Tiers[j]
			label := tier.Label
			if tier.Audience != cashback.Anybody {
				label += " [" + string(tier.Audience) + "]"
			}
			if tier.Base {
				label += " [base]"
			}
			fmt.Fprintf(&b, "  - %s | %s | %s\n", label, tier.RateText, said(tier.Reward))
		}
	}
	fmt.Fprintf(&b, "outcome %s", r.Outcome)
	if r.Reason != "" {
		fmt.Fprintf(&b, ": %s", r.Reason)
	}
	if r.Total > 0 {
		fmt.Fprintf(&b, ", of %d declared", r.Total)
	}
	if r.End {
		b.WriteString(", the end is proven")
	}
	b.WriteByte('\n')
	for _, q := range r.Next {
		fmt.Fprintf(&b, "leads to %s\n", q.URL)
	}
	return b.String()
}

// said is a reward in a few words.
func said(r cashback.Reward) string {
	s := reward.Summarise(r)
	if !r.Kind.Pays() || !s.Value.Valid {
		return string(r.Kind)
	}
	text := s.Value.Decimal.String() + " " + strings.TrimSpace(string(s.Currency)+" "+s.PointsCurrency)
	if s.Kind == cashback.Percent {
		text = s.Value.Decimal.String() + " %"
	}
	if s.Kind == cashback.PointsPerUnit {
		text = s.Value.Decimal.String() + " " + s.PointsCurrency + " per "
		if s.PerAmount.Valid && s.PerAmount.Decimal.String() != "1" {
			text += s.PerAmount.Decimal.String() + " "
		}
		text += strings.TrimSpace(string(s.Currency) + " " + s.PerUnit)
	}
	if s.UpTo {
		text = "up to " + text
	}
	if s.Previous.Valid {
		text += ", was " + s.Previous.Decimal.String()
	}
	return text
}

// TestDocsLinks: every link within the page leads to a heading of it.
func TestDocsLinks(t *testing.T) {
	b, err := os.ReadFile(docs + "definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(b), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ' || r == '-':
				return '-'
			case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		anchors[name] = true
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(string(b), -1) {
		if !anchors[m[1]] {
			t.Errorf("#%s leads nowhere", m[1])
		}
	}
}

// TestWhichJSON reads a page of each kind by what the page's table says to write for
// it: "…" stands for what differs from site to site.
func TestWhichJSON(t *testing.T) {
	b, err := os.ReadFile(docs + "definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "### Which JSON is it\n")
	table, _, _ = strings.Cut(table, "\n## ")
	const shops = `[{"name":"Nike","rate":"4 %"},{"name":"Asos","rate":"3 €"}]`
	quoted := strings.ReplaceAll(shops, `"`, "&quot;")
	const devalue = `[{"shops":1},[2,5],{"name":3,"rate":4},"Nike","4 %",{"name":6,"rate":7},"Asos","3 €"]`
	fields := "{name: name, reward: rate}"
	pages := []struct{ sign, body, fill, fields string }{
		{"__NEXT_DATA__", `<script id="__NEXT_DATA__" type="application/json">{"props":{"pageProps":{"shops":` + shops + `}}}</script>`, "", ""},
		{"__next_f", `<script>self.__next_f.push([1,"1:{\"shops\":` + strings.ReplaceAll(shops, `"`, `\"`) + `}\n"])</script>`, "", ""},
		{"__NUXT_DATA__", `<script id="__NUXT_DATA__" type="application/json">` + devalue + `</script>`, "{has: [shops]}, items: shops", ""},
		{"_payload.json", devalue, "{has: [shops]}, items: shops", ""},
		{"window.__NUXT__", `<script>window.__NUXT__=(function(a,b){return {data:[{shops:[{name:"Nike",rate:a},{name:"Asos",rate:b}]}]}}("4 %","3 €"));</script>`, "{has: [shops]}, items: shops", ""},
		{"kit.start", `<script>Promise.all([]).then(([kit, app]) => {kit.start(app, element, {node_ids: [0, 2],data: [null,{type:"data",data:{shops:` + shops + `,at:new Date(17)},uses:{}}],form: null});});</script>`, "{has: [shops]}, items: shops", ""},
		{"__data.json", `{"type":"data","nodes":[null,{"type":"data","data":` + devalue + `,"uses":{}}]}`, "{has: [shops]}, items: shops", ""},
		{"streamController", `<script>window.__reactRouterContext.streamController.enqueue("[{\"_1\":2},\"shops\",[3,8],{\"_4\":5,\"_6\":7},\"name\",\"Nike\",\"rate\",\"4 %\",{\"_4\":9,\"_6\":10},\"Asos\",\"3 €\"]\n");</script>`, "{has: [shops]}, items: shops", ""},
		{"__remixContext", `<script>window.__remixContext = {"state":{"loaderData":{"routes/shops":{"shops":` + shops + `}}}};</script>`, "{has: [shops]}, items: shops", ""},
		{"astro-island", `<astro-island props="{&quot;menu&quot;:[0,1]}"></astro-island><astro-island props="{&quot;shops&quot;:[1,[[0,{&quot;name&quot;:[0,&quot;Nike&quot;],&quot;rate&quot;:[0,&quot;4 %&quot;]}],[0,{&quot;name&quot;:[0,&quot;Asos&quot;],&quot;rate&quot;:[0,&quot;3 €&quot;]}]]]}"></astro-island>`, "", `{name: "[1].name[1]", reward: "[1].rate[1]"}`},
		{"ng-state", `<script id="ng-state" type="application/json">{"123":{"b":{"shops":` + shops + `}}}</script>`, "{has: [shops]}, items: shops", ""},
		{"data-page", `<div id="app" data-page="{&quot;props&quot;:{&quot;shops&quot;:` + quoted + `}}"></div>`, "", ""},
		{"wire:snapshot", `<div wire:snapshot="{&quot;data&quot;:{&quot;q&quot;:1}}"></div><div wire:snapshot="{&quot;data&quot;:{&quot;shops&quot;:[[[{&quot;name&quot;:&quot;Nike&quot;,&quot;rate&quot;:&quot;4 %&quot;},{&quot;s&quot;:&quot;arr&quot;}],[{&quot;name&quot;:&quot;Asos&quot;,&quot;rate&quot;:&quot;3 €&quot;},{&quot;s&quot;:&quot;arr&quot;}]],{&quot;s&quot;:&quot;arr&quot;}]}}"></div>`, "", `{name: "[0].name", reward: "[0].rate"}`},
		{":shops", `<shop-list :shops="` + quoted + `"></shop-list>`, "", ""},
		{"x-data", `<div x-data="{open: false, shops: ` + quoted + `}"></div>`, "", ""},
		{"__INITIAL_STATE__", `<script>window.__INITIAL_STATE__ = {shops:{list:` + shops + `}};</script>`, "", ""},
		{"__APOLLO_STATE__", `<script>window.__APOLLO_STATE__ = {"ROOT_QUERY":{"shops":[{"__ref":"Shop:1"},{"__ref":"Shop:2"}]},"Shop:1":{"__typename":"Shop","name":"Nike","rate":"4 %"},"Shop:2":{"__typename":"Shop","name":"Asos","rate":"3 €"}};</script>`, "ROOT_QUERY.shops", ""},
		{"queryKey", `{"dehydratedState":{"queries":[{"queryKey":["menu"],"state":{"data":{}}},{"queryKey":["shops",1],"state":{"data":{"items":` + shops + `}}}]}}`, "", ""},
		{"drupal", `<script type="application/json" data-drupal-selector="drupal-settings-json">{"cashback":{"shops":` + shops + `}}</script>`, "cashback.shops", ""},
		{"ld+json", `<script type="application/ld+json">{"@type":"ItemList","itemListElement":` + shops + `}</script>`, "", ""},
		{"var shops", `<script>var shops = ` + shops + `;</script>`, "", ""},
		{"new Grid", `<script>new Grid({el: "#x", shops: ` + shops + `});</script>`, "", ""},
		{"JSON:API", `{"data":[{"type":"shops","attributes":{"name":"Nike"},"relationships":{"offer":{"data":{"id":"7"}}}},{"type":"shops","attributes":{"name":"Asos"},"relationships":{"offer":{"data":{"id":"8"}}}}],"included":[{"id":"8","attributes":{"rate":"3 €"}},{"id":"7","attributes":{"rate":"4 %"}}]}`, "", `{name: attributes.name, reward: "$.included[id={relationships.offer.data.id}].attributes.rate"}`},
		{"WordPress", `[{"title":{"rendered":"Nike"},"rate":"4 %"},{"title":{"rendered":"Asos"},"rate":"3 €"}]`, "", `{name: {pick: [title.rendered], decode: [html]}, reward: rate}`},
	}
	code := regexp.MustCompile("`([^`]+)`")
	rows, read := 0, map[string]bool{}
	for row := range strings.SplitSeq(table, "\n") {
		if !strings.HasPrefix(row, "| ") || strings.HasPrefix(row, "| in the page") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		snippets := code.FindAllStringSubmatch(cells[1], -1)
		for _, p := range pages {
			if !strings.Contains(cells[0], p.sign) {
				continue
			}
			ok := false
			var why []string
			for _, s := range snippets {
				yaml := s[1]
				if strings.HasPrefix(yaml, "find:") {
					yaml = "json: {" + yaml + "}"
				}
				if !strings.HasPrefix(yaml, "json:") {
					continue
				}
				yaml = strings.ReplaceAll(yaml, "…", p.fill)
				f := fields
				if p.fields != "" {
					f = p.fields
				}
				d, err := Load("row.yaml", []byte(head+"pages:\n  - kind: list\n    urls: [\"https://www.exemple.test/l\"]\n    "+yaml+"\n    fields: "+f+"\n"))
				if err != nil {
					why = append(why, err.Error())
					continue
				}
				r := d.Read(Page{URL: "https://www.exemple.test/l", Body: []byte(p.body)})
				if len(r.Items) == 2 && r.Items[0].Name == "Nike" && r.Items[0].RateText == "4 %" && r.Items[1].RateText == "3 €" {
					ok = true
					break
				}
				why = append(why, yaml+": "+r.Reason)
			}
			if read[cells[0]] = true; !ok {
				t.Errorf("%s: nothing of %s reads %s: %s", p.sign, cells[1], p.body, why)
			}
		}
	}
	if rows < 20 || len(read) != rows {
		t.Errorf("%d rows, %d with a page", rows, len(read))
	}
}
