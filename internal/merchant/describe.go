package merchant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// describe fills what a merchant is called from its members: a pure function of
// them, but for the slug, which stays what it was.
func (c *Catalogue) describe(m *merchant) {
	lead := m.cluster.groups[0]
	m.Country = lead.storefront
	m.Name = displayName(lead)
	if lead.alias != nil {
		m.Name = lead.alias.name
	}
	var renamed rename
	sites := map[string]int{}
	categories := map[string]int{}
	names := map[string]bool{}
	for _, g := range m.cluster.groups {
		for _, s := range g.sites {
			sites[s.host] += s.n
		}
		for _, e := range g.entries {
			if e.category != "" && len(e.category) <= maxName {
				categories[e.category]++
			}
			if e.anchored {
				if n, ok := c.names[e.ref]; ok && n.number > renamed.number {
					renamed = n
				}
			}
		}
		if g != lead {
			names[displayName(g)] = true
		}
	}
	if renamed.number > 0 {
		if m.Name != renamed.name {
			names[m.Name] = true
		}
		m.Name = renamed.name
	}
	m.Domain = most(sites)
	m.Category = most(categories)
	delete(names, m.Name)
	for n := range names {
		m.Aliases = append(m.Aliases, n)
	}
	slices.Sort(m.Aliases)
	m.Brand = c.rules.brand(lead)
	m.Slug = c.slug(m)
}

// displayName is the name that most entries of a group use, without marketing;
// among equals the one that isn't all capitals or all small, then the first.
func displayName(g *group) string {
	count := map[string]int{}
	for _, e := range g.entries {
		count[e.display]++
	}
	shape := func(s string) int {
		switch {
		case s == strings.ToLower(s):
			return 2
		case s == strings.ToUpper(s):
			return 1
		}
		return 0
	}
	best := ""
	for n, k := range count {
		if best == "" || cmp.Or(cmp.Compare(count[best], k), cmp.Compare(shape(n), shape(best)), cmp.Compare(len(best), len(n)), strings.Compare(n, best)) < 0 {
			best = n
		}
	}
	return best
}

// most returns the key with the highest count, the first among equals.
func most(count map[string]int) string {
	best := ""
	for k, n := range count {
		if best == "" || n > count[best] || n == count[best] && k < best {
			best = k
		}
	}
	return best
}

// brand joins storefronts of different countries: the folded name without country,
// or the brand that the alias data gives.
func (r *Rules) brand(g *group) string {
	name := g.key
	if g.alias != nil {
		name = g.alias.names[0].key
	}
	if b, ok := r.aliases.brands[name]; ok {
		return slugify(b)
	}
	if g.alias != nil {
		return slugify(g.alias.name)
	}
	return slugify(displayName(g))
}

// slug keeps the slug that the merchant had, or makes one that is free.
func (c *Catalogue) slug(m *merchant) string {
	if s := c.slugOf[m.ID]; s != "" {
		return s
	}
	base := slugify(m.Name)
	if base == "" {
		base = "shop"
	}
	if m.Country != Global {
		base += "-" + strings.ToLower(string(m.Country))
	}
	s := base
	for n := 2; ; n++ {
		if _, taken := c.slugs[s]; !taken {
			break
		}
		s = fmt.Sprintf("%s-%d", base, n)
	}
	c.slugs[s], c.slugOf[m.ID] = m.ID, s
	return s
}

// maxSlug is where a slug is cut: addresses stay readable.
const maxSlug = 60

// slugify writes a name for an address: folded words with dashes.
func slugify(name string) string {
	var parts []string
	for _, w := range strings.FieldsFunc(strings.ReplaceAll(strings.ReplaceAll(name, "'", ""), "’", ""), func(r rune) bool {
		return fold(string(r), false) == ""
	}) {
		if f := fold(w, false); f != "" {
			parts = append(parts, f)
		}
	}
	s := strings.Join(parts, "-")
	if len(s) > maxSlug {
		s = strings.TrimRight(strings.ToValidUTF8(s[:maxSlug], ""), "-")
	}
	return s
}

// doubt is why the entries of a group need a person's eye.
type doubt struct {
	confidence float64
	reasons    []string
	candidates []Candidate
}

// doubts says what is doubtful about a group, with the better candidates first; nil
// where nothing is.
func (c *Catalogue) doubts(ch *change, g *group) *doubt {
	d := doubt{confidence: 1}
	var list []rival
	k := g.cluster
	if at := slices.Index(k.groups, g); at > 0 {
		d.confidence = k.scores[at]
	}
	for _, n := range k.review {
		if n.group == g {
			d.reasons = append(d.reasons, n.note)
			list = append(list, rival{c.candidate(g, n.other, n.score), n.other.cluster})
		}
	}
	g.near = nil
	for _, r := range c.resembling(ch, g) {
		if r.group.cluster != k {
			g.near = append(g.near, r.group)
		}
		if r.group.cluster == k || r.score < doubtful || c.forbidden(g, r.group) {
			continue
		}
		list = append(list, rival{c.candidate(g, r.group, r.score), r.group.cluster})
	}
	if len(list) == 0 && len(d.reasons) == 0 {
		return nil
	}
	d.candidates = better(list)
	for _, x := range d.candidates {
		d.confidence = min(d.confidence, 1.5-x.Confidence)
	}
	if len(d.reasons) == 0 {
		d.reasons = append(d.reasons, "it resembles another merchant, but not enough to be joined")
	}
	return &d
}

// rival is a candidate with the cluster that it belongs to.
type rival struct {
	Candidate
	cluster *cluster
}

// better sorts candidates, the best first, and leaves one of each merchant. Among
// equals decide their entries, not the ids, which say who came first.
func better(all []rival) []Candidate {
	slices.SortFunc(all, func(a, b rival) int {
		order := cmp.Or(cmp.Compare(b.Confidence, a.Confidence), strings.Compare(a.Name, b.Name), slices.Compare(a.Reasons, b.Reasons))
		if order == 0 && a.cluster != b.cluster {
			order = compareRefs(a.cluster.firstRef(), b.cluster.firstRef())
		}
		return order
	})
	var out []Candidate
	for _, x := range all {
		if len(out) < maxCandidates && !slices.ContainsFunc(out, func(o Candidate) bool { return o.Merchant == x.Merchant }) {
			out = append(out, x.Candidate)
		}
	}
	return out
}

// firstRef is the first of the cluster's entries by name.
func (k *cluster) firstRef() (first Ref) {
	for _, g := range k.groups {
		for _, e := range g.entries {
			if first == (Ref{}) || compareRefs(e.ref, first) < 0 {
				first = e.ref
			}
		}
	}
	return first
}

// maxCandidates is how many candidates a review shows: more would not be read.
const maxCandidates = 5

func (c *Catalogue) idOf(g *group) cashback.MerchantID {
	if len(g.entries) == 0 {
		return 0
	}
	return g.entries[0].merchant
}

func (c *Catalogue) candidate(g, o *group, score float64) Candidate {
	x := Candidate{Merchant: c.idOf(o), Name: displayName(o), Confidence: score, Reasons: c.rules.decide(g, o, true).why}
	if m := c.merchants[x.Merchant]; m != nil {
		x.Name = m.Name
	}
	return x
}

// forbidden says whether the operator has said that two groups are two shops.
func (c *Catalogue) forbidden(a, b *group) bool {
	if !a.anchored || !b.anchored {
		return false
	}
	_, cannot := c.constraints([]*group{a, b}, map[*group]int{a: 0, b: 1})
	return cannot[[2]int{0, 1}]
}

// Reasons says in words why an entry belongs where it does.
func (c *Catalogue) Reasons(ref Ref) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := c.entries[ref]
	if e == nil {
		return nil
	}
	return c.reasons(e)
}

func (c *Catalogue) reasons(e *entry) []string {
	if e.group == nil {
		return []string{e.unusable}
	}
	var out []string
	// The form is shared by entries of the same words, so that its own notes may be
	// another's: read the name again.
	f, _ := c.rules.read(e.market, e.name, e.site)
	out = append(out, f.notes...)
	if e.domain != "" && !e.site.own {
		out = append(out, fmt.Sprintf("%s is a tracking host or no domain, and no evidence", short(e.domain)))
	}
	g := e.group
	k := g.cluster
	lead := k.groups[0]
	if g != lead {
		best, why := 0.0, []string(nil)
		for i, p := range k.groups {
			if p == g || i > 0 && k.scores[i] < strong {
				continue
			}
			if v := c.rules.decide(g, p, true); v.score > best {
				best, why = v.score, v.why
			}
		}
		if slices.Contains(c.bound(g), lead) || best < accept {
			out = append(out, "an operator joined it")
		} else {
			out = append(out, why...)
		}
	} else if len(g.entries) > 1 {
		out = append(out, fmt.Sprintf("%d entries have this name", len(g.entries)))
	} else if len(k.groups) == 1 {
		out = append(out, "no other entry has this name")
	}
	if g == lead && len(k.groups) > 1 {
		out = append(out, "the merchant's other names were compared with this name")
	}
	return out
}

// short cuts a foreign text for a sentence.
func short(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
