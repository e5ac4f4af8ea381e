package index

import (
	"context"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Row is one offer as the columns hold it: enough to list, filter and order offers.
// The offer itself, with its tiers and its receipt, is in the store.
type Row struct {
	Merchant cashback.MerchantID
	Name     string
	Slug     string
	Portal   string
	// Shown is false where the portal's publication lets only the relation be shown;
	// the fields below are empty then.
	Shown bool
	// Kind, Currency and Points are the unit of Value and Least, the headline and the
	// bottom of the offer's first component.
	Kind         cashback.RewardKind
	Currency     cashback.Currency
	Points       string
	Value, Least cashback.Decimal
	// UpTo says that Value is a ceiling; More that further components or alternatives
	// follow, which only the store has in full.
	UpTo, More bool
	Status     cashback.OfferStatus
	ReadAt     time.Time
	// Valued says whether the offer counts and has a value for the asker; Own is that
	// value, in millionths of a minor unit of the asker's currency.
	Valued bool
	Own    int64
}

// Offers is the answer to a Query for offers.
type Offers struct {
	Rows    []Row
	Total   int
	Next    string
	Facets  *Facets
	Partial bool
	Applied uint64
}

// Offers lists the offers that pass a filter, by default the best own value first,
// those without a value last. Query.Text restricts them to the shops that the text
// means. Its errors are those of Search.
func (x *Index) Offers(ctx context.Context, q Query) (Offers, error) {
	if err := q.check(); err != nil {
		return Offers{}, err
	}
	after, err := q.after()
	if err != nil {
		return Offers{}, err
	}
	c := x.columns.Load()
	p := c.plan(&q, x.opt.Now())
	l := &listing{p: p, order: q.Order, top: newTop(q.limit(), after)}
	if q.Facets {
		l.tally = newTally(p)
	}
	out := Offers{Applied: c.applied, Partial: !x.state.Load().Loaded}
	switch a, isAddress := parseAddress(q.Text); {
	case isAddress:
		for _, f := range x.byAddress(ctx, c, a, q.Country) {
			if s, pg, slot := c.find(f.id); s != nil {
				l.take(pg, slot)
			}
		}
	case q.Text != "":
		var seen idSet
		n := newNeedle(q.Text)
		if n.text == "" {
			break
		}
		_, err = x.match(ctx, c, &n, thorough, func(s *shop, pg *page, slot int, _ Grade) bool {
			return seen.add(s.ID) && l.take(pg, slot)
		}, walked{})
		if err != nil {
			return Offers{}, err
		}
	default:
		c.each(func(pg *page, slot int, s *shop) bool {
			l.take(pg, slot)
			return true
		})
	}
	out.Total = l.total
	list, more := l.top.sorted()
	for _, it := range list {
		out.Rows = append(out.Rows, l.row(it.id))
	}
	if more {
		out.Next = q.cursor(list[len(list)-1].place)
	}
	if l.tally != nil {
		out.Facets = l.tally.facets(p)
	}
	return out, context.Cause(ctx)
}

// listing collects the offers of one answer.
type listing struct {
	p     *plan
	order Order
	tally *tally
	top   *top
	total int
}

// An offer's place ends in its merchant and where among that merchant's offers it
// stands.
const nthBits = 20

// take counts a shop's offers, and reports whether one of them passes.
func (l *listing) take(pg *page, slot int) bool {
	p := l.p
	shopFail := p.shopFails(pg, slot)
	if shopFail != 0 && l.tally == nil {
		return false
	}
	before := l.total
	cells := pg.of(slot)
	nth := uint64(0)
	for i := 0; i < len(cells); nth++ {
		j := i + 1
		for j < len(cells) && cells[j].flags&(plus|either) != 0 {
			j++
		}
		offer := cells[i:j]
		i = j
		fail := p.fails(offer)
		if fail == failHidden {
			continue
		}
		fail |= shopFail
		if l.tally != nil {
			l.tally.single(p, offer, pg, slot, fail)
		}
		if fail != 0 {
			continue
		}
		l.total++
		l.top.offer(item{place: l.place(offer, pg, slot, nth)})
	}
	return l.total > before
}

func (l *listing) place(offer []cell, pg *page, slot int, nth uint64) place {
	at := place{id: (uint64(pg.first)+uint64(slot))<<nthBits | min(nth, 1<<nthBits-1)}
	head := &offer[0]
	worth := int64(-1)
	if l.p.lane[head.lane].vis == shown && l.p.ranked(head) {
		if w, known := l.p.own(offer); known {
			worth = w
		}
	}
	readAt := int64(0)
	if l.p.lane[head.lane].vis == shown {
		readAt = int64(head.readAt)
	}
	switch l.order {
	case ByName:
		at.first, at.second = nameOrder(pg.shops[slot].keys[0])
	case ByAge:
		at.first, at.second = readAt, worth
	default:
		at.first, at.second = worth, readAt
	}
	return at
}

// row reads the offer of a place back.
func (l *listing) row(id uint64) Row {
	p := l.p
	s, pg, slot := p.c.find(cashback.MerchantID(id >> nthBits))
	cells := pg.of(slot)
	i, j := 0, 0
	for nth := id & (1<<nthBits - 1); ; nth-- {
		for j = i + 1; j < len(cells) && cells[j].flags&(plus|either) != 0; j++ {
		}
		if nth == 0 {
			break
		}
		i = j
	}
	offer := cells[i:j]
	head := &offer[0]
	ln := &p.c.lanes[head.lane]
	r := Row{Merchant: s.ID, Name: s.Name, Slug: s.Slug, Portal: p.c.portals[ln.portal].ID}
	if p.lane[head.lane].vis != shown {
		return r
	}
	r.Shown = true
	r.Kind, r.Currency, r.Points = ln.kind, ln.currency, ln.points
	if head.flags&valued != 0 {
		r.Value, r.Least = decimalOf(head.value), decimalOf(head.least)
	}
	r.UpTo, r.More = head.flags&upTo != 0, len(offer) > 1
	r.Status = cashback.OK
	switch {
	case head.flags&unverified != 0:
		r.Status = cashback.Unverified
	case head.flags&quarantined != 0:
		r.Status = cashback.Quarantined
	}
	r.ReadAt = time.Unix(int64(head.readAt), 0).UTC()
	if p.ranked(head) {
		r.Own, r.Valued = p.own(offer)
	}
	return r
}
