package reward

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

var fuzzLocales = []string{
	"", "en", "en-US", "en-GB", "en-IN", "fr-FR", "de-DE", "de-CH", "es-ES", "it-IT", "nl-NL", "pl-PL", "pt-BR", "da-DK",
	"sv-SE", "nb-NO", "cs-CZ", "ru-RU", "ja-JP", "zh-CN", "zh-Hant-TW", "xx", "x", "fr_CA", "-", "en-US-u-ca-gregory",
}

// checkReward holds what must be true of any text, however hostile.
func checkReward(text string, r cashback.Reward) error {
	if r.Raw != text {
		return fmt.Errorf("the raw text is %q", r.Raw)
	}
	within := func(s cashback.Span) error {
		if s.Start < 0 || s.Start > s.End || s.End > len(text) {
			return fmt.Errorf("the span %v is outside the text", s)
		}
		return nil
	}
	if err := within(r.At); err != nil {
		return err
	}
	if r.Kind.Pays() != (len(r.Tiers) > 0) {
		return fmt.Errorf("kind %s with %d tiers", r.Kind, len(r.Tiers))
	}
	if r.Kind == cashback.Unknown && r.Reason == "" || r.Kind == cashback.NotCashback && r.Reason == "" {
		return fmt.Errorf("%s without a reason", r.Kind)
	}
	if r.Kind != cashback.Unknown && r.Named != nil || r.Kind == "" {
		return fmt.Errorf("kind %q, named %v", r.Kind, r.Named)
	}
	some := false
	for _, t := range r.Tiers {
		if len(t.Components) == 0 {
			return fmt.Errorf("a tier without components")
		}
		for _, c := range t.Components {
			some = some || c.Value.IsPos()
			if err := within(c.Span); err != nil {
				return err
			}
			if !c.Kind.Pays() || c.Value.IsNeg() || c.PerAmount.IsNeg() {
				return fmt.Errorf("a component of kind %s pays %s for %s", c.Kind, c.Value, c.PerAmount)
			}
			if c.Min.Valid && (c.Min.Decimal.IsNeg() || c.Min.Decimal.Cmp(c.Value) > 0) {
				return fmt.Errorf("the bottom %s is above the top %s", c.Min.Decimal, c.Value)
			}
			if (c.Kind == cashback.PointsFixed || c.Kind == cashback.PointsPerUnit) && c.PointsCurrency == "" {
				return fmt.Errorf("points without a name")
			}
		}
		for _, m := range []*cashback.Money{t.Cap, t.MinSpend} {
			if m != nil && m.Minor < 0 {
				return fmt.Errorf("an amount of %d", m.Minor)
			}
		}
	}
	if r.Kind.Pays() && !some {
		return fmt.Errorf("kind %s, and nothing is paid", r.Kind)
	}
	if r.Previous.Valid && r.Previous.Decimal.IsNeg() {
		return fmt.Errorf("a previous rate of %s", r.Previous.Decimal)
	}
	s := Summarise(r)
	if s.Value.Valid && s.Min.Valid && s.Min.Decimal.Cmp(s.Value.Decimal) > 0 {
		return fmt.Errorf("the summary's bottom %s is above its top %s", s.Min.Decimal, s.Value.Decimal)
	}
	return nil
}

// stepsPerByte bounds the work: the longest way through the tables from each place,
// and a handful of passes over the words.
const stepsPerByte = 80

// counted parses a text and holds its work linear.
func counted(text string, c Context) (cashback.Reward, error) {
	l := shipped()
	p := l.parser(text, c)
	defer l.release(p)
	r := l.parse(p)
	if p.steps > 1000+stepsPerByte*len(text) {
		return r, fmt.Errorf("%d steps for %d bytes", p.steps, len(text))
	}
	return r, checkReward(text, r)
}

// seeds are the texts of testdata/texts.txt, and what has broken readers before.
func seeds(t testing.TB) []string {
	in, err := os.Open("testdata/texts.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	list := []string{
		"", " ", "%", "0", "<", "<s>", "<s>5%", "5%</s>", "&", "&#", "&#x;", "&amp;nbsp;5%", "{{", "<?", "((((5%))))", "))))5%((((",
		"5%5%5%", "1,2,3,4%", "1.2.3%", "9999999999999999999999%", "0.00000000000000000001%", "½½%", "1万万P", "\xff5%", "5\xff%", "\x005%\x01",
		"+-+-5%", "-0%", "- 5 - 6 - 7 %", "$$5", "5$$", "$5$6$7", "€£$¥", "5%%%%%%%", "x%", "1x2x3", "5x", "up to up to up to", "was was 5%",
		"5% + + 3%", "5% or or 3%", "<sup>5</sup>%", "5%<sup>5</sup>", "ﾊﾟﾎﾟ5%", "５％〜１０％",
	}
	for sc := bufio.NewScanner(in); sc.Scan(); {
		if text, _, ok := strings.Cut(sc.Text(), " => "); ok {
			list = append(list, strings.ReplaceAll(text, `\n`, "\n"))
		}
	}
	return list
}

func FuzzParse(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(s, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, locale uint8) {
		c := Context{Locale: fuzzLocales[int(locale)%len(fuzzLocales)], Field: Field(locale % 3)}
		if _, err := counted(text, c); err != nil {
			t.Error(err)
		}
	})
}

// TestMutationsProperty breaks texts at random, a hundred million times with
// CAGNOTTE_PROVE: pieces of texts and of tables are joined, cut, doubled, and their
// bytes changed.
func TestMutationsProperty(t *testing.T) {
	n := 20_000
	if os.Getenv("CAGNOTTE_PROVE") != "" {
		n = 100_000_000
	}
	pool := seeds(t)
	for _, l := range shipped().languages {
		pool = append(pool, phrases(&l.words)...)
	}
	slices.Sort(pool) // the languages come in any order
	pieces := []string{"5", "%", "10", "€", "$", " ", "\n", "-", "+", "/", "(", ")", ",", ".", "1.000", "2,5", "<s>", "</s>", "&nbsp;", "½", "x", "0", "%%", ":", "|", "~", "'", "*", "\u00a0", "<b>", "é", "円", "P"}
	const seed = 7
	rnd := rand.New(rand.NewPCG(seed, seed))
	var text []byte
	for i := range n {
		if i%10_000_000 == 0 && i > 0 {
			t.Logf("%d texts so far", i)
		}
		if i%8 == 0 || len(text) > 400 {
			text = append(text[:0], pool[rnd.IntN(len(pool))]...)
		}
		for range 1 + rnd.IntN(3) {
			text = mutate(rnd, text, pool, pieces)
		}
		c := Context{Locale: fuzzLocales[rnd.IntN(len(fuzzLocales))], Field: Field(rnd.IntN(8) % 3)}
		if _, err := counted(string(text), c); err != nil {
			t.Fatalf("run %d, %q: %q: %v", i, c.Locale, text, err)
		}
	}
	t.Logf("%d texts", n)
}

// mutate changes a text in one place.
func mutate(rnd *rand.Rand, text []byte, pool, pieces []string) []byte {
	at := rnd.IntN(len(text) + 1)
	switch rnd.IntN(8) {
	case 0:
		return slices.Insert(text, at, []byte(pool[rnd.IntN(len(pool))])...)
	case 1, 2, 3:
		return slices.Insert(text, at, []byte(pieces[rnd.IntN(len(pieces))])...)
	case 4:
		return slices.Delete(text, at, at+rnd.IntN(min(6, len(text)-at+1)))
	case 5:
		if at < len(text) {
			text[at] = byte(rnd.IntN(256))
		}
	case 6:
		if at < len(text) {
			text[at] ^= 1 << rnd.IntN(8)
		}
	case 7:
		return append(text, text[at:min(len(text), at+rnd.IntN(40))]...)
	}
	return text
}

// phrases lists what a trie holds.
func phrases(t *trie) []string {
	var list []string
	var walk func(node int32, prefix string)
	walk = func(node int32, prefix string) {
		n := &t.nodes[node]
		if n.entry != nil {
			list = append(list, prefix)
		}
		for i := n.children; i < n.children+int32(n.count); i++ {
			walk(i, prefix+string([]byte{t.nodes[i].label}))
		}
	}
	walk(0, "")
	return list
}

// TestLinear: what is made to be slow isn't. The longest texts are refused, those a
// byte shorter are read with a bounded number of steps for each byte.
func TestLinear(t *testing.T) {
	const length = 4000
	long := ""
	for _, l := range shipped().languages {
		for _, p := range phrases(&l.words) {
			if len(p) > len(long) {
				long = p
			}
		}
	}
	for _, piece := range []string{
		"5% ", "5%", "5", "5 ", "5,", "1.", "5% + ", "5% (", "(", ")", "<", "<a ", "<a <", "<s>", "</s>", "<b>", "<!--", "&", "&#", "&amp;", "{{", "${", "{",
		"up to ", "was ", "to ", "de ", "d", "c<b>", "cash<b>", long, long[:len(long)-1], "a", "ab ", "返", "最高", "円", "￥5", "x", "%", "$", "$5-", "5-", "5 - ", "5% was ",
		"5 points per ", "per $5 ", "5€ 5 points ", "½", "1万", "\n", "\n5%\n", "5% or ", "new 5%, ", "-5% ", "5%<sup>1</sup>", "<style>", "gutschein", "5 \u00a0", "1 000 ", "'", "5'000'", "http://", "5 % max 5 € ", "\xff", "ﾟ", "ハﾟ",
	} {
		for _, locale := range []string{"en-US", "fr-FR", "de-DE", "ja-JP"} {
			text := strings.Repeat(piece, length/len(piece))
			if _, err := counted(text, Context{Locale: locale}); err != nil {
				t.Errorf("%q in %s: %v", piece, locale, err)
			}
		}
	}
	if r := Parse(strings.Repeat("5% ", maxText/3+1), Context{}); r.Kind != cashback.Unknown || r.Reason != whyLong {
		t.Errorf("a text too long is %s: %s", r.Kind, r.Reason)
	}
}
