package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// ledgerOwner makes somebody with a purchase called mine, and brings their API key.
func ledgerOwner(t testing.TB, s *Server) []func(*http.Request) {
	t.Helper()
	ctx := context.Background()
	p := &crowd{t: t, Server: s}
	u, err := s.people.UserByAddress(ctx, "owner@example.org")
	if err != nil {
		u = p.person("owner@example.org", account.Shopper)
		amount := &earnings.Amount{Minor: 360, Unit: "EUR"}
		at := s.Now().AddDate(0, 0, -40)
		p.append(u, earnings.Event{Kind: earnings.Expected, Purchase: "mine", Portal: "sitot", Shop: "Fnac", At: at, Amount: amount, Basket: &earnings.Amount{Minor: 12000, Unit: "EUR"}},
			earnings.Event{Kind: earnings.Tracked, Purchase: "mine", Portal: "sitot", At: at, Amount: &earnings.Amount{Minor: 300, Unit: "EUR"}})
		p.payable(u, "paid-soon", 5000, 90)
	}
	return p.withKey(u, account.WriteLedger)
}

// withKey brings a new API key of somebody's.
func (p *crowd) withKey(u account.User, scope account.Scope) []func(*http.Request) {
	p.t.Helper()
	_, token, err := p.desk.NewKey(context.Background(), u, "test", []account.Scope{scope}, p.Now().Add(time.Hour))
	if err != nil {
		p.t.Fatal(err)
	}
	return []func(*http.Request){header("Authorization", "Bearer "+token)}
}

// call posts JSON to the API.
func call(h http.Handler, target, text string, change ...func(*http.Request)) *http.Response {
	return ask(h, "POST", target, append(change, local, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		r.Header.Set("Content-Type", kindJSON)
	})...)
}

// TestLedgerAPI: a program with a key reads its person's ledger and writes into it, as
// far as the key goes, and sees nothing of anybody else's.
func TestLedgerAPI(t *testing.T) {
	p := newCrowd(t)
	h := p.Handler()
	for i := range 5 {
		p.payable(p.alice, string(rune('a'+i)), int64(100*(i+1)), 90-i)
	}
	p.payable(p.bob, "bobs", 700, 10)
	read, write := p.withKey(p.alice, account.ReadLedger), p.withKey(p.alice, account.WriteLedger)
	answer := func(target string, into any, change ...func(*http.Request)) {
		t.Helper()
		r := ask(h, "GET", target, append(change, local)...)
		if b := body(t, r); r.StatusCode != 200 || json.Unmarshal([]byte(b), into) != nil {
			t.Fatalf("%s: %d %s", target, r.StatusCode, b)
		}
		if c := r.Header.Get("Cache-Control"); c != "private, no-store" {
			t.Errorf("%s may be kept: %s", target, c)
		}
	}
	for _, who := range [][]func(*http.Request){read, write, {p.as(p.alice)}} { // a session looks too
		var sums view.List[earnings.Balance]
		answer("/api/v1/ledger/balances", &sums, who...)
		if d := cmp.Diff([]earnings.Balance{{Portal: "sitot", Unit: "EUR", State: earnings.StatePayable, Minor: 1500}}, sums.Items); d != "" {
			t.Error(d)
		}
	}
	var ids []string
	for after := ""; ; {
		var page view.List[earnings.Purchase]
		answer("/api/v1/ledger/purchases?state=payable&portal=sitot&year=2026&limit=2&after="+after, &page, read...)
		for _, x := range page.Items {
			ids = append(ids, x.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if d := cmp.Diff([]string{"a", "b", "c", "d", "e"}, ids); d != "" {
		t.Error(d)
	}
	wants(t, ask(h, "GET", "/api/v1/ledger/purchases/a", append(read, local)...), 200, `"history":[`, `"payable"`)
	wants(t, ask(h, "GET", "/api/v1/ledger/purchases/bobs", append(read, local)...), 404)
	wants(t, ask(h, "GET", "/api/v1/ledger/purchases?after=x", append(read, local)...), 400)
	wants(t, ask(h, "GET", "/api/v1/ledger/cash", append(read, local)...), 200, `"payable":1500`)

	// Writing.
	table := `{"portal":"sitot","text":"Date;Boutique;Cashback;Statut\n03/09/2026;Darty;4,20 €;En attente\n","name":"x.csv"`
	wants(t, call(h, "/api/v1/ledger/import", table+`}`, read...), 403)
	wants(t, call(h, "/api/v1/ledger/import", table+`}`, p.as(p.alice)), 401)
	wants(t, call(h, "/api/v1/ledger/import", table+`,"dry_run":true}`, write...), 200, `"dry_run":true`, `"new":1`)
	if n := len(p.all(p.alice)); n != 5 {
		t.Errorf("a dry run wrote: %d purchases", n)
	}
	wants(t, call(h, "/api/v1/ledger/import", table+`}`, write...), 200, `"new":1`, `"events":1`)
	wants(t, call(h, "/api/v1/ledger/import", table+`}`, write...), 200, `"unchanged":1`, `"events":0`)
	wants(t, call(h, "/api/v1/ledger/import", `{"portal":"nowhere","text":"x"}`, write...), 400)
	wants(t, call(h, "/api/v1/ledger/import", `{"portal":"sitot","text":"x"}`, write...), 400)
	wants(t, call(h, "/api/v1/ledger/import", `{"portal":"sitot","password":"x"}`, write...), 400)
	if n := len(p.all(p.alice)); n != 6 {
		t.Errorf("%d purchases", n)
	}
	// A key that is gone is none.
	keys, err := p.people.ListKeys(context.Background(), p.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if err := p.people.RevokeKey(context.Background(), p.alice.ID, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, ask(h, "GET", "/api/v1/ledger/balances", append(read, local)...), 401)
}

// TestEverythingMoves takes everything of a person from one instance to another, through
// the account's one download: balances, purchases, evidence, rules, payouts and settings
// are equal, a second time changes nothing, and it comes out again as it went in.
func TestEverythingMoves(t *testing.T) {
	ctx := context.Background()
	here, there := newCrowd(t), newCrowd(t)
	h := here.Handler()
	as := here.as(here.alice)
	here.year(here.alice)
	here.clicked(here.alice)
	goes(t, post(h, "/en/money/rules", form("text", aRule), as), "/en/money/rules/alices-own")
	here.payable(here.alice, "out", 1234, 60)
	goes(t, post(h, "/en/money/payouts", form("portal", "sitot", "amount", "10", "name", "P-9", "seen", here.seen(here.alice), "line", "out"), as), "/en/money/payouts")
	goes(t, post(h, "/en/account/settings", form("country", "GB", "currency", "GBP"), as), "/en/account")

	zipped := body(t, ask(h, "GET", "/en/account/download", as))
	if same := body(t, ask(h, "GET", "/en/money/export/archive", as)); len(same) < 1000 {
		t.Errorf("the money page's archive has %d bytes", len(same))
	}
	take := func() {
		t.Helper()
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		f, err := m.CreateFormFile("file", "cagnotte.zip")
		if err == nil {
			_, err = f.Write([]byte(zipped))
		}
		if err != nil || m.Close() != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/en/money/restore", &b)
		r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:4711"
		r.Header.Set("Content-Type", m.FormDataContentType())
		r.Header.Set("Origin", "http://localhost:8080")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		there.as(there.bob)(r) // under another address, and another number
		w := httptest.NewRecorder()
		there.Handler().ServeHTTP(w, r)
		goes(t, w.Result(), "/en/money")
	}
	type whole struct {
		Balances  []earnings.Balance
		Purchases []earnings.Purchase
		Documents []earnings.Document
		Settings  account.Preferences
		Journal   string
	}
	of := func(p *crowd, u account.User) (x whole) {
		t.Helper()
		var err error
		if x.Balances, err = p.ledgers.Balances(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
		if x.Purchases, err = p.ledgers.Purchases(ctx, u.ID, store.Filter{}); err != nil {
			t.Fatal(err)
		}
		if x.Documents, err = p.ledgers.Documents(ctx, u.ID, ""); err != nil {
			t.Fatal(err)
		}
		for i := range x.Documents {
			x.Documents[i].Changed = time.Time{}
		}
		if u, err = p.people.User(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
		x.Settings = u.Settings
		x.Journal = body(t, ask(p.Handler(), "GET", "/en/money/export/journal", p.as(u)))
		return x
	}
	for range 2 {
		take()
		want, got := of(here, here.alice), of(there, there.bob)
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b cashback.Decimal) bool { return a.Equal(b) })); d != "" {
			t.Fatalf("(-here +there):\n%s", d)
		}
	}
	if len(of(there, there.bob).Documents) != 2 || len(of(there, there.bob).Balances) < 4 {
		t.Error("too little moved to prove anything")
	}
	for _, x := range of(there, there.bob).Purchases {
		if x.Evidence != "" {
			if _, err := there.ledgers.Evidence(ctx, there.bob.ID, x.Evidence); err != nil {
				t.Errorf("evidence of %s: %v", x.ID, err)
			}
		}
	}
	if bad, err := there.ledgers.Check(ctx, there.bob.ID); err != nil || len(bad) > 0 {
		t.Errorf("the ledger: %v, %v", bad, err)
	}
	back := body(t, ask(there.Handler(), "GET", "/en/account/download", there.as(there.bob)))
	a, err := earnings.ReadArchive(strings.NewReader(zipped), int64(len(zipped)), uploadedArchive)
	if err != nil {
		t.Fatal(err)
	}
	b, err := earnings.ReadArchive(strings.NewReader(back), int64(len(back)), uploadedArchive)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(a.Events, b.Events); d != "" {
		t.Errorf("the events that came back: %s", d)
	}
	if rules, err := there.ledgers.Documents(ctx, there.bob.ID, statement.DocumentKind); err != nil || len(rules) != 1 || string(rules[0].Body) != aRule {
		t.Errorf("the rule: %v %v", rules, err)
	}
}
