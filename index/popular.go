package index

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"time"

	"github.com/blevesearch/bleve/v2/search/query"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// popularity is the order in which the public's shops stand before anything is
// typed: those at most portals first, then by the best own value at face value.
// After a few letters, hundreds or thousands of shops match and only the first few
// are shown: running through this order finds them sooner than looking at each.
//
// It is made now and then, so it may be some seconds older than the columns: an
// order that is a little old does no harm, and what is shown comes from the columns.
type popularity struct {
	all  []heading
	home map[cashback.Country][]heading
	of   *columns
}

// heading is a shop with the beginning of its folded name, without spaces, in one
// word of the machine: the first letter is its lowest byte.
type heading struct {
	head uint64
	id   cashback.MerchantID
}

const (
	// headBytes is how much of a name is in its head.
	headBytes = 8
	// shortText is the longest text, in bytes, that is answered by popularity: a
	// letter missing in it must be in the head as well.
	shortText = headBytes - 1
	// maxWalk is how many shops are run through before Bleve is asked after all.
	maxWalk = 100_000
	// popularEvery is how old the order may grow while the columns change.
	popularEvery = 10 * time.Second
)

// headOf packs the beginning of a folded text.
func headOf(key string) (head uint64) {
	at := 0
	for i := 0; i < len(key) && at < headBytes; i++ {
		if key[i] != ' ' {
			head |= uint64(key[i]) << (8 * at)
			at++
		}
	}
	return head
}

// lowest is the lowest n bytes.
func lowest(head uint64, n int) uint64 { return head & (1<<(8*n) - 1) }

// nearHead reports whether a name with that head begins with a text of m bytes, which
// has one typing error at most: a letter other, more or less, or two swapped.
func nearHead(head, text uint64, m int) bool {
	differ := lowest(head^text, m)
	if differ == 0 {
		return true
	}
	i := 8 * (bits.TrailingZeros64(differ) / 8) // where they part, in bits
	if differ>>i>>8 == 0 {
		return true // other
	}
	rest, have := text>>i, head>>i
	left := m - i/8
	return lowest(rest>>8^have, left-1) == 0 || // more
		lowest(rest^have>>8, left) == 0 || // less
		byte(rest) == byte(have>>8) && byte(rest>>8) == byte(have) && lowest(rest>>16^have>>16, left-2) == 0 // swapped
}

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
	out := &popularity{all: make([]heading, len(list)), home: map[cashback.Country][]heading{}, of: c}
	for i, r := range list {
		out.all[i] = heading{headOf(r.s.keys[0]), r.s.ID}
		out.home[r.s.Country] = append(out.home[r.s.Country], out.all[i])
	}
	return out
}

// walk looks at the shops of an order whose head passes, those of the asker's country
// or the others, until enough are found.
func (x *Index) walk(g *gathering, list []heading, home bool, passes func(head uint64) bool, grade func(*shop) Grade) {
	for _, h := range list[:min(len(list), maxWalk)] {
		if !passes(h.head) {
			continue
		}
		if g.total >= g.top.n {
			return
		}
		s, pg, slot := g.p.c.find(h.id)
		if s == nil || (pg.country[slot] == g.p.home) != home {
			continue
		}
		if at := grade(s); at != NoMatch {
			g.add(s, pg, slot, at)
		}
	}
}

// walkAll is walk through the asker's country, then through the others. It reports
// whether enough was found, which then is what comes first.
func (x *Index) walkAll(g *gathering, order *popularity, passes func(head uint64) bool, grade func(*shop) Grade) bool {
	if g.p.home != noCountry {
		home := order.home[cashback.Country(g.p.c.countries.list[g.p.home])]
		x.walk(g, home, true, passes, grade)
		if len(home) > maxWalk && g.total < g.top.n {
			return false
		}
	}
	x.walk(g, order.all, false, passes, grade)
	return g.total >= g.top.n
}

// named adds the shops for which Bleve finds q among the whole names, if their grade
// is at least that.
func (x *Index) named(ctx context.Context, e *engine, g *gathering, q query.Query, least Grade, grade func(*shop) Grade) error {
	return e.find(ctx, q, func(id cashback.MerchantID) bool {
		if s, pg, slot := g.p.c.find(id); s != nil {
			if at := grade(s); at >= least {
				g.add(s, pg, slot, at)
			}
		}
		return true
	})
}

// first answers a short text: the shops that are called so, and as many whose names
// begin with it as are asked for, the asker's country first. It reports whether
// that is the whole answer.
func (x *Index) first(ctx context.Context, g *gathering, n *needle) bool {
	order, e := x.popular.Load(), x.text.Load()
	if len(n.text) > shortText || len(n.words) > 1 || order == nil || e == nil {
		return false
	}
	grade := func(s *shop) Grade { return n.grade(s.keys) }
	if err := x.named(ctx, e, g, term(fieldName, n.text), ExactAlias, grade); err != nil {
		return false // match meets the same error, and deals with it
	}
	text, m := headOf(n.text), len(n.text)
	return x.walkAll(g, order, func(head uint64) bool { return lowest(head^text, m) == 0 }, grade)
}

// nearFirst answers a short text that has a typing error: after four letters, that
// may be thousands of shops. It reports how many it found, and whether that is the
// whole answer.
func (x *Index) nearFirst(ctx context.Context, g *gathering, n *needle) (found int, whole bool) {
	order, e := x.popular.Load(), x.text.Load()
	if n.runes <= nearFrom || n.runes < len(n.text) || n.runes > shortText || len(n.words) > 1 || order == nil || e == nil {
		return 0, false
	}
	was := g.total
	grade := func(s *shop) Grade { return n.near(s.keys, 1) }
	if err := x.named(ctx, e, g, fuzzy(fieldName, n.text, 1), NearOne, grade); err != nil {
		return g.total - was, false
	}
	text, m := headOf(n.text), len(n.text)
	whole = x.walkAll(g, order, func(head uint64) bool { return nearHead(head, text, m) }, grade)
	return g.total - was, whole
}
