package web

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// append writes events into somebody's ledger.
func (p *crowd) append(u account.User, events ...earnings.Event) {
	p.t.Helper()
	for i := range events {
		events[i].Key, events[i].Source = fmt.Sprintf("test:%s:%d:%s", events[i].Purchase, i, events[i].Kind), "hand"
	}
	if _, err := p.ledgers.Append(context.Background(), u.ID, events...); err != nil {
		p.t.Fatal(err)
	}
}

// payable gives somebody a purchase that can be paid out.
func (p *crowd) payable(u account.User, id string, minor int64, daysAgo int) {
	p.t.Helper()
	at, amount := today.AddDate(0, 0, -daysAgo), &earnings.Amount{Minor: minor, Unit: "EUR"}
	p.append(u,
		earnings.Event{Kind: earnings.Tracked, Purchase: id, Portal: "sitot", Shop: "Shop " + id, At: at, Amount: amount},
		earnings.Event{Kind: earnings.Confirmed, Purchase: id, Portal: "sitot", At: at.AddDate(0, 0, 20)},
		earnings.Event{Kind: earnings.Payable, Purchase: id, Portal: "sitot", At: at.AddDate(0, 0, 21)})
}

func (p *crowd) seen(u account.User) string {
	p.t.Helper()
	head, err := p.ledgers.Head(context.Background(), u.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	return strconv.FormatUint(head, 10)
}

// TestPayouts: what arrived finds its lines, by their exact sum or in part, and what was
// paid ahead counts the next time.
func TestPayouts(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	p.payable(p.alice, "a", 500, 90)
	p.payable(p.alice, "b", 730, 80)
	p.payable(p.alice, "c", 220, 70)
	p.payable(p.alice, "d", 1000, 60)
	ticked := func(b string) (out string) {
		for _, id := range []string{"a", "b", "c", "d"} {
			if i := strings.Index(b, `value="`+id+`"`); i >= 0 && strings.HasPrefix(b[i+len(`value="`+id+`"`):], " checked") {
				out += id
			}
		}
		return out
	}
	// Exactly.
	b := wants(t, ask(h, "GET", "/en/money/payouts?portal=sitot&amount=7.20", as), 200, "2 purchases make €7.20", "Shop a")
	if got := ticked(b); got != "ac" {
		t.Errorf("7.20 is %q", got)
	}
	f := form("portal", "sitot", "amount", "7.20", "date", "2026-09-30", "name", "P-1", "seen", p.seen(p.alice), "line", "a")
	f.Add("line", "c")
	goes(t, post(h, "/en/money/payouts", f, as), "/en/money/payouts")
	goes(t, post(h, "/en/money/payouts", f, as), "/en/money/payouts") // sent twice
	if a := p.purchase(p.alice, "a"); a.State != earnings.StatePaid || a.Payout != "P-1" || p.purchase(p.alice, "b").State != earnings.StatePayable {
		t.Errorf("a is %+v", a)
	}
	wants(t, ask(h, "GET", "/fr/money/payouts", as), 200, "7,20\u00a0€", "2 achats", "Shop c")
	// In part: 12.00 covers b whole, and 4.70 of d.
	b = wants(t, ask(h, "GET", "/en/money/payouts?portal=sitot&amount=12", as), 200, "No purchases make exactly €12.00", "€4.70 of it are beyond whole purchases")
	if got := ticked(b); got != "b" {
		t.Errorf("12.00 covers %q", got)
	}
	goes(t, post(h, "/en/money/payouts", form("portal", "sitot", "amount", "12", "seen", p.seen(p.alice), "line", "b"), as), "/en/money/payouts")
	b = wants(t, ask(h, "GET", "/en/money/payouts?portal=sitot&amount=5.30", as), 200, "1 purchase makes €5.30", "€4.70 that the portal had paid ahead", "€4.70 of it were paid ahead of a purchase")
	if got := ticked(b); got != "d" {
		t.Errorf("the rest is of %q", got)
	}
	// To an association, and with a fee: less arrives than the lines make.
	goes(t, post(h, "/en/money/payouts", form("portal", "sitot", "amount", "5", "to", "Les Restos du cœur", "seen", p.seen(p.alice), "line", "d"), as), "/en/money/payouts")
	if d := p.purchase(p.alice, "d"); d.State != earnings.StateDonated || d.Donated != "Les Restos du cœur" {
		t.Errorf("given away: %+v", d)
	}
	wants(t, ask(h, "GET", "/en/money/payouts", as), 200, "to Les Restos du cœur", "€0.30 less arrived: a fee")
	// What doesn't go.
	wants(t, post(h, "/en/money/payouts", form("portal", "sitot", "amount", "5", "seen", p.seen(p.alice), "line", "a"), as), 422, "can’t be paid out any more")
	wants(t, post(h, "/en/money/payouts", form("portal", "sitot", "amount", "5", "seen", p.seen(p.alice), "line", "nobody’s"), as), 422, "can’t be paid out any more")
	wants(t, post(h, "/en/money/payouts", form("portal", "nowhere", "amount", "x", "date", "2030-01-01"), as), 422, "isn’t an amount")
	wants(t, post(h, "/en/money/payouts", form("portal", "sitot", "amount", "5", "seen", "1"), as), 422, "has changed meanwhile")
	if bad, err := p.ledgers.Check(context.Background(), p.alice.ID); err != nil || len(bad) > 0 {
		t.Errorf("the ledger: %v, %v", bad, err)
	}
}

// TestPayoutUndone: a payout that was noted wrongly is taken back, and its page leads to
// noting it as it was; a line alone is taken back on its own page.
func TestPayoutUndone(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	p.payable(p.alice, "a", 500, 90)
	p.payable(p.alice, "b", 730, 80)
	note := form("portal", "sitot", "amount", "12.30", "date", "2026-09-30", "name", "P-1", "seen", p.seen(p.alice), "line", "a")
	note.Add("line", "b")
	goes(t, post(h, "/en/money/payouts", note, as), "/en/money/payouts")
	wants(t, ask(h, "GET", "/en/money/payouts", as), 200, "Take back: Sitôt, €12.30 of 30 September 2026")
	undo := form("portal", "sitot", "id", "P-1", "seen", p.seen(p.alice))
	wants(t, post(h, "/en/money/payouts/undo", undo, p.as(p.bob)), 404)
	wants(t, post(h, "/en/money/payouts/undo", form("portal", "sitot", "id", "P-2", "seen", p.seen(p.alice)), as), 404)
	r := post(h, "/en/money/payouts/undo", undo, as)
	goes(t, r, "/en/money/payouts?amount=12.30&date=2026-09-30&portal=sitot&to=")
	if a := p.purchase(p.alice, "a"); a.State != earnings.StatePayable || a.Payout != "" {
		t.Errorf("a is %+v", a)
	}
	b := wants(t, ask(h, "GET", r.Header.Get("Location"), as), 200, "taken back on", "2 purchases make €12.30", `value="2026-09-30"`)
	if strings.Contains(b, "Take back:") {
		t.Error("what was taken back can be taken back")
	}
	head := p.seen(p.alice)
	goes(t, post(h, "/en/money/payouts/undo", undo, as), "/en/money/payouts") // sent twice
	if p.seen(p.alice) != head {
		t.Error("the form that was sent twice has written twice")
	}
	// Noted again, with one line too many, which goes back alone.
	again := form("portal", "sitot", "amount", "5", "name", "P-1 2", "seen", head, "line", "a")
	again.Add("line", "b")
	goes(t, post(h, "/en/money/payouts", again, as), "/en/money/payouts")
	b2 := p.purchase(p.alice, "b")
	goes(t, post(h, "/en/money/purchases/b/state", form("state", "payable", "seen", strconv.FormatUint(b2.Events[len(b2.Events)-1], 10)), as), "/en/money/purchases/b")
	if b2 = p.purchase(p.alice, "b"); b2.State != earnings.StatePayable || p.purchase(p.alice, "a").State != earnings.StatePaid {
		t.Errorf("the line that was one too many: %+v", b2)
	}
	wants(t, ask(h, "GET", "/fr/money/purchases/b", as), 200, "Le versement a été annulé")
	// What was only asked for goes back too.
	goes(t, post(h, "/en/money/payouts/asked", form("portal", "sitot", "unit", "EUR", "seen", p.seen(p.alice)), as), "/en/money/cash")
	name := p.purchase(p.alice, "b").Payout
	goes(t, post(h, "/en/money/payouts/undo", form("portal", "sitot", "id", name, "seen", p.seen(p.alice)), as), "/en/money/payouts")
	if b2 = p.purchase(p.alice, "b"); b2.State != earnings.StatePayable {
		t.Errorf("what was asked for: %+v", b2)
	}
	if bad, err := p.ledgers.Check(context.Background(), p.alice.ID); err != nil || len(bad) > 0 {
		t.Errorf("the ledger: %v, %v", bad, err)
	}
}

// TestPayoutAsked: what was asked for is no longer payable now, and is paid first.
func TestPayoutAsked(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	p.payable(p.alice, "a", 5000, 90)
	wants(t, ask(h, "GET", "/en/money/cash", as), 200, "I have asked for it", "A payout has arrived")
	goes(t, post(h, "/en/money/payouts/asked", form("portal", "sitot", "unit", "EUR", "seen", p.seen(p.alice)), as), "/en/money/cash")
	if a := p.purchase(p.alice, "a"); a.State != earnings.StateRequested {
		t.Errorf("asked for: %+v", a)
	}
	wants(t, ask(h, "GET", "/en/money/cash", as), 200, "€50.00 were asked for")
	goes(t, post(h, "/en/money/payouts/asked", form("portal", "sitot", "unit", "EUR", "seen", p.seen(p.alice)), as), "/en/money/cash") // nothing is left to ask for
}

// TestClaimAnswers: an answer moves the purchase to where it belongs.
func TestClaimAnswers(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	for _, c := range []struct {
		id, answer, amount string
		listed             bool
		state              earnings.State
		minor              int64
		want               string
	}{
		{"won", "won", "", false, earnings.StateTracked, 360, "pays what was claimed"},
		{"part", "part", "2.10", false, earnings.StateTracked, 210, "pays a part"},
		{"refused", "refused", "", false, earnings.StateDeclined, 360, "refuses"},
		{"raised", "won", "", true, earnings.StateTracked, 360, "pays what was claimed"},
		{"left", "refused", "", true, earnings.StateTracked, 100, "refuses"},
	} {
		at, amount := today.AddDate(0, 0, -30), &earnings.Amount{Minor: 360, Unit: "EUR"}
		events := []earnings.Event{{Kind: earnings.Expected, Purchase: c.id, Portal: "sitot", Shop: "Fnac", At: at, Amount: amount}}
		if c.listed {
			events = append(events, earnings.Event{Kind: earnings.Tracked, Purchase: c.id, Portal: "sitot", At: at, Amount: &earnings.Amount{Minor: 100, Unit: "EUR"}})
		}
		p.append(p.alice, events...)
		url := "/en/money/purchases/" + c.id
		wants(t, ask(h, "GET", url, as), 200, "Write the claim")
		wants(t, post(h, url+"/answer", form("answer", "won", "seen", "1"), as), 422, "can’t become this") // nothing was sent
		goes(t, post(h, url+"/claim", form("seen", p.seen(p.alice)), as), url)
		wants(t, ask(h, "GET", url, as), 200, "What has Sitôt answered?")
		wants(t, post(h, url+"/answer", form("answer", "part", "seen", p.seen(p.alice)), as), 422, "Say what the portal pays after all")
		goes(t, post(h, url+"/answer", form("answer", c.answer, "amount", c.amount, "note", "Nach Prüfung", "seen", p.seen(p.alice)), as), url)
		x := p.purchase(p.alice, c.id)
		if x.State != c.state || x.Amount.Minor != c.minor || string(x.Answer) != c.answer || x.Claim != earnings.ClaimAnswered || x.Note != "Nach Prüfung" {
			t.Errorf("%s: %+v", c.id, x)
		}
		if b := wants(t, ask(h, "GET", url, as), 200, c.want); strings.Contains(b, "Write the claim") {
			t.Errorf("%s: still to be claimed", c.id)
		}
	}
	if bad, err := p.ledgers.Check(context.Background(), p.alice.ID); err != nil || len(bad) > 0 {
		t.Errorf("the ledger: %v, %v", bad, err)
	}
}

// TestBonusByHand: bonuses and gifts are noted by hand too, each as what it is.
func TestBonusByHand(t *testing.T) {
	p := newCrowd(t)
	h, as := p.Handler(), p.as(p.alice)
	add := func(pairs ...string) earnings.Purchase {
		t.Helper()
		r := post(h, "/en/money/add", form(append([]string{"portal", "sitot", "date", "2026-09-01"}, pairs...)...), as)
		if r.StatusCode != 303 {
			t.Fatalf("%d: %s", r.StatusCode, body(t, r))
		}
		return p.purchase(p.alice, strings.TrimPrefix(r.Header.Get("Location"), "/en/money/purchases/"))
	}
	if x := add("for", "sign_up", "cashback", "10"); x.For != earnings.ForSignUp || x.State != earnings.StateTracked || x.Amount.Minor != 1000 {
		t.Errorf("%+v", x)
	}
	if x := add("for", "other", "cashback", "1"); x.For != earnings.ForOther || x.State != earnings.StateTracked {
		t.Errorf("%+v", x)
	}
	if x := add("shop", "Fnac", "amount", "20", "business", "1"); x.For != earnings.ForPurchase || !x.Business || x.State != earnings.StateExpected {
		t.Errorf("%+v", x)
	}
	wants(t, post(h, "/en/money/add", form("portal", "sitot", "date", "2026-09-01", "for", "referral"), as), 422, "Cashback")
	wants(t, post(h, "/en/money/add", form("portal", "sitot", "date", "2026-09-01", "amount", "3"), as), 422, "Shop")
	p.payable(p.alice, "gift", 700, 60)
	wants(t, ask(h, "GET", "/en/money/purchases/gift", as), 200, "Association")
	goes(t, post(h, "/en/money/purchases/gift/state", form("state", "donated", "to", "Médecins sans frontières", "note", "x", "seen", p.seen(p.alice)), as), "/en/money/purchases/gift")
	if x := p.purchase(p.alice, "gift"); x.State != earnings.StateDonated || x.Donated != "Médecins sans frontières" {
		t.Errorf("%+v", x)
	}
	wants(t, ask(h, "GET", "/en/money", as), 200, "Médecins sans frontières", "€7.00")
}
