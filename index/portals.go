package index

import (
	"cmp"
	"context"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// PortalHit is a portal that was found.
type PortalHit struct {
	ID string
	// Grade says how well the text was met; NoMatch where there was no text.
	Grade Grade
	// Score is the caller's.
	Score int64
	// Shops counts the merchants that it lists, Offers its offers.
	Shops, Offers int
}

// Portals is the answer to a Query for portals.
type Portals struct {
	Hits []PortalHit
	// Facets has Methods, Frequencies and Donation, each without the filter on itself,
	// and Countries: those of the portals that pass.
	Facets *Facets
	// Applied is the number of the last change that the answer contains.
	Applied uint64
}

// Portals lists the portals that pass the filter's dimensions on portals: those
// named, their payout methods, threshold and frequency, donation, countries and
// languages. The best grade of the text comes first, then the portals of the asker's
// country, the best score, the most shops. score, which may be nil, is the caller's
// number for a portal, such as RANKING.md's portal score with the asker's own
// weights; it must not keep the portal. There are few portals: all that pass are
// returned, whatever the limit, and typing errors are always forgiven.
func (x *Index) Portals(ctx context.Context, q Query, score func(*cashback.Portal) int64) (Portals, error) {
	if err := q.check(); err != nil {
		return Portals{}, err
	}
	c := x.columns.Load()
	n := newNeedle(q.Text)
	out := Portals{Applied: c.applied}
	if q.Text != "" && n.text == "" {
		return out, context.Cause(ctx)
	}
	lists := c.portalCounts()
	traits := [64]int{}
	countries := map[string]int{}
	for i := range c.portals {
		p := &c.portals[i]
		if visibility(p.Publication, q.View) == hidden {
			continue
		}
		h := PortalHit{ID: p.ID, Shops: lists[i].shops, Offers: lists[i].offers}
		if q.Text != "" {
			keys := []string{fold(p.Name), fold(strings.ReplaceAll(p.ID, "-", " ")), fold(labelOf(p.Homepage))}
			h.Grade = n.grade(keys)
			if h.Grade == NoMatch && n.runes >= nearFrom {
				h.Grade = n.near(keys, 1)
			}
			if h.Grade == NoMatch {
				continue
			}
		}
		t := traitsOf(p)
		fail := q.failing(p, t)
		if fail&(fail-1) == 0 {
			for m := t & lifted(fail); m != 0; m &= m - 1 {
				traits[bits.TrailingZeros64(m)]++
			}
		}
		if fail != 0 {
			continue
		}
		for _, land := range p.Countries {
			countries[string(land)]++
		}
		if score != nil {
			h.Score = score(p)
		}
		out.Hits = append(out.Hits, h)
	}
	home := func(h PortalHit) int {
		if slices.Contains(c.portals[c.byPortal[h.ID]].Countries, q.Country) {
			return 1
		}
		return 0
	}
	slices.SortFunc(out.Hits, func(a, b PortalHit) int {
		return cmp.Or(cmp.Compare(b.Grade, a.Grade), cmp.Compare(home(b), home(a)), cmp.Compare(b.Score, a.Score), cmp.Compare(b.Shops, a.Shops), strings.Compare(a.ID, b.ID))
	})
	if q.Facets {
		out.Facets = &Facets{}
		(&tally{traits: traits}).facts(out.Facets)
		lands := slices.Sorted(maps.Keys(countries))
		each := make([]int, len(lands))
		for i, land := range lands {
			each[i] = countries[land]
		}
		out.Facets.Countries = counts(each, lands)
	}
	return out, context.Cause(ctx)
}

// portalCount is how much a portal lists.
type portalCount struct{ shops, offers int }

// portalCounts counts what each portal lists, once for a snapshot.
func (c *columns) portalCounts() []portalCount {
	if n := c.kept.portals.Load(); n != nil {
		return *n
	}
	n := make([]portalCount, len(c.portals))
	c.each(func(pg *page, slot int, _ *shop) bool {
		last := -1
		for _, o := range pg.of(slot) {
			if o.flags&(plus|either) != 0 {
				continue
			}
			p := int(c.lanes[o.lane].portal)
			n[p].offers++
			if p != last {
				n[p].shops++
				last = p
			}
		}
		return true
	})
	c.kept.portals.Store(&n)
	return n
}
