package reward

import (
	"html"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Reasons for what is no rate, or wasn't understood.
// ReasonCount is the reason of a text whose number stands before a word that is
// neither money nor points. A page on which every text has it is one whose unit isn't
// known, not one without cashback.
const ReasonCount = "a number that counts something else"

const (
	whyMany       = "more amounts than a rate has"
	whyEmpty      = "the text is empty"
	whyLong       = "the text is longer than a rate's"
	whyNoAmount   = "no amount in it"
	whyNone       = "says that there is no cashback"
	whyDiscount   = "a discount or a coupon"
	whyOther      = "an amount that isn't cashback"
	whyCondition  = "a condition, not a rate"
	whyCap        = "a cap without a rate"
	whyCount      = ReasonCount
	whyUnit       = "a number without a unit"
	whyDigits     = "more digits than a rate has"
	whyReversed   = "a range whose bottom is above its top"
	whyTwo        = "two rates side by side; which one is paid isn't said"
	whyKinds      = "a range between two kinds of reward"
	whyPrevious   = "only a previous rate"
	whyMultiple   = "a multiple of a rate that isn't said"
	whyHole       = "a template that was never filled in"
	whyUnnamed    = "cashback without an amount"
	whyNoLanguage = "words of a language that has no table"
)

// span is where tokens [a, b) stand in the raw text.
func (p *parser) span(a, b int) cashback.Span {
	if a >= b || b > len(p.toks) {
		return cashback.Span{End: len(p.raw)}
	}
	return cashback.Span{Start: p.at(a), End: p.end(b - 1)}
}

// mostQuantities bounds the amounts of a text: a shop with all its tiers has some
// dozens. Only their number, never the text's length, is ever squared.
const mostQuantities = 200

// firstTier is storage for the commonest reward, one tier with one component, in a
// single allocation.
type firstTier struct {
	tiers      [1]cashback.Tier
	components [1]cashback.Component
}

// read builds the reward of the text.
func (p *parser) read() (r cashback.Reward) {
	r = cashback.Reward{Raw: p.raw}
	fail := func(why string, at cashback.Span) cashback.Reward {
		return cashback.Reward{Raw: p.raw, Kind: cashback.Unknown, Reason: why, At: at}
	}
	if len(p.qs) > mostQuantities {
		return fail(whyMany, cashback.Span{End: len(p.raw)})
	}
	rates, zeros, hole := 0, 0, false
	last := -1
	for k := range p.qs {
		q := &p.qs[k]
		if why := p.trouble(k, last); why != "" && (q.role == roleRate || q.role == rolePrevious) {
			return fail(why, p.span(q.first, q.last))
		}
		hole = hole || q.role == roleHole
		if q.role != roleRate {
			continue
		}
		rates++
		if p.value(q, q.hi).IsZero() {
			zeros++
		}
		last = k
	}
	if rates > 0 && zeros == rates && !hole {
		r.Kind = cashback.NoCashback
		return r
	}
	if zeros == rates {
		return p.without(r)
	}
	if !p.lang.known && p.foreign() {
		return fail(whyNoLanguage, cashback.Span{End: len(p.raw)})
	}
	one := &firstTier{}
	base := -1 // the first unconditional tier that a plus adds to
	for k := range p.qs {
		q := &p.qs[k]
		switch q.role {
		case rolePrevious:
			if !r.Previous.Valid {
				r.Previous = cashback.Some(p.value(q, q.hi))
			}
			continue
		case roleRate:
		default:
			continue
		}
		if len(r.Tiers) == 0 { // the commonest case, filled in place
			r.Tiers = one.tiers[:1]
			p.tier(q, &one.tiers[0])
			p.component(q, &one.components[0])
			one.tiers[0].Components = one.components[:]
			base = 0
			continue
		}
		var c cashback.Component
		var t cashback.Tier
		p.component(q, &c)
		p.tier(q, &t)
		plus := q.link == linkPlus && base >= 0 && p.ratesBefore(k)
		switch {
		case plus && p.unconditional(q, &t):
			into := &r.Tiers[len(r.Tiers)-1]
			into.Components = append(into.Components, c)
			into.UpTo = into.UpTo || t.UpTo
			if into.Audience == cashback.Anybody {
				into.Audience = t.Audience
			}
		case plus:
			b := r.Tiers[base].Components
			if t.Label == "" {
				t.Label = p.condition(q)
			}
			t.Components = append(append(make([]cashback.Component, 0, len(b)+1), b...), c)
			t.UpTo = t.UpTo || r.Tiers[base].UpTo
			r.Tiers = append(r.Tiers, t)
		default:
			t.Components = []cashback.Component{c}
			r.Tiers = append(r.Tiers, t)
			base = len(r.Tiers) - 1
		}
	}
	p.bounds(&r)
	for i := range r.Tiers {
		for _, c := range r.Tiers[i].Components {
			if r.Kind == "" && !c.Value.IsZero() {
				r.Kind = c.Kind
			}
		}
	}
	if len(r.Tiers) == 1 && r.Tiers[0].Audience == cashback.Anybody {
		r.Tiers[0].Audience = audience(p.around())
	}
	return r
}

// around is what the words of the text say that don't belong to a discount or
// another amount beside the rate.
func (p *parser) around() meaning {
	var m meaning
	i := 0
	for k := range p.qs {
		q := &p.qs[k]
		if q.role != roleDiscount && q.role != roleOther {
			continue
		}
		for ; i < q.preStart; i++ {
			m |= p.toks[i].means
		}
		i = max(i, q.sufEnd)
	}
	for ; i < len(p.toks); i++ {
		m |= p.toks[i].means
	}
	return m
}

// ratesBefore reports whether the quantity before k, which a plus joins it to, is a
// rate too.
func (p *parser) ratesBefore(k int) bool {
	for i := k - 1; i >= 0; i-- {
		switch p.qs[i].role {
		case roleRate:
			return true
		case roleCondition, rolePrevious, roleCap:
			if p.qs[i].link == linkPlus {
				return false
			}
			continue
		}
		return false
	}
	return false
}

// unconditional reports whether an addend belongs to the tier before it, not to one
// of its own: "5 % + 2 % for new customers" is 5 %, and 7 % for some.
func (p *parser) unconditional(q *quantity, t *cashback.Tier) bool {
	if t.Channel != "" || t.MinSpend != nil || q.inside > 0 && p.qs[0].inside == 0 && p.labelBefore(q) {
		return false
	}
	return (q.pre|q.suf)&(mNew|mExisting) == 0
}

func (p *parser) labelBefore(q *quantity) bool {
	p.steps += q.first - q.preStart
	i := q.first - 1
	for ; i >= q.preStart && p.toks[i].inside >= q.inside; i-- {
		if t := &p.toks[i]; t.kind == tNum || t.kind == tWord && t.means == 0 {
			return true
		}
	}
	return false
}

// trouble says why a quantity can't be taken as it stands; before is the rate before
// it, or -1. A previous rate that only its place gives away is marked as one.
func (p *parser) trouble(k, before int) string {
	q := &p.qs[k]
	switch {
	case q.hi.huge || q.lo.huge || q.perAmount.huge:
		return whyDigits
	case q.ranged && p.value(q, q.lo).Cmp(p.value(q, q.hi)) > 0:
		return whyReversed
	}
	if t := p.tok(q.first - 1); t.kind == tNum && q.role == roleRate && (k == 0 || p.qs[k-1].last < q.first) {
		return whyUnit // "3 5%"
	}
	if before < 0 || q.role != roleRate || before != k-1 {
		return ""
	}
	b := &p.qs[before]
	switch {
	case q.link == linkNothing || q.link == linkParen && p.alone(q) && b.unit == q.unit && q.pre == 0 && q.suf == 0:
		if b.unit != q.unit || q.inside != b.inside || p.value(b, b.hi).Cmp(p.value(q, q.hi)) >= 0 || b.ranged || q.ranged {
			return whyTwo
		}
		b.role = rolePrevious
	case b.unit != q.unit && q.link == linkDash && !p.says(b.last, q.first):
		return whyKinds
	case b.unit != q.unit && q.first == b.last+1 && p.tok(b.last).kind == tSign && (p.tok(b.last).sign == '-' || p.tok(b.last).sign == '~'):
		return whyKinds
	}
	return ""
}

// alone reports whether a quantity has its parentheses to itself.
func (p *parser) alone(q *quantity) bool {
	return p.tok(q.first-1).sign == '(' && p.tok(q.last).sign == ')'
}

// component fills in what a rate pays.
func (p *parser) component(q *quantity, c *cashback.Component) {
	c.Value, c.PerUnit, c.Span = p.value(q, q.hi), q.perUnit, p.span(q.first, q.last)
	if q.perWhole != "" {
		c.PerUnit = q.perWhole
	}
	if q.ranged {
		c.Min = cashback.Some(p.value(q, q.lo))
	}
	switch q.unit {
	case uPercent:
		c.Kind, c.PointsCurrency = cashback.Percent, q.points
	case uMoney:
		c.Kind, c.Currency = cashback.Fixed, q.currency
	default:
		c.Kind, c.PointsCurrency = cashback.PointsFixed, q.points
		if q.per {
			c.Kind, c.Currency = cashback.PointsPerUnit, q.currency
		}
	}
	if q.per && q.perAmount.coef > 0 {
		if d := q.perAmount.decimal(); d.Cmp(decimal.One) != 0 || q.unit == uMoney {
			c.PerAmount = d
		}
	}
	words := q.pre | q.suf
	if !q.ranged && words&(mUpTo|mMax) == 0 && (q.pre&mFrom != 0 || q.suf&mFromBehind != 0 || words&mAtLeast != 0 || q.unit == uPercent && (q.orMore || q.pre&mOver != 0 || q.suf&mOrMore != 0)) {
		c.Min = cashback.Some(c.Value)
	}
}

// tier fills in what the words around a rate say about it.
func (p *parser) tier(q *quantity, t *cashback.Tier) {
	words := q.pre | q.suf
	t.UpTo = q.ranged || q.pre&(mUpTo|mMax) != 0 || q.unit == uPercent && q.pre&mCap != 0 || q.suf&(mUpTo|mMax) != 0 && p.upToBehind(q)
	t.Audience = audience(words)
	t.Label = p.label(q)
	switch words & (mApp | mStore | mOnline) {
	case mApp:
		t.Channel = "app"
	case mStore:
		t.Channel = "in_store"
	case mOnline:
		t.Channel = "online"
	}
}

// upToBehind reports whether the word for "up to" stands directly behind the rate,
// where some languages have it ("5%まで").
func (p *parser) upToBehind(q *quantity) bool {
	for i := q.last; i < q.sufEnd; i++ {
		t := &p.toks[i]
		if t.is(mUpTo | mMax) {
			n := p.tok(i + 1)
			return n.kind == tSign || n.kind == tBreak || n.is(mCashback|mNoise) && !n.is(mUpTo)
		}
		if t.kind != tWord || !t.is(mNoise|mCashback) {
			return false
		}
	}
	return false
}

func audience(m meaning) cashback.Audience {
	switch m & (mNew | mExisting) {
	case mNew:
		return cashback.New
	case mExisting:
		return cashback.Existing
	}
	return cashback.Anybody
}

// bounds hangs caps and basket amounts on the tiers that they speak of.
func (p *parser) bounds(r *cashback.Reward) {
	tier := -1
	for k := range p.qs {
		q := &p.qs[k]
		switch q.role {
		case roleRate:
			if q.link != linkPlus || tier < 0 {
				tier++
			}
			tier = min(tier, len(r.Tiers)-1)
		case roleCap:
			m, err := cashback.MoneyOf(q.hi.decimal(), q.currency)
			if err != nil {
				continue
			}
			for i := range r.Tiers {
				if (i == tier || len(r.Tiers) == 1 || q.link == linkRow) && r.Tiers[i].Cap == nil {
					r.Tiers[i].Cap = &m
				}
			}
		case roleCondition:
			if q.unit != uMoney || q.currency == "" || (q.pre|q.suf)&(mUnder|mOrLess) != 0 {
				continue
			}
			n := q.hi
			if q.ranged {
				n = q.lo
			}
			m, err := cashback.MoneyOf(n.decimal(), q.currency)
			if err != nil {
				continue
			}
			// a label's amount stands before its rate, a sentence's behind it
			i := max(tier, 0)
			if k+1 < len(p.qs) && p.qs[k+1].role == roleRate && (tier < 0 || q.link == linkRow) {
				i = tier + 1
			}
			if i < len(r.Tiers) && r.Tiers[i].MinSpend == nil {
				r.Tiers[i].MinSpend = &m
			}
		}
	}
}

// label is the raw text of the words that say what a tier is for.
func (p *parser) label(q *quantity) string {
	from, to := p.unknown(q.preStart, q.first, true, 0)
	if from < 0 {
		from, to = p.unknown(q.last, q.sufEnd, false, 0)
	}
	if from < 0 && len(p.qs) > 1 { // "monthly subscription" is of known words
		if from, to = p.unknown(q.preStart, q.first, true, mUnit|mPurchase); from < 0 {
			from, to = p.unknown(q.last, q.sufEnd, false, mUnit|mPurchase)
		}
	}
	if from < 0 {
		return ""
	}
	a, b := q.preStart, q.first
	if from >= q.last {
		a, b = q.last, q.sufEnd
	}
	const around = mUnit | mNoise | mOrder | mWith | mWithout | mPurchase | mSpent | mAnd | mNew | mExisting | mNewBeside
	for from > a && p.toks[from-1].kind == tWord && p.toks[from-1].is(around) && !p.toks[from-1].is(mLeads) {
		from--
	}
	for to+1 < b && p.toks[to+1].kind == tWord && p.toks[to+1].is(around) && !p.toks[to+1].is(mLeads) {
		to++
	}
	s := p.raw[p.at(from):p.end(to)]
	if strings.ContainsAny(s, "<\n") {
		return ""
	}
	return html.UnescapeString(s)
}

// condition is the raw text in front of an addend that only holds under it: the
// "1 000 liter" of "0,3 % (1 000 liter + 1 %)".
func (p *parser) condition(q *quantity) string {
	from := q.first
	for from > 0 && p.toks[from-1].inside == q.inside && p.toks[from-1].sign != '(' {
		from--
	}
	to := q.first
	for to > from && p.toks[to-1].is(mPlus) {
		to--
	}
	p.steps += q.first - from
	if q.inside == 0 || from == to {
		return ""
	}
	return p.raw[p.at(from):p.end(to-1)]
}

// unknown finds the first and last word of a row, the last or the first one between
// two tokens, that no table knows or that has one of the meanings.
func (p *parser) unknown(a, b int, last bool, or meaning) (from, to int) {
	from, to = -1, -1
	for i := a; i < b; i++ {
		t := &p.toks[i]
		if t.kind == tBreak {
			if !last && from >= 0 {
				break
			}
			if i+1 < b {
				from, to = -1, -1
			}
			continue
		}
		if t.kind == tWord && (t.means == 0 || t.is(or)) {
			if from < 0 {
				from = i
			}
			to = i
		}
	}
	return from, to
}

// without is what a text says that states no rate.
func (p *parser) without(r cashback.Reward) cashback.Reward {
	var previous, cap, hole, multiple *quantity
	discount, other, condition := false, false, false
	for k := range p.qs {
		q := &p.qs[k]
		switch q.role {
		case rolePrevious:
			if previous == nil {
				previous = q
			}
		case roleCap:
			if cap == nil {
				cap = q
			}
		case roleHole:
			hole = q
		case roleMultiple:
			multiple = q
		case roleDiscount:
			discount = true
		case roleOther:
			other = true
		case roleCondition:
			condition = true
		}
	}
	not := func(why string) cashback.Reward {
		r.Kind, r.Reason = cashback.NotCashback, why
		return r
	}
	unknown := func(why string, q *quantity) cashback.Reward {
		r.Kind, r.Reason = cashback.Unknown, why
		r.At = cashback.Span{End: len(p.raw)}
		if q != nil {
			r.At = p.span(q.first, q.last)
			var c cashback.Component
			p.component(q, &c)
			c.Value, c.Span, c.Min = cashback.Decimal{}, r.At, cashback.NullDecimal{}
			if q.unit == uFold || q.unit == uTimes {
				c.Kind = cashback.Percent
			}
			r.Named = &cashback.Tier{UpTo: q.role == roleHole && q.pre&(mUpTo|mMax) != 0, Audience: audience(q.pre | q.suf), Components: []cashback.Component{c}}
		}
		return r
	}
	switch {
	case previous != nil:
		r.Previous = cashback.Some(p.value(previous, previous.hi))
		return unknown(whyPrevious, previous)
	case hole != nil:
		return unknown(whyHole, hole)
	case p.hole && len(p.qs) == 0:
		return unknown(whyHole, nil)
	case p.all&mNone != 0:
		r.Kind, r.Reason = cashback.NoCashback, whyNone
		return r
	case multiple != nil && p.multiplies():
		return unknown(whyMultiple, multiple)
	case cap != nil:
		if m, err := cashback.MoneyOf(cap.hi.decimal(), cap.currency); err == nil {
			r.Cap = &m
		}
		return not(whyCap)
	case discount:
		return not(whyDiscount)
	case condition:
		return not(whyCondition)
	case other:
		return not(whyOther)
	case p.all&mDouble != 0 && p.all&(mCashback|mPoints) != 0:
		r.Kind, r.Reason, r.At = cashback.Unknown, whyMultiple, cashback.Span{End: len(p.raw)}
		if p.all&mCashback != 0 && p.says(0, len(p.toks)) {
			r.Named = &cashback.Tier{Components: []cashback.Component{{Kind: cashback.Percent, Span: r.At}}}
		}
		return r
	case p.loose == 1 && p.looseZero && !p.looseCounted:
		r.Kind = cashback.NoCashback
		return r
	case p.all&mDiscount != 0:
		return not(whyDiscount)
	case p.all&mOther != 0:
		return not(whyOther)
	case p.loose > 0 && !p.looseCounted && (!p.words() || p.all&mCashback != 0 && p.tok(p.looseAt+1).is(mCashback)):
		r.Kind, r.Reason, r.At = cashback.Unknown, whyUnit, p.span(p.looseAt, p.looseAt+1)
		return r
	case (p.loose > 0 || p.counted) && !p.lang.known && p.foreign():
		return unknown(whyNoLanguage, nil) // it may count money
	case p.loose > 0 || p.counted || multiple != nil:
		return not(whyCount)
	case len(p.toks) == 0:
		return unknown(whyEmpty, nil)
	case p.all&(mCashback|mPoints) != 0:
		return unknown(whyUnnamed, nil)
	}
	return not(whyNoAmount)
}

// multiplies reports whether a multiple is one of what is paid: "5-fach" alone, or
// beside a word for it, not "used 300 times".
func (p *parser) multiplies() bool {
	switch {
	case p.all&(mCashback|mPoints) != 0:
		return true
	case p.all&mDiscount != 0:
		return false
	}
	return !p.foreign() || p.all&(mEarn|mBonus) != 0
}

// words reports whether the text has any word.
func (p *parser) words() bool {
	for i := range p.toks {
		if p.toks[i].kind == tWord {
			return true
		}
	}
	return false
}

// foreign reports whether the text has words that nobody could have known.
func (p *parser) foreign() bool {
	for i := range p.toks {
		if p.toks[i].kind == tWord && p.toks[i].means == 0 {
			return true
		}
	}
	return false
}
