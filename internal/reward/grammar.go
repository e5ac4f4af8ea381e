package reward

// parser reads one text.
type parser struct {
	raw    string
	c      Context
	lang   *language
	region string
	locale string // that lang and region are of
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
		case t.is(mWithout | mNone), t.is(mWith) && (t.inside > 0 || numbers > 1 && !numbered):
			off, until = true, t.inside
		case t.kind == tBreak || t.kind == tNum || t.inside < until || t.is(mOr|mPlus):
			off = false
		case t.kind == tSign && (t.sign == ';' || t.sign == '|' || t.sign == ':' || t.sign == ')' || t.sign == '-' && t.spaced):
			off = false
		}
		if off {
			t.means &^= mDiscount | mOther | mPrice
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
