package web

import (
	"context"
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
