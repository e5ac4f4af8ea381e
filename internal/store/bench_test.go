package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// world generates portals that list shops, a seeded sample of one population.
type world struct {
	rng       *rand.Rand
	merchants int
	portals   []cashback.Portal
}

func newWorld(seed uint64, portals, merchants int) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), merchants: merchants}
	for i := range portals {
		w.portals = append(w.portals, cashback.Portal{ID: fmt.Sprintf("portal-%03d.test", i), Name: fmt.Sprintf("Portal %d", i), Countries: []cashback.Country{"FR"}, Currency: "EUR", Publication: cashback.Public})
	}
	return w
}

// run is a crawl of a portal that lists count shops, fifty a page, with the plan
// that a catalogue would make of it: shop number i is merchant i+1.
func (w *world) run(portal, count int, at time.Time, known map[int]bool) Publication {
	id := w.portals[portal].ID
	offers := make([]cashback.Offer, 0, count)
	plan := merchant.Plan{Portal: id, Assign: map[string]cashback.MerchantID{}, Founders: map[cashback.MerchantID]merchant.Ref{}}
	for i, shop := range w.rng.Perm(w.merchants)[:count] {
		rate := fmt.Sprintf("%d.%d", 1+w.rng.IntN(12), w.rng.IntN(10))
		o := percent(id, fmt.Sprintf("shop-number-%d", shop), rate, i/50, at.Add(time.Duration(i/50)*3*time.Second))
		m := cashback.MerchantID(shop + 1)
		plan.Assign[o.Entry.Key] = m
		if !known[shop] {
			known[shop] = true
			plan.New = append(plan.New, cashback.Merchant{ID: m, Name: o.Entry.Name, Slug: o.Entry.Name, Country: "FR", Domain: o.Entry.Name + ".fr"})
			plan.Founders[m] = merchant.Ref{Portal: id, Key: o.Entry.Key}
		}
		offers = append(offers, o)
	}
	p := publish(id, fmt.Sprintf("%s-%d", id, at.Unix()), at, offers...)
	p.Plan = plan
	return p
}

// bigStore is a folder with 400,000 offers of 50,000 merchants on 80 portals. It is
// made once and kept among the temporary files.
func bigStore(b *testing.B) string {
	b.Helper()
	dir := filepath.Join(os.TempDir(), "cagnotte-bench-store-3")
	if _, err := os.Stat(filepath.Join(dir, "whole")); err == nil {
		return dir
	}
	_ = os.RemoveAll(dir)
	c := newClock()
	s, err := Open(context.Background(), dir, options(c))
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld(1, 80, 50_000)
	if err := s.SavePortals(context.Background(), w.portals); err != nil {
		b.Fatal(err)
	}
	known := map[int]bool{}
	for i := range w.portals {
		mustPublish(b, s, w.run(i, 5000, c.at, known))
		c.forward(time.Minute)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

func openBig(b *testing.B) *Store {
	s, err := Open(context.Background(), bigStore(b), options(newClock()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// BenchmarkPublish publishes 10,000 offers: the first time, again without a change,
// and with a tenth of the rates moved. The baseline writes as many records of the
// same size, sorted, in one bbolt transaction.
func BenchmarkPublish(b *testing.B) {
	const count = 10_000
	setup := func(b *testing.B) (*Store, *world, *clock) {
		c := newClock()
		s, err := Open(context.Background(), b.TempDir(), options(c))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		w := newWorld(2, 1, count)
		if err := s.SavePortals(context.Background(), w.portals); err != nil {
			b.Fatal(err)
		}
		return s, w, c
	}
	b.Run("first", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			s, w, c := setup(b)
			p := w.run(0, count, c.at, map[int]bool{})
			b.StartTimer()
			mustPublish(b, s, p)
		}
		b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "offers/s")
	})
	again := func(b *testing.B, move func(*cashback.Offer, int)) {
		s, w, c := setup(b)
		first := w.run(0, count, c.at, map[int]bool{})
		mustPublish(b, s, first)
		b.ResetTimer()
		for n := range b.N {
			b.StopTimer()
			c.forward(6 * time.Hour)
			p := first
			p.Plan = merchant.Plan{}
			p.Snapshot.Run.ID = fmt.Sprint("again-", n)
			p.Snapshot.Offers = append([]cashback.Offer(nil), first.Snapshot.Offers...)
			for i := range p.Snapshot.Offers {
				o := &p.Snapshot.Offers[i]
				o.Receipt.ReadAt, o.Receipt.Run = o.Receipt.ReadAt.Add(time.Duration(n+1)*6*time.Hour), p.Snapshot.Run.ID
				move(o, n*count+i)
			}
			b.StartTimer()
			mustPublish(b, s, p)
		}
		b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "offers/s")
	}
	b.Run("unchanged", func(b *testing.B) { again(b, func(*cashback.Offer, int) {}) })
	b.Run("tenth-moved", func(b *testing.B) {
		again(b, func(o *cashback.Offer, i int) {
			if i%10 == 0 {
				o.Tiers = []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: dec(fmt.Sprintf("%d.5", i%97))}}}}
			}
		})
	})
	b.Run("baseline", func(b *testing.B) {
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		value := make([]byte, 150)
		for n := range b.N {
			err := db.Update(func(tx *bbolt.Tx) error {
				k, err := tx.CreateBucketIfNotExists([]byte(fmt.Sprint(n)))
				for i := 0; i < count && err == nil; i++ {
					err = k.Put(numberKey(uint64(i)), value)
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "offers/s")
	})
}

// BenchmarkIterate reads all 400,000 offers merchant by merchant, as the index does;
// the baseline only walks the three buckets that they lie in.
func BenchmarkIterate(b *testing.B) {
	s := openBig(b)
	b.Run("merchants", func(b *testing.B) {
		for range b.N {
			n := 0
			err := s.As(Public).EachMerchant(context.Background(), func(_ cashback.Merchant, o []cashback.Offer) error { n += len(o); return nil })
			if err != nil || n != 400_000 {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(400_000*b.N)/b.Elapsed().Seconds(), "offers/s")
	})
	b.Run("baseline", func(b *testing.B) {
		for range b.N {
			err := s.db.View(func(tx *bbolt.Tx) error {
				for _, name := range []bucket{merchantsBucket, offersBucket, readingsBucket} {
					if err := tx.Bucket([]byte(name)).ForEach(func(_, _ []byte) error { return nil }); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(400_000*b.N)/b.Elapsed().Seconds(), "offers/s")
	})
}

// BenchmarkOffers reads the eight offers of one merchant among 50,000; the baseline
// gets eight records.
func BenchmarkOffers(b *testing.B) {
	s := openBig(b)
	rng := rand.New(rand.NewPCG(3, 3))
	b.Run("merchant", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := s.As(Public).Offers(context.Background(), cashback.MerchantID(1+rng.IntN(50_000))); err != nil && cashback.KindOf(err) != cashback.NotFound {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		for range b.N {
			_ = s.db.View(func(tx *bbolt.Tx) error {
				for range 8 {
					_ = tx.Bucket([]byte(listedBucket)).Get(place{portalNumber(1 + rng.IntN(80)), entryNumber(rng.IntN(400_000))}.key())
				}
				return nil
			})
		}
	})
}

// BenchmarkOpen opens the store with 400,000 offers; the baseline is bbolt alone.
func BenchmarkOpen(b *testing.B) {
	dir := bigStore(b)
	b.Run("store", func(b *testing.B) {
		for range b.N {
			s, err := Open(context.Background(), dir, options(newClock()))
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			_ = s.Close()
			b.StartTimer()
		}
	})
	b.Run("state", func(b *testing.B) {
		s := openBig(b)
		b.ResetTimer()
		for range b.N {
			if st, err := s.MerchantState(context.Background()); err != nil || len(st.Held) != 400_000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		for range b.N {
			db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			_ = db.Close()
			b.StartTimer()
		}
	})
}

// BenchmarkSaveHost is the smallest write, which stands before every request; the
// baseline is one fsync of a small file.
func BenchmarkSaveHost(b *testing.B) {
	s := openBig(b)
	value := make([]byte, 60)
	b.Run("store", func(b *testing.B) {
		for i := range b.N {
			if err := s.SaveHost(context.Background(), fmt.Sprintf("host-%d.test", i%60), value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "f"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		for range b.N {
			if _, err := f.WriteAt(value, 0); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecode reads one offer's record by hand; the baseline is the library.
func BenchmarkDecode(b *testing.B) {
	o := percent("portal.test", "a-shop", "6.5", 3, newClock().at)
	rec := offerRecordOf(&o)
	rec.Page, rec.Since = 3, stamp(o.Receipt.ReadAt)
	payload := encoded(&listing{entryRecord: entryRecordOf(o.Entry), Last: 12345, Offer: &rec})
	b.Run("hand", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if !hot(payload, new(listing)) {
				b.Fatal("the hand gave up")
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if err := decoding.Unmarshal(payload, new(listing)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(payload)), "bytes")
	})
}

// BenchmarkListings reads what a publication reads first: all that a portal lists,
// 5,000 of 400,000 offers; the baseline reads as many that lie side by side.
func BenchmarkListings(b *testing.B) {
	s := openBig(b)
	b.Run("portal", func(b *testing.B) {
		for n := range b.N {
			err := s.read(context.Background(), func(t *tx) error {
				all, err := t.listings(portalNumber(1 + n%80))
				if err == nil && len(all) != 5000 {
					b.Fatal(len(all))
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		for range b.N {
			err := s.read(context.Background(), func(t *tx) error {
				n := 0
				return eachOf(t, offersBucket, nil, nil, func([]byte, *listing) error {
					if n++; n == 5000 {
						return errStop
					}
					return nil
				})
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
