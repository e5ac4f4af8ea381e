package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// payloads are what a hostile page would write into a name, a rate or a link.
var payloads = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' onmouseover='alert(1)`,
	`" autofocus onfocus="alert(1)`,
	`</title><svg onload=alert(1)>`,
	`</textarea><iframe srcdoc="<script>alert(1)</script>">`,
	`<a href="javascript:alert(1)">x</a>`,
	`<math><mtext></mtext><script>alert(1)</script>`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`,
	`{{constructor.constructor('alert(1)')()}}`,
	`${alert(1)}`,
	`<!--<img src="--><img src=x onerror=alert(1)//">`,
	`<style>@import 'https://evil.test/x.css'</style>`,
	"\u2028</script><script>alert(1)</script>",
	"\u202egpj.exe<b>",
	`]]><script>alert(1)</script>`,
	`<base href=https://evil.test/>`,
	`<meta http-equiv=refresh content="0;url=https://evil.test">`,
	`<form action=https://evil.test><input name=q>`,
	`<svg><animate onbegin=alert(1) attributeName=x dur=1s>`,
}

// links are hostile addresses, as pages hold them.
var links = []string{
	`javascript:alert(1)`, ` javascript:alert(1)`, "java\tscript:alert(1)", `data:text/html,<script>alert(1)</script>`, `vbscript:msgbox(1)`,
	`//evil.test/`, `https://evil.test/"onclick="alert(1)`, `https://user:pass@evil.test/`, `JAVASCRIPT:alert(1)`, `file:///etc/passwd`,
}

// TestHTMLInjection writes every payload into every field that is read from a page or
// a definition, and holds every page and every API answer to it: the page has no
// element, attribute or address that it doesn't have with plain text, and JSON is
// JSON that no browser takes for a page.
func TestHTMLInjection(t *testing.T) {
	plain := shape(t, hostileTown(t, "plain text", "https://plain.test/"))
	if len(plain) < 10 {
		t.Fatalf("only %d pages", len(plain))
	}
	i := 0
	for some := range slices.Chunk(payloads, 2) { // a town takes half a second
		p, link := strings.Join(some, " "), links[i%len(links)]
		i++
		for target, got := range shape(t, hostileTown(t, p, link)) {
			if want := plain[target]; got != want {
				t.Errorf("%q and %q change %s:\n got %s\nwant %s", p, link, target, got, want)
			}
		}
	}
}

// hostileTown has one shop at one portal, with the payload in every field.
func hostileTown(t *testing.T, payload, link string) *Server {
	t.Helper()
	w := newTown(t)
	dirty := func(s string) string { return s + payload }
	origin := cashback.Origin{Source: link, AsOf: payload, Phrase: payload}
	p := cashback.Portal{
		ID: "hostile", Name: dirty("Portal "), Homepage: "https://www.hostile.test/", Countries: []cashback.Country{"FR"},
		Languages: []string{payload}, Locale: "fr-FR", Currency: "EUR", Publication: cashback.Public,
		Facts: cashback.Facts{
			VATBasis: &cashback.Fact[cashback.VATBasis]{Value: cashback.VATGross, Origin: origin},
			Payout: &cashback.Fact[cashback.Payout]{Origin: origin, Value: cashback.Payout{Frequency: cashback.Frequency(payload), Methods: []cashback.PayoutMethod{
				{Kind: "bank_transfer", Minimum: cashback.Some(dec("0"))}, {Kind: payload, Note: payload, Association: payload},
			}}},
			Donation: &cashback.Fact[cashback.Donation]{Origin: origin, Value: cashback.Donation{Possible: true, Associations: []string{payload}}},
			Status:   &cashback.Fact[string]{Origin: origin, Value: payload},
			Notes:    payload,
		},
	}
	if err := w.store.SavePortals(t.Context(), []cashback.Portal{p}); err != nil {
		t.Fatal(err)
	}
	tier := func(rate string) []cashback.Tier {
		x := percent(rate)
		x.Label, x.Category, x.Raw = dirty("Tier "), payload, payload
		y := cashback.Tier{Label: payload, Components: []cashback.Component{{Kind: cashback.PointsFixed, Value: dec("5"), PointsCurrency: payload, PerUnit: payload}}}
		return []cashback.Tier{x, y}
	}
	shop := listed{
		name: "Zebra", domain: "zebra-shop.com", category: dirty("Cat "), raw: dirty("5 % "), tiers: tier("5"), conditions: payload, link: link,
	}
	// The name decides who the shop is; what stays of it is shown, whatever it is.
	second := shop
	second.name, second.domain, second.link = dirty("Yak "), "yak-shop.com", ""
	w.publish(p, today.Add(-48*time.Hour), shop, second)
	shop.tiers = tier("7")
	w.publish(p, today.Add(-time.Hour), shop, second)
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shape is every page's structure: elements and attribute names in order, and every
// address, but no text; and of every API answer that it is JSON.
func shape(t *testing.T, s *Server) map[string]string {
	t.Helper()
	out := map[string]string{}
	shop := shopNamed(t, s, "zebra")
	id := strconv.Itoa(int(shop.ID))
	for _, path := range []string{"", "/shops/" + shop.Slug, "/shops/" + shop.Slug + "?amount=x", "/shops", "/search?q=zebra", "/search", "/portals", "/portals/hostile", "/how", "/none"} {
		for _, lang := range []string{"/fr", "/en"} {
			r := ask(s.Handler(), "GET", lang+path, local)
			if r.StatusCode >= 500 {
				t.Fatalf("%s: %d", path, r.StatusCode)
			}
			d, err := goquery.NewDocumentFromReader(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			out[lang+path] = structure(t, d)
		}
	}
	for _, path := range []string{"merchants/" + id, "merchants/" + id + "/ranking", "merchants/" + id + "/history", "portals", "portals/hostile", "changes", "search?q=zebra&facets=1", "offers?facets=1", "resolve?url=zebra-shop.com"} {
		r := ask(s.Handler(), "GET", "/api/v1/"+path, local)
		text := body(t, r)
		if r.StatusCode != http.StatusOK || !json.Valid([]byte(text)) || strings.ContainsAny(text, "<>\u2028") {
			t.Errorf("/api/v1/%s: %d %.300s", path, r.StatusCode, text)
		}
	}
	text := body(t, ask(s.Handler(), "GET", "/fr/suggest?q=zebra", local))
	if !json.Valid([]byte(text)) || strings.ContainsAny(text, "<>") {
		t.Errorf("suggest: %s", text)
	}
	return out
}

// structure leaves the text out, and of attributes what only holds text.
func structure(t *testing.T, d *goquery.Document) string {
	t.Helper()
	var b strings.Builder
	d.Find("*").Each(func(_ int, n *goquery.Selection) {
		node := n.Nodes[0]
		if node.Data == "a" && n.Closest(".receipt, .source, .crumbs").Length() > 0 {
			// An address that was read may be a link, or be none: only where to counts.
			if href := n.AttrOr("href", ""); !strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "https://") {
				t.Errorf("a link to %q", href)
			}
			return
		}
		if node.Data == "span" && n.Closest(".source").Length() > 0 {
			return // in place of such a link
		}
		b.WriteString(node.Data)
		for _, a := range node.Attr {
			b.WriteString(" " + a.Key)
			switch a.Key {
			case "href", "src", "action":
				if !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "https://www.hostile.test") {
					t.Errorf("%s leads to %q", node.Data, a.Val)
				}
			}
		}
		b.WriteString("\n")
	})
	return b.String()
}
