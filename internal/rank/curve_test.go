package rank

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/govalues/decimal"
)

// rankAt is Rank at an amount in minor units: the winner, "" for none, and the
// answer.
func rankAt(t *testing.T, c Case, minor int64) (string, Answer) {
	t.Helper()
	c.Purchase.Amount = decimal.MustNew(minor, c.Purchase.Currency.Digits())
	a := mustRank(t, c)
	if len(a.Ranked) == 0 {
		return "", a
	}
	return a.Ranked[0].Portal, a
}

func leaderOf(st Stretch) string {
	if len(st.Portals) == 0 {
		return ""
	}
	return st.Portals[0]
}

// A curve says what Rank says, at random amounts and on both sides of each switch.
func TestPropertyCurve(t *testing.T) {
	stretches, joined, kinks := 0, 0, map[string]int{}
	trials(t, 300, 40_000, func(t *testing.T, r *rand.Rand) {
		c := pick(maker{Rand: r}, randomCase, racingCase, racingCase)(r)
		from := pick[int64](maker{Rand: r}, 0, 0, 1, 1999, 5000)
		to := from + r.Int64N(pick[int64](maker{Rand: r}, 20, 2_000, 40_000, 1_000_000))
		curve, err := CurveOf(c, from, to)
		if err != nil {
			t.Fatalf("%v\n%+v", err, c)
		}
		checkCurve(t, r, c, curve)
		stretches += len(curve.Leaders)
		for _, st := range curve.Leaders {
			if len(st.Portals) > 1 {
				joined++
			}
		}
		for _, l := range curve.Lines {
			for _, k := range l.Kinks {
				kinks[k.Why]++
			}
		}
	})
	if joined == 0 || stretches < 300 || len(kinks) < 5 {
		t.Error("the cases don't reach all that a curve has")
	}
	t.Logf("%d stretches, %d of them joined; kinks %v", stretches, joined, kinks)
}

func checkCurve(t *testing.T, r *rand.Rand, c Case, curve Curve) {
	t.Helper()
	next := curve.From
	var before []string
	for _, st := range curve.Leaders {
		if st.From != next || st.To < st.From || next > curve.From && slices.Equal(before, st.Portals) && !st.Undecided {
			t.Fatalf("stretch %+v, want one from %d on\n%+v", st, next, curve.Leaders)
		}
		if st.Undecided && curve.To-curve.From < 100_000 {
			t.Errorf("undecided within a thousand euros: %+v", st)
		}
		next, before = st.To+1, st.Portals
		for _, amount := range []int64{st.From, st.To, st.From + r.Int64N(st.To-st.From+1), st.From + (st.To-st.From)/2} {
			best, _ := rankAt(t, c, amount)
			if len(st.Portals) <= 1 && best != leaderOf(st) || len(st.Portals) > 1 && !slices.Contains(st.Portals, best) {
				t.Errorf("%+v, but at %d Rank has %q first\n%+v", st, amount, best, c)
			}
		}
	}
	if next != curve.To+1 {
		t.Errorf("the stretches end at %d, want %d", next-1, curve.To)
	}
	for _, l := range curve.Lines {
		for i, p := range l.Points {
			if i > 0 && l.Points[i-1].Amount >= p.Amount {
				t.Errorf("%s: point %d at %d comes after %d", l.Portal, i, p.Amount, l.Points[i-1].Amount)
			}
		}
		p := l.Points[r.IntN(len(l.Points))]
		_, a := rankAt(t, c, p.Amount)
		if _, row := place(a, l.Portal); row == nil || row.Value != p.Value || row.Days != p.Days || row.Method != p.Method {
			t.Errorf("%s: %+v, but Rank has %+v\n%+v", l.Portal, p, row, c)
		}
	}
}

// Each amount of a small range, one by one.
func TestPropertyCurveEveryAmount(t *testing.T) {
	trials(t, 10, 1_000, func(t *testing.T, r *rand.Rand) {
		c := pick(maker{Rand: r}, randomCase, racingCase, racingCase)(r)
		from := pick[int64](maker{Rand: r}, 0, 1900, 4950, 9950)
		curve, err := CurveOf(c, from, from+300)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range curve.Leaders {
			for amount := st.From; amount <= st.To; amount++ {
				if best, _ := rankAt(t, c, amount); len(st.Portals) <= 1 && best != leaderOf(st) || len(st.Portals) > 1 && !slices.Contains(st.Portals, best) {
					t.Fatalf("%+v, but at %d Rank has %q first\n%+v", st, amount, best, c)
				}
			}
		}
	})
}
