package reward

import (
	"math"

	"github.com/govalues/decimal"
)

// number is a number as it was read.
type number struct {
	coef  uint64 // the value is coef / 10^scale
	scale int8
	// third is set for a single mark with exactly three digits behind it: "1.500"
	// is fifteen hundred points but one and a half percent. The value is then the
	// whole one.
	third bool
	// huge is set for more digits than can be counted exactly.
	huge bool
}

func (n number) decimal() decimal.Decimal {
	if n.coef > math.MaxInt64 || n.scale > decimal.MaxScale {
		return decimal.Decimal{}
	}
	d, err := decimal.New(int64(n.coef), int(n.scale))
	if err != nil {
		return decimal.Decimal{}
	}
	if n.scale > 0 {
		d = d.Trim(0)
	}
	return d
}

// mostCoef bounds the digits of a number at 15; longer ones are no rates.
const mostCoef = 100_000_000_000_000

// scan is what scanNumber found.
type scan struct {
	number
	end int
	// other is set for what has digits and is no amount: a date, a time, a version.
	other bool
}

// scanNumber reads a number that begins at text[i]: a digit, a mark with a digit
// behind it, or a fraction sign. Its marks are read by plausibility first: the last
// of two different ones is the decimal mark, one that repeats parts thousands, and a
// single one with other than three digits behind it is a decimal mark. blankGroups
// says that a plain blank may part thousands; a no-break one always may.
func scanNumber(text []byte, i int, blankGroups bool) scan {
	k := i
	var n number
	if half := fractionAt(text, k); half != 0 {
		n.coef, n.scale = half, 2
		return scan{number: n, end: k + 2}
	}
	if half, end := quotientAt(text, k); end > 0 {
		n.coef, n.scale = half, 2
		return scan{number: n, end: end}
	}
	first := n.digits(text, k)
	k += first
	zero := first > 0 && text[i] == '0'
	if first > 0 {
		if end := notAmount(text, i, first); end > 0 {
			return scan{end: end, other: true}
		}
	}
	const most = 12 // groups: enough for any amount
	var marks [most]byte
	var lens [most]int
	count := 0
	for k < len(text) && count < most {
		mark, skip := text[k], 1
		if mark == bTag && k+1 < len(text) && (text[k+1] == '.' || text[k+1] == ',') {
			mark, skip = text[k+1], 2 // "6<sup>,50</sup>"
		}
		switch mark {
		case '.', ',':
		case ' ', bHardGap:
			if mark == ' ' && !blankGroups || zero || first > 3 || first == 0 || count > 0 && marks[count-1] != bHardGap || !threeDigits(text, k+1) {
				mark = 0
			} else {
				mark = bHardGap
			}
		case '\'':
			if zero || first > 3 || first == 0 || !threeDigits(text, k+1) {
				mark = 0
			}
		default:
			mark = 0
		}
		if mark == 0 || k+skip >= len(text) || !isDigit(text[k+skip]) {
			break
		}
		k += skip
		marks[count] = mark
		before := n
		lens[count] = n.digits(text, k)
		k += lens[count]
		if mark == bHardGap && lens[count] != 3 {
			n = before
			break
		}
		count++
	}
	s := scan{end: k}
	if !n.resolve(marks[:count], lens[:count], first, zero) {
		s.other = true
		return s
	}
	s.number = n
	s.end = n.tail(text, k)
	s.number = n
	return s
}

// digits appends the digits at text[k] and returns how many there are.
func (n *number) digits(text []byte, k int) int {
	count := 0
	for ; k+count < len(text) && isDigit(text[k+count]); count++ {
		if n.coef >= mostCoef {
			n.huge = true
			continue
		}
		n.coef = n.coef*10 + uint64(text[k+count]-'0')
	}
	return count
}

// resolve decides what the marks of a number were. It reports false for what can't
// be an amount: "4.5.6", "1,2,3".
func (n *number) resolve(marks []byte, lens []int, first int, zero bool) bool {
	if len(marks) == 0 {
		return true
	}
	last := len(marks) - 1
	repeats, differs := false, false
	for _, m := range marks[:last] {
		if m == marks[last] {
			repeats = true
		} else {
			differs = true
		}
	}
	decimalMark := false
	switch {
	case marks[last] == bHardGap || marks[last] == '\'':
		if differs {
			return false
		}
	case differs && repeats:
		return false
	case differs:
		decimalMark = true
	case repeats:
	case first == 0 || zero && first == 1 || lens[last] != 3 || first > 3:
		decimalMark = true
	default:
		n.third = true
	}
	groups := lens
	if decimalMark {
		groups = lens[:last]
		n.scale = int8(min(lens[last], decimal.MaxScale))
	}
	for i, g := range groups {
		// Indian numbers part the last three digits, and before them two and two.
		if g != 3 && (g != 2 || i == len(groups)-1) {
			return false
		}
	}
	return len(groups) == 0 || first > 0 && first <= 3
}

// tail reads a fraction sign behind the digits: "2½".
func (n *number) tail(text []byte, k int) int {
	at := k
	for at < len(text) && at < k+2 && (text[at] == ' ' || text[at] == bHardGap) {
		at++
	}
	if half := fractionAt(text, at); half != 0 && n.scale == 0 && !n.third && n.coef < 1e12 {
		n.coef, n.scale = n.coef*100+half, 2
		return at + 2
	}
	return k
}

// times multiplies by thousands or more ("1万", "2.5 Lakh").
func (n *number) times(by uint64) {
	if n.third {
		n.third, n.scale = false, 3
	}
	if n.coef > math.MaxUint64/by/10 {
		n.huge = true
		return
	}
	n.coef *= by
	for n.scale > 0 && n.coef%10 == 0 {
		n.coef /= 10
		n.scale--
	}
}

// fractionAt returns the hundredths of a fraction sign, 0 where there is none.
func fractionAt(text []byte, k int) uint64 {
	if k+1 < len(text) && text[k] == 0xC2 {
		switch text[k+1] {
		case 0xBC:
			return 25
		case 0xBD:
			return 50
		case 0xBE:
			return 75
		}
	}
	return 0
}

// quotientAt reads "1/2 %" and the like: its hundredths, and where it ends.
func quotientAt(text []byte, k int) (uint64, int) {
	if k+3 >= len(text) || text[k+1] != '/' {
		return 0, 0
	}
	var v uint64
	switch string(text[k : k+3]) {
	case "1/2":
		v = 50
	case "1/4":
		v = 25
	case "3/4":
		v = 75
	default:
		return 0, 0
	}
	for at := k + 3; at < len(text) && at < k+5; at++ {
		if text[at] == '%' {
			return v, k + 3
		}
		if !isGap(text[at]) {
			break
		}
	}
	return 0, 0
}

func threeDigits(text []byte, k int) bool {
	return k+2 < len(text) && isDigit(text[k]) && isDigit(text[k+1]) && isDigit(text[k+2]) &&
		(k+3 == len(text) || !isDigit(text[k+3]))
}

// notAmount measures a date, a time or a quotient that begins at text[i] with first
// digits: "4-6/3", "31/7", "2026-05-01", "31.07.2026", "12:30", "24/7". 0 when what
// stands there may be an amount.
func notAmount(text []byte, i, first int) int {
	at := func(k int) byte {
		if k < len(text) {
			return text[k]
		}
		return 0
	}
	run := func(k int) int {
		n := 0
		for n <= 4 && isDigit(at(k+n)) {
			n++
		}
		return n
	}
	k := i + first
	mark := at(k)
	if mark == 'x' && isDigit(at(k+1)) {
		return k + 1 + run(k+1) // "2x1"
	}
	if mark != '/' && mark != '-' && mark != '.' && mark != ':' || !isDigit(at(k+1)) {
		return 0
	}
	second := run(k + 1)
	next := at(k + 1 + second)
	third := 0
	if next == '/' || next == '-' || next == '.' {
		third = run(k + 2 + second)
	}
	end := k + 1 + second
	if next == '%' {
		return 0
	}
	switch {
	case first == 4 && mark == '-' && second == 2 && next == '-' && third == 2:
		return end + 1 + third
	case first > 2 || second > 2:
		return 0
	case third > 0 && mark == next && (mark != '-' || third == 4) && (third == 4 || third == 2):
		return end + 1 + third // a date with its year
	case mark == '/':
		if third > 0 && next == '/' {
			return end + 1 + third
		}
		if next == '.' && third > 0 {
			return 0
		}
		return end
	case mark == '-' && next == '/' && third > 0 && third <= 2:
		return end + 1 + third // "4-6/3", from the fourth to the sixth of March
	case mark == ':' && second == 2:
		return end
	}
	return 0
}
