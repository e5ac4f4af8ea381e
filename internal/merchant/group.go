package merchant

import (
	"slices"
	"sort"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// bucketKey is what the names of one bucket have in common.
type bucketKey struct {
	storefront cashback.Country
	key        string
}

// bucket holds all entries of a storefront with the same key. It is nearly always
// one group; a homonym or an operator's split makes several.
type bucket struct {
	bucketKey
	entries []*entry
	groups  []*group
}

// groupKey names a group: a bucket, and what sets the group apart in it.
type groupKey struct {
	bucketKey
	pin   uint64 // number of the split that took the entries out; 0 for none
	sense string // alias set or domain of a homonym; empty for the bucket's main one
}

// group is a name group, the unit that is compared and joined.
type group struct {
	groupKey
	number   int32
	entries  []*entry
	forms    []*form
	sites    []siteCount // own sites only, by host
	families familySet   // of the categories most entries state
	alias    *aliasSet
	features []uint64
	anchored bool
	cluster  *cluster
	block    *hanging // what it hangs together with; nil where it stands alone
	mark     uint64   // the last change that settled the group
	near     []*group // of other merchants, that resemble it at least doubtfully
}

// hanging is the groups of a block.
type hanging struct{ groups []*group }

// renew gives a group the contents of one that was made anew in its place; the index
// has its features already.
func (g *group) renew(o *group) {
	g.entries, g.forms, g.sites, g.families, g.alias, g.anchored = o.entries, o.forms, o.sites, o.families, o.alias, o.anchored
}

type siteCount struct {
	site
	n int
}

// gather makes the groups of a bucket from its entries: a pure function of them.
func (c *Catalogue) gather(b *bucket) []*group {
	by := map[groupKey]*group{}
	var order []*group
	put := func(k groupKey, e *entry) {
		g := by[k]
		if g == nil {
			g = &group{groupKey: k}
			by[k] = g
			order = append(order, g)
		}
		g.entries = append(g.entries, e)
	}
	senses := homonyms(b.entries)
	for _, e := range b.entries {
		k := groupKey{bucketKey: b.bucketKey, pin: c.pins[e.ref]}
		if e.form.alias != nil && e.form.alias.families != 0 {
			k.sense = "=" + e.form.alias.name
		} else if senses != nil {
			k.sense = senses[e]
		}
		put(k, e)
	}
	for _, g := range order {
		g.profile(c.rules)
	}
	return order
}

// homonyms parts the entries of one name by firm: where two domains have nothing in
// common and the categories stated with them contradict each other, they are two
// firms. Entries without a domain go where their category fits, otherwise to the
// firm with the most entries. It returns nil where there is one firm only.
func homonyms(entries []*entry) map[*entry]string {
	if oneLabel(entries) {
		return nil
	}
	var labels []string
	families := map[string]familySet{}
	count := map[string]int{}
	for _, e := range entries {
		if !e.site.own {
			continue
		}
		l := e.site.label
		if count[l] == 0 {
			labels = append(labels, l)
		}
		count[l]++
		families[l] |= e.families
	}
	if len(labels) < 2 {
		return nil
	}
	sort.Slice(labels, func(i, j int) bool {
		a, b := labels[i], labels[j]
		if count[a] != count[b] {
			return count[a] > count[b]
		}
		return a < b
	})
	// Each label goes to the first firm that it doesn't contradict.
	var firms []string
	firm := map[string]string{}
	for _, l := range labels {
		at := ""
		for _, f := range firms {
			if nearLabels(f, l) || !families[f].contradict(families[l]) {
				at = f
				break
			}
		}
		if at == "" {
			firms = append(firms, l)
			at = l
		} else {
			families[at] |= families[l]
		}
		firm[l] = at
	}
	if len(firms) < 2 {
		return nil
	}
	out := make(map[*entry]string, len(entries))
	for _, e := range entries {
		at := firms[0]
		if e.site.own {
			at = firm[e.site.label]
		} else if e.families != 0 {
			for _, f := range firms {
				if !families[f].contradict(e.families) && families[f] != 0 {
					at = f
					break
				}
			}
		}
		if at != firms[0] {
			out[e] = at
		}
	}
	return out
}

// oneLabel says whether all domains are of one label: the usual case, quickly.
func oneLabel(entries []*entry) bool {
	label := ""
	for _, e := range entries {
		if !e.site.own {
			continue
		}
		if label != "" && e.site.label != label {
			return false
		}
		label = e.site.label
	}
	return true
}

// profile computes what the group is compared by. It is a pure function of the
// entries, whatever their order.
func (g *group) profile(r *Rules) {
	g.forms, g.sites, g.alias = g.forms[:0], g.sites[:0], nil
	stated := map[familySet]int{}
	for _, e := range g.entries {
		if !slices.Contains(g.forms, e.form) {
			g.forms = append(g.forms, e.form)
		}
		if e.families != 0 {
			stated[e.families]++
		}
		if !e.site.own {
			continue
		}
		at := slices.IndexFunc(g.sites, func(s siteCount) bool { return s.host == e.site.host })
		if at < 0 {
			g.sites = append(g.sites, siteCount{site: e.site})
			at = len(g.sites) - 1
		}
		g.sites[at].n++
	}
	sort.Slice(g.forms, func(i, j int) bool {
		a, b := g.forms[i], g.forms[j]
		if len(a.words) != len(b.words) {
			return len(a.words) > len(b.words)
		}
		return a.id < b.id
	})
	sort.Slice(g.sites, func(i, j int) bool {
		a, b := g.sites[i], g.sites[j]
		if a.n != b.n {
			return a.n > b.n
		}
		return a.host < b.host
	})
	g.families = 0
	best := 0
	for f, n := range stated {
		if n > best || n == best && f < g.families {
			g.families, best = f, n
		}
	}
	for _, f := range g.forms {
		if f.alias != nil && (g.alias == nil || f.alias.name < g.alias.name) {
			g.alias = f.alias
		}
	}
	g.anchored = slices.ContainsFunc(g.entries, func(e *entry) bool { return e.anchored })

	feats := make([]uint64, 0, 24)
	put := func(h uint64) { feats = append(feats, inStorefront(h, g.storefront)) }
	for _, f := range g.forms {
		for _, h := range f.same {
			put(h)
		}
		for _, o := range f.others {
			put(hash(exactFeature, o))
		}
		put(hash(coreFeature, f.core))
		for _, k := range [...]string{f.key, f.full} {
			if len(k) >= headLength {
				put(hash(f.headKind(), k[:headLength]))
			}
		}
		typos(f.key, put)
		if f.alias != nil {
			put(hash(aliasFeature, f.alias.id()))
		}
	}
	for _, s := range g.sites {
		put(hash(siteFeature, s.host))
		// A name that is the label of another's domain is a candidate.
		put(hash(exactFeature, s.label))
	}
	slices.Sort(feats)
	g.features = slices.Compact(feats)
}

// headKind is the feature under which the beginning of a name is entered.
func (f *form) headKind() featureKind {
	if f.truncated {
		return cutFeature
	}
	return headFeature
}

const (
	// headLength is how many letters of a cut name must be left for it to be found.
	headLength = 8
	// typoLength is the shortest key that is looked up with a letter taken out: what
	// is shorter is never forgiven (edit.forgiven).
	typoLength = 6
	// typoLongest bounds the work: no real name is longer.
	typoLongest = 48
)

// typos puts the key with each letter taken out once, and the key itself: two keys
// share one of these if and only if they are at most two edits apart, and always
// when they are one apart.
func typos(key string, put func(uint64)) {
	if len(key) < typoLength || len(key) > typoLongest {
		return
	}
	put(hash(typoFeature, key))
	buf := make([]byte, 0, typoLongest)
	for i := 0; i < len(key); i++ {
		if key[i] >= '0' && key[i] <= '9' || i > 0 && key[i] == key[i-1] {
			continue // digits are exact; one of a pair of letters is as good as the other
		}
		buf = append(append(buf[:0], key[:i]...), key[i+1:]...)
		put(hash(typoFeature, string(buf)))
	}
}

// nearLabels says whether two domain labels resemble each other.
func nearLabels(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) >= 4 && strings.Contains(b, a) || narrowed(a) == narrowed(b)
}

// narrowed writes umlauts that were written with two letters with one.
func narrowed(s string) string {
	return strings.NewReplacer("ae", "a", "oe", "o", "ue", "u").Replace(s)
}
