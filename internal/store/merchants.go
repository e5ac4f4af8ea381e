package store

import (
	"bytes"
	"context"
	"slices"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// held is an entry in a write transaction, as it was and as it will be.
type held struct {
	at  place
	was entryRecord // without a key for an entry that is new
	now entryRecord
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
	m := map[string]*held{}
	err := eachOf(l.t, entriesBucket, p.key(), nil, func(key []byte, e *entryRecord) error {
		h := l.enter(placeOf(key), e)
		m[e.Key] = h
		return nil
	})
	l.byKey[p] = m
	return m, err
}

func (l *ledger) enter(at place, e *entryRecord) *held {
	h := l.entries[at]
	if h == nil {
		h = &held{at: at, was: *e, now: *e}
		l.entries[at] = h
	}
	return h
}

// find returns the entry of a reference, nil where there is none. A merchant that
// it belongs to spares reading the portal whole.
func (l *ledger) find(p portalNumber, key string, of cashback.MerchantID) (*held, error) {
	if m := l.byKey[p]; m != nil {
		return m[key], nil
	}
	if of != 0 {
		prefix := append(merchantKey(of), p.key()...)
		var out *held
		err := l.t.each(membersBucket, prefix, nil, func(k, _ []byte) error {
			at := placeOf(k[4:])
			h := l.entries[at]
			if h == nil {
				var e entryRecord
				if found, err := l.t.get(entriesBucket, at.key(), &e); err != nil || !found {
					return nil
				}
				h = l.enter(at, &e)
			}
			if h.now.Key == key {
				out = h
				return errStop
			}
			return nil
		})
		if err != nil || out != nil {
			return out, err
		}
	}
	m, err := l.whole(p)
	return m[key], err
}

// save writes the entries that have changed and their places among the merchants'
// members.
func (l *ledger) save() error {
	var changed []*held
	for _, h := range l.entries {
		if h.was != h.now {
			changed = append(changed, h)
		}
	}
	slices.SortFunc(changed, func(a, b *held) int { return bytes.Compare(a.at.key(), b.at.key()) })
	var gone, come [][]byte
	for _, h := range changed {
		if err := l.t.put(entriesBucket, h.at.key(), &h.now); err != nil {
			return err
		}
		if h.was.Merchant != h.now.Merchant {
			if h.was.Merchant != 0 {
				gone = append(gone, memberKey(h.was.Merchant, h.at))
			}
			if h.now.Merchant != 0 {
				come = append(come, memberKey(h.now.Merchant, h.at))
			}
		}
	}
	slices.SortFunc(gone, bytes.Compare)
	slices.SortFunc(come, bytes.Compare)
	for _, k := range gone {
		if err := l.t.drop(membersBucket, k); err != nil {
			return err
		}
	}
	for _, k := range come {
		if err := l.t.putRaw(membersBucket, k, nil); err != nil {
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
	for _, m := range slices.Concat(p.New, p.Changed) {
		if m.ID == 0 {
			return nil, cashback.Errorf(cashback.Internal, "the plan has a merchant without a number")
		}
		var rec merchantRecord
		if _, err := t.get(merchantsBucket, merchantKey(m.ID), &rec); err != nil && !isDamaged(err) {
			return nil, err
		}
		oldSlug := rec.Merchant.Slug
		rec.Merchant, rec.Lead = m, 0
		if err := t.put(merchantsBucket, merchantKey(m.ID), &rec); err != nil {
			return nil, err
		}
		if m.Slug != "" && m.Slug != oldSlug {
			if err := t.put(slugsBucket, []byte(m.Slug), m.ID); err != nil {
				return nil, err
			}
		}
		if err := t.change(changeRecord{Kind: cashback.MerchantChanged, Merchant: m.ID}); err != nil {
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
		if h == nil || h.now.Merchant == mv.To {
			continue
		}
		offer, live := t.liveOffer(h.at)
		h.now.Merchant = mv.To
		if live {
			moved = append(moved, movedOf(h, offer))
		}
	}
	for _, id := range sortedKeys(p.Founders) {
		h, err := l.ref(p.Founders[id], id)
		if err != nil {
			return nil, err
		}
		var rec merchantRecord
		found, err := t.get(merchantsBucket, merchantKey(id), &rec)
		if err != nil && !isDamaged(err) {
			return nil, err
		}
		if h == nil || !found {
			t.store.logger.Warn("a merchant's founder isn't known", "merchant", id, "portal", p.Founders[id].Portal, "entry", p.Founders[id].Key)
			continue
		}
		rec.FounderPortal, rec.FounderEntry = h.at.portal, h.at.entry
		if err := t.put(merchantsBucket, merchantKey(id), &rec); err != nil {
			return nil, err
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

// movedOffer is a live offer whose merchant is another now.
type movedOffer struct {
	at            place
	before, after cashback.Offer
}

func movedOf(h *held, offer cashback.Offer) movedOffer {
	m := movedOffer{at: h.at, before: offer, after: offer}
	m.before.Merchant, m.after.Merchant = h.was.Merchant, h.now.Merchant
	return m
}

// ref finds an entry by its reference; nil where the store has lost it.
func (l *ledger) ref(ref merchant.Ref, of cashback.MerchantID) (*held, error) {
	r, err := l.t.portal(ref.Portal)
	if err != nil {
		if cashback.KindOf(err) != cashback.NotFound && !isDamaged(err) {
			return nil, err
		}
		l.t.store.logger.Warn("the plan names an unknown portal", "portal", ref.Portal)
		return nil, nil
	}
	h, err := l.find(r.Number, ref.Key, of)
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
			if h == nil || h.now.Merchant == p.Assign[key] {
				continue
			}
			offer, live := t.liveOffer(h.at)
			h.now.Merchant = p.Assign[key]
			if live {
				all = append(all, movedOf(h, offer))
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
		if err := t.change(changeRecord{Kind: cashback.OfferChanged, Portal: m.at.portal, Merchant: m.after.Merchant, Before: freeze(&m.before), After: freeze(&m.after)}); err != nil {
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

// MerchantState is everything that the catalogue of merchants is rebuilt from.
func (s *Store) MerchantState(ctx context.Context) (st merchant.State, err error) {
	defer cashback.Wrap(&err, "read the merchants")
	type numbered struct {
		held merchant.Held
		at   entryNumber
	}
	var entries []numbered
	err = s.read(ctx, func(t *tx) error {
		st.Founders = map[cashback.MerchantID]merchant.Ref{}
		refs := map[place]merchant.Ref{}
		err := eachOf(t, entriesBucket, nil, nil, func(key []byte, e *entryRecord) error {
			at := placeOf(key)
			h := merchant.Held{Portal: s.head(at.portal).id, Entry: e.entry(), Merchant: e.Merchant}
			if h.Portal != "" {
				entries = append(entries, numbered{h, at.entry})
				refs[at] = merchant.Ref{Portal: h.Portal, Key: e.Key}
			}
			return nil
		})
		if err != nil {
			return err
		}
		err = eachOf(t, merchantsBucket, nil, nil, func(_ []byte, m *merchantRecord) error {
			st.Merchants = append(st.Merchants, m.Merchant)
			if ref, ok := refs[place{m.FounderPortal, m.FounderEntry}]; ok {
				st.Founders[m.Merchant.ID] = ref
			}
			return nil
		})
		if err != nil {
			return err
		}
		return eachOf(t, eventsBucket, nil, nil, func(_ []byte, e *merchant.Event) error {
			st.Events = append(st.Events, *e)
			return nil
		})
	})
	if err != nil {
		return merchant.State{}, err
	}
	slices.SortFunc(entries, func(a, b numbered) int { return int(int64(a.at) - int64(b.at)) })
	st.Held = make([]merchant.Held, len(entries))
	for i := range entries {
		st.Held[i] = entries[i].held
	}
	return st, nil
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
