package merchant

import (
	"maps"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// EventKind is what an operator did.
type EventKind string

const (
	// Merge says that Merchant and Other are one shop.
	Merge EventKind = "merge"
	// Apart says that Merchant and Other are two, whatever the rules find.
	Apart EventKind = "apart"
	// Split takes Entries out of Merchant: they are a shop of their own.
	Split EventKind = "split"
	// Rename gives Merchant a Name that no crawl changes.
	Rename EventKind = "rename"
	// Undo takes back the event numbered Undoes.
	Undo EventKind = "undo"
)

// Event is an operator's correction. Events are data on top of the resolution:
// they outlive crawls, re-resolution and changed rules, because they hold on to
// entries (Anchors), not to the outcome of a run. Of two that contradict each
// other the later one counts.
type Event struct {
	Number   uint64              `json:"number" cbor:"1,keyasint"`
	At       time.Time           `json:"at" cbor:"2,keyasint"`
	By       string              `json:"by,omitempty" cbor:"3,keyasint,omitempty"`
	Kind     EventKind           `json:"kind" cbor:"4,keyasint"`
	Merchant cashback.MerchantID `json:"merchant,omitempty" cbor:"5,keyasint,omitempty"`
	Other    cashback.MerchantID `json:"other,omitempty" cbor:"6,keyasint,omitempty"`
	Entries  []Ref               `json:"entries,omitempty" cbor:"7,keyasint,omitempty"`
	Name     string              `json:"name,omitempty" cbor:"8,keyasint,omitempty"`
	Undoes   uint64              `json:"undoes,omitempty" cbor:"9,keyasint,omitempty"`
	Note     string              `json:"note,omitempty" cbor:"10,keyasint,omitempty"`
	// Anchors are the entries that the event holds on to: the founders of Merchant and
	// of Other; for a merge, behind them, one entry for each of their other names.
	// Catalogue.Apply fills them; the store keeps them.
	Anchors []Ref `json:"anchors,omitempty" cbor:"11,keyasint,omitempty"`
}

// corrections are the events that are in force, and what follows from them.
type corrections struct {
	events  []Event
	links   []constraint
	at      map[Ref][]int // links by the entries they hold on to
	anchors map[Ref]bool
	pins    map[Ref]uint64
	names   map[Ref]rename
}

// constraint says that two entries' groups belong together, or don't.
type constraint struct {
	a, b     Ref
	together bool
	number   uint64
}

type rename struct {
	name   string
	number uint64
}

func newCorrections() corrections {
	return corrections{at: map[Ref][]int{}, anchors: map[Ref]bool{}, pins: map[Ref]uint64{}, names: map[Ref]rename{}}
}

// set computes what a list of events comes to.
func (x *corrections) set(events []Event) {
	*x = newCorrections()
	x.events = slices.Clone(events)
	// An undo of an undo brings the event back.
	undone := map[uint64]bool{}
	for _, ev := range slices.Backward(events) {
		if ev.Kind == Undo && !undone[ev.Number] {
			undone[ev.Undoes] = true
		}
	}
	link := func(a, b Ref, together bool, n uint64) {
		x.links = append(x.links, constraint{a, b, together, n})
		x.at[a] = append(x.at[a], len(x.links)-1)
		x.at[b] = append(x.at[b], len(x.links)-1)
		x.anchors[a], x.anchors[b] = true, true
	}
	for _, ev := range events {
		if undone[ev.Number] {
			continue
		}
		switch ev.Kind {
		case Merge:
			for _, ref := range ev.Anchors[min(1, len(ev.Anchors)):] {
				link(ev.Anchors[0], ref, true, ev.Number)
			}
		case Apart:
			if len(ev.Anchors) == 2 {
				link(ev.Anchors[0], ev.Anchors[1], false, ev.Number)
			}
		case Split:
			for i, ref := range ev.Entries {
				x.pins[ref] = ev.Number
				x.anchors[ref] = true
				if i > 0 {
					link(ev.Entries[0], ref, true, ev.Number)
				}
			}
			if len(ev.Anchors) > 0 && len(ev.Entries) > 0 {
				link(ev.Anchors[0], ev.Entries[0], false, ev.Number)
			}
		case Rename:
			if len(ev.Anchors) > 0 {
				x.anchors[ev.Anchors[0]] = true
				x.names[ev.Anchors[0]] = rename{ev.Name, ev.Number}
			}
		}
	}
}

// bound are the groups that the operator's events tie to a group.
func (c *Catalogue) bound(g *group) []*group {
	if !g.anchored {
		return nil
	}
	var out []*group
	for _, e := range g.entries {
		if !e.anchored {
			continue
		}
		for _, i := range c.at[e.ref] {
			l := c.links[i]
			other := l.a
			if other == e.ref {
				other = l.b
			}
			if o := c.entries[other]; o != nil && o.group != nil && o.group != g && o.group.storefront == g.storefront {
				out = append(out, o.group)
			}
		}
	}
	return out
}

// constraints are the operator's words on the groups of a block: pairs that are one
// shop, and pairs that are not. Of contradicting ones the latest counts.
func (c *Catalogue) constraints(block []*group, at map[*group]int) (must, cannot map[[2]int]bool) {
	must, cannot = map[[2]int]bool{}, map[[2]int]bool{}
	if len(c.links) == 0 {
		return must, cannot
	}
	var use []int
	for _, g := range block {
		if !g.anchored {
			continue
		}
		for _, e := range g.entries {
			if e.anchored {
				use = append(use, c.at[e.ref]...)
			}
		}
	}
	slices.Sort(use)
	use = slices.Compact(use)
	// From the latest to the earliest: what contradicts something later is dropped.
	root := make([]int, len(block))
	for i := range root {
		root[i] = i
	}
	find := func(i int) int {
		for root[i] != i {
			i = root[i]
		}
		return i
	}
	var walls [][2]int
	for _, i := range slices.Backward(use) {
		l := c.links[i]
		a, b := c.entries[l.a], c.entries[l.b]
		if a == nil || b == nil || a.group == nil || b.group == nil || a.group.storefront != b.group.storefront {
			continue // what was said of a name that the portal has changed since
		}
		x, okx := at[a.group]
		y, oky := at[b.group]
		if !okx || !oky || x == y {
			continue
		}
		rx, ry := find(x), find(y)
		if !l.together {
			if rx != ry {
				walls = append(walls, [2]int{x, y})
			}
			continue
		}
		if rx == ry || slices.ContainsFunc(walls, func(w [2]int) bool {
			p, q := find(w[0]), find(w[1])
			return p == rx && q == ry || p == ry && q == rx
		}) {
			continue
		}
		root[rx] = ry
	}
	side := map[int][]int{}
	for i := range block {
		side[find(i)] = append(side[find(i)], i)
	}
	for _, all := range side {
		for _, i := range all {
			for _, j := range all {
				if i != j {
					must[[2]int{i, j}] = true
				}
			}
		}
	}
	for _, w := range walls {
		for _, i := range side[find(w[0])] {
			for _, j := range side[find(w[1])] {
				cannot[[2]int{i, j}], cannot[[2]int{j, i}] = true, true
			}
		}
	}
	return must, cannot
}

// Apply carries out an operator's event and resolves what it touches. It fills the
// event's anchors; the store keeps the event as it comes back, in the same
// transaction as the plan. Errors are of kind Invalid or NotFound and say what is
// wrong with the event.
func (c *Catalogue) Apply(ev Event) (Event, Plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.anchor(&ev); err != nil {
		return ev, Plan{}, err
	}
	ch := c.begin("")
	if ev.Kind == Split {
		c.keepID(ch, c.lead(ev.Merchant), c.entries[ev.Anchors[0]])
	}
	c.correct(ch, append(slices.Clone(c.events), ev))
	c.finish(ch)
	return ev, ch.plan, nil
}

// keepID passes a merchant's id from the entry that founded it to one that stays with
// it: what is split off doesn't take the id along.
func (c *Catalogue) keepID(ch *change, id cashback.MerchantID, stays *entry) {
	founder := c.founders[id]
	if founder == nil || founder == stays {
		return
	}
	ch.save(founder, true)
	ch.save(stays, true)
	founder.founded = slices.DeleteFunc(slices.Clone(founder.founded), func(f cashback.MerchantID) bool { return f == id })
	stays.founded = append(stays.founded, id)
	c.founders[id] = stays
	ch.plan.Founders[id] = stays.ref
}

// correct puts other events in force, which are more or fewer than those before, and
// dirties what the ones between hold on to.
func (c *Catalogue) correct(ch *change, events []Event) {
	longer := events
	if len(c.events) > len(events) {
		longer = c.events
	}
	held := map[Ref]bool{}
	for _, ev := range longer[min(len(events), len(c.events)):] {
		for ev.Kind == Undo { // what it undoes, which may be an undo itself
			at := slices.IndexFunc(longer, func(o Event) bool { return o.Number == ev.Undoes })
			if at < 0 {
				break
			}
			ev = longer[at]
		}
		for _, ref := range ev.Anchors {
			held[ref] = true
		}
		for _, ref := range ev.Entries {
			held[ref] = true
		}
	}
	c.corrections.set(events)
	for _, ref := range slices.SortedFunc(maps.Keys(held), compareRefs) {
		e := c.entries[ref]
		if e == nil {
			continue
		}
		e.anchored = c.anchors[ref]
		if e.bucket != nil {
			ch.dirty(e.bucket)
		}
	}
}

// anchor checks an event and finds the entries it holds on to.
func (c *Catalogue) anchor(ev *Event) error {
	for _, old := range c.events {
		if old.Number >= ev.Number {
			return cashback.Errorf(cashback.Internal, "event %d comes after event %d", ev.Number, old.Number)
		}
	}
	of := func(id cashback.MerchantID) (*merchant, Ref, error) {
		m := c.merchants[c.lead(id)]
		if m == nil {
			return nil, Ref{}, cashback.Errorf(cashback.NotFound, "there is no merchant %d", id)
		}
		if f := c.founders[m.ID]; f != nil {
			return m, f.ref, nil
		}
		return m, m.cluster.oldest.ref, nil
	}
	switch ev.Kind {
	case Merge, Apart:
		a, ra, err := of(ev.Merchant)
		if err != nil {
			return err
		}
		b, rb, err := of(ev.Other)
		if err != nil {
			return err
		}
		if a == b {
			return cashback.Errorf(cashback.Invalid, "%d and %d are one merchant already", ev.Merchant, ev.Other)
		}
		if a.Country != b.Country && ev.Kind == Merge {
			return cashback.Errorf(cashback.Invalid, "%s is a storefront of %q and %s one of %q: storefronts of different countries stay different merchants", a.Name, a.Country, b.Name, b.Country)
		}
		ev.Anchors = []Ref{ra, rb}
		if ev.Kind == Merge {
			for _, g := range slices.Concat(a.cluster.groups, b.cluster.groups) {
				if ref := g.oldest().ref; !slices.ContainsFunc(ev.Anchors, func(o Ref) bool { return c.entries[o].group == g }) {
					ev.Anchors = append(ev.Anchors, ref)
				}
			}
		}
	case Split:
		m, _, err := of(ev.Merchant)
		if err != nil {
			return err
		}
		if len(ev.Entries) == 0 {
			return cashback.Errorf(cashback.Invalid, "name at least one entry to take out of %s", m.Name)
		}
		var rest *entry
		for _, ref := range ev.Entries {
			if e := c.entries[ref]; e == nil || e.merchant != m.ID {
				return cashback.Errorf(cashback.Invalid, "the entry %q of %s doesn't belong to %s", ref.Key, ref.Portal, m.Name)
			}
		}
		for _, g := range m.cluster.groups {
			for _, e := range g.entries {
				if !slices.Contains(ev.Entries, e.ref) && (rest == nil || e.arrival < rest.arrival) {
					rest = e
				}
			}
		}
		if rest == nil {
			return cashback.Errorf(cashback.Invalid, "these are all entries of %s: leave at least one with it", m.Name)
		}
		ev.Anchors = []Ref{rest.ref}
	case Rename:
		_, ra, err := of(ev.Merchant)
		if err != nil {
			return err
		}
		name, _ := clean(ev.Name)
		if name == "" || len(name) > maxName {
			return cashback.Errorf(cashback.Invalid, "a merchant's name has between 1 and %d bytes", maxName)
		}
		ev.Name, ev.Anchors = name, []Ref{ra}
	case Undo:
		for _, old := range c.events {
			if old.Number == ev.Undoes {
				return nil
			}
		}
		return cashback.Errorf(cashback.NotFound, "there is no event %d to undo", ev.Undoes)
	default:
		return cashback.Errorf(cashback.Invalid, "%q is no correction: use merge, apart, split, rename or undo", ev.Kind)
	}
	return nil
}

// Events lists the operator's corrections, also those that were undone.
func (c *Catalogue) Events() []Event {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.events)
}
