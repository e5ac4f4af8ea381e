package crawler

import (
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// TestNumbers: each of the thirty-two mechanisms and of the forty-four hostile portals
// has a test that bears its number, wherever it stands: in its name, or in the comment
// of a test that is about more.
func TestNumbers(t *testing.T) {
	named := regexp.MustCompile(`(?m)^func Test(Mechanism|Hostile)(\d\d)(?:to(\d\d))?`)
	said := regexp.MustCompile(`(?m)^// Test\w+ \(mechanism (\d+)\)`)
	have := map[string]map[int]bool{"Mechanism": {}, "Hostile": {}}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range named.FindAllStringSubmatch(string(b), -1) {
			from, _ := strconv.Atoi(m[2])
			to, _ := strconv.Atoi(m[3])
			for n := from; n <= max(from, to); n++ {
				have[m[1]][n] = true
			}
		}
		for _, m := range said.FindAllStringSubmatch(string(b), -1) {
			n, _ := strconv.Atoi(m[1])
			have["Mechanism"][n] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind, most := range map[string]int{"Mechanism": 32, "Hostile": 44} {
		for n := 1; n <= most; n++ {
			if !have[kind][n] {
				t.Errorf("no test is about %s %d", strings.ToLower(kind), n)
			}
		}
	}
	hostiles := portaltest.Hostiles()
	if len(hostiles) != 44 {
		t.Fatalf("there are %d hostile portals", len(hostiles))
	}
	for i, h := range hostiles {
		if h.Number != i+1 || len(h.Variants) == 0 {
			t.Errorf("%+v at place %d", h, i+1)
		}
	}
}

// TestMechanism32InputSafety: what a page says is text, without anything that isn't
// seen, of bounded length, and its addresses are of the web. That pages show it as
// text, and that exports can't be formulas, is tested where they are made.
func TestMechanism32InputSafety(t *testing.T) {
	s := portaltest.Shelf{Name: "unsafe", Pages: 1, PerPage: 12}
	page, _, definition := turning(t, s)
	r := newRig(t, nil)
	def := r.load(definition)
	evil := []string{
		`<script>alert(1)</script>`, "\x1b[31mred", "a\u202eb", "zero\u200bwidth", "=HYPERLINK(\"http://x\")", "{{.Secret}}", "line\r\nSet-Cookie: x", strings.Repeat("x", 5000),
		"nul\x00", "\u2066isolate\u2069", "e\u0301", "\ufeffbom",
	}
	links := []string{"javascript:alert(1)", "data:text/html,x", "//user:pw@evil.test/", "vbscript:x", "/boutique/" + strings.Repeat("y", 3000), " java\tscript:alert(1)"}
	page(func(_ int, healthy string) string {
		i := 0
		name := regexp.MustCompile(`class="name">[^<]*`)
		healthy = name.ReplaceAllStringFunc(healthy, func(m string) string {
			i++
			return m[:strings.IndexByte(m, '>')+1] + fmt.Sprint("Shop ", i, " ") + html.EscapeString(evil[(i-1)%len(evil)])
		})
		i = 0
		return regexp.MustCompile(`href="/boutique/[^"]*"`).ReplaceAllStringFunc(healthy, func(m string) string {
			if i++; i%2 == 0 {
				return m
			}
			return `href="` + html.EscapeString(links[i/2%len(links)]) + `"`
		})
	})
	report := r.crawl(def, Options{})
	live := r.live("unsafe")
	if len(live) != 12 {
		t.Fatalf("%d offers: %+v", len(live), report)
	}
	marked := 0
	for _, o := range live {
		e := o.Entry
		for _, text := range []string{e.Name, e.Category, o.Conditions, o.Receipt.RawText, o.PreviousText} {
			if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }) || len([]rune(text)) > 2000 {
				t.Errorf("%q", text)
			}
		}
		if len([]rune(e.Name)) > 200 {
			t.Errorf("a name of %d characters", len([]rune(e.Name)))
		}
		if strings.Contains(e.Name, "<script>") {
			marked++ // it stays what it says, as text
		}
		for _, u := range []string{e.Link, e.Logo} {
			if u != "" && !strings.HasPrefix(u, "http://unsafe.localhost") || len(u) > 2083 || strings.Contains(u, "@") {
				t.Errorf("%s: %q", e.Name, u)
			}
		}
	}
	if marked != 1 {
		t.Errorf("%d names hold the markup's text", marked)
	}
}
