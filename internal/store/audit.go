package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// AuditEntry is what an operator did, or what happened that one should know of.
type AuditEntry struct {
	Number   uint64              `json:"number" cbor:"1,keyasint"`
	At       time.Time           `json:"at" cbor:"2,keyasint"`
	By       string              `json:"by" cbor:"3,keyasint"`
	What     string              `json:"what" cbor:"4,keyasint"`
	Portal   string              `json:"portal,omitempty" cbor:"5,keyasint,omitempty"`
	Merchant cashback.MerchantID `json:"merchant,omitempty" cbor:"6,keyasint,omitempty"`
	Run      string              `json:"run,omitempty" cbor:"7,keyasint,omitempty"`
	Reason   string              `json:"reason,omitempty" cbor:"8,keyasint,omitempty"`
	Before   string              `json:"before,omitempty" cbor:"9,keyasint,omitempty"`
	After    string              `json:"after,omitempty" cbor:"10,keyasint,omitempty"`
}

func (t *tx) audit(e AuditEntry) error {
	count, err := t.counters()
	if err != nil {
		return err
	}
	count.Audit++
	t.dirty = true
	e.Number, e.At = count.Audit, t.store.now().UTC()
	return t.put(auditBucket, numberKey(e.Number), &e)
}

// Note writes a line into the audit log; its number and time are the store's.
func (s *Store) Note(ctx context.Context, e AuditEntry) (err error) {
	defer cashback.Wrap(&err, "write the audit log")
	return s.write(ctx, func(t *tx) error { return t.audit(e) })
}

// Audit lists the audit log, newest first, from below a number (0 for the newest).
func (s *Store) Audit(ctx context.Context, below uint64, limit int) (out []AuditEntry, err error) {
	defer cashback.Wrap(&err, "read the audit log")
	err = s.read(ctx, func(t *tx) error {
		return backwards(t, auditBucket, nil, func(_ []byte, e *AuditEntry) error {
			if len(out) == limit {
				return errStop
			}
			if below == 0 || e.Number < below {
				out = append(out, *e)
			}
			return nil
		})
	})
	return out, err
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
