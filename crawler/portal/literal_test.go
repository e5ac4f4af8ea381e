package portal

import (
	"strings"
	"testing"
)

// written is a value in the form of a test.
func written(v *value) string {
	switch {
	case v.kind == jsonNull:
		return "null"
	case v.kind == jsonString:
		return "'" + v.text + "'"
	case v.kind < jsonArray:
		return v.text
	}
	var parts []string
	for i, m := range v.list {
		part := written(m)
		if v.kind == jsonObject {
			part = v.keys[i] + ":" + part
		}
		parts = append(parts, part)
	}
	if v.kind == jsonArray {
		return "[" + strings.Join(parts, " ") + "]"
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func TestLiterals(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`[1,,2]`, ""},
		{`{a: .5, 'b': -2, "c": !0, d: !1, e: void 0, f: undefined, g: [1,], }`, "{a:.5 b:-2 c:true d:false e:null f:null g:[1]}"},
		{"{a: 1, // one\n b: 2 /* two */}", "{a:1 b:2}"},
		{`{at: new Date(2026, 4, 1), on: new Set(["a"]), u: new URL("/x", "https://a.test")}`, "{at:2026 on:['a'] u:'/x'}"},
		{`JSON.parse("{\"a\": [1, null]}")`, "{a:[1 null]}"},
		{`JSON.parse(decodeURIComponent("%7B%22a%22%3A1%7D"))`, "{a:1}"},
		{`JSON.parse(atob("eyJhIjoxfQ=="))`, "{a:1}"},
		// What stands elsewhere says nothing: it isn't "no cashback".
		{`{a: LANG, b: i18n.texts.more, c: nullable, d: function(x){return {y: "}"}}, e: 2}`, "{e:2}"},
		{`{a: LANG + "x"}`, ""},
		{`{a: f(1)}`, ""},
		{"(function(a,b,c){return {x:a,y:[b,c,d]}}('p',{n:2}))", "{x:'p' y:[{n:2} null null]}"},
		{"(function(a){return a})([1])", "[1]"},
		{"((a,b)=>({x:a,y:b}))(1,2)", "{x:1 y:2}"},
		{"(function(a,b){a.n='x';a.list[0]=b;a.list[1]={};a.list[1].z=7;b.more=true;return a}({list:Array(2)},{}))", "{list:[{more:true} {z:7}] n:'x'}"},
		{"function(a){var b=2;return a}(1)", ""},
		{"(function(a){for(;;){}}(1))", ""},
		{"(function(a){return (function(b){return b}(a))}(1))", ""},
		{"(function(a,", ""},
		{"(function(a){return {x:a", ""},
		{"((((", ""},
		{"`a${b}`", ""},
	} {
		values := 0
		v, _, err := parseLiteral(c.in, &values)
		switch {
		case err != nil && c.want != "":
			t.Errorf("%s: %v", c.in, err)
		case err == nil && c.want == "":
			t.Errorf("%s is read as %s", c.in, written(v))
		case err == nil && written(v) != c.want:
			t.Errorf("%s is read as %s", c.in, written(v))
		}
	}
}

// FuzzLiterals holds that no script makes the reader panic, and that a value which
// refers to itself costs a path no more than its meter.
func FuzzLiterals(f *testing.F) {
	for _, s := range []string{
		`{a: .5, b: !0, c: new Date(1), d: f.g, e: function(x){return 1}}`, "(function(a,b){a.x=b;b.y=a;return {l:[a,b]}}({},{z:Array(3)}))",
		`((a)=>({x:a}))(JSON.parse("{}"))`, "(function(a){a.l[0]=a;a['k']=void 0;return a}({l:[]}))", "[1,,]", "((((", "`a`// c\n",
	} {
		f.Add(s)
	}
	deep, err := parsePath("*.*.*.*.*.*.*.*", true)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		values := 0
		v, n, err := parseLiteral(in, &values)
		if n < 0 || n > len(in) || err == nil && v == nil {
			t.Errorf("%q: %v %d", in, v, n)
		}
		defer func() {
			if r := recover(); r != nil && r != any(tooCostly{}) {
				panic(r)
			}
		}()
		if err == nil {
			m := meter{left: 1 << 16}
			deep.walk(&jsonDoc{root: v, meter: &m}, v, func(string, *value) bool { return true })
			index(v, map[string]*value{}, map[*value]bool{}, 0)
		}
	})
}

// TestTwoNumbers: of a percentage and an amount side by side the one that isn't zero
// counts, and where both are the shop pays nothing.
func TestTwoNumbers(t *testing.T) {
	d := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/l\"]\n    json: {items: shops}\n    fields: {name: name, reward: [{value: percent, unit: \"%\"}, {value: amount, unit: EUR}]}\n")
	r := d.Read(Page{URL: origin + "/l", Body: []byte(`{"shops":[{"name":"A","percent":0,"amount":120},{"name":"B","percent":2.5,"amount":0},{"name":"C","percent":0,"amount":0},{"name":"D","percent":null,"amount":"50,5"},{"name":"E","amount":7}]}`)})
	want := []string{"120 EUR", "2.5 %", "none", "50.5 EUR", "7 EUR"}
	for i, w := range want {
		if len(r.Items) != len(want) || said(r.Items[i].Reward) != w {
			t.Fatalf("%+v: %s wanted", r.Items, w)
		}
	}
}

// TestTotalsAndConditions: whether a portal counts what a condition leaves out or
// not, its list ends once, and as whole.
func TestTotalsAndConditions(t *testing.T) {
	page := func(body string) Page { return Page{Body: []byte(body), ContentType: "application/json"} }
	rule := "pages:\n  - kind: list\n    urls: [\"" + origin + "/l?o={%s}\"]\n    paging: %s\n    json: {items: hits, where: {there: on}}\n    fields: {name: n, reward: r}\n"
	const on, off = `{"n":"A","r":"4 %","on":true}`, `{"n":"B","r":"5 %","on":false}`
	for _, c := range []struct {
		param, paging string
		pages         []string // by offset or page
		asked         int
	}{
		// The portal counts what is left out.
		{"offset", "{param: offset, step: 2, total: n}", []string{`{"n":3,"hits":[` + on + "," + off + `]}`, `{"n":3,"hits":[` + off + `]}`}, 2},
		{"page", "{param: page, from: 0, size: 2, total: n}", []string{`{"n":3,"hits":[` + on + "," + off + `]}`, `{"n":3,"hits":[` + off + `]}`}, 2},
		{"page", "{param: page, from: 0, total: n}", []string{`{"n":3,"hits":[` + on + "," + off + `]}`, `{"n":3,"hits":[` + on + `]}`, `{"n":3,"hits":[]}`}, 3},
		{"page", "{param: page, from: 0, size: 2}", []string{`{"hits":[` + on + "," + off + `]}`, `{"hits":[` + on + `]}`}, 2},
		// It doesn't: advertisements stand in the list.
		{"page", "{param: page, from: 0, total: n}", []string{`{"n":2,"hits":[` + on + "," + off + `]}`, `{"n":2,"hits":[` + on + `]}`}, 2},
		{"page", "{param: page, from: 0, size: 1}", []string{`{"hits":[` + on + "," + off + `]}`, `{"hits":[` + off + `]}`, `{"hits":[]}`}, 3},
	} {
		yaml := strings.Replace(strings.Replace(rule, "%s", c.param, 1), "%s", c.paging, 1)
		d := load(t, yaml)
		pages := map[string]Page{}
		for i, p := range c.pages {
			at := i
			if c.param == "offset" {
				at *= 2
			}
			pages[origin+"/l?o="+itoa(at)] = page(p)
		}
		asked, _, last := walkSite(t, d, pages)
		if len(asked) != c.asked || !last.End {
			t.Errorf("%s: asked %v, the end is proven: %t (%s %s)", c.paging, asked, last.End, last.Outcome, last.Reason)
		}
	}
}

// TestHeaderPlaceholders: a token that one page states goes into the header of
// every page of another rule, which doesn't begin without it.
func TestHeaderPlaceholders(t *testing.T) {
	const yaml = `pages:
  - {name: start, kind: directory, urls: ["https://www.exemple.test/"], follow: [{rule: api, vars: {token: meta(csrf-token)}}]}
  - name: api
    kind: list
    urls: ["https://www.exemple.test/api?p={page}"]
    headers: {X-CSRF-Token: "t {token}", Accept: application/json}
    paging: {param: page, from: 1}
    json: {items: shops}
    fields: {name: n, reward: r}
`
	d := load(t, yaml)
	start := d.Start()
	if len(start) != 1 || start[0].URL != origin+"/" {
		t.Fatalf("begins with %v", start)
	}
	r := d.Read(Page{Request: start[0], Body: []byte(`<meta name=csrf-token content="9f3a"><p>Shops</p>`)})
	for n := 1; n < 3; n++ {
		if len(r.Next) != 1 || r.Next[0].Header["X-CSRF-Token"] != "t 9f3a" || r.Next[0].Header["Accept"] == "" {
			t.Fatalf("page %d is asked for by %+v", n, r.Next)
		}
		r = d.Read(Page{Request: r.Next[0], Body: []byte(`{"shops":[{"n":"A","r":"4 %"}]}`), ContentType: "application/json"})
	}
	if r = d.Read(Page{Request: start[0], Body: []byte(`<p>No token here, but enough words to be no shell of scripts</p>`)}); len(r.Next) > 0 || r.Outcome == "ok" {
		t.Errorf("without a token: %v", r.Next)
	}
	if _, err := Load("x", []byte(head+strings.Replace(yaml, "t {token}", "{tokken}", 1))); err == nil || !strings.Contains(err.Error(), "nothing gives a value to {tokken}") {
		t.Error(err)
	}
}
