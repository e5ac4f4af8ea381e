package reward

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// TestTexts reads invented texts in the styles of each country's portals, with what a
// person reads in them: those the tables were built with, and those of a second reader
// who knew the portals and wrote them down before looking at the tables.
func TestTexts(t *testing.T) {
	for _, file := range []string{"testdata/texts.txt", "testdata/portals.txt"} {
		t.Run(filepath.Base(file), func(t *testing.T) { readTexts(t, file) })
	}
}

func readTexts(t *testing.T, file string) {
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	locale, n, misses := "", 0, 0
	sc := bufio.NewScanner(in)
	for line := 1; sc.Scan(); line++ {
		s := sc.Text()
		if s == "" || strings.HasPrefix(s, "# ") {
			continue
		}
		if l, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(l, "]") {
			locale = strings.TrimSuffix(l, "]")
			continue
		}
		text, want, ok := strings.Cut(s, " => ")
		if !ok {
			t.Fatalf("line %d: no \" => \" in it", line)
		}
		n++
		r := Parse(strings.ReplaceAll(text, `\n`, "\n"), Context{Locale: locale})
		if got := say(r, strings.Contains(want, "minspend")); got != want {
			misses++
			t.Errorf("line %d, %s: %s\n got %s\nwant %s\n%s", line, locale, text, got, want, r.Reason)
		}
	}
	t.Logf("%d texts, %d misses", n, misses)
}

// say writes a summary as the file has it.
func say(r cashback.Reward, spend bool) string {
	s := Summarise(r)
	out := []string{string(s.Kind)}
	if s.Value.Valid && s.Kind.Pays() {
		out = append(out, s.Value.Decimal.Trim(0).String())
	}
	if s.Currency != "" {
		out = append(out, string(s.Currency))
	}
	if s.UpTo {
		out = append(out, "up-to")
	}
	field := func(name string, d cashback.NullDecimal) {
		if d.Valid {
			out = append(out, name+"="+d.Decimal.Trim(0).String())
		}
	}
	field("min", s.Min)
	field("prev", s.Previous)
	field("cap", s.Cap)
	field("per", s.PerAmount)
	if s.PerUnit != "" {
		out = append(out, "unit="+s.PerUnit)
	}
	if s.PointsCurrency != "" && s.Kind != cashback.Percent {
		out = append(out, "points="+s.PointsCurrency)
	}
	if s.Audience != "" {
		out = append(out, string(s.Audience))
	}
	if spend && len(r.Tiers) > 0 && r.Tiers[0].MinSpend != nil {
		out = append(out, "minspend="+r.Tiers[0].MinSpend.Decimal().Trim(0).String())
	}
	if len(s.Components) > 0 {
		parts := ""
		for i, p := range s.Components {
			if i > 0 {
				parts += map[Relation]string{Plus: "+", Or: "|"}[p.Relation]
			}
			parts += p.Value.Trim(0).String()
		}
		out = append(out, "parts="+parts)
	}
	return strings.Join(out, " ")
}
