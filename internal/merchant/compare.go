package merchant

import (
	"fmt"
	"slices"
	"strings"
)

// evidence is what two names have to do with each other. Of several findings on two
// groups the later kind counts.
type evidence uint8

const (
	unrelated   evidence = iota
	cousins              // they share a word, and each has others
	contained            // one has further words, of which nothing is known
	nearly               // one edit apart
	strictly             // one has a further word of a trade that is a shop of its own
	firmly               // one has a further word of a trade that may be one
	softly               // one has a further trade word or a town
	harmlessly           // one has a further harmless word, or the firm behind it
	abbreviated          // one is the initials of the other
	cut                  // one was cut off
	stated               // one says itself that it is the other as well
	lined                // they differ in a word that makes another shop
	same                 // the same name
)

// finding is evidence with the words it rests on.
type finding struct {
	evidence evidence
	extra    []word
	// longer is the side (0 or 1) that has the further words.
	longer int
	// first says that a typing error is in the first letter, where they are rare.
	first bool
}

// compare looks at two names.
func (r *Rules) compare(a, b *form) finding {
	if shares(a.same, b.same) {
		return finding{evidence: same}
	}
	for i, p := range [...][2]*form{{a, b}, {b, a}} {
		if p[0].owner != "" && (p[0].owner == p[1].core || p[0].owner == p[1].key) {
			return finding{evidence: lined, extra: p[0].words[:1], longer: i}
		}
	}
	for _, p := range [...][2]*form{{a, b}, {b, a}} {
		if p[0].truncated && len(p[0].full) >= headLength && (strings.HasPrefix(p[1].full, p[0].full) || strings.HasPrefix(p[1].key, p[0].key)) {
			return finding{evidence: cut}
		}
	}
	if a.core == b.core && len(a.extras)+len(b.extras) > 0 {
		return weigh(a.extras, b.extras)
	}
	for _, p := range [...][2]*form{{a, b}, {b, a}} {
		for _, o := range p[0].others {
			if _, ok := slices.BinarySearch(p[1].same, hash(exactFeature, o)); ok {
				return finding{evidence: stated}
			}
		}
	}
	if a.short != "" && a.short == b.key || b.short != "" && b.short == a.key {
		return finding{evidence: abbreviated}
	}
	if !a.generic && !b.generic {
		if e, first := edited(a.key, b.key); e.forgiven(len(a.key), len(b.key)) {
			return finding{evidence: nearly, first: first}
		}
	}
	if extra, longer, ok := r.within(a, b); ok {
		for _, w := range extra {
			if w.kind == lineWord || w.kind == firmTrade || w.kind == strictTrade {
				return finding{evidence: lined, extra: extra, longer: longer}
			}
		}
		return finding{evidence: contained, extra: extra, longer: longer}
	}
	if r.related(a, b) {
		return finding{evidence: cousins}
	}
	return finding{}
}

// weigh judges names that are equal but for words that may be harmless.
func weigh(a, b []word) finding {
	onlyA, onlyB := without(a, b), without(b, a)
	f := finding{evidence: harmlessly, extra: append(slices.Clone(onlyA), onlyB...)}
	if len(onlyB) > len(onlyA) || len(onlyB) == len(onlyA) && len(join(onlyB, "", false)) > len(join(onlyA, "", false)) {
		f.longer = 1
	}
	trades := [2]trade{}
	for side, ws := range [...][]word{onlyA, onlyB} {
		for _, w := range ws {
			e := harmlessly
			switch w.kind {
			case lineWord:
				f.evidence = lined
				return f
			case strictTrade:
				e, trades[side] = strictly, w.trade
			case firmTrade:
				e, trades[side] = firmly, w.trade
			case softTrade:
				e, trades[side] = softly, w.trade
			case cityWord:
				e = softly
			}
			if e < f.evidence { // the weaker evidence counts
				f.evidence = e
			}
		}
	}
	if trades[0].name != "" && trades[1].name != "" {
		f.evidence = softly // "NH Hoteles" and "NH Hotels"
		if trades[0].notion != trades[1].notion {
			f.evidence = lined
		}
	}
	return f
}

func without(a, b []word) []word {
	var out []word
	for _, w := range a {
		if !slices.ContainsFunc(b, func(o word) bool { return o.text == w.text }) {
			out = append(out, w)
		}
	}
	return out
}

// shares says whether two sorted lists have an element in common.
func shares(a, b []uint64) bool {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			return true
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return false
}

// within says whether one name is the other with further words before or behind. A
// known word may be glued to the name: "lastminutevols".
func (r *Rules) within(a, b *form) (extra []word, longer int, ok bool) {
	x, y := a, b
	longer = 1
	if len(a.key) > len(b.key) {
		x, y, longer = b, a, 0
	}
	if len(x.key) < 2 || len(x.key) == len(y.key) {
		return nil, 0, false
	}
	for n := 1; n < len(y.words); n++ {
		if join(y.words[:n], "", false) == x.key {
			return y.words[n:], longer, true
		}
		if join(y.words[n:], "", false) == x.key {
			return y.words[:n], longer, true
		}
	}
	if len(y.words) == 1 && len(x.key) >= 3 {
		rest, front := strings.CutPrefix(y.key, x.key)
		if !front {
			rest, ok = strings.CutSuffix(y.key, x.key)
		}
		if k, t := r.kindOf(rest); (front || ok) && k >= softTrade {
			return []word{{text: rest, wide: rest, kind: k, trade: t, line: r.lines[rest]}}, longer, true
		}
	}
	return nil, 0, false
}

// related says whether two names share a word that is none of the common ones.
func (r *Rules) related(a, b *form) bool {
	for _, w := range a.words {
		if w.kind != plainWord || len(w.text) < 3 || r.isGeneric(w.text) {
			continue
		}
		if slices.ContainsFunc(b.words, func(o word) bool { return o.text == w.text }) {
			return true
		}
	}
	return false
}

// edit is how two keys differ by one stroke.
type edit uint8

const (
	noEdit  edit = iota
	swap         // two neighbours in each other's place
	gap          // a letter too many, or missing
	altered      // another letter
)

// forgiven says whether such a difference is taken for a typing error in names of
// these lengths. A letter that was changed makes another word sooner than one that
// was lost ("Vivara", "Vivaia").
func (e edit) forgiven(a, b int) bool {
	n := max(a, b)
	switch e {
	case swap:
		return n >= 6
	case gap:
		return n >= 7
	case altered:
		return n >= 8
	}
	return false
}

// edited says by which one stroke two keys differ. Digits must be the same. first
// says that it is in the first letter.
func edited(a, b string) (e edit, first bool) {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || len(a) < 4 || a == b {
		return noEdit, false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	switch {
	case len(b) > len(a):
		if a[i:] == b[i+1:] && !digit(b[i]) {
			return gap, i == 0
		}
	case a[i+1:] == b[i+1:]:
		if !digit(a[i]) && !digit(b[i]) {
			return altered, i == 0
		}
	case i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]:
		if !digit(a[i]) && !digit(b[i]) {
			return swap, false
		}
	}
	return noEdit, false
}

// say puts a finding in words.
func (f finding) say(a, b *group) string {
	var extra []string
	for _, w := range f.extra {
		if w.kind != conjunction {
			extra = append(extra, w.text)
		}
	}
	words := strings.Join(extra, " ")
	switch f.evidence {
	case same:
		return "the same name, apart from spelling and word order"
	case stated:
		return "one entry states the other's name as its own"
	case cut:
		return "one name is the other, cut off"
	case abbreviated:
		return "one name is the initials of the other"
	case harmlessly:
		return fmt.Sprintf("the same name but for %q, which changes nothing", words)
	case softly:
		return fmt.Sprintf("the same name but for %q, which says where it is or what it sells", words)
	case firmly, strictly:
		return fmt.Sprintf("the same name but for %q, which may be a shop of its own", words)
	case nearly:
		return fmt.Sprintf("%q and %q are one typing error apart", a.key, b.key)
	case contained:
		return fmt.Sprintf("the same name but for %q, of which nothing is known", words)
	case cousins:
		return "they share a word, but each has others"
	case lined:
		return fmt.Sprintf("%q makes it another shop", words)
	}
	return "the names have nothing in common"
}
