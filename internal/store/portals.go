package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
)

// Reader reads for somebody: what a portal's publication mode hides from them, no
// method of it returns.
type Reader struct {
	store *Store
	view  View
}

// As returns the reader of a view.
func (s *Store) As(v View) *Reader { return &Reader{s, v} }

// View is for whom something is read. Its zero value is the public, so that a page
// which forgets to say shows too little, never too much.
type View uint8

const (
	// Public leaves out portals that are private or off, and the rates of portals
	// that only the relation may be shown of.
	Public View = iota
	// Operator sees everything.
	Operator
)

// Withheld is Offer.Unread of an offer whose rate the portal's mode hides; its Kind
// is Unknown and it has no tiers, so nothing can rank it.
const Withheld = "withheld"

// shows says whether a view may see that the portal exists, and its rates.
func (v View) shows(mode cashback.Publication) (portal, rates bool) {
	if v == Operator {
		return true, true
	}
	switch mode {
	case cashback.Public:
		return true, true
	case cashback.RelationOnly:
		return true, false
	}
	return false, false
}

// withhold takes everything from an offer that says what the portal pays.
func withhold(o cashback.Offer) cashback.Offer {
	return cashback.Offer{
		Entry: o.Entry, Merchant: o.Merchant, Kind: cashback.Unknown, Status: o.Status, Unread: Withheld,
		Receipt: cashback.Receipt{
			Portal: o.Receipt.Portal, URL: o.Receipt.URL, ReadAt: o.Receipt.ReadAt,
			DefinitionVersion: o.Receipt.DefinitionVersion, Run: o.Receipt.Run,
		},
	}
}

// Portal is a portal as it stands: the definition with the operator's edits on top.
type Portal struct {
	cashback.Portal
	// Defined says that a definition of this program still names it.
	Defined bool `json:"defined"`
	// Edits are the operator's facts alone; Mode the operator's publication mode,
	// empty where the definition's counts.
	Edits  cashback.Facts        `json:"edits,omitzero"`
	Mode   cashback.Publication  `json:"mode,omitempty"`
	Health cashback.PortalHealth `json:"health"`
	// Offers counts the live offers, WithRate those of them that pay.
	Offers   int `json:"offers"`
	WithRate int `json:"with_rate"`
	// LastRun is the newest run report; nil before the first.
	LastRun *cashback.Run `json:"last_run,omitempty"`
	// CompleteAt is when the last complete published run began; PublishedAt when
	// one was last published at all.
	CompleteAt  time.Time `json:"complete_at,omitzero"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	// HeldRun is the run that the gate holds back; empty for none.
	HeldRun string `json:"held_run,omitempty"`
	// Withheld counts the offers that are shown though runs no longer find them, for too
	// many would have gone at once; WithheldBy is the run that says so (see Store.Gone).
	Withheld   int    `json:"withheld,omitempty"`
	WithheldBy string `json:"withheld_by,omitempty"`
	// Damaged says that a record behind this row couldn't be read, and that what it
	// held is left empty.
	Damaged bool `json:"damaged,omitempty"`
}

type portalRecord struct {
	Number  portalNumber         `cbor:"1,keyasint"`
	Portal  cashback.Portal      `cbor:"2,keyasint"` // from the definition
	Defined bool                 `cbor:"3,keyasint,omitempty"`
	Mode    cashback.Publication `cbor:"4,keyasint,omitempty"`
	Edits   cashback.Facts       `cbor:"5,keyasint,omitzero"`
	// Learnt are facts that this catalogue and its ledgers have taught.
	Learnt cashback.Facts `cbor:"6,keyasint,omitzero"`
}

func (r *portalRecord) effective() cashback.Portal {
	p := r.Portal
	p.Publication = cmp.Or(r.Mode, p.Publication, cashback.Public)
	// What portals claim of their own outcomes never counts (RANKING.md, "The case").
	p.Facts.ConfirmRate, p.Facts.UpToShare = nil, nil
	p.Facts = overlay(overlay(p.Facts, r.Learnt), r.Edits)
	return p
}

// overlay puts every fact that the operator has stated in the place of the
// definition's.
func overlay(facts, edits cashback.Facts) cashback.Facts {
	f, e := reflect.ValueOf(&facts).Elem(), reflect.ValueOf(edits)
	for i := range e.NumField() {
		if !e.Field(i).IsZero() {
			f.Field(i).Set(e.Field(i))
		}
	}
	return facts
}

// standingRecord is what publication keeps of a portal.
type standingRecord struct {
	Offers      int    `cbor:"1,keyasint,omitempty"`
	WithRate    int    `cbor:"2,keyasint,omitempty"`
	LastRun     uint64 `cbor:"3,keyasint,omitempty"` // among runs
	CompleteAt  int64  `cbor:"4,keyasint,omitempty"`
	PublishedAt int64  `cbor:"5,keyasint,omitempty"`
	// Portal is the id, once more: should its own record be lost, its number isn't.
	Portal string `cbor:"6,keyasint,omitempty"`
	Held   string `cbor:"7,keyasint,omitempty"` // the run that is held back
	// Withheld counts the offers whose removal is withheld, WithheldBy is the last
	// complete run that did so.
	Withheld   int    `cbor:"8,keyasint,omitempty"`
	WithheldBy string `cbor:"9,keyasint,omitempty"`
}

// portalHead is what every read needs to know of a portal.
type portalHead struct {
	id   string
	mode cashback.Publication
}

// loadPortals learns the portals' numbers and modes.
func (t *tx) loadPortals() error {
	var heads []portalHead
	err := eachOf(t, portalsBucket, nil, nil, func(key []byte, r *portalRecord) error {
		heads = withHead(heads, r)
		return nil
	})
	if err == nil {
		t.store.portals.Store(&heads)
	}
	return err
}

// withHead enters a portal among the heads.
func withHead(heads []portalHead, r *portalRecord) []portalHead {
	heads = slices.Clone(heads)
	for len(heads) <= int(r.Number) {
		heads = append(heads, portalHead{mode: cashback.Off})
	}
	heads[r.Number] = portalHead{r.Portal.ID, r.effective().Publication}
	return heads
}

// head is what is known of a portal's number; a portal whose record is damaged is
// hidden.
func (s *Store) head(n portalNumber) portalHead {
	if heads := *s.portals.Load(); int(n) < len(heads) {
		return heads[n]
	}
	return portalHead{mode: cashback.Off}
}

// number is a portal's number; false for one that nobody has defined.
func (s *Store) number(id string) (portalNumber, bool) {
	for n, h := range *s.portals.Load() {
		if h.id == id && id != "" {
			return portalNumber(n), true
		}
	}
	return 0, false
}

func (t *tx) portal(id string) (*portalRecord, error) {
	var r portalRecord
	found, err := t.get(portalsBucket, []byte(id), &r)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, unknownPortal(id)
	}
	return &r, nil
}

func unknownPortal(id string) error {
	return cashback.Errorf(cashback.NotFound, "there is no portal %q", short(id))
}

func short(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// SavePortals enters the portals of this program's definitions. Numbers, the
// operator's edits, and portals that no definition names any more, stay.
func (s *Store) SavePortals(ctx context.Context, portals []cashback.Portal) (err error) {
	defer cashback.Wrap(&err, "save the portals")
	for _, p := range portals {
		if p.ID == "" {
			return cashback.Errorf(cashback.Invalid, "a portal has no id")
		}
	}
	sorted := slices.SortedFunc(slices.Values(portals), func(a, b cashback.Portal) int { return cmp.Compare(a.ID, b.ID) })
	return s.write(ctx, func(t *tx) error {
		known := map[string]*portalRecord{}
		if err := eachOf(t, portalsBucket, nil, nil, func(key []byte, r *portalRecord) error {
			known[string(key)] = r
			return nil
		}); err != nil {
			return err
		}
		count, err := t.counters()
		if err != nil {
			return err
		}
		for _, p := range sorted {
			was := known[p.ID]
			delete(known, p.ID)
			now := portalRecord{Portal: p, Defined: true}
			if was != nil {
				now.Number, now.Mode, now.Edits, now.Learnt = was.Number, was.Mode, was.Edits, was.Learnt
			} else if now.Number, err = t.lostNumber(p.ID); err != nil {
				return err
			} else if now.Number != 0 {
				// What the operator allowed to be shown is lost with the record.
				now.Mode = cashback.Private
				if err := t.audit(AuditEntry{By: "store", What: "publication", Portal: p.ID, Reason: "its record was damaged", After: string(now.Mode)}); err != nil {
					return err
				}
			} else {
				if count.Portal == math.MaxUint16 {
					return cashback.Errorf(cashback.Invalid, "there are %d portals already", count.Portal)
				}
				count.Portal++
				t.dirty = true
				now.Number = portalNumber(count.Portal)
				if err := t.put(standingBucket, now.Number.key(), &standingRecord{Portal: p.ID}); err != nil {
					return err
				}
			}
			if err := t.savePortal(was, &now, "definition", ""); err != nil {
				return err
			}
		}
		for _, id := range sortedKeys(known) {
			now := *known[id]
			now.Defined = false
			if err := t.savePortal(known[id], &now, "definition", "no definition names it any more"); err != nil {
				return err
			}
		}
		return nil
	})
}

// lostNumber is the number of a portal whose own record is lost; 0 for a portal that
// is new.
func (t *tx) lostNumber(id string) (n portalNumber, err error) {
	err = eachOf(t, standingBucket, nil, nil, func(key []byte, st *standingRecord) error {
		if st.Portal == id {
			n = portalNumber(binary.BigEndian.Uint16(key))
			return errStop
		}
		return nil
	})
	return n, err
}

// savePortal writes a portal that has changed, with what goes with it.
func (t *tx) savePortal(was, now *portalRecord, by, note string) error {
	if was != nil && reflect.DeepEqual(encoded(was), encoded(now)) {
		return nil
	}
	if was != nil {
		before, after := was.effective(), now.effective()
		if !reflect.DeepEqual(encoded(before.Facts), encoded(after.Facts)) {
			count, err := t.counters()
			if err != nil {
				return err
			}
			count.Facts++
			t.dirty = true
			if err := t.put(factsBucket, numberedKey(now.Number, count.Facts), FactsChange{At: t.store.now().UTC(), By: by, Note: note, Before: before.Facts, After: after.Facts}); err != nil {
				return err
			}
		}
	}
	if err := t.put(portalsBucket, []byte(now.Portal.ID), now); err != nil {
		return err
	}
	t.after = append(t.after, func() {
		heads := withHead(*t.store.portals.Load(), now)
		t.store.portals.Store(&heads)
	})
	shown, _ := Public.shows(now.effective().Publication)
	if was != nil && !shown {
		shown, _ = Public.shows(was.effective().Publication)
	}
	return t.change(changeRecord{Kind: cashback.PortalChanged, Portal: now.Number, Public: shown})
}

// encoded is what two values are compared by: decimals that differ only in how they
// came about are the same.
func encoded(v any) []byte {
	b, err := encoding.Marshal(v)
	if err != nil {
		panic(err) // every noun can be encoded
	}
	return b
}

// Portals lists the portals by id.
func (v *Reader) Portals(ctx context.Context) (out []Portal, err error) {
	defer cashback.Wrap(&err, "list the portals")
	err = v.store.read(ctx, func(t *tx) error {
		return eachOf(t, portalsBucket, nil, nil, func(_ []byte, r *portalRecord) error {
			if shown, _ := v.view.shows(r.effective().Publication); shown {
				out = append(out, t.standing(r))
			}
			return nil
		})
	})
	return out, err
}

// Portal returns a portal; NotFound where there is none, or the view may not know.
func (v *Reader) Portal(ctx context.Context, id string) (p Portal, err error) {
	defer cashback.Wrap(&err, "read a portal")
	err = v.store.read(ctx, func(t *tx) error {
		r, err := v.portal(t, id)
		if err == nil {
			p = t.standing(r)
		}
		return err
	})
	return p, err
}

// portal is a portal's record, if the view may know of it.
func (v *Reader) portal(t *tx, id string) (*portalRecord, error) {
	r, err := t.portal(id)
	if err != nil {
		return nil, err
	}
	if shown, _ := v.view.shows(r.effective().Publication); !shown {
		return nil, unknownPortal(id)
	}
	return r, nil
}

// standing adds to a portal's record what runs have made of it. What is damaged
// there is left out: the portal itself can be shown.
func (t *tx) standing(r *portalRecord) Portal {
	p := Portal{Portal: r.effective(), Defined: r.Defined, Edits: r.Edits, Mode: r.Mode}
	key := r.Number.key()
	read := func(b bucket, key []byte, v any) bool {
		found, err := t.get(b, key, v)
		p.Damaged = p.Damaged || err != nil
		return found && err == nil
	}
	var st standingRecord
	p.Damaged = !read(standingBucket, key, &st) || p.Damaged
	p.Offers, p.WithRate, p.HeldRun = st.Offers, st.WithRate, st.Held
	p.Withheld, p.WithheldBy = st.Withheld, st.WithheldBy
	p.CompleteAt, p.PublishedAt = moment(st.CompleteAt), moment(st.PublishedAt)
	if !read(healthBucket, key, &p.Health) && (st.PublishedAt != 0 || st.Held != "") {
		p.Damaged = true
	}
	p.Health.Portal = p.ID
	if st.LastRun > 0 {
		p.LastRun = new(cashback.Run)
		if !read(runsBucket, numberedKey(r.Number, st.LastRun), p.LastRun) {
			p.LastRun, p.Damaged = nil, true
		}
	}
	return p
}

// SetPublication sets what the operator allows to be shown; an empty mode gives the
// word back to the definition. It works at once: no reader shows what it hides.
func (s *Store) SetPublication(ctx context.Context, portal string, mode cashback.Publication, by, reason string) (err error) {
	defer cashback.Wrap(&err, "set the publication of %s", short(portal))
	switch mode {
	case "", cashback.Public, cashback.RelationOnly, cashback.Private, cashback.Off:
	default:
		return cashback.Errorf(cashback.Invalid, "%q is no publication mode: use public, relation, private or off", short(string(mode)))
	}
	return s.write(ctx, func(t *tx) error {
		was, err := t.portal(portal)
		if err != nil {
			return err
		}
		now := *was
		now.Mode = mode
		if err := t.savePortal(was, &now, by, reason); err != nil {
			return err
		}
		return t.audit(AuditEntry{By: by, What: "publication", Portal: portal, Reason: reason, Before: string(was.effective().Publication), After: string(now.effective().Publication)})
	})
}

// FactsChange is one line of the history of a portal's facts.
type FactsChange struct {
	At time.Time `json:"at" cbor:"1,keyasint"`
	// By is who: an operator, or "definition".
	By     string         `json:"by" cbor:"2,keyasint"`
	Note   string         `json:"note,omitempty" cbor:"3,keyasint,omitempty"`
	Before cashback.Facts `json:"before" cbor:"4,keyasint"`
	After  cashback.Facts `json:"after" cbor:"5,keyasint"`
}

// SaveFacts sets the operator's facts of a portal: those that are stated stand in
// the place of the definition's, the others don't count.
func (s *Store) SaveFacts(ctx context.Context, portal string, edits cashback.Facts, by, note string) (err error) {
	defer cashback.Wrap(&err, "save facts of %s", short(portal))
	return s.editFacts(ctx, portal, by, note, func(now *cashback.Facts) error {
		*now = edits
		return nil
	})
}

// SetFact states one fact of a portal on top of what the operator has stated before:
// its name among cashback.FactNames, its value as one line of text, empty to give the
// word back to the definition, and where and when it was read. A fact that no ranking
// could take is refused with a sentence.
func (s *Store) SetFact(ctx context.Context, portal, name, value string, origin cashback.Origin, by, note string) (err error) {
	defer cashback.Wrap(&err, "state a fact of %s", short(portal))
	return s.editFacts(ctx, portal, by, note, func(edits *cashback.Facts) error {
		return edits.Set(name, value, origin)
	})
}

func (s *Store) editFacts(ctx context.Context, portal, by, note string, edit func(*cashback.Facts) error) error {
	return s.write(ctx, func(t *tx) error {
		was, err := t.portal(portal)
		if err != nil {
			return err
		}
		now := *was
		if err := edit(&now.Edits); err != nil {
			return err
		}
		for _, f := range []*cashback.Fact[cashback.Decimal]{now.Edits.ConfirmRate, now.Edits.UpToShare} {
			if f != nil && f.Origin.Learnt < 1 {
				return cashback.Errorf(cashback.Invalid, "a portal's own claim never counts as an outcome: say how many were observed")
			}
		}
		if err := rank.CheckPortal(now.effective()); err != nil {
			return err
		}
		if err := t.savePortal(was, &now, by, note); err != nil {
			return err
		}
		return t.audit(AuditEntry{By: by, What: "facts", Portal: portal, Reason: note})
	})
}

// FactsHistory lists the changes of a portal's facts, newest first.
func (v *Reader) FactsHistory(ctx context.Context, portal string, limit int) (out []FactsChange, err error) {
	defer cashback.Wrap(&err, "read the facts' history of %s", short(portal))
	err = v.store.read(ctx, func(t *tx) error {
		r, err := v.portal(t, portal)
		if err != nil {
			return err
		}
		return backwards(t, factsBucket, r.Number.key(), func(_ []byte, c *FactsChange) error {
			if len(out) == limit {
				return errStop
			}
			out = append(out, *c)
			return nil
		})
	})
	return out, err
}
