package index

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// popularity is the order in which the public's shops stand before anything is
// typed: those at most portals first, then by the best own value at face value.
// After a letter or two, thousands of shops match and only the first few are shown:
// walking this order finds them after a few hundred steps.
//
// It is made now and then, so it may be some seconds older than the columns: an
// order that is a little old does no harm, and what is shown comes from the columns.
type popularity struct {
	all  []cashback.MerchantID
	home map[cashback.Country][]cashback.MerchantID
	of   *columns
}

const (
	// shortText is the longest text, in runes, that is answered by popularity.
	shortText = 2
	// maxWalk is how many shops are looked at before Bleve is asked after all: then
	// the text is rare, and Bleve finds few.
	maxWalk = 4000
	// popularEvery is how old the order may grow while the columns change.
	popularEvery = 10 * time.Second
)

func popular(c *columns, now time.Time) *popularity {
	type ranked struct {
		s      *shop
		portal int
		own    int64
	}
	p := c.publicPlan("", now)
	list := make([]ranked, 0, c.shops)
	c.each(func(pg *page, slot int, s *shop) bool {
		if sum := p.look(pg, slot, nil); sum.portals > 0 {
			list = append(list, ranked{s, sum.portals, sum.best})
		}
		return true
	})
	slices.SortFunc(list, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.portal, a.portal), cmp.Compare(b.own, a.own), cmp.Compare(a.s.ID, b.s.ID))
	})
	out := &popularity{all: make([]cashback.MerchantID, len(list)), home: map[cashback.Country][]cashback.MerchantID{}, of: c}
	for i, r := range list {
		out.all[i] = r.s.ID
		out.home[r.s.Country] = append(out.home[r.s.Country], r.s.ID)
	}
	return out
}

// first answers a short text: the shops that are called so, and as many whose names
// begin with it as are asked for, the asker's country first. It reports whether
// that is the whole answer.
func (x *Index) first(ctx context.Context, g *gathering, n *needle) bool {
	order, e := x.popular.Load(), x.text.Load()
	if n.runes > shortText || len(n.words) > 1 || order == nil || e == nil {
		return false
	}
	err := e.find(ctx, term(fieldName, n.text), func(id cashback.MerchantID) bool {
		if s, pg, slot := g.p.c.find(id); s != nil {
			if grade := n.grade(s.keys); grade >= ExactAlias {
				g.add(s, pg, slot, grade)
			}
		}
		return true
	})
	if err != nil {
		return false // match meets the same error, and deals with it
	}
	walk := func(list []cashback.MerchantID, home bool) {
		for _, id := range list[:min(len(list), maxWalk)] {
			if g.total >= g.top.n {
				return
			}
			s, pg, slot := g.p.c.find(id)
			if s == nil || (pg.country[slot] == g.p.home) != home {
				continue
			}
			if begins, _ := beginsAt(s.keys[0], 0, n.text); begins {
				g.add(s, pg, slot, n.grade(s.keys))
			}
		}
	}
	if g.p.home != noCountry {
		home := order.home[cashback.Country(g.p.c.countries.list[g.p.home])]
		walk(home, true)
		if len(home) > maxWalk && g.total < g.top.n {
			return false
		}
	}
	walk(order.all, false)
	return g.total >= g.top.n
}
