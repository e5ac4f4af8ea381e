package reward

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
	mLeads = mWas | mCap | mMax | mUpTo | mFrom | mOver | mUnder | mEarn | mGet | mBetween | mAtLeast | mNow | mUsual
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
	blocked, numbered := false, false
	for i := q.first - 1; i >= q.preStart; i-- {
		t := &p.toks[i]
		if t.kind == tNum || t.kind == tOther || label && t.kind == tWord && t.means == 0 {
			blocked = true
			numbered = numbered || t.kind == tNum
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
		if numbered && q.unit == uPercent {
			m &^= mOver | mAtLeast | mFrom // "from 3 nights: 5 %"
		}
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
			if t.kind == tSign && t.sign == '|' && best == nounCashback {
				d += far / 4 // "Cashback: 4 % | coupons: 12"
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
