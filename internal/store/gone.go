package store

import (
	"context"
	"strconv"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Gone takes away the offers of a portal whose removal the gate withholds: an operator
// has looked, and the portal doesn't list them any more. Run is the run that withheld
// them, as Portal.WithheldBy; another one since is a Conflict, for it may have withheld
// others. It returns how many have gone.
func (s *Store) Gone(ctx context.Context, portal, run, by, reason string) (gone int, err error) {
	defer cashback.Wrap(&err, "take away what %s no longer lists", short(portal))
	err = s.write(ctx, func(t *tx) error {
		gone, err = t.answerWithheld(AuditEntry{By: by, What: "gone", Portal: portal, Run: run, Reason: reason}, func(v *live) { v.remove = true })
		return err
	})
	return gone, err
}

// Keep is the other answer: the offers stay as they are, with their age, and runs have to
// lack them anew before anybody is asked again. It returns how many stay.
func (s *Store) Keep(ctx context.Context, portal, run, by, reason string) (kept int, err error) {
	defer cashback.Wrap(&err, "keep what %s no longer lists", short(portal))
	err = s.write(ctx, func(t *tx) error {
		kept, err = t.answerWithheld(AuditEntry{By: by, What: "keep", Portal: portal, Run: run, Reason: reason}, func(v *live) { v.missed = 0 })
		return err
	})
	return kept, err
}

// answerWithheld carries out an answer about the offers whose removal is withheld.
func (t *tx) answerWithheld(e AuditEntry, answer func(*live)) (n int, err error) {
	portal, err := t.portal(e.Portal)
	if err != nil {
		return 0, err
	}
	var st standingRecord
	if _, err := t.get(standingBucket, portal.Number.key(), &st); err != nil {
		return 0, err
	}
	if st.Withheld == 0 || st.WithheldBy != e.Run {
		return 0, cashback.Errorf(cashback.Conflict, "run %q withholds no removals any more", short(e.Run))
	}
	b, err := t.publication(portal)
	if err != nil {
		return 0, err
	}
	first := b.count.Change
	for _, v := range b.offers {
		if v.missed >= cashback.MissesToGo {
			answer(v)
			n++
		}
	}
	if err := b.readings(); err != nil {
		return 0, err
	}
	// What goes now goes by the run that found it gone.
	run := cashback.Run{ID: e.Run}
	for _, v := range b.sorted() {
		if err := b.offer(v, &run); err != nil {
			return 0, err
		}
		if v.remove {
			st.Offers--
			if b.before(v).Kind.Pays() {
				st.WithRate--
			}
		}
	}
	st.Withheld, st.WithheldBy = 0, ""
	if err := t.put(standingBucket, portal.Number.key(), &st); err != nil {
		return 0, err
	}
	if err := b.ledger.save(); err != nil {
		return 0, err
	}
	if err := t.change(changeRecord{Kind: cashback.PortalChecked, Portal: portal.Number}); err != nil {
		return 0, err
	}
	if err := t.trim(b.count.Change - first); err != nil {
		return 0, err
	}
	e.After = strconv.Itoa(n)
	return n, t.audit(e)
}
