package pages

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSpread: names never overlap nor leave the drawing, and keep the order of their
// lines.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, chartNamed).Draw(t, "lines")
		lines := make([]chartLine, n)
		for i := range lines {
			lines[i].EndY = rapid.IntRange(0, chartHigh).Draw(t, "end")
		}
		spread(lines)
		slices.SortFunc(lines, func(a, b chartLine) int { return a.NameY - b.NameY })
		for i := range lines {
			if lines[i].NameY < 0 || lines[i].NameY > chartHigh {
				t.Fatalf("outside: %+v", lines)
			}
			if i > 0 && (lines[i].NameY-lines[i-1].NameY < nameGap || lines[i].EndY < lines[i-1].EndY) {
				t.Fatalf("too close, or out of order: %+v", lines)
			}
		}
	})
}

// TestTickStep: steps are 1, 2 or 5 times a power of ten, and no more than the parts.
func TestTickStep(t *testing.T) {
	for span, want := range map[int64]int64{1: 1, 4: 1, 5: 2, 20000: 5000, 19900: 5000, 49900: 20000, 1500: 500, 1_000_000_000: 500_000_000} {
		if got := tickStep(span, 4); got != want {
			t.Errorf("tickStep(%d) = %d, want %d", span, got, want)
		}
	}
}
