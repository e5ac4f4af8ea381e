package store

import (
	"context"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// change appends a record to the feed.
func (t *tx) change(c changeRecord) error {
	count, err := t.counters()
	if err != nil {
		return err
	}
	count.Change++
	if count.Earliest == 0 { // counted anew, and none was there
		count.Earliest = count.Change
	}
	t.dirty, t.changed = true, true
	if c.At == 0 {
		c.At = stamp(t.store.now())
	}
	return t.put(changesBucket, numberKey(count.Change), &c)
}

// trim takes the oldest change records away, a few more than have come, so that no
// single transaction has much to do.
func (t *tx) trim(come uint64) error {
	count, err := t.counters()
	if err != nil {
		return err
	}
	for n := come*2 + 100; n > 0 && count.Change-count.Earliest >= uint64(t.store.limits.Changes); n-- {
		if err := t.drop(changesBucket, numberKey(count.Earliest)); err != nil {
			return err
		}
		count.Earliest++
		t.dirty = true
	}
	return nil
}

// LastChange is the number of the newest change record; 0 before the first.
func (v *Reader) LastChange() uint64 { return v.store.last.Load() }

// Wait returns when there is a change after a number.
func (v *Reader) Wait(ctx context.Context, after uint64) error {
	for {
		v.store.mu.Lock()
		news := v.store.news
		v.store.mu.Unlock()
		if v.store.last.Load() > after {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// Changes returns the change records after a number, at most limit of them, and the
// number to go on after: some that the view may not see lie between. Conflict says
// that the records after that number are no longer kept, or damaged: begin anew from
// what stands today, and go on after the LastChange of before.
func (v *Reader) Changes(ctx context.Context, after uint64, limit int) (out []cashback.Change, next uint64, err error) {
	defer cashback.Wrap(&err, "read the changes after %d", after)
	next = after
	err = v.store.read(ctx, func(t *tx) error {
		count, err := t.counters()
		if err != nil {
			return err
		}
		if after+1 < count.Earliest {
			return cashback.Errorf(cashback.Conflict, "changes are kept from number %d on", count.Earliest)
		}
		seen := 0
		err = eachOf(t, changesBucket, nil, numberKey(after+1), func(key []byte, r *changeRecord) error {
			if seen++; len(out) >= limit || seen > 4*limit+chunk {
				return errStop
			}
			// A portal whose own record is lost leaves a hole like a lost change.
			head := v.store.head(r.Portal)
			if n := numberOf(key); n != next+1 || r.Portal != 0 && head.id == "" {
				if next > after {
					return errStop
				}
				return cashback.Errorf(cashback.Conflict, "the changes up to number %d are damaged", n)
			}
			next++
			c := cashback.Change{Number: next, At: moment(r.At), Kind: r.Kind, Merchant: r.Merchant}
			if r.Portal != 0 {
				portal, rates := v.sees(r.Portal)
				if !portal && !r.Public {
					return nil
				}
				c.Portal = head.id
				c.Before, c.After = r.thaw(head.id)
				for _, o := range []*cashback.Offer{c.Before, c.After} {
					if o != nil && !rates {
						*o = withhold(*o)
					}
				}
			}
			out = append(out, c)
			return nil
		})
		if err == nil && next == after && after < count.Change {
			err = cashback.Errorf(cashback.Conflict, "the changes up to number %d are damaged", count.Change)
		}
		return err
	})
	return out, next, err
}
