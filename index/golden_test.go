package index

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

var update = flag.Bool("update", false, "write what is found into testdata as what should be found")

// known are the demo's shops, in the order of their file: the first ones are listed
// by more portals. Around them stand made-up ones.
func known(t testing.TB) *memory {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "internal", "portaltest", "demo", "shops.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := newMemory()
	var portals []cashback.Portal
	for i := range 9 {
		portals = append(portals, portal(fmt.Sprintf("portal-%d", i), cashback.Public))
	}
	m.setPortals(portals...)
	r := rand.New(rand.NewPCG(11, 12))
	id := 0
	add := func(name, country, domain, category string, aliases []string, most int) {
		id++
		s := Shop{Merchant: merchant(id, name, country, domain, aliases...)}
		s.Merchant.Category = category
		for k := range 1 + r.IntN(most) {
			s.Offers = append(s.Offers, percent(portals[k].ID, fmt.Sprintf("%d.%d", 1+r.IntN(9), r.IntN(10))))
		}
		m.set(s)
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		parts := strings.Split(line, "|")
		if strings.HasPrefix(line, "#") || len(parts) < 5 {
			continue
		}
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		var aliases []string
		if len(parts) > 5 {
			for a := range strings.SplitSeq(parts[5], ";") {
				aliases = append(aliases, strings.TrimSpace(a))
			}
		}
		for i, country := range []string{"FR", "GB"} {
			if domain := parts[1+i]; domain != "-" {
				add(parts[0], country, domain, parts[3], aliases, 8)
			}
		}
	}
	for range 3000 {
		name := madeUp(r)
		add(name, []string{"FR", "GB", "DE"}[r.IntN(3)], glue(fold(name))+".test", "others", nil, 4)
	}
	return m
}

// asked is one question whose answer is known.
type asked struct {
	class, text string
	country     cashback.Country
	want        string
}

func written(t testing.TB) (list []asked) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "queries.txt"))
	if err != nil {
		t.Fatal(err)
	}
	class := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if c, ok := strings.CutPrefix(line, "## "); ok {
			class = c
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, " | ")
		if len(parts) != 3 {
			t.Fatalf("testdata/queries.txt: %q", line)
		}
		list = append(list, asked{class, parts[0], cashback.Country(parts[1]), parts[2]})
	}
	return list
}

// made spoils each known name in ways that can be counted.
func made(m *memory) (list []asked) {
	r := rand.New(rand.NewPCG(21, 22))
	for id := cashback.MerchantID(1); int(id) <= len(m.shops); id++ {
		s := m.shops[id].Merchant
		if s.Category == "others" || id%2 == 0 {
			continue // half of them tell as much
		}
		ask := func(class, text string) { list = append(list, asked{class, text, s.Country, s.Name}) }
		ask("made: the name", s.Name)
		ask("made: folded and glued", glue(fold(s.Name)))
		ask("made: a product's address", "https://www."+s.Domain+"/produits/item-42?ref=abc")
		name := []rune(fold(s.Name))
		if len(name) >= 6 {
			ask("made: its first five letters", string(name[:5]))
		}
		if len(name) >= 5 {
			ask("made: a typing error", string(spoil(r, name)))
		}
		if len(name) >= 9 {
			ask("made: two typing errors", string(spoil(r, spoil(r, name))))
		}
		ask("made: a word before", "promo "+s.Name)
	}
	return list
}

func spoil(r *rand.Rand, name []rune) []rune {
	out := slices.Clone(name)
	i := 1 + r.IntN(len(out)-2)
	switch r.IntN(4) {
	case 0:
		out[i], out[i+1] = out[i+1], out[i]
	case 1:
		out = slices.Delete(out, i, i+1)
	case 2:
		out = slices.Insert(out, i, out[i])
	default:
		out[i] = rune('a' + r.IntN(26))
	}
	return out
}

// TestGolden asks what people ask, and compares how well it is answered with what
// was agreed: recall within the first hit and the first five, the mean of 1 ÷ the
// rank, and every question that isn't answered by its first hit. After a change
// that is better, run it with -update and read the difference.
func TestGolden(t *testing.T) {
	m := known(t)
	x := indexed(t, t.TempDir(), m)
	type score struct{ n, first, five, sum float64 }
	scores := map[string]*score{}
	var classes []string
	var misses strings.Builder
	for _, q := range append(written(t), made(m)...) {
		s := scores[q.class]
		if s == nil {
			s = &score{}
			scores[q.class] = s
			classes = append(classes, q.class)
		}
		r, err := x.Search(t.Context(), Query{Text: q.text, Country: q.country, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		s.n++
		rank := 0
		for i, h := range r.Hits {
			if h.Merchant.Name == q.want {
				rank = i + 1
				break
			}
		}
		if q.want == "-" && len(r.Hits) == 0 {
			rank = 1
		}
		if rank == 1 {
			s.first++
		} else if !strings.HasPrefix(q.class, "made") {
			names := names2(r.Hits)
			fmt.Fprintf(&misses, "%s | %s | %s | rank %d | %s\n", q.text, q.country, q.want, rank, strings.Join(names[:min(3, len(names))], ", "))
		}
		if rank > 0 && rank <= 5 {
			s.five++
		}
		if rank > 0 {
			s.sum += 1 / float64(rank)
		}
	}
	var b strings.Builder
	b.WriteString("# How well search answers: class | questions | recall@1 | recall@5 | MRR\n")
	for _, c := range classes {
		s := scores[c]
		fmt.Fprintf(&b, "%s | %.0f | %.3f | %.3f | %.3f\n", c, s.n, s.first/s.n, s.five/s.n, s.sum/s.n)
	}
	b.WriteString("\n# Not answered by the first hit: text | country | shop | rank | the first three\n")
	b.WriteString(misses.String())
	path := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("search answers otherwise than agreed; if that is better, run with -update\n--- agreed\n%s\n--- now\n%s", want, got)
	}
}
