package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/store"
)

// clicked has somebody go to a portal, and returns the purchase's id.
func (p *crowd) clicked(u account.User) string {
	p.t.Helper()
	have := func() []earnings.Purchase {
		list, err := p.ledgers.Purchases(context.Background(), u.ID, store.Filter{})
		if err != nil {
			p.t.Fatal(err)
		}
		return list
	}
	r := post(p.Handler(), "/en/go/sitot/"+p.fnac(), nil, p.as(u))
	id := strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Location"), "/en/money/purchases/"), "/leave")
	list := have()
	if r.StatusCode != http.StatusSeeOther || len(list) == 0 || list[len(list)-1].ID != id {
		p.t.Fatalf("status %d, to %s: %+v", r.StatusCode, r.Header.Get("Location"), list)
	}
	return id
}

func (p *crowd) fnac() string {
	for _, c := range []string{"fnac"} {
		m, err := p.truth.MerchantBySlug(context.Background(), c+"-fr")
		if err == nil {
			return strconv.Itoa(int(m.ID))
		}
	}
	p.t.Fatal("no Fnac")
	return ""
}

func (p *crowd) purchase(u account.User, id string) earnings.Purchase {
	p.t.Helper()
	x, _, err := p.ledgers.Purchase(context.Background(), u.ID, id)
	if err != nil {
		p.t.Fatal(err)
	}
	return x
}

// TestClickToBank: a shop's page leads to the portal with the terms kept; the purchase
// is completed, followed by hand, and ends at the bank; its ledger holds.
func TestClickToBank(t *testing.T) {
	now := today
	p := newCrowd(t, func(c *Config) { c.Now = func() time.Time { return now } })
	h, as := p.Handler(), p.as(p.alice)
	wants(t, ask(h, "GET", "/en/shops/fnac-fr", as), 200, `action="/en/go/sitot/`+p.fnac()+`"`)
	if b := wants(t, ask(h, "GET", "/en/shops/fnac-fr"), 200, `href="/go/sitot/`); strings.Contains(b, "/en/go/") {
		t.Error("nobody is asked to keep terms")
	}
	id := p.clicked(p.alice)
	if again := p.clicked(p.alice); again != id {
		t.Error("a double click made two purchases")
	}
	r := ask(h, "GET", "/en/money/purchases/"+id+"/leave", as)
	wants(t, r, 200, "https://www.sitot.test/boutique/fnac", "Hors livres.", "On to Sitôt")
	if r.Header.Get("Refresh") != "1; url=https://www.sitot.test/boutique/fnac" || r.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the way on: %v", r.Header)
	}
	now = now.Add(2 * time.Minute)
	if r := ask(h, "GET", "/en/money/purchases/"+id+"/leave", as); r.StatusCode != 200 || r.Header.Get("Refresh") != "" {
		t.Errorf("who comes back is sent off again: %v", r.Header)
	}

	// The evidence: rate, raw text, source, time, and a hash that anybody can recompute.
	x := p.purchase(p.alice, id)
	doc := body(t, ask(h, "GET", "/en/money/purchases/"+id+"/terms", as))
	kept := earnings.EvidenceOf([]byte(doc))
	terms, err := kept.Terms()
	if err != nil || kept.Hash != x.Evidence || terms.Offer.Receipt.RawText != "3 %" || !terms.Frozen.Equal(today) || terms.Offer.Receipt.URL == "" {
		t.Errorf("evidence %+v, %v", terms, err)
	}

	// Amount and order number, one field each.
	wants(t, post(h, "/en/money/purchases/"+id, form("amount", "12,345", "order", "A-1", "seen", "1"), as), 422, `value="A-1"`, `aria-invalid="true"`)
	goes(t, post(h, "/en/money/purchases/"+id, form("amount", "200", "order", "A-1", "seen", "1"), as), "/en/money/purchases/"+id)
	goes(t, post(h, "/en/money/purchases/"+id, form("amount", "200", "order", "A-1", "seen", "1"), as), "/en/money/purchases/"+id)
	x = p.purchase(p.alice, id)
	if x.State != earnings.StateExpected || *x.Basket != (earnings.Amount{Minor: 200_00, Unit: "EUR"}) || x.Order != "A-1" || x.Expected == nil || x.Expected.Minor != 600 || len(x.Events) != 2 {
		t.Fatalf("completed: %+v", x)
	}
	wants(t, ask(h, "GET", "/fr/money/purchases/"+id, as), 200, "6,00\u00a0€", "A-1", "Attendu")

	// Followed by hand.
	now = now.Add(3 * 24 * time.Hour)
	state := func(want int, state, cashback string, contains ...string) {
		t.Helper()
		seen := strconv.FormatUint(p.purchase(p.alice, id).Events[len(p.purchase(p.alice, id).Events)-1], 10)
		wants(t, post(h, "/en/money/purchases/"+id+"/state", form("state", state, "cashback", cashback, "seen", seen), as), want, contains...)
	}
	state(422, "expected", "", "change one of them")
	state(422, "reversed", "", "can’t become this")
	state(303, "tracked", "5.50")
	state(303, "confirmed", "")
	state(303, "payable", "5.75")
	state(303, "paid", "")
	state(422, "paid", "6", "can’t become this")
	x = p.purchase(p.alice, id)
	if x.State != earnings.StatePaid || x.Amount.Minor != 575 {
		t.Errorf("at the bank: %+v", x)
	}
	if bad, err := p.ledgers.Check(context.Background(), p.alice.ID); err != nil || len(bad) > 0 {
		t.Errorf("the ledger: %v, %v", bad, err)
	}
	wants(t, ask(h, "GET", "/en/money/purchases", as), 200, "1 purchase", "€5.75", "Paid")
	wants(t, ask(h, "GET", "/en/money/purchases?state=declined", as), 200, "0 purchases")
	if b := wants(t, ask(h, "GET", "/en/money/purchases", p.as(p.bob)), 200, "Nothing here yet"); strings.Contains(b, id) {
		t.Error("Bob sees Alice's purchase")
	}
}

func TestNewPurchase(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	wants(t, post(h, "/en/money/add", form("portal", "nowhere", "shop", "Darty", "date", "2027-01-01", "amount", "x"), as), 422, `value="Darty"`, "one that has been", "isn’t an amount")
	r := post(h, "/en/money/add", form("portal", "thrift", "shop", "Argos <b>", "date", "2026-09-01", "amount", "80", "cashback", "1.60", "order", "77"), as)
	if r.StatusCode != 303 {
		t.Fatalf("%d: %s", r.StatusCode, body(t, r))
	}
	x := p.purchase(p.alice, strings.TrimPrefix(r.Header.Get("Location"), "/en/money/purchases/"))
	if x.Basket.Unit != "GBP" || x.Expected.Minor != 160 || cashback.DateOf(x.Bought).String() != "2026-09-01" {
		t.Errorf("%+v", x)
	}
	wants(t, ask(h, "GET", r.Header.Get("Location"), as), 200, "Argos &lt;b&gt;")
}
