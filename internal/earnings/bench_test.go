package earnings_test

import (
	"fmt"
	"testing"

	"github.com/cagnotte/cagnotte/internal/earnings"
)

// manyLines are ten thousand lines over three years.
func manyLines(n int) []earnings.Line {
	out := make([]earnings.Line, n)
	for i := range out {
		out[i] = row(fmt.Sprintf("%d-%02d-%02d | Shop %d | %d.%02d | tracked", 2024+i%3, 1+i%12, 1+i%28, i%97, 1+i%50, i%100))
	}
	return out
}

// BenchmarkDiff is an import of 10,000 lines into an empty ledger, and the same again,
// beside the appending of its events, which is the least that it could cost.
func BenchmarkDiff(b *testing.B) {
	lines := manyLines(10_000)
	empty := earnings.NewLedger()
	plan := earnings.Diff(empty, lines, earnings.DiffOptions{Now: importedAt})
	full := earnings.NewLedger()
	for _, e := range plan.Events() {
		if _, _, err := full.Append(e, importedAt); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			earnings.Diff(empty, lines, earnings.DiffOptions{Now: importedAt})
		}
	})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			if p := earnings.Diff(full, lines, earnings.DiffOptions{Now: importedAt}); len(p.Events()) > 0 {
				b.Fatal("added")
			}
		}
	})
	b.Run("append-baseline", func(b *testing.B) {
		for b.Loop() {
			l := earnings.NewLedger()
			for _, e := range plan.Events() {
				if _, _, err := l.Append(e, importedAt); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
