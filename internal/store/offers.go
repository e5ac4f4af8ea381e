package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// page reads a reading. Many offers share one, so the transaction remembers it; a
// long iteration, which is many transactions, remembers the bytes with it and looks
// whether they still stand.
func (t *tx) page(p portalNumber, n pageNumber) (*pageRecord, error) {
	k := uint64(p)<<32 | uint64(n)
	if r := t.pages[k]; r != nil {
		return r, nil
	}
	if t.pages == nil {
		t.pages = map[uint64]*pageRecord{}
	} else if len(t.pages) >= pagesKept {
		clear(t.pages)
	}
	key := readingKey(p, n)
	var raw []byte
	if t.seen != nil {
		raw = t.value(readingsBucket, key)
		if s, ok := t.seen.pages[k]; ok && bytes.Equal(s.raw, raw) {
			t.pages[k] = s.page
			return s.page, nil
		}
	}
	r := new(pageRecord)
	found, err := t.get(readingsBucket, key, r)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, t.met(&DamagedError{string(readingsBucket), key, "an offer was read there, and it is gone"})
	}
	t.pages[k] = r
	if t.seen != nil {
		if len(t.seen.pages) >= pagesKept {
			clear(t.seen.pages)
		}
		t.seen.pages[k] = seenPage{clone(raw), r}
	}
	return r, nil
}

// pagesKept bounds the readings that are remembered while offers are read: 8,000 are
// those of 400,000 offers in lists of 50.
const pagesKept = 20_000

// seenPages are the readings that a long iteration has met.
type seenPages struct {
	pages map[uint64]seenPage
	// sure are those of the state that transaction as has; while nothing is
	// written, the next transaction has the same.
	as   int
	sure map[uint64]*pageRecord
}

// seenPage is a reading with the bytes that it was read from.
type seenPage struct {
	raw  []byte
	page *pageRecord
}

// whole puts an offer together from its records.
func (t *tx) whole(m cashback.MerchantID, at place, l *listing) (cashback.Offer, error) {
	p, err := t.page(at.portal, l.Offer.Page)
	if err != nil {
		return cashback.Offer{}, err
	}
	read := &p.reading
	if l.Offer.Own != nil {
		read = l.Offer.Own
	}
	return l.Offer.offer(t.store.head(at.portal).id, m, &l.entryRecord, p.URL, read), nil
}

// shown is an offer as the view may see it; false where it may not.
func (v *Reader) shown(at place, o cashback.Offer) (cashback.Offer, bool) {
	portal, rates := v.sees(at.portal)
	if portal && !rates {
		return withhold(o), true
	}
	return o, portal
}

// sees says whether the view may see a portal, and its rates. Nobody sees a portal
// whose record is damaged: nothing says what may be shown, or even its name.
func (v *Reader) sees(p portalNumber) (portal, rates bool) {
	head := v.store.head(p)
	if head.id == "" {
		return false, false
	}
	return v.view.shows(head.mode)
}

// hidden says that a portal's offers needn't even be read.
func (v *Reader) hidden(p portalNumber) bool {
	shown, _ := v.sees(p)
	return !shown
}

// Offers lists the live offers of a merchant, or of the one that its id leads to,
// by portal number and age.
func (v *Reader) Offers(ctx context.Context, id cashback.MerchantID) (out []cashback.Offer, err error) {
	_, out, err = v.Shop(ctx, id)
	return out, err
}

// Shop returns a merchant, or the one that its id leads to, and its live offers, of
// one and the same moment.
func (v *Reader) Shop(ctx context.Context, id cashback.MerchantID) (m cashback.Merchant, offers []cashback.Offer, err error) {
	defer cashback.Wrap(&err, "read merchant %d", id)
	err = v.store.read(ctx, func(t *tx) error {
		rec, err := v.merchant(t, id)
		if err != nil {
			return err
		}
		m = rec.Merchant
		offers, err = v.offers(t, m.ID)
		return err
	})
	if err != nil {
		return cashback.Merchant{}, nil, err
	}
	return m, offers, nil
}

func (v *Reader) offers(t *tx, id cashback.MerchantID) (out []cashback.Offer, err error) {
	err = t.each(offersBucket, merchantKey(id), nil, func(key, payload []byte) error {
		_, at := placeUnder(key)
		if o, ok := v.offer(t, id, at, key, payload); ok {
			out = append(out, o)
		}
		return nil
	})
	return out, err
}

// offer reads an offer from its record, as the view may see it; false where there is
// nothing to be seen.
func (v *Reader) offer(t *tx, id cashback.MerchantID, at place, key, payload []byte) (cashback.Offer, bool) {
	if v.hidden(at.portal) {
		return cashback.Offer{}, false
	}
	var l listing
	if err := decode(offersBucket, key, payload, &l); err != nil {
		_ = t.met(err)
		return cashback.Offer{}, false
	}
	if l.Offer == nil {
		return cashback.Offer{}, false
	}
	o, err := t.whole(id, at, &l)
	if err != nil {
		return cashback.Offer{}, false
	}
	return v.shown(at, o)
}

// PortalOffers lists the live offers of a portal, in the order in which their
// entries were first seen.
func (v *Reader) PortalOffers(ctx context.Context, portal string) (out []cashback.Offer, err error) {
	defer cashback.Wrap(&err, "read the offers of %s", short(portal))
	err = v.store.read(ctx, func(t *tx) error {
		r, err := v.portal(t, portal)
		if err != nil {
			return err
		}
		return t.portalOffers(r.Number, func(at place, o cashback.Offer) {
			if o, ok := v.shown(at, o); ok {
				out = append(out, o)
			}
		})
	})
	return out, err
}

// portalOffers reads a portal's live offers, the oldest entry first.
func (t *tx) portalOffers(p portalNumber, f func(place, cashback.Offer)) error {
	all, err := t.listings(p)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.was.Offer == nil {
			continue
		}
		if o, err := t.whole(h.from, h.at, &h.was); err == nil {
			f(h.at, o)
		}
	}
	return nil
}

// Reading is when an offer was last read.
type Reading struct {
	Merchant cashback.MerchantID
	Key      string // of its entry
	At       time.Time
}

// Readings lists when each live offer of a portal was last read, by merchant and key.
// A publication that confirms 10,000 offers renews nothing else of them, and whoever
// follows it needn't read their shops.
func (v *Reader) Readings(ctx context.Context, portal string) (out []Reading, err error) {
	defer cashback.Wrap(&err, "read when %s was read", short(portal))
	err = v.store.read(ctx, func(t *tx) error {
		r, err := v.portal(t, portal)
		if err != nil {
			return err
		}
		all, err := t.listed(r.Number)
		if err != nil {
			return err
		}
		out = make([]Reading, 0, len(all))
		for _, w := range all {
			var l listing
			if found, err := t.get(offersBucket, offerKey(w.of, w.at), &l); err != nil || !found || l.Offer == nil {
				continue // listings tells of what is damaged
			}
			read := l.Offer.Own
			if read == nil {
				page, err := t.page(w.at.portal, l.Offer.Page)
				if err != nil {
					continue
				}
				read = &page.reading
			}
			out = append(out, Reading{w.of, l.Key, moment(read.ReadAt)})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Reading) int {
		return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.Key, b.Key))
	})
	return out, err
}

// listedAt is where an entry's record lies: under which merchant.
type listedAt struct {
	at place
	of cashback.MerchantID
}

// listed finds all that a portal lists or has listed, in the order in which the
// records lie: there, neighbours share pages.
func (t *tx) listed(p portalNumber) ([]listedAt, error) {
	var out []listedAt
	whole := true
	c := t.bucket(listedBucket).Cursor()
	for k, v := c.Seek(p.key()); bytes.HasPrefix(k, p.key()); k, v = c.Next() {
		var m cashback.MerchantID
		payload, err := open(listedBucket, k, v)
		if err == nil {
			err = decode(listedBucket, k, payload, &m)
		}
		if err != nil {
			_ = t.met(err)
			whole = false
			continue
		}
		out = append(out, listedAt{placeOf(k), m})
	}
	if !whole {
		var err error
		if out, err = t.relist(p); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b listedAt) int {
		return cmp.Or(cmp.Compare(a.of, b.of), cmp.Compare(a.at.entry, b.at.entry))
	})
	return out, nil
}

// listings reads all that a portal lists or has listed, the oldest entry first.
func (t *tx) listings(p portalNumber) ([]*held, error) {
	all, err := t.listed(p)
	if err != nil {
		return nil, err
	}
	kept := make([]*held, 0, len(all))
	for _, w := range all {
		h := &held{at: w.at, known: true, from: w.of, to: w.of}
		found, err := t.get(offersBucket, offerKey(h.from, h.at), &h.was)
		if err == nil && !found {
			err = t.met(&DamagedError{string(listedBucket), h.at.key(), "the offer that it names is gone"})
		}
		if err != nil {
			// What was listed is lost with the record, and its place with it; if
			// the portal still lists it, it is new.
			_ = t.met(&DamagedError{string(listedBucket), h.at.key(), "the offer that it names is damaged"})
			continue
		}
		h.now = h.was
		kept = append(kept, h)
	}
	slices.SortFunc(kept, func(a, b *held) int { return cmp.Compare(a.at.entry, b.at.entry) })
	return kept, nil
}

// relist finds a portal's entries among all offers, where its list is damaged; a
// write puts the list right.
func (t *tx) relist(p portalNumber) (out []listedAt, err error) {
	err = t.each(offersBucket, nil, nil, func(key, _ []byte) error {
		if m, at := placeUnder(key); at.portal == p {
			out = append(out, listedAt{at, m})
		}
		return nil
	})
	if err != nil || !t.writes {
		return out, err
	}
	for _, w := range out {
		if err := t.put(listedBucket, w.at.key(), w.of); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// How many records a transaction of a long iteration reads: a millisecond or two.
const chunk = 1000

// EachMerchant calls f for every merchant by id, with its live offers (none, for
// some). It reads in short transactions and calls f between them: a publication
// may come between two merchants, so whoever needs one state follows Changes from
// the LastChange before. It ends with f's error.
func (v *Reader) EachMerchant(ctx context.Context, f func(cashback.Merchant, []cashback.Offer) error) (err error) {
	defer cashback.Wrap(&err, "read the merchants")
	defer v.store.unload(ctx)
	type found struct {
		merchant cashback.Merchant
		offers   int
	}
	var batch []found
	from := cashback.MerchantID(0)
	kept := seenPages{pages: map[uint64]seenPage{}}
	for more := true; more; {
		batch, more = batch[:0], false
		offers := make([]cashback.Offer, 0, chunk+chunk/8)
		err := v.store.read(ctx, func(t *tx) error {
			t.seen = &kept
			if id := t.bolt.ID(); id != kept.as {
				kept.as, kept.sure = id, map[uint64]*pageRecord{}
			}
			t.pages = kept.sure
			c := t.bucket(offersBucket).Cursor()
			ok, ov := c.Seek(merchantKey(from))
			return eachOf(t, merchantsBucket, nil, merchantKey(from), func(key []byte, m *merchantRecord) error {
				if len(batch)+len(offers) >= chunk {
					more = true
					return errStop
				}
				id := cashback.MerchantID(binary.BigEndian.Uint32(key))
				from = id + 1
				before, seen := len(offers), v.view == Operator
				for ; ok != nil && (len(ok) != offerKeySize || bytes.Compare(ok[:4], key) <= 0); ok, ov = c.Next() {
					if !bytes.HasPrefix(ok, key) {
						continue
					}
					payload, err := open(offersBucket, ok, ov)
					if err != nil {
						_ = t.met(err)
						continue
					}
					_, at := placeUnder(ok)
					seen = seen || !v.hidden(at.portal)
					if o, shown := v.offer(t, id, at, ok, payload); shown {
						offers = append(offers, o)
					}
				}
				if m.Lead == 0 && seen {
					batch = append(batch, found{m.Merchant, len(offers) - before})
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		for _, m := range batch {
			mine := offers[:m.offers:m.offers]
			offers = offers[m.offers:]
			if err := f(m.merchant, mine); err != nil {
				return err
			}
		}
	}
	return nil
}

// merchant reads a merchant's record, following where merged ones went.
func (t *tx) merchant(id cashback.MerchantID) (*merchantRecord, error) {
	asked := id
	for range 100 { // merges of merges; a circle would be a damaged store
		m := new(merchantRecord)
		found, err := t.get(merchantsBucket, merchantKey(id), m)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		if m.Lead == 0 {
			return m, nil
		}
		id = m.Lead
	}
	return nil, unknownMerchant(asked)
}

func unknownMerchant(id cashback.MerchantID) error {
	return cashback.Errorf(cashback.NotFound, "there is no merchant %d", id)
}

// merchant is a merchant that the view may know of: for the public, one that a portal
// lists, or has listed, whose mode lets it be seen.
func (v *Reader) merchant(t *tx, id cashback.MerchantID) (*merchantRecord, error) {
	m, err := t.merchant(id)
	if err != nil || v.view == Operator {
		return m, err
	}
	prefix := merchantKey(m.Merchant.ID)
	c := t.bucket(offersBucket).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(k) == offerKeySize; k, _ = c.Next() {
		if _, at := placeUnder(k); !v.hidden(at.portal) {
			return m, nil
		}
	}
	return nil, unknownMerchant(id)
}

// Merchant returns a merchant, or the one that its id leads to after a merge.
func (v *Reader) Merchant(ctx context.Context, id cashback.MerchantID) (out cashback.Merchant, err error) {
	err = v.store.read(ctx, func(t *tx) error {
		m, err := v.merchant(t, id)
		if err == nil {
			out = m.Merchant
		}
		return err
	})
	return out, err
}

// MerchantBySlug returns the merchant that has, or last had, a slug: its own Slug is
// another one where it was renamed or merged.
func (v *Reader) MerchantBySlug(ctx context.Context, slug string) (out cashback.Merchant, err error) {
	err = v.store.read(ctx, func(t *tx) error {
		var id cashback.MerchantID
		if found, err := t.get(slugsBucket, []byte(slug), &id); err != nil || !found || slug == "" {
			if err == nil {
				err = cashback.Errorf(cashback.NotFound, "there is no merchant %q", short(slug))
			}
			return err
		}
		m, err := v.merchant(t, id)
		if err == nil {
			out = m.Merchant
		}
		return err
	})
	return out, err
}

// History lists the rates of a merchant's entries since a moment, entry by entry,
// oldest first. The first point of an entry may be older: it was in force then.
func (v *Reader) History(ctx context.Context, id cashback.MerchantID, since time.Time) (out []cashback.RatePoint, err error) {
	defer cashback.Wrap(&err, "read the history of merchant %d", id)
	err = v.store.read(ctx, func(t *tx) error {
		m, err := v.merchant(t, id)
		if err != nil {
			return err
		}
		return eachOf(t, offersBucket, merchantKey(m.Merchant.ID), nil, func(key []byte, l *listing) error {
			_, at := placeUnder(key)
			if _, rates := v.sees(at.portal); !rates {
				return nil
			}
			points, err := t.history(at, m.Merchant.ID, l, since)
			out = append(out, points...)
			return err
		})
	})
	return out, err
}

// history reads the rates of an entry that were in force at or after a moment. A
// rate whose end isn't known, because the point that ended it is damaged or gone, is
// left out.
func (t *tx) history(at place, m cashback.MerchantID, l *listing, since time.Time) ([]cashback.RatePoint, error) {
	var out []cashback.RatePoint
	next := int64(0) // when the following point began
	expect := l.Last // the change of the point that should come
	prefix := historyKey(at.entry, 0)[:4]
	err := backwards(t, historyBucket, prefix, func(key []byte, p *pointRecord) error {
		if !p.Ended && numberOf(key) == expect {
			out = append(out, cashback.RatePoint{
				From: moment(p.From), To: moment(next), Kind: p.Kind, Tiers: p.Tiers, RawText: p.RawText, Run: p.Run,
				Status: p.Status, Portal: t.store.head(at.portal).id, Merchant: m, Key: l.Key,
			})
		}
		next, expect = p.From, p.Previous
		if p.From <= stamp(since) && !since.IsZero() {
			return errStop
		}
		return nil
	})
	slices.Reverse(out)
	return out, err
}
