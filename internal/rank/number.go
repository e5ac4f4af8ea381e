package rank

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// number is an exact rational. While numerator and denominator fit 64 bits it is
// a fraction n/d that is reduced only when it must be; beyond that it is a
// big.Rat. Both forms give the same results (TestPropertyNumberIsExact); the short
// one is some forty times faster, and nearly all of a ranking stays in it.
//
// The zero value is 0. Numbers are values: no operation changes its operands.
type number struct {
	n, d int64 // d > 0, or 0 for the zero value's 1; n is never MinInt64
	big  *big.Rat
}

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
	n := new(big.Int).SetUint64(c)
	if d.IsNeg() {
		n.Neg(n)
	}
	return fromRat(new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.Scale())), nil)))
}

var powers = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// fromRat takes r over.
func fromRat(r *big.Rat) number {
	if r.Num().IsInt64() && r.Denom().IsInt64() && r.Num().Int64() != math.MinInt64 {
		return number{r.Num().Int64(), r.Denom().Int64(), nil}
	}
	return number{big: r}
}

// rat is x as a big.Rat that must not be changed.
func (x number) rat() *big.Rat {
	if x.big != nil {
		return x.big
	}
	return big.NewRat(x.n, x.den())
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
		return x.big.Sign()
	case x.n > 0:
		return 1
	case x.n < 0:
		return -1
	}
	return 0
}

func (x number) reduced() number {
	if x.big != nil {
		return x
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
	return fromRat(new(big.Rat).Add(x.rat(), y.rat()))
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
		return fromRat(new(big.Rat).Neg(x.big))
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
	return fromRat(new(big.Rat).Mul(x.rat(), y.rat()))
}

// div is x ÷ y; y must not be 0.
func (x number) div(y number) number { return x.mul(y.inverse()) }

func (x number) inverse() number {
	switch {
	case x.big != nil:
		return fromRat(new(big.Rat).Inv(x.big))
	case x.n < 0:
		return number{-x.den(), -x.n, nil}
	case x.n == 0:
		panic("rank: division by zero") // callers check; an input can't get here
	}
	return number{x.den(), x.n, nil}
}

func (x number) cmp(y number) int {
	if x.big != nil || y.big != nil {
		return x.rat().Cmp(y.rat())
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
		return fromRat(new(big.Rat).SetInt(new(big.Int).Div(x.big.Num(), x.big.Denom())))
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
	n := new(big.Int).Lsh(x.big.Num(), 1)
	n.Add(n, x.big.Denom())
	n.Quo(n, new(big.Int).Lsh(x.big.Denom(), 1))
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
