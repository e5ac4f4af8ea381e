package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"pgregory.net/rapid"
)

func with(cookies ...*http.Cookie) func(*http.Request) {
	return func(r *http.Request) {
		for _, c := range cookies {
			r.AddCookie(c)
		}
	}
}

func read(t *testing.T, r *http.Response) *goquery.Document {
	t.Helper()
	d, err := goquery.NewDocumentFromReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestShopperKept: what a visitor keeps counts for every shop, is never answered to
// anybody else, nor kept by a cache, and can be forgotten.
func TestShopperKept(t *testing.T) {
	s := newServer(t)
	shop := "/en/shops/" + shopNamed(t, s, "fnac").Slug + "?amount=80"
	public := body(t, ask(s.Handler(), "GET", shop, local))
	form := url.Values{"shop": {shopNamed(t, s, "fnac").Slug}, "amount": {"80"}, "patience": {"300"}, "method": {"-", "paypal"}, "monthly_rewards": {"7"}}
	r := post(s.Handler(), "/en/shopper", form)
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != shop {
		t.Fatalf("kept: %d to %q: %s", r.StatusCode, r.Header.Get("Location"), body(t, r))
	}
	var kept *http.Cookie
	for _, c := range r.Cookies() {
		if c.Name == shopperCookie {
			kept = c
		}
	}
	if kept == nil || !kept.HttpOnly || kept.SameSite != http.SameSiteLaxMode || kept.Path != "/" || len(kept.Value) > maxShopper {
		t.Fatalf("cookie: %+v", kept)
	}
	for _, change := range [][]func(*http.Request){
		{local, with(kept)},
		{local, with(kept), header("If-None-Match", ask(s.Handler(), "GET", shop, local).Header.Get("ETag"))},
	} {
		r := ask(s.Handler(), "GET", shop, change...)
		if r.StatusCode != 200 || r.Header.Get("Cache-Control") != "private, no-store" || r.Header.Get("ETag") != "" {
			t.Errorf("with the cookie: %d %q %q", r.StatusCode, r.Header.Get("Cache-Control"), r.Header.Get("ETag"))
		}
		text := body(t, r)
		if !strings.Contains(text, "300% a year") || !strings.Contains(text, "€7.00: how fast") || !strings.Contains(text, "With what you have kept.") {
			t.Error("what was kept doesn't count")
		}
	}
	if again := body(t, ask(s.Handler(), "GET", shop, local)); again != public {
		t.Error("what one keeps shows to another")
	}
	// The address counts before it, and own leaves it out.
	if text := body(t, ask(s.Handler(), "GET", shop+"&patience=10", local, with(kept))); !strings.Contains(text, "10% a year") || !strings.Contains(text, "€7.00: how fast") {
		t.Error("the address doesn't count before what was kept")
	}
	if text := body(t, ask(s.Handler(), "GET", shop+"&own=1", local, with(kept))); !strings.Contains(text, "20% a year") {
		t.Error("own doesn't leave out what was kept")
	}
	// Amounts follow the currency of the basket.
	if text := body(t, ask(s.Handler(), "GET", "/en/shops/"+shopNamed(t, s, "argos").Slug, local, with(kept))); strings.Contains(text, "£7.00: how fast") || !strings.Contains(text, ": how fast") {
		t.Error("7 € became 7 £")
	}
	// Other pages and the API don't look at it.
	if r := ask(s.Handler(), "GET", "/en/how", local, with(kept)); r.Header.Get("Cache-Control") != "public, no-cache" {
		t.Errorf("another page: %q", r.Header.Get("Cache-Control"))
	}
	r = post(s.Handler(), "/en/shopper", url.Values{"shop": form["shop"], "forget": {"1"}}, with(kept))
	if c := r.Cookies(); r.StatusCode != http.StatusSeeOther || len(c) < 1 || c[0].Name != shopperCookie || c[0].MaxAge >= 0 {
		t.Errorf("forgotten: %d %v", r.StatusCode, c)
	}
}

// TestShopperRefused: a form that can't be accepted comes back with the sentence at its
// field, and a cookie that nobody wrote is set aside with a word.
func TestShopperRefused(t *testing.T) {
	s := newServer(t)
	slug := shopNamed(t, s, "fnac").Slug
	for field, value := range map[string]string{"patience": "-5", "vat": "1e30", "points": "x", "gift_card": "NaN", "country": "France", "amount": "-1", "customer": "maybe"} {
		r := post(s.Handler(), "/en/shopper", url.Values{"shop": {slug}, field: {value}})
		d := read(t, r)
		if r.StatusCode != http.StatusUnprocessableEntity || d.Find("[name="+field+"][aria-describedby=wrong]").Length() != 1 || d.Find("#wrong").Text() == "" {
			t.Errorf("%s: %d %q", field, r.StatusCode, d.Find("#wrong").Text())
		}
	}
	var many []string
	for i := range 150 {
		many = append(many, "portal-with-a-long-name-"+strings.Repeat("x", i%5)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	if r := post(s.Handler(), "/en/shopper", url.Values{"shop": {slug}, "portal": many}); r.StatusCode != http.StatusUnprocessableEntity || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("a cookie of every portal: %d", r.StatusCode)
	}
	for _, bad := range []string{"1.", "2.YQ", "1.!!", "1.cGF0aWVuY2U9LTU", "x", "1." + strings.Repeat("A", 2000), "1.bm9uc2Vuc2U9MQ"} {
		r := ask(s.Handler(), "GET", "/en/shops/"+slug, local, with(&http.Cookie{Name: shopperCookie, Value: bad}))
		text := body(t, r)
		if r.StatusCode != 200 || bad != "1." && !strings.Contains(text, "What you had kept can’t be used here") || !strings.Contains(text, "20% a year") {
			t.Errorf("cookie %.20q: %d", bad, r.StatusCode)
		}
	}
}

// TestShopperInAccount: signed in, it is kept in the account.
func TestShopperInAccount(t *testing.T) {
	p := newCrowd(t)
	slug := shopNamed(t, p.Server, "fnac").Slug
	r := post(p.Handler(), "/en/shopper", url.Values{"shop": {slug}, "gift_card": {"75"}, "vat": {"5,5"}, "points": {"avios=0.01"}, "portal": {"sitot", "muet"}}, p.as(p.alice))
	if r.StatusCode != http.StatusSeeOther {
		t.Fatal(r.StatusCode, body(t, r))
	}
	text := body(t, ask(p.Handler(), "GET", "/en/shops/"+slug, local, p.as(p.alice)))
	for _, want := range []string{"Gift card at 75%", "5.5%, as you state", "2 portals", "Kept in your account."} {
		if !strings.Contains(text, want) {
			t.Errorf("Alice's page lacks %q", want)
		}
	}
	if text := body(t, ask(p.Handler(), "GET", "/en/shops/"+slug, local, p.as(p.bob))); strings.Contains(text, "75%") {
		t.Error("Bob sees what Alice keeps")
	}
	if r = post(p.Handler(), "/en/shopper", url.Values{"shop": {slug}, "forget": {"1"}}, p.as(p.alice)); r.StatusCode != http.StatusSeeOther {
		t.Error(r.StatusCode)
	}
	if text := body(t, ask(p.Handler(), "GET", "/en/shops/"+slug, local, p.as(p.alice))); strings.Contains(text, "75%") || strings.Contains(text, "With what you have kept") {
		t.Error("it isn't forgotten")
	}
}

// TestPropertyShopperCookie: what is written is read again, and nothing that is read
// breaks a ranking.
func TestPropertyShopperCookie(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := shopperQuery{
			VAT: rapid.SampledFrom([]string{"", "20", "5,5"}).Draw(t, "vat"), Patience: rapid.SampledFrom([]string{"", "0", "1000"}).Draw(t, "patience"),
			Methods: rapid.SampledFrom([][]string{nil, {"-", "paypal"}, {"donation"}}).Draw(t, "methods"),
			Points:  rapid.SampledFrom([]string{"", "avios=0.01 miles=0,012"}).Draw(t, "points"),
			Portals: rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9-]{0,12}`), 0, 20, rapid.ID).Draw(t, "portals"),
		}
		if len(q.Portals) == 0 {
			q.Portals = nil
		}
		s, fits := encodeShopper(q)
		got, ok := decodeShopper(s)
		if fits && (!ok || strings.Join(got.pairs(), " ") != strings.Join(q.pairs(), " ")) {
			t.Fatalf("%q: %+v became %+v", s, q, got)
		}
	})
}

func FuzzShopperCookie(f *testing.F) {
	for _, q := range []shopperQuery{{}, {Patience: "20", Methods: []string{"-", "paypal"}}, {Points: "avios=0.01", VAT: "5,5"}} {
		s, _ := encodeShopper(q)
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, ok := decodeShopper(s)
		if !ok {
			return
		}
		if _, err := q.shopper("EUR"); err != nil && q.Currency == "" {
			t.Errorf("%q is taken, and refused later: %v", s, err)
		}
	})
}
