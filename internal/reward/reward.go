// Package reward reads the texts in which portals state what they pay:
// "Jusqu'à 6,5 % (était 3 %)", "2 pts/$", "bis zu 25,00 EUR statt 10 €".
//
// Its one invariant: nothing is guessed. What comes out as a rate was stated as
// one, digit for digit; a discount never becomes a rate, and a text that can't
// be read is Unknown with the reason and the place, never zero. The package is
// pure: no I/O, no clock, no state.
//
// A text is read in five steps, each linear in its length:
//
//   - normalise (text.go, markup.go): one spelling for letters, blanks, dashes, tags
//     and entities, with the way back to the raw text's bytes;
//   - tokens (token.go, number.go): numbers, signs, and the phrases of the language's
//     table (lexicon.go, words/*.txt) with their meanings (meaning.go);
//   - quantities (quantity.go): numbers with their units, ranges, what points are
//     paid for;
//   - parts and roles (parts.go, roles.go): which words speak of which quantity, and
//     so whether it is a rate, a previous one, a cap, a basket's amount, a discount;
//   - tiers (build.go): alternatives, sums, their bounds and labels, or the reason
//     why there are none.
//
// No word of any language stands in the code; docs/rewards.md explains the tables.
package reward

import (
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Field says what kind of place on a page a text comes from.
type Field uint8

const (
	// Rate is a place that states what is paid: an amount without any word is a
	// rate.
	Rate Field = iota
	// Coupon is a place for vouchers and deals: only what is called cashback is.
	Coupon
	// Label is the name or condition of a tier: only what is called cashback is.
	Label
)

// Context is what is known of a text besides its letters.
type Context struct {
	// Locale is a BCP 47 tag such as "fr-FR"; its language picks the words, its
	// region what a bare sign means. Empty means English without a region.
	Locale string
	// Currency is the portal's; it resolves a bare "$" or "kr". Empty leaves them
	// to the locale.
	Currency cashback.Currency
	// PointsCurrency is the portal's word for its points; it stands in for a plain
	// "points".
	PointsCurrency string
	Field          Field
}

// maxText bounds what is read: a rate is a line, a table of tiers some dozens of
// them; what is longer is a page.
const maxText = 64 << 10

// Parse reads a text. It never fails: what can't be read has Kind Unknown, with
// Reason and At. Its time is linear in the text's length.
func Parse(text string, c Context) cashback.Reward { return shipped().Parse(text, c) }

// Parse reads a text with the words of l.
func (l *Lexicon) Parse(text string, c Context) cashback.Reward {
	if len(text) > maxText {
		return cashback.Reward{Raw: text, Kind: cashback.Unknown, Reason: whyLong, At: cashback.Span{Start: maxText, End: len(text)}}
	}
	p := l.parser(text, c)
	r := l.parse(p)
	l.release(p)
	return r
}

func (l *Lexicon) parse(p *parser) cashback.Reward {
	if p.lang == nil || p.locale != p.c.Locale {
		p.lang, p.region = l.locale(p.c.Locale)
		p.locale = p.c.Locale
	}
	p.plain.normalise(p.raw, l)
	p.tokens()
	p.neutralise()
	p.quantities()
	if len(p.qs) > 0 && len(p.qs) <= mostQuantities {
		p.divide()
		for k := range p.qs {
			p.describe(&p.qs[k])
		}
		p.assign()
	}
	return p.read()
}

// parser takes a parser from those that have read texts before: its room is kept.
func (l *Lexicon) parser(text string, c Context) *parser {
	var p *parser
	for i := range l.spare {
		if p = l.spare[i].Swap(nil); p != nil {
			break
		}
	}
	if p == nil {
		p = &parser{none: token{kind: tBreak}}
	}
	p.raw, p.c = text, c
	return p
}

// release gives a parser back, unless it has grown for a text of unusual length.
func (l *Lexicon) release(p *parser) {
	const most = 4 << 10
	if cap(p.plain.text) > most {
		return
	}
	p.raw, p.c = "", Context{}
	p.plain.text, p.plain.at, p.toks, p.qs = p.plain.text[:0], p.plain.at[:0], p.toks[:0], p.qs[:0]
	p.found = found{}
	for i := range l.spare {
		if l.spare[i].CompareAndSwap(nil, p) {
			return
		}
	}
}

// locale finds the language and the region of a BCP 47 tag. A tag without a language
// is English, one whose language has no table has only the common signs.
func (l *Lexicon) locale(tag string) (*language, string) {
	var code [3]byte
	region, n, field := "", 0, 0
	for i := 0; i <= len(tag); {
		end := i
		for end < len(tag) && tag[end] != '-' && tag[end] != '_' {
			end++
		}
		switch part := tag[i:end]; {
		case field == 0 && len(part) <= len(code):
			for n = range part {
				code[n] = part[n] | ' '
			}
			n = len(part)
		case len(part) == 2:
			region = strings.ToUpper(part)
		case strings.EqualFold(part, "Hant") && region == "":
			region = "TW"
		case strings.EqualFold(part, "Hans") && region == "":
			region = "CN"
		}
		field++
		i = end + 1
	}
	lang := l.languages[string(code[:n])]
	switch {
	case n == 0:
		lang = l.languages["en"]
	case lang == nil:
		lang = l.languages[""]
	}
	if region == "" {
		region = lang.region
	}
	return lang, region
}
