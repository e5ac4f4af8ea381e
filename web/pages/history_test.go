package pages

import "testing"

func TestGap(t *testing.T) {
	for most, want := range map[int64]int64{1: 1, 4: 1, 5: 2, 9: 2, 280: 100, 450: 100, 500: 200, 999: 200, 1100: 500, 4500: 1000, 1_000_000_000: 500_000_000} {
		if got := gap(most); got != want {
			t.Errorf("up to %d: a mark every %d, want %d", most, got, want)
		}
		if n := most / gap(most); n > 4 {
			t.Errorf("up to %d: %d marks", most, n)
		}
	}
}
