package merchant

import (
	"cmp"
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
	Ref        Ref                 `json:"ref"`
	Name       string              `json:"name"`
	Merchant   cashback.MerchantID `json:"merchant,omitempty"` // 0 where the name names no shop
	Confidence float64             `json:"confidence"`
	Reasons    []string            `json:"reasons"`
	Candidates []Candidate         `json:"candidates,omitempty"`
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
	rules    *Rules
	maxBlock int

	mu       sync.RWMutex
	entries  map[Ref]*entry
	buckets  map[bucketKey]*bucket
	features index
	// founders own the ids ever given out; a merchant has the lowest id that one of
	// its entries founded. So ids are stable, and come back when a merge is undone.
	founders  map[cashback.MerchantID]*entry
	merchants map[cashback.MerchantID]*merchant
	slugs     map[string]cashback.MerchantID
	slugOf    map[cashback.MerchantID]string
	reviews   map[Ref]Review
	next      cashback.MerchantID
	arrivals  uint64
	changes   uint64
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
	anchored bool   // an operator's event holds on to it
	saved    uint64 // the last change that saved it
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
		maxBlock:    defaultBlock,
		entries:     map[Ref]*entry{},
		buckets:     map[bucketKey]*bucket{},
		features:    newIndex(),
		founders:    map[cashback.MerchantID]*entry{},
		merchants:   map[cashback.MerchantID]*merchant{},
		slugs:       map[string]cashback.MerchantID{},
		slugOf:      map[cashback.MerchantID]string{},
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

// was is an entry as it was before a change; present is false for one that is new.
type was struct {
	now                    *entry
	name, domain, category string
	market                 cashback.Country
	merchant               cashback.MerchantID
	founded                []cashback.MerchantID
	present                bool
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
			c.entries[ref] = e
			ch.save(e, false)
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
		ch.gone = append(ch.gone, e)
	}
	c.finish(ch)
	return ch.plan
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
		c.remember(ch, e.merchant)
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
			delete(c.slugs, c.slugOf[id])
			delete(c.slugOf, id)
			delete(c.merchants, id)
		}
	}
	if p.undo.events < len(c.events) {
		c.correct(ch, c.events[:p.undo.events])
	}
	for _, w := range p.undo.entries {
		e := w.now
		e.founded = w.founded
		for _, id := range e.founded {
			c.founders[id] = e
		}
		e.merchant = w.merchant
		if !w.present {
			delete(c.entries, e.ref)
			ch.gone = append(ch.gone, e)
			continue
		}
		c.entries[e.ref] = e
		e.name, e.market, e.domain, e.category = w.name, w.market, w.domain, w.category
		e.anchored = c.anchors[e.ref]
		c.place(ch, e)
	}
	c.finish(ch)
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
	ch.readings = readings{}
	c.corrections.set(s.Events)
	for i := range s.Merchants {
		m := &merchant{Merchant: s.Merchants[i], cluster: &cluster{}}
		c.merchants[m.ID] = m
		if m.Slug != "" {
			c.slugs[m.Slug], c.slugOf[m.ID] = m.ID, m.Slug
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
	ch.readings = nil
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
