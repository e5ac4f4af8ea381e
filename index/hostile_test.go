package index

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// hostile are texts that are made to be dear: long, repetitive, of every script,
// in the syntax of query languages, near thousands of names.
func hostile(r *rand.Rand) string {
	pieces := []string{
		"a", "e", "o", "m", "ma", "the", "*", "?", "~", "~2", "^9", "+", "-", "\"", "(", ")", "[* TO *]", "/.*/", "name:", "AND", "OR", "NOT", "\\", "%", "&", "…",
		"\x00", "\xff\xfe", "\u202e", "e\u0301\u0301\u0301", "ﷺ", "𝕬𝖒𝖆𝖟𝖔𝖓", "Ａｍａｚｏｎ", "한국어", "日本", "ไทย", "עברית", "العربية", "🛒🛒", "ß", "İ", "ſ", "..", "://", "@", "#", "a.b", ".com", "xn--",
		"amaz", "zzzz", "aeiou", "bababa", "anana", "qwertyuiop", "0123456789",
	}
	var b strings.Builder
	switch r.IntN(6) {
	case 0:
		b.WriteString(strings.Repeat(pieces[r.IntN(len(pieces))], 1+r.IntN(400)))
	case 1:
		for range 1 + r.IntN(60) {
			b.WriteString(pieces[r.IntN(len(pieces))])
			b.WriteByte(' ')
		}
	case 2:
		for range 1 + r.IntN(30) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
	case 3:
		for range 1 + r.IntN(20) {
			b.WriteRune(rune(r.IntN(0x11000)))
		}
	case 4:
		name := []rune(madeUp(r))
		for range r.IntN(4) {
			name[r.IntN(len(name))] = rune('a' + r.IntN(26))
		}
		b.WriteString(string(name))
	default:
		b.WriteString("https://" + madeUp(r) + pieces[r.IntN(len(pieces))] + ".com/" + strings.Repeat("a/", r.IntN(3000)))
	}
	return b.String()
}

// TestPropertyHostile: whatever is asked, the answer is one or a clear refusal, and
// neither memory nor work runs away (RELIABILITY.md, T-SRCH: at most 100 ms and
// 16 MiB each). The time is only reported: machines differ.
func TestPropertyHostile(t *testing.T) {
	shops, rounds := 2000, 200
	if proving() {
		shops, rounds = benchShops, 10_000
	}
	m := generated(shops, shops*2, 5)
	x := indexed(t, t.TempDir(), m)
	r := rand.New(rand.NewPCG(13, 13))
	var worst, total time.Duration
	var most uint64
	var dear, slow string
	var before, after runtime.MemStats
	for range rounds {
		text := hostile(r)
		q := Query{Text: text, Country: "FR", Facets: r.IntN(2) == 0, Limit: r.IntN(MaxLimit + 1), View: View(r.IntN(2))}
		for i, ask := range []func() error{
			func() error { _, err := x.Search(t.Context(), q); return err },
			func() error { _, err := x.Suggest(t.Context(), text, "FR", 8); return err },
			func() error { _, err := x.ByDomain(t.Context(), text, "FR"); return err },
			func() error { _, err := x.Offers(t.Context(), q); return err },
		} {
			runtime.ReadMemStats(&before)
			cpu := processor()
			if err := ask(); err != nil && cashback.KindOf(err) != cashback.Invalid {
				t.Fatalf("%q: %v", text, err)
			}
			cpu = processor() - cpu
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				most, dear = took, fmt.Sprintf("%d of %.60q", i, text)
			}
			if cpu > worst {
				worst, slow = cpu, fmt.Sprintf("%d of %.60q", i, text)
			}
			total += cpu
		}
	}
	if most > 16<<20 {
		t.Errorf("question %s takes %d MiB", dear, most>>20)
	}
	if st := x.Ready(); st.Degraded {
		t.Errorf("the index broke: %+v", st)
	}
	t.Logf("at most %s of processor time (%s), %.1f MiB (%s); on average %s", worst, slow, float64(most)/(1<<20), dear, total/time.Duration(4*rounds))
}

// TestAutomata: the longest terms of the widest runes still fit into an automaton;
// a refusal of Bleve's would look like a broken index.
func TestAutomata(t *testing.T) {
	x := indexed(t, t.TempDir(), small())
	for _, text := range []string{strings.Repeat("𐕴𐕵𐕶𐕷𐕸𐕹𐕺𐕻𐕼𐕽𐕾𐕿", 3), "abcdefghijklmnopqrstuvwxyz", strings.Repeat("아", 30), "𐕴𐕵𐕶𐕷𐕸𐕹 𐕺𐕻𐕼𐕽𐕾𐕿 abcdefghijklmnop ωψχφυτσρπο"} {
		n := newNeedle(text)
		for edits := 1; edits <= 2; edits++ {
			err := errors.Join(
				x.text.Load().find(t.Context(), n.nearly(edits), func(cashback.MerchantID) bool { return true }),
				x.text.Load().find(t.Context(), n.nearWords(), func(cashback.MerchantID) bool { return true }),
			)
			if err != nil {
				t.Errorf("%q with %d edits: %v", text, edits, err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	x := indexed(t, t.TempDir(), small())
	for name, c := range map[string]struct {
		values string
		field  string
	}{
		"too long":           {"q=" + strings.Repeat("a", 201), "q"},
		"no country":         {"country=France", "country"},
		"no merchants' one":  {"in=F1", "in"},
		"no kind":            {"kind=discount", "kind"},
		"no frequency":       {"frequency=often", "frequency"},
		"no currency":        {"minimum=15", "minimum"},
		"not that currency":  {"minimum=15+EURO", "minimum"},
		"no amount":          {"minimum=-1+EUR", "minimum"},
		"no rate":            {"min_percent=lots", "min_percent"},
		"a negative rate":    {"min_percent=-1", "min_percent"},
		"no order":           {"sort=rank", "sort"},
		"no number":          {"limit=many", "limit"},
		"none":               {"limit=0", "limit"},
		"too many":           {"limit=201", "limit"},
		"neither yes nor no": {"verified=maybe", "verified"},
		"too many values":    {"portal=" + strings.Repeat("a,", 5) + many(101), "portal"},
		"a long value":       {"category=" + strings.Repeat("x", 101), "category"},
		"no cursor":          {"after=abc", "after"},
		"not base64":         {"after=***", "after"},
		"a foreign cursor":   {"after=" + base64.RawURLEncoding.EncodeToString(make([]byte, cursorSize)), "after"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := url.ParseQuery(c.values)
			if err != nil {
				t.Fatal(err)
			}
			q, err := ParseQuery(v)
			if err == nil {
				_, err = x.Search(t.Context(), q)
			}
			e, ok := err.(*cashback.Error)
			if !ok || e.Kind != cashback.Invalid || e.Place.Field != c.field {
				t.Errorf("%v, not Invalid at %q", err, c.field)
			}
		})
	}
	if _, err := x.ByDomain(t.Context(), "no address", ""); cashback.KindOf(err) != cashback.Invalid {
		t.Errorf("no address: %v", err)
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d,", i)
	}
	return b.String()
}

func TestParseQuery(t *testing.T) {
	v, err := url.ParseQuery("q=fnac&country=uk&in=FR,BE&in=GB&category=books&portal=a,b&kind=percent&method=paypal&minimum=12,50+eur&frequency=weekly" +
		"&donation=1&no_up_to=yes&verified=true&min_percent=2,5&sort=value&limit=7&facets=1&utm_source=x")
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseQuery(v)
	if err != nil {
		t.Fatal(err)
	}
	f := q.Filter
	if q.Text != "fnac" || q.Country != "GB" || len(f.Countries) != 3 || len(f.Portals) != 2 || f.MaxMinimum.Minor != 1250 || !f.Donation || !f.NoUpTo || !f.Verified ||
		f.MinPercent.Decimal.String() != "2.5" || q.Order != ByValue || q.Limit != 7 || !q.Facets || f.Frequencies[0] != cashback.Weekly {
		t.Errorf("%+v", q)
	}
}

// TestTrial: a text index that ends its process at every start is thrown away.
func TestTrial(t *testing.T) {
	m := small()
	dir := t.TempDir()
	x := opened(t, dir, m)
	done := make(chan error, 1)
	go func() { done <- x.Run(t.Context()) }()
	ready(t, x, m)
	if err := errors2(x.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, trialFile)); err == nil {
		t.Error("the trial goes on after a proper end")
	}
	for i := range maxTrials + 1 {
		x := opened(t, dir, m)
		if st := x.Ready(); st.Degraded != (i == maxTrials) {
			t.Fatalf("start %d: %+v", i+1, st)
		}
		// The process ends here: nothing is closed but the files.
		if e := x.text.Swap(nil); e != nil {
			if err := e.close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	x = indexed(t, dir, m)
	if h := found(t, x, "amazn"); len(h) != 1 {
		t.Errorf("found %+v", h)
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Yves Rocher", "H&M", "Tape à l'œil", "ＦＮＡＣ", "한국어 샵", "カフェ", "e\u0301", "\xff", strings.Repeat("é", 500), "ﬁx ™", "İstanbul", "ΟΔΟΣ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k := fold(s)
		if fold(k) != k {
			t.Errorf("fold(%q) = %q, folded again %q", s, k, fold(k))
		}
		if !utf8.ValidString(k) || utf8.RuneCountInString(glue(k)) > maxKey || strings.Contains(k, "  ") || strings.TrimSpace(k) != k {
			t.Errorf("fold(%q) = %q", s, k)
		}
		if k == "" {
			return
		}
		// A name is found by itself, and by each of its beginnings.
		n := newNeedle(s)
		if g := n.grade([]string{k}); g != Exact {
			t.Errorf("%q is grade %d of itself", s, g)
		}
		seen := map[string]bool{}
		for _, p := range prefixes([]string{k}) {
			seen[p] = true
		}
		if r := []rune(glue(k)); !seen[string(r[:min(len(r), gram)])] || !seen[string(r[:1])] {
			t.Errorf("the terms of %q lack its beginning: %v", k, seen)
		}
		n.near([]string{k}, 2)
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"https://www.fnac.com/a?b#c", "fr.shop.example.co.uk", "http://[::1]/", "//x.y", "http://a:b@c.com:80", "xn--bcher-kva.de", "bücher.de", "a.b", "..", "ftp://x.com", "http://192.168.0.1/x", "shop.com."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := parseAddress(s)
		if !ok {
			return
		}
		if a.site == "" || a.host != a.site && !strings.HasSuffix(a.host, "."+a.site) || len(a.host) > maxHost {
			t.Errorf("%q: %+v", s, a)
		}
		if again, ok := parseAddress("https://" + a.host + "/"); !ok || again.host != a.host || again.site != a.site {
			t.Errorf("%q reads as %+v, that as %+v", s, a, again)
		}
	})
}

// FuzzColumns reads foreign bytes behind a right checksum, which is the worst that
// a disk could hold.
func FuzzColumns(f *testing.F) {
	dir := f.TempDir()
	d := (*columns)(nil).draft()
	for _, s := range small().shops {
		d.put(s)
	}
	path := filepath.Join(dir, "columns")
	if err := saveColumns(path, d.done(7), mark{7, 8}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	if c, m, err := decodeColumns(whole); err != nil || m.applied != 7 || c.shops != 10 || c.offers != 17 {
		f.Fatal(c, m, err)
	}
	body := whole[len(savedHead) : len(whole)-4]
	f.Add(body)
	f.Add(body[:40])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append([]byte(savedHead), body...)
		sum := crc32.Checksum(b, castagnoli)
		b = append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
		c, _, err := decodeColumns(b)
		if err != nil {
			return
		}
		// What is accepted can be used.
		p := c.plan(&Query{}, noon)
		c.each(func(pg *page, slot int, s *shop) bool {
			p.look(pg, slot, nil)
			return true
		})
		c.draft().done(1)
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("q=fnac&country=FR&minimum=10+EUR&after=abc&sort=value&kind=percent")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		q, err := ParseQuery(v)
		if err != nil {
			if cashback.KindOf(err) != cashback.Invalid {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if _, err := q.after(); err != nil && cashback.KindOf(err) != cashback.Invalid {
			t.Errorf("%q: %v", s, err)
		}
		p := place{1, -2, 3}
		q.After = q.cursor(p)
		if at, err := q.after(); err != nil || *at != p {
			t.Errorf("a cursor comes back as %v, %v", at, err)
		}
	})
}
