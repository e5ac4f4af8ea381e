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

// tally counts shops (or, with perOffer, offers) into facets. Within one shop it
// gathers bits, so a shop counts once for each value.
type tally struct {
	perOffer bool

	countries, categories, portals []int
	traits                         [64]int
	kinds                          [16]int
	laneKind                       []uint8

	// of the shop at hand
	stamp            uint32
	seen             []uint32 // by portal
	method, freq     uint64
	donation         uint64
	kind             uint16
	inland, category bool
}

func newTally(p *plan, perOffer bool) *tally {
	t := &tally{
		perOffer:   perOffer,
		countries:  make([]int, len(p.c.countries.list)),
		categories: make([]int, len(p.c.cats.list)),
		portals:    make([]int, len(p.c.portals)),
		seen:       make([]uint32, len(p.c.portals)),
		laneKind:   make([]uint8, len(p.c.lanes)),
	}
	for i := range p.c.lanes {
		t.laneKind[i] = uint8(max(0, slices.Index(kinds, p.c.lanes[i].kind)))
	}
	return t
}

func (t *tally) begin() {
	t.stamp++
	t.method, t.freq, t.donation, t.kind, t.inland, t.category = 0, 0, 0, 0, false, false
}

const (
	frequencyMask = 1<<donationBit - 1
	methodMask    = ^uint64(0) >> methodsAt << methodsAt
)

// offer counts an offer wherever it fails no dimension but the facet's own.
func (t *tally) offer(p *plan, offer []cell, portal int, fail uint16) {
	if fail&(fail-1) != 0 || fail == failOther {
		return // two failures, or one that no facet lifts
	}
	traits := p.traits[portal]
	if fail&^failMethod == 0 {
		t.method |= traits & methodMask
	}
	if fail&^failFrequency == 0 {
		t.freq |= traits & frequencyMask
	}
	if fail&^failDonation == 0 {
		t.donation |= traits & (1 << donationBit)
	}
	if fail&^failKind == 0 && p.vis[offer[0].lane] == shown {
		for i := range offer {
			t.kind |= 1 << t.laneKind[offer[i].lane]
		}
	}
	if fail&^failCountry == 0 {
		t.inland = true
	}
	if fail&^failCategory == 0 {
		t.category = true
	}
	if fail&^failPortal == 0 && (t.perOffer || t.seen[portal] != t.stamp) {
		t.seen[portal] = t.stamp
		t.portals[portal]++
	}
}

// shop ends a shop, or with perOffer an offer.
func (t *tally) shop(s *shop) {
	for m := t.method | t.freq | t.donation; m != 0; m &= m - 1 {
		t.traits[bits.TrailingZeros64(m)]++
	}
	for m := t.kind; m != 0; m &= m - 1 {
		t.kinds[bits.TrailingZeros16(m)]++
	}
	if t.inland {
		t.countries[s.country]++
	}
	if t.category {
		t.categories[s.cat]++
	}
}

func (t *tally) facets(p *plan) *Facets {
	f := &Facets{Donation: t.traits[donationBit]}
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
	f.Methods = counts(t.traits[methodsAt:methodsAt+len(methods)], methods)
	words = make([]string, len(frequencies))
	for i, q := range frequencies {
		words[i] = string(q)
	}
	f.Frequencies = counts(t.traits[:len(frequencies)], words)
	return f
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
