package store

import (
	"bytes"
	"context"
	"iter"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// runPlace is where a run's report stands.
type runPlace struct {
	Portal portalNumber `cbor:"1,keyasint"`
	Number uint64       `cbor:"2,keyasint"`
}

// saveRun writes a report, the portal's newest unless it replaces one of its own
// id, and takes the oldest away.
func (t *tx) saveRun(p portalNumber, run *cashback.Run) error {
	if run.ID == "" {
		return cashback.Errorf(cashback.Internal, "a run has no id")
	}
	count, err := t.counters()
	if err != nil {
		return err
	}
	var at runPlace
	known, err := t.get(runIDsBucket, []byte(run.ID), &at)
	if err != nil && !isDamaged(err) {
		return err
	}
	if !known {
		count.Run++
		t.dirty = true
		at = runPlace{p, count.Run}
		if err := t.put(runIDsBucket, []byte(run.ID), &at); err != nil {
			return err
		}
	} else if at.Portal != p {
		return cashback.Errorf(cashback.Conflict, "run %s belongs to another portal", short(run.ID))
	}
	if err := t.put(runsBucket, numberedKey(p, at.Number), run); err != nil {
		return err
	}
	var st standingRecord
	if _, err := t.get(standingBucket, p.key(), &st); err != nil && !isDamaged(err) {
		return err
	}
	st.Portal = t.store.head(p).id
	st.LastRun = max(st.LastRun, at.Number)
	if err := t.put(standingBucket, p.key(), &st); err != nil {
		return err
	}
	kept := 0
	var gone [][]byte
	var ids []string
	err = backwards(t, runsBucket, p.key(), func(key []byte, r *cashback.Run) error {
		if kept++; kept > t.store.limits.Runs {
			gone, ids = append(gone, clone(key)), append(ids, r.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range gone {
		if err := t.drop(runsBucket, gone[i]); err != nil {
			return err
		}
		if err := t.drop(runIDsBucket, []byte(ids[i])); err != nil {
			return err
		}
	}
	return nil
}

// SaveRun keeps the report of a run that ended without anything to publish.
func (s *Store) SaveRun(ctx context.Context, run cashback.Run) (err error) {
	defer cashback.Wrap(&err, "save the report of run %s", short(run.ID))
	return s.write(ctx, func(t *tx) error {
		r, err := t.portal(run.Portal)
		if err != nil {
			return err
		}
		if err := t.saveRun(r.Number, &run); err != nil {
			return err
		}
		return t.change(changeRecord{Kind: cashback.PortalChecked, Portal: r.Number})
	})
}

// Runs lists a portal's run reports, newest first.
func (v *Reader) Runs(ctx context.Context, portal string, limit int) (out []cashback.Run, err error) {
	defer cashback.Wrap(&err, "read the runs of %s", short(portal))
	err = v.store.read(ctx, func(t *tx) error {
		r, err := v.portal(t, portal)
		if err != nil {
			return err
		}
		return backwards(t, runsBucket, r.Number.key(), func(_ []byte, run *cashback.Run) error {
			if len(out) == limit {
				return errStop
			}
			out = append(out, *run)
			return nil
		})
	})
	return out, err
}

// Run returns a run's report.
func (v *Reader) Run(ctx context.Context, id string) (run cashback.Run, err error) {
	defer cashback.Wrap(&err, "read run %s", short(id))
	err = v.store.read(ctx, func(t *tx) error {
		var at runPlace
		found, err := t.get(runIDsBucket, []byte(id), &at)
		if err == nil && found && !v.hidden(at.Portal) {
			found, err = t.get(runsBucket, numberedKey(at.Portal, at.Number), &run)
		} else {
			found = false
		}
		if err == nil && !found {
			err = cashback.Errorf(cashback.NotFound, "there is no run %q", short(id))
		}
		return err
	})
	return run, err
}

// Evidence is what the gate judges a portal's next snapshot by.
type Evidence struct {
	// Live are the portal's published offers.
	Live   []cashback.Offer
	Health cashback.PortalHealth
	// Past are, by offer key, the rates of the last 90 days where there was more than
	// one, oldest first; of an unverified offer also the last rate before that which
	// was verified.
	Past map[string][]cashback.RatePoint
	// Others are, by merchant, what the other portals pay: without entries, and of
	// the receipts only portal, text and beginning.
	Others map[cashback.MerchantID][]cashback.Offer
}

const pastDays = 90 // CRAWLING.md, section 3, G6

// Evidence reads what the gate needs of a portal, and of the given merchants on the
// others.
func (s *Store) Evidence(ctx context.Context, portal string, merchants []cashback.MerchantID) (ev Evidence, err error) {
	defer cashback.Wrap(&err, "read what %s is judged by", short(portal))
	since := s.now().Add(-pastDays * 24 * time.Hour)
	err = s.read(ctx, func(t *tx) error {
		r, err := t.portal(portal)
		if err != nil {
			return err
		}
		if _, err := t.get(healthBucket, r.Number.key(), &ev.Health); err != nil && !isDamaged(err) {
			return err
		}
		ev.Health.Portal = portal
		ev.Past = map[string][]cashback.RatePoint{}
		all, err := t.listings(r.Number)
		if err != nil {
			return err
		}
		for _, h := range all {
			if h.was.Offer == nil {
				continue
			}
			o, err := t.whole(h.from, h.at, &h.was)
			if err != nil {
				continue
			}
			ev.Live = append(ev.Live, o)
			if o.Status == cashback.OK && !o.Receipt.InForceSince.IsZero() && o.Receipt.InForceSince.Before(since) {
				continue // the same has been paid all the while: most offers of most portals
			}
			points, err := t.history(h.at, h.from, &h.was, since)
			if err == nil && o.Status == cashback.Unverified && !verified(points) {
				if points, err = t.history(h.at, h.from, &h.was, time.Time{}); err == nil {
					points = sinceVerified(points, since)
				}
			}
			if err != nil {
				return err
			}
			if len(points) > 1 {
				ev.Past[o.Entry.Key] = points
			}
		}
		ev.Others = map[cashback.MerchantID][]cashback.Offer{}
		for _, id := range merchants {
			if _, done := ev.Others[id]; done || id == 0 {
				continue
			}
			others, err := t.others(id, r.Number)
			if err != nil {
				return err
			}
			ev.Others[id] = others
		}
		return nil
	})
	if err != nil {
		return Evidence{}, err
	}
	return ev, nil
}

func verified(points []cashback.RatePoint) bool {
	for _, p := range points {
		if p.Status == cashback.OK {
			return true
		}
	}
	return false
}

// sinceVerified keeps the points since a moment and the last verified one before.
func sinceVerified(points []cashback.RatePoint, since time.Time) []cashback.RatePoint {
	var out []cashback.RatePoint
	for i, p := range points {
		switch {
		case p.To.IsZero() || p.To.After(since):
			return append(out, points[i:]...)
		case p.Status == cashback.OK:
			out = append(out[:0], p)
		}
	}
	return out
}

// others reads what portals but one pay at a merchant.
func (t *tx) others(id cashback.MerchantID, but portalNumber) ([]cashback.Offer, error) {
	var out []cashback.Offer
	err := eachOf(t, offersBucket, merchantKey(id), nil, func(key []byte, l *listing) error {
		_, at := placeUnder(key)
		if at.portal != but && l.Offer != nil {
			bare := l.Offer.bare(t.store.head(at.portal).id)
			bare.Merchant = id
			out = append(out, bare)
		}
		return nil
	})
	return out, err
}

// Stage is a run in progress: what it has read so far is kept, so that a crash costs
// no page twice.
type Stage struct {
	Portal            string    `cbor:"1,keyasint"`
	Run               string    `cbor:"2,keyasint"`
	DefinitionVersion string    `cbor:"3,keyasint"`
	StartedAt         time.Time `cbor:"4,keyasint"`
}

// OpenStage begins to stage a run, or finds the one that was interrupted: it is
// returned, with resumed true, if it has the same definition version and is young
// enough. Anything else that was staged for the portal is dropped.
func (s *Store) OpenStage(ctx context.Context, want Stage) (st Stage, resumed bool, err error) {
	defer cashback.Wrap(&err, "stage run %s", short(want.Run))
	err = s.write(ctx, func(t *tx) error {
		st, resumed = Stage{}, false
		r, err := t.portal(want.Portal)
		if err != nil {
			return err
		}
		found, err := t.get(stagesBucket, r.Number.key(), &st)
		if err != nil && !isDamaged(err) {
			return err
		}
		if found && st.DefinitionVersion == want.DefinitionVersion && want.StartedAt.Sub(st.StartedAt).Abs() < s.limits.StageAge {
			resumed = true
			return nil
		}
		if err := t.clearStage(r.Number); err != nil {
			return err
		}
		st = want
		return t.put(stagesBucket, r.Number.key(), &want)
	})
	if err != nil {
		return Stage{}, false, err
	}
	return st, resumed, nil
}

// StagedPage is what a page of a run in progress gave; the crawler's own bytes.
type StagedPage struct {
	Key   string
	Value []byte
}

// StagePages keeps what pages gave. A page that is staged again is replaced. It is
// a Conflict if another run than the given one is staged.
func (s *Store) StagePages(ctx context.Context, portal, run string, pages ...StagedPage) (err error) {
	defer cashback.Wrap(&err, "stage pages of run %s", short(run))
	return s.join(ctx, func(t *tx) error {
		r, err := t.portal(portal)
		if err != nil {
			return err
		}
		var st Stage
		if _, err := t.get(stagesBucket, r.Number.key(), &st); err != nil {
			return err
		}
		if st.Run != run {
			return cashback.Errorf(cashback.Conflict, "the run isn't the one that is staged for %s", short(portal))
		}
		for _, p := range pages {
			if err := t.putRaw(stagedBucket, append(r.Number.key(), p.Key...), p.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// StagedPages iterates over what the portal's run in progress has read, by key.
func (s *Store) StagedPages(ctx context.Context, portal string) iter.Seq2[StagedPage, error] {
	return func(yield func(StagedPage, error) bool) {
		from := ""
		for {
			var pages []StagedPage
			size := 0
			err := s.read(ctx, func(t *tx) error {
				r, err := t.portal(portal)
				if err != nil {
					return err
				}
				prefix := r.Number.key()
				return t.each(stagedBucket, prefix, append(prefix[:2:2], from...), func(key, payload []byte) error {
					if size > 1<<20 {
						return errStop
					}
					pages = append(pages, StagedPage{string(key[2:]), clone(payload)})
					size += len(payload) + 100
					return nil
				})
			})
			if err != nil {
				cashback.Wrap(&err, "read the staged pages of %s", short(portal))
				yield(StagedPage{}, err)
				return
			}
			for _, p := range pages {
				if !yield(p, nil) {
					return
				}
			}
			if size <= 1<<20 {
				return
			}
			from = pages[len(pages)-1].Key + "\x00"
		}
	}
}

// DropStage forgets the portal's run in progress.
func (s *Store) DropStage(ctx context.Context, portal string) (err error) {
	defer cashback.Wrap(&err, "drop what is staged of %s", short(portal))
	return s.write(ctx, func(t *tx) error {
		r, err := t.portal(portal)
		if err != nil {
			return err
		}
		return t.clearStage(r.Number)
	})
}

func (t *tx) clearStage(p portalNumber) error {
	b := t.bucket(stagedBucket)
	prefix := p.key()
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, clone(k))
	}
	for _, k := range keys {
		if err := t.drop(stagedBucket, k); err != nil {
			return err
		}
	}
	return t.drop(stagesBucket, prefix)
}

// Held is a snapshot that the gate held back, with its word.
type Held struct {
	At        time.Time          `json:"at"`
	Snapshot  cashback.Snapshot  `json:"snapshot"`
	Judgement cashback.Judgement `json:"judgement"`
}

type heldRecord struct {
	At        int64              `cbor:"2,keyasint"`
	Snapshot  cashback.Snapshot  `cbor:"3,keyasint"`
	Judgement cashback.Judgement `cbor:"4,keyasint"`
}

// Hold keeps a snapshot that the gate holds back, for an operator to look at: the
// portal's last good offers stay what readers see. Its report and the portal's
// health are written; nothing of its merchants is. It replaces one held before.
func (s *Store) Hold(ctx context.Context, snap cashback.Snapshot, j cashback.Judgement) (run cashback.Run, err error) {
	defer cashback.Wrap(&err, "hold run %s of %s back", short(snap.Run.ID), short(snap.Portal.ID))
	run = snap.Run
	run.Verdict, run.Findings = j.Verdict, j.Findings
	err = s.write(ctx, func(t *tx) error {
		r, err := t.portal(snap.Portal.ID)
		if err != nil {
			return err
		}
		if err := t.saveRun(r.Number, &run); err != nil {
			return err
		}
		j.Health.Portal = snap.Portal.ID
		if err := t.put(healthBucket, r.Number.key(), &j.Health); err != nil {
			return err
		}
		if err := t.put(heldBucket, r.Number.key(), &heldRecord{stamp(s.now()), snap, j}); err != nil {
			return err
		}
		if err := t.setHeld(r.Number, run.ID); err != nil {
			return err
		}
		if err := t.clearStage(r.Number); err != nil {
			return err
		}
		return t.change(changeRecord{Kind: cashback.PortalChecked, Portal: r.Number})
	})
	if err != nil {
		return cashback.Run{}, err
	}
	return run, nil
}

// setHeld notes in the portal's row which run is held back.
func (t *tx) setHeld(p portalNumber, run string) error {
	var st standingRecord
	if _, err := t.get(standingBucket, p.key(), &st); err != nil && !isDamaged(err) {
		return err
	}
	st.Portal, st.Held = t.store.head(p).id, run
	return t.put(standingBucket, p.key(), &st)
}

// Held returns the portal's snapshot that is held back; false where there is none.
func (s *Store) Held(ctx context.Context, portal string) (h Held, found bool, err error) {
	defer cashback.Wrap(&err, "read the run of %s that is held back", short(portal))
	err = s.read(ctx, func(t *tx) error {
		r, err := t.portal(portal)
		if err != nil {
			return err
		}
		var rec heldRecord
		if found, err = t.get(heldBucket, r.Number.key(), &rec); found {
			h = Held{moment(rec.At), rec.Snapshot, rec.Judgement}
		}
		return err
	})
	return h, found, err
}

// Reject drops a snapshot that is held back, with the operator's reason.
func (s *Store) Reject(ctx context.Context, portal, run, by, reason string) (err error) {
	defer cashback.Wrap(&err, "reject run %s of %s", short(run), short(portal))
	return s.write(ctx, func(t *tx) error {
		r, err := t.portal(portal)
		if err != nil {
			return err
		}
		var st standingRecord
		if _, err := t.get(standingBucket, r.Number.key(), &st); err != nil {
			return err
		}
		if st.Held == "" || st.Held != run {
			return cashback.Errorf(cashback.Conflict, "run %q isn't held back", short(run))
		}
		if err := t.drop(heldBucket, r.Number.key()); err != nil {
			return err
		}
		if err := t.setHeld(r.Number, ""); err != nil {
			return err
		}
		return t.audit(AuditEntry{By: by, What: "reject", Portal: portal, Run: run, Reason: reason})
	})
}
