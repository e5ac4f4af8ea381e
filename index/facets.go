package index

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Count is a value of a facet with the number of shops, or of offers, that one would
// get by choosing it.
type Count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Facets are counts, highest first. Each facet ignores the filter on its own
// dimension, so its other values can be chosen instead; all other filters hold.
type Facets struct {
	Countries   []Count `json:"countries"`
	Categories  []Count `json:"categories"`
	Portals     []Count `json:"portals"`
	Kinds       []Count `json:"kinds"`
	Methods     []Count `json:"methods"`
	Frequencies []Count `json:"frequencies"`
	// Donation counts what is left with portals where cashback can be given away.
	Donation int `json:"donation"`
}

// maxFacet is the most values of a facet that are given: the rest is a long tail
// that nobody chooses from.
const maxFacet = 100

// kinds in the order of their bits.
var kinds = []cashback.RewardKind{
	cashback.Percent, cashback.Fixed, cashback.PointsPerUnit, cashback.PointsFixed, cashback.NoCashback, cashback.NotCashback, cashback.Unknown,
}

// tally counts shops into facets, or offers. Of one shop it gathers bits, so that it
// counts once for each value; offers it counts by portal and by what they fail, and
// spreads over the portal's facts in the end.
type tally struct {
	countries, categories, portals []int
	traits                         [64]int
	kinds                          [16]int
	// offers counts single offers by portal, and by the one dimension that they fail:
	// at 0 those that fail none.
	offers [][failures]int

	// of the shop at hand
	stamp            uint32
	seen             []uint32 // by portal
	bits             uint64   // traits
	kind             uint16
	inland, category bool
}

// failures is one more than the dimensions that a facet can lift.
const failures = 8

func newTally(p *plan) *tally {
	return &tally{
		countries:  make([]int, len(p.c.countries.list)),
		categories: make([]int, len(p.c.cats.list)),
		portals:    make([]int, len(p.c.portals)),
		seen:       make([]uint32, len(p.c.portals)),
		offers:     make([][failures]int, len(p.c.portals)),
	}
}

func (t *tally) begin() {
	t.stamp++
	t.bits, t.kind, t.inland, t.category = 0, 0, false, false
}

const (
	frequencyMask = 1<<donationBit - 1
	methodMask    = ^uint64(0) >> methodsAt << methodsAt
)

// lifted is which of a portal's traits are counted when an offer fails the one
// dimension, or none.
func lifted(fail uint16) uint64 {
	switch fail {
	case 0:
		return methodMask | frequencyMask | 1<<donationBit
	case failMethod:
		return methodMask
	case failFrequency:
		return frequencyMask
	case failDonation:
		return 1 << donationBit
	}
	return 0
}

// offer counts one of a shop's offers, wherever it fails no dimension but the
// facet's own.
func (t *tally) offer(p *plan, offer []cell, portal int, fail uint16) {
	if fail&(fail-1) != 0 || fail == failOther {
		return // two failures, or one that no facet lifts
	}
	t.bits |= p.traits[portal] & lifted(fail)
	if fail&^failKind == 0 && p.lane[offer[0].lane].vis == shown {
		for i := range offer {
			t.kind |= 1 << p.lane[offer[i].lane].kind
		}
	}
	t.inland = t.inland || fail&^failCountry == 0
	t.category = t.category || fail&^failCategory == 0
	if fail&^failPortal == 0 && t.seen[portal] != t.stamp {
		t.seen[portal] = t.stamp
		t.portals[portal]++
	}
}

// shop ends a shop.
func (t *tally) shop(pg *page, slot int) {
	for m := t.bits; m != 0; m &= m - 1 {
		t.traits[bits.TrailingZeros64(m)]++
	}
	for m := t.kind; m != 0; m &= m - 1 {
		t.kinds[bits.TrailingZeros16(m)]++
	}
	if t.inland {
		t.countries[pg.country[slot]]++
	}
	if t.category {
		t.categories[pg.cat[slot]]++
	}
}

// single counts an offer by itself.
func (t *tally) single(p *plan, offer []cell, pg *page, slot int, fail uint16) {
	if fail&(fail-1) != 0 || fail == failOther {
		return
	}
	lane := &p.lane[offer[0].lane]
	which := 0
	if fail != 0 {
		which = 1 + bits.TrailingZeros16(fail)
	}
	t.offers[lane.portal][which]++
	if fail&^failCountry == 0 {
		t.countries[pg.country[slot]]++
	}
	if fail&^failCategory == 0 {
		t.categories[pg.cat[slot]]++
	}
	if fail&^failKind != 0 || lane.vis != shown {
		return
	}
	of := uint16(0)
	for i := range offer {
		if bit := uint16(1) << p.lane[offer[i].lane].kind; of&bit == 0 {
			of |= bit
			t.kinds[p.lane[offer[i].lane].kind]++
		}
	}
}

// spread turns the counts of single offers into those of their portals' facts.
func (t *tally) spread(p *plan) {
	for portal := range t.offers {
		for which, n := range t.offers[portal] {
			if n == 0 {
				continue
			}
			fail := uint16(0)
			if which > 0 {
				fail = 1 << (which - 1)
			}
			if fail&^failPortal == 0 {
				t.portals[portal] += n
			}
			for m := p.traits[portal] & lifted(fail); m != 0; m &= m - 1 {
				t.traits[bits.TrailingZeros64(m)] += n
			}
		}
	}
}

func (t *tally) facets(p *plan) *Facets {
	t.spread(p)
	f := &Facets{}
	f.Countries = counts(t.countries, p.c.countries.list)
	f.Categories = counts(t.categories, p.c.cats.list)
	ids := make([]string, len(p.c.portals))
	for i := range ids {
		ids[i] = p.c.portals[i].ID
	}
	f.Portals = counts(t.portals, ids)
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	f.Kinds = counts(t.kinds[:len(kinds)], words)
	t.facts(f)
	return f
}

// facts fills the facets of portals' facts.
func (t *tally) facts(f *Facets) {
	f.Methods = counts(t.traits[methodsAt:methodsAt+len(methods)], methods)
	words := make([]string, len(frequencies))
	for i, q := range frequencies {
		words[i] = string(q)
	}
	f.Frequencies = counts(t.traits[:len(frequencies)], words)
	f.Donation = t.traits[donationBit]
}

func counts(n []int, of []string) []Count {
	out := []Count{}
	for i, k := range n {
		if k > 0 && of[i] != "" {
			out = append(out, Count{of[i], k})
		}
	}
	slices.SortFunc(out, func(a, b Count) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Value, b.Value)
	})
	return out[:min(len(out), maxFacet)]
}
