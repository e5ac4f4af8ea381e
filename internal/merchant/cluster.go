package merchant

import (
	"cmp"
	"slices"
)

// defaultBlock is how many groups may hang together before none of them is joined: a
// real shop has a handful of names, and a flood of near ones is an attack or a
// mistake, which must cost neither time nor truth.
const defaultBlock = 256

// margin is by how much a merchant must fit better than the next one.
const margin = 0.03

// cluster is the groups of one merchant.
type cluster struct {
	groups []*group // the leading one first, then in canonical order
	scores []float64
	oldest *entry // filled when the cluster becomes a merchant
	// review are the groups that stayed apart and should be looked at.
	review []near
}

// near is a doubtful resemblance between a group of the cluster and another.
type near struct {
	group *group
	other *group
	score float64
	note  string
}

// before is the canonical order of groups: the one that should lead comes first.
func before(a, b *group) int {
	lead := func(g *group) int {
		n := 0
		if g.alias != nil && g.alias.names[0].key == g.key {
			n += 2
		}
		if g.owned() {
			n++
		}
		return n
	}
	return cmp.Or(
		cmp.Compare(lead(b), lead(a)),
		cmp.Compare(len(b.entries), len(a.entries)),
		cmp.Compare(len(b.sites), len(a.sites)),
		cmp.Compare(len(a.key), len(b.key)),
		cmp.Compare(a.key, b.key),
		cmp.Compare(a.pin, b.pin),
		cmp.Compare(a.sense, b.sense),
		cmp.Compare(a.storefront, b.storefront),
	)
}

// unit is one name, and those that an operator joined to it, with their harmless
// variations: "HP" and "HP Store". Where one of its groups belongs, all do.
type unit struct {
	groups []*group
	joined int  // how many of them, the first, an operator joined
	cut    bool // the name was cut off
	// home is the unit that leads its merchant: itself for a leader, nil while open.
	home *unit
	// speakers, of a leader, are the units that stand for the merchant: itself and its
	// known other names.
	speakers []*unit
}

// link is what two units have to do with each other.
type link struct {
	score float64
	apart bool
	cut   bool // one is the other, cut off
}

// block is groups that hang together, while they are parted into merchants.
type block struct {
	units  []*unit
	links  map[[2]*unit]link
	doubts []near
}

// settleBlock parts a block of groups that hang together into merchants. It is a
// pure function of the block.
func (c *Catalogue) settleBlock(groups []*group) []*cluster {
	slices.SortFunc(groups, before)
	if len(groups) == 1 {
		return []*cluster{{groups: groups, scores: []float64{1}}}
	}
	if len(groups) > c.maxBlock {
		return c.asTold(groups)
	}
	b := c.newBlock(groups)
	b.findLeaders()
	b.placeOthers()
	b.placeCut()
	return b.clusters()
}

// asTold joins only what an operator joined.
func (c *Catalogue) asTold(groups []*group) []*cluster {
	at := make(map[*group]int, len(groups))
	for i, g := range groups {
		at[g] = i
	}
	must, _ := c.constraints(groups, at)
	in := map[*group]bool{}
	var out []*cluster
	for i, g := range groups {
		if in[g] {
			continue
		}
		k := &cluster{groups: []*group{g}, scores: []float64{1}}
		for j := i + 1; j < len(groups); j++ {
			if must[[2]int{i, j}] {
				in[groups[j]] = true
				k.groups, k.scores = append(k.groups, groups[j]), append(k.scores, 1)
			}
		}
		out = append(out, k)
	}
	return out
}

// newBlock compares all groups with each other and makes the units.
func (c *Catalogue) newBlock(groups []*group) *block {
	n := len(groups)
	at := make(map[*group]int, n)
	for i, g := range groups {
		at[g] = i
	}
	verdicts := make([]verdict, n*n)
	for i := range n {
		for j := i + 1; j < n; j++ {
			v := c.rules.decide(groups[i], groups[j], false)
			verdicts[i*n+j], verdicts[j*n+i] = v, v
		}
	}
	must, cannot := c.constraints(groups, at)
	apart := func(i, j int) bool { return cannot[[2]int{i, j}] || verdicts[i*n+j].apart }

	b := &block{links: map[[2]*unit]link{}}
	of := make([]*unit, n)
	for i, g := range groups {
		if of[i] != nil {
			continue
		}
		u := &unit{groups: []*group{g}}
		of[i] = u
		b.units = append(b.units, u)
		core, all := []int{i}, []int{i}
		for j := range n {
			if must[[2]int{i, j}] {
				of[j] = u
				u.groups = append(u.groups, groups[j])
				core, all = append(core, j), append(all, j)
			}
		}
		u.joined = len(u.groups)
		for j := i + 1; j < n; j++ {
			// Each variation is compared with the unit's own names, so that units don't
			// chain.
			if of[j] == nil && !joined(must, j, n) && slices.ContainsFunc(core, func(k int) bool { return verdicts[k*n+j].variation }) &&
				!slices.ContainsFunc(all, func(k int) bool { return apart(k, j) }) {
				of[j] = u
				all = append(all, j)
				u.groups = append(u.groups, groups[j])
			}
		}
		u.cut = !slices.ContainsFunc(u.groups, func(g *group) bool { return !g.cut() })
	}
	// What is known to be one shop isn't parted by how a variation of its name reads:
	// "Zenni Optical" is Zenni, though "Zenni Online" wouldn't say so.
	var known map[[2]*unit]bool
	for k, v := range verdicts {
		if x, y := of[k/n], of[k%n]; v.known && x != y {
			if known == nil {
				known = map[[2]*unit]bool{}
			}
			known[[2]*unit{x, y}] = true
		}
	}
	for i := range n {
		for j := range n {
			x, y := of[i], of[j]
			if x == y {
				continue
			}
			l := b.links[[2]*unit{x, y}]
			v := verdicts[i*n+j]
			l.score = max(l.score, v.score)
			l.cut = l.cut || v.cut && v.score >= accept
			l.apart = l.apart || cannot[[2]int{i, j}] || verdicts[i*n+j].apart && !known[[2]*unit{x, y}]
			b.links[[2]*unit{x, y}] = l
		}
	}
	return b
}

// joined says whether an operator joined the group at i to another.
func joined(must map[[2]int]bool, i, n int) bool {
	for j := range n {
		if must[[2]int{i, j}] {
			return true
		}
	}
	return false
}

// fits is how well a unit fits a leader's merchant; 0 where it can't.
func (b *block) fits(u, leader *unit) float64 {
	best := 0.0
	for _, s := range leader.speakers {
		best = max(best, b.links[[2]*unit{u, s}].score)
	}
	if best < accept || !b.allowed(u, leader) {
		return 0
	}
	return best
}

// allowed says whether nobody in the leader's merchant is apart from the unit.
func (b *block) allowed(u, leader *unit) bool {
	for _, o := range b.units {
		if o.home == leader && b.links[[2]*unit{u, o}].apart {
			return false
		}
	}
	return true
}

func (b *block) leaders() []*unit {
	var out []*unit
	for _, u := range b.units {
		if u.home == u {
			out = append(out, u)
		}
	}
	return out
}

func (u *unit) lead() { u.home, u.speakers = u, []*unit{u} }

// findLeaders makes a leader of every unit that no earlier leader's merchant
// accepts, and gathers those that speak for it.
func (b *block) findLeaders() {
	for _, u := range b.units {
		if u.home != nil || u.cut || slices.ContainsFunc(b.leaders(), func(l *unit) bool { return b.fits(u, l) > 0 }) {
			continue
		}
		u.lead()
		for grown := true; grown; {
			grown = false
			for _, o := range b.units {
				if o.home == nil && !o.cut && b.speaks(o, u) && b.allowed(o, u) {
					o.home = u
					u.speakers = append(u.speakers, o)
					grown = true
				}
			}
		}
	}
}

// slight says whether a unit is one entry with nothing to its name: it doesn't keep
// others from the merchants that are known better.
func (u *unit) slight() bool {
	return len(u.groups) == 1 && len(u.groups[0].entries) == 1 && len(u.groups[0].sites) == 0 && u.groups[0].alias == nil
}

// speaks says whether a unit is another name of the leader itself.
func (b *block) speaks(u, leader *unit) bool {
	return slices.ContainsFunc(leader.speakers, func(s *unit) bool {
		l := b.links[[2]*unit{u, s}]
		return l.score >= strong && !l.apart
	})
}

// placeOthers joins the units that don't lead to the merchant that fits best, where
// one fits clearly better than the next and nobody who fits as well excludes it.
func (b *block) placeOthers() {
	type offer struct {
		unit, leader *unit
		score        float64
	}
	var offers []offer
	leaders := b.leaders()
	for _, u := range b.units {
		if u.home != nil || u.cut {
			continue
		}
		o := offer{unit: u}
		next := 0.0
		fit := slices.DeleteFunc(slices.Clone(leaders), func(l *unit) bool { return b.fits(u, l) == 0 })
		if slices.ContainsFunc(fit, func(l *unit) bool { return !l.slight() }) {
			fit = slices.DeleteFunc(fit, (*unit).slight)
		}
		for _, l := range fit {
			if s := b.fits(u, l); s > o.score {
				next, o.score, o.leader = o.score, s, l
			} else {
				next = max(next, s)
			}
		}
		switch {
		case o.leader == nil:
			u.lead()
		case o.score-next < margin:
			u.lead()
			b.doubt(u, o.leader, o.score, "it fits several merchants equally well")
		default:
			offers = append(offers, o)
		}
	}
	// Of two that exclude each other the one that fits better goes in, or the one
	// with the shorter name; if neither is better, neither does.
	rank := func(o offer) float64 { return o.score - float64(len(o.unit.groups[0].key))/1e6 }
	for _, o := range offers {
		rival := slices.IndexFunc(offers, func(p offer) bool {
			return p.unit != o.unit && p.leader == o.leader && b.links[[2]*unit{o.unit, p.unit}].apart && rank(p) >= rank(o)
		})
		if rival < 0 {
			o.unit.home = o.leader
			continue
		}
		o.unit.lead()
		b.doubt(o.unit, offers[rival].unit, o.score, "another one fits the same merchant, and the two are not one shop")
	}
}

// placeCut joins a name that was cut off to the merchant of the names that begin
// like it, if they are one merchant's.
func (b *block) placeCut() {
	for _, u := range b.units {
		if u.home != nil {
			continue
		}
		var home *unit
		best, many := 0.0, false
		for _, o := range b.units {
			l := b.links[[2]*unit{u, o}]
			if o == u || o.home == nil || !l.cut {
				continue
			}
			if home != nil && o.home != home {
				many = true
			}
			if home == nil || l.score > best {
				home, best = o.home, l.score
			}
		}
		switch {
		case home == nil || !b.allowed(u, home):
			u.lead()
		case many:
			u.lead()
			b.doubt(u, home, best, "several names begin like it")
		default:
			u.home = home
		}
	}
}

func (b *block) doubt(u, other *unit, score float64, note string) {
	b.doubts = append(b.doubts, near{group: u.groups[0], other: other.groups[0], score: score, note: note})
}

// clusters writes down where each group belongs, and how surely.
func (b *block) clusters() []*cluster {
	of := map[*unit]*cluster{}
	var out []*cluster
	for _, u := range b.leaders() {
		k := &cluster{}
		of[u] = k
		out = append(out, k)
		k.add(u, 1)
	}
	for _, u := range b.units {
		if u.home == u {
			continue
		}
		best := 0.0
		for _, s := range b.units {
			if s == u || s.home != u.home {
				continue
			}
			l := b.links[[2]*unit{u, s}]
			if slices.Contains(u.home.speakers, s) || l.cut {
				best = max(best, l.score)
			}
		}
		of[u.home].add(u, best)
	}
	for _, d := range b.doubts {
		for _, k := range out {
			if slices.Contains(k.groups, d.group) {
				k.review = append(k.review, d)
			}
		}
	}
	return out
}

func (k *cluster) add(u *unit, score float64) {
	for i, g := range u.groups {
		if i >= u.joined {
			score = min(score, scores[harmlessly][unknownSites])
		}
		k.groups = append(k.groups, g)
		k.scores = append(k.scores, score)
	}
}

// cut says whether all the group's entries have the name cut off.
func (g *group) cut() bool {
	return !slices.ContainsFunc(g.forms, func(f *form) bool { return !f.truncated })
}
