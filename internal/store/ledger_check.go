package store

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"reflect"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// ledgers is the checker's look at what people earn: the invariants of RELIABILITY.md
// over each person's events, folded anew, and that what is kept beside the events is
// what they fold into.
func (c *checker) ledgers() {
	people := map[account.UserID]bool{}
	for _, b := range []bucket{ledgerBucket, eventKeysBucket, purchasesBucket, headsBucket} {
		// One seek a person, not one a record.
		cursor := c.t.bucket(b).Cursor()
		for k, _ := cursor.First(); len(k) >= 4; {
			u := userOf(k)
			people[u] = true
			if u == 1<<32-1 {
				break
			}
			k, _ = cursor.Seek(userKey(u + 1))
		}
	}
	for _, u := range sortedKeys(people) {
		for _, v := range c.t.checkLedger(u) {
			c.r.note(&c.r.Sense, "the ledger of user %d: %s", u, v)
		}
		c.evidence(u)
	}
}

// checkLedger returns what doesn't hold in one person's ledger.
func (t *tx) checkLedger(u account.UserID) (out []earnings.Violation) {
	bad := func(invariant, detail string) {
		out = append(out, earnings.Violation{Invariant: invariant, Detail: detail})
	}
	var events []earnings.Event
	err := eachOf(t, ledgerBucket, userKey(u), nil, func(key []byte, r *eventRecord) error {
		if len(key) != 12 {
			bad("L9", "an event stands under "+printable(key))
			return nil
		}
		events = append(events, r.event(numberOf(key)))
		return nil
	})
	if err != nil {
		bad("L3", err.Error())
		return out
	}
	l, err := earnings.Replay(events)
	if err != nil {
		bad("L7", err.Error())
		return out
	}
	out = append(out, l.Check()...)

	// L6: what is kept is the fold.
	h, err := t.head(u)
	if err != nil {
		bad("L6", err.Error())
	}
	last := ""
	if n := len(events); n > 0 {
		last = events[n-1].Hash
	}
	if h.Seq != uint64(len(events)) || hex.EncodeToString(h.Hash) != last {
		bad("L7", "the head doesn't name the last event")
	}
	kept := h.balances()
	if !reflect.DeepEqual(kept, l.Balances()) {
		bad("L6", "the balances that are kept aren't those that the events make")
	}
	purchases, err := t.purchases(u, Filter{})
	if err != nil {
		bad("L6", err.Error())
	}
	want := l.Purchases()
	if len(purchases) != len(want) {
		bad("L6", "the purchases that are kept are more or fewer than the events make")
	} else {
		for i := range want {
			if !reflect.DeepEqual(purchases[i], want[i]) {
				bad("L6", "purchase "+printable([]byte(want[i].ID))+" isn't what its events make")
			}
		}
	}
	// L4: each key leads to its event, and none elsewhere.
	keys := map[string]uint64{}
	_ = t.each(eventKeysBucket, userKey(u), nil, func(key, payload []byte) error {
		if len(payload) == 8 {
			keys[string(key[4:])] = binary.BigEndian.Uint64(payload)
		}
		return nil
	})
	for _, e := range events {
		if keys[e.Key] != e.Seq {
			bad("L4", "the key of an event doesn't lead to it: "+printable([]byte(e.Key)))
		}
	}
	if len(keys) > len(events) {
		bad("L4", "a key leads to no event")
	}
	return out
}

// evidence holds a person's frozen terms to their hashes.
func (c *checker) evidence(u account.UserID) {
	_ = c.t.each(evidenceBucket, userKey(u), nil, func(key, doc []byte) error {
		if hash := hex.EncodeToString(key[4:]); earnings.EvidenceOf(doc).Hash != hash {
			c.r.note(&c.r.Sense, "evidence %.8s of user %d doesn't have its hash", hash, u)
		}
		return nil
	})
}

// Check returns what doesn't hold of the invariants L1 to L10 (RELIABILITY.md) in one
// person's ledger, as it is kept.
func (l *Ledgers) Check(ctx context.Context, user account.UserID) (out []earnings.Violation, err error) {
	err = l.store.read(ctx, func(t *tx) error { out = t.checkLedger(user); return nil })
	return out, err
}
