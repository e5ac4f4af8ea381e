package portal

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// many repeats a piece until it has about n bytes; a %d in it counts.
func many(piece string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		if strings.Contains(piece, "%d") {
			fmt.Fprintf(&b, piece, i)
		} else {
			b.WriteString(piece)
		}
	}
	return b.String()
}

// dear are pages of 1 MiB on which an HTML parser takes seconds or gigabytes.
var dear = map[string]string{
	"many paragraphs":            many("<p>", 1<<20),
	"many small elements":        many("<div class=a>x</div>", 1<<20),
	"attributes of body":         many("<body a%d=1>", 1<<20),
	"a million attributes":       "<div " + many("a%d ", 1<<20) + ">",
	"formatting left open":       many("<b id=%d>", 4000) + many("<p>x", 1<<20),
	"formatting opened again":    "<div>" + many("<b id=%d>", 4000) + "</div>" + many("<p>x</p>", 1<<20),
	"formatting in paragraphs":   many("<p><b id=%d></p>", 1<<20),
	"deep":                       many("<div>", 3000),
	"nested and paragraphs":      many("<div>", 2000) + many("<p>x", 1<<20),
	"nested and list items":      many("<div>", 2000) + many("<li>", 1<<20),
	"nested and stray end tags":  many("<div>", 2000) + many("</p>", 1<<20),
	"nested and unknown ends":    many("<span>", 2000) + many("</x>", 1<<20),
	"links in a table":           "<table>" + many("<a>x", 1<<20),
	"tables in tables":           many("<table><td>", 1<<20),
	"selects":                    many("<select>", 1<<20),
	"deep foreign content":       many("<math><mi>", 1<<20),
	"formatting in table cells":  "<table>" + many("<td><b x=%d>x", 1<<20),
	"formatting in a table":      "<table>" + many("<font a=%d>", 1<<20),
	"formatting across its ends": many("<b><div>", 4000) + many("</b>", 1<<20),
}

// TestDearPages: each is refused by the scan, before the parser sees it.
func TestDearPages(t *testing.T) {
	for name, page := range dear {
		if err := estimate(page); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// What people write is not.
	row := `<li class="shop" data-id="%d"><a href="/shop/%d"><img data-src="/logo/%d.png" alt="Shop %d"><b>Shop</b> <span class=rate>up to <em>5%%</em></span></a>`
	var b strings.Builder
	b.WriteString("<html><head><title>Shops</title><body><div><div><div><main><ul>")
	for i := range 5000 {
		fmt.Fprintf(&b, row, i, i, i, i)
	}
	if err := estimate(b.String()); err != nil {
		t.Errorf("a list of 5,000 shops: %v", err)
	}
}

var soup = []string{
	"<p>", "</p>", "<div>", "</div>", "<b>", "</b>", "<b id=1>", "<b id=2>", "<i>", "</i>", "<a>", "</a>", "<a href=x>", "<font color=red>", "</font>",
	"<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>", "<tbody>", "<caption>", "<th>", "<li>", "</li>", "<ul>", "</ul>", "<dd>", "<dt>", "<dl>", "</dl>",
	"<span>", "</span>", "<svg>", "</svg>", "<g>", "</g>", "<g/>", "<math>", "<mi>", "<select>", "</select>", "<option>", "<button>", "</button>", "<form>", "</form>",
	"<h1>", "</h1>", "<br>", "</br>", "<img>", "<input>", "<hr>", "<pre>", "</pre>", "<nobr>", "</nobr>", "<applet>", "</applet>", "<template>", "</template>",
	"x", " ", "<!-- c -->", "<script>1</script>", "<style>a</style>", "<textarea>x</textarea>", "<body>", "<html>", "</body>", "</html>", "<head>", "<title>t</title>",
	"<center>", "</center>", "<em>", "</em>", "<u>", "</u>", "<x>", "</x>", "<section>", "</section>", "<main>", "<col>", "<colgroup>", "<frameset>", "<iframe>x</iframe>", "<noscript>", "</noscript>",
}

// TestEstimateProperty: what the scan accepts never has many more nodes than it
// counted, whatever soup of tags it is.
func TestEstimateProperty(t *testing.T) {
	if os.Getenv("CAGNOTTE_PROVE") != "" {
		if err := flag.Set("rapid.checks", "200000"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(1, 4).Draw(t, "phrases") {
			phrase := strings.Join(rapid.SliceOfN(rapid.SampledFrom(soup), 1, 6).Draw(t, "phrase"), "")
			b.WriteString(strings.Repeat(phrase, rapid.IntRange(1, 60).Draw(t, "times")))
		}
		e := estimator{s: b.String()}
		if e.run() != nil {
			return
		}
		root, err := parseHTML(b.String())
		if err != nil {
			return
		}
		n := 0
		for c := root; c != nil; c = next(c, root) {
			n++
		}
		if n > 2*e.nodes+50 {
			t.Fatalf("%d nodes, %d were counted", n, e.nodes)
		}
	})
}

func BenchmarkEstimate(b *testing.B) {
	var page strings.Builder
	for i := range 500 {
		fmt.Fprintf(&page, `<li class="shop" data-id="%d"><a href="/shop/%d"><img data-src="/logo/%d.png" alt="Shop %d"><b>Shop</b> <span class=rate>up to <em>5%%</em></span></a></li>`, i, i, i, i)
	}
	s := page.String()
	b.Run("scan", func(b *testing.B) {
		b.SetBytes(int64(len(s)))
		for b.Loop() {
			if err := estimate(s); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(s)))
		for b.Loop() {
			if _, err := parseHTML(s); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, page := range dear {
		b.Run("refuse/"+strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			for b.Loop() {
				if err := estimate(page); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// TestApartIsBounded: what is read of an entry's text is paid for, however many
// entries share it.
func TestApartIsBounded(t *testing.T) {
	for tiers, filling := range map[string]string{`{html: "$#big@data-x", each: li, reward: b}`: "<li><b>", `{json: "$#big@data-x", each: "[]", reward: b}`: "[1,", `{text: "$#big@data-x", match: "(?P<reward>x+y)"}`: "x"} {
		d := load(t, "pages:\n  - kind: list\n    urls: [\""+origin+"/l\"]\n    items: {select: p}\n    fields: {name: ., reward: {pick: [.], none: [a]}, tiers: "+tiers+"}\n")
		body := `<i id=big data-x="` + strings.Repeat(filling, 60_000/len(filling)) + `"></i>` + strings.Repeat("<p>a", 15_000)
		if r := d.Read(Page{URL: origin + "/l", Body: []byte(body)}); r.Outcome != cashback.PageUnparseable {
			t.Errorf("%s of %q: %s %s", tiers, filling, r.Outcome, r.Reason)
		}
	}
}
