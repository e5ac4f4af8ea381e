package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The size that the project promises its numbers for.
const (
	benchShops  = 50_000
	benchOffers = 400_000
)

var bench struct {
	once  sync.Once
	dir   string
	names []string
	stub  *memory
}

// benchFolder is the folder of an index of the promised size, made once, and left to
// the system's temporary files. What remains of its source is the number of its last
// change: in memory it would burden the collector of every measurement.
func benchFolder(b *testing.B) (string, Source) {
	b.Helper()
	bench.once.Do(func() {
		s := generated(benchShops, benchOffers, 1)
		dir, err := os.MkdirTemp("", "cagnotte-index-bench")
		if err != nil {
			b.Fatal(err)
		}
		if err := build(b, dir, s)(); err != nil {
			b.Fatal(err)
		}
		for id := range cashback.MerchantID(benchShops) {
			bench.names = append(bench.names, strings.Clone(s.shops[id+1].Merchant.Name))
		}
		bench.dir, bench.stub = dir, &memory{last: s.last, changes: s.changes, earliest: 1}
	})
	return bench.dir, bench.stub
}

func benchIndex(b *testing.B) *Index {
	b.Helper()
	dir, stub := benchFolder(b)
	x := opened(b, dir, stub)
	running(b, x)
	ready(b, x, stub)
	runtime.GC()
	return x
}

// build runs an index until it is ready, and returns what closes it.
func build(b *testing.B, dir string, s Source) func() error {
	x := opened(b, dir, s)
	done := make(chan error, 1)
	go func() { done <- x.Run(context.Background()) }()
	for !x.Ready().Ready {
		time.Sleep(time.Millisecond)
	}
	return func() error { return errors2(x.Close(), <-done) }
}

// BenchmarkBuild fills an empty folder from the source, to the last file written.
// Baseline: the same source read, and nothing done with it.
func BenchmarkBuild(b *testing.B) {
	s := generated(benchShops, benchOffers, 1)
	b.Run("index", func(b *testing.B) {
		cpu := processor()
		for b.Loop() {
			dir := b.TempDir()
			if err := build(b, dir, s)(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(folderSize(b, dir))/(1<<20), "MiB")
		}
		b.ReportMetric(benchOffers*float64(b.N)/(processor()-cpu).Seconds(), "offers/cpu-s")
		b.ReportMetric(benchOffers*float64(b.N)/b.Elapsed().Seconds(), "offers/s")
	})
	b.Run("baseline-read", func(b *testing.B) {
		for b.Loop() {
			if err := s.EachShop(b.Context(), func(Shop) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(benchOffers*float64(b.N)/b.Elapsed().Seconds(), "offers/s")
	})
}

func folderSize(b *testing.B, dir string) (n int64) {
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		n += i.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// typed are the texts on the way to names that exist: every length from one letter
// on, half of them with a typing error.
func typed(wrong bool) []string {
	r := rand.New(rand.NewPCG(4, 4))
	var out []string
	for range 2000 {
		name := []rune(bench.names[r.IntN(benchShops)])
		name = name[:1+r.IntN(len(name))]
		if wrong {
			if len(name) < 4 {
				continue
			}
			i := 1 + r.IntN(len(name)-2)
			switch r.IntN(3) {
			case 0:
				name[i], name[i+1] = name[i+1], name[i]
			case 1:
				name = slices.Delete(name, i, i+1)
			case 2:
				name[i] = 'x'
			}
		}
		out = append(out, string(name))
	}
	return out
}

// measure runs f over the inputs and reports its quantiles: by the clock, and by the
// processor's time, which a busy machine doesn't stretch.
func measure[T any](b *testing.B, in []T, f func(T)) {
	took, worked := make([]time.Duration, 0, 1<<16), make([]time.Duration, 0, 1<<16)
	i := 0
	for b.Loop() {
		began, cpu := time.Now(), processor()
		f(in[i%len(in)])
		took, worked = append(took, time.Since(began)), append(worked, processor()-cpu)
		i++
	}
	for name, list := range map[string][]time.Duration{"": took, "cpu-": worked} {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds()), name+"p50-µs")
		b.ReportMetric(float64(list[len(list)*99/100].Microseconds()), name+"p99-µs")
	}
}

// processor is the processor time that this process has used, on all cores.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSuggest is type-ahead. Baseline: the same text compared with every name
// in memory, as a degraded index does.
func BenchmarkSuggest(b *testing.B) {
	x := benchIndex(b)
	for name, texts := range map[string][]string{"right": typed(false), "wrong": typed(true)} {
		b.Run(name, func(b *testing.B) {
			measure(b, texts, func(text string) {
				if _, err := x.Suggest(b.Context(), text, "FR", 8); err != nil {
					b.Fatal(err)
				}
			})
		})
		b.Run(name+"-baseline-scan", func(b *testing.B) {
			measure(b, texts, func(text string) {
				c, n := x.columns.Load(), newNeedle(text)
				g := &gathering{p: c.publicPlan("FR", noon), top: newTop(8, nil)}
				scan(c, &n, quick, g.add)
			})
		})
	}
	for n := 1; n <= 3; n++ {
		var texts []string
		for _, t := range typed(false) {
			if r := []rune(t); len(r) >= n {
				texts = append(texts, string(r[:n]))
			}
		}
		b.Run("letters-"+strconv.Itoa(n), func(b *testing.B) {
			measure(b, texts, func(text string) {
				if _, err := x.Suggest(b.Context(), text, "FR", 8); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkSearch is a whole name with facets, with and without a typing error, and
// a category.
func BenchmarkSearch(b *testing.B) {
	x := benchIndex(b)
	r := rand.New(rand.NewPCG(4, 4))
	var names []string
	for range 2000 {
		names = append(names, bench.names[r.IntN(benchShops)])
	}
	ask := func(q Query) func(b *testing.B) {
		return func(b *testing.B) {
			measure(b, names, func(name string) {
				q := q
				if q.Text == "" {
					q.Text = name
				}
				if _, err := x.Search(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
	b.Run("name", ask(Query{Country: "FR"}))
	b.Run("name-facets", ask(Query{Country: "FR", Facets: true}))
	b.Run("category", ask(Query{Country: "FR", Text: "fashion", Facets: true}))
	b.Run("one-letter-facets", ask(Query{Country: "FR", Text: "m", Facets: true}))
}

// BenchmarkColumns are the questions without a text. Baseline: one pass over every
// cell that adds up its numbers.
func BenchmarkColumns(b *testing.B) {
	x := benchIndex(b)
	ten, err := ParseQuery(map[string][]string{
		"method": {"paypal", "bank_transfer"}, "minimum": {"10 EUR"}, "frequency": {"on_demand", "weekly", "monthly"}, "category": {"fashion"}, "facets": {"1"},
	})
	if err != nil {
		b.Fatal(err)
	}
	personal := func(l Lane) Worth {
		w := FaceValue(cashback.Money{Minor: 12_000, Currency: l.Portal.Currency})(l)
		w.Unit = w.Unit / 100 * int64(60+len(l.Portal.ID)%7*5)
		w.Ceiling = w.Unit / 4
		return w
	}
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"top-20-offers", Query{Valuer: personal}},
		{"top-20-offers-facets", Query{Valuer: personal, Facets: true}},
		{"category-offers", Query{Valuer: personal, Filter: Filter{Categories: []string{"fashion"}}}},
		{"filtered-offers", ten},
	} {
		b.Run(c.name, func(b *testing.B) {
			measure(b, once, func(int) {
				if r, err := x.Offers(b.Context(), c.q); err != nil || r.Total == 0 {
					b.Fatal(r, err)
				}
			})
		})
	}
	b.Run("browse-shops-facets", func(b *testing.B) {
		measure(b, once, func(int) {
			if _, err := x.Search(b.Context(), Query{Valuer: personal, Order: ByValue, Facets: true}); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("baseline-pass", func(b *testing.B) {
		sum := int64(0)
		measure(b, once, func(int) {
			for _, p := range x.columns.Load().pages {
				if p != nil {
					for i := range p.cells {
						sum += p.cells[i].value
					}
				}
			}
		})
		if sum == 0 {
			b.Fatal("nothing there")
		}
	})
}

var once = []int{0}

// BenchmarkStart opens a folder that is whole, until it is ready. Baseline: its
// files read.
func BenchmarkStart(b *testing.B) {
	dir, m := benchFolder(b)
	dir = copied(b, dir)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if err := build(b, dir, m)(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline-read", func(b *testing.B) {
		for b.Loop() {
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				_, err = os.ReadFile(path)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFollow applies publications of 100 changed rates each, scattered over
// the shops.
func BenchmarkFollow(b *testing.B) {
	m := generated(benchShops, benchOffers, 1)
	x := indexed(b, b.TempDir(), m)
	r := rand.New(rand.NewPCG(5, 5))
	for b.Loop() {
		for range 100 {
			id := cashback.MerchantID(1 + r.IntN(benchShops))
			s := m.shops[id]
			s.Offers = slices.Clone(s.Offers)
			s.Offers[0] = percent(s.Offers[0].Receipt.Portal, fmt.Sprintf("%d.5", r.IntN(20)))
			m.set(s)
		}
		for x.Applied() != m.last {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// BenchmarkMemory reports what the parts hold, in MiB: the heap with the columns
// alone, then with the text index open and questions asked, and the resident size
// of the whole process.
func BenchmarkMemory(b *testing.B) {
	dir, s := benchFolder(b)
	dir = copied(b, dir)
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	for b.Loop() {
		before := heap()
		c, _, err := loadColumns(filepath.Join(dir, columnsPrefix+schema))
		if err != nil {
			b.Fatal(err)
		}
		columns := heap() - before
		runtime.KeepAlive(c)
		c = nil
		x := opened(b, dir, s)
		for _, text := range []string{"m", "ba", "tra", "fahsion", "qqqqqqqq"} {
			if _, err := x.Search(b.Context(), Query{Text: text, Facets: true}); err != nil {
				b.Fatal(err)
			}
		}
		whole := heap() - before
		b.ReportMetric(columns, "columns-MiB")
		b.ReportMetric(whole-columns, "bleve-heap-MiB")
		b.ReportMetric(resident(b), "resident-MiB")
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func resident(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")))
			return float64(n) / 1024
		}
	}
	return 0
}
