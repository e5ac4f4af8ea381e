package merchant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Scores. From accept on two groups are one shop; between doubtful and accept a
// person is asked. The order of the numbers in scores is what counts, and on which
// side of these two lines each stands; docs/merchants.md says why.
const (
	accept   = 0.80
	doubtful = 0.55
	// strong is where a group speaks for the merchant itself, so that others may join
	// by resembling it: the same name in another spelling, or a known other name.
	strong = 0.94
)

// relation is what the domains of two groups have to do with each other.
type relation uint8

const (
	unknownSites  relation = iota // one of them has none
	sharedSites                   // example.com and example.com
	kinSites                      // example.com and example.fr
	nearSites                     // example.com and example-shoes.com, or shoes.example.com
	clashingSites                 // example.com and other.com
)

// scores is what the evidence of the names comes to for each relation of the
// domains, before the rules below look closer.
var scores = [...][5]float64{
	//             unknown shared kin   near  clashing
	unrelated:   {0.00, 0.84, 0.00, 0.00, 0.00},
	cousins:     {0.00, 0.60, 0.00, 0.00, 0.00},
	contained:   {0.40, 0.84, 0.70, 0.40, 0.00},
	nearly:      {0.86, 0.96, 0.93, 0.60, 0.30},
	strictly:    {0.30, 0.90, 0.70, 0.30, 0.20},
	firmly:      {0.65, 0.90, 0.84, 0.40, 0.20},
	softly:      {0.86, 0.93, 0.90, 0.60, 0.40},
	harmlessly:  {0.90, 0.95, 0.92, 0.70, 0.50},
	abbreviated: {0.40, 0.93, 0.60, 0.40, 0.00},
	cut:         {0.85, 0.96, 0.93, 0.85, 0.30},
	stated:      {0.92, 0.96, 0.95, 0.92, 0.60},
	lined:       {0.10, 0.10, 0.10, 0.10, 0.00},
	same:        {0.95, 0.99, 0.97, 0.95, 0.82},
}

// verdict is what comparing two groups says.
type verdict struct {
	score float64
	// apart is a finding that they are two shops, which no resemblance outweighs.
	apart bool
	// known says that the alias data or a domain joins them, whatever variations of
	// their names look like.
	known bool
	// variation says that it is one name with and without a harmless word, cut that
	// one is the other, cut off.
	variation, cut bool
	why            []string
}

// decide says whether two groups of a storefront are one shop. With say it gives
// its reasons in words.
func (r *Rules) decide(a, b *group, say bool) verdict {
	if a.alias != nil && b.alias != nil && (a.alias == b.alias || a.alias.source == b.alias.source) {
		return known(a, b, say)
	}
	if cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.pin, b.pin), strings.Compare(a.sense, b.sense)) > 0 {
		a, b = b, a // so that both sides say the same
	}
	c := comparison{rules: r, a: a, b: b, rel: relate(a, b), say: say}
	for _, f := range a.forms {
		for _, o := range b.forms {
			if n := r.compare(f, o); n.evidence > c.evidence {
				c.finding = n
			}
		}
	}
	c.bare, c.ext = a, b
	if c.longer == 0 {
		c.bare, c.ext = b, a
	}
	c.score = scores[c.evidence][c.rel]
	c.apart = c.evidence == lined
	if say {
		c.tell("%s", c.finding.say(a, b))
	}
	c.lookCloser()
	if say {
		c.tellSites()
	}
	c.cut = c.evidence == cut
	c.variation = c.score >= scores[harmlessly][unknownSites] && (c.evidence == harmlessly || c.evidence == same)
	return c.verdict
}

// known is the verdict on two names of the alias data.
func known(a, b *group, say bool) verdict {
	if a.alias == b.alias {
		v := verdict{score: 0.97, known: true}
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

// comparison is two groups while they are compared.
type comparison struct {
	rules *Rules
	a, b  *group
	// bare and ext are the group without, and that with the further words.
	bare, ext *group
	rel       relation
	finding
	verdict
	say bool
}

func (c *comparison) tell(format string, args ...any) {
	if c.say {
		c.why = append(c.why, fmt.Sprintf(format, args...))
	}
}

// rule sets the score, and says why.
func (c *comparison) rule(score float64, why string) {
	c.score = score
	c.tell("%s", why)
}

// lookCloser is the rules that weigh names, domains and trades against each other.
func (c *comparison) lookCloser() {
	against := c.a.families.contradict(c.b.families)
	switch c.evidence {
	case unrelated, cousins, abbreviated:
		c.weighDomain()
	case contained, lined:
		switch {
		case c.evidence == contained && c.rel == sharedSites && c.ext.owned(), c.rel <= sharedSites && c.bare.ownedBy(c.ext):
			c.apart, c.known = false, true
			c.rule(0.88, "the domain of the shorter name is the longer name")
		case c.evidence == contained && c.rel == unknownSites && c.ext.ownedBy(c.bare):
			c.rule(0.70, "and the domain is the shorter name: a shop below it, or a description")
		}
	case nearly:
		switch {
		case c.rel == unknownSites && (c.a.ownedBy(c.b) || c.b.ownedBy(c.a)):
			c.rule(0.95, "and the domain of one is the other")
		case c.first && c.rel == unknownSites:
			c.rule(0.70, "but they begin otherwise")
		case len(c.a.entries) > 2 && len(c.b.entries) > 2 && c.rel != sharedSites:
			c.rule(0.70, "but both spellings are common, which typing errors aren't")
		}
		if against && c.rel != sharedSites && c.score > 0.60 {
			c.rule(0.60, "but their trades contradict each other")
		}
	case strictly, firmly, softly:
		c.weighTrade()
	case same:
		if c.rel == clashingSites && against {
			c.apart = true
			c.rule(0.30, "but domain and trade both differ: another firm of the same name")
		}
	}
}

// weighDomain asks what domains say of names that don't resemble each other.
func (c *comparison) weighDomain() {
	carried := c.a.ownedBy(c.b) || c.b.ownedBy(c.a)
	switch {
	case c.rel == unknownSites && !carried || c.rel > sharedSites:
	case houses(c.a) != houses(c.b) || houses(c.a) == "hotels":
		c.rule(0.60, "but it may be a house, or the shop for firms, of the other")
	case c.evidence == abbreviated:
		c.rule(0.93, "and the domain is the same, or the other name")
	case c.rel == unknownSites && c.evidence == unrelated:
		c.rule(0.84, "but the domain of one is the name of the other")
	case c.rel == sharedSites && (c.a.owned() || c.b.owned()):
		c.rule(0.86, "the domain carries the name of one of them")
	}
}

// weighTrade asks whether the bare name is of the trade that the longer one states.
func (c *comparison) weighTrade() {
	trade := familySet(0)
	for _, w := range c.extra {
		trade |= c.rules.families[w.trade.name]
	}
	switch {
	case c.rel == sharedSites || c.rel == clashingSites:
	case c.ext.ownedBy(c.bare) && len(c.bare.sites) == 0:
		c.rule(max(c.score, 0.90), "the domain of the longer name is the shorter name")
	case c.bare.ownedBy(c.ext) && c.rel == unknownSites:
		c.rule(max(c.score, 0.90), "the domain of the shorter name is the longer name")
	case c.bare.families.contradict(trade):
		c.apart = c.evidence != softly
		c.rule(0.20, "but the shorter one is of another trade")
	case c.evidence == firmly && c.rel == unknownSites && c.bare.families != 0 && c.bare.families&^trade == 0:
		// A grocer sells wine too: only a category no wider than the trade counts.
		c.rule(0.84, "and the shorter one is of that trade")
	}
}

func (c *comparison) tellSites() {
	if c.rel == unknownSites {
		return
	}
	a, b := c.a.sites[0].host, c.b.sites[0].host
	switch c.rel {
	case sharedSites:
		c.tell("they share the domain %s", sharedSite(c.a, c.b))
	case kinSites:
		c.tell("their domains %s and %s differ only in the suffix", a, b)
	case nearSites:
		c.tell("their domains %s and %s resemble each other", a, b)
	case clashingSites:
		c.tell("their domains %s and %s have nothing in common", a, b)
	}
}

func relate(a, b *group) relation {
	if len(a.sites) == 0 || len(b.sites) == 0 {
		return unknownSites
	}
	best := clashingSites
	for _, s := range a.sites {
		for _, t := range b.sites {
			switch {
			case s.host == t.host:
				return sharedSites
			case narrowed(s.label) == narrowed(t.label) && !s.below && !t.below:
				best = kinSites
			case best == clashingSites && nearLabels(s.label, t.label):
				best = nearSites
			}
		}
	}
	return best
}

// ownedBy says whether a site of the group carries the name of the other.
func (g *group) ownedBy(other *group) bool {
	for _, s := range g.sites {
		if s.below {
			continue
		}
		h := hash(exactFeature, s.label)
		for _, f := range other.forms {
			if _, ok := slices.BinarySearch(f.same, h); ok {
				return true
			}
		}
	}
	return false
}

// owned says whether a site of the group carries its own name.
func (g *group) owned() bool { return g.ownedBy(g) }

// houses says which words a group's names have that, under a shared domain, tell the
// houses of one owner apart: hotels, and shops for firms.
func houses(g *group) string {
	var out string
	for _, f := range g.forms {
		for _, w := range f.words {
			if w.line == "business" {
				out = "business"
			} else if w.trade.name == "hotels" && out == "" {
				out = "hotels"
			}
		}
	}
	return out
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
