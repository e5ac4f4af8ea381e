package statement_test

import (
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
)

// TestWordsWithMoreBehindThem: portals put a day or an explanation behind their word for
// a state. It is cut off, unless it speaks of another state; what can be asked for only
// from a later day on can't be asked for yet.
func TestWordsWithMoreBehindThem(t *testing.T) {
	today, err := cashback.ParseDate("2026-11-25")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ rule, wording, state string }{
		{"topcashback-en", "Claimed on 3 June 2026", "paid"},
		{"topcashback-en", "Confirmed - awaiting payment from merchant", "confirmed"},
		{"topcashback-en", "Payable on 14 Dec 2026", "confirmed"},
		{"topcashback-en", "Payable since 14/11/2026", "payable"},
		{"topcashback-en", "Confirmed (declined later)", ""},
		{"topcashback-en", "Not Payable", ""},
		{"topcashback-en", "On Ice", ""},
		{"quidco", "Paid on 03/06/2026", "paid"},
		{"quidco", "Confirmed: paid next week", ""},
		{"shoop-de", "ausgezahlt am 15.04.2026", "paid"},
		{"shoop-de", "bestätigt (Auszahlung ab 05.06.2026)", "confirmed"},
		{"shoop-de", "verfügbar ab 24. Dez. 2026", "confirmed"},
		{"shoop-de", "verfügbar", "payable"},
		{"general-fr", "Payé le 03/04/2026", "paid"},
		{"general-fr", "Validée le 12/09/2026", "confirmed"},
		{"general-fr", "Versé sur votre compte", "paid"},
		{"general-fr", "Annulée (retour)", "declined"},
		{"general-fr", "Disponible le 14/12/2026", "confirmed"},
		{"general-fr", "Disponible depuis le 14/10/2026", "payable"},
		{"general-fr", "Validé 12", ""},
	} {
		rules := shipped(t)
		var r *statement.Rule
		for _, x := range rules {
			if x.ID == c.rule {
				r = x
			}
		}
		head := map[string]string{"en": "Date;Merchant;Cashback;Status", "fr": "Date;Marchand;Cashback;Statut", "de": "Datum;Shop;Cashback;Status"}[r.Language]
		d := open(t, "a.csv", head+"\n2026-10-03;A shop;1,50 €;"+c.wording+"\n")
		if r.Language == "en" {
			d = open(t, "a.csv", head+"\n2026-10-03;A shop;£1.50;"+c.wording+"\n")
		}
		got := d.Read(r, statement.Options{Portal: "p", Today: today})
		state := ""
		if len(got.Lines) == 1 {
			state = string(got.Lines[0].State)
			if got.Lines[0].Wording != c.wording {
				t.Errorf("%s: %q is kept as %q", c.rule, c.wording, got.Lines[0].Wording)
			}
		}
		if state != c.state {
			t.Errorf("%s: %q is %q, want %q (%+v)", c.rule, c.wording, state, c.state, got.Refused)
		}
	}
}

// TestCurrencyColumn: amounts without a sign are in what the row's own column says.
func TestCurrencyColumn(t *testing.T) {
	d := open(t, "a.csv", "Date,Store,Cashback,Currency,Status\n2026-10-03,Argos,1.00,GBP,Pending\n2026-10-04,Fnac,2.00,eur,Paid\n2026-10-05,X,2.00,shells,Paid\n")
	g, ok := d.Guess(shipped(t), statement.Options{Currency: "USD"})
	if !ok || fields(g) != "date shop amount currency state" {
		t.Fatalf("guessed %s", fields(g))
	}
	r, err := g.Draft("own-x", "X", "x")
	if err != nil {
		t.Fatal(err)
	}
	want := "2026-10-03 | Argos | 1.00 GBP | tracked\n2026-10-04 | Fnac | 2.00 EUR | paid\n! 4 currency import.amount.unit"
	if s := sentences(d.Read(r, statement.Options{Portal: "x", Currency: "USD"})); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

// TestPointsTable: a table that counts in points is mapped, and kept apart from money.
func TestPointsTable(t *testing.T) {
	d := open(t, "", "Date\tSite marchand\tGains\tStatut\n13/10/2026\tVeepee\t250 points\tEn attente\n14/10/2026\tFnac\t1 200 pts\tEn attente\n")
	g, ok := d.Guess(shipped(t), statement.Options{Currency: "EUR"})
	if !ok || fields(g) != "date shop amount state" {
		t.Fatalf("guessed %s", fields(g))
	}
	r, err := g.Draft("own-x", "X", "x")
	if err != nil {
		t.Fatal(err)
	}
	got := d.Read(r, statement.Options{Portal: "x", Currency: "EUR"})
	if len(got.Lines) != 2 || got.Lines[1].Amount != (earnings.Amount{Minor: 120_000, Unit: earnings.PointsOf("points")}) {
		t.Errorf("read %s", sentences(got))
	}
}

// TestForwarded: a mail that was forwarded within the text is the portal's, of its day.
func TestForwarded(t *testing.T) {
	const letter = "\n\nFrom Booking.com\nA$4.20 Eligible Purchase Amount A$120.00\n"
	head := "From: Me <me@example.org>\nTo: home@example.org\nDate: Mon, 05 Oct 2026 09:12:00 +0200\nSubject: Fwd: tracked\nContent-Type: text/plain; charset=utf-8\n\n"
	for name, between := range map[string]string{
		"in English":   "---------- Forwarded message ---------\nFrom: ShopBack <hello@info.shopback.com.au>\nDate: Sat, 3 Oct 2026 at 09:12\nSubject: tracked\nTo: <me@example.org>",
		"in French":    "Début du message transféré :\n\n> De: ShopBack <hello@info.shopback.com.au>\n> Objet: tracked\n> Date: 3 octobre 2026 à 09:12:00 UTC+2\n> À: me@example.org",
		"in German":    "Von: ShopBack <hello@info.shopback.com.au>\nGesendet: Samstag, 3. Oktober 2026 09:12\nAn: me@example.org\nBetreff: tracked",
		"without head": "",
	} {
		d := open(t, "a.eml", head+between+letter)
		fits := statement.Choose(d, shipped(t), statement.Options{Portal: "shopback-au"})
		if between == "" {
			if len(fits) > 0 {
				t.Errorf("%s: anybody's mail is read as the portal's", name)
			}
			continue
		}
		if len(fits) == 0 || sentences(fits[0].Reading) != "2026-10-03 | Booking.com | 4.20 AUD | tracked" {
			t.Errorf("%s: %+v, from %s of %s", name, fits, d.From, d.Seen)
		}
	}
}

// TestStacked: entries whose values stand below each other, as they come from pages
// without tables, are a table without headings.
func TestStacked(t *testing.T) {
	for name, c := range map[string]struct{ file, text, fields, lines string }{
		"pasted": {"", "Mes gains\n\nLe 13/10/2026\nFnac\n3,60 €\nEn attente\nLe 14/10/2026\nDarty\n1,00 €\nDisponible\n", "date shop amount state",
			"2026-10-13 | Fnac | 3.60 EUR | tracked\n2026-10-14 | Darty | 1.00 EUR | payable"},
		"the day last": {"", "Argos\n£1.31\nTracked\n13 Oct 2026\nBoots\n£2.00\nTracked\n14 Oct 2026\n", "shop amount state date",
			"2026-10-13 | Argos | 1.31 GBP | tracked\n2026-10-14 | Boots | 2.00 GBP | tracked"},
		"a page of lists": {"a.html", `<html><body><ul><li><span>13/10/2026</span><span>Fnac</span><span>3,60 €</span><span>En attente</span></li><li><span>14/10/2026</span><span>Darty</span><span>1,00 €</span><span>Disponible</span></li></ul></body></html>`, "date shop amount state",
			"2026-10-13 | Fnac | 3.60 EUR | tracked\n2026-10-14 | Darty | 1.00 EUR | payable"},
	} {
		d := open(t, c.file, c.text)
		g, ok := d.Guess(shipped(t), statement.Options{})
		if !ok || fields(g) != c.fields {
			t.Errorf("%s: guessed %q", name, fields(g))
			continue
		}
		r, err := g.Draft("own-x", "X", "x")
		if err != nil {
			t.Fatal(err)
		}
		if s := sentences(d.Read(r, statement.Options{Portal: "x"})); s != c.lines {
			t.Errorf("%s: got\n%s\nwant\n%s", name, s, c.lines)
		}
	}
	// An entry of another length is refused, and not read by guessing.
	d := open(t, "", "13/10/2026\nFnac\n3,60 €\nEn attente\n14/10/2026\nDarty\nNouveau\n1,00 €\nDisponible\n15/10/2026\nKiabi\n2,00 €\nDisponible\n16/10/2026\nSephora\n2,50 €\nDisponible\n")
	g, _ := d.Guess(shipped(t), statement.Options{})
	r, err := g.Draft("own-x", "X", "x")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Read(r, statement.Options{Portal: "x"}); len(got.Lines) != 3 || len(got.Refused) != 1 {
		t.Errorf("read %s", sentences(got))
	}
	if _, ok := open(t, "", strings.Repeat("Le 13/10/2026 il a plu.\nLe 14/10/2026 aussi.\n", 4)).Guess(shipped(t), statement.Options{}); ok {
		t.Error("guessed entries in a diary")
	}
}

// TestNearest: where a rule finds its columns and can read no row, it is told why.
func TestNearest(t *testing.T) {
	d := open(t, "a.csv", "Date,Merchant,Cashback,Status\n03/10/2026,Argos,1.00,Pending\n")
	if fits := statement.Choose(d, shipped(t), statement.Options{Portal: "topcashback-uk"}); len(fits) > 0 {
		t.Fatalf("read without a currency: %+v", fits)
	}
	near, ok := statement.Nearest(d, shipped(t), statement.Options{Portal: "topcashback-uk"})
	if !ok || near.Rule.ID != "topcashback-en" || near.Reading.Refused[0].Reason.Key != "import.amount.currency" {
		t.Errorf("nearest: %v %+v", ok, near)
	}
	if _, ok := statement.Nearest(open(t, "a.csv", "a,b,c\n1,2,3\n"), shipped(t), statement.Options{}); ok {
		t.Error("a rule is near to anything")
	}
}
