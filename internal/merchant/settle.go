package merchant

import (
	"cmp"
	"maps"
	"slices"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// A change of the catalogue goes through these steps: the entries that come, go or
// read otherwise are placed into buckets (place, take); the buckets that changed make
// their groups anew (regroup); every block of groups that hangs together with one that
// changed, now or before, is parted into merchants anew (settle); the merchants get
// their ids and names, and what that means goes into the plan (publish, judge).

// change collects what one change of the catalogue touches.
type change struct {
	number  uint64
	plan    Plan
	buckets map[*bucket]bool
	order   []*bucket // of buckets, as they came
	touched map[*group]bool
	old     map[cashback.MerchantID]cashback.Merchant
	// near holds what resembles a group, once it is known.
	near map[*group][]resemblance
	// nameless are entries whose name turned out to be none, gone those that were
	// forgotten, bereft the groups that resembled one that changed or is no more.
	nameless, gone []*entry
	bereft         []*group
	// readings are kept while a whole catalogue is restored, nil otherwise.
	readings readings
}

// readings are names as they were read: most portals list the same names.
type readings map[readKey]read

type readKey struct {
	market cashback.Country
	name   string
	site   site
}

type read struct {
	form form
	ok   bool
}

func (rs readings) read(r *Rules, e *entry) (form, bool) {
	k := readKey{e.market, e.name, e.site}
	if kept, ok := rs[k]; ok {
		return kept.form, kept.ok
	}
	f, ok := r.read(e.market, e.name, e.site)
	if rs != nil {
		rs[k] = read{f, ok}
	}
	return f, ok
}

// resemblance is a group that resembles another, at least doubtfully.
type resemblance struct {
	group *group
	score float64
	// joins says that the two would be joined if nothing else stood in the way.
	joins bool
}

func (c *Catalogue) begin(portal string) *change {
	c.changes++
	return &change{
		number: c.changes,
		plan: Plan{
			Portal: portal, Redirects: map[cashback.MerchantID]cashback.MerchantID{},
			Assign: map[string]cashback.MerchantID{}, Founders: map[cashback.MerchantID]Ref{},
			undo: undo{next: c.next, events: len(c.events), reviews: map[Ref]*Review{}},
		},
		touched: map[*group]bool{}, buckets: map[*bucket]bool{},
		old: map[cashback.MerchantID]cashback.Merchant{}, near: map[*group][]resemblance{},
	}
}

// save keeps an entry as it was before the change.
func (ch *change) save(e *entry, present bool) {
	if e.saved == ch.number {
		return
	}
	e.saved = ch.number
	ch.plan.undo.entries = append(ch.plan.undo.entries, was{
		now: e, name: e.name, domain: e.domain, category: e.category, market: e.market,
		merchant: e.merchant, founded: slices.Clone(e.founded), present: present,
	})
}

func (ch *change) dirty(b *bucket) {
	if !ch.buckets[b] {
		ch.buckets[b] = true
		ch.order = append(ch.order, b)
	}
}

// touch notes that a group, and all that hung together with it, must be settled anew.
func (ch *change) touch(g *group) {
	ch.touched[g] = true
	if g.block != nil {
		for _, o := range g.block.groups {
			ch.touched[o] = true
		}
	}
}

// place reads an entry and puts it into its bucket.
func (c *Catalogue) place(ch *change, e *entry) {
	e.site = c.rules.site(e.domain)
	e.families = c.rules.family(e.category)
	f, ok := ch.readings.read(c.rules, e)
	if !ok {
		e.form, e.group, e.bucket, e.merchant = nil, nil, nil, 0
		e.unusable = "the name names no shop"
		if len(f.notes) > 0 {
			e.unusable = f.notes[len(f.notes)-1]
		}
		ch.nameless = append(ch.nameless, e)
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
	// Entries of a bucket mostly have the same few forms, domains and names: keep
	// each once.
	e.form, e.display = nil, f.display
	for _, o := range b.entries {
		if e.form == nil && o.form.id == f.id && o.form.alias == f.alias {
			e.form = o.form
		}
		if o.display == e.display {
			e.display = o.display
		}
		if o.site.host == e.site.host {
			e.site.host, e.site.label = o.site.host, o.site.label
		}
	}
	if e.form == nil {
		f.notes = nil // read aloud anew when somebody asks
		e.form = &f
	}
	e.bucket = b
	b.entries = append(b.entries, e)
	ch.dirty(b)
}

// take takes an entry out of its bucket, and passes on the ids it founded.
func (c *Catalogue) take(ch *change, e *entry) {
	if heir := c.heir(e); heir != nil {
		ch.save(heir, true)
		for _, id := range e.founded {
			c.founders[id] = heir
			ch.plan.Founders[id] = heir.ref
		}
		heir.founded = append(slices.Clone(heir.founded), e.founded...)
		e.founded = nil
	}
	if e.bucket == nil {
		return
	}
	b := e.bucket
	b.entries = slices.DeleteFunc(b.entries, func(o *entry) bool { return o == e })
	e.bucket, e.group = nil, nil
	ch.dirty(b)
}

// heir is the entry that the ids of one that goes pass to: of its merchant's entries
// the oldest of the same name, or else the oldest.
func (c *Catalogue) heir(e *entry) *entry {
	m := c.merchants[e.merchant]
	if len(e.founded) == 0 || m == nil {
		return nil
	}
	var heir *entry
	for _, g := range m.cluster.groups {
		for _, o := range g.entries {
			switch {
			case o == e:
			case heir == nil, g == e.group && heir.group != e.group:
				heir = o
			case (g == e.group) == (heir.group == e.group) && o.arrival < heir.arrival:
				heir = o
			}
		}
	}
	return heir
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

// regroup makes a bucket's groups anew and corrects the index. A group that stays
// keeps its place there.
func (c *Catalogue) regroup(ch *change, b *bucket) {
	old := b.groups
	b.groups = c.gather(b)
	for i, g := range b.groups {
		if at := slices.IndexFunc(old, func(o *group) bool { return o.groupKey == g.groupKey }); at >= 0 {
			stays := old[at]
			old = slices.Delete(slices.Clone(old), at, at+1)
			c.reindex(ch, stays, g.features)
			stays.renew(g)
			b.groups[i] = stays
			g = stays
		} else {
			c.features.register(g)
			fresh := g.features
			g.features = nil
			c.reindex(ch, g, fresh)
		}
		for _, e := range g.entries {
			e.group = g
		}
		ch.touch(g)
	}
	for _, o := range old {
		ch.touch(o)
		delete(ch.touched, o)
		c.reindex(ch, o, nil)
		c.features.release(o)
		ch.bereft = append(ch.bereft, o.near...)
		if o.cluster != nil {
			o.cluster.groups = slices.DeleteFunc(o.cluster.groups, func(m *group) bool { return m == o })
		}
	}
	if len(b.entries) == 0 {
		delete(c.buckets, b.bucketKey)
	}
}

// reindex gives a group other features.
func (c *Catalogue) reindex(ch *change, g *group, fresh []uint64) {
	old := g.features
	g.features = fresh
	for i, j := 0, 0; i < len(old) || j < len(fresh); {
		switch {
		case j == len(fresh) || i < len(old) && old[i] < fresh[j]:
			c.crossed(ch, old[i], c.features.drop(old[i], g), false)
			i++
		case i == len(old) || fresh[j] < old[i]:
			c.crossed(ch, fresh[j], c.features.add(fresh[j], g), true)
			j++
		default:
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
		ch.touch(g)
	}
}

// resembling are the groups that resemble a group at least doubtfully.
func (c *Catalogue) resembling(ch *change, g *group) []resemblance {
	if near, known := ch.near[g]; known {
		return near
	}
	var out []resemblance
	c.candidates(g, func(o *group) {
		v := c.rules.decide(g, o, false)
		if v.score >= doubtful && !v.apart {
			out = append(out, resemblance{o, v.score, v.score >= accept})
		}
	})
	for _, o := range c.bound(g) {
		if at := slices.IndexFunc(out, func(r resemblance) bool { return r.group == o }); at >= 0 {
			out[at].joins = true
		} else {
			out = append(out, resemblance{group: o, joins: true})
		}
	}
	ch.near[g] = out
	return out
}

// candidates calls f once for every other group that shares a telling feature.
func (c *Catalogue) candidates(g *group, f func(*group)) {
	var seenBuf [16]*group
	seen := seenBuf[:0]
	var buf [1]*group
	look := func(h uint64) {
		list := c.features.with(h, &buf)
		if len(list) > featureKind(h>>kindShift).limit() {
			return
		}
		for _, o := range list {
			if o != g && !slices.Contains(seen, o) {
				seen = append(seen, o)
				f(o)
			}
		}
	}
	for _, h := range g.features {
		// Beginnings are entered apart for full names and for those that were cut:
		// only the one is compared with the other.
		if kind := featureKind(h >> kindShift); kind != headFeature && kind != cutFeature {
			look(h)
		}
	}
	for _, form := range g.forms {
		other := cutFeature
		if form.truncated {
			other = headFeature
		}
		for _, k := range [...]string{form.key, form.full} {
			if len(k) >= headLength {
				look(inStorefront(hash(other, k[:headLength]), g.storefront))
			}
		}
	}
}

// settle parts every block that holds a touched group into merchants anew.
func (c *Catalogue) settle(ch *change) {
	var clusters []*cluster
	var region []*group
	starts := slices.SortedFunc(maps.Keys(ch.touched), func(a, b *group) int { return cmp.Compare(a.number, b.number) })
	for _, start := range starts {
		if start.mark == ch.number || c.features.group[start.number] != start { // settled, or gone
			continue
		}
		groups := []*group{start}
		start.mark = ch.number
		for i := 0; i < len(groups); i++ {
			for _, r := range c.resembling(ch, groups[i]) {
				if r.joins && r.group.mark != ch.number {
					r.group.mark = ch.number
					groups = append(groups, r.group)
				}
			}
		}
		var mates *hanging
		if len(groups) > 1 {
			mates = &hanging{groups: slices.Clone(groups)}
		}
		for _, g := range groups {
			g.block = mates
		}
		region = append(region, groups...)
		clusters = append(clusters, c.settleBlock(groups)...)
	}
	c.publish(ch, region, clusters)
}

// publish gives the clusters their ids and writes the differences into the plan.
func (c *Catalogue) publish(ch *change, region []*group, clusters []*cluster) {
	for _, g := range region {
		for _, e := range g.entries {
			c.remember(ch, e.merchant)
		}
	}
	for _, w := range ch.plan.undo.entries {
		c.remember(ch, w.merchant)
	}
	for id := range ch.old {
		delete(c.merchants, id)
	}
	for _, k := range clusters {
		k.oldest = k.findOldest()
	}
	slices.SortFunc(clusters, func(a, b *cluster) int { return cmp.Compare(a.oldest.arrival, b.oldest.arrival) })
	fresh := make([]*merchant, len(clusters))
	for i, k := range clusters {
		m := &merchant{cluster: k}
		m.ID = c.identify(ch, k)
		fresh[i] = m
	}
	for _, m := range fresh {
		c.describe(m)
		c.merchants[m.ID] = m
		switch was := ch.old[m.ID]; {
		case m.ID >= ch.plan.undo.next:
			ch.plan.New = append(ch.plan.New, m.Merchant)
		case !sameMerchant(was, m.Merchant):
			ch.plan.Changed = append(ch.plan.Changed, m.Merchant)
		}
		for _, g := range m.cluster.groups {
			for _, e := range g.entries {
				if e.merchant != m.ID {
					ch.save(e, true)
					e.merchant = m.ID
				}
				for _, id := range e.founded {
					if id != m.ID {
						ch.plan.Redirects[id] = m.ID
					}
				}
			}
		}
	}
	for _, w := range ch.plan.undo.entries {
		if e := w.now; w.present && w.merchant != 0 && w.merchant != e.merchant && c.entries[e.ref] == e {
			ch.plan.Moved = append(ch.plan.Moved, Move{Ref: e.ref, From: w.merchant, To: e.merchant})
		}
	}
	slices.SortFunc(ch.plan.New, byID)
	slices.SortFunc(ch.plan.Changed, byID)
	c.judgeAll(ch, region)
}

// identify finds a cluster's id: the lowest that one of its entries founded, or a
// new one, which its oldest entry founds.
func (c *Catalogue) identify(ch *change, k *cluster) cashback.MerchantID {
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
	if id == 0 {
		id = c.next
		c.next++
		ch.save(k.oldest, true)
		k.oldest.founded = append(k.oldest.founded, id)
		c.founders[id] = k.oldest
		ch.plan.Founders[id] = k.oldest.ref
	}
	return id
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

func (k *cluster) findOldest() *entry {
	old := k.groups[0].oldest()
	for _, g := range k.groups[1:] {
		if e := g.oldest(); e.arrival < old.arrival {
			old = e
		}
	}
	return old
}

func (g *group) oldest() *entry {
	return slices.MinFunc(g.entries, func(a, b *entry) int { return cmp.Compare(a.arrival, b.arrival) })
}

// judgeAll looks anew at what is doubtful about the groups of the region, those that
// resemble them, and the entries without a usable name.
func (c *Catalogue) judgeAll(ch *change, region []*group) {
	judged := map[*group]bool{}
	judge := func(g *group) {
		if judged[g] || c.features.group[g.number] != g {
			return
		}
		judged[g] = true
		d := c.doubts(ch, g)
		for _, e := range g.entries {
			c.judge(ch, e, d)
		}
	}
	for _, g := range region {
		ch.bereft = append(ch.bereft, g.near...) // what resembled it before
	}
	for _, g := range region {
		judge(g)
		for _, r := range c.resembling(ch, g) {
			judge(r.group)
		}
	}
	for _, g := range ch.bereft {
		judge(g)
	}
	for _, e := range ch.nameless {
		c.judge(ch, e, &doubt{reasons: []string{e.unusable}})
	}
	for _, e := range ch.gone {
		c.judge(ch, e, nil)
	}
}

// judge notes whether an entry needs a person's eye, where that changed.
func (c *Catalogue) judge(ch *change, e *entry, d *doubt) {
	was, had := c.reviews[e.ref]
	now := Review{}
	if d != nil {
		now = Review{Ref: e.ref, Name: short(e.name), Merchant: e.merchant, Confidence: d.confidence, Reasons: d.reasons, Candidates: d.candidates}
	}
	if d == nil && !had || d != nil && had && was.equal(now) {
		return
	}
	if _, ok := ch.plan.undo.reviews[e.ref]; !ok {
		ch.plan.undo.reviews[e.ref] = nil
		if had {
			ch.plan.undo.reviews[e.ref] = &was
		}
	}
	if d != nil {
		c.reviews[e.ref] = now
		ch.plan.Review = append(ch.plan.Review, now)
		return
	}
	delete(c.reviews, e.ref)
	ch.plan.Settled = append(ch.plan.Settled, e.ref)
}

func (r Review) equal(o Review) bool {
	return r.Name == o.Name && r.Merchant == o.Merchant && r.Confidence == o.Confidence && slices.Equal(r.Reasons, o.Reasons) &&
		slices.EqualFunc(r.Candidates, o.Candidates, func(a, b Candidate) bool {
			return a.Merchant == b.Merchant && a.Name == b.Name && a.Confidence == b.Confidence && slices.Equal(a.Reasons, b.Reasons)
		})
}
