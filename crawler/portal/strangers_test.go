package portal

import (
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/htmlindex"
)

var stranger = regexp.MustCompile("(?ms)^## ([^\\n]+)$|^```(\\w+) (definition|page|result|general)(?: ([^\\n]*))?\\n(.*?)^```$")

// TestStrangers reads portals that no shipped definition describes, built as such
// sites are: each definition of testdata/strangers.md was written from the
// operator's page alone, and what stands in its results was written down from
// the page before it was read. A page's address may be followed by status=,
// charset= (its bytes are encoded so), type= (its header's content type), asked=
// (the address before a redirect) and header:NAME=; a general result is the outcome that the page
// has without a definition.
func TestStrangers(t *testing.T) {
	b, err := os.ReadFile("testdata/strangers.md")
	if err != nil {
		t.Fatal(err)
	}
	var title string
	var d *Definition
	var page Page
	sites := 0
	for _, g := range stranger.FindAllStringSubmatch(string(b), -1) {
		switch {
		case g[1] != "":
			title, d = g[1], nil
		case g[3] == "definition":
			sites++
			if d, err = Load(title+".yaml", []byte(g[5])); err != nil {
				t.Errorf("%s: %v", title, err)
			}
		case g[3] == "page":
			page = strangePage(t, g[2], g[4], g[5])
		case g[3] == "general":
			if got := rendered(Classify(page)); !strings.HasPrefix(got, strings.TrimSpace(g[5])) {
				t.Errorf("%s, %s, without a definition: %s, wanted %s", title, page.URL, got, g[5])
			}
		case d != nil:
			r := d.Read(page)
			if diff := cmp.Diff(g[5], rendered(r)); diff != "" {
				t.Errorf("%s, %s (-written down +read):\n%s\n%v", title, page.URL, diff, r.Issues)
			}
		}
	}
	if sites < 50 {
		t.Errorf("%d definitions were tried", sites)
	}
}

// strangePage is a page as testdata/strangers.md has it.
func strangePage(t *testing.T, kind, info, body string) (p Page) {
	t.Helper()
	words := strings.Fields(info)
	p = Page{URL: words[0], Body: []byte(body), ContentType: map[string]string{"json": "application/json", "xml": "application/xml"}[kind], Header: http.Header{}}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		if field, ok := strings.CutPrefix(name, "header:"); ok {
			p.Header.Add(field, value)
			continue
		}
		switch name {
		case "status":
			p.Status, _ = strconv.Atoi(value)
		case "asked":
			p.Request.URL = value
		case "type":
			p.ContentType = value
		case "charset":
			enc, err := htmlindex.Get(value)
			if err != nil {
				t.Fatal(err)
			}
			if p.Body, err = enc.NewEncoder().Bytes(p.Body); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("%q is no property of a page", w)
		}
	}
	return p
}
