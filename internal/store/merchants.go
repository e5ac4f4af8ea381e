package store

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// held is an entry in a transaction: where and what it was, and what it will be.
type held struct {
	at       place
	known    bool // it is stored
	from, to cashback.MerchantID
	was, now listing
	touched  bool // now.Offer isn't was.Offer
}

// ledger collects what a write does to entries, so that each is written once, in
// the order of its key.
type ledger struct {
	t       *tx
	entries map[place]*held
	byKey   map[portalNumber]map[string]*held // portals that were read whole
}

func newLedger(t *tx) *ledger {
	return &ledger{t: t, entries: map[place]*held{}, byKey: map[portalNumber]map[string]*held{}}
}

// whole reads all entries of a portal.
func (l *ledger) whole(p portalNumber) (map[string]*held, error) {
	if m := l.byKey[p]; m != nil {
		return m, nil
	}
	all, err := l.t.listings(p)
	if err != nil {
		return nil, err
	}
	m := make(map[string]*held, len(all))
	for _, h := range all {
		if e := l.entries[h.at]; e != nil {
			h = e
		}
		l.entries[h.at] = h
		m[h.now.Key] = h
	}
	l.byKey[p] = m
	return m, nil
}

// find returns the entry of a reference, nil where there is none. A merchant that
// it belongs to spares reading the portal whole.
func (l *ledger) find(p portalNumber, key string, of cashback.MerchantID) (*held, error) {
	if m := l.byKey[p]; m != nil {
		return m[key], nil
	}
	if of != 0 {
		var out *held
		prefix := append(merchantKey(of), p.key()...)
		err := eachOf(l.t, offersBucket, prefix, nil, func(k []byte, v *listing) error {
			_, at := placeUnder(k)
			if v.Key != key {
				return nil
			}
			if out = l.entries[at]; out == nil {
				out = &held{at: at, known: true, from: of, to: of, was: *v, now: *v}
				l.entries[at] = out
			}
			return errStop
		})
		if err != nil || out != nil {
			return out, err
		}
	}
	m, err := l.whole(p)
	return m[key], err
}

// save writes the entries that have changed, under their merchants.
func (l *ledger) save() error {
	var put, gone, listed []*held
	for _, h := range l.entries {
		moved := !h.known || h.from != h.to
		if moved || h.touched || h.was.entryRecord != h.now.entryRecord {
			put = append(put, h)
		}
		if moved {
			listed = append(listed, h)
			if h.known {
				gone = append(gone, h)
			}
		}
	}
	under := func(m func(*held) cashback.MerchantID) func(a, b *held) int {
		return func(a, b *held) int {
			return cmp.Or(cmp.Compare(m(a), m(b)), cmp.Compare(a.at.portal, b.at.portal), cmp.Compare(a.at.entry, b.at.entry))
		}
	}
	from := func(h *held) cashback.MerchantID { return h.from }
	to := func(h *held) cashback.MerchantID { return h.to }
	slices.SortFunc(gone, under(from))
	for _, h := range gone {
		if err := l.t.drop(offersBucket, offerKey(h.from, h.at)); err != nil {
			return err
		}
	}
	slices.SortFunc(put, under(to))
	for _, h := range put {
		if err := l.t.put(offersBucket, offerKey(h.to, h.at), &h.now); err != nil {
			return err
		}
	}
	slices.SortFunc(listed, under(func(*held) cashback.MerchantID { return 0 }))
	for _, h := range listed {
		if err := l.t.put(listedBucket, h.at.key(), h.to); err != nil {
			return err
		}
	}
	return nil
}

// plan carries out what a change of the merchants means, but for the assignments
// of the plan's own portal, which belong to the entries that are being published.
// It returns the live offers that moved, as they were.
func (l *ledger) plan(p *merchant.Plan) (moved []movedOffer, err error) {
	t := l.t
	fresh := slices.Concat(p.New, p.Changed)
	slices.SortFunc(fresh, func(a, b cashback.Merchant) int { return cmp.Compare(a.ID, b.ID) })
	slugs := map[string]cashback.MerchantID{}
	count, err := t.counters()
	if err != nil {
		return nil, err
	}
	for _, m := range fresh {
		if uint32(m.ID) > count.Merchant {
			count.Merchant, t.dirty = uint32(m.ID), true
		}
		if m.ID == 0 {
			return nil, cashback.Errorf(cashback.Internal, "the plan has a merchant without a number")
		}
		var rec merchantRecord
		if _, err := t.get(merchantsBucket, merchantKey(m.ID), &rec); err != nil && !isDamaged(err) {
			return nil, err
		}
		oldSlug := rec.Merchant.Slug
		rec.Merchant, rec.Lead = m, 0
		if err := l.founder(&rec, p); err != nil {
			return nil, err
		}
		if err := t.put(merchantsBucket, merchantKey(m.ID), &rec); err != nil {
			return nil, err
		}
		if m.Slug != "" && m.Slug != oldSlug {
			slugs[m.Slug] = m.ID
		}
		if err := t.change(changeRecord{Kind: cashback.MerchantChanged, Merchant: m.ID}); err != nil {
			return nil, err
		}
	}
	for _, slug := range sortedKeys(slugs) {
		if err := t.put(slugsBucket, []byte(slug), slugs[slug]); err != nil {
			return nil, err
		}
	}
	for _, id := range sortedKeys(p.Redirects) {
		to := p.Redirects[id]
		if to == 0 || to == id {
			continue
		}
		var rec merchantRecord
		found, err := t.get(merchantsBucket, merchantKey(id), &rec)
		if err != nil && !isDamaged(err) {
			return nil, err
		}
		if !found {
			rec.Merchant.ID = id
		}
		if rec.Lead == to {
			continue
		}
		rec.Lead = to
		if err := t.put(merchantsBucket, merchantKey(id), &rec); err != nil {
			return nil, err
		}
		if err := t.change(changeRecord{Kind: cashback.MerchantChanged, Merchant: id}); err != nil {
			return nil, err
		}
	}
	for _, mv := range p.Moved {
		h, err := l.ref(mv.Ref, mv.From)
		if err != nil {
			return nil, err
		}
		if h == nil || h.to == mv.To {
			continue
		}
		h.to = mv.To
		if m, ok := t.movedOf(h); ok {
			moved = append(moved, m)
		}
	}
	for _, id := range sortedKeys(p.Founders) {
		var rec merchantRecord
		found, err := t.get(merchantsBucket, merchantKey(id), &rec)
		if err != nil && !isDamaged(err) {
			return nil, err
		}
		was := rec
		if err := l.founder(&rec, p); err != nil {
			return nil, err
		}
		if found && (rec.FounderPortal != was.FounderPortal || rec.FounderEntry != was.FounderEntry) {
			if err := t.put(merchantsBucket, merchantKey(id), &rec); err != nil {
				return nil, err
			}
		}
	}
	for _, ref := range p.Settled {
		h, err := l.ref(ref, 0)
		if err != nil {
			return nil, err
		}
		if h != nil {
			if err := t.drop(reviewsBucket, h.at.key()); err != nil {
				return nil, err
			}
		}
	}
	for i := range p.Review {
		r := &p.Review[i]
		h, err := l.ref(r.Ref, r.Merchant)
		if err != nil {
			return nil, err
		}
		if h != nil {
			if err := t.put(reviewsBucket, h.at.key(), r); err != nil {
				return nil, err
			}
		}
	}
	return moved, nil
}

// founder enters the entry that owns a merchant's id, where the plan says so.
func (l *ledger) founder(rec *merchantRecord, p *merchant.Plan) error {
	ref, ok := p.Founders[rec.Merchant.ID]
	if !ok {
		return nil
	}
	h, err := l.ref(ref, rec.Merchant.ID)
	if err == nil && h != nil {
		rec.FounderPortal, rec.FounderEntry = h.at.portal, h.at.entry
	}
	return err
}

// movedOffer is a live offer whose merchant is another now.
type movedOffer struct {
	at            place
	before, after cashback.Offer
}

func (t *tx) movedOf(h *held) (m movedOffer, live bool) {
	if h.was.Offer == nil {
		return m, false
	}
	o, err := t.whole(h.from, h.at, &h.was)
	if err != nil {
		return m, false
	}
	m = movedOffer{at: h.at, before: o, after: o}
	m.after.Merchant = h.to
	return m, true
}

// ref finds an entry by its reference; nil where the store has lost it.
func (l *ledger) ref(ref merchant.Ref, of cashback.MerchantID) (*held, error) {
	n, known := l.t.store.number(ref.Portal)
	if !known {
		l.t.store.logger.Warn("the plan names an unknown portal", "portal", ref.Portal)
		return nil, nil
	}
	h, err := l.find(n, ref.Key, of)
	if err == nil && h == nil {
		l.t.store.logger.Warn("the plan names an entry that the store doesn't have", "portal", ref.Portal, "entry", ref.Key)
	}
	return h, err
}

// SavePlan carries out a change of the merchants that no crawl has made: what this
// build's rules see otherwise than what was stored.
func (s *Store) SavePlan(ctx context.Context, p merchant.Plan) (err error) {
	defer cashback.Wrap(&err, "save a change of the merchants")
	return s.write(ctx, func(t *tx) error { return t.savePlan(&p) })
}

func (t *tx) savePlan(p *merchant.Plan) error {
	l := newLedger(t)
	all, err := l.plan(p)
	if err != nil {
		return err
	}
	if p.Portal != "" {
		for _, key := range sortedKeys(p.Assign) {
			h, err := l.ref(merchant.Ref{Portal: p.Portal, Key: key}, 0)
			if err != nil {
				return err
			}
			if h == nil || h.to == p.Assign[key] {
				continue
			}
			h.to = p.Assign[key]
			if m, ok := t.movedOf(h); ok {
				all = append(all, m)
			}
		}
	}
	if err := l.save(); err != nil {
		return err
	}
	return t.moves(all)
}

// moves writes the change records of offers that follow their merchant.
func (t *tx) moves(all []movedOffer) error {
	slices.SortFunc(all, func(a, b movedOffer) int { return bytes.Compare(a.at.key(), b.at.key()) })
	for i := range all {
		m := &all[i]
		c := changeRecord{Kind: cashback.OfferChanged, Portal: m.at.portal, Merchant: m.after.Merchant}
		c.freeze(&m.before, &m.after)
		if err := t.change(c); err != nil {
			return err
		}
	}
	return nil
}

// SaveMerchantEvent keeps an operator's correction together with what it means.
func (s *Store) SaveMerchantEvent(ctx context.Context, e merchant.Event, p merchant.Plan) (err error) {
	defer cashback.Wrap(&err, "save the correction of a merchant")
	return s.write(ctx, func(t *tx) error {
		key := numberKey(e.Number)
		if v, err := t.raw(eventsBucket, key); err != nil {
			return err
		} else if v != nil {
			return cashback.Errorf(cashback.Conflict, "there is a correction number %d already", e.Number)
		}
		if err := t.put(eventsBucket, key, &e); err != nil {
			return err
		}
		if err := t.savePlan(&p); err != nil {
			return err
		}
		return t.audit(AuditEntry{By: e.By, What: "merchant_" + string(e.Kind), Merchant: e.Merchant, Reason: e.Note, After: e.Name})
	})
}

// MerchantState is everything that the catalogue of merchants is rebuilt from. Of the
// entries it has what identifies them, not link and logo.
func (s *Store) MerchantState(ctx context.Context) (st merchant.State, err error) {
	defer cashback.Wrap(&err, "read the merchants")
	defer s.unload(ctx)
	err = s.read(ctx, func(t *tx) error {
		st = merchant.State{Founders: map[cashback.MerchantID]merchant.Ref{}}
		count, err := t.counters()
		if err != nil {
			return err
		}
		// Also of merchants whose records are lost, ids are never given out again.
		st.Next = cashback.MerchantID(count.Merchant + 1)
		// One entry may have founded several merchants that were merged since.
		founded := map[place][]cashback.MerchantID{}
		err = eachOf(t, merchantsBucket, nil, nil, func(_ []byte, m *merchantRecord) error {
			st.Merchants = append(st.Merchants, m.Merchant)
			if at := (place{m.FounderPortal, m.FounderEntry}); at.entry != 0 {
				founded[at] = append(founded[at], m.Merchant.ID)
			}
			return nil
		})
		if err != nil {
			return err
		}
		// Entry numbers are the order in which entries were first seen.
		st.Held = make([]merchant.Held, count.Entry+1)
		err = eachOf(t, offersBucket, nil, nil, func(key []byte, e *entryRecord) error {
			m, at := placeUnder(key)
			portal := s.head(at.portal).id
			if portal == "" || int(at.entry) >= len(st.Held) {
				return nil
			}
			st.Held[at.entry] = merchant.Held{
				Portal: portal, Merchant: m,
				Entry: cashback.Entry{Key: e.Key, Name: e.Name, Country: e.Country, Domain: e.Domain, Category: e.Category},
			}
			for _, id := range founded[at] {
				st.Founders[id] = merchant.Ref{Portal: portal, Key: e.Key}
			}
			return nil
		})
		if err != nil {
			return err
		}
		st.Held = slices.DeleteFunc(st.Held, func(h merchant.Held) bool { return h.Portal == "" })
		return eachOf(t, eventsBucket, nil, nil, func(_ []byte, e *merchant.Event) error {
			st.Events = append(st.Events, *e)
			return nil
		})
	})
	if err != nil {
		return merchant.State{}, err
	}
	return st, nil
}

// Corrections lists what operators corrected, also what was undone, oldest first.
func (s *Store) Corrections(ctx context.Context) (out []merchant.Event, err error) {
	defer cashback.Wrap(&err, "read the corrections")
	err = s.read(ctx, func(t *tx) error {
		return eachOf(t, eventsBucket, nil, nil, func(_ []byte, e *merchant.Event) error {
			out = append(out, *e)
			return nil
		})
	})
	return out, err
}

// Reviews lists the entries that a person should look at.
func (s *Store) Reviews(ctx context.Context) (out []merchant.Review, err error) {
	defer cashback.Wrap(&err, "read the entries to review")
	err = s.read(ctx, func(t *tx) error {
		return eachOf(t, reviewsBucket, nil, nil, func(_ []byte, r *merchant.Review) error {
			out = append(out, *r)
			return nil
		})
	})
	return out, err
}
