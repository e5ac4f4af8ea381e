package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// lines are n events as an import makes them: a purchase is listed, confirmed, payable,
// requested and paid, at one of twelve portals and 500 shops.
func lines(seed uint64, from, n int) []earnings.Event {
	rng := rand.New(rand.NewPCG(seed, uint64(from)))
	kinds := []earnings.EventKind{earnings.Tracked, earnings.Confirmed, earnings.Payable, earnings.PayoutRequested, earnings.Paid}
	at := time.Date(2024, 1, 2, 10, 0, 0, 0, time.UTC)
	out := make([]earnings.Event, 0, n)
	for i := from; i < from+n; i++ {
		purchase, rung := i/len(kinds), i%len(kinds)
		e := earnings.Event{
			Kind: kinds[rung], Purchase: fmt.Sprintf("p%08d", purchase), Portal: fmt.Sprint("portal-", purchase%12), At: at.Add(time.Duration(i) * time.Hour / 10),
			Key: fmt.Sprintf("import:%08d:%d", purchase, rung), Source: "import:portal", Wording: "Confirmed",
		}
		if rung == 0 {
			e.Merchant, e.Shop = cashback.MerchantID(1+rng.IntN(500)), fmt.Sprint("Shop ", rng.IntN(500))
			e.Amount, e.Order = eur(int64(50+rng.IntN(3000))), fmt.Sprint("ORDER-", rng.IntN(1e9))
		}
		out = append(out, e)
	}
	return out
}

// ledgers is a folder with 1,000,000 events of 100 people, 10,000 each. It is made once
// and kept among the temporary files.
func ledgers(b *testing.B) (*Store, account.UserID) {
	b.Helper()
	ctx := context.Background()
	dir := filepath.Join(os.TempDir(), "cagnotte-bench-ledgers-1")
	_, err := os.Stat(filepath.Join(dir, "whole"))
	made := err == nil
	if !made {
		_ = os.RemoveAll(dir)
	}
	s, err := Open(ctx, dir, options(newClock()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if made {
		return s, 50
	}
	for i := range 100 {
		u := shopper(b, s, fmt.Sprint("person-", i))
		if _, err := s.Ledgers().Append(ctx, u, lines(uint64(i), 0, 10_000)...); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600); err != nil {
		b.Fatal(err)
	}
	return s, 50
}

// BenchmarkLedgers measures one person's ledger of 10,000 events among 1,000,000. The
// baseline of what is read is the fold of all the person's events; that of the import is
// the same lines, each in a transaction of its own.
func BenchmarkLedgers(b *testing.B) {
	ctx := context.Background()
	s, u := ledgers(b)
	l := s.Ledgers()
	b.Run("balances", func(b *testing.B) {
		for b.Loop() {
			if got, err := l.Balances(ctx, u); err != nil || len(got) == 0 {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("dashboard_purchases_and_past", func(b *testing.B) {
		for b.Loop() {
			purchases, err := l.Purchases(ctx, u, Filter{})
			if err != nil || len(purchases) < 2000 {
				b.Fatal(len(purchases), err)
			}
			earnings.PastOf(purchases, s.now())
		}
	})
	b.Run("baseline_fold_of_all_events", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Ledger(ctx, u); err != nil {
				b.Fatal(err)
			}
		}
	})
	person := 0
	fresh := func(b *testing.B) account.UserID {
		b.StopTimer()
		defer b.StartTimer()
		person++
		return shopper(b, s, fmt.Sprint("fresh-", time.Now().UnixNano(), "-", person))
	}
	b.Run("import_10000_lines", func(b *testing.B) {
		events := lines(1, 0, 10_000)
		for b.Loop() {
			if in, err := l.Append(ctx, fresh(b), events...); err != nil || len(in.Added) != len(events) {
				b.Fatal(err)
			}
		}
	})
	b.Run("import_10000_lines_again", func(b *testing.B) {
		events := lines(uint64(u-1), 0, 10_000)
		for b.Loop() {
			if in, err := l.Append(ctx, u, events...); err != nil || len(in.Known) != len(events) {
				b.Fatal(len(in.Added), err)
			}
		}
	})
	b.Run("baseline_100_lines_one_by_one", func(b *testing.B) {
		events := lines(1, 0, 100)
		for b.Loop() {
			u := fresh(b)
			for _, e := range events {
				if _, err := l.Append(ctx, u, e); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("append_one_event", func(b *testing.B) {
		at := 1_000_000 + time.Now().Nanosecond()
		for b.Loop() {
			at += 5
			e := lines(1, at-at%5, 1)[0]
			if _, err := l.Append(ctx, u+1, e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
