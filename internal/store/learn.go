package store

import (
	"reflect"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/rank"
)

// The sources of learnt facts.
const (
	fromCatalogue = "catalogue"
	fromLedger    = "ledger"
)

// learn brings a portal's learnt facts up to date when it publishes: from the lessons
// of its offers, and from what became of everybody's purchases there. Each needs
// rank.MinObservations. A value that stays is left with the number of observations
// and the day that it was first learnt with: the facts' history tells of changes.
func (t *tx) learn(portal string, lessons *rank.Lessons, now time.Time) error {
	was, err := t.portal(portal)
	if err != nil {
		return err
	}
	seen, err := t.observed(portal)
	if err != nil {
		return err
	}
	day := cashback.DateOf(now).String()
	learnt := cashback.Facts{}
	if share, n, ok := lessons.UpToShare(); ok {
		learnt.UpToShare = keep(was.Learnt.UpToShare, share, fromCatalogue, day, n)
	}
	if n := seen.Confirmed + seen.Declined; n >= rank.MinObservations {
		rate := decimal.MustNew(int64(100*seen.Confirmed/n), 2).Trim(0)
		learnt.ConfirmRate = keep(was.Learnt.ConfirmRate, rate, fromLedger, day, n)
	}
	// What was lived through counts more than what is said; what the offers say fills a
	// gap of the definition.
	if seen.Delays >= rank.MinObservations {
		learnt.ValidationDays = keep(was.Learnt.ValidationDays, seen.ConfirmDays, fromLedger, day, seen.Delays)
	} else if days, n, ok := lessons.ValidationDays(); ok && was.Portal.Facts.ValidationDays == nil {
		learnt.ValidationDays = keep(was.Learnt.ValidationDays, days, fromCatalogue, day, n)
	}
	if reflect.DeepEqual(encoded(was.Learnt), encoded(learnt)) {
		return nil
	}
	next := *was
	next.Learnt = learnt
	return t.savePortal(was, &next, "learnt", "")
}

// keep is a learnt fact; the one of before where it says the same.
func keep[T any](was *cashback.Fact[T], value T, source, day string, n int) *cashback.Fact[T] {
	if was != nil && was.Origin.Source == source && reflect.DeepEqual(encoded(was.Value), encoded(value)) {
		return was
	}
	return &cashback.Fact[T]{Value: value, Origin: cashback.Origin{Source: source, AsOf: day, Learnt: n}}
}

// observed is what all ledgers together tell of a portal.
func (t *tx) observed(portal string) (earnings.Observed, error) {
	var all []earnings.Purchase
	err := eachOf(t, purchasesBucket, nil, nil, func(key []byte, r *purchaseRecord) error {
		if r.Portal == portal {
			all = append(all, r.purchase(string(key[4:])))
		}
		return nil
	})
	if isDamaged(err) {
		err = nil // what can be read still teaches
	}
	return earnings.Observe(all)[portal], err
}
