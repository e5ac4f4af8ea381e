package web

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	if r.StatusCode != http.StatusSeeOther || !slices.ContainsFunc(list, func(x earnings.Purchase) bool { return x.ID == id }) {
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

// year gives somebody purchases in every state, over a year.
func (p *crowd) year(u account.User) {
	p.t.Helper()
	var events []earnings.Event
	shops := []string{"Fnac", "Darty", "Sephora", "Leroy Merlin"}
	for i := range 40 {
		portal := []string{"sitot", "grandtaux", "petitpanier"}[i%3]
		id, at := "y"+strconv.Itoa(i), today.Add(-time.Duration(i*9+1)*24*time.Hour)
		kinds := []earnings.EventKind{earnings.Tracked, earnings.Confirmed, earnings.Payable, earnings.PayoutRequested, earnings.Paid}[:min(1+i/4, 5)]
		if i%7 == 6 {
			kinds = []earnings.EventKind{earnings.Tracked, earnings.Declined}
		}
		if i%13 == 12 {
			kinds = []earnings.EventKind{earnings.Tracked, earnings.Confirmed, earnings.Payable, earnings.Donation}
		}
		for j, k := range kinds {
			e := earnings.Event{
				Kind: k, At: at.Add(time.Duration(j*20) * 24 * time.Hour), Purchase: id, Portal: portal, Shop: shops[i%4], Source: "import:" + portal, Key: id + string(k),
			}
			if j == 0 {
				e.Amount = &earnings.Amount{Minor: int64(180 + 97*i%700), Unit: "EUR"}
			}
			if k == earnings.Donation {
				e.Note = "Les Restos"
			}
			events = append(events, e)
		}
	}
	events = append(events, earnings.Event{
		Kind: earnings.Tracked, At: today.Add(-48 * time.Hour), Purchase: "pts", Portal: "muet", Shop: "Fnac", Amount: &earnings.Amount{Minor: 120000, Unit: earnings.PointsOf("pts")}, Source: "hand", Key: "pts",
	})
	if _, err := p.ledgers.Append(context.Background(), u.ID, events...); err != nil {
		p.t.Fatal(err)
	}
}

// TestMoneyPage: the sums, the chart and its table, and that they are one's own.
func TestMoneyPage(t *testing.T) {
	p := newCrowd(t)
	p.year(p.alice)
	h, as := p.Handler(), p.as(p.alice)
	b := wants(t, ask(h, "GET", "/fr/money", as), 200, "<svg", `<rect class="paid"`, "Les Restos", "Sitôt", "1 200 points", "août 2026")
	if strings.Contains(b, "[") {
		t.Errorf("a word is missing: %s", b[strings.Index(b, "["):][:60])
	}
	if b := wants(t, ask(h, "GET", "/en/money", p.as(p.bob)), 200, "Nothing here yet"); strings.Contains(b, "Restos") {
		t.Error("Bob sees Alice's money")
	}
}

// TestOutAndIn: the ledger goes out in every form, and the archive comes in at another
// person's, with equal balances, once.
func TestOutAndIn(t *testing.T) {
	p := newCrowd(t)
	p.year(p.alice)
	p.clicked(p.alice)
	h, as, bob := p.Handler(), p.as(p.alice), p.as(p.bob)
	for format, want := range map[string]string{"csv": "Fnac", "json": `"balances"`, "journal": "Assets", "archive": "PK"} {
		r := ask(h, "GET", "/en/money/export/"+format, as)
		if b := wants(t, r, 200); !strings.Contains(strings.ToLower(b), strings.ToLower(want)) || !strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment;") {
			t.Errorf("%s: %.200s", format, b)
		}
	}
	wants(t, ask(h, "GET", "/en/money/export/exe", as), 404)
	archive := body(t, ask(h, "GET", "/en/money/export/archive", as))
	for range 2 {
		goes(t, parts(h, "/en/money/restore", map[string][2]string{"file": {"a.zip", archive}}, bob), "/en/money")
		a, _ := p.ledgers.Balances(context.Background(), p.alice.ID)
		b, _ := p.ledgers.Balances(context.Background(), p.bob.ID)
		if d := cmp.Diff(a, b); d != "" || len(a) == 0 {
			t.Errorf("the balances differ: %s", d)
		}
	}
	wants(t, parts(h, "/en/money/restore", map[string][2]string{"file": {"a.zip", archive[:len(archive)/2]}}, bob), 422, "isn’t a whole archive")
	wants(t, parts(h, "/en/money/restore", map[string][2]string{"file": {"", ""}}, bob), 422, "Choose the archive first")
	wants(t, parts(h, "/en/money/restore", map[string][2]string{"other": {"x", "y"}}, bob), 400)
	wants(t, parts(h, "/en/money/restore", map[string][2]string{"file": {"x", strings.Repeat("x", maxUpload)}}, bob), 413)
}

// parts sends a form with files as a browser does: by field, a file's name and its
// bytes.
func parts(h http.Handler, target string, files map[string][2]string, change ...func(*http.Request)) *http.Response {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for field, f := range files {
		if field == "file" || field == "other" {
			p, _ := w.CreateFormFile(field, f[0])
			_, _ = io.WriteString(p, f[1])
		} else {
			_ = w.WriteField(field, f[1])
		}
	}
	_ = w.Close()
	return post(h, target, nil, append(change, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(&b), int64(b.Len())
		r.Header.Set("Content-Type", w.FormDataContentType())
	})...)
}
