package portaltest

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Shelf is a small healthy portal of one technique: list pages that name the next
// one, each with the same number of shops. The zero Pages and PerPage take 3 and
// 20.
type Shelf struct {
	Name    string // also the first label of its host, and the portal's id
	Pages   int
	PerPage int
	// Number makes one shelf's rates differ from another's.
	Number int
	// Pad is the least size of a page in bytes: what real pages have around the few
	// words that matter, half of it markup within each entry, half of it scripts.
	Pad int
	// JSON serves the lists as objects with an array.
	JSON bool
}

// Ware is a shop on a shelf: what a reader must find.
type Ware struct {
	Name, Rate, Link, Logo string
}

func (s Shelf) pages() int {
	if s.Pages == 0 {
		return 3
	}
	return s.Pages
}

func (s Shelf) perPage() int {
	if s.PerPage == 0 {
		return 20
	}
	return s.PerPage
}

// shelfNames are the names on shelves: shops that people know, so that pages look
// to the gate as real ones do.
var shelfNames = sync.OnceValue(func() []string {
	shops, err := readShops("FR")
	if err != nil { // the embedded file doesn't change between two starts
		panic(err)
	}
	names := make([]string, len(shops))
	for i, s := range shops {
		names[i] = s.name
	}
	return names
})

// Wares are the shops of page n, which counts from 1; none past the last.
func (s Shelf) Wares(n int) []Ware {
	if n < 1 || n > s.pages() {
		return nil
	}
	names := shelfNames()
	wares := make([]Ware, s.perPage())
	for i := range wares {
		number := (n-1)*s.perPage() + i
		name := names[number%len(names)]
		if round := number / len(names); round > 0 {
			name += " " + strconv.Itoa(round+1)
		}
		// A rate that a portal might pay, different from shelf to shelf.
		tenths := 10 + (number*37+s.Number*13)%75
		wares[i] = Ware{
			Name: name, Rate: fmt.Sprintf("%d,%d %%", tenths/10, tenths%10),
			Link: fmt.Sprintf("/boutique/%s-%d", slug(name), number+1), Logo: fmt.Sprintf("/logos/%d.png", number+1),
		}
	}
	return wares
}

// All are the shops of all pages.
func (s Shelf) All() []Ware {
	var all []Ware
	for n := range s.pages() {
		all = append(all, s.Wares(n+1)...)
	}
	return all
}

// Path is the path of list page n.
func (s Shelf) Path(n int) string { return fmt.Sprintf("/boutiques?page=%d", n) }

// page writes a list page.
func (s Shelf) page(wares []Ware, next string) string {
	var b strings.Builder
	if s.JSON {
		fmt.Fprintf(&b, `{"next":%q,"shops":[`, next)
		for i, w := range wares {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"name":%q,"rate":%q,"link":%q}`, w.Name, w.Rate, w.Link)
		}
		b.WriteString("]}")
		return b.String()
	}
	b.WriteString(`<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>Boutiques</title>`)
	if next != "" {
		fmt.Fprintf(&b, `<link rel="next" href="%s">`, html.EscapeString(next))
	}
	b.WriteString(`</head><body><h1>Nos boutiques</h1><ul id="list">`)
	around := ""
	if len(wares) > 0 {
		around = strings.Repeat(furniture, s.Pad/2/len(wares)/len(furniture))
	}
	for _, w := range wares {
		fmt.Fprintf(&b, `<li class="shop">%s<a href="%s"><img src="%s" alt=""><b class="name">%s</b></a><span class="rate">%s</span></li>`,
			around, html.EscapeString(w.Link), html.EscapeString(w.Logo), html.EscapeString(w.Name), html.EscapeString(w.Rate))
	}
	b.WriteString(`</ul><script>var pad="`)
	if more := s.Pad - b.Len() - len(`"</script></body></html>`); more > 0 {
		b.WriteString(strings.Repeat("0123456789abcdef", more/16+1)[:more])
	}
	b.WriteString(`"</script></body></html>`)
	return b.String()
}

// furniture is what stands around a shop's name on real pages.
const furniture = `<div class="card__inner flex items-center" data-track="impression"><svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="M12 2l3 7h7l-5.5 4.5L18 21l-6-4-6 4 1.5-7.5L2 9h7z"/></svg><button type="button" class="fav" aria-label="Ajouter aux favoris"><span class="sr-only">Favori</span></button></div>`

// next is the path of the page after n, empty after the last.
func (s Shelf) next(n int) string {
	if n >= s.pages() {
		return ""
	}
	return s.Path(n + 1)
}

// pageNumber is the list page that a request asks for; 0 for another page.
func pageNumber(r *http.Request) int {
	if r.URL.Path != "/boutiques" {
		return 0
	}
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		return 1
	}
	return n
}

// ServeHTTP serves the shelf.
func (s Shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := pageNumber(r)
	switch {
	case r.URL.Path == "/robots.txt":
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte("User-agent: *\nDisallow: /sortie/\n")) // a reader that has gone needs nothing
	case n > 0 && n <= s.pages():
		s.send(w, s.page(s.Wares(n), s.next(n)))
	case n > s.pages() && s.JSON: // as interfaces with numbered pages do
		s.send(w, s.page(nil, ""))
	default:
		http.NotFound(w, r)
	}
}

func (s Shelf) send(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if s.JSON {
		w.Header().Set("Content-Type", "application/json")
	}
	_, _ = w.Write([]byte(body)) // a reader that has gone needs nothing
}

// Definition is the shelf's portal definition at a host; more hosts may be listed
// beside it.
func (s Shelf) Definition(host string, more ...string) []byte {
	hosts := `"` + strings.Join(append([]string{host}, more...), `", "`) + `"`
	read := `
    paging: {param: page, from: 1, until: ["link[rel=next] absent"]}
    expect: {selector: "#list", min: 1}
    items: {select: ".shop", within: "#list"}
    fields:
      name: [".name"]
      reward: {pick: [".rate"], none: ["^Pas de cashback"]}
      link: ["a@href"]
      logo: ["img@src"]`
	if s.JSON {
		read = `
    paging: {param: page, from: 1, until: [empty]}
    expect: {min: 1}
    json: {items: shops}
    fields:
      name: name
      reward: rate
      link: link`
	}
	return []byte(strings.NewReplacer("NAME", s.Name, "HOSTS", hosts, "HOST", host, "READ", read).Replace(`portal: NAME
name: NAME
homepage: "http://HOST/"
countries: [FR]
languages: [fr]
locale: fr-FR
currency: EUR
hosts: [HOSTS]
publication: public
schedule: {every: 6h}
politeness: {delay: 0s, pages: 60}
pages:
  - kind: list
    urls: ["http://HOST/boutiques?page={page}"]READ
`))
}
