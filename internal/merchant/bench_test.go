package merchant

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// invented makes names of shops that don't exist, much like those that do: one or
// two made-up words, often with a trade or a common word.
type invented struct {
	rnd *rand.Rand
}

func (v *invented) word() string {
	const onset, vowel, coda = "b c d f g h j k l m n p r s t v w z br cl dr fl gr kr pl sh st tr", "a e i o u ai ee ou", "  l n r s t m x ck nd"
	pick := func(s string) string {
		p := strings.Split(s, " ")
		return p[v.rnd.IntN(len(p))]
	}
	var b strings.Builder
	for range 2 + v.rnd.IntN(2) {
		b.WriteString(pick(onset) + pick(vowel) + pick(coda))
	}
	w := b.String()
	return strings.ToUpper(w[:1]) + w[1:]
}

func (v *invented) name() string {
	trades := []string{"Shoes", "Bank", "Voyages", "Outlet", "Optique", "Home", "Sport", "Beauty", "Books", "Paris", "Direct", "Garden", "Foto", "& Sons"}
	switch v.rnd.IntN(5) {
	case 0:
		return v.word() + " " + v.word()
	case 1:
		return v.word() + " " + trades[v.rnd.IntN(len(trades))]
	}
	return v.word()
}

// listed is how a portal writes a shop.
func (v *invented) listed(name, domain, category string, market cashback.Country, key string) cashback.Entry {
	e := cashback.Entry{Key: key, Name: name, Country: market}
	switch v.rnd.IntN(8) {
	case 0:
		e.Name = strings.ToUpper(name)
	case 1:
		e.Name = "Code promo " + name
	case 2:
		e.Name = name + " " + string(market)
	case 3:
		e.Name = strings.ReplaceAll(strings.ToLower(name), " ", "-")
	case 4:
		e.Name = strings.ReplaceAll(name, " ", "") + ".com"
	}
	if v.rnd.IntN(3) == 0 {
		e.Domain = domain
	}
	if v.rnd.IntN(2) == 0 {
		e.Category = category
	}
	return e
}

// portals makes what count portals list of shops, in three markets.
func portals(shops, count int) [][]cashback.Entry {
	v := &invented{rand.New(rand.NewPCG(1, 2))}
	categories := []string{"fashion", "travel", "finance", "home", "sport", "health", "books", "food"}
	markets := []cashback.Country{"FR", "GB", "DE"}
	out := make([][]cashback.Entry, count)
	for i := range shops {
		name, category, market := v.name(), categories[v.rnd.IntN(len(categories))], markets[i%len(markets)]
		domain := strings.ReplaceAll(strings.ToLower(name), " ", "") + ".com"
		for p := range out {
			out[p] = append(out[p], v.listed(name, domain, category, market, fmt.Sprint(i)))
		}
	}
	return out
}

// BenchmarkCatalogue resolves 500,000 entries of 50,000 shops from empty, and one
// new entry against those, and restores the 500,000. The baseline joins equal names and does nothing else.
func BenchmarkCatalogue(b *testing.B) {
	lists := portals(50_000, 10)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b.Run("Baseline", func(b *testing.B) {
		for b.Loop() {
			seen := map[string]int{}
			for _, l := range lists {
				for _, e := range l {
					seen[string(e.Country)+strings.ToLower(e.Name)]++
				}
			}
			b.ReportMetric(float64(len(seen)), "merchants")
		}
	})
	r := rules(b)
	var c *Catalogue
	b.Run("FromEmpty", func(b *testing.B) {
		for b.Loop() {
			c = nil
			before := heap()
			c = New(r)
			for p, l := range lists {
				c.Upsert(fmt.Sprint("portal", p), l)
			}
			b.ReportMetric(float64(heap()-before)/1e6, "MB-held")
			b.ReportMetric(float64(len(c.merchants)), "merchants")
		}
	})
	b.Run("Restore", func(b *testing.B) {
		state := State{Next: c.next}
		for m := range c.Merchants() {
			state.Merchants = append(state.Merchants, m)
		}
		for p, l := range lists {
			for _, e := range l {
				portal := fmt.Sprint("portal", p)
				state.Held = append(state.Held, Held{Portal: portal, Entry: e, Merchant: c.Of(Ref{portal, e.Key})})
			}
		}
		c = nil
		for b.Loop() {
			c = nil
			before := heap()
			c = New(r)
			if _, err := c.Restore(state); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(heap()-before)/1e6, "MB-held")
		}
	})
	b.Run("OneEntry", func(b *testing.B) {
		if c == nil {
			c = New(r)
			for p, l := range lists {
				c.Upsert(fmt.Sprint("portal", p), l)
			}
		}
		v := &invented{rand.New(rand.NewPCG(3, 4))}
		n := 0
		for b.Loop() {
			n++
			from := lists[0][v.rnd.IntN(len(lists[0]))]
			c.Upsert("new", []cashback.Entry{v.listed(from.Name, "", "", from.Country, fmt.Sprint(n))})
		}
	})
}
