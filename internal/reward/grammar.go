package reward

// role is what a quantity is in its text.
type role uint8

const (
	roleRate role = iota
	rolePrevious
	roleCap
	roleCondition // the amount of a basket or a tariff
	roleDiscount
	roleOther // a gift, a bonus for joining, what points are worth
	roleMultiple
	roleHole
)

// parser reads one text.
type parser struct {
	raw    string
	c      Context
	lang   *language
	region string
	plain  plain
	toks   []token
	qs     []quantity
	none   token
	found
}

// found is what a parser learns on its way through a text.
type found struct {
	// numbers without a unit
	loose        int
	looseAt      int
	looseCounted bool
	looseZero    bool
	looseEnd     int
	hole         bool // a template that was never filled in
	counted      bool // numbers of something that isn't paid

	forward bool // what quantities are stands before them, not behind

	// what the words of the whole text say
	all meaning
	// paid is set once a quantity was a rate or a previous one
	paid bool
	// steps counts the work, so that tests can hold it linear
	steps int
}

// neutralise takes their meaning from words for coupons that stand in a condition:
// "(without a voucher code)".
func (p *parser) neutralise() {
	off, until := false, uint8(0)
	numbers, numbered, row := p.rows(), false, true
	for i := range p.toks {
		t := &p.toks[i]
		if row {
			numbered = p.numbered(i)
		}
		row = t.kind == tBreak
		switch {
		case t.is(mWithout), t.is(mWith) && (t.inside > 0 || numbers > 1 && !numbered):
			off, until = true, t.inside
		case t.kind == tBreak || t.kind == tNum || t.inside < until || t.is(mOr|mPlus):
			off = false
		case t.kind == tSign && (t.sign == ';' || t.sign == '|' || t.sign == ':' || t.sign == ')' || t.sign == '-' && t.spaced):
			off = false
		}
		if off {
			t.means &^= mDiscount | mOther
		}
		p.all |= t.means
	}
	if p.all&mNewBeside != 0 && p.all&mExisting != 0 {
		for i := range p.toks {
			if t := &p.toks[i]; t.is(mNewBeside) {
				t.means |= mNew
			}
		}
		p.all |= mNew
	}
}

// rows counts the rows that hold a number.
func (p *parser) rows() int {
	n, seen := 0, false
	for i := range p.toks {
		switch k := p.toks[i].kind; {
		case k == tBreak:
			seen = false
		case k == tNum && !seen:
			n++
			seen = true
		}
	}
	return n
}

// numbered reports whether the row that begins at token i holds a number.
func (p *parser) numbered(i int) bool {
	for ; i < len(p.toks) && p.toks[i].kind != tBreak; i++ {
		p.steps++
		if p.toks[i].kind == tNum {
			return true
		}
	}
	return false
}

// strength says how strongly a token parts what stands before it from what stands
// behind.
type strength uint8

const (
	sNone strength = iota
	sSoft
	sLabel
	sStrong
)

func (p *parser) strength(i int) strength {
	t := &p.toks[i]
	switch {
	case t.kind == tBreak:
		return sStrong
	case t.kind == tWord:
		if t.is(mPlus | mOr) {
			return sStrong
		}
		if t.is(mAnd) {
			return sSoft
		}
		return sNone
	case t.kind != tSign:
		return sNone
	}
	switch t.sign {
	case ';', '|':
		return sStrong
	case '.', '!', '?':
		if n := p.tok(i + 1); n.spaced || n.kind == tBreak {
			return sStrong
		}
		return sNone
	case ',':
		return sSoft
	case ':':
		return sLabel
	case '-':
		if t.spaced && (p.tok(i+1).spaced || i+1 == len(p.toks)) {
			return sLabel
		}
	}
	return sNone
}

// mNouns say what a quantity is; mLeads begin the part of the next one.
const (
	mNouns = mCashback | mDiscount | mOther | mBonus | mPrice
	mLeads = mWas | mCap | mMax | mUpTo | mFrom | mOver | mUnder | mEarn | mGet | mBetween | mAtLeast | mNow
	mSays  = mNouns | mNew | mExisting | mOrder | mNone
)

// divide gives each quantity its own part of the text: the words before and behind
// it that speak of it.
func (p *parser) divide() {
	n := len(p.qs)
	first, last := &p.qs[0], &p.qs[n-1]
	lead, trail, below := false, false, false
	for i := range first.first {
		if t := &p.toks[i]; t.kind == tWord && (t.is(mSays) || t.means == 0) {
			lead = true
		}
	}
	for i := last.last; i < len(p.toks); i++ {
		t := &p.toks[i]
		if t.kind == tWord && (t.is(mNouns|mNew|mExisting) || t.means == 0) {
			below = true
		}
		if t.kind == tBreak {
			if below {
				break
			}
			trail = true // from here on the words are those of the row below
		}
	}
	trail = below && !trail
	p.forward = lead && !trail
	backward := below && !lead

	// the part of the first begins behind the last sentence before it
	first.preStart = 0
	for i := first.first - 1; i >= 0; i-- {
		t := &p.toks[i]
		if p.strength(i) == sStrong && t.kind != tBreak && (t.kind != tSign || t.sign != '|') {
			if p.says(i+1, first.first) || t.kind == tWord {
				first.preStart = i + 1
				break
			}
		}
	}
	for k := 0; k+1 < n; k++ {
		p.part(&p.qs[k], &p.qs[k+1], backward)
	}
	// the part of the last ends with its row or sentence
	last.sufEnd = len(p.toks)
	for i := last.last; i < len(p.toks); i++ {
		t := &p.toks[i]
		if p.strength(i) != sStrong || t.kind == tSign && t.sign == '|' {
			continue
		}
		if t.kind == tBreak && !p.named(last.preStart, last.first) && !p.named(last.last, i) && p.tok(i+1).is(mNouns) {
			continue // "5 %" and "Cashback" in two rows
		}
		if t.kind == tBreak && i == last.last && backward && n > 1 {
			continue // the label stands in the row below
		}
		last.sufEnd = i
		break
	}
	if last.inside > 0 {
		for i := last.last; i < last.sufEnd; i++ {
			if t := &p.toks[i]; t.inside < last.inside {
				last.sufEnd = i
				break
			}
		}
	}
}

// says reports whether there are words between two tokens.
func (p *parser) says(a, b int) bool {
	for i := a; i < b; i++ {
		if t := &p.toks[i]; t.kind == tWord && !t.is(mNoise) {
			return true
		}
	}
	return false
}

// named reports whether a noun stands between two tokens.
func (p *parser) named(a, b int) bool {
	for i := a; i < b; i++ {
		if p.toks[i].is(mNouns | mEarn) {
			return true
		}
	}
	return false
}

// part divides what stands between two quantities.
func (p *parser) part(a, b *quantity, backward bool) {
	from, to := a.last, b.first
	p.steps += 4 * (to - from)
	split, skip := -1, 0
	b.link = linkNone
	if from == to {
		b.link = linkNothing
	}
	at := func(i, n int, l link) { split, skip, b.link = i, n, l }

	rows, rowAt := 0, -1
	for i := from; i < to; i++ {
		t := &p.toks[i]
		if s := p.strength(i); s == sStrong {
			l := linkRow
			switch {
			case t.kind != tWord:
				rows++
				rowAt = i
			case t.is(mPlus):
				l = linkPlus
			default:
				l = linkOr
			}
			if split < 0 || l == linkPlus && b.link == linkRow && !p.says(split+1, i) {
				at(i, 1, l)
			}
			if l == linkOr && b.link == linkRow && !p.says(split+1, i) {
				b.link = linkOr
			}
		}
	}
	if backward && rows > 1 && b.link == linkRow {
		split = rowAt
	}
	// parentheses bind more than what stands in them or behind them
	if a.inside > b.inside || a.inside > 0 {
		for i := from; i < to; i++ {
			if p.toks[i].kind == tSign && p.toks[i].sign == ')' && p.toks[i].inside == a.inside {
				if split < 0 || i < split {
					l := linkParen
					if split >= 0 && !p.says(i+1, split) {
						l = b.link
					}
					at(i, 1, l)
				}
				break
			}
		}
	}
	if b.inside > a.inside {
		for i := to - 1; i >= from; i-- {
			if t := &p.toks[i]; t.kind == tSign && t.sign == '(' && t.inside == b.inside {
				if split < 0 || split > i {
					l := linkParen
					if b.link == linkPlus {
						l = linkPlus
					}
					at(i, 1, l)
				}
				break
			}
		}
	}
	if split < 0 && from < to && p.toks[from].is(mWasAfter) && !p.toks[from].is(mWas) && a.unit == b.unit {
		at(from+1, 0, linkNone)
	}
	if split < 0 {
		comma, and, dash, lead := -1, -1, -1, -1
		for i := from; i < to; i++ {
			t := &p.toks[i]
			switch p.strength(i) {
			case sSoft:
				if t.kind == tSign && (comma < 0 || backward) {
					comma = i
				} else if t.kind == tWord && (and < 0 || backward) {
					and = i
				}
			case sLabel:
				if t.sign == '-' && dash < 0 {
					dash = i
				}
			}
			if lead < 0 && t.is(mLeads) && !(t.is(mNoise) && t.means&mLeads == mBetween) {
				lead = i
			}
		}
		switch {
		case lead >= 0 && (comma < 0 || comma > lead):
			at(lead, 0, linkNone)
			if comma >= 0 && comma < lead {
				b.link = linkComma
			}
		case comma >= 0:
			at(comma, 1, linkComma)
		case and >= 0:
			at(and, 1, linkComma)
		case dash == from && backward:
			at(to, 0, linkDash)
		case dash >= 0:
			at(dash, 1, linkDash)
		case p.forward:
			at(from, 0, b.link)
		default:
			at(to, 0, b.link)
		}
	}
	a.sufEnd, b.preStart = split, min(split+skip, to)
}

// describe gathers what the words of a quantity's part say about it, the nearest
// ones first.
func (p *parser) describe(q *quantity) {
	const far = 1 << 20
	p.steps += q.sufEnd - q.preStart
	best := noun(nounNone)
	bestAt := far
	label := false
	var head noun
	d := 0
	blocked := false
	for i := q.first - 1; i >= q.preStart; i-- {
		t := &p.toks[i]
		if t.kind == tNum || t.kind == tOther || label && t.kind == tWord && t.means == 0 {
			blocked = true
		}
		if t.kind == tSign {
			if t.sign == ':' || t.sign == '|' || t.sign == '-' && t.spaced {
				label = true
			}
			continue
		}
		if t.kind == tBreak {
			label = true
			continue
		}
		m := t.means
		if m&mUpTo != 0 && (blocked || p.plain.text[t.start] == '<' && i != q.first-1) {
			m &^= mUpTo // "until Sunday: 5 %"
		}
		q.pre |= m
		if q.verb == 0 && t.is(mEarn|mGet) {
			q.verb = t.means & (mEarn | mGet)
		}
		if n := q.nounOf(t.means); n != nounNone {
			head = n
			if 2*d+1 < bestAt || best == nounBonus && n == nounCashback {
				best, bestAt = n, 2*d+1
			}
		}
		if t.kind == tWord && !t.is(mNoise) {
			d++
		}
	}
	if label && head == nounCashback {
		best = nounCashback // "Cash Reward with code X - 3 %"
	}
	d = 0
	for i := q.unitEnd; i < q.last; i++ {
		if n := q.nounOf(p.toks[i].means); !p.toks[i].is(mPurchase) && n != nounNone && best != nounCashback {
			best, bestAt = n, 0 // "90 € de prime pour l'ouverture d'un compte"
		}
	}
	for i := q.last; i < q.sufEnd; i++ {
		t := &p.toks[i]
		if t.kind == tSign || t.kind == tBreak {
			if t.kind == tSign && t.sign == '(' {
				d += 2
			}
			continue
		}
		q.suf |= t.means
		if q.verb == 0 && t.is(mEarn|mGet) {
			q.verb = t.means & (mEarn | mGet)
		}
		if n := q.nounOf(t.means); n != nounNone && (2*d < bestAt && !(n == nounBonus && best == nounCashback) || best == nounBonus && n == nounCashback) {
			best, bestAt = n, 2*d
		}
		if t.kind == tWord && !t.is(mNoise) {
			d++
		}
	}
	q.noun = best
}

// nounOf is what a word says that a quantity is. Percents of a price are rates.
func (q *quantity) nounOf(m meaning) noun {
	if q.unit == uPercent {
		m &^= mPrice
	}
	switch {
	case m&mCashback != 0:
		return nounCashback
	case m&mDiscount != 0:
		return nounDiscount
	case m&mOther != 0:
		return nounOther
	case m&mBonus != 0:
		return nounBonus
	case m&mPrice != 0:
		return nounPrice
	}
	return nounNone
}

// assign decides what each quantity is.
func (p *parser) assign() {
	// a noun at the end of a sum or a choice of equals speaks for all of them: "5 % +
	// 10 % off"
	for k := len(p.qs) - 2; k >= 0; k-- {
		q, n := &p.qs[k], &p.qs[k+1]
		if q.noun == nounNone && q.verb == 0 && q.unit == n.unit && q.sufEnd == q.last &&
			(n.link == linkPlus || n.link == linkOr || n.link == linkComma) && (n.noun == nounDiscount || n.noun == nounOther) {
			q.noun = n.noun
		}
	}
	for k := range p.qs {
		q := &p.qs[k]
		q.role = p.roleOf(k)
		p.paid = p.paid || q.role == roleRate || q.role == rolePrevious
		p.steps += 2 * (q.sufEnd - q.preStart)
	}
}

func (p *parser) roleOf(k int) role {
	q := &p.qs[k]
	words := q.pre | q.suf
	money := q.unit == uMoney
	cash := q.noun == nounCashback
	var before *quantity
	if k > 0 {
		before = &p.qs[k-1]
	}
	switch {
	case q.unit == uFold || q.unit == uTimes:
		return roleMultiple
	case q.struck, q.pre&mWas != 0, q.suf&mWasAfter != 0 && p.leadsOn(k):
		if q.noun == nounDiscount {
			return roleDiscount
		}
		return rolePrevious
	case before != nil && before.unit == q.unit && !q.ranged && q.pre&mFrom != 0 && p.all&mRaised != 0:
		return rolePrevious // "raised to 5 % from 3 %"
	case q.pre&mUsual != 0 && p.beside(k):
		return rolePrevious
	case before != nil && (before.role == roleDiscount || before.role == roleOther && !before.per) && q.link == linkNone && q.noun == nounNone && q.verb == 0:
		return roleOther // "$5 off $50"
	case words&mMore != 0 && p.compares(q):
		return roleOther
	case money && p.tok(q.first-1).is(mPer) && p.looseEnd == q.first-1:
		return roleOther // "3 stars per $1"
	case q.pre&mPart != 0 && k > 0 && p.partOf(q):
		return roleOther // "4 % (dont 1 % de bonus)"
	case p.worth(k), money && p.tok(q.first-1).is(mFor) && p.looseEnd == q.first-1:
		return roleOther // "2,000 for $10"
	case q.negative && !cash && words&(mNew|mExisting|mOrder|mOver|mUnder|mOrMore|mOrLess) == 0 && !(before != nil && before.role == roleCondition):
		return roleDiscount
	case q.noun == nounDiscount:
		return roleDiscount
	}
	if money && p.caps(k) {
		return roleCap
	}
	if q.unit != uPercent && p.conditional(k) {
		return roleCondition
	}
	switch {
	case q.noun == nounOther || q.noun == nounPrice:
		return roleOther
	case money && k > 0 && before.unit == uMoney && p.tok(q.first-1).is(mPer) && p.tok(q.first-1).entry.letters && !cash && before.noun != nounCashback:
		before.role = roleOther // "de R$ 199 por R$ 99"
		return roleOther
	case q.hole:
		return roleHole
	case p.quality(q):
		return roleOther
	case money && q.noun == nounBonus && !(q.link == linkPlus && before.role == roleRate):
		return roleOther
	case money && q.verb&mGet != 0 && q.verb&mEarn == 0 && !cash:
		return roleOther
	case p.c.Field != Rate && !cash && q.verb&mEarn == 0:
		return roleOther
	}
	return roleRate
}

// partOf reports whether the word before a quantity says that it is part of the
// one before it.
func (p *parser) partOf(q *quantity) bool {
	for i := q.first - 1; i >= q.preStart && i >= q.first-3; i-- {
		if p.toks[i].is(mPart) {
			return true
		}
	}
	return false
}

// quality reports whether a percentage says how good something is, not what is
// paid: "100% cotton".
func (p *parser) quality(q *quantity) bool {
	t := p.tok(q.last)
	return q.unit == uPercent && q.hi.coef == 100 && q.hi.scale == 0 && !q.ranged && q.noun == nounNone && q.verb == 0 &&
		q.pre&(mUpTo|mMax) == 0 && q.last < q.sufEnd && t.kind == tWord && t.means == 0
}

// beside reports whether another quantity of the same unit stands beside one.
func (p *parser) beside(k int) bool {
	return k > 0 && p.qs[k-1].unit == p.qs[k].unit || k+1 < len(p.qs) && p.qs[k+1].unit == p.qs[k].unit
}

// leadsOn reports whether a word for "before" behind a quantity means it: an arrow
// only does where it leads to another one.
func (p *parser) leadsOn(k int) bool {
	q := &p.qs[k]
	t := p.tok(q.last)
	if !t.is(mWasAfter) || t.entry.letters {
		return true
	}
	return k+1 < len(p.qs) && p.qs[k+1].unit == q.unit && p.qs[k+1].first <= q.last+2
}

// compares reports whether a number says by how much something is more: "20 % more
// bonus".
func (p *parser) compares(q *quantity) bool {
	for i := q.last; i < q.sufEnd && i < q.last+2; i++ {
		if p.toks[i].is(mMore) {
			return true
		}
	}
	for i := q.first - 1; i >= q.preStart && i >= q.first-2; i-- {
		if p.toks[i].is(mMore) && !p.toks[i].is(mOver) {
			return true
		}
	}
	return false
}

// worth reports whether a quantity says what points are worth: "50 points = 1 €".
func (p *parser) worth(k int) bool {
	q := &p.qs[k]
	if q.unit != uPoints && q.unit != uMoney || q.per {
		return false
	}
	pair := func(a, b *quantity) bool {
		if a.unit == b.unit || a.unit != uPoints && a.unit != uMoney || b.unit != uPoints && b.unit != uMoney {
			return false
		}
		for i := a.last; i < b.first; i++ {
			if p.toks[i].is(mWorth) {
				return true
			}
		}
		if a.unit == uMoney && b.first == a.last+1 && p.tok(a.last).is(mFor|mPer) {
			return true // "1 € pour 100 points"
		}
		return (a.pre|b.suf)&mWorth != 0
	}
	earned := func(a *quantity) bool { return a.unit == uPoints && (a.verb != 0 || a.noun == nounCashback) }
	switch {
	case k+1 < len(p.qs) && pair(q, &p.qs[k+1]):
		return !(p.qs[k+1].inside > q.inside && earned(q))
	case k > 0 && pair(&p.qs[k-1], q):
		return true
	}
	return q.unit == uMoney && len(p.qs) == 1 && (q.pre|q.suf)&mWorth != 0 && p.all&mPoints != 0
}

// caps reports whether an amount bounds what is paid.
func (p *parser) caps(k int) bool {
	q := &p.qs[k]
	if q.pre&mCap != 0 || q.suf&mCap != 0 && q.suf&mCashback == 0 {
		return true
	}
	if q.pre&mMax != 0 && q.pre&mCashback != 0 && q.suf&mCashback == 0 {
		return true
	}
	if (q.pre|q.suf)&(mMax|mUpTo) == 0 || k == 0 {
		return false
	}
	b := &p.qs[k-1]
	if b.role == roleCondition && k > 1 && b.link != linkPlus && b.link != linkOr && b.link != linkRow {
		b = &p.qs[k-2] // "5 % on orders over £50, max £20"
	}
	if b.role != roleRate || b.unit != uPercent && !b.per {
		return false
	}
	if b.unit == uMoney {
		return false
	}
	switch q.link {
	case linkPlus, linkOr:
		return false
	case linkRow:
		return q.pre&mMax != 0 || (q.suf|q.pre)&(mNew|mExisting) == 0 && !p.labelled(q) && q.suf&mPurchase != 0
	}
	return (q.pre|q.suf)&(mNew|mExisting) == 0 && !(q.link == linkComma && p.labelled(q))
}

// labelled reports whether unknown words stand behind a quantity.
func (p *parser) labelled(q *quantity) bool {
	for i := q.last; i < q.sufEnd; i++ {
		if p.toks[i].kind == tWord && p.toks[i].means == 0 {
			return true
		}
	}
	return false
}

// conditional reports whether an amount is that of a basket: "for orders over £50".
func (p *parser) conditional(k int) bool {
	q := &p.qs[k]
	cash := q.noun == nounCashback
	earlier := p.paid
	if q.orMore && q.unit != uPercent {
		return true
	}
	near := func(m meaning) bool { // directly behind
		t := p.tok(q.last)
		return q.last < q.sufEnd && t.is(m)
	}
	if near(mOrMore | mOrLess) {
		return true
	}
	if near(mOrder) && !near(mCashback) {
		return true
	}
	if near(mAtLeast) && !cash {
		return true
	}
	// before it, the nearest first
	for i := q.first - 1; i >= q.preStart; i-- {
		t := &p.toks[i]
		if t.kind == tBreak || t.kind == tSign && t.sign == '|' {
			break
		}
		if t.kind == tSign && (t.sign == ':' || t.sign == '-' && t.spaced) && p.behindLabel(q, i) {
			break
		}
		switch {
		case q.ranged && t.is(mFrom|mBetween):
		case t.is(mFrom):
			return earlier || q.unit == uMoney && !cash && q.verb == 0
		case t.is(mOver | mUnder):
			return true
		case t.is(mAtLeast):
			return !cash && q.verb == 0 || earlier
		case t.is(mOrder):
			return !cash || t.is(mSpent)
		case t.is(mCashback | mEarn | mGet):
			return false
		case t.is(mFor) && i == 0 && !cash:
			return true
		case t.is(mFor) && i == q.first-1 && q.unit == uMoney && k > 0 && p.qs[k-1].role == roleRate && p.qs[k-1].unit == uPercent && q.noun == nounNone:
			return true // "4 % on $50"
		}
	}
	return q.ranged && q.pre&mOrder != 0 && !cash
}

// behindLabel reports whether the sign at token i parts a label from its rate, not a
// condition from its amount ("Minimum order value: 250 INR").
func (p *parser) behindLabel(q *quantity, i int) bool {
	t := &p.toks[i]
	if t.sign == '-' {
		return true
	}
	return !p.tok(i - 1).is(mOrder | mAtLeast | mOver | mUnder)
}
