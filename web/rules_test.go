package web

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/earnings/statement"
)

const aRule = `# mine
rule: alices-own
name: Alice's table
portals: [sitot]
language: fr
currency: EUR
decimal: ","
dates: dmy
columns:
  date: [Quand]
  shop: [Chez]
  amount: [Gain]
  state: [Etat]
states:
  tracked: [vu]
examples:
  - name: table.csv
    text: |
      Quand;Chez;Gain;Etat
      03.10.2026;Fnac;3,60 €;vu
    lines: [2026-10-03 | Fnac | 3.60 EUR | tracked]
`

// TestRules: a rule is taken in, checked by its examples, shown, changed, handed out as
// it was written, used, and dropped; and a shipped one is replaced and comes back.
func TestRules(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	wants(t, ask(h, "GET", "/fr/money/rules", as), 200, "Aucune pour l’instant", "quidco", "shoop-de", "/fr/money/rules/topcashback-us/file")
	wants(t, post(h, "/en/money/rules", form("text", ""), as), 422, "Paste a rule")
	wants(t, post(h, "/en/money/rules", form("text", "rule: x\nnombre: y\n"), as), 422, "nombre", "2:")
	wants(t, post(h, "/en/money/rules", form("text", strings.Replace(aRule, "| tracked]", "| paid]", 1)), as), 422, "is read as", "3.60 EUR | tracked")
	wants(t, post(h, "/en/money/rules", form("text", strings.Repeat("x", 70_000)), as), 422, "text")
	goes(t, post(h, "/en/money/rules", form("text", strings.ReplaceAll(aRule, "\n", "\r\n")), as), "/en/money/rules/alices-own")
	wants(t, ask(h, "GET", "/en/money/rules", as), 200, "Alice&#39;s table", "For sitot")
	wants(t, ask(h, "GET", "/en/money/rules/alices-own", as), 200, "# mine")
	r := ask(h, "GET", "/en/money/rules/alices-own/file", as)
	if got := body(t, r); got != aRule || r.Header.Get("Content-Type") != "application/yaml" || !strings.Contains(r.Header.Get("Content-Disposition"), "cagnotte-rule-alices-own.yaml") {
		t.Errorf("the file: %q %v", got, r.Header)
	}
	if got := body(t, ask(h, "GET", "/en/money/rules", p.as(p.bob))); strings.Contains(got, "alices-own") {
		t.Error("Bob sees Alice's rule")
	}

	// It reads what is imported.
	goes(t, post(h, "/en/money/import", form("portal", "sitot", "text", "Quand\tChez\tGain\tEtat\n04/10/2026\tDarty\t1,20\tvu\n"), as), "/en/money/import/"+p.handed.byUser[p.alice.ID].id)
	wants(t, ask(h, "GET", "/en/money/import/"+p.handed.byUser[p.alice.ID].id, as), 200, "Alice&#39;s table", "Darty", "€1.20")

	// As a file from somebody else.
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	f, err := m.CreateFormFile("file", "shared.yaml")
	if err == nil {
		_, err = f.Write([]byte(strings.Replace(aRule, "alices-own", "shared", 1)))
	}
	if err != nil || m.Close() != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/en/money/rules", &b)
	req.Host, req.RemoteAddr = "localhost:8080", "127.0.0.1:4711"
	req.Header.Set("Content-Type", m.FormDataContentType())
	req.Header.Set("Origin", "http://localhost:8080")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	p.as(p.bob)(req)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	goes(t, w.Result(), "/en/money/rules/shared")

	// Changed, and dropped.
	wants(t, post(h, "/en/money/rules/alices-own", form("text", aRule+"junk: [\n"), as), 422, "junk: [")
	goes(t, post(h, "/en/money/rules/alices-own", form("text", strings.Replace(aRule, "tracked: [vu]", "tracked: [vu, pris]", 1)), as), "/en/money/rules/alices-own")
	wants(t, ask(h, "GET", "/en/money/rules/alices-own", as), 200, "vu, pris")
	goes(t, post(h, "/en/money/rules/alices-own/delete", nil, as), "/en/money/rules")
	wants(t, ask(h, "GET", "/en/money/rules/alices-own", as), 404)
	wants(t, post(h, "/en/money/rules/alices-own/delete", nil, as), 404)

	// A shipped rule in one's own words.
	shipped := body(t, ask(h, "GET", "/en/money/rules/quidco/file", as))
	changed := strings.Replace(shipped, "rule: quidco", "# with care\nrule: quidco", 1)
	wants(t, ask(h, "GET", "/en/money/rules/quidco", as), 200, "your own copy")
	goes(t, post(h, "/en/money/rules/quidco", form("text", changed), as), "/en/money/rules/quidco")
	wants(t, ask(h, "GET", "/en/money/rules/quidco", as), 200, "with care", "Go back to the shipped rule")
	wants(t, ask(h, "GET", "/en/money/rules", as), 200, "yours is used")
	goes(t, post(h, "/en/money/rules/quidco/delete", nil, as), "/en/money/rules")
	if got := body(t, ask(h, "GET", "/en/money/rules/quidco/file", as)); got != shipped {
		t.Error("the shipped rule didn't come back")
	}
	if d, err := p.ledgers.Documents(context.Background(), p.alice.ID, statement.DocumentKind); err != nil || len(d) != 0 {
		t.Errorf("left over: %v %v", d, err)
	}
}
