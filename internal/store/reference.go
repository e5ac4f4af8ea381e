package store

import (
	"bytes"
	"context"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
)

// References are the tables that rankings are worked out with.
type References struct {
	Rates rank.Rates
	VAT   rank.VATTable
	// RatesSet and VATSet are when the operator replaced what the program ships; zero
	// where the shipped table counts.
	RatesSet, VATSet time.Time
}

// referenceRecord is a table as it was handed in.
type referenceRecord struct {
	Data []byte `cbor:"1,keyasint"`
	Set  int64  `cbor:"2,keyasint"`
}

const (
	ratesKey = "rates"
	vatKey   = "vat"
)

// References returns the tables that count: the operator's, or those that came with
// the program. Of two sets of exchange rates the later one counts, so that an
// upgrade never falls back behind what it brings.
func (s *Store) References(ctx context.Context) (out References, err error) {
	defer cashback.Wrap(&err, "read the reference rates")
	out = References{Rates: rank.ShippedRates(), VAT: rank.ShippedVAT()}
	err = s.read(ctx, func(t *tx) error {
		var rec referenceRecord
		if found, err := t.get(referenceBucket, []byte(ratesKey), &rec); err != nil && !isDamaged(err) {
			return err
		} else if found && err == nil {
			if r, err := rank.ReadECB(bytes.NewReader(rec.Data)); err == nil && r.AsOf >= out.Rates.AsOf {
				out.Rates, out.RatesSet = r, moment(rec.Set)
			}
		}
		rec = referenceRecord{}
		if found, err := t.get(referenceBucket, []byte(vatKey), &rec); err != nil && !isDamaged(err) {
			return err
		} else if found && err == nil {
			if v, err := rank.ReadVAT(bytes.NewReader(rec.Data)); err == nil {
				out.VAT, out.VATSet = v, moment(rec.Set)
			}
		}
		return nil
	})
	return out, err
}

// SaveRates replaces the exchange rates by the European Central Bank's daily file.
func (s *Store) SaveRates(ctx context.Context, file []byte, by string) (r rank.Rates, err error) {
	defer cashback.Wrap(&err, "replace the exchange rates")
	if r, err = rank.ReadECB(bytes.NewReader(file)); err != nil {
		return r, err
	}
	return r, s.saveReference(ctx, ratesKey, file, by, r.AsOf)
}

// SaveVAT replaces the table of VAT rates (rank.ReadVAT says its form).
func (s *Store) SaveVAT(ctx context.Context, file []byte, by string) (v rank.VATTable, err error) {
	defer cashback.Wrap(&err, "replace the VAT rates")
	if v, err = rank.ReadVAT(bytes.NewReader(file)); err != nil {
		return v, err
	}
	return v, s.saveReference(ctx, vatKey, file, by, v.AsOf)
}

func (s *Store) saveReference(ctx context.Context, key string, file []byte, by string, asOf cashback.Date) error {
	return s.write(ctx, func(t *tx) error {
		if err := t.put(referenceBucket, []byte(key), &referenceRecord{Data: file, Set: stamp(s.now())}); err != nil {
			return err
		}
		return t.audit(AuditEntry{By: by, What: key, After: asOf.String()})
	})
}
