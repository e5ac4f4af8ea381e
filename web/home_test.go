package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/view"
)

func TestHome(t *testing.T) {
	s := newServer(t)
	d := document(t, s, "/fr", 200)
	if got := texts(d.Find("#popular ~ ul .name")); len(got) != 5 || got[0] != "Fnac" {
		t.Errorf("popular: %q", got)
	}
	move := d.Find(".move")
	if got := texts(move.Find("a, .up, .to .quiet")); !slices.Equal(got, []string{"Sephora", "▲ 7 %", "avant : 5 %"}) {
		t.Errorf("moves: %q", got)
	}
	if got := texts(d.Find(".example li > span:first-child")); !slices.Equal(got, []string{"Muet", "Sitôt", "Petit Panier", "Grand Taux"}) {
		t.Errorf("example: %q", got)
	}
	if got := d.Find("#q").AttrOr("name", ""); got != "q" {
		t.Errorf("the search box is called %q", got)
	}
	if got := texts(d.Find("#categories ~ ul .chip")); !slices.Contains(got, "Culture 1") {
		t.Errorf("categories: %q", got)
	}
	// Another country's home page leads on in that country.
	d = document(t, s, "/en?country=GB", 200)
	if got := texts(d.Find("#popular ~ ul .name")); !slices.Equal(got, []string{"Argos"}) {
		t.Errorf("popular in Britain: %q", got)
	}
	for _, href := range attrs(d.Find("header nav a"), "href") {
		if !strings.Contains(href, "country=GB") {
			t.Errorf("the country is lost: %s", href)
		}
	}
}

// TestMovesAreCurrent: a rate that moved back is no rise any more, and the latest of
// the greatest rises comes first.
func TestMovesAreCurrent(t *testing.T) {
	w := newTown(t)
	p := townPortals()[1]
	if err := w.store.SavePortals(t.Context(), townPortals()); err != nil {
		t.Fatal(err)
	}
	shop := func(name, rate string) listed {
		return listed{name: name, domain: strings.ToLower(name) + ".fr", raw: rate + " %", tiers: []cashback.Tier{percent(rate)}}
	}
	for i, day := range [][]listed{
		{shop("Sephora", "2"), shop("Darty", "2"), shop("Fnac", "2")},
		{shop("Sephora", "9"), shop("Darty", "5"), shop("Fnac", "2")},
		{shop("Sephora", "2"), shop("Darty", "5"), shop("Fnac", "3")},
	} {
		w.now = today.Add(time.Duration(i-2) * 24 * time.Hour)
		w.publish(p, w.now, day...)
	}
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := texts(document(t, s, "/fr", 200).Find(".move a")), []string{"Fnac", "Sephora", "Darty"}; !slices.Equal(got, want) {
		t.Errorf("moves: %q, not %q", got, want)
	}
	if got := texts(document(t, s, "/fr", 200).Find(".move .up")); !slices.Equal(got, []string{"▲ 3 %", "▲ 5 %"}) {
		t.Errorf("rises: %q", got)
	}
}

func TestFrontPicksLanguage(t *testing.T) {
	s := newServer(t)
	for accept, want := range map[string]string{"fr-FR,fr;q=0.9": "/fr", "en-GB": "/en", "ja": "/en", "": "/en"} {
		r := ask(s.Handler(), "GET", "/", local, header("Accept-Language", accept))
		if r.StatusCode != http.StatusFound || r.Header.Get("Location") != want || r.Header.Get("Vary") != "Accept-Language" {
			t.Errorf("%q: %d %v", accept, r.StatusCode, r.Header)
		}
	}
}

func TestSearchPage(t *testing.T) {
	s := newServer(t)
	for target, want := range map[string][]string{
		"/fr/search?q=fnak":                                 {"Fnac"},
		"/fr/search?q=galeries+lafayete":                    {"Galeries Lafayette"},
		"/fr/search?q=LEROYMERLIN":                          {"Leroy Merlin"},
		"/fr/search?q=argos":                                {"Argos"},
		"/fr/search?q=zzzzzz":                               {},
		"/fr/search?category=culture":                       {"Fnac"},
		"/fr/search?portal=sitot":                           {"Fnac", "Sephora", "Darty"},
		"/fr/search?method=paypal&portal=petitpanier&q=fna": {"Fnac"},
		"/fr/search?q=%21%21":                               {},
	} {
		d := document(t, s, target, 200)
		if got := texts(d.Find(".results .name")); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	// What passes on to a product is the product's; what a phone shares has words around it.
	for _, q := range []string{"https://www.network.example/c?id=1&ued=https%3A%2F%2Fwww.fnac.com%2Fa1", "https://www.google.com/url?q=https://www.fnac.com/a1", "À voir : https://www.fnac.com/a1 (promo)"} {
		r := ask(s.Handler(), "GET", "/fr/search?q="+query(q), local)
		if want := "/fr/shops/" + shopNamed(t, s, "fnac").Slug; r.Header.Get("Location") != want {
			t.Errorf("%s: %d %q", q, r.StatusCode, r.Header.Get("Location"))
		}
	}
	// A short link isn't followed, and no shop that begins with its letters is shown for it.
	for _, q := range []string{"https://f.co/x", "https://t.co/abc", "amzn.to/3x"} {
		d := document(t, s, "/fr/search?q="+query(q), 200)
		if got := texts(d.Find(".results .name")); len(got) > 0 {
			t.Errorf("%s: %q", q, got)
		}
		if got := d.Find(".note").First().Text(); strings.Contains(got, "raccourcir") != !strings.Contains(q, "f.co") {
			t.Errorf("%s: %q", q, got)
		}
	}
	if got := document(t, s, "/fr/search?q=fnak", 200).Find("title").Text(); !strings.Contains(got, "fnak") {
		t.Errorf("the title of a search: %q", got)
	}
	// A bookmark of a portal that isn't shown any more says so: nothing found would be false.
	if got := document(t, s, "/fr/search?portal=nobody", 400).Find(".error p").First().Text(); !strings.Contains(got, "nobody") {
		t.Errorf("an unknown portal: %q", got)
	}
	// The address of a product leads to its shop.
	fnac := "/fr/shops/" + shopNamed(t, s, "fnac").Slug
	for _, q := range []string{"https://www.fnac.com/a1234?ref=x", "www.fnac.com/a1", "//livre.fnac.com/", "FNAC.COM"} {
		r := ask(s.Handler(), "GET", "/fr/search?q="+query(q), local)
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != fnac {
			t.Errorf("%s: %d %q", q, r.StatusCode, r.Header.Get("Location"))
		}
	}
	d := document(t, s, "/fr/search?q="+query("https://www.nobody.com/x"), 200)
	if got := d.Find(".note").First().Text(); !strings.Contains(got, "Aucun portail") {
		t.Errorf("an unknown address: %q", got)
	}
	if got := document(t, s, "/fr/search?min_percent=lots", 400).Find(".error p").First().Text(); !strings.Contains(got, "min_percent") || strings.Contains(got, "rate") {
		t.Errorf("a wrong filter in French: %q", got)
	}
	// An address that no portal tells: what is called like its domain is shown, and said
	// to be no more than that.
	d = document(t, s, "/fr/search?q="+query("https://m.leroy-merlin.example/x"), 200)
	if got := texts(d.Find(".results .name")); len(got) != 0 {
		t.Errorf("under a suffix that isn't one: %q", got)
	}
	for _, q := range []string{"https://www.leroymerlin.be/p/1?utm_source=x", "leroy-merlin.co.uk", "//shop.leroymerlin.es/"} {
		d := document(t, s, "/fr/search?q="+query(q), 200)
		if got := texts(d.Find(".results .name")); !slices.Equal(got, []string{"Leroy Merlin"}) || !strings.Contains(d.Find(".note").First().Text(), "portent son nom") {
			t.Errorf("%s: %q, %q", q, got, d.Find(".note").First().Text())
		}
	}
	if got := document(t, s, "/fr/search?q="+query("https://www.leroymerlin.be/p/1?utm_source=x"), 200).Find("h1").Text(); !strings.Contains(got, "www.leroymerlin.be") || strings.Contains(got, "utm") {
		t.Errorf("the title of an address: %q", got)
	}
	if got := texts(document(t, s, "/fr/search?q="+query("https://leroymerlon.be/"), 200).Find(".results .name")); len(got) != 0 {
		t.Errorf("a domain that only resembles a name: %q", got)
	}
	// A portal's own page is no shop's, and says whose it is.
	d = document(t, s, "/fr/search?q="+query("https://m.sitot.test/boutiques/fnac?x=1"), 200)
	if a := d.Find(".note a"); a.AttrOr("href", "") != "/fr/portals/sitot" || !strings.Contains(a.Text(), "Sitôt") {
		t.Errorf("a portal's own page: %q", d.Find(".note").Text())
	}
	// Where nothing is found there is a way on; a filter that nothing passes can be taken
	// back.
	d = document(t, s, "/fr/search?q=zzzzzz", 200)
	if got := attrs(d.Find(".results .onward a"), "href"); !slices.Equal(got, []string{"/fr/shops"}) {
		t.Errorf("from nothing one can go to %q", got)
	}
	d = document(t, s, "/fr/search?q=fnac&method=crypto", 200)
	if got := attrs(d.Find(".filters input[checked]"), "value"); !slices.Equal(got, []string{"crypto"}) {
		t.Errorf("a filter without results: %q is ticked", got)
	}
	if got := attrs(d.Find(".results .onward a"), "href"); !slices.Equal(got, []string{"/fr/search?q=fnac", "/fr/shops"}) {
		t.Errorf("from what passes no filter one can go to %q", got)
	}
	// What was chosen stays chosen.
	d = document(t, s, "/fr/search?category=culture&no_up_to=1", 200)
	if got := attrs(d.Find(".filters input:checked, .filters input[checked]"), "value"); !slices.Equal(got, []string{"culture", "1"}) {
		t.Errorf("checked: %q", got)
	}
}

// TestMarkedLinks: what others hang on a link to follow it comes off, and the page is
// found; what isn't theirs stays, and is judged as ever.
func TestMarkedLinks(t *testing.T) {
	s := newServer(t)
	for target, want := range map[string]string{
		"/fr/search?q=fnac&utm_source=mail&fbclid=1": "/fr/search?q=fnac",
		"/fr/shops?utm_campaign=x":                   "/fr/shops",
		"/fr/search?utm_medium=x&q=a%26utm_b%3Dc":    "/fr/search?q=a%26utm_b%3Dc",
	} {
		r := ask(s.Handler(), "GET", target, local)
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("%s: %d %q", target, r.StatusCode, r.Header.Get("Location"))
		}
	}
	for target, status := range map[string]int{
		"/fr/search?q=" + query("https://x.example/?utm_source=y"): 200,
		"/fr/search?q=fnac&source=utm_x":                           400,
		"/api/v1/search?q=fnac&utm_source=x":                       400,
	} {
		if r := ask(s.Handler(), "GET", target, local); r.StatusCode != status {
			t.Errorf("%s: %d", target, r.StatusCode)
		}
	}
}

func TestShopsPage(t *testing.T) {
	s := newServer(t)
	titles := map[string]bool{}
	for _, target := range []string{"/fr/shops", "/fr/shops?initial=f", "/fr/shops?category=culture", "/en/shops?country=GB"} {
		titles[document(t, s, target, 200).Find("title").Text()] = true
	}
	if len(titles) != 4 {
		t.Errorf("lists that can't be told apart by their titles: %v", titles)
	}
	for target, want := range map[string][]string{
		"/fr/shops":                 {"Darty", "Fnac", "Galeries Lafayette", "Leroy Merlin", "Sephora"},
		"/fr/shops?initial=f":       {"Fnac"},
		"/fr/shops?initial=0":       {},
		"/fr/shops?country=GB":      {"Argos"},
		"/fr/shops?category=maison": {"Leroy Merlin"},
	} {
		d := document(t, s, target, 200)
		if got := texts(d.Find(".columns .name")); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	document(t, s, "/fr/shops?initial=ff", 400)
}

func TestSuggest(t *testing.T) {
	s := newServer(t)
	r := ask(s.Handler(), "GET", "/fr/suggest?q=sehpora", local)
	var l view.List[suggestion]
	if err := json.Unmarshal([]byte(body(t, r)), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Items) != 1 || l.Items[0] != (suggestion{"Sephora", "2 portails", "/fr/shops/" + shopNamed(t, s, "sephora").Slug}) {
		t.Errorf("%+v", l.Items)
	}
}

func TestSearchAPI(t *testing.T) {
	s := newServer(t)
	f := get[view.Found](t, s, "/api/v1/search?q=fnak&country=FR&facets=1")
	if len(f.Items) != 1 || f.Items[0].Slug != shopNamed(t, s, "fnac").Slug || f.Items[0].Portals != 4 || f.Facets == nil || f.Items[0].Best == nil || f.Items[0].Best.Receipt.ReadAt.IsZero() {
		t.Errorf("%+v", f)
	}
	// A list is read to its end by its cursors.
	var names []string
	for target := "/api/v1/offers?sort=name&limit=2"; target != ""; {
		l := get[view.Listed](t, s, target)
		for _, o := range l.Items {
			names = append(names, o.MerchantName+" "+o.Portal)
			if o.Receipt.RawText == "" {
				t.Errorf("%s has no receipt", o.MerchantName)
			}
		}
		target = ""
		if l.Next != "" {
			target = "/api/v1/offers?sort=name&limit=2&after=" + l.Next
		}
	}
	if slices.Sort(names); len(names) != 11 || len(slices.Compact(names)) != 11 {
		t.Errorf("%d offers: %q", len(names), names)
	}
	l := get[resolved](t, s, "/api/v1/resolve?url="+query("https://www.sephora.fr/p/1"))
	if len(l.Items) != 1 || l.Items[0].Name != "Sephora" || l.Slug != shopNamed(t, s, "sephora").Slug {
		t.Errorf("%+v", l)
	}
	for target, status := range map[string]int{
		"/api/v1/resolve?url=hello":                     400,
		"/api/v1/resolve?url=" + query("https://x.com"): 404,
		"/api/v1/search?min_percent=lots":               400,
		"/api/v1/search?minimum=15":                     400,
		"/api/v1/search?frequency=hourly":               400,
		"/api/v1/search?after=abc":                      400,
		"/api/v1/search?q=" + strings.Repeat("a", 1000): 400,
		"/api/v1/offers?country=FRA":                    400,
		"/api/v1/offers?sort=age":                       200, // offers have an order more than shops
		"/api/v1/search?sort=age":                       400,
	} {
		if r := ask(s.Handler(), "GET", target, local); r.StatusCode != status {
			t.Errorf("%s: %d, want %d", target, r.StatusCode, status)
		}
	}
}
