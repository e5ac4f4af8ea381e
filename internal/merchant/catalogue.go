package merchant

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Ref names an entry for ever: a portal, and the entry's key there.
type Ref struct {
	Portal string `json:"portal" cbor:"1,keyasint"`
	Key    string `json:"key" cbor:"2,keyasint"`
}

// Held is an entry as the store keeps it, with the merchant it belongs to.
type Held struct {
	Portal   string
	Entry    cashback.Entry
	Merchant cashback.MerchantID
}

// State is everything that a Catalogue is rebuilt from at start.
type State struct {
	// Merchants, also those merged away: their ids must never be given out again.
	Merchants []cashback.Merchant
	// Held in the order in which the entries were first seen.
	Held []Held
	// Founders are the entries that own the ids. Where one isn't known, it is the
	// first held entry of the merchant.
	Founders map[cashback.MerchantID]Ref
	// Events are the operator's, in the order of their numbers.
	Events []Event
	// Next is the first id never given out; 0 stands for one above the highest
	// known.
	Next cashback.MerchantID
}

// Move is an entry that belongs to another merchant than before.
type Move struct {
	Ref  Ref
	From cashback.MerchantID
	To   cashback.MerchantID
}

// Review is an entry that a person should look at, with the better candidates.
type Review struct {
	Ref        Ref
	Name       string
	Merchant   cashback.MerchantID
	Confidence float64
	Reasons    []string
	Candidates []Candidate
}

// Candidate is a merchant that an entry nearly belongs to, and why.
type Candidate struct {
	Merchant   cashback.MerchantID `json:"merchant,omitempty"`
	Cluster    string              `json:"cluster,omitempty"`
	Name       string              `json:"name"`
	Confidence float64             `json:"confidence"`
	Reasons    []string            `json:"reasons"`
}

// Plan is what a change of the catalogue means for the store: all of it belongs
// into one transaction. If the transaction fails, give the plan to Revert.
type Plan struct {
	Portal string
	// New merchants; Changed ones, whose name, domain, aliases or brand moved, or
	// that came back after a merge was undone.
	New, Changed []cashback.Merchant
	// Redirects are ids without members now, and where their members went.
	Redirects map[cashback.MerchantID]cashback.MerchantID
	// Assign gives the merchant of every entry of Portal that the change named; 0
	// where an entry has no usable name.
	Assign map[string]cashback.MerchantID
	// Moved lists entries of any portal, not named in Assign as new, whose merchant
	// is another than before.
	Moved []Move
	// Founders are the entries that own the ids of New.
	Founders map[cashback.MerchantID]Ref
	// Review is what became doubtful among the entries that the change touched;
	// Settled are those that no longer are.
	Review  []Review
	Settled []Ref

	undo undo
}

// Catalogue is the merchants of all portals in memory, kept current entry by entry.
// It is rebuilt at start from what the store holds, and is safe for concurrent use.
type Catalogue struct {
	rules *Rules

	mu       sync.RWMutex
	entries  map[Ref]*entry
	buckets  map[bucketKey]*bucket
	features index
	// founders own the ids ever given out; a merchant has the lowest id that one of
	// its entries founded. So ids are stable, and come back when a merge is undone.
	founders  map[cashback.MerchantID]*entry
	merchants map[cashback.MerchantID]*merchant
	slugs     map[string]cashback.MerchantID
	reviews   map[Ref]Review
	next      cashback.MerchantID
	arrivals  uint64
	walk      uint64
	corrections
}

// entry is what the catalogue keeps of a portal's entry.
type entry struct {
	ref      Ref
	name     string
	market   cashback.Country
	domain   string
	category string
	arrival  uint64

	bucket   *bucket // nil where the name is unusable
	group    *group
	form     *form
	site     site
	families familySet
	display  string // the name without marketing
	unusable string // why the name is none

	merchant cashback.MerchantID
	founded  []cashback.MerchantID
	anchored bool // an operator's event holds on to it
}

// merchant is a merchant with its name groups.
type merchant struct {
	cashback.Merchant
	cluster *cluster
}

// New makes an empty catalogue.
func New(r *Rules) *Catalogue {
	return &Catalogue{
		rules:       r,
		entries:     map[Ref]*entry{},
		buckets:     map[bucketKey]*bucket{},
		features:    newIndex(),
		founders:    map[cashback.MerchantID]*entry{},
		merchants:   map[cashback.MerchantID]*merchant{},
		slugs:       map[string]cashback.MerchantID{},
		reviews:     map[Ref]Review{},
		next:        1,
		corrections: newCorrections(),
	}
}

// undo is what Revert needs: the entries as they were.
type undo struct {
	entries []was
	next    cashback.MerchantID
	events  int
	reviews map[Ref]*Review
}

type was struct {
	entry   entry
	present bool
	now     *entry
}

// change collects what one change of the catalogue touches.
type change struct {
	plan    Plan
	touched map[*group]bool
	buckets map[*bucket]bool
	before  map[*entry]entry // as they were; the zero entry for new ones
	old     map[cashback.MerchantID]cashback.Merchant
	order   []*bucket
}

func (c *Catalogue) begin(portal string) *change {
	return &change{
		plan: Plan{
			Portal: portal, Redirects: map[cashback.MerchantID]cashback.MerchantID{},
			Assign: map[string]cashback.MerchantID{}, Founders: map[cashback.MerchantID]Ref{},
			undo: undo{next: c.next, events: len(c.events), reviews: map[Ref]*Review{}},
		},
		touched: map[*group]bool{}, buckets: map[*bucket]bool{},
		before: map[*entry]entry{}, old: map[cashback.MerchantID]cashback.Merchant{},
	}
}

// save keeps an entry as it was before the change.
func (ch *change) save(e *entry, present bool) {
	if _, ok := ch.before[e]; ok {
		return
	}
	ch.before[e] = *e
	w := was{entry: *e, present: present, now: e}
	w.entry.founded = slices.Clone(e.founded)
	ch.plan.undo.entries = append(ch.plan.undo.entries, w)
}

func (ch *change) dirty(b *bucket) {
	if !ch.buckets[b] {
		ch.buckets[b] = true
		ch.order = append(ch.order, b)
	}
}

// Upsert enters what a portal lists, or lists otherwise than before, and resolves
// it. Entries that the portal no longer lists stay known: identity outlives an
// offer. An entry's merchant is 0 where its name is unusable, which its Review says.
func (c *Catalogue) Upsert(portal string, entries []cashback.Entry) Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.begin(portal)
	for _, in := range entries {
		ref := Ref{portal, in.Key}
		e := c.entries[ref]
		if e != nil && e.name == in.Name && e.market == in.Country && e.domain == in.Domain && e.category == in.Category {
			ch.plan.Assign[in.Key] = e.merchant
			continue
		}
		if e == nil {
			c.arrivals++
			e = &entry{ref: ref, arrival: c.arrivals, anchored: c.anchors[ref]}
			ch.save(e, false)
			c.entries[ref] = e
		} else {
			ch.save(e, true)
			c.take(ch, e)
		}
		e.name, e.market, e.domain, e.category = in.Name, in.Country, in.Domain, in.Category
		c.place(ch, e)
		ch.plan.Assign[in.Key] = 0
	}
	c.finish(ch)
	return ch.plan
}

// Forget takes entries out for good: a portal that was taken down. Ids that they
// founded pass to the oldest entry that stays with the merchant.
func (c *Catalogue) Forget(refs []Ref) Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.begin("")
	for _, ref := range refs {
		e := c.entries[ref]
		if e == nil {
			continue
		}
		ch.save(e, true)
		c.take(ch, e)
		delete(c.entries, ref)
	}
	c.finish(ch)
	return ch.plan
}

// place reads an entry and puts it into its bucket.
func (c *Catalogue) place(ch *change, e *entry) {
	e.site = c.rules.site(e.domain)
	e.families = c.rules.family(fold(e.category, false))
	if e.families == 0 {
		e.families = c.rules.family(strings.ToLower(e.category))
	}
	f, ok := c.rules.read(e.market, e.name, e.site)
	if !ok {
		e.form, e.group, e.bucket, e.merchant = nil, nil, nil, 0
		e.unusable = "the name names no shop"
		if len(f.notes) > 0 {
			e.unusable = f.notes[len(f.notes)-1]
		}
		return
	}
	e.unusable = ""
	if !e.site.own && f.domain != "" {
		// The name is a domain: as good as one that stands beside it.
		if s := c.rules.site(f.domain); s.own {
			e.site, e.site.named = s, true
		}
	}
	f.alias = c.rules.lookup(f.storefront, &f, e.families)
	if f.alias != nil && f.alias.global && f.storefront == e.market {
		f.storefront = Global
	}
	k := bucketKey{f.storefront, f.key}
	b := c.buckets[k]
	if b == nil {
		b = &bucket{bucketKey: k}
		c.buckets[k] = b
	}
	// Entries of a bucket mostly have the same few forms: keep each once.
	e.form = nil
	for _, o := range b.entries {
		if o.form.id == f.id && o.form.alias == f.alias {
			e.form = o.form
			break
		}
	}
	if e.form == nil {
		e.form = &f
	}
	e.bucket, e.display = b, f.display
	b.entries = append(b.entries, e)
	ch.dirty(b)
}

// take takes an entry out of its bucket, and passes on the ids it founded.
func (c *Catalogue) take(ch *change, e *entry) {
	if len(e.founded) > 0 {
		var heir *entry
		if m := c.merchants[e.merchant]; m != nil {
			for _, g := range m.cluster.groups {
				for _, o := range g.entries {
					if o != e && (heir == nil || o.group == e.group && heir.group != e.group || (o.group == e.group) == (heir.group == e.group) && o.arrival < heir.arrival) {
						heir = o
					}
				}
			}
		}
		if heir != nil {
			ch.save(heir, true)
			for _, id := range e.founded {
				c.founders[id] = heir
				ch.plan.Founders[id] = heir.ref
			}
			heir.founded = append(slices.Clone(heir.founded), e.founded...)
			e.founded = nil
		}
	}
	if e.bucket == nil {
		return
	}
	b := e.bucket
	b.entries = slices.DeleteFunc(b.entries, func(o *entry) bool { return o == e })
	e.bucket, e.group = nil, nil
	ch.dirty(b)
}

// finish regroups the buckets that changed, settles the blocks they touch, and
// writes down what that means.
func (c *Catalogue) finish(ch *change) {
	for _, b := range ch.order {
		c.regroup(ch, b)
	}
	c.settle(ch)
	for key := range ch.plan.Assign {
		if e := c.entries[Ref{ch.plan.Portal, key}]; e != nil {
			ch.plan.Assign[key] = e.merchant
		}
	}
}

// regroup makes a bucket's groups anew and corrects the index. Groups that share,
// or shared, a feature with a group that changed are touched.
func (c *Catalogue) regroup(ch *change, b *bucket) {
	for _, g := range b.groups {
		for _, o := range c.neighbours(g) {
			ch.touched[o] = true
		}
	}
	fresh := c.gather(b)
	old := b.groups
	b.groups = fresh
	for _, g := range fresh {
		if at := slices.IndexFunc(old, func(o *group) bool { return o.groupKey == g.groupKey }); at >= 0 {
			// The group stays itself: its number and its index entries are kept.
			o := old[at]
			old = slices.Delete(slices.Clone(old), at, at+1)
			g.number, g.cluster = o.number, o.cluster
			c.features.group[g.number] = g
			if o.cluster != nil {
				for i, m := range o.cluster.groups {
					if m == o {
						o.cluster.groups[i] = g
					}
				}
			}
			if ch.touched[o] {
				delete(ch.touched, o)
			}
			c.reindex(ch, g, o.features, o)
		} else {
			c.features.register(g)
			c.reindex(ch, g, nil, nil)
		}
		for _, e := range g.entries {
			ch.save(e, true)
			e.group = g
		}
		ch.touched[g] = true
	}
	for _, o := range old {
		for _, f := range o.features {
			c.crossed(ch, f, c.features.drop(f, o), false)
		}
		c.features.release(o)
		delete(ch.touched, o)
		if o.cluster != nil {
			o.cluster.groups = slices.DeleteFunc(o.cluster.groups, func(m *group) bool { return m == o })
			for _, m := range o.cluster.groups {
				ch.touched[m] = true
			}
		}
	}
	if len(b.entries) == 0 {
		delete(c.buckets, b.bucketKey)
	}
}

// reindex moves a group from its old features to its new ones.
func (c *Catalogue) reindex(ch *change, g *group, old []uint64, was *group) {
	i, j := 0, 0
	for i < len(old) || j < len(g.features) {
		switch {
		case j == len(g.features) || i < len(old) && old[i] < g.features[j]:
			c.crossed(ch, old[i], c.features.drop(old[i], cmp.Or(was, g)), false)
			i++
		case i == len(old) || g.features[j] < old[i]:
			c.crossed(ch, g.features[j], c.features.add(g.features[j], g), true)
			j++
		default:
			c.features.swap(g.features[j], was, g)
			i++
			j++
		}
	}
}

// crossed touches all groups with a feature when it begins, or ceases, to be too
// common to say anything.
func (c *Catalogue) crossed(ch *change, f uint64, n int, added bool) {
	limit := featureKind(f >> kindShift).limit()
	if added && n != limit+1 || !added && n != limit {
		return
	}
	var buf [1]*group
	for _, g := range c.features.with(f, &buf) {
		ch.touched[g] = true
	}
}

// neighbours are the groups that a group would be joined with if nothing else
// stood in the way.
func (c *Catalogue) neighbours(g *group) []*group {
	var out []*group
	c.candidates(g, func(o *group) {
		if v := c.rules.decide(g, o, false); v.score >= accept && !v.apart {
			out = append(out, o)
		}
	})
	for _, o := range c.bound(g) {
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// candidates calls f once for every other group that shares a telling feature.
func (c *Catalogue) candidates(g *group, f func(*group)) {
	var seenBuf [16]*group
	seen := seenBuf[:0]
	var buf [1]*group
	for _, h := range g.features {
		kind := featureKind(h >> kindShift)
		if kind == headFeature || kind == cutFeature {
			// Only a name that was cut is compared with the full ones.
			continue
		}
		list := c.features.with(h, &buf)
		if len(list) > kind.limit() {
			continue
		}
		for _, o := range list {
			if o != g && !slices.Contains(seen, o) {
				seen = append(seen, o)
				f(o)
			}
		}
	}
	for _, form := range g.forms {
		kind := cutFeature
		if form.truncated {
			kind = headFeature
		}
		for _, k := range [...]string{form.key, form.full} {
			if len(k) < headLength {
				continue
			}
			list := c.features.with(inStorefront(hash(kind, k[:headLength]), g.storefront), &buf)
			if len(list) > kind.limit() {
				continue
			}
			for _, o := range list {
				if o != g && !slices.Contains(seen, o) {
					seen = append(seen, o)
					f(o)
				}
			}
		}
	}
}

// settle parts every block that holds a touched group into merchants anew.
func (c *Catalogue) settle(ch *change) {
	c.walk++
	var clusters []*cluster
	var region []*group
	starts := slices.SortedFunc(maps.Keys(ch.touched), func(a, b *group) int { return cmp.Compare(a.number, b.number) })
	for _, start := range starts {
		if start.mark == c.walk || c.features.group[start.number] != start {
			continue
		}
		block := []*group{start}
		start.mark = c.walk
		for i := 0; i < len(block); i++ {
			for _, o := range c.neighbours(block[i]) {
				if o.mark != c.walk {
					o.mark = c.walk
					block = append(block, o)
				}
			}
		}
		region = append(region, block...)
		clusters = append(clusters, c.settleBlock(block)...)
	}
	c.publish(ch, region, clusters)
}

// publish gives the clusters their ids and writes the differences into the plan.
func (c *Catalogue) publish(ch *change, region []*group, clusters []*cluster) {
	// What stood there before.
	for _, g := range region {
		for _, e := range g.entries {
			ch.save(e, true)
			c.remember(ch, e.merchant)
			for _, id := range e.founded {
				c.remember(ch, id)
			}
		}
	}
	for _, w := range ch.plan.undo.entries {
		c.remember(ch, w.entry.merchant)
	}
	for id := range ch.old {
		delete(c.merchants, id)
	}
	slices.SortFunc(clusters, func(a, b *cluster) int { return cmp.Compare(a.oldest().arrival, b.oldest().arrival) })
	var fresh []*merchant
	for _, k := range clusters {
		id := cashback.MerchantID(0)
		for _, g := range k.groups {
			g.cluster = k
			for _, e := range g.entries {
				for _, f := range e.founded {
					if id == 0 || f < id {
						id = f
					}
				}
			}
		}
		m := &merchant{cluster: k}
		if id == 0 {
			id = c.next
			c.next++
			e := k.oldest()
			ch.save(e, true)
			e.founded = append(slices.Clone(e.founded), id)
			c.founders[id] = e
			ch.plan.Founders[id] = e.ref
		}
		m.ID = id
		fresh = append(fresh, m)
	}
	for _, m := range fresh {
		c.describe(ch, m)
		c.merchants[m.ID] = m
		was, known := ch.old[m.ID]
		switch {
		case !known || was.ID == 0:
			if m.ID >= ch.plan.undo.next {
				ch.plan.New = append(ch.plan.New, m.Merchant)
			} else {
				ch.plan.Changed = append(ch.plan.Changed, m.Merchant)
			}
		case !sameMerchant(was, m.Merchant):
			ch.plan.Changed = append(ch.plan.Changed, m.Merchant)
		}
		for _, g := range m.cluster.groups {
			for _, e := range g.entries {
				e.merchant = m.ID
				for _, id := range e.founded {
					if id != m.ID {
						ch.plan.Redirects[id] = m.ID
					}
				}
			}
		}
	}
	for _, w := range ch.plan.undo.entries {
		e := w.now
		if w.present && w.entry.merchant != 0 && w.entry.merchant != e.merchant && c.entries[e.ref] == e {
			ch.plan.Moved = append(ch.plan.Moved, Move{Ref: e.ref, From: w.entry.merchant, To: e.merchant})
		}
		c.judge(ch, e)
	}
	slices.SortFunc(ch.plan.New, byID)
	slices.SortFunc(ch.plan.Changed, byID)
}

func byID(a, b cashback.Merchant) int { return cmp.Compare(a.ID, b.ID) }

// remember keeps a merchant as it was before the change.
func (c *Catalogue) remember(ch *change, id cashback.MerchantID) {
	if id == 0 {
		return
	}
	if _, ok := ch.old[id]; ok {
		return
	}
	if m := c.merchants[id]; m != nil {
		ch.old[id] = m.Merchant
	} else {
		ch.old[id] = cashback.Merchant{}
	}
}

func sameMerchant(a, b cashback.Merchant) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Slug == b.Slug && a.Country == b.Country && a.Domain == b.Domain &&
		a.Category == b.Category && a.Brand == b.Brand && slices.Equal(a.Aliases, b.Aliases)
}

func (k *cluster) oldest() *entry {
	var old *entry
	for _, g := range k.groups {
		for _, e := range g.entries {
			if old == nil || e.arrival < old.arrival {
				old = e
			}
		}
	}
	return old
}

// judge says whether an entry needs a person's eye, and notes what changed about that.
func (c *Catalogue) judge(ch *change, e *entry) {
	if c.entries[e.ref] != e {
		return
	}
	now, doubt := c.doubts(e)
	was, had := c.reviews[e.ref]
	if !doubt && !had {
		return
	}
	if _, ok := ch.plan.undo.reviews[e.ref]; !ok {
		if had {
			ch.plan.undo.reviews[e.ref] = &was
		} else {
			ch.plan.undo.reviews[e.ref] = nil
		}
	}
	if doubt {
		c.reviews[e.ref] = now
		ch.plan.Review = append(ch.plan.Review, now)
		return
	}
	delete(c.reviews, e.ref)
	ch.plan.Settled = append(ch.plan.Settled, e.ref)
}

// Merchant returns a merchant by its id, or the one that its id leads to after a
// merge.
func (c *Catalogue) Merchant(id cashback.MerchantID) (cashback.Merchant, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	m := c.merchants[c.lead(id)]
	if m == nil {
		return cashback.Merchant{}, false
	}
	return m.Merchant, true
}

func (c *Catalogue) lead(id cashback.MerchantID) cashback.MerchantID {
	if e := c.founders[id]; e != nil {
		return e.merchant
	}
	return id
}

// Lead says where an id leads: to itself, or after a merge to another.
func (c *Catalogue) Lead(id cashback.MerchantID) cashback.MerchantID {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.lead(id)
}

// Of returns the merchant of an entry, 0 where there is none.
func (c *Catalogue) Of(ref Ref) cashback.MerchantID {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e := c.entries[ref]; e != nil {
		return e.merchant
	}
	return 0
}

// Members lists the entries of a merchant.
func (c *Catalogue) Members(id cashback.MerchantID) []Ref {
	c.mu.RLock()
	defer c.mu.RUnlock()
	m := c.merchants[c.lead(id)]
	if m == nil {
		return nil
	}
	var out []Ref
	for _, g := range m.cluster.groups {
		for _, e := range g.entries {
			out = append(out, e.ref)
		}
	}
	slices.SortFunc(out, compareRefs)
	return out
}

func compareRefs(a, b Ref) int {
	return cmp.Or(strings.Compare(a.Portal, b.Portal), strings.Compare(a.Key, b.Key))
}

// Merchants iterates over all merchants, by id.
func (c *Catalogue) Merchants() iter.Seq[cashback.Merchant] {
	c.mu.RLock()
	out := make([]cashback.Merchant, 0, len(c.merchants))
	for _, m := range c.merchants {
		out = append(out, m.Merchant)
	}
	c.mu.RUnlock()
	slices.SortFunc(out, byID)
	return slices.Values(out)
}

// Reviews lists what a person should look at, by entry.
func (c *Catalogue) Reviews() []Review {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := slices.Collect(maps.Values(c.reviews))
	slices.SortFunc(out, func(a, b Review) int { return compareRefs(a.Ref, b.Ref) })
	return out
}

// Revert undoes the last change, whose plan could not be stored. Plans are undone
// in the reverse order of their making.
func (c *Catalogue) Revert(p Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.begin("")
	for _, w := range p.undo.entries {
		e := w.now
		if e.bucket != nil {
			b := e.bucket
			b.entries = slices.DeleteFunc(b.entries, func(o *entry) bool { return o == e })
			e.bucket, e.group = nil, nil
			ch.dirty(b)
		}
	}
	for id, e := range c.founders {
		if id >= p.undo.next {
			e.founded = slices.DeleteFunc(slices.Clone(e.founded), func(f cashback.MerchantID) bool { return f == id })
			delete(c.founders, id)
			if m := c.merchants[id]; m != nil {
				delete(c.slugs, m.Slug)
				delete(c.merchants, id)
			}
		}
	}
	if p.undo.events < len(c.events) {
		c.corrections.set(c.events[:p.undo.events])
	}
	for _, w := range p.undo.entries {
		e := w.now
		e.founded = w.entry.founded
		for _, id := range e.founded {
			c.founders[id] = e
		}
		e.merchant = w.entry.merchant
		if !w.present {
			delete(c.entries, e.ref)
			continue
		}
		c.entries[e.ref] = e
		e.name, e.market, e.domain, e.category = w.entry.name, w.entry.market, w.entry.domain, w.entry.category
		e.anchored = c.anchors[e.ref]
		c.place(ch, e)
	}
	for _, b := range ch.order {
		c.regroup(ch, b)
	}
	c.settle(ch)
	c.next = p.undo.next
	for ref, r := range p.undo.reviews {
		if r == nil {
			delete(c.reviews, ref)
		} else {
			c.reviews[ref] = *r
		}
	}
}

// Restore fills an empty catalogue with what the store holds. The plan it returns
// is what this build's rules and alias data see otherwise than what was stored; it
// is empty when nothing changed.
func (c *Catalogue) Restore(s State) (Plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) > 0 {
		return Plan{}, cashback.Errorf(cashback.Internal, "the catalogue isn't empty")
	}
	ch := c.begin("")
	c.corrections.set(s.Events)
	for i := range s.Merchants {
		m := &merchant{Merchant: s.Merchants[i], cluster: &cluster{}}
		c.merchants[m.ID] = m
		if m.Slug != "" {
			c.slugs[m.Slug] = m.ID
		}
		c.next = max(c.next, m.ID+1)
	}
	for _, h := range s.Held {
		ref := Ref{h.Portal, h.Entry.Key}
		if c.entries[ref] != nil {
			return Plan{}, cashback.Errorf(cashback.Internal, "the entry %q of %s is held twice", h.Entry.Key, h.Portal)
		}
		c.arrivals++
		e := &entry{
			ref: ref, arrival: c.arrivals, name: h.Entry.Name, market: h.Entry.Country, domain: h.Entry.Domain, category: h.Entry.Category,
			merchant: h.Merchant, anchored: c.anchors[ref],
		}
		c.entries[ref] = e
		c.next = max(c.next, h.Merchant+1)
		if _, stated := s.Founders[h.Merchant]; h.Merchant != 0 && !stated && c.founders[h.Merchant] == nil {
			c.founders[h.Merchant] = e
			e.founded = append(e.founded, h.Merchant)
		}
		at := e.merchant
		c.place(ch, e)
		if e.bucket != nil {
			e.merchant = at
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Founders)) {
		c.next = max(c.next, id+1)
		if e := c.entries[s.Founders[id]]; e != nil {
			c.founders[id] = e
			e.founded = append(e.founded, id)
		}
	}
	c.next = max(c.next, s.Next)
	ch.plan.undo.next = c.next
	for id := range c.merchants {
		c.remember(ch, id)
	}
	c.finish(ch)
	clear(ch.plan.Redirects)
	for id, e := range c.founders {
		if id != e.merchant {
			ch.plan.Redirects[id] = e.merchant
		}
	}
	return ch.plan, nil
}

// Name is what a person calls the entry, for sentences.
func (e *entry) String() string { return fmt.Sprintf("%q at %s", e.name, e.ref.Portal) }
