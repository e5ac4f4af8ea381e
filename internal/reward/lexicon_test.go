package reward

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestShippedTables(t *testing.T) {
	l, err := LoadLexicon(shippedWords)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"cs", "da", "de", "en", "es", "fr", "it", "ja", "nb", "nl", "no", "pl", "pt", "ru", "sv", "zh"} {
		lang := l.languages[code]
		if lang == nil {
			t.Errorf("no table for %q", code)
			continue
		}
		for _, e := range lang.words.nodes {
			if e.entry != nil && e.entry.means == 0 {
				t.Errorf("%s: an entry means nothing", code)
			}
		}
	}
}

// TestTableErrors: whoever extends a table is told what is wrong, and where, all of
// it at once.
func TestTableErrors(t *testing.T) {
	for _, tt := range []struct{ name, table, want string }{
		{"section", "[rebates]\nback", "words/en.txt:2: there is no section [rebates]"},
		{"no section", "back", "words/en.txt:1: there is no section []"},
		{"comma", "[cashback]\n\nback,, refund", "words/en.txt:3: a phrase is empty"},
		{"currency", "[money]\nquid = GB", `words/en.txt:2: "GB" is not a currency`},
		{"no value", "[money]\nquid", "words/en.txt:2: say what it stands for"},
		{"value too many", "[cashback]\nback = yes", `words/en.txt:2: nothing can stand behind "="`},
		{"number", "[numbers]\none = uno", `words/en.txt:2: "uno" is not a number`},
		{"two values", "[points]\np = points\n[money]\np = GBP/100", `words/en.txt:4: "p" already stands for something`},
		{"star", "[cashback]\nca*sh", `words/en.txt:2: "ca*sh": a star stands`},
		{"setting", "[language]\ndialect = pirate", `words/en.txt:2: there is no setting "dialect"`},
		{"no setting", "[language]\nregion", `words/en.txt:2: write a setting as`},
		{"thousands", "[language]\nthousands = comma", `words/en.txt:2: thousands = comma`},
		{"empty phrase", "[cashback]\n\u00ad", "has no letter or sign"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadLexicon(fstest.MapFS{
				"words/all.txt":    {Data: []byte("[percent]\n%\n")},
				"words/markup.txt": {Data: []byte("[break]\nbr\n")},
				"words/en.txt":     {Data: []byte(tt.table)},
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			var e *cashback.Error
			if !errors.As(err, &e) || e.Kind != cashback.Invalid {
				t.Errorf("the error isn't of the kind for wrong input: %#v", err)
			}
		})
	}
	_, err := LoadLexicon(fstest.MapFS{
		"words/all.txt":    {Data: []byte("[percent]\n%\n")},
		"words/markup.txt": {Data: []byte("[blink]\nblink\n")},
		"words/fr.txt":     {Data: []byte("[cashback]\nremboursé = oui\n\n[bonus ]\nprime")},
	})
	for _, want := range []string{"words/markup.txt:2:", "words/fr.txt:2:", "words/fr.txt:5:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	_, err = LoadLexicon(fstest.MapFS{
		"words/all.txt":    {Data: []byte("[percent]\n%\n")},
		"words/markup.txt": {},
	})
	if err == nil || !strings.Contains(err.Error(), "words/en.txt is missing") {
		t.Errorf("without English: %v", err)
	}
}

// TestTableExtends: a table of its own is all that a language needs.
func TestTableExtends(t *testing.T) {
	l, err := LoadLexicon(fstest.MapFS{
		"words/all.txt":    {Data: []byte("[percent]\n%\n[money]\n€ = EUR\n[plus]\n+\n")},
		"words/markup.txt": {},
		"words/en.txt":     {Data: []byte("[cashback]\nback\n")},
		"words/fi.txt": {Data: []byte(`# suomi
[language]
region = FI
thousands = blank
[cashback]
takaisin, *hyvitys
[up to]
jopa
[discount]
alennus*
[previous]
ennen
`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"jopa 12,5 % takaisin":       "percent 12.5 up-to",
		"1 250,50 €":                 "fixed 1250.5 EUR",
		"5 % ostohyvitys, ennen 3 %": "percent 5 prev=3",
		"alennuskoodi 10 %":          "not_cashback",
		"10 % alennusta":             "not_cashback",
	} {
		if got := say(l.Parse(text, Context{Locale: "fi-FI"}), false); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestSectionsAreDocumented: whoever extends a table finds each section in
// docs/rewards.md.
func TestSectionsAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../../docs/rewards.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range sections {
		if !strings.Contains(string(docs), "`"+name+"`") {
			t.Errorf("docs/rewards.md doesn't explain the section [%s]", name)
		}
	}
}
