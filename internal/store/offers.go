package store

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// page reads a reading; pages of one portal are read again and again, so the
// transaction remembers the last ones.
func (t *tx) page(p portalNumber, n pageNumber) (*pageRecord, error) {
	k := uint64(p)<<32 | uint64(n)
	if r := t.pages[k]; r != nil {
		return r, nil
	}
	r := new(pageRecord)
	key := readingKey(p, n)
	found, err := t.get(readingsBucket, key, r)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, t.met(&DamagedError{string(readingsBucket), key, "an offer was read there, and it is gone"})
	}
	if t.pages == nil || len(t.pages) >= 4096 {
		t.pages = map[uint64]*pageRecord{}
	}
	t.pages[k] = r
	return r, nil
}

// whole puts an offer together from its records.
func (t *tx) whole(at place, e *entryRecord, o *offerRecord) (cashback.Offer, error) {
	p, err := t.page(at.portal, o.Page)
	if err != nil {
		return cashback.Offer{}, err
	}
	read := &p.reading
	if o.Own != nil {
		read = o.Own
	}
	return o.offer(t.store.head(at.portal).id, e, p.URL, read), nil
}

// liveOffer reads the offer at a place; false where there is none, or where a record
// of it is damaged.
func (t *tx) liveOffer(at place) (cashback.Offer, bool) {
	key := at.key()
	var o offerRecord
	if found, err := t.get(offersBucket, key, &o); err != nil || !found {
		return cashback.Offer{}, false
	}
	var e entryRecord
	found, err := t.get(entriesBucket, key, &e)
	if err != nil {
		return cashback.Offer{}, false
	}
	if !found {
		_ = t.met(&DamagedError{string(offersBucket), key, "the entry that it belongs to is gone"})
		return cashback.Offer{}, false
	}
	out, err := t.whole(at, &e, &o)
	return out, err == nil
}

// shown is an offer as the view may see it; false where it may not.
func (v *Reader) shown(at place, o cashback.Offer) (cashback.Offer, bool) {
	portal, rates := v.view.shows(v.store.head(at.portal).mode)
	if portal && !rates {
		return withhold(o), true
	}
	return o, portal
}

// hidden says that a portal's offers needn't even be read.
func (v *Reader) hidden(p portalNumber) bool {
	shown, _ := v.view.shows(v.store.head(p).mode)
	return !shown
}

// Offers lists the live offers of a merchant, or of the one that its id leads to,
// by portal number and age.
func (v *Reader) Offers(ctx context.Context, id cashback.MerchantID) (out []cashback.Offer, err error) {
	defer cashback.Wrap(&err, "read the offers of merchant %d", id)
	err = v.store.read(ctx, func(t *tx) error {
		m, err := t.merchant(id)
		if err != nil {
			return err
		}
		out, err = v.offers(t, m.Merchant.ID)
		return err
	})
	return out, err
}

func (v *Reader) offers(t *tx, id cashback.MerchantID) (out []cashback.Offer, err error) {
	prefix := merchantKey(id)
	err = t.each(membersBucket, prefix, nil, func(key, _ []byte) error {
		at := placeOf(key[len(prefix):])
		if v.hidden(at.portal) {
			return nil
		}
		if o, ok := t.liveOffer(at); ok {
			if o, ok = v.shown(at, o); ok {
				out = append(out, o)
			}
		}
		return nil
	})
	return out, err
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

// portalOffers walks entries and offers side by side: their keys are the same.
func (t *tx) portalOffers(p portalNumber, f func(place, cashback.Offer)) error {
	entries := t.bucket(entriesBucket).Cursor()
	ek, ev := entries.Seek(p.key())
	return eachOf(t, offersBucket, p.key(), nil, func(key []byte, o *offerRecord) error {
		for ek != nil && string(ek) < string(key) {
			ek, ev = entries.Next()
		}
		at := placeOf(key)
		if string(ek) != string(key) {
			_ = t.met(&DamagedError{string(offersBucket), clone(key), "the entry that it belongs to is gone"})
			return nil
		}
		payload, err := open(entriesBucket, ek, ev)
		var e entryRecord
		if err == nil {
			err = decode(entriesBucket, ek, payload, &e)
		}
		if err != nil {
			_ = t.met(err)
			return nil
		}
		if whole, err := t.whole(at, &e, o); err == nil {
			f(at, whole)
		}
		return nil
	})
}

// How many records a transaction of a long iteration reads: a millisecond or two.
const chunk = 256

// EachMerchant calls f for every merchant by id, with its live offers (none, for
// some). It reads in short transactions and calls f between them: a publication
// may come between two merchants, so whoever needs one state follows Changes from
// the LastChange before. It ends with f's error.
func (v *Reader) EachMerchant(ctx context.Context, f func(cashback.Merchant, []cashback.Offer) error) (err error) {
	defer cashback.Wrap(&err, "read the merchants")
	type found struct {
		merchant cashback.Merchant
		offers   []cashback.Offer
	}
	batch := make([]found, 0, chunk)
	from := cashback.MerchantID(0)
	for {
		batch = batch[:0]
		read := 0
		err := v.store.read(ctx, func(t *tx) error {
			return eachOf(t, merchantsBucket, nil, merchantKey(from), func(key []byte, m *merchantRecord) error {
				if read >= chunk {
					return errStop
				}
				read++
				from = cashback.MerchantID(binary.BigEndian.Uint32(key)) + 1
				if m.Lead != 0 {
					return nil
				}
				offers, err := v.offers(t, m.Merchant.ID)
				read += len(offers)
				batch = append(batch, found{m.Merchant, offers})
				return err
			})
		})
		if err != nil {
			return err
		}
		for _, m := range batch {
			if err := f(m.merchant, m.offers); err != nil {
				return err
			}
		}
		if read < chunk {
			return nil
		}
	}
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
	return nil, cashback.Errorf(cashback.NotFound, "there is no merchant %d", asked)
}

// Merchant returns a merchant, or the one that its id leads to after a merge.
func (v *Reader) Merchant(ctx context.Context, id cashback.MerchantID) (out cashback.Merchant, err error) {
	err = v.store.read(ctx, func(t *tx) error {
		m, err := t.merchant(id)
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
		m, err := t.merchant(id)
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
		m, err := t.merchant(id)
		if err != nil {
			return err
		}
		prefix := merchantKey(m.Merchant.ID)
		return t.each(membersBucket, prefix, nil, func(key, _ []byte) error {
			at := placeOf(key[len(prefix):])
			if _, rates := v.view.shows(v.store.head(at.portal).mode); !rates {
				return nil
			}
			var e entryRecord
			if found, err := t.get(entriesBucket, at.key(), &e); err != nil || !found {
				return nil
			}
			points, err := t.history(at, &e, since)
			out = append(out, points...)
			return err
		})
	})
	return out, err
}

// history reads the rates of an entry that were in force at or after a moment.
func (t *tx) history(at place, e *entryRecord, since time.Time) ([]cashback.RatePoint, error) {
	var out []cashback.RatePoint
	next := int64(0) // when the following point began
	err := backwards(t, historyBucket, historyKey(at.entry, 0)[:4], func(_ []byte, p *pointRecord) error {
		if !p.Ended {
			out = append(out, cashback.RatePoint{
				From: moment(p.From), To: moment(next), Kind: p.Kind, Tiers: p.Tiers, RawText: p.RawText, Run: p.Run,
				Status: p.Status, Portal: t.store.head(at.portal).id, Merchant: e.Merchant, Key: e.Key,
			})
		}
		next = p.From
		if p.From <= stamp(since) && !since.IsZero() {
			return errStop
		}
		return nil
	})
	slices.Reverse(out)
	return out, err
}
