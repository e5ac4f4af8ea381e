package merchant

import (
	"cmp"
	"slices"
)

// maxBlock is how many groups may hang together before none of them is joined: a
// real shop has a handful of names, and a flood of near ones is an attack or a
// mistake, which must cost neither time nor truth.
const maxBlock = 256

// cluster is the groups of one merchant.
type cluster struct {
	groups []*group // the leading one first, then in canonical order
	scores []float64
	// near are the groups that stayed apart and should be looked at.
	review []near
	tight  bool
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
		for _, f := range g.forms {
			if f.truncated {
				return -1
			}
		}
		if g.alias != nil && g.alias.names[0].key == g.key {
			n += 4
		}
		if owns(g, g) {
			n += 2
		}
		if len(g.sites) > 0 {
			n++
		}
		return n
	}
	return cmp.Or(
		cmp.Compare(lead(b), lead(a)),
		cmp.Compare(len(b.entries), len(a.entries)),
		cmp.Compare(len(a.key), len(b.key)),
		cmp.Compare(a.key, b.key),
		cmp.Compare(a.pin, b.pin),
		cmp.Compare(a.sense, b.sense),
		cmp.Compare(a.storefront, b.storefront),
	)
}

// settleBlock parts a block of groups that hang together into merchants. It is a
// pure function of the block.
func (c *Catalogue) settleBlock(block []*group) []*cluster {
	slices.SortFunc(block, before)
	n := len(block)
	if n == 1 {
		return []*cluster{{groups: block, scores: []float64{1}, tight: true}}
	}
	if n > maxBlock {
		out := make([]*cluster, n)
		for i, g := range block {
			out[i] = &cluster{groups: []*group{g}, scores: []float64{1}}
		}
		return out
	}
	at := make(map[*group]int, n)
	for i, g := range block {
		at[g] = i
	}
	link := make([]verdict, n*n)
	for i := range n {
		for j := i + 1; j < n; j++ {
			v := c.rules.decide(block[i], block[j], false)
			link[i*n+j], link[j*n+i] = v, v
		}
	}
	must, cannot := c.constraints(block, at)
	apart := func(i, j int) bool { return cannot[[2]int{i, j}] || link[i*n+j].apart && !must[[2]int{i, j}] }
	bound := func(i, j int) bool { return must[[2]int{i, j}] }

	// A leader is a group that no earlier leader accepts. What speaks for the leader
	// itself (its own name in another spelling, a known other name, an operator's
	// merge) stands beside it.
	home := make([]int, n) // index of the leader, -1 while open
	var leaders []int
	speak := make([][]int, n)
	for i := range home {
		home[i] = -1
	}
	allowed := func(i, l int) bool {
		for j := range n {
			if home[j] == l && apart(i, j) {
				return false
			}
		}
		return true
	}
	score := func(i, l int) float64 {
		best := 0.0
		for _, p := range speak[l] {
			if cannot[[2]int{i, p}] {
				return 0
			}
			best = max(best, link[i*n+p].score)
		}
		return best
	}
	for i := range n {
		taken := false
		for _, l := range leaders {
			if score(i, l) >= accept && allowed(i, l) {
				taken = true
				break
			}
		}
		if taken {
			continue
		}
		leaders = append(leaders, i)
		home[i] = i
		speak[i] = []int{i}
		for grown := true; grown; {
			grown = false
			for j := range n {
				if home[j] >= 0 {
					continue
				}
				for _, p := range speak[i] {
					if (bound(j, p) || link[j*n+p].score >= strong && !link[j*n+p].apart) && allowed(j, i) {
						home[j] = i
						speak[i] = append(speak[i], j)
						grown = true
						break
					}
				}
			}
		}
	}
	// The others join the leader that fits best, if one fits clearly better than the
	// next.
	type offer struct {
		group, leader int
		score         float64
	}
	var offers []offer
	var doubts []near
	for i := range n {
		if home[i] >= 0 {
			continue
		}
		best, next, to := 0.0, 0.0, -1
		for _, l := range leaders {
			s := score(i, l)
			if s < accept || !allowed(i, l) {
				continue
			}
			if s > best {
				best, next, to = s, best, l
			} else if s > next {
				next = s
			}
		}
		switch {
		case to < 0:
			home[i] = i
			leaders = append(leaders, i)
			speak[i] = []int{i}
		case best-next < 0.03 && next >= accept:
			home[i] = i
			leaders = append(leaders, i)
			speak[i] = []int{i}
			doubts = append(doubts, near{group: block[i], other: block[to], score: best, note: "it fits several merchants equally well"})
		default:
			offers = append(offers, offer{i, to, best})
		}
	}
	// Two that would join the same leader but exclude each other: the better one goes
	// in; if neither is better, neither does.
	for x, o := range offers {
		ok := true
		for y, p := range offers {
			if x != y && o.leader == p.leader && apart(o.group, p.group) && p.score >= o.score {
				ok = false
				doubts = append(doubts, near{group: block[o.group], other: block[p.group], score: o.score, note: "another one fits the same merchant, and the two are not one shop"})
				break
			}
		}
		if ok {
			home[o.group] = o.leader
		} else {
			home[o.group] = o.group
			leaders = append(leaders, o.group)
		}
	}
	slices.Sort(leaders)
	out := make([]*cluster, 0, len(leaders))
	of := make(map[int]*cluster, len(leaders))
	for _, l := range slices.Compact(leaders) {
		k := &cluster{groups: []*group{block[l]}, scores: []float64{1}}
		of[l] = k
		out = append(out, k)
	}
	for i := range n {
		l := home[i]
		if l == i {
			continue
		}
		s := score(i, l)
		for _, p := range speak[l] {
			if bound(i, p) {
				s = 1
			}
			if p == i {
				s = max(s, link[i*n+l].score)
			}
		}
		of[l].groups = append(of[l].groups, block[i])
		of[l].scores = append(of[l].scores, s)
	}
	for _, d := range doubts {
		k := of[home[at[d.group]]]
		k.review = append(k.review, d)
	}
	return out
}
