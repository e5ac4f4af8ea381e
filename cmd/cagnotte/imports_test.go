package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/locale"
)

// TestImportVerbs imports a table on the command line: a dry run, the import, and the
// same again; a table that no rule reads is drafted.
func TestImportVerbs(t *testing.T) {
	ctx := context.Background()
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	s, err := store.Open(ctx, dir, store.Options{Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accounts().CreateUser(ctx, account.User{Email: "anna@example.org", Role: account.Shopper, Created: at}, nil, "", at); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	verb := func(want int, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		w := &world{ctx: ctx, stdout: &out, stderr: &errs, now: func() time.Time { return at }}
		if got := run(w, append([]string{"ledger"}, args...)); got != want {
			t.Fatalf("ledger %v: status %d, want %d: %s", args, got, want, errs.String())
		}
		return out.String(), errs.String()
	}
	page := file("quidco.txt", "Date\tMerchant\tPurchase ID\tCashback\tStatus\n03OCT26\tArgos\tQ-1\t£1.31\tTracked\n02JUL26\tExpedia\tQ-2\t£24.72\tConfirmed\n05JUL26\tBoots\tQ-3\t£2.00\tLost in space\n")
	verb(exitInvalid, "import", page, "--data", dir) // of which portal?
	dry, _ := verb(exitOK, "import", page, "--portal", "quidco-gb", "--dry-run", "--data", dir)
	for _, want := range []string{"quidco: 2 new, 0 met", "1 refused; nothing was written", `quidco.txt:4:25: state: “Lost in space” is no word for a state`} {
		if !strings.Contains(dry, want) {
			t.Errorf("dry run lacks %q:\n%s", want, dry)
		}
	}
	balances := func() string {
		out, _ := verb(exitOK, "balances", "--data", dir)
		return strings.Join(strings.Fields(out), " ")
	}
	if got := balances(); got != "portal state amount" {
		t.Errorf("after the dry run: %s", got)
	}
	for _, want := range []string{"2 new", "2 unchanged"} {
		if out, _ := verb(exitOK, "import", page, "--portal", "quidco-gb", "--data", dir); !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	if got := balances(); got != "portal state amount quidco-gb tracked 1.31 GBP quidco-gb payable 24.72 GBP" {
		t.Errorf("after the import: %s", got)
	}
	out, _ := verb(exitOK, "import", page, "--portal", "quidco-gb", "--json", "--data", dir)
	var result importResult
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Counts[earnings.VerdictUnchanged] != 2 || len(result.Refused) != 1 {
		t.Errorf("%v %+v", err, result)
	}
	// Another portal's words: no rule reads them until one is drafted and mended.
	foreign := file("other.csv", "Wann;Wo;Zurück;Wie steht's\n31.10.2026;Otto;3,00 €;offen\n01.11.2026;Zalando;1,50 €;Kram\n")
	if _, errs := verb(exitInvalid, "import", foreign, "--portal", "neu-de", "--data", dir); !strings.Contains(errs, "must be mapped by hand") {
		t.Errorf("%s", errs)
	}
	draft, told := verb(exitOK, "rules", "draft", foreign, "--id", "neu", "--portal", "neu-de")
	if !strings.Contains(told, `what does "Kram" mean here?`) {
		t.Errorf("%s", told)
	}
	mended := file("neu.yaml", strings.Replace(draft, "  tracked:\n", "  payable:\n  - Kram\n  tracked:\n", 1))
	verb(exitOK, "rules", "check", mended)
	if out, _ := verb(exitOK, "import", foreign, "--portal", "neu-de", "--rule", mended, "--data", dir); !strings.Contains(out, "2 new") {
		t.Errorf("%s\n%s", out, draft)
	}
	verb(exitInvalid, "rules", "check", file("bad.yaml", "rule: x\n"))
	if out, _ := verb(exitOK, "rules", "list"); !strings.Contains(out, "shoop-de") {
		t.Errorf("%s", out)
	}
}

// TestFollowVerbs follows a purchase that wasn't tracked to its claim, and a payout to
// its lines.
func TestFollowVerbs(t *testing.T) {
	ctx := context.Background()
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	s, err := store.Open(ctx, dir, store.Options{Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.Accounts().CreateUser(ctx, account.User{Email: "anna@example.org", Role: account.Shopper, Created: at}, nil, "", at)
	if err != nil {
		t.Fatal(err)
	}
	portal := cashback.Portal{ID: "exemple-fr", Name: "Exemple", Homepage: "https://www.exemple.example", Countries: []cashback.Country{"FR"}, Locale: "fr-FR", Currency: "EUR", Publication: cashback.Public}
	portal.Facts.ClaimWindow = &cashback.Fact[cashback.ClaimWindow]{Value: cashback.ClaimWindow{FromDays: 3, ToDays: 45}}
	portal.Facts.Payout = &cashback.Fact[cashback.Payout]{Value: cashback.Payout{Frequency: cashback.OnDemand, Methods: []cashback.PayoutMethod{{Kind: "paypal", Minimum: cashback.NullDecimal{Decimal: decimal.MustParse("5"), Valid: true}}}}}
	if err := s.SavePortals(ctx, []cashback.Portal{portal}); err != nil {
		t.Fatal(err)
	}
	amount := func(n int64) *earnings.Amount { return &earnings.Amount{Minor: n, Unit: "EUR"} }
	events := []earnings.Event{{Kind: earnings.Expected, Purchase: "lost", At: at.AddDate(0, 0, -20), Amount: amount(360), Basket: amount(12000), Order: "F-1"}}
	for i, p := range []string{"a", "b", "c"} {
		for _, k := range []earnings.EventKind{earnings.Tracked, earnings.Confirmed, earnings.Payable} {
			e := earnings.Event{Kind: k, Purchase: p, At: at.AddDate(0, -6, i)}
			if k == earnings.Tracked {
				e.Amount = amount(int64(300 + 111*i))
			}
			events = append(events, e)
		}
	}
	for i := range events {
		events[i].Portal, events[i].Shop, events[i].Source, events[i].Key = "exemple-fr", "Fnac", "hand", strconv.Itoa(i)
	}
	if _, err := s.Ledgers().Append(ctx, u.ID, events...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verb := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		w := &world{ctx: ctx, stdout: &out, stderr: &errs, now: func() time.Time { return at }}
		if got := run(w, append(append([]string{"ledger"}, args...), "--data", dir)); got != want {
			t.Fatalf("ledger %v: status %d, want %d: %s", args, got, want, errs.String())
		}
		return out.String()
	}
	has := func(out string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("lacks %q:\n%s", want, out)
			}
		}
	}
	has(verb(exitOK, "watch"), "missing", "until 2026-12-15", "bought 20 days ago and not listed", "a claim can be sent until")
	has(verb(exitOK, "watch", "--all"), "missing", "until 2026-12-15")
	has(verb(exitOK, "watch", "--ics"), "BEGIN:VCALENDAR", "DTSTART;VALUE=DATE:20261215", `SUMMARY:Fnac: last day for a claim at exemple-fr`)
	has(verb(exitOK, "cash"), "12.33 EUR", "€12.33 can be had today, by PayPal")
	pack := filepath.Join(t.TempDir(), "pack.zip")
	has(verb(exitOK, "claim", "lost", "--lang", "fr", "--pack", pack), "Cashback manquant : Fnac", "Numéro de commande\u00a0: F-1")
	if info, err := os.Stat(pack); err != nil || info.Size() < 3000 {
		t.Errorf("pack %v %v", info, err)
	}
	verb(exitInvalid, "claim", "a")
	verb(exitInvalid, "payout", "3.33", "--portal", "exemple-fr")
	has(verb(exitOK, "payout", "7.11", "--portal", "exemple-fr", "--id", "P1"), "payout P1: 2 lines")
	has(verb(exitOK, "balances"), "paid", "7.11 EUR", "5.22 EUR")
	// One that was noted wrongly is taken back, once, and its name isn't given again.
	verb(exitInvalid, "payout", "--portal", "exemple-fr")
	verb(exitInvalid, "payout", "7.11", "--undo", "P1", "--portal", "exemple-fr")
	verb(exitInvalid, "payout", "--undo", "P2", "--portal", "exemple-fr")
	has(verb(exitOK, "payout", "--undo", "P1", "--portal", "exemple-fr", "--dry-run"), "payout P1 would be taken back: 2 lines")
	has(verb(exitOK, "balances"), "paid", "7.11 EUR")
	has(verb(exitOK, "payout", "--undo", "P1", "--portal", "exemple-fr"), "payout P1 taken back: 2 lines")
	if out := verb(exitOK, "cash"); !strings.Contains(out, "12.33 EUR") {
		t.Errorf("after taking the payout back:\n%s", out)
	}
	verb(exitInvalid, "payout", "--undo", "P1", "--portal", "exemple-fr")
	verb(exitFailed, "payout", "7.11", "--portal", "exemple-fr", "--id", "P1")
	has(verb(exitOK, "payout", "7.11", "--portal", "exemple-fr", "--id", "P1 again"), "payout P1 again: 2 lines")
	// A payout that covers part of the lines, to an association; the rest counts next time.
	verb(exitInvalid, "payout", "5.50", "--portal", "exemple-fr")
	has(verb(exitOK, "payout", "5.50", "--portal", "exemple-fr", "--part", "--to", "Restos du cœur"), "1 lines, 5.50 EUR")
	has(verb(exitOK, "balances"), "donated", "5.22 EUR")

	// A claim is sent, and answered.
	verb(exitInvalid, "answer", "lost", "won")
	has(verb(exitOK, "claim", "lost", "--sent"), "F-1")
	has(verb(exitOK, "watch"), "nothing to see to")
	verb(exitInvalid, "answer", "lost", "part")
	has(verb(exitOK, "answer", "lost", "part", "--amount", "2.10", "--note", "ohne Versand"), "claim part, the purchase is tracked, 2.10 EUR")
	verb(exitInvalid, "answer", "lost", "won")
	has(verb(exitOK, "balances"), "tracked", "2.10 EUR")
}

// TestReasonWords holds that every reason of the ledger's room has its words.
func TestReasonWords(t *testing.T) {
	set, err := locale.Load(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`"((?:import|match|watch|cash)\.[a-z_]+(?:\.[a-z_]+)?)"`)
	var files []string
	for _, glob := range []string{"../../internal/earnings/*.go", "../../internal/earnings/*/*.go"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllSubmatch(b, -1) {
			n++
			for _, l := range set.All() {
				if !l.Has(string(m[1])) {
					t.Errorf("%s: %s has no words in %s", f, m[1], l.Lang)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d reasons were found", n)
	}
}
