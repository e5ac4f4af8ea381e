package portaltest

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// demoSpec is what makes a portal itself.
type demoSpec struct {
	name, title string // the name stands in the address; both are invented
	market      cashback.Country
	french      bool
	technique   string // a sentence for its home page
	// help are the sentences that its facts are read from (the definition names the
	// page as their source, and a phrase to watch).
	help []string
	// largest marks the one portal of its market that lists what nobody else does.
	largest    bool
	coverage   float64 // share of the market's shops that it lists
	noneShare  float64 // share of those that pay nothing at present
	generosity float64 // of its rates beside the usual ones
	fine       bool    // prints odd rates such as 3.15 %
	// points is what a point is worth in minor units, 0 for a portal that pays money.
	points                float64
	pointWord, pointsWord string
	perUnit               string
	countryWord, prefix   string // what it puts around some names
	percent, upTo, suffix string
	none, wasWord         string // wasWord has a %s for the previous rate
	capWord               string // has a %s for the amount; "" where caps aren't told
	shopPath, outPath     string
	listPath              string
	routes                func(*DemoPortal, *http.ServeMux)
	// relayout are pairs for the fault NewLayout: what the definition looks for,
	// and what stands there afterwards.
	relayout []string
}

// demoSpecs are the portals in the order of their ports. Each is of a technique
// that PORTALS.md found on real ones.
func demoSpecs() []demoSpec {
	return []demoSpec{
		{
			name: "tirelire", title: "Tirelire", market: "FR", french: true, listPath: "/boutiques",
			help: []string{
				"Le cashback est calculé sur le montant hors taxes et hors livraison.",
				"Dès 20 € de gains : virement, quand vous le voulez. Dès 10 € : carte cadeau, avec 5 % de plus.",
				"Un achat apparaît sous 3 jours et se valide en 60 jours environ.",
				"Un achat oublié se réclame entre le 5e et le 60e jour.",
				"Un compte inutilisé pendant 24 mois est fermé.",
			},
			technique: "One plain page holds the whole list; logos are lazy, previous rates are struck through.",
			coverage:  .62, noneShare: .05, generosity: .95, countryWord: "FR",
			percent: " %", upTo: "Jusqu'à ", none: "Pas de cashback", wasWord: "%s",
			shopPath: "boutique", outPath: "sortie", routes: plainList,
			relayout: []string{`class="boutique"`, `class="carte"`, `class="taux"`, `class="gain"`},
		},
		{
			name: "cashmoi", title: "CashMoi", market: "FR", french: true, listPath: "/enseignes",
			help: []string{
				"Le cashback est calculé sur le montant TTC de la commande.",
				"Versement le 5 de chaque mois dès 10 € : virement gratuit, PayPal (0,35 € de frais). Carte cadeau dès 5 €, avec 8 % de plus.",
				"Un achat apparaît sous 2 jours et se valide en 75 jours environ.",
				"Un achat oublié se réclame entre le 10e et le 90e jour.",
				"Un compte inutilisé pendant 12 mois est fermé.",
			},
			technique: "A list in pages, and a page for each shop with its tiers and conditions.",
			largest:   true, coverage: .66, noneShare: .02, generosity: 1, countryWord: "France",
			percent: " %", upTo: "jusqu'à ", suffix: " de cashback", none: "Pas de cashback en ce moment", wasWord: "au lieu de %s",
			shopPath: "enseigne", outPath: "go", routes: listAndDetail,
			relayout: []string{`class="enseigne"`, `class="store-card"`, `class="paliers"`, `class="grille"`},
		},
		{
			name: "malin", title: "Malin", market: "FR", french: true, listPath: "/cashback",
			help: []string{
				"Versement chaque semaine : PayPal dès 5 €, virement dès 15 € (0,50 € de frais).",
				"Un achat apparaît sous 4 jours et se valide en 50 jours environ.",
				"Un achat oublié se réclame entre le 7e et le 45e jour.",
			},
			technique: "A Next.js page: 24 cards stand in the page, the whole list only in its pushed strings.",
			coverage:  .5, noneShare: .05, generosity: 1.08, fine: true, countryWord: "FR",
			percent: " %", upTo: "Jusqu'à ", none: "Sans cashback", wasWord: "%s",
			shopPath: "bon-plan", outPath: "vers", routes: pushedStrings,
			relayout: []string{`\"merchants\"`, `\"shopList\"`, `\"cashback\"`, `\"reward\"`},
		},
		{
			name: "ristourne", title: "Ristourne Club", market: "FR", french: true, listPath: "/annuaire",
			help: []string{
				"Nos taux s'entendent hors TVA.",
				"Virement à la demande dès 30 €.",
				"Un achat apparaît sous 5 jours et se valide en 90 jours environ.",
				"Inscription gratuite. Un compte inutilisé pendant 18 mois est fermé.",
			},
			technique: "A JSON interface with an offset and a total; the page itself is an empty shell.",
			coverage:  .55, noneShare: .03, generosity: .92, countryWord: "FR",
			percent: " %", upTo: "Jusqu'à ", none: "0 %", wasWord: "%s",
			shopPath: "marchand", outPath: "redirection", routes: offsetAndTotal,
			relayout: []string{`"stores"`, `"results"`, `"cashback"`, `"reward"`},
		},
		{
			name: "bonpli", title: "Bonpli", market: "FR", french: true, listPath: "/offres",
			help: []string{
				"Versement quatre fois par an, les 15 février, mai, août et novembre, dès 5 € : virement, ou carte cadeau avec 3 % de plus.",
				"Validation en 60 jours environ. Nous ne traitons pas les réclamations.",
			},
			technique: "Discount codes stand beside the cashback, with the same class: only the section tells them apart.",
			coverage:  .42, noneShare: 0, generosity: .88, countryWord: "FR", prefix: "Code promo ",
			percent: " %", upTo: "Jusqu'à ", suffix: " remboursés", none: "Pas de cashback", wasWord: "(était %s)", capWord: " (max. %s)",
			shopPath: "code-promo", outPath: "sortir", routes: couponsBesideRates,
			relayout: []string{`class="vignette"`, `class="tuile"`, `class="remise"`, `class="valeur"`},
		},
		{
			name: "pousse-cause", title: "Pousse-Cause", market: "FR", french: true, listPath: "/partenaires",
			help: []string{
				"Vos gains vont à l'association de votre choix ; 90 % lui sont versés, 10 % couvrent nos frais.",
				"Versement quatre fois par an, sans minimum.",
				"Le montant de référence est hors taxes.",
			},
			technique: "An Angular page: its state is JSON, which holds the list as JSON in a string, under a hashed key. All of it goes to associations.",
			coverage:  .34, noneShare: .02, generosity: .85, countryWord: "FR",
			percent: "%", upTo: "Jusqu'à ", none: "", wasWord: "%s",
			shopPath: "partenaire", outPath: "don", routes: stateInState,
			relayout: []string{`\"shops\"`, `\"partners\"`, `\"cashbackValue\"`, `\"gain\"`},
		},
		{
			name: "point-carre", title: "Point Carré", market: "FR", french: true, listPath: "/boutiques",
			help: []string{
				"100 points valent 1 €. Les points portent sur le montant TTC.",
				"Cartes cadeaux dès 1 000 points, avec 10 % de plus ; transfert de points dès 500 points.",
				"Un achat apparaît sous 7 jours et se valide en 45 jours environ.",
			},
			technique: "The list comes as fragments, only to requests that say X-Requested-With; others get 200 and nothing. It pays in points.",
			coverage:  .38, noneShare: 0, generosity: .97, points: 1, countryWord: "FR",
			pointWord: "point", pointsWord: "points", perUnit: " par euro",
			percent: " %", upTo: "Jusqu'à ", none: "Hors programme", wasWord: "au lieu de %s",
			shopPath: "boutique", outPath: "lien", routes: headeredFragments,
			relayout: []string{`class="ligne"`, `class="row"`, `class="points"`, `class="gain"`},
		},
		{
			name: "fidelo", title: "Fidélo", market: "FR", french: true, listPath: "/rayon/fashion",
			help: []string{
				"Taux calculés hors taxes.",
				"Versement en juin et en décembre : chèque dès 15 € (1,50 € de frais), virement dès 25 €.",
				"Validation en 120 jours environ.",
			},
			technique: "A list for each kind of shop, in pages; a shop stands in its own kind and in the favourites.",
			coverage:  .3, noneShare: .04, generosity: 1.04, countryWord: "FR",
			percent: "%", upTo: "jusqu'à ", none: "Bons plans uniquement", wasWord: "au lieu de %s",
			shopPath: "magasin", outPath: "sortie", routes: listPerCategory,
			relayout: []string{`class="offre"`, `class="card"`, `class="pct"`, `class="x1"`},
		},
		{
			name: "pennywell", title: "Pennywell", market: "GB", listPath: "/stores/a",
			help: []string{
				"Cashback is paid on the price excluding VAT and delivery.",
				"Withdraw whenever you like from £1: BACS or PayPal. Gift cards from £5 with 15% on top.",
				"Purchases show within 7 days and are confirmed in 70 days or so.",
				"Missing cashback can be claimed from day 7 to day 120.",
			},
			technique: "A page for each letter, linked by rel=next, and a page for each shop with its tiers.",
			largest:   true, coverage: .66, noneShare: .03, generosity: 1, fine: true, countryWord: "UK",
			percent: "%", upTo: "Up to ", suffix: " Cashback", none: "No cashback at the moment", wasWord: "was %s",
			shopPath: "store", outPath: "out", routes: letterPages,
			relayout: []string{`class="store"`, `class="tile"`, `class="merch-rates"`, `class="panel"`},
		},
		{
			name: "backpenny", title: "Backpenny", market: "GB", listPath: "/retailers",
			help: []string{
				"Cashback is paid on the price including VAT.",
				"Monthly by BACS from £10. Membership costs £5 a year, taken from your earnings.",
				"Purchases show within 5 days and are confirmed in 60 days or so.",
				"Missing cashback can be claimed from day 14 to day 90.",
			},
			technique: "A JSON interface with a cursor; each shop carries its tiers as numbers with a sign beside them.",
			coverage:  .58, noneShare: .03, generosity: 1.05, countryWord: "UK",
			percent: "%", upTo: "Up to ", none: "Coupons only", wasWord: "%s",
			shopPath: "retailer", outPath: "visit", routes: cursorJSON,
			relayout: []string{`"retailers"`, `"entries"`, `"rates"`, `"rewards"`},
		},
		{
			name: "thriftbird", title: "Thriftbird", market: "GB", listPath: "/category/fashion",
			help: []string{
				"Paid four times a year, on the 15th of February, May, August and November, if you have at least £5.01: PayPal or cheque.",
				"New members get £10.",
				"Purchases show within 3 days and are confirmed in 60 days or so.",
			},
			technique: "Lists by kind of shop under a menu that promotes shops of other kinds, with rates.",
			coverage:  .48, noneShare: .02, generosity: .97, fine: true, countryWord: "UK",
			percent: "%", upTo: "Up to ", none: "Coupons Only", wasWord: "was %s",
			shopPath: "shop", outPath: "earn", routes: foreignMenu,
			relayout: []string{`class="panel"`, `class="box"`, `panel-rate`, `box-amount`},
		},
		{
			name: "kindbasket", title: "Kindbasket", market: "GB", listPath: "/shops",
			help: []string{
				"All of it goes to the charity you choose; 80% reaches it, 20% runs the site.",
				"Paid monthly, no minimum.",
				"Donations are worked out on the price excluding VAT.",
			},
			technique: "Hashed class names and style elements inside the links: names come from aria-label. All of it goes to charities.",
			coverage:  .4, noneShare: .03, generosity: .82, countryWord: "UK",
			percent: "%", upTo: "Up to ", suffix: " Cash Back", none: "No Cash Back", wasWord: "was %s",
			shopPath: "give-at", outPath: "give", routes: hashedClasses,
			relayout: []string{`aria-label="Find out more at `, `aria-label="Raise with `},
		},
		{
			name: "mileswise", title: "Mileswise", market: "GB", listPath: "/earn",
			help: []string{
				"A mile is worth about 0.8p. Miles are paid on the price including VAT.",
				"Move miles to your frequent flyer account from the first mile; gift cards from £20.",
				"Purchases show within 5 days and are confirmed in 45 days or so.",
			},
			technique: "One JSON answer with everything; a rate is made of prefix, value and unit. It pays in miles.",
			coverage:  .36, noneShare: 0, generosity: .95, points: .8, countryWord: "UK",
			pointWord: "mile", pointsWord: "miles", perUnit: "/£",
			percent: "%", upTo: "Up to ", none: "", wasWord: "%s",
			shopPath: "partner", outPath: "click", routes: oneAnswer,
			relayout: []string{`"partners"`, `"data"`, `"rebate"`, `"earn"`},
		},
		{
			name: "copperjar", title: "Copperjar", market: "GB", listPath: "/browse",
			help: []string{
				"Cashback is paid on the price including VAT.",
				"Withdraw whenever you like, no minimum: BACS, PayPal (25p fee), gift cards from £10 with 6% on top.",
				"Purchases show within 2 days and are confirmed in 90 days or so.",
				"Missing cashback can be claimed from day 21 to day 100.",
			},
			technique: "JSON with a map by id instead of a list, in numbered pages; the rate's words and its number are two fields.",
			coverage:  .5, noneShare: .04, generosity: .98, countryWord: "UK",
			percent: "%", upTo: "Up to ", none: "", wasWord: "was %s",
			shopPath: "merchant", outPath: "go", routes: mapByID,
			relayout: []string{`"merchants"`, `"items"`, `"best_rate"`, `"top"`},
		},
	}
}

func plainList(p *DemoPortal, mux *http.ServeMux) {
	mux.HandleFunc("/boutiques", func(w http.ResponseWriter, r *http.Request) {
		p.render(w, "tirelire.html", page{Title: "Toutes les boutiques", Items: p.items(p.listed())})
	})
}

// pages cuts the portal's list and fills in the neighbours' addresses.
func (p *DemoPortal) numbered(r *http.Request, list []listing, size int) (v page, ok bool) {
	n := queryInt(r.URL.Query(), "page", 1)
	last := max(1, (len(list)+size-1)/size)
	if n < 1 || n > last {
		return page{Total: len(list)}, false
	}
	v = page{Items: p.items(cut(list, (n-1)*size, size)), Total: len(list)}
	if n < last {
		v.Next = fmt.Sprintf("%s?page=%d", r.URL.Path, n+1)
	}
	if n > 1 {
		v.Previous = fmt.Sprintf("%s?page=%d", r.URL.Path, n-1)
	}
	return v, true
}

func listAndDetail(p *DemoPortal, mux *http.ServeMux) {
	mux.HandleFunc("/enseignes", func(w http.ResponseWriter, r *http.Request) {
		v, ok := p.numbered(r, p.listed(), 40)
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		v.Title = "Nos enseignes partenaires"
		p.render(w, "cashmoi.html", v)
	})
}

func pushedStrings(p *DemoPortal, mux *http.ServeMux) {
	type cashbackOf struct {
		Type  string  `json:"type"`
		Value float64 `json:"value"`
		UpTo  bool    `json:"upTo"`
		Was   float64 `json:"was,omitempty"`
	}
	type merchant struct {
		ID       int         `json:"id"`
		Name     string      `json:"name"`
		Href     string      `json:"href"`
		Logo     string      `json:"logo"`
		Section  string      `json:"section"`
		Cashback *cashbackOf `json:"cashback"`
	}
	mux.HandleFunc("/cashback", func(w http.ResponseWriter, r *http.Request) {
		items := p.items(p.listed())
		merchants := []merchant{}
		for _, it := range items {
			m := merchant{ID: it.ID, Name: it.Name, Href: it.Link, Logo: it.Logo, Section: it.Section}
			switch it.Quote.Kind {
			case cashback.Percent: // as fractions: 6.5 % is 0.065
				m.Cashback = &cashbackOf{"PERCENT", float64(it.Quote.Value) / 1e4, it.Quote.UpTo, float64(it.Quote.Was) / 1e4}
			case cashback.Fixed:
				m.Cashback = &cashbackOf{"AMOUNT", float64(it.Quote.Value) / 100, it.Quote.UpTo, float64(it.Quote.Was) / 100}
			}
			merchants = append(merchants, m)
		}
		state, err := json.Marshal([]any{"$", "$L1a", nil, map[string]any{
			"locale": "fr", "merchants": merchants, "total": len(merchants), "footer": []string{"À propos", "Aide"},
		}})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		stream := "0:[\"$\",\"html\",null,{\"lang\":\"fr\"}]\n1a:" + string(state) + "\n"
		v := page{Title: "Tous les marchands", Items: items[:min(24, len(items))], Total: len(items)}
		for chunk := range slices.Chunk([]rune(stream), 9000) {
			// Marshal escapes what could end the script element.
			text, err := json.Marshal(string(chunk))
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			v.Payload = append(v.Payload, template.JS("self.__next_f.push([1,"+string(text)+"])"))
		}
		p.render(w, "malin.html", v)
	})
}

func offsetAndTotal(p *DemoPortal, mux *http.ServeMux) {
	type store struct {
		ID       int    `json:"id"`
		Name     string `json:"name"`
		Cashback string `json:"cashback"`
		Previous string `json:"previous_cashback,omitempty"`
		Page     string `json:"store_page_url"`
		Domain   string `json:"domain"`
		Logo     string `json:"logo_url"`
		Category string `json:"category"`
	}
	mux.HandleFunc("/annuaire", func(w http.ResponseWriter, r *http.Request) {
		p.render(w, "shell.html", page{Title: "Annuaire"})
	})
	mux.HandleFunc("/api/public/stores", func(w http.ResponseWriter, r *http.Request) {
		all := p.listed()
		limit := min(queryInt(r.URL.Query(), "limit", 20), 50)
		stores := []store{}
		for _, it := range p.items(cut(all, queryInt(r.URL.Query(), "offset", 0), limit)) {
			stores = append(stores, store{it.ID, it.Name, it.Rate, it.Was, p.Origin + it.Link, "www." + it.Domain, p.Origin + it.Logo, it.Section})
		}
		p.answer(w, map[string]any{"stores": stores, "total": len(all)})
	})
}

func couponsBesideRates(p *DemoPortal, mux *http.ServeMux) {
	mux.HandleFunc("/offres", func(w http.ResponseWriter, r *http.Request) {
		v, ok := p.numbered(r, p.listed(), 30)
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		v.Title = "Cashback et codes promo"
		for i, it := range v.Items {
			if i%3 == 0 {
				v.Coupons = append(v.Coupons, coupon{it.Name, []string{"10 % de réduction", "15 € offerts dès 100 € d'achat", "Livraison gratuite", "-20 % sur une sélection"}[it.ID%4], it.Link})
			}
		}
		p.render(w, "bonpli.html", v)
	})
}

func stateInState(p *DemoPortal, mux *http.ServeMux) {
	type partner struct {
		ID       int    `json:"shopId"`
		Name     string `json:"shopName"`
		Route    string `json:"routeName"`
		Value    string `json:"cashbackValue"`
		Before   string `json:"cashbackBeforeIncreaseValue"`
		Increase bool   `json:"cashbackIsIncrease"`
		Type     int    `json:"cashbackType"` // 1 = per cent, 2 = euros
		Image    string `json:"image"`
	}
	mux.HandleFunc("/partenaires", func(w http.ResponseWriter, r *http.Request) {
		shops := []partner{}
		for _, it := range p.items(p.listed()) {
			s := partner{ID: it.ID, Name: it.Name, Route: fmt.Sprintf("%s-%d", it.Slug, it.ID), Value: it.Rate, Before: it.Was, Increase: it.Was != "", Type: 1, Image: it.Logo + "?format=__IMAGE_FORMAT__"}
			if it.Quote.Kind == cashback.Fixed {
				s.Type = 2
			}
			shops = append(shops, s)
		}
		inner, err := json.Marshal(map[string]any{"metaTitle": "Nos partenaires", "shops": shops, "count": len(shops)})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		hash := func(word string) string {
			return strconv.Itoa(int(4e9 * dice(p.demo.cfg.Seed, "state key", word, len(inner))))
		}
		state, err := json.Marshal(map[string]any{
			hash("shops"): map[string]any{"b": string(inner), "h": map[string]any{}, "s": 200, "st": "OK", "u": "/api/shops", "rt": "text"},
			hash("menu"):  map[string]any{"b": `{"menu":[{"label":"Associations"},{"label":"Aide"}]}`, "s": 200},
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		p.render(w, "pousse-cause.html", page{Title: "Nos partenaires", State: template.JS(state), Total: len(shops)})
	})
}

func headeredFragments(p *DemoPortal, mux *http.ServeMux) {
	mux.HandleFunc("/boutiques", func(w http.ResponseWriter, r *http.Request) {
		p.render(w, "shell.html", page{Title: "Boutiques"})
	})
	mux.HandleFunc("/fragments/boutiques", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "X-Requested-With")
		if r.Header.Get("X-Requested-With") != "XMLHttpRequest" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			return // 200 and nothing
		}
		all := p.listed()
		v, ok := p.numbered(r, all, 25)
		if !ok {
			// The page after the last still recommends something, which isn't of the list.
			v.Total = 0
			v.Foreign = p.items(all[:1])
		}
		p.render(w, "point-carre.html", v)
	})
}

func listPerCategory(p *DemoPortal, mux *http.ServeMux) {
	mux.HandleFunc("/rayon/{category}", func(w http.ResponseWriter, r *http.Request) {
		category := r.PathValue("category")
		all := p.listed()
		var list []listing
		for _, l := range all {
			if l.category == category || category == "coups-de-coeur" && l.number%9 == 0 {
				list = append(list, l)
			}
		}
		v, ok := p.numbered(r, list, 12)
		if _, known := categoryWords[category]; !ok || !known && category != "coups-de-coeur" {
			w.WriteHeader(http.StatusNotFound)
		}
		v.Title, v.Sections, v.Here = "Coups de cœur", p.sections("/rayon/"), category
		if categoryWords[category][0] != "" {
			v.Title = p.word(category)
		}
		p.render(w, "fidelo.html", v)
	})
}

// sections are the kinds of shop that the portal lists, as links.
func (p *DemoPortal) sections(path string) []section {
	var list []section
	for key := range categoryWords {
		if slices.ContainsFunc(p.all, func(l listing) bool { return l.category == key }) {
			list = append(list, section{Key: key, Word: p.word(key), Link: path + key})
		}
	}
	slices.SortFunc(list, func(a, b section) int { return strings.Compare(a.Key, b.Key) })
	return list
}

func letterPages(p *DemoPortal, mux *http.ServeMux) {
	letterOf := func(l listing) string {
		if c := l.order[0]; c >= 'a' && c <= 'z' {
			return string(c)
		}
		return "0-9"
	}
	mux.HandleFunc("/stores/{letter}", func(w http.ResponseWriter, r *http.Request) {
		letter := r.PathValue("letter")
		var letters []string
		var list []listing
		for _, l := range p.listed() {
			if !slices.Contains(letters, letterOf(l)) {
				letters = append(letters, letterOf(l))
			}
			if letterOf(l) == letter {
				list = append(list, l)
			}
		}
		slices.SortFunc(letters, func(a, b string) int { // "0-9" comes last
			return strings.Compare(strings.ReplaceAll(a, "0-9", "~"), strings.ReplaceAll(b, "0-9", "~"))
		})
		v := page{Title: "Stores: " + strings.ToUpper(letter), Items: p.items(list), Total: len(list), Here: letter}
		for i, l := range letters {
			v.Sections = append(v.Sections, section{l, strings.ToUpper(l), "/stores/" + l})
			if l == letter && i+1 < len(letters) {
				v.Next = "/stores/" + letters[i+1]
			}
			if l == letter && i > 0 {
				v.Previous = "/stores/" + letters[i-1]
			}
		}
		if len(list) == 0 {
			w.WriteHeader(http.StatusNotFound)
		}
		p.render(w, "pennywell.html", v)
	})
}

func cursorJSON(p *DemoPortal, mux *http.ServeMux) {
	type basic struct {
		Sign string `json:"sign"`
		Kind string `json:"kind"` // relative or absolute
	}
	type rate struct {
		Value    json.Number `json:"value"`
		Basic    basic       `json:"basic"`
		Label    string      `json:"label,omitempty"`
		Audience string      `json:"audience,omitempty"` // n, e
		Category string      `json:"category,omitempty"`
	}
	type retailer struct {
		ID       int    `json:"id"`
		Name     string `json:"name"`
		URLName  string `json:"url_name"`
		Link     string `json:"link"`
		Website  string `json:"website"`
		Logo     string `json:"logo"`
		Category string `json:"category"`
		Headline string `json:"headline"`
		Rates    []rate `json:"rates"`
	}
	const size = 40
	mux.HandleFunc("/retailers", func(w http.ResponseWriter, r *http.Request) {
		p.render(w, "shell.html", page{Title: "Retailers"})
	})
	mux.HandleFunc("/api/retailers", func(w http.ResponseWriter, r *http.Request) {
		all, from := p.listed(), 0
		if cursor := r.URL.Query().Get("cursor"); cursor != "" {
			from = len(all)
			for i, l := range all {
				if "after-"+strconv.Itoa(l.number) == cursor {
					from = i + 1
				}
			}
		}
		list := []retailer{}
		for _, it := range p.items(cut(all, from, size)) {
			sign := basic{"%", "relative"}
			if it.Quote.Kind == cashback.Fixed {
				sign = basic{"£", "absolute"}
			}
			x := retailer{it.ID, it.Name, it.Slug, p.Origin + it.Link, "https://www." + it.Domain + "/", p.Origin + it.Logo, it.Section, it.Rate, []rate{}}
			for _, t := range it.Quote.Tiers {
				of := rate{json.Number(p.number(t.Value)), sign, t.Label, map[cashback.Audience]string{cashback.New: "n", cashback.Existing: "e"}[t.Audience], ""}
				if t.Audience == cashback.Anybody {
					of.Category = t.Label
				}
				x.Rates = append(x.Rates, of)
			}
			if len(x.Rates) == 0 && !it.None {
				x.Rates = append(x.Rates, rate{json.Number(p.number(it.Quote.Value)), sign, "", "", ""})
			}
			list = append(list, x)
		}
		next := ""
		if from+size < len(all) {
			next = "after-" + strconv.Itoa(all[from+size-1].number)
		}
		p.answer(w, map[string]any{"message": map[string]any{"retailers": list, "nextCursor": next}})
	})
}

func foreignMenu(p *DemoPortal, mux *http.ServeMux) {
	mux.HandleFunc("/category/{category}", func(w http.ResponseWriter, r *http.Request) {
		category := r.PathValue("category")
		all := p.listed()
		var list, foreign []listing
		for _, l := range all {
			if l.category == category {
				list = append(list, l)
			} else if l.number%12 == 0 && len(foreign) < 14 {
				foreign = append(foreign, l)
			}
		}
		if categoryWords[category][1] == "" {
			w.WriteHeader(http.StatusNotFound)
			p.render(w, "missing.html", page{})
			return
		}
		p.render(w, "thriftbird.html", page{Title: p.word(category), Items: p.items(list), Foreign: p.items(foreign), Sections: p.sections("/category/"), Here: category, Total: len(list)})
	})
}

func hashedClasses(p *DemoPortal, mux *http.ServeMux) {
	mux.HandleFunc("/shops", func(w http.ResponseWriter, r *http.Request) {
		v, ok := p.numbered(r, p.listed(), 36)
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		v.Title = "Shops that give"
		p.render(w, "kindbasket.html", v)
	})
}

func oneAnswer(p *DemoPortal, mux *http.ServeMux) {
	type rebate struct {
		Prefix   string      `json:"prefix"`
		Value    json.Number `json:"value"`
		Currency string      `json:"currency"`
		Suffix   string      `json:"suffix"`
	}
	type partner struct {
		ID     int    `json:"merchantId"`
		Name   string `json:"name"`
		Rebate rebate `json:"rebate"`
		Click  string `json:"clickUrl"`
		Page   string `json:"pageUrl"`
		Domain string `json:"domain"`
		Logo   string `json:"logoUrl"`
	}
	mux.HandleFunc("/earn", func(w http.ResponseWriter, r *http.Request) {
		p.render(w, "shell.html", page{Title: "Earn miles"})
	})
	mux.HandleFunc("/content-api/partners", func(w http.ResponseWriter, r *http.Request) {
		list := []partner{}
		for _, it := range p.items(p.listed()) {
			x := partner{ID: it.ID, Name: it.Name, Click: p.Origin + it.Out, Page: p.Origin + it.Link, Domain: it.Domain, Logo: p.Origin + it.Logo}
			x.Rebate.Value = json.Number(strconv.Itoa(it.Quote.Value / 100))
			x.Rebate.Currency = "miles"
			if it.Quote.Kind == cashback.PointsPerUnit {
				if x.Rebate.Currency = "miles/£"; it.Quote.Value == 100 {
					x.Rebate.Currency = "mile/£"
				}
			}
			if it.Quote.UpTo {
				x.Rebate.Prefix = "Up to"
			}
			list = append(list, x)
		}
		p.answer(w, map[string]any{"partners": list, "count": len(list)})
	})
}

func mapByID(p *DemoPortal, mux *http.ServeMux) {
	type best struct {
		Text string `json:"rate_txt"`
		Rate string `json:"rate"`
		Was  string `json:"previous_rate,omitempty"`
	}
	type merchant struct {
		Name    string `json:"name"`
		URLName string `json:"url_name"`
		Best    best   `json:"best_rate"`
		// Related is a rate of another merchant: the path, not the name, decides.
		Related []map[string]any `json:"related"`
		Logo    string           `json:"logo"`
	}
	const size = 45
	mux.HandleFunc("/browse", func(w http.ResponseWriter, r *http.Request) {
		p.render(w, "shell.html", page{Title: "Browse merchants"})
	})
	mux.HandleFunc("/api/merchants", func(w http.ResponseWriter, r *http.Request) {
		all := p.listed()
		n := queryInt(r.URL.Query(), "page", 1)
		last := (len(all) + size - 1) / size
		merchants := map[string]merchant{}
		for _, it := range p.items(cut(all, (n-1)*size, size)) {
			m := merchant{Name: it.Name, URLName: fmt.Sprintf("%s-%d", it.Slug, it.ID), Logo: p.Origin + it.Logo, Related: []map[string]any{{"name": "Another shop", "best_rate": map[string]string{"rate": "99%"}}}}
			if !it.None {
				m.Best = best{Text: "Earn", Rate: p.amount(it.Quote.Kind, it.Quote.Value), Was: it.Was}
				if it.Quote.UpTo {
					m.Best.Text = "Earn up to"
				}
			}
			merchants[strconv.Itoa(it.ID)] = m
		}
		p.answer(w, map[string]any{"status": "ok", "data": map[string]any{
			"merchants": merchants,
			"meta":      map[string]any{"pagination": map[string]int{"total": len(all), "total_pages": last, "page": n}},
		}})
	})
}
