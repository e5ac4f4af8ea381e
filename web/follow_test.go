package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// missing gives somebody a purchase that its portal should have listed.
func (p *crowd) missing(u account.User) string {
	p.t.Helper()
	id := "missing" + strconv.Itoa(len(p.all(u)))
	_, err := p.ledgers.Append(context.Background(), u.ID, earnings.Event{
		Kind: earnings.Expected, At: today.Add(-30 * 24 * time.Hour), Purchase: id, Portal: "sitot", Shop: "Fnac", Order: "F-77",
		Amount: &earnings.Amount{Minor: 600, Unit: "EUR"}, Basket: &earnings.Amount{Minor: 20000, Unit: "EUR"}, Source: "hand", Key: id,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

// TestFollow: what is missing is said, with the portal's window; its letter has the
// facts, its proof is one file, and the calendar has the last day.
func TestFollow(t *testing.T) {
	p := newCrowd(t)
	p.year(p.alice)
	id := p.missing(p.alice)
	h, as := p.Handler(), p.as(p.alice)
	b := wants(t, ask(h, "GET", "/fr/money/watch", as), 200, "Pas affiché", "Fnac", "/fr/money/purchases/"+id+"/claim")
	if strings.Contains(b, ">[") {
		t.Error("a word is missing")
	}
	if b := wants(t, ask(h, "GET", "/fr/money/cash", as), 200, "Sitôt", "Virement"); strings.Contains(b, ">[") {
		t.Error("a word is missing")
	}
	wants(t, ask(h, "GET", "/en/money/purchases/"+id+"/claim?in=en&name=Alice", as), 200, "F-77", "Alice", "2 December 2026")
	wants(t, ask(h, "GET", "/fr/money/purchases/"+id+"/claim", as), 200, "F-77")
	if b := wants(t, ask(h, "GET", "/fr/money/purchases/"+id+"/proof", as), 200); !strings.HasPrefix(b, "PK") {
		t.Error("the proof is no ZIP")
	}
	if b := wants(t, ask(h, "GET", "/fr/money/calendar.ics", as), 200, "BEGIN:VEVENT", "20261202"); strings.Contains(b, "SUMMARY:[") {
		t.Error("a word is missing")
	}
	goes(t, post(h, "/fr/money/purchases/"+id+"/claim", form("seen", "9"), as), "/fr/money/purchases/"+id)
	if x := p.purchase(p.alice, id); x.Claim != earnings.ClaimSent {
		t.Errorf("the claim: %+v", x)
	}
	wants(t, ask(h, "GET", "/fr/money/watch", p.as(p.bob)), 200, "Rien à voir")
}

// calendarOf is the address's secret of a calendar of somebody's.
func calendarOf(t testing.TB, s *Server) string {
	t.Helper()
	ledgerOwner(t, s)
	u, err := s.people.UserByAddress(context.Background(), "owner@example.org")
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := s.desk.NewKey(context.Background(), u, "calendar", []account.Scope{account.Calendar}, s.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestCalendarFeed: an address of one's own tells a calendar the coming days, and opens
// nothing else; a program's key isn't one, and a revoked one is none.
func TestCalendarFeed(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	p.payable(p.alice, "a", 5000, 60)
	p.append(p.alice, earnings.Event{Kind: earnings.Expected, Purchase: "soon", Portal: "sitot", Shop: "Fnac", At: today, Amount: &earnings.Amount{Minor: 300, Unit: "EUR"}})
	page := wants(t, post(h, "/en/money/calendar", nil, as), 200, "Shown this once", "http://localhost:8080/en/calendar/cagnotte_")
	_, rest, _ := strings.Cut(page, "http://localhost:8080")
	address, _, _ := strings.Cut(rest, `"`)
	r := ask(h, "GET", address)
	if b := wants(t, r, 200, "BEGIN:VCALENDAR", "SUMMARY:Fnac"); r.Header.Get("Content-Type") != "text/calendar; charset=utf-8" || strings.Contains(b, "alice") {
		t.Errorf("%v\n%s", r.Header, b)
	}
	wants(t, ask(h, "GET", strings.Replace(address, "/en/", "/fr/", 1)), 200, "Fnac")
	token := strings.TrimSuffix(address[strings.LastIndex(address, "/")+1:], ".ics")
	wants(t, ask(h, "GET", "/api/v1/ledger/balances", local, header("Authorization", "Bearer "+token)), 403)
	q := httptest.NewRequest(http.MethodGet, "/", nil)
	p.withKey(p.alice, account.ReadLedger)[0](q)
	wants(t, ask(h, "GET", "/en/calendar/"+strings.TrimPrefix(q.Header.Get("Authorization"), "Bearer ")), 404)
	keys, err := p.people.ListKeys(context.Background(), p.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		goes(t, post(h, "/en/account/keys/"+k.ID, nil, as), "/en/account#keys")
	}
	wants(t, ask(h, "GET", address), 404)
}

// TestPutAside: an alert is put aside and brought back, by who it belongs to.
func TestPutAside(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	p.append(p.alice, earnings.Event{Kind: earnings.Expected, Purchase: "a", Portal: "sitot", Shop: "Fnac", At: today.AddDate(0, 0, -12), Amount: &earnings.Amount{Minor: 500, Unit: "EUR"}})
	b := wants(t, ask(h, "GET", "/en/money/watch", as), 200, "Put aside: Fnac, ")
	id := b[strings.Index(b, `name="alert" value="`)+len(`name="alert" value="`):][:32]
	wants(t, post(h, "/en/money/watch/aside", form("alert", id), p.as(p.bob)), 404)
	goes(t, post(h, "/en/money/watch/aside", form("alert", id), as), "/en/money/watch")
	goes(t, post(h, "/en/money/watch/aside", form("alert", id), as), "/en/money/watch")
	b = wants(t, ask(h, "GET", "/fr/money/watch", as), 200, "1 cas mis de côté", "Reprendre\u00a0: Fnac")
	if strings.Contains(b, "Mettre de côté") {
		t.Error("what was put aside can be put aside")
	}
	wants(t, ask(h, "GET", "/en/money/purchases/a", as), 200, "put aside")
	if b := wants(t, ask(h, "GET", "/api/v1/ledger/alerts", as), 200); strings.Contains(b, id) {
		t.Error("programs see what was put aside")
	}
	wants(t, ask(h, "GET", "/api/v1/ledger/alerts?over=1", as), 200, id, `"aside":true`)
	goes(t, post(h, "/en/money/watch/aside", form("alert", id, "back", "1"), as), "/en/money/watch")
	wants(t, ask(h, "GET", "/en/money/watch", as), 200, "Put aside: Fnac, ")
}
