package portaltest

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

//go:embed demo
var demoFiles embed.FS

type templates = *template.Template

// item is a shop on a page.
type item struct {
	ID       int
	Name     string
	Slug     string
	Domain   string
	Category string // the key of the category; Section has the portal's word
	Section  string
	Link     string // the portal's own page
	Out      string
	Logo     string
	Rate     string
	Was      string
	None     bool
	Cap      string
	Tiers    []itemTier
	Quote    Quote
}

type itemTier struct {
	Label, Rate string
	Audience    cashback.Audience
}

// page is what the templates see.
type page struct {
	Portal, Title, Technique, Origin string
	French                           bool
	Items                            []item
	Shop                             *item
	// Foreign are promotions of the menu, which don't belong to the page's list;
	// Coupons are discounts, which aren't cashback.
	Foreign []item
	Coupons []coupon
	// Previous and Next are addresses of neighbours, "" at the ends.
	Previous, Next string
	Total          int
	Sections       []section
	Here           string
	Payload        []template.JS
	State          template.JS
	Faults         []Fault
	Fault          Fault
	ListPath       string
	Help           []string
}

type section struct{ Key, Word, Link string }

type coupon struct{ Shop, Text, Link string }

// build parses the portal's templates and sets its routes.
func (p *DemoPortal) build() (err error) {
	p.pages, err = template.New("").ParseFS(demoFiles, "demo/pages/*.html")
	if err != nil {
		return fmt.Errorf("pages of the demo portals: %w", err)
	}
	p.mux = http.NewServeMux()
	p.mux.HandleFunc("/robots.txt", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "# %s\nUser-agent: *\nDisallow: /%s/\nDisallow: /account\nAllow: /\n\nSitemap: %s/sitemap.xml\n", p.spec.title, p.spec.outPath, p.Origin)
	})
	p.mux.HandleFunc("/sitemap.xml", p.sitemap)
	p.mux.HandleFunc("/style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, demoFiles, "demo/pages/style.css")
	})
	p.mux.HandleFunc("/logos/{file}", p.logo)
	p.mux.HandleFunc("/{$}", p.home)
	p.mux.HandleFunc("/help", func(w http.ResponseWriter, r *http.Request) {
		p.render(w, "help.html", page{Title: map[bool]string{true: "Comment ça marche", false: "How it works"}[p.spec.french], Help: p.spec.help})
	})
	p.mux.HandleFunc("/"+p.spec.shopPath+"/{slug}", p.shopPage)
	p.mux.HandleFunc("/"+p.spec.outPath+"/{id}", p.outPage)
	p.spec.routes(p, p.mux)
	return nil
}

// items are the listings as the portal shows them now.
func (p *DemoPortal) items(list []listing) []item {
	now := p.demo.cfg.Now()
	items := make([]item, 0, len(list))
	for _, l := range list {
		q := p.quote(l.shop, now)
		it := item{
			ID: l.number, Name: l.Name, Slug: l.Slug, Domain: l.domain,
			Category: l.category, Section: p.word(l.category),
			Link: p.path(l), Out: p.out(l), Logo: fmt.Sprintf("/logos/%d.svg", l.number),
			Rate: p.rate(q), Was: p.was(q), None: q.Kind == cashback.NoCashback, Quote: q,
		}
		if q.Cap > 0 {
			it.Cap = p.money(q.Cap)
		}
		for _, t := range q.Tiers {
			it.Tiers = append(it.Tiers, itemTier{Label: t.Label, Audience: t.Audience, Rate: p.amount(q.Kind, t.Value)})
		}
		items = append(items, it)
	}
	return items
}

// render writes one of the templates.
func (p *DemoPortal) render(w http.ResponseWriter, name string, v page) {
	v.Portal, v.Technique, v.Origin, v.French = p.spec.title, p.spec.technique, p.Origin, p.spec.french
	v.ListPath = p.spec.listPath
	if v.Title == "" {
		v.Title = p.spec.title
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := p.pages.ExecuteTemplate(w, name, v); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintln(w, "demo page:", err)
	}
}

// answer writes JSON.
func (p *DemoPortal) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (p *DemoPortal) home(w http.ResponseWriter, r *http.Request) {
	list := p.listed()
	p.render(w, "home.html", page{
		Items: p.items(list[:min(6, len(list))]), Total: len(list),
		Faults: faults, Fault: p.demo.fault(p.spec.name),
	})
}

// find is the listing whose id ends the text.
func (p *DemoPortal) find(text string) (listing, bool) {
	id, err := strconv.Atoi(text[strings.LastIndexByte(text, '-')+1:])
	for _, l := range p.listed() {
		if err == nil && l.number == id {
			return l, true
		}
	}
	return listing{}, false
}

func (p *DemoPortal) shopPage(w http.ResponseWriter, r *http.Request) {
	l, ok := p.find(r.PathValue("slug"))
	if !ok || p.path(l) != r.URL.Path {
		w.WriteHeader(http.StatusNotFound)
		p.render(w, "missing.html", page{})
		return
	}
	it := p.items([]listing{l})[0]
	// Other shops stand beside it, as on every portal: not this page's own rate.
	all, others := p.listed(), []listing{}
	for i := range all {
		if o := all[(l.number*7+i)%len(all)]; o.number != l.number && len(others) < 3 {
			others = append(others, o)
		}
	}
	p.render(w, "shop.html", page{Title: l.Name + " – " + p.spec.title, Shop: &it, Foreign: p.items(others)})
}

func (p *DemoPortal) outPage(w http.ResponseWriter, r *http.Request) {
	l, ok := p.find("-" + r.PathValue("id"))
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		p.render(w, "missing.html", page{})
		return
	}
	it := p.items([]listing{l})[0]
	w.Header().Set("X-Robots-Tag", "noindex")
	p.render(w, "out.html", page{Title: l.Name, Shop: &it})
}

func (p *DemoPortal) logo(w http.ResponseWriter, r *http.Request) {
	l, ok := p.find("-" + strings.TrimSuffix(r.PathValue("file"), ".svg"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	hue := int(360 * dice(1, "hue", l.number))
	w.Header().Set("Content-Type", "image/svg+xml")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 60" role="img"><rect width="120" height="60" rx="8" fill="hsl(%d 55%% 38%%)"/><text x="60" y="37" text-anchor="middle" font-family="sans-serif" font-size="18" fill="#fff">%s</text></svg>`,
		hue, template.HTMLEscapeString(strings.ToUpper(string([]rune(l.shop.name)[:min(3, len([]rune(l.shop.name)))]))))
}

func (p *DemoPortal) sitemap(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`+"\n")
	for _, l := range p.listed() {
		fmt.Fprintf(w, "<url><loc>%s%s</loc></url>\n", p.Origin, p.path(l))
	}
	fmt.Fprint(w, "</urlset>\n")
}

// word is the portal's word for a category.
func (p *DemoPortal) word(category string) string {
	words := categoryWords[category]
	if p.spec.french {
		return words[0]
	}
	return words[1]
}

// categoryWords are the categories of demo/shops.txt in French and English.
var categoryWords = map[string][2]string{
	"auto":        {"Auto et moto", "Motoring"},
	"beauty":      {"Beauté et parfums", "Beauty"},
	"culture":     {"Livres, musique et culture", "Books, music and film"},
	"department":  {"Grands magasins", "Department stores"},
	"diy":         {"Bricolage", "DIY"},
	"electronics": {"High-tech et électroménager", "Electronics"},
	"fashion":     {"Mode", "Fashion"},
	"finance":     {"Banque et assurance", "Banking and insurance"},
	"food":        {"Alimentation et vin", "Food and drink"},
	"games":       {"Jeux vidéo", "Gaming"},
	"garden":      {"Jardin", "Garden"},
	"gifts":       {"Fleurs et cadeaux", "Flowers and gifts"},
	"health":      {"Santé et optique", "Health and eyecare"},
	"home":        {"Maison et déco", "Home"},
	"jewellery":   {"Bijoux et montres", "Jewellery and watches"},
	"kids":        {"Enfants et bébés", "Baby and children"},
	"marketplace": {"Généralistes", "Marketplaces"},
	"pets":        {"Animaux", "Pets"},
	"photo":       {"Photo et impression", "Photo and print"},
	"services":    {"Logiciels et services", "Software and services"},
	"shoes":       {"Chaussures", "Shoes"},
	"sport":       {"Sport et plein air", "Sport and outdoors"},
	"telecom":     {"Téléphonie et internet", "Phones and broadband"},
	"toys":        {"Jouets", "Toys"},
	"travel":      {"Voyages", "Travel"},
}

// money prints minor units as the portal does: "12 €", "12,50 €", "£12", "£12.50".
func (p *DemoPortal) money(minor int) string {
	amount := p.number(minor)
	if minor%100 != 0 { // amounts of money have two decimals or none
		amount = strings.Replace(fmt.Sprintf("%d.%02d", minor/100, minor%100), ".", map[bool]string{true: ",", false: "."}[p.spec.french], 1)
	}
	if p.spec.french {
		return amount + " €"
	}
	return "£" + amount
}

// amount prints a value of a kind, as it stands in a tier.
func (p *DemoPortal) amount(kind cashback.RewardKind, v int) string {
	switch kind {
	case cashback.Percent:
		return p.number(v) + p.spec.percent
	case cashback.Fixed:
		return p.money(v)
	case cashback.PointsPerUnit:
		word := p.spec.pointsWord
		if v == 100 {
			word = p.spec.pointWord
		}
		return p.number(v) + " " + word + p.spec.perUnit
	case cashback.PointsFixed:
		return p.number(v) + " " + p.spec.pointsWord
	}
	return p.spec.none
}

// rate is the portal's text for a quote.
func (p *DemoPortal) rate(q Quote) string {
	if q.Kind == cashback.NoCashback {
		return p.spec.none
	}
	text := p.amount(q.Kind, q.Value)
	if q.UpTo {
		text = p.spec.upTo + text
	}
	text += p.spec.suffix
	if q.Cap > 0 && p.spec.capWord != "" {
		text += fmt.Sprintf(p.spec.capWord, p.money(q.Cap))
	}
	return text
}

// was is the portal's text for the rate before a promotion, "" without one.
func (p *DemoPortal) was(q Quote) string {
	if q.Was == 0 {
		return ""
	}
	return fmt.Sprintf(p.spec.wasWord, p.amount(q.Kind, q.Was))
}

// number reads a whole number of the query, or what is meant without one.
func queryInt(q url.Values, name string, otherwise int) int {
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

// cut is the part of a list that starts at from, at most size long.
func cut[T any](list []T, from, size int) []T {
	from = min(max(from, 0), len(list))
	return list[from:min(from+size, len(list))]
}
