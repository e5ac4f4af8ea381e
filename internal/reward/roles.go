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
	case q.unit == uTimes && p.instalments(k):
		return roleOther // "12x de R$ 99"
	case q.unit == uFold || q.unit == uTimes:
		return roleMultiple
	case q.struck, q.pre&mWas != 0, q.suf&mWasAfter != 0 && p.leadsOn(k):
		if q.noun == nounDiscount {
			return roleDiscount
		}
		return rolePrevious
	case before != nil && before.role == roleRate && before.unit == uPercent && q.unit == uPercent && q.link == linkNone && before.pre&(mFrom|mBetween) != 0 &&
		p.tok(q.first-1).is(mPer) && p.tok(q.first-1).entry.letters && p.less(before, q):
		before.role = rolePrevious // "de 2 % por 6 %"
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
	case money && k > 0 && before.unit == uTimes && before.role == roleOther:
		return roleOther
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
	if q.unit != uPercent && (p.conditional(k) || money && k > 0 && p.basketOf(before, q)) {
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

// instalments reports whether a multiple says in how many parts an amount is paid.
func (p *parser) instalments(k int) bool {
	if k+1 >= len(p.qs) || p.qs[k+1].unit != uMoney {
		return false
	}
	for i := p.qs[k].last; i < p.qs[k+1].first; i++ {
		if !p.toks[i].is(mNoise) {
			return false
		}
	}
	return true
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
		if a.unit == uPoints && p.tok(b.last).is(mBonus|mDiscount) && (p.tok(b.first-1).is(mFor) || p.tok(b.first-2).is(mFor)) {
			return true // "1,500 points for a $15 gift card"
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

// basketOf reports whether the words from a rate to the amount behind it, which has
// none of its own, name a basket: "5 % par commande de 20 €".
func (p *parser) basketOf(rate, q *quantity) bool {
	if rate.role != roleRate || rate.unit == uMoney || q.link != linkNone || q.noun != nounNone || q.verb != 0 || q.sufEnd > q.last {
		return false
	}
	for i := q.first - 1; i >= rate.unitEnd && i >= q.first-4; i-- {
		if t := &p.toks[i]; t.kind != tWord {
			return false
		} else if t.is(mOrder) {
			return true
		}
	}
	return false
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
		case q.per && t.is(mPer) && t.is(mSpent):
			return false
		case t.is(mFrom) && q.unit == uMoney && p.tok(i-1).is(mOrder) && i > q.preStart:
			return true // "cashback on orders from £30"
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
		if q.preStart > 0 || !p.tok(i-1).is(mOrder) {
			return true
		}
		for k := range i {
			if p.toks[k].is(mAtLeast) {
				return false // "Minimum cart value - Rs. 499"
			}
		}
		return true
	}
	if !p.tok(i - 1).is(mOrder) {
		return !p.tok(i - 1).is(mAtLeast | mOver | mUnder)
	}
	other := false // "SIM only 24 month contract: £36.75"
	for k := i - 1; k >= q.preStart; k-- {
		switch t := &p.toks[k]; {
		case t.is(mAtLeast | mOver | mUnder | mMax):
			return false
		case t.kind == tNum, t.kind == tWord && t.means == 0:
			other = true
		}
	}
	return other
}
