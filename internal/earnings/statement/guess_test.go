package statement_test

import (
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
)

// fields are the guessed fields of the columns, in order.
func fields(g statement.Guess) string {
	var out []string
	for _, c := range g.Columns {
		f := string(c.Field)
		if f == "" {
			f = "-"
		}
		out = append(out, f)
	}
	return strings.Join(out, " ")
}

// TestGuess proposes a mapping for tables that no rule knows.
func TestGuess(t *testing.T) {
	for _, c := range []struct{ name, text, fields, settings, words string }{
		{"known headings", "Einkauf vom;Händler;Bestellwert;Gutschrift;Zustand\n31.10.2026;Otto;100,00 €;3,00 €;offen\n01.11.2026;Zalando;50,00 €;1,50 €;bestätigt\n",
			"date shop basket amount state", "de EUR , dmy", "offen=tracked bestätigt=confirmed"},
		{"unknown headings", "Jour\tOù\tCombien\tRendu\tÉtape\n31/10/2026\tFnac\t100,00 €\t3,00 €\tEn attente\n01/11/2026\tDarty\t50,00 €\t1,50 €\tEn attente\n02/11/2026\tFnac\t20,00 €\t0,60 €\tZut\n",
			"date shop basket amount state", "en EUR , dmy", "En attente=tracked Zut="},
		{"no headings", "2026-10-31,Argos,£100.00,£3.00,Tracked\n2026-11-01,Boots,£50.00,£1.50,Confirmed\n2026-11-02,Nike,£20.00,£0.60,Tracked\n2026-11-03,Nike,£20.00,£0.60,Confirmed\n",
			"date shop basket amount state", "en GBP . ", "Tracked=tracked Confirmed=?"},
		{"American dates", "Date,Store,Cash Back,Status\n10/28/2026,Macy's,3.15,Pending\n",
			"date shop amount state", "en  . mdy", "Pending=tracked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, "a.csv", c.text)
			g, ok := d.Guess(shipped(t), statement.Options{})
			if !ok {
				t.Fatal("no table")
			}
			if got := fields(g); got != c.fields {
				t.Errorf("columns %s, want %s", got, c.fields)
			}
			if got := strings.Join([]string{g.Language, g.Currency, g.Decimal, g.Dates}, " "); got != c.settings {
				t.Errorf("settings %q, want %q", got, c.settings)
			}
			var words []string
			for _, w := range g.Words {
				s := string(w.State)
				if len(w.May) > 0 {
					s = "?"
				}
				words = append(words, w.Text+"="+s)
			}
			if got := strings.Join(words, " "); got != c.words {
				t.Errorf("words %s, want %s", got, c.words)
			}
			// What a person confirms is a rule that reads the table.
			for i := range g.Words {
				if g.Words[i].State == "" {
					g.Words[i].State = earnings.StateConfirmed
				}
			}
			if g.Currency == "" {
				g.Currency = "USD"
			}
			r, err := g.Draft("my-portal", "My portal", "my-portal")
			if err != nil {
				t.Fatal(err)
			}
			got := d.Read(r, statement.Options{Portal: "my-portal"})
			if n := strings.Count(c.text, "\n"); len(got.Refused) > 0 || len(got.Lines)+len(got.Ignored) != n {
				t.Errorf("read %s", sentences(got))
			}
		})
	}
	if _, ok := open(t, "a.txt", "Bonjour, votre cashback est arrivé.").Guess(nil, statement.Options{}); ok {
		t.Error("guessed a table in a sentence")
	}
}
