package index

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/search/query"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Hit is a shop that was found.
type Hit struct {
	Merchant cashback.Merchant
	// Grade says how well the text was met; NoMatch where there was no text.
	Grade Grade
	// Portals counts the portals that list the shop, Passing those whose offers pass
	// the filter, in the view that was asked for.
	Portals, Passing int
	// Best is the portal with the best own value among the passing offers that count,
	// and Own that value in millionths of a minor unit of the asker's currency; Best
	// is empty where no offer has a value.
	Best string
	Own  int64
}

// Result is the answer to a Query for shops.
type Result struct {
	Hits []Hit
	// Total counts every hit, of which Hits are those of this page.
	Total int
	// Next is the cursor of the next page, empty after the last.
	Next string
	// Near says that nothing was called as the text says, and that the hits only
	// resemble it.
	Near bool
	// Degraded says that typing errors weren't forgiven (Status.Degraded); Partial
	// that not every shop was looked at, because the index is still being filled.
	Degraded, Partial bool
	// Facets are there if they were asked for.
	Facets *Facets
	// Applied is the number of the last change that the answer contains.
	Applied uint64
}

// Search finds shops. Its errors are Invalid, with the field in their Place, or the
// context's: a broken index is no error, the answer then is Degraded.
func (x *Index) Search(ctx context.Context, q Query) (Result, error) {
	if err := q.check(); err != nil {
		return Result{}, err
	}
	after, err := q.after()
	if err != nil {
		return Result{}, err
	}
	c := x.columns.Load()
	p := c.plan(&q, x.opt.Now())
	g := &gathering{p: p, order: q.Order, top: newTop(q.limit(), after)}
	if q.Facets {
		g.tally = newTally(p)
	}
	r := Result{Applied: c.applied, Partial: !x.state.Load().Loaded}
	if a, ok := parseAddress(q.Text); ok {
		g.addresses(x.byAddress(ctx, c, a, q.Country), a)
	} else if n := newNeedle(q.Text); n.text != "" {
		r.Degraded, err = x.match(ctx, c, &n, thorough, g.add, walked{})
		if err != nil {
			return Result{}, err
		}
		r.Near = g.best > NoMatch && g.best < Words && g.best != InCategory
	} else if q.Text == "" {
		g.all()
	}
	// A text of which nothing is left ("!!!") finds nothing.
	r.Total = g.total
	list, more := g.top.sorted()
	for _, it := range list {
		r.Hits = append(r.Hits, g.hit(it))
	}
	if more {
		r.Next = q.cursor(list[len(list)-1].place)
	}
	if g.tally != nil {
		r.Facets = g.tally.facets(p)
	}
	return r, context.Cause(ctx)
}

// gathering collects the shops of one answer.
type gathering struct {
	p     *plan
	order Order
	tally *tally
	top   *top
	total int
	best  Grade
	seen  idSet
}

// idSet is a set of merchant ids, with one bit each.
type idSet []*[pageSize / 64]uint64

// add puts an id in, and reports whether it wasn't there.
func (s *idSet) add(id cashback.MerchantID) bool {
	i, bit := int(id/pageSize), id%pageSize
	for i >= len(*s) {
		*s = append(*s, make(idSet, i+16-len(*s))...)
	}
	w := (*s)[i]
	if w == nil {
		w = new([pageSize / 64]uint64)
		(*s)[i] = w
	}
	if w[bit/64]&(1<<(bit%64)) != 0 {
		return false
	}
	w[bit/64] |= 1 << (bit % 64)
	return true
}

// add takes a shop that matched, once, and reports whether it exists for the asker
// and passes the filter.
func (g *gathering) add(s *shop, pg *page, slot int, grade Grade) bool {
	return g.seen.add(s.ID) && g.take(pg, slot, grade)
}

// addresses takes the shops of an address; the storefront that it names itself comes
// before the asker's.
func (g *gathering) addresses(list []foundAt, a address) {
	if slices.ContainsFunc(list, func(f foundAt) bool { return f.rank == 2 }) {
		g.p.home = g.p.c.countries.of[string(a.country)]
	}
	for _, f := range list {
		if s, pg, slot := g.p.c.find(f.id); s != nil {
			g.add(s, pg, slot, f.grade)
		}
	}
}

// all takes every shop.
func (g *gathering) all() {
	g.p.c.each(func(pg *page, slot int, _ *shop) bool {
		g.take(pg, slot, NoMatch)
		return true
	})
}

func (g *gathering) take(pg *page, slot int, grade Grade) bool {
	sum := g.p.look(pg, slot, g.tally)
	if sum.passing == 0 {
		return false
	}
	g.total++
	g.best = max(g.best, grade)
	g.top.offer(item{place: g.p.place(g.order, pg, slot, grade, &sum), grade: grade})
	return true
}

// place is where a shop stands in an order.
func (p *plan) place(o Order, pg *page, slot int, grade Grade, sum *summary) place {
	at := place{id: uint64(pg.first) + uint64(slot)}
	home := int64(0)
	if pg.country[slot] == p.home {
		home = 1
	}
	many := int64(min(sum.portals, math.MaxUint16))
	switch o {
	case ByValue:
		at.first, at.second = sum.best, many
	case ByName:
		at.first, at.second = nameOrder(pg.shops[slot].keys[0])
	case ByAge:
		at.first, at.second = int64(sum.readAt), many
	case ByPortals:
		at.first, at.second = many, sum.best
	default:
		at.first, at.second = int64(grade)<<32|home<<24|many, sum.best
	}
	return at
}

func (g *gathering) hit(it item) Hit {
	s, pg, slot := g.p.c.find(cashback.MerchantID(it.id))
	return g.p.hitOf(s, pg, slot, it.grade)
}

func (p *plan) hitOf(s *shop, pg *page, slot int, grade Grade) Hit {
	sum := p.look(pg, slot, nil)
	h := Hit{Merchant: s.Merchant, Grade: grade, Portals: sum.portals, Passing: sum.passing}
	if sum.best >= 0 {
		h.Best, h.Own = p.c.portals[sum.bestAt].ID, sum.best
	}
	return h
}

// item is one candidate for a page of an answer.
type item struct {
	place
	grade Grade
}

// top keeps the first n items after a place, as a heap whose root is the last of
// them.
type top struct {
	n     int
	after *place
	heap  []item
	more  bool
}

func newTop(n int, after *place) *top { return &top{n: n, after: after, heap: make([]item, 0, n)} }

func (t *top) offer(it item) {
	if t.after != nil && !t.after.before(it.place) {
		return
	}
	if len(t.heap) < t.n {
		t.heap = append(t.heap, it)
		for i := len(t.heap) - 1; i > 0; {
			up := (i - 1) / 2
			if !t.heap[up].before(t.heap[i].place) {
				break
			}
			t.heap[up], t.heap[i] = t.heap[i], t.heap[up]
			i = up
		}
		return
	}
	t.more = true
	if t.n == 0 || !it.before(t.heap[0].place) {
		return
	}
	t.heap[0] = it
	for i := 0; ; {
		worst := i
		for _, k := range [...]int{2*i + 1, 2*i + 2} {
			if k < len(t.heap) && t.heap[worst].before(t.heap[k].place) {
				worst = k
			}
		}
		if worst == i {
			return
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}

// sorted returns the items in order, and whether there are more behind them.
func (t *top) sorted() ([]item, bool) {
	slices.SortFunc(t.heap, func(a, b item) int {
		if a.before(b.place) {
			return -1
		}
		if b.before(a.place) {
			return 1
		}
		return 0
	})
	return t.heap, t.more
}

// effort says how far a text is pursued.
type effort uint8

const (
	// quick stops as soon as a name begins with the text: type-ahead.
	quick effort = iota
	// thorough also takes single words and categories.
	thorough
)

// adder takes a shop that matched, and reports whether it counts.
type adder func(s *shop, pg *page, slot int, g Grade) bool

// enough is how many hits of a stage make the next, more forgiving one needless.
const enough = 3

// walked is what a walk through the popular shops has found before Bleve is asked.
type walked struct {
	found int
	exact bool
	// near finds what has a typing error, at most once; whole says that no more need
	// be found. nil where nobody walks.
	near func() (found int, whole bool)
}

// match finds the shops that a text means, stage by stage: names that begin with it
// or with its words; names that do but for a typing error; for two of them; and,
// thorough, categories and names that share some of its words. A stage is tried
// only if those before, and the walk, found little; a quick answer needs less.
// degraded says that the stages of typing errors couldn't be tried.
func (x *Index) match(ctx context.Context, c *columns, n *needle, how effort, add adder, before walked) (degraded bool, err error) {
	e := x.text.Load()
	if e == nil {
		scan(c, n, how, add)
		return true, nil
	}
	// sure counts the hits that two typing errors needn't explain.
	found, sure, exact := before.found, before.found, before.exact
	stage := func(q query.Query, grade func(s *shop) Grade) error {
		err := e.find(ctx, q, func(id cashback.MerchantID) bool {
			s, pg, slot := c.find(id)
			if s == nil {
				return true
			}
			// Bleve only proposes: what it says is compared with the names themselves.
			if g := grade(s); g != NoMatch && add(s, pg, slot, g) {
				found++
				if g >= NearWords && g != NearTwo && g != NearTwoStart {
					sure++
				}
				exact = exact || g >= ExactAlias
			}
			return true
		})
		if errors.Is(err, errTooMany) {
			return nil
		}
		return err
	}
	stages := []func() error{
		func() error { return stage(n.begins(), func(s *shop) Grade { return n.grade(s.keys) }) },
		func() error {
			if len(n.words) < 2 || how == quick && found >= enough {
				return nil
			}
			return stage(n.beginWords(), func(s *shop) Grade { return n.grade(s.keys) })
		},
		func() error {
			if exact || found >= enough || n.runes < nearFrom || n.runes > maxDistance {
				return nil
			}
			was, known := found, how == quick && found > 0
			if known && n.runes > shortText {
				return nil // so long a text hardly begins a name by mistake
			}
			if before.near != nil {
				n, whole := before.near()
				found, sure = found+n, sure+n
				if whole || known {
					return nil
				}
			}
			err := stage(n.nearly(1), func(s *shop) Grade { return n.near(s.keys, 1) })
			if err != nil || len(n.words) < 2 || len(n.words) > maxNearWords || n.runes == nearFrom || how == quick && found > was {
				return err
			}
			return stage(n.nearWords(), func(s *shop) Grade { return n.near(s.keys, 1) })
		},
		func() error {
			if found > 0 || n.runes < nearTwoFrom || n.runes > maxDistance {
				return nil
			}
			return stage(n.nearly(2), func(s *shop) Grade { return n.near(s.keys, 2) })
		},
		func() error {
			if how == quick || exact {
				return nil
			}
			return stage(n.inCategory(), func(*shop) Grade { return InCategory })
		},
		func() error {
			if sure > 0 || len(n.words) < 2 {
				return nil
			}
			weights := make([]float64, len(n.words))
			for i, w := range n.words {
				weights[i] = rarity(c.shops, e.frequency(ctx, fieldPrefix, cut(w, gram)))
			}
			return stage(n.some(), func(s *shop) Grade { return n.part(s.keys, weights) })
		},
	}
	for _, s := range stages {
		if err := s(); err != nil {
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			x.degrade(e, err)
			scan(c, n, how, add)
			return true, nil
		}
	}
	return false, nil
}

// rarity weighs a word by how few of the shops have it.
func rarity(shops int, have uint64) float64 {
	if have == 0 {
		return 0
	}
	return math.Log(1 + float64(shops+1)/float64(have))
}

// scan is match without Bleve: every name is compared, typing errors aren't
// forgiven.
func scan(c *columns, n *needle, how effort, add adder) {
	c.each(func(pg *page, slot int, s *shop) bool {
		g := n.grade(s.keys)
		if g == NoMatch && how == thorough && s.Category != "" && fold(s.Category) == n.raw {
			g = InCategory
		}
		if g != NoMatch {
			add(s, pg, slot, g)
		}
		return true
	})
}

func term(field, t string) query.Query {
	q := query.NewTermQuery(t)
	q.SetField(field)
	return q
}

func fuzzy(field, t string, edits int) query.Query {
	q := query.NewFuzzyQuery(t)
	q.SetField(field)
	q.SetFuzziness(edits)
	return q
}

func anyOf(list ...query.Query) query.Query {
	if len(list) == 1 {
		return list[0]
	}
	return query.NewDisjunctionQuery(list)
}

// begins asks for names that begin with the text.
func (n *needle) begins() query.Query { return term(fieldPrefix, cut(n.text, gram)) }

// beginWords asks for names in which every word of the text begins a word.
func (n *needle) beginWords() query.Query {
	return n.each(func(w string) query.Query { return term(fieldPrefix, w) })
}

// each asks for all words of the text.
func (n *needle) each(q func(word string) query.Query) query.Query {
	all := make([]query.Query, len(n.words))
	for i, w := range n.words {
		all[i] = q(cut(w, gram))
	}
	return query.NewConjunctionQuery(all)
}

// nearly asks for names that begin with the text but for typing errors; in short
// texts only whole names are near.
func (n *needle) nearly(edits int) query.Query {
	// Of a name that lacks letters here, the terms must reach as far as the text does.
	text := cut(n.text, gram-edits)
	if n.runes <= nearFrom {
		return fuzzy(fieldName, text, edits)
	}
	return fuzzy(fieldPrefix, text, edits)
}

// nearWords asks for names in which every word of the text begins a word, but for a
// typing error in each.
func (n *needle) nearWords() query.Query {
	return n.each(func(w string) query.Query {
		if utf8.RuneCountInString(w) <= nearFrom {
			return term(fieldPrefix, w)
		}
		return fuzzy(fieldPrefix, cut(w, gram-1), 1)
	})
}

// some asks for any word of the text.
func (n *needle) some() query.Query {
	list := make([]query.Query, len(n.words))
	for i, w := range n.words {
		list[i] = term(fieldPrefix, cut(w, gram))
	}
	return anyOf(list...)
}

func (n *needle) inCategory() query.Query {
	return n.each(func(w string) query.Query { return term(fieldCategory, w) })
}

// maxSuggest is the most suggestions that are given.
const maxSuggest = 50

// Suggest completes what was typed so far, at most n shops of those that the public
// sees, the asker's country first among equals. An empty text has no suggestion. An
// error is Invalid or the context's.
func (x *Index) Suggest(ctx context.Context, text string, country cashback.Country, n int) ([]Hit, error) {
	q := Query{Text: text, Country: country, Limit: min(max(n, 1), maxSuggest)}
	if err := q.check(); err != nil {
		return nil, err
	}
	c := x.columns.Load()
	g := &gathering{p: c.publicPlan(country, x.opt.Now()), top: newTop(q.Limit, nil)}
	if a, ok := parseAddress(text); ok {
		g.addresses(x.byAddress(ctx, c, a, country), a)
		text = a.label()
	}
	if needle := newNeedle(text); needle.text != "" && g.total == 0 && !x.first(ctx, g, &needle) {
		before := walked{g.total, g.best >= ExactAlias, func() (int, bool) { return x.nearFirst(ctx, g, &needle) }}
		if _, err := x.match(ctx, c, &needle, quick, g.add, before); err != nil {
			return nil, err
		}
	}
	list, _ := g.top.sorted()
	hits := make([]Hit, len(list))
	for i, it := range list {
		hits[i] = g.hit(it)
	}
	return hits, nil
}

// ByDomain finds the shops of a pasted address, a product's URL or a bare domain:
// first those of the very host, then of the domains above it, then other shops
// under the same registrable domain. Among equals come first the storefront that
// the address itself names (/fr-be/, fr.shop.com), then the asker's country. Only
// shops that the public sees are found. A text that is no address is Invalid.
func (x *Index) ByDomain(ctx context.Context, text string, country cashback.Country) ([]Hit, error) {
	a, ok := parseAddress(text)
	if !ok {
		return nil, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "url"}, "%q is not a shop's address: paste one such as https://www.shop.com/product", cut(text, 60))
	}
	c := x.columns.Load()
	p := c.publicPlan(country, x.opt.Now())
	var hits []Hit
	for _, f := range x.byAddress(ctx, c, a, country) {
		if s, pg, slot := c.find(f.id); s != nil {
			if h := p.hitOf(s, pg, slot, f.grade); h.Portals > 0 {
				hits = append(hits, h)
			}
		}
	}
	return hits, context.Cause(ctx)
}

// foundAt is a shop found by its domain.
type foundAt struct {
	id    cashback.MerchantID
	grade Grade
	rank  int
}

// byAddress finds the shops of an address, the best first. The very host grades
// Exact, a domain above it ExactAlias, the same registrable domain NameStart.
func (x *Index) byAddress(ctx context.Context, c *columns, a address, country cashback.Country) []foundAt {
	hosts := above(a.host, a.site)
	var list []foundAt
	take := func(s *shop) {
		if s.site != a.site {
			return
		}
		f := foundAt{id: s.ID, grade: NameStart}
		depth := slices.Index(hosts, s.host)
		switch {
		case depth == 0:
			f.grade = Exact
		case depth > 0:
			// The nearer above, the better.
			f.grade = ExactAlias + Grade(max(0, 9-depth))
		}
		switch {
		case a.country != "" && s.Country == a.country:
			f.rank = 2
		case s.Country == country:
			f.rank = 1
		}
		list = append(list, f)
	}
	e := x.text.Load()
	if e != nil {
		err := e.find(ctx, term(fieldDomain, a.site), func(id cashback.MerchantID) bool {
			if s, _, _ := c.find(id); s != nil {
				take(s)
			}
			return true
		})
		if err != nil && ctx.Err() == nil {
			x.degrade(e, err)
			e, list = nil, nil
		}
	}
	if e == nil {
		c.each(func(_ *page, _ int, s *shop) bool {
			take(s)
			return true
		})
	}
	slices.SortFunc(list, func(a, b foundAt) int {
		return cmp.Or(cmp.Compare(b.grade, a.grade), cmp.Compare(b.rank, a.rank), cmp.Compare(a.id, b.id))
	})
	return list
}
