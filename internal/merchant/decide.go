package merchant

import (
	"fmt"
	"slices"
	"strings"
)

// Scores. Accept is where two groups are one shop; between doubtful and accept a
// person is asked. They were set on half of the brands of the exam and measured on
// the other half.
const (
	accept   = 0.80
	doubtful = 0.55
	// strong is where a group speaks for the merchant itself, so that others may join
	// by resembling it: the same name in another spelling, or a known other name.
	strong = 0.94
)

// verdict is what comparing two groups says.
type verdict struct {
	score float64
	// apart is a finding that they are two shops, which no resemblance outweighs.
	apart bool
	why   []string
}

// evidence is what two names have to do with each other.
type evidence uint8

const (
	unrelated  evidence = iota
	contained           // one has further words, of which nothing is known
	nearly              // one edit apart
	firmly              // one has a further word of a trade that may be a shop of its own
	softly              // one has a further trade word or a town
	harmlessly          // one has a further harmless word
	cut                 // one was cut off
	stated              // one says itself that it is the other as well
	same                // the same name
	lined               // they differ in a word that makes another shop
)

// finding is evidence with the words it rests on.
type finding struct {
	evidence evidence
	extra    []word
	// longer is the side (0 or 1) that has the further words.
	longer int
	short  bool // a typing error in a short key, or in its first letter
}

// compare looks at two names.
func compare(r *Rules, a, b *form) finding {
	if shares(a.same, b.same) {
		return finding{evidence: same}
	}
	if a.core == b.core && len(a.extras)+len(b.extras) > 0 {
		return r.weigh(a.extras, b.extras)
	}
	for _, p := range [...][2]*form{{a, b}, {b, a}} {
		for _, o := range p[0].others {
			if _, ok := slices.BinarySearch(p[1].same, hash(exactFeature, o)); ok {
				return finding{evidence: stated}
			}
		}
		if p[0].truncated && len(p[0].key) >= headLength && strings.HasPrefix(p[1].key, p[0].key) {
			return finding{evidence: cut}
		}
	}
	if len(a.key) >= typoLength-1 && len(b.key) >= typoLength-1 {
		if ok, first := oneEdit(a.key, b.key); ok {
			n := min(len(a.key), len(b.key))
			if n >= typoLength || n == typoLength-1 && len(a.key) != len(b.key) {
				return finding{evidence: nearly, short: first || n < typoLength+1}
			}
		}
	}
	if extra, longer, ok := within(a, b); ok {
		for _, w := range extra {
			if w.kind == lineWord || w.kind == firmTrade {
				return finding{evidence: lined, extra: extra, longer: longer}
			}
		}
		return finding{evidence: contained, extra: extra, longer: longer}
	}
	return finding{}
}

// weigh judges names that are equal but for words that may be harmless.
func (r *Rules) weigh(a, b []word) finding {
	onlyA, onlyB := without(a, b), without(b, a)
	f := finding{evidence: harmlessly, extra: append(slices.Clone(onlyA), onlyB...)}
	if len(onlyB) > len(onlyA) {
		f.longer = 1
	}
	trade := [2]string{}
	for side, ws := range [...][]word{onlyA, onlyB} {
		for _, w := range ws {
			switch w.kind {
			case lineWord:
				f.evidence = lined
				return f
			case firmTrade, softTrade:
				trade[side] = w.trade
				if w.kind == firmTrade {
					f.evidence = firmly
				} else if f.evidence != firmly {
					f.evidence = softly
				}
			case cityWord:
				if f.evidence == harmlessly {
					f.evidence = softly
				}
			}
		}
	}
	if trade[0] != "" && trade[1] != "" && trade[0] != trade[1] {
		f.evidence = lined
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

// within says whether one name is the other with further words before or behind.
func within(a, b *form) (extra []word, longer int, ok bool) {
	x, y := a, b
	longer = 1
	if len(a.words) > len(b.words) {
		x, y, longer = b, a, 0
	}
	if len(x.words) == len(y.words) || len(x.key) < 2 {
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
	return nil, 0, false
}

// oneEdit says whether one letter was left out, added, changed or swapped with its
// neighbour. Digits must be the same. first says that the edit is in the first letter.
func oneEdit(a, b string) (ok, first bool) {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || a == b {
		return false, false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	if len(b) > len(a) {
		if a[i:] != b[i+1:] || digit(b[i]) {
			return false, false
		}
		return true, i == 0
	}
	if a[i+1:] == b[i+1:] {
		return !digit(a[i]) && !digit(b[i]), i == 0
	}
	if i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:] {
		return !digit(a[i]) && !digit(b[i]), i == 0
	}
	return false, false
}

// relation is what the domains of two groups have to do with each other.
type relation uint8

const (
	unknownSites relation = iota // one of them has none
	sharedSites
	kinSites
	clashingSites
)

func relate(a, b *group) relation {
	if len(a.sites) == 0 || len(b.sites) == 0 {
		return unknownSites
	}
	kin := false
	for _, s := range a.sites {
		for _, t := range b.sites {
			if s.host == t.host {
				return sharedSites
			}
			kin = kin || kinLabels(s.label, t.label)
		}
	}
	if kin {
		return kinSites
	}
	return clashingSites
}

// owns says whether a site of the group carries the name of the other: then the
// other's name is the site's own.
func owns(g, other *group) bool {
	for _, s := range g.sites {
		h := hash(exactFeature, s.label)
		for _, f := range other.forms {
			if _, ok := slices.BinarySearch(f.same, h); ok {
				return true
			}
		}
	}
	return false
}

// table is the score of name evidence for each relation of the sites.
var table = [...][4]float64{
	//            unknown shared kin   clashing
	unrelated:  {0, 0.84, 0, 0},
	contained:  {0.40, 0.88, 0.70, 0},
	nearly:     {0.86, 0.96, 0.90, 0.30},
	firmly:     {0.65, 0.90, 0.84, 0.20},
	softly:     {0.86, 0.93, 0.90, 0.40},
	harmlessly: {0.90, 0.95, 0.92, 0.50},
	cut:        {0.85, 0.96, 0.93, 0.30},
	stated:     {0.92, 0.96, 0.95, 0.60},
	same:       {0.95, 0.99, 0.97, 0.82},
	lined:      {0.10, 0.10, 0.10, 0},
}

// decide says whether two groups of a storefront are one shop. With say it gives
// its reasons in words.
func (r *Rules) decide(a, b *group, say bool) verdict {
	if a.alias != nil && b.alias != nil {
		if a.alias == b.alias {
			v := verdict{score: 0.97}
			if say {
				v.why = []string{a.alias.why(a.key), b.alias.why(b.key)}
			}
			return v
		}
		v := verdict{score: 0.05, apart: true}
		if say {
			v.why = []string{fmt.Sprintf("two shops that are known apart: %s; %s", a.alias.why(a.key), b.alias.why(b.key))}
		}
		return v
	}
	rel := relate(a, b)
	best := finding{}
	for _, f := range a.forms {
		for _, o := range b.forms {
			if n := compare(r, f, o); n.evidence > best.evidence {
				best = n
			}
		}
	}
	v := verdict{score: table[best.evidence][rel], apart: best.evidence == lined}
	var why []string
	tell := func(format string, args ...any) {
		if say {
			why = append(why, fmt.Sprintf(format, args...))
		}
	}
	tell("%s", best.say(a, b))
	against := a.families.contradict(b.families)
	switch best.evidence {
	case unrelated:
		if rel == sharedSites {
			la, lb := lines(a), lines(b)
			switch {
			case la != lb:
				v.score = 0.60
				tell("but one name has a word that makes a shop of its own")
			case owns(a, a) || owns(b, b):
				v.score = 0.86
				tell("the domain carries the name of one of them")
			}
		}
	case nearly:
		if best.short && rel == unknownSites {
			v.score = 0.82
		}
		if len(a.entries) > 2 && len(b.entries) > 2 && rel != sharedSites {
			v.score = min(v.score, 0.70)
			tell("but both spellings are common, which typing errors aren't")
		}
		if against && rel != sharedSites {
			v.score = min(v.score, 0.60)
			tell("and their trades contradict each other")
		}
	case firmly, softly:
		bare, ext := a, b
		if best.longer == 0 {
			bare, ext = b, a
		}
		trade := familySet(0)
		for _, w := range best.extra {
			trade |= r.families[w.trade]
		}
		switch {
		case rel == sharedSites || rel == clashingSites:
		case owns(ext, bare):
			v.score = max(v.score, 0.90)
			tell("the domain of the longer name is the shorter name")
		case bare.families.contradict(trade):
			v.score = 0.20
			v.apart = best.evidence == firmly
			tell("but the shorter one is of another trade")
		case best.evidence == firmly && bare.families != 0 && trade != 0:
			v.score = 0.84
			tell("and the shorter one is of that trade")
		}
	case same:
		if rel == clashingSites && against {
			v.score, v.apart = 0.30, true
			tell("but domain and trade both differ: another firm of the same name")
		}
	case contained:
		if bare, ext := sides(a, b, best.longer); rel == unknownSites && owns(ext, bare) {
			v.score = 0.88
			tell("the domain of the longer name is the shorter name")
		}
	}
	if say {
		switch rel {
		case sharedSites:
			tell("they share the domain %s", sharedSite(a, b))
		case kinSites:
			tell("their domains %s and %s are of one kind", a.sites[0].host, b.sites[0].host)
		case clashingSites:
			tell("their domains %s and %s have nothing in common", a.sites[0].host, b.sites[0].host)
		}
		v.why = why
	}
	return v
}

func sides(a, b *group, longer int) (bare, ext *group) {
	if longer == 0 {
		return b, a
	}
	return a, b
}

// lines says which line words a group's names have.
func lines(g *group) string {
	var out []string
	for _, f := range g.forms {
		for _, w := range f.words {
			if w.kind == lineWord || w.kind == firmTrade {
				out = append(out, w.text)
			}
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

func sharedSite(a, b *group) string {
	for _, s := range a.sites {
		for _, t := range b.sites {
			if s.host == t.host {
				return s.host
			}
		}
	}
	return ""
}

// say puts a finding in words.
func (f finding) say(a, b *group) string {
	var extra []string
	for _, w := range f.extra {
		extra = append(extra, w.text)
	}
	words := strings.Join(extra, " ")
	switch f.evidence {
	case same:
		return "the same name, apart from spelling and word order"
	case stated:
		return "one entry states the other's name as its own"
	case cut:
		return "one name is the other, cut off"
	case harmlessly:
		return fmt.Sprintf("the same name but for %q, which changes nothing", words)
	case softly:
		return fmt.Sprintf("the same name but for %q, which says where it is or what it sells", words)
	case firmly:
		return fmt.Sprintf("the same name but for %q, which may be a shop of its own", words)
	case nearly:
		return fmt.Sprintf("%q and %q are one typing error apart", a.key, b.key)
	case contained:
		return fmt.Sprintf("the same name but for %q, of which nothing is known", words)
	case lined:
		return fmt.Sprintf("%q makes it another shop", words)
	}
	return "the names have nothing in common"
}
