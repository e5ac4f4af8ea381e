package reward

import (
	"unicode"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

type unitKind uint8

const (
	uNone  unitKind = iota // a number without a unit
	uCount                 // a number of something that isn't paid: "25 GB", "100 l"
	uPercent
	uMoney
	uPoints // points, for a purchase or for an amount
	uTimes  // "5x", a multiple of points
	uFold   // "4-faches", a multiple of what is paid otherwise
)

// paid reports whether such a quantity can be a rate.
func (u unitKind) paid() bool { return u >= uPercent }

// quantity is a number or a range of numbers with its unit, and what was found out
// about it.
type quantity struct {
	first, last int // tokens [first, last)
	second      int // where the top of a range begins
	unitEnd     int // the token behind the unit, before what it is paid for
	lo, hi      number
	ranged      bool
	raised      bool // not a range: "passe de 3 % à 6 %"
	unit        unitKind
	money       *entry
	currency    cashback.Currency // of money, or of the unit that points are paid for
	points      string
	negative    bool
	orMore      bool
	hole        bool
	spelt       bool // a number in words
	multiple    uint64
	struck      bool
	inside      uint8
	per         bool
	perAmount   number
	perUnit     string
	perWhole    string // a unit with its number: "100 litre"

	// pre and suf are what stands before and behind, in the quantity's own part of
	// the text; sufEnd and preStart bound it.
	pre, suf         meaning
	preStart, sufEnd int
	noun             noun
	verb             meaning
	link             link // to the quantity before
	role             role
}

// noun is what the nearest word says a quantity is.
type noun uint8

const (
	nounNone noun = iota
	nounCashback
	nounDiscount
	nounOther
	nounBonus
	nounPrice
)

// link is how a quantity is joined to the one before it.
type link uint8

const (
	linkNone    link = iota // only words between
	linkNothing             // nothing at all between
	linkComma
	linkParen
	linkDash
	linkRow
	linkOr
	linkPlus
)

// quantities finds the numbers with their units.
func (p *parser) quantities() {
	for i := 0; i < len(p.toks); {
		if t := &p.toks[i]; t.kind != tNum && t.kind != tHole && !t.is(mMoney|mPercent|mPoints|mTimes|mHole|mNumber) && (t.kind != tSign || t.sign != '-') {
			i++
			continue
		}
		p.qs = append(p.qs, quantity{})
		q := &p.qs[len(p.qs)-1]
		next, ok := p.ranged(i, q)
		if !ok {
			p.qs = p.qs[:len(p.qs)-1]
			i++
			continue
		}
		q.unitEnd = next
		next = p.unitPaidFor(q, next)
		q.inside, q.struck = p.toks[i].inside, p.toks[i].struck
		q.last = next
		if !q.unit.paid() {
			p.looseEnd = next
			p.counted = p.counted || q.unit == uCount
			if q.unit == uNone && !q.spelt && p.pointsFor(q, next) {
				q.unitEnd = next
				next = p.unitPaidFor(q, next)
				q.last = next
			} else {
				if q.unit == uNone && !q.spelt {
					p.number(q)
				}
				p.qs = p.qs[:len(p.qs)-1]
			}
		} else if q.raised {
			top := *q
			q.hi, q.ranged, q.struck, q.last = q.lo, false, true, q.second
			top.first, top.ranged = top.second, false
			p.qs = append(p.qs, top)
		}
		i = next
	}
	p.perBefore()
}

// pointsFor reads a number without a unit that is paid for an amount as points, when
// a word for them stood before it: "Avios: 3/£1".
func (p *parser) pointsFor(q *quantity, next int) bool {
	if !p.tok(next).is(mPer) || !p.tok(next+1).is(mMoney) {
		return false
	}
	for i := q.first - 1; i >= 0 && i >= q.first-4; i-- {
		if t := &p.toks[i]; t.is(mPoints) {
			q.unit, q.points = uPoints, t.entry.name
			return true
		}
	}
	return false
}

// number remembers a number without a unit where that could matter.
func (p *parser) number(q *quantity) {
	if p.loose == 0 || !p.looseCounted {
		p.looseCounted = p.counts(q)
	}
	p.loose++
	p.looseAt = q.first
	p.looseZero = q.hi.coef == 0 && !q.hi.huge
}

// counts reports whether a word behind or before a number says what it counts.
func (p *parser) counts(q *quantity) bool {
	if q.orMore {
		return true
	}
	t := p.tok(q.last)
	return t.kind == tWord && !t.is(mCashback)
}

// tok is the token at i, an empty one outside the text.
func (p *parser) tok(i int) *token {
	if i >= 0 && i < len(p.toks) {
		return &p.toks[i]
	}
	return &p.none
}

// single reads one number with its unit at token i.
func (p *parser) single(i int, q *quantity) (next int, ok bool) {
	*q = quantity{first: i}
	j := i
	if t := p.tok(j); t.kind == tSign && t.sign == '-' {
		next := p.tok(j + 1)
		glued := !next.spaced && (next.kind == tNum || next.is(mMoney) && p.tok(j+2).kind == tNum)
		prev := p.tok(j - 1)
		if !glued || j > 0 && !t.spaced && !t.tagged && prev.kind != tBreak && prev.kind != tSign {
			return 0, false
		}
		q.negative = true
		j++
	}
	word := false
	switch t := p.tok(j); {
	case t.is(mMoney) && t.entry.scale == 0 && (p.tok(j+1).kind == tNum || p.tok(j+1).is(mHole)):
		q.unit, q.money = uMoney, t.entry
		q.currency = p.currency(t.entry)
		j++
	case t.is(mPercent) && p.tok(j+1).kind == tNum && !p.tok(j+1).spaced && !p.unitAt(j+2):
		q.unit = uPercent
		j++
	case t.is(mPoints) && p.tok(j+1).kind == tNum && !p.tok(j+1).spaced && !p.tok(j+2).is(mPercent|mMoney|mPoints|mTimes|mFold):
		q.unit, q.points = uPoints, t.entry.name
		j++
	}
	switch t := p.tok(j); {
	case t.kind == tNum:
		q.hi = t.num
		j++
		if m := p.tok(j); m.is(mMultiple) {
			by, _, _ := m.entry.value.Int64(0)
			q.multiple = uint64(max(by, 1))
			q.hi.times(q.multiple)
			j++
			if low := p.tok(j); low.kind == tNum && !low.spaced && q.hi.scale == 0 && low.num.scale == 0 && low.num.coef < q.multiple {
				q.hi.coef += low.num.coef // "1万5000"
				j++
			}
		}
	case t.kind == tHole:
		q.hole = true
		j++
	case t.is(mTimes) && p.tok(j+1).kind == tNum && (!p.tok(j+1).spaced || j+2 >= len(p.toks)) && q.unit == uNone:
		q.hi, q.unit, q.last = p.tok(j+1).num, uFold, j+2
		return j + 2, true
	case t.is(mHole) && (q.unit == uMoney || p.tok(j+1).is(mPercent|mMoney)):
		q.hole = true
		j++
	case t.is(mNumber) && q.unit == uNone:
		c, _, _ := t.entry.value.Int64(0)
		q.hi.coef = uint64(max(c, 0))
		word = true
		j++
	default:
		return 0, false
	}
	j = p.suffix(q, j)
	q.spelt = word
	q.last = j
	return j, true
}

// unitAt reports whether the token is a unit of its own.
func (p *parser) unitAt(i int) bool { return p.tok(i).is(mPercent | mMoney | mPoints) }

// suffix reads the unit behind a number and returns the token after it.
func (p *parser) suffix(q *quantity, j int) int {
	t := p.tok(j)
	switch {
	case q.unit == uMoney:
		if t.is(mMoney) && !p.leads(j) {
			// "$1.00 USD": the code says which dollar
			if t.entry.scale == 0 && q.currency == "" {
				q.currency = p.currency(t.entry)
			}
			j++
		}
		if t := p.tok(j); t.is(mPercent) && !t.spaced {
			j++ // "$5-$15%", a slip
		}
	case q.unit == uPercent, q.unit == uPoints:
	case t.is(mPercent) && t.entry.letters && p.capital(t) && p.brand(j) > 0:
		end := p.brand(j) // "20 PC Optimum points"
		q.unit, q.points, j = uPoints, p.raw[p.at(j):p.end(end-1)], end
	case t.is(mPercent):
		q.unit = uPercent
		for j++; p.tok(j).is(mPercent) && !p.tok(j).spaced; j++ {
		}
		if name, end := p.pointsName(j); end > 0 {
			q.points, j = name, end
		} else if n := p.tok(j); n.kind == tNum && !n.spaced && !n.tagged && n.num.coef < 10 && n.num.scale == 0 && !p.unitAt(j+1) {
			j++ // "5%1", the mark of a footnote
		}
	case t.is(mTimes) && t.spaced && p.tok(j+1).spaced && p.tok(j+1).kind == tWord && !p.tok(j+1).is(mPercent|mMoney):
		q.unit = uFold // "2 x plus de cashback"
		j++
	case t.is(mTimes) && !t.spaced:
		q.unit = uTimes
		j++
		if name, end := p.pointsName(j); end > 0 {
			q.unit, q.points, q.per, j = uPoints, name, true, end
			q.currency = p.homeCurrency()
		}
	case t.is(mFold), t.kind == tSign && t.sign == '-' && !t.spaced && p.tok(j+1).is(mFold):
		q.unit = uFold
		if !t.is(mFold) {
			j++
		}
		j++
	case t.is(mMoney) && !p.leads(j):
		q.unit, q.money = uMoney, t.entry
		q.currency = p.currency(t.entry)
		q.hi = q.hi.hundredths(t.entry.scale)
		j++
		if n := p.tok(j); n.kind == tNum && !n.spaced && !n.tagged && !t.spaced && n.end-n.start == 2 && n.num.scale == 0 && q.hi.scale == 0 && q.hi.coef < 1e9 && !p.unitAt(j+1) {
			q.hi = number{coef: q.hi.coef*100 + n.num.coef, scale: 2} // "9€90"
			j++
		} else if n.is(mMoney) && n.entry.scale == 0 && n.entry.name != "" && !p.leads(j) {
			q.currency = cashback.Currency(n.entry.name)
			j++
		}
		if n := p.tok(j); n.is(mPercent) && !n.spaced {
			j++
		}
	case t.is(mUnit):
		q.unit, q.perUnit = uCount, t.entry.name
		j++
	default:
		if name, end := p.pointsName(j); end > 0 {
			q.unit, q.points, j = uPoints, name, end
		} else if end, ok := p.namedPoints(q, j); ok {
			j = end
		} else if t.kind == tWord && !t.spaced && !t.tagged && t.means == 0 {
			q.unit = uCount
			j++
		}
	}
	// "150,-", "Rs.400/-"
	if q.unit == uMoney || q.unit == uNone {
		s, d := p.tok(j), p.tok(j+1)
		if d.kind == tSign && d.sign == '-' && !d.spaced && !s.spaced && s.end-s.start == 1 {
			if c := p.plain.text[s.start]; c == ',' || c == '/' || c == '.' || c == ':' {
				j += 2
				if t := p.tok(j); q.unit == uNone && t.is(mMoney) && !p.leads(j) {
					j = p.suffix(q, j)
				}
			}
		}
	}
	if t := p.tok(j); t.is(mPlus) && !t.spaced && p.plain.text[t.start] == '+' {
		if n := p.tok(j + 1); n.kind == tBreak || n.kind == tSign || n.spaced && !p.startsQuantity(j+1) {
			q.orMore = true
			j++
		}
	}
	return j
}

// startsQuantity reports whether a number with a unit begins at token i.
func (p *parser) startsQuantity(i int) bool {
	t := p.tok(i)
	return t.kind == tNum || t.is(mMoney) && p.tok(i+1).kind == tNum
}

// leads reports whether the money sign at token i belongs to the number behind it.
func (p *parser) leads(i int) bool {
	t, n := p.tok(i), p.tok(i+1)
	return n.kind == tNum && !n.spaced && t.spaced
}

// namedPoints reads a number of something that is paid for an amount as points, the
// word behind it as their name: "4 Sparkles per ₹100".
func (p *parser) namedPoints(q *quantity, j int) (next int, ok bool) {
	t := p.tok(j)
	if t.kind != tWord || t.means != 0 || !t.spaced {
		return 0, false
	}
	per := p.tok(j + 1)
	if per.kind != tWord || !per.is(mPer) || per.is(mFor|mNoise) || !per.entry.letters {
		return 0, false
	}
	m := j + 2
	for n := 0; n < 2 && p.tok(m).is(mNoise|mSpent|mPer) && !p.tok(m).is(mMoney); n++ {
		m++
	}
	var of quantity
	if end, ok := p.single(m, &of); !(ok && of.unit == uMoney && !of.negative && !p.tok(end).is(mDiscount)) && !p.tok(m).is(mMoney) {
		return 0, false
	}
	q.unit, q.points = uPoints, p.raw[p.at(j):p.end(j)]
	return j + 1, true
}

// pointsName reads the word for points at token i, with the name before it that
// says whose they are ("Amex points"): the word, and the token behind it, or 0.
func (p *parser) pointsName(i int) (string, int) {
	const most = 3 // words of a name, with their hyphen
	for k := i; k <= i+most; k++ {
		t := p.tok(k)
		if t.is(mPoints) {
			if !t.entry.brand || k == i || p.toks[i].means != 0 {
				name := t.entry.name
				for p.tok(k + 1).is(mPoints) {
					k++
					if name == "points" {
						name = p.toks[k].entry.name // "pontos Esfera"
					}
				}
				if name == t.entry.name && t.entry.brand && p.c.PointsCurrency != "" {
					name = p.c.PointsCurrency
				}
				return name, k + 1
			}
			for p.tok(k + 1).is(mPoints) {
				k++ // "Flybuys points"
			}
			return p.raw[p.at(i):p.end(k)], k + 1
		}
		if t.kind == tSign && t.sign == '-' && !t.spaced && !p.tok(k+1).spaced && k > i {
			continue // "Extra-Punkte"
		}
		if t.kind != tWord || t.means&^(mBonus|mMore|mNoise|mCashback) != 0 || t.means == 0 && !p.capital(t) {
			return "", 0
		}
	}
	return "", 0
}

// pointsOf returns the token behind a name that follows the word for points, as most
// languages put it ("3 puntos Travel Club por euro"), or 0. Only what such points are
// paid for tells a name from the words of a sentence.
func (p *parser) pointsOf(i int) int {
	const most = 4 // words of a name
	for k := i; k <= i+most; k++ {
		t := p.tok(k)
		if t.kind != tWord {
			return 0
		}
		if k > i && t.is(mPer) && (p.tok(k+1).is(mMoney|mNoise|mPer) || p.startsQuantity(k+1)) {
			return k
		}
		if t.means&^(mAnd|mNoise|mBonus|mMore) != 0 || !p.capital(t) && (k == i || t.means == 0) {
			return 0
		}
	}
	return 0
}

// generic reports whether a quantity's points are any points: nobody's by name.
func (p *parser) generic(q *quantity) bool {
	return q.points == "points" && p.c.PointsCurrency == ""
}

// brand returns the token behind the word for points if the word at token i, which
// also means something else, begins their name, or 0.
func (p *parser) brand(i int) int {
	if n := p.tok(i + 1); n.kind != tWord || !n.spaced || !p.capital(n) {
		return 0
	}
	_, end := p.pointsName(i + 1)
	return end
}

// capital reports whether a word is written with a capital letter, as names are.
func (p *parser) capital(t *token) bool {
	r, _ := utf8.DecodeRuneInString(p.raw[p.plain.at[t.start]:])
	return unicode.IsUpper(r)
}

// at and end are where a token stands in the raw text.
func (p *parser) at(i int) int  { return int(p.plain.at[p.toks[i].start]) }
func (p *parser) end(i int) int { return int(p.plain.at[p.toks[i].end]) }

// hundredths shifts pence to pounds.
func (n number) hundredths(scale int) number {
	if scale == 0 {
		return n
	}
	n.scale += int8(scale)
	n.third = false
	return n
}

// currency says which one a sign or word is. A sign that several share is decided
// by the portal's currency, then by the region; else it stays open.
func (p *parser) currency(e *entry) cashback.Currency {
	if e.name != "" {
		return cashback.Currency(e.name)
	}
	for _, s := range e.shared {
		if s.currency == p.c.Currency {
			return s.currency
		}
	}
	for _, s := range e.shared {
		if s.region == p.region {
			return s.currency
		}
	}
	return ""
}

// homeCurrency is the one that a portal's prices have.
func (p *parser) homeCurrency() cashback.Currency {
	if p.c.Currency != "" {
		return p.c.Currency
	}
	return cashback.Country(p.region).Currency()
}

// ranged reads a number with its unit, or a range of two.
func (p *parser) ranged(i int, q *quantity) (next int, ok bool) {
	next, ok = p.single(i, q)
	if !ok {
		return next, ok
	}
	if q.orMore || q.hole || q.unit == uFold || q.unit == uTimes {
		return next, true
	}
	t := p.tok(next)
	dash := t.kind == tSign && (t.sign == '-' || t.sign == '~')
	raise := p.all&mRaised != 0 && t.is(mFor|mNoise) && p.tok(i-1).is(mFrom)
	word := t.is(mTo) || t.is(mAnd) && p.behindBetween(i) || raise
	if !dash && !word {
		return next, true
	}
	second := next + 1
	if dash && p.tok(second).kind == tSign && p.tok(second).sign == '-' {
		second++
	}
	for n := 0; (word || t.sign == '~') && n < 2 && p.tok(second).is(mNoise|mUpTo|mTo); n++ {
		second++
	}
	var hi quantity
	end, ok := p.single(second, &hi)
	if !ok || hi.negative || hi.hole {
		return next, true
	}
	switch {
	case hi.unit == q.unit && (q.unit != uMoney || hi.currency == q.currency) && q.unit != uCount:
		if dash && t.spaced && p.tok(next+1).spaced && q.unit != uNone && p.less(&hi, q) {
			return next, true // "above Rs.400 - Rs 150": a label and its rate
		}
	case q.unit == uNone && hi.unit.paid():
		if hi.multiple > 1 && q.multiple == 0 {
			q.hi.times(hi.multiple) // "1〜2万円"
		}
		if hi.unit == uMoney && hi.money.scale > 0 {
			q.hi = q.hi.hundredths(hi.money.scale)
		}
	case hi.unit == uNone && (q.unit == uMoney || q.unit == uPercent) && !hi.negative:
		if q.unit == uPercent && (word || t.spaced) || word && !p.tok(q.first).is(mMoney) {
			return next, true // "5 % bis 31.12."
		}
		hi.unit, hi.money, hi.currency = q.unit, q.money, q.currency
	default:
		return next, true
	}
	hi.lo, hi.ranged, hi.second = q.hi, true, hi.first
	hi.raised = word && (raise || p.raises(i) || p.raised(end))
	hi.first, hi.negative = q.first, q.negative
	if hi.points == "" {
		hi.points = q.points
	}
	*q = hi
	return end, true
}

// raises reports whether the words before token i say that a rate went up from it.
func (p *parser) raises(i int) bool {
	for i--; i >= 0 && p.toks[i].is(mNoise) && !p.toks[i].is(mRaised); i-- {
	}
	return i >= 0 && p.toks[i].is(mRaised)
}

// raised reports whether the words from token i on say that a rate went up.
func (p *parser) raised(i int) bool {
	for n := 0; n < 2 && p.tok(i).is(mNoise|mCashback) && !p.tok(i).is(mRaised); n++ {
		i++
	}
	return p.tok(i).is(mRaised)
}

// less compares two quantities of one unit.
func (p *parser) less(a, b *quantity) bool {
	return p.value(a, a.hi).Cmp(p.value(b, b.hi)) < 0
}

// behindBetween reports whether a word for "between" stands shortly before token i.
func (p *parser) behindBetween(i int) bool {
	for k := i - 1; k >= 0 && k >= i-3; k-- {
		if p.toks[k].is(mBetween) {
			return true
		}
		if !p.toks[k].is(mNoise) && p.toks[k].kind != tWord {
			return false
		}
	}
	return false
}

// unitPaidFor reads what a quantity is paid for ("per dollar", "pro 2 €", "/L") and
// returns the token behind it.
func (p *parser) unitPaidFor(q *quantity, j int) int {
	if q.unit != uPercent && q.unit != uMoney && q.unit != uPoints && q.unit != uTimes {
		return j
	}
	k := j
	if q.unit == uPoints {
		if end := p.pointsOf(j); end > 0 {
			if p.generic(q) {
				q.points = p.raw[p.at(j-1):p.end(end-1)]
			}
			j, k = end, end
		}
	}
	for n := 0; n < 4 && p.tok(k).is(mCashback|mNoise|mEarn|mSpent|mBonus) && !p.tok(k).is(mPer|mFor); n++ {
		k++
	}
	t := p.tok(k)
	if !t.is(mPer|mFor) || t.kind != tWord {
		return j
	}
	weak := !t.is(mPer)
	m := k + 1
	if s := p.tok(m); s.kind == tSign && (s.sign == ',' || s.sign == '.') && !s.spaced {
		m++ // "pr, 100 l"
	}
	for n := 0; n < 3 && p.tok(m).is(mNoise|mSpent|mPer) && !p.tok(m).is(mMoney|mPurchase|mUnit); n++ {
		m++
	}
	// a number word before the money is its amount ("for every one dollar")
	if q.unit == uPercent {
		// what a percentage is of needs no saying; a unit of time does
		var of quantity
		if end, ok := p.single(m, &of); !weak && ok && of.unit == uMoney {
			for p.tok(end).is(mSpent) {
				end++
			}
			return end
		}
		if t := p.tok(m); !weak && t.is(mMoney) {
			m++
			for p.tok(m).is(mSpent) {
				m++
			}
			return m
		} else if !weak && t.is(mPurchase) && t.is(mNouns) {
			return m + 1 // "8 % per sale"
		}
		return j
	}
	var of quantity
	if end, ok := p.single(m, &of); ok && of.unit == uMoney && !of.negative {
		spent := p.tok(end).is(mSpent|mOrder) || p.tok(end).is(mNoise) && p.tok(end+1).is(mSpent|mOrder)
		if q.unit == uMoney && (weak && !spent || p.less(&of, q) && of.currency == q.currency) {
			return j
		}
		if weak && p.tok(end).is(mBonus|mDiscount) && !spent {
			return j // "2,200 points for a $25 gift card"
		}
		q.per, q.perAmount = true, of.hi
		if q.unit != uMoney {
			q.currency = of.currency
		}
		if q.unit == uTimes { // "3x per $1"
			q.unit, q.points = uPoints, "points"
			if p.c.PointsCurrency != "" {
				q.points = p.c.PointsCurrency
			}
		}
		for n := 0; n < 2 && p.tok(end).is(mSpent|mNoise); n++ {
			end++
		}
		return end
	} else if ok && of.unit == uCount && of.perUnit != "" && !weak {
		q.perUnit = of.perUnit
		q.perWhole = p.raw[p.at(m):p.end(m)]
		return end
	}
	t = p.tok(m)
	if t.kind == tWord && t.means == 0 && p.tok(m+1).is(mUnit) {
		m++ // "per tankad liter"
		t = p.tok(m)
	}
	switch {
	case t.is(mMoney) && q.unit != uMoney:
		q.per, q.currency = true, p.currency(t.entry)
		m++
	case t.is(mMoney) && !weak && t.entry.letters && t.entry.scale == 0 && p.currency(t.entry) == q.currency:
		q.per, q.perAmount = true, number{coef: 1} // "4 cents per dollar"
		m++
	case t.is(mUnit) && !weak:
		q.perUnit = t.entry.name
		m++
	case t.is(mPurchase):
		return m + 1
	default:
		return j
	}
	for p.tok(m).is(mSpent) {
		m++
	}
	return m
}

// perBefore joins points to an amount that stands before them: "100円につき1P",
// "per 100 kr: 5 poäng".
func (p *parser) perBefore() {
	out := p.qs[:0]
	for i := 0; i < len(p.qs); i++ {
		q := p.qs[i]
		if q.unit == uMoney && i+1 < len(p.qs) && (p.qs[i+1].unit == uPoints || p.qs[i+1].unit == uTimes) && !p.qs[i+1].per && !p.parted(q.last, p.qs[i+1].first) {
			if p.perBehind(q.last) || p.perStands(q.first) {
				n := &p.qs[i+1]
				n.per, n.perAmount, n.currency = true, q.hi, q.currency
				n.first = q.first
				continue
			}
		}
		if q.unit == uPoints && !q.per {
			p.perWord(&q)
		}
		out = append(out, q)
	}
	p.qs = out
}

// perWord joins points to the unit of money that a word before them names: "for every
// euro you get 3 miles".
func (p *parser) perWord(q *quantity) {
	i := q.first - 1
	for n := 0; n < 4 && i > 0 && p.toks[i].kind == tWord && p.toks[i].is(mEarn|mGet|mNoise|mSpent|mCashback|mUpTo) && !p.toks[i].is(mMoney); n++ {
		i--
	}
	if t := p.tok(i); t.is(mMoney) && t.entry.letters && t.entry.scale == 0 && p.perStands(i) {
		q.per, q.currency = true, p.currency(t.entry)
	}
}

// perBehind reports whether a word for "per" stands behind an amount, at token i or
// behind a remark in parentheses.
func (p *parser) perBehind(i int) bool {
	for k := i; k < i+4; k++ {
		t := p.tok(k)
		if t.is(mPerAfter) || t.is(mWorth) && p.tok(k-1).is(mSpent) && k > i {
			return true
		}
		if !t.is(mNoise|mSpent) && (t.kind != tSign || t.sign != '(' && t.sign != ')') {
			return false
		}
	}
	return false
}

// perStands reports whether a word for "per" stands before token i.
func (p *parser) perStands(i int) bool {
	for k := i - 1; k >= 0 && k >= i-3; k-- {
		t := &p.toks[k]
		if t.is(mPer) && t.end-t.start > 1 {
			return true
		}
		if !t.is(mNoise | mSpent) {
			return false
		}
	}
	return false
}

// parted reports whether a row or a sentence ends between two tokens.
func (p *parser) parted(a, b int) bool {
	for k := a; k < b; k++ {
		if t := &p.toks[k]; t.kind == tBreak || t.is(mOr|mPlus) || t.kind == tSign && (t.sign == ';' || t.sign == '|') {
			return true
		}
	}
	return false
}

// value is a number of a quantity as its unit has it: "1.500" is one and a half
// percent, but fifteen hundred points.
func (p *parser) value(q *quantity, n number) cashback.Decimal {
	if n.third && q.unit == uPercent {
		n.scale = 3
	}
	return n.decimal()
}
