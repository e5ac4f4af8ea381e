package rank

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// randomNumber draws a rational from tiny to beyond 64 bits, and its big.Rat.
func randomNumber(r *rand.Rand) (number, *big.Rat) {
	m := maker{Rand: r}
	one := func() int64 {
		switch m.IntN(3) {
		case 0:
			return pick[int64](m, 0, 1, -1, 2, 3, 10, 100, 365, math.MaxInt64, math.MaxInt64-1, -math.MaxInt64, math.MaxInt32, 1<<31, 1<<62)
		case 1:
			return m.Int64() >> m.IntN(63)
		}
		return m.Int64N(2001) - 1000
	}
	n, d := one(), one()
	if d < 0 {
		d = -d
	}
	if d == 0 {
		return number{n: n}, big.NewRat(n, 1)
	}
	x, exact := fraction(n, d), big.NewRat(n, d)
	if m.IntN(10) == 0 {
		exact.Mul(exact, big.NewRat(math.MaxInt64, 7))
		var r ratio
		r.n.Set(exact.Num())
		r.d.Set(exact.Denom())
		if m.IntN(2) == 0 { // neither reduced nor short
			r.n.Mul(&r.n, big.NewInt(12))
			r.d.Mul(&r.d, big.NewInt(12))
			return number{big: &r}, exact
		}
		return r.number(), exact
	}
	return x, exact
}

// The short form gives what big.Rat gives, whatever overflows on the way.
func TestPropertyNumberIsExact(t *testing.T) {
	trials(t, 5_000, 1_000_000, func(t *testing.T, r *rand.Rand) {
		x, rx := randomNumber(r)
		y, ry := randomNumber(r)
		same := func(what string, got number, want *big.Rat) {
			r := got.ratio()
			if r.d.Sign() <= 0 || new(big.Rat).SetFrac(&r.n, &r.d).Cmp(want) != 0 {
				t.Fatalf("%s of %s and %s: %s/%s, want %s", what, rx, ry, &r.n, &r.d, want)
			}
		}
		same("sum", x.add(y), new(big.Rat).Add(rx, ry))
		same("difference", x.sub(y), new(big.Rat).Sub(rx, ry))
		same("product", x.mul(y), new(big.Rat).Mul(rx, ry))
		if ry.Sign() != 0 {
			same("quotient", x.div(y), new(big.Rat).Quo(rx, ry))
		}
		same("reduced", x.reduced(), rx)
		if x.cmp(y) != rx.Cmp(ry) || x.sign() != rx.Sign() {
			t.Fatalf("%s against %s: %d, sign %d", rx, ry, x.cmp(y), x.sign())
		}
		if rx.Sign() >= 0 {
			floor := new(big.Int).Div(rx.Num(), rx.Denom())
			ceil := new(big.Int).Neg(new(big.Int).Div(new(big.Int).Neg(rx.Num()), rx.Denom()))
			same("floor", x.floor(), new(big.Rat).SetInt(floor))
			same("ceil", x.ceil(), new(big.Rat).SetInt(ceil))
		}
		for _, digits := range []int{0, 2, 3} {
			got, ok := x.minor(digits)
			want := roundHalfAway(rx, digits)
			if ok != want.IsInt64() || ok && got != want.Int64() {
				t.Fatalf("%s to %d digits: %d %v, want %s", rx, digits, got, ok, want)
			}
		}
	})
}

// roundHalfAway is naive on purpose: the text of RANKING.md, digit by digit.
func roundHalfAway(r *big.Rat, digits int) *big.Int {
	scaled := new(big.Rat).Mul(new(big.Rat).Abs(r), new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)))
	scaled.Add(scaled, big.NewRat(1, 2))
	q := new(big.Int).Div(scaled.Num(), scaled.Denom())
	if r.Sign() < 0 {
		q.Neg(q)
	}
	return q
}
