package portal

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/cagnotte/cagnotte/internal/reward"
)

// benchPage is a page of about 60 KB with 40 offers, and what surrounds them on a
// portal's page: a menu, scripts, a footer.
func benchPage() []byte {
	var b strings.Builder
	b.WriteString(`<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>Boutiques</title><link rel="next" href="/l?p=2"><style>` + strings.Repeat(".x{color:red}", 300) + `</style></head><body><nav><ul>`)
	for i := range 120 {
		fmt.Fprintf(&b, `<li class="menu__item"><a class="menu__link" href="/categorie/%d">Catégorie %d</a></li>`, i, i)
	}
	b.WriteString(`</ul></nav><main id="list">`)
	for i := range 40 {
		fmt.Fprintf(&b, `<div class="shop card" data-id="%d"><a class="shop__link" href="/boutique/enseigne-%d?src=list&amp;pos=%d"><img class="lazy" src="data:image/gif;base64,R0lGOD" data-src="/logo/%d.png" alt="Logo %d"></a>`+
			`<div class="shop__body"><h3 class="title">Enseigne &amp; Fils n° %d</h3><p class="desc">Une description de l'enseigne qui compte quelques mots, comme sur les vraies pages.</p>`+
			`<span class="rate">Jusqu'à <b>%d,5&nbsp;%%</b> <s class="was">%d %%</s></span><button type="button" class="btn">Activer</button></div></div>`, i, i, i, i, i, i, i%9+1, i%3+1)
	}
	b.WriteString(`</main><script>` + strings.Repeat("window.a=function(b){return b};", 900) + `</script></body></html>`)
	return []byte(b.String())
}

// BenchmarkExtract reads one page by a definition, beside goquery doing the same
// by hand.
func BenchmarkExtract(b *testing.B) {
	page := benchPage()
	d, err := Load("bench.yaml", []byte(head+`pages:
  - kind: list
    urls: ["https://www.exemple.test/l?p={page}"]
    paging: {param: page, until: ["link[rel=next] absent"]}
    expect: {selector: ".shop", min: 20}
    items: {select: ".shop", within: "#list"}
    fields:
      name: [".title", "img@alt"]
      reward: {pick: [".rate"], remove: [".was"], none: ["^Pas de cashback"]}
      previous: [".was"]
      link: {pick: ["a@href"], drop_params: [src, pos]}
      logo: {pick: ["img@data-src", "img@src"], reject: "^data:"}
`))
	if err != nil {
		b.Fatal(err)
	}
	q := d.Start()[0]
	b.Run("definition", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		b.ReportAllocs()
		for b.Loop() {
			if r := d.Read(Page{Request: q, URL: q.URL, Body: page, ContentType: "text/html; charset=utf-8"}); len(r.Items) != 40 || len(r.Next) != 1 {
				b.Fatal(r.Outcome, r.Reason)
			}
		}
	})
	base, err := url.Parse(q.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("goquery", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		b.ReportAllocs()
		for b.Loop() {
			doc, err := goquery.NewDocumentFromReader(bytes.NewReader(page))
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			next := doc.Find("link[rel=next]").Length() > 0
			doc.Find("#list .shop").Each(func(_ int, s *goquery.Selection) {
				name := strings.TrimSpace(s.Find(".title").First().Text())
				if name == "" {
					name = s.Find("img").First().AttrOr("alt", "")
				}
				was := strings.TrimSpace(s.Find(".was").First().Text())
				rate := s.Find(".rate").First().Clone()
				rate.Find(".was").Remove()
				text := strings.Join(strings.Fields(rate.Text()), " ")
				r := reward.Parse(text, reward.Context{Locale: "fr-FR", Currency: "EUR"})
				_ = reward.Parse(was, reward.Context{Locale: "fr-FR", Currency: "EUR"})
				u, err := base.Parse(s.Find("a").First().AttrOr("href", ""))
				if err != nil {
					return
				}
				values := u.Query()
				values.Del("src")
				values.Del("pos")
				u.RawQuery = values.Encode()
				logo := s.Find("img").First().AttrOr("data-src", "")
				if l, err := base.Parse(logo); err == nil && name != "" && r.Kind.Pays() && u.String() != "" && l.String() != "" {
					n++
				}
			})
			if n != 40 || !next {
				b.Fatal(n)
			}
		}
	})
}

// BenchmarkJSON reads a JSON answer of 1,000 shops.
func BenchmarkJSON(b *testing.B) {
	var s strings.Builder
	s.WriteString(`{"total":1000,"stores":[`)
	for i := range 1000 {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"id":%d,"name":"Shop \u00e9 %d","slug":"shop-%d","cashback":{"value":0.0%d,"type":"PERCENT","up_to":true},"logo":"https://cdn.test/%d.png","tags":["a","b","c"],"description":"some words on the shop"}`, i, i, i, i%9+1, i)
	}
	s.WriteString("]}")
	page := []byte(s.String())
	d, err := Load("bench.yaml", []byte(head+`pages:
  - kind: list
    urls: ["https://www.exemple.test/api"]
    json: {items: stores, total: total}
    fields:
      name: name
      reward: {value: cashback.value, unit: {path: cashback.type, map: {PERCENT: "%"}}, scale: 100, up_to: cashback.up_to}
      link: {template: "/shop/{slug}"}
      logo: logo
`))
	if err != nil {
		b.Fatal(err)
	}
	q := d.Start()[0]
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if r := d.Read(Page{Request: q, URL: q.URL, Body: page, ContentType: "application/json"}); len(r.Items) != 1000 || !r.End {
			b.Fatal(r.Outcome, r.Reason)
		}
	}
}
