package rank

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// number is an exact rational. While numerator and denominator fit 64 bits it is
// a fraction n/d that is reduced only when it must be; beyond that they are
// big.Ints. TestPropertyNumberIsExact holds both forms to big.Rat;
// BenchmarkNumber measures what they spare.
//
// The zero value is 0. Numbers are values: no operation changes its operands.
type number struct {
	n, d int64 // d > 0, or 0 for the zero value's 1; n is never MinInt64
	big  *ratio
}

// ratio is n/d for d > 0, not always reduced.
type ratio struct{ n, d big.Int }

// maxBits is how long a ratio may grow before it is reduced: some operations
// beyond 64 bits, so that a sum seldom pays for a common divisor.
const maxBits = 512

var (
	zero = number{0, 1, nil}
	one  = number{1, 1, nil}
)

func whole(n int64) number { return number{n, 1, nil} }

// fraction is n/d for d > 0.
func fraction(n, d int64) number { return number{n, d, nil} }

// exactly is the decimal as a number.
func exactly(d cashback.Decimal) number {
	c := d.Coef()
	if c <= math.MaxInt64 && d.Scale() <= 18 {
		n := int64(c)
		if d.IsNeg() {
			n = -n
		}
		return number{n, powers[d.Scale()], nil}
	}
	var r ratio
	r.n.SetUint64(c)
	if d.IsNeg() {
		r.n.Neg(&r.n)
	}
	r.d.Exp(big.NewInt(10), big.NewInt(int64(d.Scale())), nil)
	return r.number()
}

var powers = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// number takes r over, reduced, and short where it fits.
func (r *ratio) number() number {
	if g := new(big.Int).GCD(nil, nil, new(big.Int).Abs(&r.n), &r.d); !g.IsInt64() || g.Int64() > 1 {
		r.n.Quo(&r.n, g)
		r.d.Quo(&r.d, g)
	}
	if r.n.IsInt64() && r.d.IsInt64() && r.n.Int64() != math.MinInt64 {
		return number{r.n.Int64(), r.d.Int64(), nil}
	}
	return number{big: r}
}

// long takes r over.
func (r *ratio) long() number {
	if r.n.BitLen() > maxBits || r.d.BitLen() > maxBits {
		return r.number()
	}
	return number{big: r}
}

// ratio is x in the long form; it must not be changed.
func (x number) ratio() *ratio {
	if x.big != nil {
		return x.big
	}
	var r ratio
	r.n.SetInt64(x.n)
	r.d.SetInt64(x.den())
	return &r
}

func (x number) den() int64 {
	if x.d == 0 {
		return 1
	}
	return x.d
}

func (x number) sign() int {
	switch {
	case x.big != nil:
		return x.big.n.Sign()
	case x.n > 0:
		return 1
	case x.n < 0:
		return -1
	}
	return 0
}

func (x number) reduced() number {
	if x.big != nil {
		var r ratio
		r.n.Set(&x.big.n)
		r.d.Set(&x.big.d)
		return r.number()
	}
	d := x.den()
	g := gcd(abs(x.n), uint64(d))
	return number{x.n / int64(g), d / int64(g), nil}
}

func (x number) add(y number) number {
	if x.big == nil && y.big == nil {
		if s, ok := addSmall(x, y); ok {
			return s
		}
		if s, ok := addSmall(x.reduced(), y.reduced()); ok {
			return s
		}
	}
	a, b := x.ratio(), y.ratio()
	var r ratio
	var t big.Int
	r.n.Add(r.n.Mul(&a.n, &b.d), t.Mul(&b.n, &a.d))
	r.d.Mul(&a.d, &b.d)
	return r.long()
}

func addSmall(x, y number) (number, bool) {
	xd, yd := x.den(), y.den()
	if xd == yd {
		n, ok := plus(x.n, y.n)
		return number{n, xd, nil}, ok
	}
	// The least common denominator where one divides the other, as decimals do.
	if xd > yd && xd%yd == 0 {
		n, ok1 := times(y.n, xd/yd)
		n, ok2 := plus(x.n, n)
		return number{n, xd, nil}, ok1 && ok2
	}
	if yd > xd && yd%xd == 0 {
		n, ok1 := times(x.n, yd/xd)
		n, ok2 := plus(n, y.n)
		return number{n, yd, nil}, ok1 && ok2
	}
	a, ok1 := times(x.n, yd)
	b, ok2 := times(y.n, xd)
	d, ok3 := times(xd, yd)
	n, ok4 := plus(a, b)
	return number{n, d, nil}, ok1 && ok2 && ok3 && ok4
}

func (x number) neg() number {
	if x.big != nil {
		var r ratio
		r.n.Neg(&x.big.n)
		r.d.Set(&x.big.d)
		return number{big: &r}
	}
	return number{-x.n, x.den(), nil}
}

func (x number) sub(y number) number { return x.add(y.neg()) }

func (x number) mul(y number) number {
	if x.big == nil && y.big == nil {
		n, ok1 := times(x.n, y.n)
		d, ok2 := times(x.den(), y.den())
		if ok1 && ok2 {
			return number{n, d, nil}
		}
		a := number{x.n, y.den(), nil}.reduced()
		b := number{y.n, x.den(), nil}.reduced()
		n, ok1 = times(a.n, b.n)
		d, ok2 = times(a.d, b.d)
		if ok1 && ok2 {
			return number{n, d, nil}
		}
	}
	a, b := x.ratio(), y.ratio()
	var r ratio
	r.n.Mul(&a.n, &b.n)
	r.d.Mul(&a.d, &b.d)
	return r.long()
}

// div is x ÷ y; y must not be 0.
func (x number) div(y number) number { return x.mul(y.inverse()) }

func (x number) inverse() number {
	sign := x.sign()
	switch {
	case sign == 0:
		panic("rank: division by zero") // callers check; an input can't get here
	case sign < 0:
		return x.neg().inverse().neg()
	case x.big != nil:
		var r ratio
		r.n.Set(&x.big.d)
		r.d.Set(&x.big.n)
		return number{big: &r}
	}
	return number{x.den(), x.n, nil}
}

func (x number) cmp(y number) int {
	if x.big != nil || y.big != nil {
		a, b := x.ratio(), y.ratio()
		var s, t big.Int
		return s.Mul(&a.n, &b.d).Cmp(t.Mul(&b.n, &a.d))
	}
	if x.den() == y.den() {
		return compare(x.n, y.n)
	}
	sx, sy := x.sign(), y.sign()
	if sx != sy || sx == 0 {
		return compare(sx, sy)
	}
	ah, al := bits.Mul64(abs(x.n), uint64(y.den()))
	bh, bl := bits.Mul64(abs(y.n), uint64(x.den()))
	c := compare(ah, bh)
	if c == 0 {
		c = compare(al, bl)
	}
	return c * sx
}

func (x number) less(y number) bool { return x.cmp(y) < 0 }

func least(x, y number) number {
	if y.less(x) {
		return y
	}
	return x
}

func most(x, y number) number {
	if x.less(y) {
		return y
	}
	return x
}

// floor is the greatest whole number that isn't above x ≥ 0.
func (x number) floor() number {
	if x.big != nil {
		var r ratio
		r.n.Quo(&x.big.n, &x.big.d)
		r.d.SetInt64(1)
		return r.number()
	}
	return number{x.n / x.den(), 1, nil}
}

// ceil is the least whole number that isn't below x ≥ 0.
func (x number) ceil() number {
	f := x.floor()
	if f.cmp(x) == 0 {
		return f
	}
	return f.add(one)
}

// minor rounds x to whole minor units of a currency with the given number of
// digits, half away from zero; false when that is more than can be counted.
func (x number) minor(digits int) (int64, bool) {
	x = x.mul(whole(powers[digits]))
	if x.sign() < 0 {
		v, ok := x.neg().minor(0)
		return -v, ok
	}
	if x.big == nil {
		q, r := x.n/x.den(), x.n%x.den()
		if r >= x.den()-r {
			q++ // never beyond an int64: a remainder needs a denominator of 2
		}
		return q, true
	}
	n := new(big.Int).Lsh(&x.big.n, 1)
	n.Add(n, &x.big.d)
	n.Quo(n, new(big.Int).Lsh(&x.big.d, 1))
	return n.Int64(), n.IsInt64()
}

// int is a whole x, or the largest int64 where it is more.
func (x number) int() int64 {
	if x.big != nil {
		return math.MaxInt64
	}
	return x.n / x.den()
}

func plus(x, y int64) (int64, bool) {
	s := x + y
	ok := (s > x) == (y > 0) && s != math.MinInt64
	return s, ok || y == 0
}

func times(x, y int64) (int64, bool) {
	hi, lo := bits.Mul64(abs(x), abs(y))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	if (x < 0) != (y < 0) {
		return -int64(lo), true
	}
	return int64(lo), true
}

func abs(x int64) uint64 {
	if x < 0 {
		return uint64(-x)
	}
	return uint64(x)
}

func compare[T int | int64 | uint64](x, y T) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func gcd(x, y uint64) uint64 {
	for y != 0 {
		x, y = y, x%y
	}
	return x
}
