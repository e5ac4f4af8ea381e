package web

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/locale"
	"github.com/cagnotte/cagnotte/web/view"
)

func document(t *testing.T, s *Server, target string, status int) *goquery.Document {
	t.Helper()
	r := ask(s.Handler(), "GET", target, local)
	if r.StatusCode != status {
		t.Fatalf("%s: status %d, want %d: %.500s", target, r.StatusCode, status, body(t, r))
	}
	d, err := goquery.NewDocumentFromReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func texts(sel *goquery.Selection) []string {
	return sel.Map(func(_ int, s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") })
}

func attrs(sel *goquery.Selection, name string) []string {
	return sel.Map(func(_ int, s *goquery.Selection) string { return s.AttrOr(name, "") })
}

func TestShopPage(t *testing.T) {
	s := newServer(t)
	slug := shopNamed(t, s, "fnac").Slug
	for _, c := range []struct {
		query string
		order []string
		first string
	}{
		// The fixed amount is worth most for a small basket, the rates for a large one.
		{"?amount=20", []string{"petitpanier", "muet", "sitot", "grandtaux"}, "1,65\u00a0€"},
		{"?amount=200&customer=new", []string{"muet", "sitot", "grandtaux", "petitpanier"}, "5,76\u00a0€"},
	} {
		d := document(t, s, "/fr/shops/"+slug+c.query, 200)
		if got := attrs(d.Find("ol.rows > li"), "data-portal"); !slices.Equal(got, c.order) {
			t.Errorf("%s: order %v, want %v", c.query, got, c.order)
		}
		if got := d.Find(".row.first .value").Text(); got != c.first {
			t.Errorf("%s: first value %q, want %q", c.query, got, c.first)
		}
		if n := d.Find(".row details.proof .receipt").Length(); n != 4 {
			t.Errorf("%s: %d receipts for 4 rows", c.query, n)
		}
		d.Find(".row .act a").Each(func(i int, a *goquery.Selection) {
			if !strings.HasPrefix(a.AttrOr("href", ""), "/go/") || a.AttrOr("rel", "") != "noopener noreferrer nofollow" || a.AttrOr("referrerpolicy", "") != "no-referrer" {
				t.Errorf("click-out %d: %v", i, a.Nodes[0].Attr)
			}
		})
	}
	d := document(t, s, "/fr/shops/"+slug+"?amount=20&customer=new", 200)
	if got := d.Find("#amount").AttrOr("value", ""); got != "20" {
		t.Errorf("the form holds %q", got)
	}
	if got := d.Find("#customer option[selected]").AttrOr("value", ""); got != "new" {
		t.Errorf("the form holds the customer %q", got)
	}
	// What was read stands in the receipt, word for word.
	receipt := texts(d.Find("[data-portal=grandtaux] .receipt dd"))
	if len(receipt) != 8 || receipt[1] != "Jusqu'à 9 %" || receipt[2] != "https://www.grandtaux.test/boutiques" || receipt[5] != "v1" {
		t.Errorf("receipt: %q", receipt)
	}
	if got := texts(d.Find("[data-portal=muet] .tag.warn")); !slices.Contains(got, "Fréquence non précisée") {
		t.Errorf("what a portal doesn't say isn't marked: %q", got)
	}
	// The other language is the same page.
	if got := d.Find("link[hreflang=en]").AttrOr("href", ""); got != "/en/shops/"+slug+"?amount=20&customer=new" {
		t.Errorf("the English page is at %q", got)
	}
}

func TestShopPageWrongAmount(t *testing.T) {
	s := newServer(t)
	slug := shopNamed(t, s, "fnac").Slug
	d := document(t, s, "/fr/shops/"+slug+"?amount=12%2C345", 400)
	in := d.Find("#amount")
	if in.AttrOr("aria-invalid", "") != "true" || in.AttrOr("value", "") != "12,345" {
		t.Errorf("the field: %v", in.Nodes[0].Attr)
	}
	if got := d.Find("#" + in.AttrOr("aria-describedby", "?")).Text(); !strings.Contains(got, "2 décimales au plus") {
		t.Errorf("the sentence: %q", got)
	}
	if d.Find(".rows").Length() != 0 {
		t.Error("a ranking is shown for an amount that can't be")
	}
	if got := document(t, s, "/fr/shops/"+slug+"?amount="+query("£20"), 400).Find("#wrong").Text(); !strings.Contains(got, "GBP") {
		t.Errorf("another currency's sign: %q", got)
	}
	for typed, filled := range map[string]string{"12,50": "12,50", "1 234,5": "1234,50", "1.234,56": "1234,56", "20 €": "20", "120,00": "120"} {
		if got := document(t, s, "/fr/shops/"+slug+"?amount="+query(typed), 200).Find("#amount").AttrOr("value", ""); got != filled {
			t.Errorf("%q is filled in again as %q", typed, got)
		}
	}
}

// TestShopPageSum: the eight steps are drawn and put in words, and add up.
func TestShopPageSum(t *testing.T) {
	s := newServer(t)
	slug := shopNamed(t, s, "fnac").Slug
	d := document(t, s, "/en/shops/"+slug+"?amount=80", 200)
	row := d.Find("[data-portal=grandtaux] .fall")
	if n := row.Find("tbody tr").Length(); n != 9 {
		t.Fatalf("%d lines for eight steps and their total", n)
	}
	if n := row.Find("tr:not(.zero) svg.beam").Length(); n != row.Find("tr:not(.zero)").Length() || n < 5 {
		t.Errorf("%d bars", n)
	}
	want := []string{
		"All purchases: up to 9%", "“up to” is a ceiling: 25% of it counts while no outcomes are known", "the rate counts before VAT (20%)",
		"85% of purchases are confirmed; without observed outcomes, 85% is assumed",
	}
	got := texts(row.Find(".why li"))
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no reason says %q: %q", w, got)
		}
	}
	if got := d.Find(".because").Text(); !strings.Contains(got, "Grand Taux advertises more, €7.20") || !strings.Contains(got, "−€5.40, “up to” is a ceiling") {
		t.Errorf("why: %q", got)
	}
	if got := texts(d.Find("[data-portal=grandtaux] h3 .tag.warn")); !slices.Equal(got, []string{"Estimate", "“Up to”"}) {
		t.Errorf("marks: %q", got)
	}
}

// TestShopPageShopper: the shopper's side comes from the address, travels with each
// form, and is refused at its field.
func TestShopPageShopper(t *testing.T) {
	s := newServer(t)
	slug := shopNamed(t, s, "fnac").Slug
	d := document(t, s, "/en/shops/"+slug+"?amount=80&patience=50&portal=sitot&portal=muet&method=-&method=paypal", 200)
	if got := attrs(d.Find("ol.rows > li"), "data-portal"); !slices.Equal(got, []string{"sitot", "muet"}) {
		t.Errorf("ranked: %v", got)
	}
	if got := texts(d.Find(".rest li > :not(details)")); !slices.Contains(got, "It isn’t among the portals that you use.") {
		t.Errorf("what is hidden and why: %q", got)
	}
	hidden := attrs(d.Find("#purchase input[type=hidden]"), "name")
	if !slices.Equal(hidden, []string{"method", "method", "patience", "portal", "portal"}) {
		t.Errorf("the purchase's form carries %v", hidden)
	}
	if got := d.Find("form.shopper input[type=hidden][name=amount]").AttrOr("value", ""); got != "80" {
		t.Errorf("the shopper's form carries the amount %q", got)
	}
	if got := attrs(d.Find("form.shopper [name=method]:checked, form.shopper [name=method][checked]"), "value"); !slices.Equal(got, []string{"paypal"}) {
		t.Errorf("ticked: %v", got)
	}
	for query, says := range map[string]string{
		"?patience=-1": "from 0 to 1,000", "?vat=1e30": "from 0 to 100", "?method=-": "at least one way", "?customer=maybe": "new, existing",
		"?date=2099-01-01": "2027-10-04", "?currency=EURO": "three-letter", "?amount=1e30": "120 or 12.50", "?points=x": "avios=0.01",
	} {
		d := document(t, s, "/en/shops/"+slug+query, 400)
		name, _, _ := strings.Cut(query[1:], "=")
		if got := d.Find("[aria-describedby=wrong]"); got.Length() != 1 || !strings.Contains(d.Find("#wrong").Text(), says) {
			t.Errorf("%s: %d fields are marked; %q", name, got.Length(), d.Find("#wrong").Text())
		}
	}
}

// TestShopPageQuestion: the one fact that would change the winner is asked for.
func TestShopPageQuestion(t *testing.T) {
	w := newTown(t)
	portals := townPortals()
	if err := w.store.SavePortals(t.Context(), portals); err != nil {
		t.Fatal(err)
	}
	forNew, rest := percent("12"), percent("1")
	forNew.Audience, rest.Audience = cashback.New, cashback.Existing
	w.publish(portals[1], today, listed{name: "Fnac", domain: "fnac.com", raw: "12 % / 1 %", tiers: []cashback.Tier{forNew, rest}})
	w.publish(portals[2], today, listed{name: "Fnac", domain: "fnac.com", raw: "3 %", tiers: []cashback.Tier{percent("3")}})
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	slug := shopNamed(t, s, "fnac").Slug
	d := document(t, s, "/en/shops/"+slug+"?amount=50", 200)
	if got := texts(d.Find(".question button")); len(got) != 2 || !strings.HasPrefix(got[0], "New customer Sitôt, €") || !strings.HasPrefix(got[1], "Existing customer Petit Panier, €") {
		t.Errorf("asked: %q", got)
	}
	if got := d.Find(".question input[name=amount]").AttrOr("value", ""); got != "50" {
		t.Errorf("the question forgets the amount: %q", got)
	}
	d = document(t, s, "/en/shops/"+slug+"?amount=50&customer=new", 200)
	if d.Find(".question").Length() != 0 || d.Find(".row.first").AttrOr("data-portal", "") != "sitot" {
		t.Error("the answer doesn't change the winner, or is asked for again")
	}
	// Sitôt pays out as a donation too.
	if got := texts(d.Find(".keepgive li")); len(got) != 3 || !strings.Contains(got[2], "to Les Restos; what part arrives isn’t stated") {
		t.Errorf("keep or give: %q", got)
	}
	to := d.Find(".keepgive a").AttrOr("href", "")
	if d = document(t, s, to, 200); !strings.Contains(d.Find("#verdict").Text(), "Sitôt") || d.Find(".keepgive").Length() != 0 {
		t.Errorf("giving: %q", d.Find("#verdict").Text())
	}
}

func TestShopPageNotRanked(t *testing.T) {
	s := newServer(t)
	d := document(t, s, "/fr/shops/"+shopNamed(t, s, "darty").Slug, 200)
	if got := texts(d.Find(".rest li > :not(details)")); !slices.Equal(got, []string{"Sitôt", "Référence la boutique, mais ne paie rien."}) {
		t.Errorf("not ranked: %q", got)
	}
	d = document(t, s, "/en/shops/"+shopNamed(t, s, "leroy").Slug, 200)
	if got := d.Find("#ranked").Text(); got != "No portal pays for this purchase" {
		t.Errorf("heading %q", got)
	}
	document(t, s, "/fr/shops/nobody-fr", 404)
}

// TestNothingCalledSo: an address of a shop, a portal or a category that isn't there says
// which, and what to do.
func TestNothingCalledSo(t *testing.T) {
	s := newServer(t)
	for target, says := range map[string]string{
		"/en/shops/nobodys-shop":    "search for it",
		"/en/portals/nobody":        "list of portals",
		"/en/shops?category=nobody": "list of shops",
	} {
		if got := document(t, s, target, 404).Find(".error p").First().Text(); !strings.Contains(got, "nobody") || !strings.Contains(got, says) {
			t.Errorf("%s: %q", target, got)
		}
	}
}

func TestPortalPage(t *testing.T) {
	s := newServer(t)
	d := document(t, s, "/fr/portals/muet", 200)
	// Of the silent portal everything is shown as missing but its language.
	if all, missing := d.Find(".facts.two > div").Length(), d.Find(".facts.two .missing").Length(); missing != all-1 || all < 14 {
		t.Errorf("%d of %d facts are missing", missing, all)
	}
	d = document(t, s, "/en/portals/sitot", 200)
	facts := map[string]string{}
	d.Find(".facts.two > div").Each(func(_ int, f *goquery.Selection) {
		facts[f.Find("dt").Text()] = strings.Join(texts(f.Find("dd > p")), "|")
	})
	for name, want := range map[string]string{
		"Ways to be paid":                 "Bank transfer from the first cent|PayPal from the first cent|Gift card from €5.00|source.test as of 1 July 2026",
		"Rates count on the price":        "with VAT|source.test as of 1 July 2026",
		"Claims for missing cashback":     "From 10 to 90 days after the purchase|source.test as of 1 July 2026",
		"Giving it away":                  "Yes|Les Restos|source.test as of 1 July 2026",
		"Shown after the purchase within": "",
	} {
		if facts[name] != want {
			t.Errorf("%s: %q, want %q", name, facts[name], want)
		}
	}
}

func TestPortalsPage(t *testing.T) {
	s := newServer(t)
	for target, want := range map[string][]string{
		"/fr/portals":            {"grandtaux", "muet", "petitpanier", "sitot"},
		"/fr/portals?country=gb": {"thrift"},
		"/fr/portals?country=JP": {},
	} {
		d := document(t, s, target, 200)
		if got := attrs(d.Find(".plate"), "data-portal"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
	d := document(t, s, "/fr/portals?country=GB", 200)
	if got := d.Find(".plate h2 a").AttrOr("href", ""); got != "/fr/portals/thrift?country=GB" {
		t.Errorf("the country is lost: %q", got)
	}
}

// shopNamed finds a shop of the town by the start of its slug.
func shopNamed(t testing.TB, s *Server, prefix string) cashback.Merchant {
	t.Helper()
	var found cashback.Merchant
	err := s.Store.As(store.Public).EachMerchant(context.Background(), func(m cashback.Merchant, _ []cashback.Offer) error {
		if strings.HasPrefix(m.Slug, prefix) {
			found = m
		}
		return nil
	})
	if err != nil || found.ID == 0 {
		t.Fatalf("no shop %q: %v", prefix, err)
	}
	return found
}

// TestShopPageCurve: the curve is drawn with its switches to the cent, the same that
// the API gives, and told in words.
func TestShopPageCurve(t *testing.T) {
	s := newServer(t)
	fnac := shopNamed(t, s, "fnac")
	d := document(t, s, "/en/shops/"+fnac.Slug+"?amount=40&customer=new", 200)
	c := get[view.Curve](t, s, "/api/v1/merchants/"+strconv.Itoa(int(fnac.ID))+"/curve?customer=new&from=1&to=100").Curve
	if len(c.Leaders) < 2 || c.From != 100 || c.To != 10_000 || c.Leaders[0].Portals[0] != "petitpanier" {
		t.Fatalf("leaders: %+v", c.Leaders)
	}
	// At both sides of the switch the ranking says the same.
	for _, st := range c.Leaders {
		for _, minor := range []int64{st.From, st.To} {
			amount := cashback.Money{Minor: minor, Currency: "EUR"}.Decimal().String()
			r := get[view.Ranking](t, s, "/api/v1/merchants/"+strconv.Itoa(int(fnac.ID))+"/ranking?customer=new&amount="+amount)
			if !slices.Contains(st.Portals, r.Ranked[0].Portal) {
				t.Errorf("at %s the curve says %v, the ranking %s", amount, st.Portals, r.Ranked[0].Portal)
			}
		}
	}
	locales, err := locale.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	at := locales.Get("en").Basket(cashback.Money{Minor: c.Leaders[1].From, Currency: "EUR"})
	if told := d.Find(".plot").AttrOr("aria-label", ""); !strings.Contains(told, "From "+at) && !strings.Contains(told, at+" to") {
		t.Errorf("the drawing is told as %q, without %s", told, at)
	}
	if got := texts(d.Find(".plot .over text")); !slices.Contains(got, at) {
		t.Errorf("amounts on the drawing: %q, not %s", got, at)
	}
	if n := d.Find(".plot .area path").Length(); n != len(c.Lines) {
		t.Errorf("%d lines drawn of %d", n, len(c.Lines))
	}
	if got := d.Find(".plot text.own").Text(); got != "your €40" {
		t.Errorf("the own amount: %q", got)
	}
	if n := d.Find("table.bends tbody").Length(); n != len(c.Lines) {
		t.Errorf("%d portals in the table", n)
	}
	// A wrong amount draws nothing, one beyond every curve is drawn as far as it goes.
	if d := document(t, s, "/en/shops/"+fnac.Slug+"?amount=x", 400); d.Find(".plot").Length() != 0 {
		t.Error("drawn for no amount")
	}
	document(t, s, "/en/shops/"+fnac.Slug+"?amount=10000000", 200)
	document(t, s, "/en/shops/"+fnac.Slug+"?amount=0", 200)
}

// TestShopPageElsewhere holds that a shop's page leads to the brand's storefronts in
// other countries, and to no other shop of a similar name.
func TestShopPageElsewhere(t *testing.T) {
	w := newTown(t)
	var portals []cashback.Portal
	for id, c := range map[string]cashback.Country{"ici": "FR", "there": "GB", "dort": "DE"} {
		portals = append(portals, cashback.Portal{ID: id, Name: id, Homepage: "https://" + id + ".test", Countries: []cashback.Country{c}, Currency: "EUR", Publication: cashback.Public})
	}
	if err := w.store.SavePortals(t.Context(), portals); err != nil {
		t.Fatal(err)
	}
	for _, p := range portals {
		w.publish(p, today.Add(-time.Hour),
			listed{name: "Zorglub", raw: "4 %", tiers: []cashback.Tier{percent("4")}},
			listed{name: "Zorglub Voyages", raw: "2 %", tiers: []cashback.Tier{percent("2")}})
	}
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	d := document(t, s, "/fr/shops/zorglub-fr", 200)
	got := attrs(d.Find(".shop-head a"), "href")
	if want := []string{"/fr/shops/zorglub-de", "/fr/shops/zorglub-gb"}; !slices.Equal(got, want) {
		t.Errorf("leads to %q, want %q", got, want)
	}
}
