package reward

import (
	"bytes"
)

type tokenKind uint8

const (
	tWord  tokenKind = iota // a word that no table knows, or one that a table does
	tSign                   // a sign that stands for itself
	tNum                    // a number
	tOther                  // digits that are no amount: a date, an address
	tHole                   // a template that was never filled in
	tBreak                  // the end of a row
)

// token is a word, a number or a sign of a text.
type token struct {
	kind tokenKind
	sign byte
	// spaced: a blank stands before; tagged: a tag does; struck: the text is struck
	// through here; inside: it stands in parentheses.
	spaced, tagged, struck bool
	inside                 uint8
	means                  meaning
	entry                  *entry
	num                    number
	start, end             uint32
}

func (t *token) is(m meaning) bool { return t.means&m != 0 }

// tokens cuts the normalised text. Each byte is looked at a bounded number of times:
// no phrase is longer than the longest of the tables.
func (p *parser) tokens() {
	text := p.plain.text
	var spaced, tagged, struck bool
	depth := uint8(0)
	add := func(t token) {
		t.spaced, t.tagged, t.struck, t.inside = spaced, tagged, struck, depth
		spaced, tagged = false, false
		p.toks = append(p.toks, t)
	}
	for i := 0; i < len(text); {
		b := text[i]
		switch b {
		case ' ', bHardGap:
			spaced = true
			i++
			continue
		case bTag:
			tagged = true
			i++
			continue
		case bStruck, bUnstruck:
			struck = b == bStruck
			tagged = true
			i++
			continue
		case '\n':
			if n := len(p.toks); n > 0 && p.toks[n-1].kind != tBreak {
				add(token{kind: tBreak, start: uint32(i), end: uint32(i + 1)})
			}
			spaced = true
			i++
			continue
		case bHole:
			p.hole = true
			add(token{kind: tHole, means: mHole, start: uint32(i), end: uint32(i + 1)})
			i++
			continue
		}
		if isDigit(b) && p.lang.words.first[b] != 0 {
			if e, end := p.lang.words.find(text, i, &p.steps); e != nil { // "1st order"
				add(token{kind: tWord, means: e.means, entry: e, start: uint32(i), end: uint32(end)})
				i = end
				continue
			}
		}
		if isDigit(b) || (b == '.' || b == ',') && i+1 < len(text) && isDigit(text[i+1]) && p.mayLead(i) || fractionAt(text, i) != 0 {
			s := scanNumber(text, i, p.lang.blankGroups)
			kind := tNum
			if s.other {
				kind = tOther
			}
			add(token{kind: kind, num: s.number, start: uint32(i), end: uint32(s.end)})
			i = s.end
			continue
		}
		if e, end := p.lang.words.find(text, i, &p.steps); e != nil {
			t := token{kind: tWord, means: e.means, entry: e, start: uint32(i), end: uint32(end)}
			if e.accented != 0 && p.ascii(i, end) {
				t.means &^= e.accented
			}
			if e.wild {
				p.compound(&t)
			}
			add(t)
			if end < len(text) && text[end] == '.' && e.letters && (end+1 == len(text) || text[end+1] != '.') && e.means&mAbbreviated != 0 {
				end++ // "kr. 50", "max. 20 €"
			}
			i = end
			continue
		}
		r, n := decodeRune(text, i)
		switch {
		case isWordRune(r):
			end := p.word(i)
			if bytes.HasPrefix(text[end:], []byte("://")) || bytes.HasPrefix(text[i:], []byte("www.")) {
				end = addressEnd(text, end)
				add(token{kind: tOther, start: uint32(i), end: uint32(end)})
				i = end
				continue
			}
			t := token{kind: tWord, start: uint32(i), end: uint32(end)}
			p.compound(&t)
			add(t)
			i = end
		case isIdeograph(r):
			end := i + n
			for end < len(text) {
				r, n := decodeRune(text, end)
				if !isIdeograph(r) {
					break
				}
				if e, _ := p.lang.words.find(text, end, &p.steps); e != nil {
					break
				}
				end += n
			}
			add(token{kind: tWord, start: uint32(i), end: uint32(end)})
			i = end
		default:
			switch {
			case b == '(' || b == '[':
				if depth < 200 {
					depth++
				}
				b = '('
			case b == ')' || b == ']':
				b = ')'
			}
			t := token{kind: tSign, sign: b, start: uint32(i), end: uint32(i + n)}
			if n > 1 {
				t.sign = 0xFF
			}
			add(t)
			if b == ')' && depth > 0 {
				depth--
			}
			i += n
		}
	}
}

// ascii reports whether the raw text of text[i:end] has no letter with an accent.
func (p *parser) ascii(i, end int) bool {
	for k := p.plain.at[i]; k < p.plain.at[end]; k++ {
		if p.raw[k] >= 0x80 || p.raw[k] == '&' {
			return false
		}
	}
	return true
}

// mAbbreviated are the meanings whose words are often cut off with a full stop.
const mAbbreviated = mMoney | mMax | mCap | mAtLeast | mUnit | mPer | mNoise | mOrder | mWas | mPoints | mUpTo | mPercent | mWithout | mPurchase | mFrom | mWith | mDiscount

// mayLead reports whether the mark at text[i] can be the beginning of a number such
// as ".5": nothing that it could end stands before it.
func (p *parser) mayLead(i int) bool {
	if i == 0 {
		return true
	}
	switch b := p.plain.text[i-1]; {
	case isGap(b), b == '(' || b == '-' || b == '$' || b == '+' || b == ':' || b == '~' || b == '<':
		return true
	case b >= 0x80: // "£.50"
		n := len(p.toks)
		return n > 0 && p.toks[n-1].is(mMoney) && int(p.toks[n-1].end) == i
	}
	return false
}

// word measures a word that begins at text[i]: letters, then digits too ("GRAB10").
func (p *parser) word(i int) int {
	text := p.plain.text
	for i < len(text) {
		r, n := decodeRune(text, i)
		if !isWordRune(r) && (r < '0' || r > '9') {
			if r != '\'' || i+1 == len(text) {
				break
			}
			if next, _ := decodeRune(text, i+1); !isWordRune(next) {
				break
			}
		}
		i += n
	}
	return i
}

// addressEnd measures the rest of a web address.
func addressEnd(text []byte, i int) int {
	for i < len(text) && !isGap(text[i]) && text[i] != ')' && text[i] != '"' {
		i++
	}
	return i
}

// compound looks for a known word inside a longer one: its end says what the whole
// is ("Willkommensgutschein" is a voucher).
func (p *parser) compound(t *token) {
	const least, longest = 3, 60
	text := p.plain.text[t.start:t.end]
	if len(text) > longest || len(p.lang.inner.nodes) < 2 {
		return
	}
	for i := least; i < len(text)-1; i++ {
		if e, end := p.lang.inner.find(text, i, &p.steps); e != nil && end == len(text) {
			t.means |= e.means
			t.entry = e
			return
		}
	}
}
