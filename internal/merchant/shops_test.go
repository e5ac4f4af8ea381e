package merchant

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// TestShops grades the rules by testdata/shops.txt, pairwise within a market, with
// and without the alias data: what one sees alone must not rest on the other.
func TestShops(t *testing.T) {
	records, truth := readShops(t)
	for _, c := range []struct {
		name          string
		o             Options
		precision, f1 float64
	}{
		{"with the alias data", Options{}, 0.99, 0.975},
		{"by the rules alone", Options{NoAliases: true}, 0.995, 0.965},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := NewRules(c.o)
			if err != nil {
				t.Fatal(err)
			}
			type key struct {
				market        cashback.Country
				cluster, shop string
			}
			found, both, real := map[key]int{}, map[key]int{}, map[key]int{}
			at := map[string]cashback.Country{}
			for _, rec := range records {
				at[rec.ID] = rec.Market
			}
			for _, d := range r.Resolve(records) {
				m, shop := at[d.RecordID], truth[d.RecordID]
				found[key{m, d.Cluster, ""}]++
				both[key{m, d.Cluster, shop}]++
				real[key{m, "", shop}]++
			}
			pairs := func(of map[key]int) (n float64) {
				for _, k := range of {
					n += float64(k*(k-1)) / 2
				}
				return n
			}
			precision, recall := pairs(both)/pairs(found), pairs(both)/pairs(real)
			f1 := 2 * precision * recall / (precision + recall)
			t.Logf("%d entries of %d shops: precision %.4f, recall %.4f, F1 %.4f", len(records), len(real), precision, recall, f1)
			if precision < c.precision || f1 < c.f1 {
				t.Errorf("want precision %.3f and F1 %.3f", c.precision, c.f1)
			}
		})
	}
}

// readShops reads the entries, and which shop each means.
func readShops(t *testing.T) ([]Record, map[string]string) {
	t.Helper()
	in, err := os.Open("testdata/shops.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out []Record
	truth := map[string]string{}
	market := cashback.Country("")
	sc := bufio.NewScanner(in)
	for line := 1; sc.Scan(); line++ {
		s := sc.Text()
		switch {
		case s == "" || strings.HasPrefix(s, "# "):
			continue
		case strings.HasPrefix(s, "["):
			market = cashback.Country(strings.Trim(s, "[]"))
			continue
		}
		for _, e := range strings.Split(s, "\t") {
			rec := Record{ID: fmt.Sprint(len(out)), Market: market}
			e, rec.Category, _ = strings.Cut(e, " #")
			rec.Name, rec.Domain, _ = strings.Cut(e, " @")
			out = append(out, rec)
			truth[rec.ID] = fmt.Sprint(line)
		}
	}
	return out, truth
}
