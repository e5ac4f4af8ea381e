package locale

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// flat is a catalogue as key -> text; plural forms are keys of their own.
func flat(t *testing.T, lang string) map[string]string {
	t.Helper()
	out := map[string]string{}
	var walk func(name, prefix string, m map[string]any)
	walk = func(name, prefix string, m map[string]any) {
		for k, v := range m {
			switch v := v.(type) {
			case string:
				if _, twice := out[prefix+k]; twice {
					t.Errorf("%s: %s%s stands in another catalogue too", name, prefix, k)
				}
				out[prefix+k] = v
			case map[string]any:
				walk(name, prefix+k+".", v)
			default:
				t.Errorf("%s: %s%s is no text", name, prefix, k)
			}
		}
	}
	names, err := fs.Glob(catalogues, "*."+lang+".toml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no catalogue in %s: %v", lang, err)
	}
	for _, name := range names {
		b, err := catalogues.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := toml.Unmarshal(b, &tree); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		walk(name, "", tree)
	}
	return out
}

var placeholder = regexp.MustCompile(`\{\{\.([A-Za-z]+)\}\}`)

// TestCatalogues holds every language to the same keys with the same placeholders.
func TestCatalogues(t *testing.T) {
	want := flat(t, languages[0])
	for _, lang := range languages {
		got := flat(t, lang)
		for _, k := range slices.Sorted(maps.Keys(want)) {
			if _, ok := got[k]; !ok {
				t.Errorf("%s lacks %s", lang, k)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(got)) {
			text := got[k]
			base, ok := want[k]
			if !ok {
				t.Errorf("%s has %s, which %s lacks", lang, k, languages[0])
				continue
			}
			fields := func(s string) []string {
				var out []string
				for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
					out = append(out, m[1])
				}
				slices.Sort(out)
				return slices.Compact(out)
			}
			if a, b := fields(base), fields(text); !slices.Equal(a, b) {
				t.Errorf("%s: %s has the placeholders %v, not %v", lang, k, b, a)
			}
			if strings.TrimSpace(text) == "" || strings.ContainsAny(text, "<>\n") {
				t.Errorf("%s: %s is empty, or holds markup or a line end", lang, k)
			}
			if n := strings.Count(text, "{{"); n != len(placeholder.FindAllString(text, -1)) {
				t.Errorf("%s: %s has a placeholder that isn't {{.Name}}", lang, k)
			}
			if lang == "fr" && regexp.MustCompile(` [:;?!»%]|« `).MatchString(text) {
				t.Errorf("fr: %s has a plain space where French has one that doesn't break", k)
			}
		}
	}
}

func TestForms(t *testing.T) {
	set, err := Load(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	en, fr := set.Get("en"), set.Get("fr")
	at := time.Date(2026, 10, 3, 14, 20, 0, 0, time.UTC)
	eur := func(minor int64) cashback.Money { return cashback.Money{Minor: minor, Currency: "EUR"} }
	for _, c := range []struct{ name, got, want string }{
		{"money en", en.Money(eur(123450)), "€1,234.50"},
		{"money fr", fr.Money(eur(123450)), "1\u202f234,50\u00a0€"},
		{"negative", fr.Money(eur(-90)), "-0,90\u00a0€"},
		{"change", fr.Change(eur(90)), "+0,90\u00a0€"},
		{"pounds in French", fr.Money(cashback.Money{Minor: 500, Currency: "GBP"}), "5,00\u00a0£GB"},
		{"yen", en.Money(cashback.Money{Minor: 1500, Currency: "JPY"}), "¥1,500"},
		{"not a currency", en.Money(cashback.Money{Minor: 150, Currency: "PTS"}), "1.50 PTS"},
		{"percent en", en.Percent(decimal.MustParse("6.50")), "6.5%"},
		{"percent fr", fr.Percent(decimal.MustParse("6.50")), "6,5\u00a0%"},
		{"exact", fr.Decimal(decimal.MustParse("1234567890123.123456")), "1\u202f234\u202f567\u202f890\u202f123,123456"},
		{"count", fr.Int(12345), "12\u202f345"},
		{"input", fr.Input(eur(1250)), "12,50"},
		{"input en", en.Input(eur(12000)), "120"},
		{"date", fr.Date(at), "3 octobre 2026"},
		{"first of a month", fr.AsOf("2026-01-01"), "1er janvier 2026"},
		{"basket", fr.Basket(eur(12000)), "120\u00a0€"},
		{"basket with cents", en.Basket(eur(12050)), "€120.50"},
		{"each", fr.Each(decimal.MustParse("1.00"), "EUR"), "1\u00a0€"},
		{"each with cents", en.Each(decimal.MustParse("0.50"), "GBP"), "£0.50"},
		{"one point", en.Points(decimal.MustParse("1.0"), "points"), "1 point"},
		{"no point", en.Points(decimal.MustParse("0"), "pts"), "0 points"},
		{"half a point", en.Points(decimal.MustParse("0.5"), "points"), "0.5 points"},
		{"half a point in French", fr.Points(decimal.MustParse("0.5"), "points"), "0,5 point"},
		{"miles", fr.Points(decimal.MustParse("1200"), "miles"), "1\u202f200 miles"},
		{"points of a portal's own", en.Points(decimal.MustParse("1"), "SB"), "1 SB"},
		{"figures", fr.Figures("1234 (z -5.3), ≥ 90.0 %, |z| ≤ 4"), "1\u202f234 (z -5,3), ≥ 90\u00a0%, |z| ≤ 4"},
		{"figures in a range", fr.Figures("70–150"), "70–150"},
		{"figures in English", en.Figures("12.5 % of 17/400, ±50 ‰, ×2.50"), "12.5% of 17/400, ±50 ‰, ×2.5"},
		{"same day", en.When(at, at.Add(time.Hour)), "today at 14:20"},
		{"another day", en.When(at, at.Add(24*time.Hour)), "on 3 October 2026, 14:20"},
		{"as of a month", en.AsOf("2026-07"), "July 2026"},
		{"as of a year", fr.AsOf("2026"), "2026"},
		{"country", fr.Country("GB"), "Royaume-Uni"},
		{"language", fr.Language("en"), "anglais"},
		{"no such key", en.T("no.such"), "[no.such]"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestNegotiate(t *testing.T) {
	set, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for accept, want := range map[string]string{
		"":                          "en",
		"fr":                        "fr",
		"fr-CA,fr;q=0.9,en;q=0.8":   "fr",
		"de-DE,de;q=0.9,fr;q=0.5":   "fr",
		"ja":                        "en",
		"*":                         "en",
		"en-GB":                     "en",
		"\x00;;q=":                  "en",
		strings.Repeat("fr,", 1000): "en",
	} {
		if got := set.Negotiate(accept).Lang; got != want {
			t.Errorf("Accept-Language %.30q: %s, want %s", accept, got, want)
		}
	}
}
