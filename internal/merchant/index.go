package merchant

import "github.com/cagnotte/cagnotte/internal/cashback"

// A feature is something that two name groups of a storefront must share before
// they are compared at all. Its upper bits say what it is.
type featureKind uint64

const (
	exactFeature featureKind = iota + 1 // a spelling
	orderFeature                        // the words in alphabetical order
	coreFeature                         // the name without words that may be harmless
	typoFeature                         // the name with one letter taken out
	headFeature                         // the first letters, of full names
	cutFeature                          // the first letters, of names that were cut
	siteFeature                         // a domain
	aliasFeature                        // a line of the alias data
)

const kindShift = 60

// limit is how many groups may share a feature before it says nothing any more: a
// domain under which thirty differently named shops are listed is a tracking host
// that no list knows.
func (k featureKind) limit() int {
	switch k {
	case siteFeature:
		return 8
	case typoFeature:
		return 24
	case headFeature, cutFeature:
		return 200
	}
	return 64
}

// hash is FNV-1a with the kind in the upper bits.
func hash(k featureKind, s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return seal(k, h)
}

func seal(k featureKind, h uint64) uint64 {
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return h&(1<<kindShift-1) | uint64(k)<<kindShift
}

// inStorefront makes a feature one of a storefront's.
func inStorefront(h uint64, c cashback.Country) uint64 {
	x := h
	for i := 0; i < len(c); i++ {
		x = (x ^ uint64(c[i])) * 1099511628211
	}
	return seal(featureKind(h>>kindShift), x)
}

// index finds the groups that have a feature. Most features have one group, whose
// number stands in the map itself; the others have a list.
type index struct {
	one   map[uint64]int32 // the group's number, or ^(number of a list)
	many  [][]*group
	free  []int32
	group []*group
	gone  []int32
}

func newIndex() index { return index{one: map[uint64]int32{}} }

// register gives a group its number.
func (x *index) register(g *group) {
	if n := len(x.gone); n > 0 {
		g.number = x.gone[n-1]
		x.gone = x.gone[:n-1]
		x.group[g.number] = g
		return
	}
	g.number = int32(len(x.group))
	x.group = append(x.group, g)
}

func (x *index) release(g *group) {
	x.group[g.number] = nil
	x.gone = append(x.gone, g.number)
}

// with returns the groups that have a feature; the slice is only good until the
// next change.
func (x *index) with(f uint64, buf *[1]*group) []*group {
	n, ok := x.one[f]
	if !ok {
		return nil
	}
	if n >= 0 {
		buf[0] = x.group[n]
		return buf[:]
	}
	return x.many[^n]
}

// add enters a group under a feature and returns how many have it now.
func (x *index) add(f uint64, g *group) int {
	n, ok := x.one[f]
	switch {
	case !ok:
		x.one[f] = g.number
		return 1
	case n >= 0:
		list := []*group{x.group[n], g}
		if k := len(x.free); k > 0 {
			at := x.free[k-1]
			x.free = x.free[:k-1]
			x.many[at] = list
			x.one[f] = ^at
		} else {
			x.one[f] = ^int32(len(x.many))
			x.many = append(x.many, list)
		}
		return 2
	}
	x.many[^n] = append(x.many[^n], g)
	return len(x.many[^n])
}

// drop takes a group out from under a feature and returns how many have it still.
func (x *index) drop(f uint64, g *group) int {
	n, ok := x.one[f]
	if !ok {
		return 0
	}
	if n >= 0 {
		if n == g.number {
			delete(x.one, f)
			return 0
		}
		return 1
	}
	list := x.many[^n]
	for i, o := range list {
		if o == g {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			list = list[:len(list)-1]
			break
		}
	}
	x.many[^n] = list
	if len(list) == 1 {
		x.one[f] = list[0].number
		x.many[^n] = nil
		x.free = append(x.free, ^n)
	}
	return len(list)
}
