package index

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

const (
	// pageSize is how many consecutive merchant ids share a page: a patch copies the
	// pages that it touches and shares the others with the snapshot before it.
	pageSize = 256
	// maxMerchantID bounds the directory of pages (half a million of them); the store
	// gives ids out one after the other.
	maxMerchantID = 1 << 27
	// maxCells is the most cells one offer has; further alternatives are folded into
	// the last one.
	maxCells = 8
	// maxLanes is the most lanes there can be; offers beyond them have no value.
	maxLanes = math.MaxUint16
	// micro is the scale of the numbers in the columns: they count millionths.
	micro = 1_000_000
)

// columns is one immutable snapshot of every shop's names and every offer's
// numbers. A patch makes a new one.
type columns struct {
	applied   uint64
	portals   []cashback.Portal
	byPortal  map[string]uint16
	lanes     []lane
	byLane    map[lane]uint16
	cats      names
	countries names
	pages     []*page // by id / pageSize; nil where no id of it exists
	shops     int
	offers    int
	kept      *kept
}

// lane is what decides how an offer's number is valued: portal, kind and units.
// Offers of one lane are worth the same for the same number.
type lane struct {
	portal   uint16
	kind     cashback.RewardKind
	currency cashback.Currency
	points   string
}

// names numbers the strings that many rows share.
type names struct {
	list []string
	of   map[string]uint16
}

func (n *names) number(s string) uint16 {
	if i, ok := n.of[s]; ok {
		return i
	}
	if len(n.list) == math.MaxUint16 {
		return 0
	}
	if n.of == nil {
		n.of = map[string]uint16{}
	}
	i := uint16(len(n.list))
	n.list = append(n.list, s)
	n.of[s] = i
	return i
}

// shop is a merchant's row: what is shown in a list of hits, and the folded names
// that texts are compared with.
type shop struct {
	cashback.Merchant
	keys []string
	// host is the domain without "www"; site the registrable part of it.
	host, site string
}

// cell is one offer's number, or one of several.
type cell struct {
	// value is the headline and least the certain bottom, in millionths of the lane's
	// unit: a per cent, a unit of currency, a point (for a unit of currency).
	value, least int64
	readAt       uint32 // seconds since 1970
	lane         uint16
	slot         uint8
	flags        uint8
}

const (
	// plus adds the cell to the one before it, either makes it an alternative; a cell
	// with neither begins an offer.
	plus uint8 = 1 << iota
	either
	upTo
	// valued says that the cell states a number that pays.
	valued
	unverified
	quarantined
	// floor says that the text states the bottom itself ("2 % to 5 %").
	floor
)

// page holds the shops of pageSize consecutive ids with their offers.
type page struct {
	first cashback.MerchantID // of slot 0
	shops [pageSize]*shop
	// country and cat are the shops', beside their cells: filters needn't touch the
	// rows, which lie all over the memory.
	country, cat [pageSize]uint16
	// cells of slot i are cells[start[i]:start[i+1]], ordered by portal.
	start [pageSize + 1]uint32
	cells []cell
	count int // shops
	// offers counts offers, of which some have several cells.
	offers int
	next   int // the first slot that isn't filled, while it is being made
}

// tally counts what the page holds.
func (p *page) tally() {
	p.count, p.offers = 0, 0
	for _, s := range p.shops {
		if s != nil {
			p.count++
		}
	}
	for _, c := range p.cells {
		if c.flags&(plus|either) == 0 {
			p.offers++
		}
	}
}

func (p *page) of(slot int) []cell { return p.cells[p.start[slot]:p.start[slot+1]] }

// find returns the row of a merchant.
func (c *columns) find(id cashback.MerchantID) (*shop, *page, int) {
	i := int(id / pageSize)
	if i >= len(c.pages) || c.pages[i] == nil {
		return nil, nil, 0
	}
	slot := int(id % pageSize)
	return c.pages[i].shops[slot], c.pages[i], slot
}

// each calls yield with every shop in the order of ids, until it returns false.
func (c *columns) each(yield func(p *page, slot int, s *shop) bool) {
	for _, p := range c.pages {
		if p == nil {
			continue
		}
		for slot, s := range &p.shops {
			if s != nil && !yield(p, slot, s) {
				return
			}
		}
	}
}

// draft is a snapshot in the making. It shares the pages of the one before until
// they are touched. One goroutine owns it.
type draft struct {
	columns
	touched map[int]map[uint8]Shop // page → slot → new state; a zero id removes
	// confirmed are the offers of which only the time has changed, by page.
	confirmed map[int][]confirmed
}

// confirmed says when the offers of one shop at one portal were read, in their order.
type confirmed struct {
	slot   uint8
	portal uint16
	at     []uint32 // seconds since 1970, an offer each
}

// draft begins a new snapshot from c, which may be nil.
func (c *columns) draft() *draft {
	d := &draft{touched: map[int]map[uint8]Shop{}, confirmed: map[int][]confirmed{}}
	if c == nil {
		d.byPortal, d.byLane = map[string]uint16{}, map[lane]uint16{}
		d.laneOf(lane{}) // lane 0: what can't be valued
		return d
	}
	d.columns = *c
	d.pages = slices.Clone(c.pages)
	// Tables grow in place only beyond the lengths that older snapshots see, and their
	// maps are written to: clone both.
	d.portals = slices.Clone(c.portals)
	d.byPortal = cloneMap(c.byPortal)
	d.lanes = slices.Clone(c.lanes)
	d.byLane = cloneMap(c.byLane)
	d.cats = names{slices.Clone(c.cats.list), cloneMap(c.cats.of)}
	d.countries = names{slices.Clone(c.countries.list), cloneMap(c.countries.of)}
	return d
}

func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	out := make(map[K]V, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	return out
}

// setPortals takes over the portals as they are now; one that is gone stays in the
// table, switched off.
func (d *draft) setPortals(now []cashback.Portal) {
	seen := map[string]bool{}
	for _, p := range now {
		seen[p.ID] = true
		if i, ok := d.portal(p.ID); ok {
			d.portals[i] = p
		}
	}
	for i := range d.portals {
		if !seen[d.portals[i].ID] {
			d.portals[i].Publication = cashback.Off
		}
	}
}

// portal numbers a portal; ok is false when the table is full.
func (d *draft) portal(id string) (uint16, bool) {
	if i, ok := d.byPortal[id]; ok {
		return i, true
	}
	if len(d.portals) == math.MaxUint16 {
		return 0, false
	}
	i := uint16(len(d.portals))
	// A portal that the Source hasn't named yet shows nothing.
	d.portals = append(d.portals, cashback.Portal{ID: id, Name: id, Publication: cashback.Off})
	d.byPortal[id] = i
	return i, true
}

func (d *draft) laneOf(l lane) uint16 {
	if i, ok := d.byLane[l]; ok {
		return i
	}
	if len(d.lanes) == maxLanes {
		return 0
	}
	i := uint16(len(d.lanes))
	d.lanes = append(d.lanes, l)
	d.byLane[l] = i
	return i
}

// put sets the state of one merchant; drop removes it.
func (d *draft) put(s Shop) bool {
	id := s.Merchant.ID
	if id == 0 || id > maxMerchantID {
		return false
	}
	d.set(id, s)
	return true
}

func (d *draft) drop(id cashback.MerchantID) {
	if id != 0 && id <= maxMerchantID {
		d.set(id, Shop{})
	}
}

func (d *draft) set(id cashback.MerchantID, s Shop) {
	d.touch(int(id / pageSize))[uint8(id%pageSize)] = s
}

// touch has a page made anew.
func (d *draft) touch(page int) map[uint8]Shop {
	slots := d.touched[page]
	if slots == nil {
		slots = map[uint8]Shop{}
		d.touched[page] = slots
	}
	return slots
}

// confirm moves the time of a shop's offers at a portal, of which there are as many
// as times; where the shop is put as well, that counts.
func (d *draft) confirm(id cashback.MerchantID, portal uint16, at []uint32) {
	i := int(id / pageSize)
	d.touch(i)
	d.confirmed[i] = append(d.confirmed[i], confirmed{uint8(id % pageSize), portal, at})
}

// done rebuilds the touched pages and returns the finished snapshot. The draft must
// not be used afterwards.
func (d *draft) done(applied uint64) *columns {
	d.applied = applied
	for i, slots := range d.touched {
		for i >= len(d.pages) {
			d.pages = append(d.pages, nil)
		}
		old := d.pages[i]
		if old == nil {
			old = &page{}
		}
		fresh := &page{first: cashback.MerchantID(i * pageSize), country: old.country, cat: old.cat, cells: make([]cell, 0, len(old.cells)+8*len(slots))}
		for slot := range pageSize {
			fresh.start[slot] = uint32(len(fresh.cells))
			s, touched := slots[uint8(slot)]
			switch {
			case !touched:
				fresh.shops[slot] = old.shops[slot]
				fresh.cells = append(fresh.cells, old.of(slot)...)
			case s.Merchant.ID != 0:
				d.place(fresh, slot, rowOf(s.Merchant))
				fresh.cells = d.cells(fresh.cells, uint8(slot), s.Offers)
			}
		}
		fresh.start[pageSize] = uint32(len(fresh.cells))
		fresh.cells = slices.Clip(fresh.cells)
		for _, c := range d.confirmed[i] {
			if _, put := slots[c.slot]; !put {
				d.stamp(fresh.of(int(c.slot)), c)
			}
		}
		fresh.tally()
		d.shops += fresh.count - old.count
		d.offers += fresh.offers - old.offers
		if fresh.count == 0 && len(fresh.cells) == 0 {
			fresh = nil
		}
		d.pages[i] = fresh
	}
	d.touched, d.confirmed = nil, nil
	return d.snapshot()
}

// stamp gives the offers of a portal among a shop's cells their times.
func (d *draft) stamp(cells []cell, c confirmed) {
	n, mine := -1, false
	for i := range cells {
		if cells[i].flags&(plus|either) == 0 {
			if mine = d.lanes[cells[i].lane].portal == c.portal; mine {
				n++
			}
		}
		if mine {
			cells[i].readAt = c.at[n]
		}
	}
}

// snapshot ends the draft as it is.
func (d *draft) snapshot() *columns {
	c := d.columns
	c.kept = new(kept)
	return &c
}

// place puts a row into its slot.
func (d *draft) place(p *page, slot int, s *shop) {
	p.shops[slot] = s
	p.country[slot], p.cat[slot] = d.countries.number(string(s.Country)), d.cats.number(s.Category)
}

// rowOf makes a merchant's row.
func rowOf(m cashback.Merchant) *shop {
	s := &shop{Merchant: m, keys: keysOf(m)}
	s.host, s.site = hostOf(m.Domain)
	return s
}

// keysOf lists the folded spellings under which a merchant can be found: its name
// first, then its aliases and the first label of its domain.
func keysOf(m cashback.Merchant) []string {
	keys := make([]string, 0, 2+len(m.Aliases))
	add := func(text string) {
		k := fold(text)
		if k == "" || len(keys) >= maxKeys {
			return
		}
		for _, have := range keys {
			// "la redoute" also finds "laredoute"; the other way round words are lost.
			if have == k || glue(have) == k {
				return
			}
		}
		keys = append(keys, k)
	}
	each := func(text string) {
		add(text)
		if wide := umlauts.Replace(text); wide != text {
			add(wide)
		}
		if spoken := strings.ReplaceAll(text, "+", " plus "); spoken != text {
			add(spoken)
		}
	}
	each(m.Name)
	if len(keys) == 0 {
		// Nothing of the name can be typed ("+++"): keep the first place for it.
		keys = append(keys, "")
	}
	for _, a := range m.Aliases {
		each(a)
	}
	if label := labelOf(m.Domain); label != "" {
		add(label)
	}
	return keys
}

// cells appends the cells of a shop's offers, ordered by portal.
func (d *draft) cells(to []cell, slot uint8, offers []cashback.Offer) []cell {
	type placed struct {
		portal uint16
		offer  *cashback.Offer
	}
	list := make([]placed, 0, 16)
	for i := range offers {
		if p, ok := d.portal(offers[i].Receipt.Portal); ok {
			list = append(list, placed{p, &offers[i]})
		}
	}
	slices.SortStableFunc(list, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.portal, b.portal), strings.Compare(a.offer.Entry.Key, b.offer.Entry.Key))
	})
	for _, p := range list {
		to = d.offer(to, slot, p.portal, p.offer)
	}
	return to
}

// offer appends the cells of one offer. Alternatives of the same lane become one
// cell from the least of them to the most; what adds up keeps its own cell.
func (d *draft) offer(to []cell, slot uint8, portal uint16, o *cashback.Offer) []cell {
	base := cell{slot: slot, readAt: seconds(o.Receipt.ReadAt)}
	switch o.Status {
	case cashback.Unverified:
		base.flags = unverified
	case cashback.Quarantined:
		base.flags = quarantined
	}
	first := len(to)
	currency := d.portals[portal].Currency
	for i := range o.Tiers {
		t := &o.Tiers[i]
		// The columns value a purchase online; other channels are the store's business.
		if t.Channel != "" && t.Channel != "online" {
			continue
		}
		part := len(to)
		for j := range t.Components {
			c := base
			comp := &t.Components[j]
			if !d.number(&c, portal, currency, comp) {
				continue
			}
			if t.UpTo {
				c.flags |= upTo
			}
			switch {
			case len(to) > part:
				c.flags |= plus
			case part > first:
				c.flags |= either
			}
			to = append(to, c)
		}
		if slices.ContainsFunc(to[part:], func(c cell) bool { return c.flags&floor != 0 }) {
			// RANKING.md, "conditions": where one component states a bottom, the others
			// count whole.
			for i := part; i < len(to); i++ {
				to[i].flags |= floor
			}
		}
		if len(to) == part+1 && part > first {
			to = merge(to, first)
		}
		if len(to)-first > maxCells {
			to = to[:first+maxCells]
			break
		}
	}
	if len(to) == first {
		// Nothing that can be valued: the listing itself.
		c := base
		c.lane = d.laneOf(lane{portal: portal, kind: o.Kind})
		to = append(to, c)
	}
	return to
}

// merge folds the last cell, an alternative of one component, into an earlier
// alternative of one component with the same lane and the same "up to".
func merge(to []cell, first int) []cell {
	last := to[len(to)-1]
	for i := first; i < len(to)-1; i++ {
		c := &to[i]
		alone := c.flags&plus == 0 && to[i+1].flags&plus == 0
		if alone && c.lane == last.lane && c.flags&(upTo|floor) == last.flags&(upTo|floor) {
			c.value, c.least = max(c.value, last.value), min(c.least, last.least)
			return to[:len(to)-1]
		}
	}
	return to
}

// number writes a component's numbers into c, and reports whether it pays anything
// that can be counted.
func (d *draft) number(c *cell, portal uint16, currency cashback.Currency, comp *cashback.Component) bool {
	if !comp.Kind.Pays() || comp.PerUnit != "" {
		return false
	}
	l := lane{portal: portal, kind: comp.Kind}
	per := int64(0)
	switch comp.Kind {
	case cashback.Fixed:
		l.currency = comp.Currency
	case cashback.PointsPerUnit:
		l.currency, l.points = comp.Currency, comp.PointsCurrency
		if l.currency == "" {
			l.currency = currency
		}
		per = millionths(comp.PerAmount)
	case cashback.PointsFixed:
		l.points = comp.PointsCurrency
	}
	c.value = millionths(comp.Value)
	c.least = c.value
	if comp.Min.Valid {
		c.least = min(c.least, millionths(comp.Min.Decimal))
		c.flags |= floor
	}
	if per > 0 && per != micro {
		c.value, c.least = scale(c.value, micro, per), scale(c.least, micro, per)
	}
	c.flags |= valued
	c.lane = d.laneOf(l)
	return true
}

// millionths is a decimal in millionths, cut off below and held at the largest
// number above; what is negative counts 0.
func millionths(d cashback.Decimal) int64 {
	if d.Sign() <= 0 {
		return 0
	}
	whole, frac, ok := d.Int64(6)
	if !ok || whole > math.MaxInt64/micro-1 {
		return math.MaxInt64 / 2
	}
	return whole*micro + frac
}

// decimalOf is the exact decimal of a number of millionths.
func decimalOf(n int64) cashback.Decimal {
	d, err := decimal.New(n, 6)
	if err != nil {
		return cashback.Decimal{}
	}
	return d.Trim(0)
}

func seconds(t time.Time) uint32 {
	s := t.Unix()
	if t.IsZero() || s < 0 {
		return 0
	}
	return uint32(min(s, math.MaxUint32))
}
