package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// Ledgers keeps what people earn: their events, and beside them the purchases and
// balances that the events fold into, in the same transaction. Every method takes the
// person and reads nothing of anybody else (RELIABILITY.md, L9); what isn't theirs is
// NotFound, as what isn't there.
type Ledgers struct{ store *Store }

// Ledgers returns the part of the store about people's money.
func (s *Store) Ledgers() *Ledgers { return &Ledgers{s} }

// eventRecord is an event under U S: its number is the key's, hashes are bytes, times
// microseconds since 1970.
type eventRecord struct {
	Kind     earnings.EventKind  `cbor:"1,keyasint"`
	At       int64               `cbor:"2,keyasint"`
	Recorded int64               `cbor:"3,keyasint"`
	Purchase string              `cbor:"4,keyasint"`
	Portal   string              `cbor:"5,keyasint"`
	Merchant cashback.MerchantID `cbor:"6,keyasint,omitempty"`
	Shop     string              `cbor:"7,keyasint,omitempty"`
	Amount   *earnings.Amount    `cbor:"8,keyasint,omitempty"`
	Basket   *earnings.Amount    `cbor:"9,keyasint,omitempty"`
	Order    string              `cbor:"10,keyasint,omitempty"`
	External string              `cbor:"11,keyasint,omitempty"`
	For      earnings.RewardFor  `cbor:"12,keyasint,omitempty"`
	Wording  string              `cbor:"13,keyasint,omitempty"`
	Source   string              `cbor:"14,keyasint,omitempty"`
	Implied  bool                `cbor:"15,keyasint,omitempty"`
	Payout   string              `cbor:"16,keyasint,omitempty"`
	Evidence string              `cbor:"17,keyasint,omitempty"`
	Note     string              `cbor:"18,keyasint,omitempty"`
	Business bool                `cbor:"19,keyasint,omitempty"`
	Key      string              `cbor:"20,keyasint"`
	Input    []byte              `cbor:"21,keyasint"`
	Hash     []byte              `cbor:"22,keyasint"`
	Answer   earnings.Answer     `cbor:"23,keyasint,omitempty"`
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("not a hash: " + s) // the ledger makes them
	}
	return b
}

func eventRecordOf(e *earnings.Event) *eventRecord {
	return &eventRecord{
		Kind: e.Kind, At: e.At.UnixMicro(), Recorded: e.Recorded.UnixMicro(), Purchase: e.Purchase, Portal: e.Portal, Merchant: e.Merchant, Shop: e.Shop,
		Amount: e.Amount, Basket: e.Basket, Order: e.Order, External: e.External, For: e.For, Wording: e.Wording, Source: e.Source, Implied: e.Implied,
		Payout: e.Payout, Evidence: e.Evidence, Note: e.Note, Business: e.Business, Key: e.Key, Input: unhex(e.Input), Hash: unhex(e.Hash), Answer: e.Answer,
	}
}

func (r *eventRecord) event(seq uint64) earnings.Event {
	return earnings.Event{
		Seq: seq, Kind: r.Kind, At: time.UnixMicro(r.At).UTC(), Recorded: time.UnixMicro(r.Recorded).UTC(), Purchase: r.Purchase, Portal: r.Portal, Merchant: r.Merchant, Shop: r.Shop,
		Amount: r.Amount, Basket: r.Basket, Order: r.Order, External: r.External, For: r.For, Wording: r.Wording, Source: r.Source, Implied: r.Implied,
		Payout: r.Payout, Evidence: r.Evidence, Note: r.Note, Business: r.Business, Key: r.Key, Input: hex.EncodeToString(r.Input), Hash: hex.EncodeToString(r.Hash), Answer: r.Answer,
	}
}

// purchaseRecord is a purchase under U id.
type purchaseRecord struct {
	Portal   string              `cbor:"1,keyasint"`
	Merchant cashback.MerchantID `cbor:"2,keyasint,omitempty"`
	Shop     string              `cbor:"3,keyasint,omitempty"`
	State    earnings.State      `cbor:"4,keyasint"`
	For      earnings.RewardFor  `cbor:"5,keyasint,omitempty"`
	Expected *earnings.Amount    `cbor:"6,keyasint,omitempty"`
	Amount   *earnings.Amount    `cbor:"7,keyasint,omitempty"`
	Basket   *earnings.Amount    `cbor:"8,keyasint,omitempty"`
	Order    string              `cbor:"9,keyasint,omitempty"`
	External string              `cbor:"10,keyasint,omitempty"`
	Wording  string              `cbor:"11,keyasint,omitempty"`
	Evidence string              `cbor:"12,keyasint,omitempty"`
	Claim    earnings.EventKind  `cbor:"13,keyasint,omitempty"`
	Payout   string              `cbor:"14,keyasint,omitempty"`
	Business bool                `cbor:"15,keyasint,omitempty"`
	Note     string              `cbor:"16,keyasint,omitempty"`
	Donated  string              `cbor:"17,keyasint,omitempty"`
	Bought   int64               `cbor:"18,keyasint,omitempty"`
	// Since has a moment for each of earnings.States; 0 for one that wasn't entered,
	// and ends with the last that was.
	Since  []int64         `cbor:"19,keyasint"`
	Events []uint64        `cbor:"20,keyasint"`
	Answer earnings.Answer `cbor:"21,keyasint,omitempty"`
}

// micros keeps a moment, the zero time as 0; a moment in the first microsecond of 1970
// would be lost, and no portal is that old.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func ofMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func purchaseRecordOf(p *earnings.Purchase) *purchaseRecord {
	r := &purchaseRecord{
		Portal: p.Portal, Merchant: p.Merchant, Shop: p.Shop, State: p.State, For: p.For, Expected: p.Expected, Amount: p.Amount, Basket: p.Basket,
		Order: p.Order, External: p.External, Wording: p.Wording, Evidence: p.Evidence, Claim: p.Claim, Payout: p.Payout, Business: p.Business, Note: p.Note,
		Donated: p.Donated, Bought: micros(p.Bought), Events: p.Events, Answer: p.Answer,
	}
	for i, s := range earnings.States {
		if at, entered := p.Since[s]; entered {
			r.Since = append(r.Since, make([]int64, i+1-len(r.Since))...)
			r.Since[i] = micros(at)
		}
	}
	return r
}

func (r *purchaseRecord) purchase(id string) earnings.Purchase {
	p := earnings.Purchase{
		ID: id, Portal: r.Portal, Merchant: r.Merchant, Shop: r.Shop, State: r.State, For: r.For, Expected: r.Expected, Amount: r.Amount, Basket: r.Basket,
		Order: r.Order, External: r.External, Wording: r.Wording, Evidence: r.Evidence, Claim: r.Claim, Payout: r.Payout, Business: r.Business, Note: r.Note,
		Donated: r.Donated, Bought: ofMicros(r.Bought), Events: r.Events, Answer: r.Answer, Since: make(map[earnings.State]time.Time, 4),
	}
	for i, at := range r.Since {
		if at != 0 && i < len(earnings.States) {
			p.Since[earnings.States[i]] = ofMicros(at)
		}
	}
	return p
}

// headRecord is the end of a person's ledger and what stands there. It is one small
// record: balances are read with one look, whatever the number of events.
type headRecord struct {
	Seq      uint64          `cbor:"1,keyasint"`
	Hash     []byte          `cbor:"2,keyasint"`
	Balances []balanceRecord `cbor:"3,keyasint,omitempty"`
}

type balanceRecord struct {
	_      struct{} `cbor:",toarray"`
	Portal string
	Unit   earnings.Unit
	State  earnings.State
	Minor  int64
}

func (h *headRecord) balances() (out []earnings.Balance) {
	for _, r := range h.Balances {
		out = append(out, earnings.Balance{Portal: r.Portal, Unit: r.Unit, State: r.State, Minor: r.Minor})
	}
	return out
}

func (t *tx) head(u account.UserID) (h headRecord, err error) {
	_, err = t.get(headsBucket, userKey(u), &h)
	return h, err
}

func eventKey(u account.UserID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(userKey(u), seq)
}

func (t *tx) event(u account.UserID, seq uint64) (e earnings.Event, err error) {
	var r eventRecord
	found, err := t.get(ledgerBucket, eventKey(u, seq), &r)
	if err == nil && !found {
		err = cashback.Errorf(cashback.NotFound, "there is no event %d", seq)
	}
	return r.event(seq), err
}

func noPurchase(id string) error {
	return cashback.Errorf(cashback.NotFound, "there is no purchase %.50q", id)
}

func (t *tx) purchase(u account.UserID, id string) (p earnings.Purchase, found bool, err error) {
	var r purchaseRecord
	if len(id) > earnings.MaxName {
		return p, false, nil
	}
	if found, err = t.get(purchasesBucket, ownKey(u, id), &r); found && err == nil {
		p = r.purchase(id)
	}
	return p, found, err
}

// Entry is what goes into a person's ledger in one transaction: all of it or nothing.
type Entry struct {
	Events []earnings.Event
	// Evidence is frozen terms that the events refer to.
	Evidence []earnings.Evidence
	// Documents are kept with the events, each in the place of the one with its kind and
	// name.
	Documents []earnings.Document
	// Import says which file the events came from.
	Import *earnings.Import
	// After, where it isn't nil, is the number of the last event that the caller has
	// seen: a ledger that has moved on is a Conflict. For who has read, decided and
	// then writes.
	After *uint64
}

// Entered is what became of an entry.
type Entered struct {
	// Added are the new events, complete; Known those that were there already under
	// their keys.
	Added, Known []earnings.Event
	// Head is the number of the last event.
	Head uint64
}

// maxEvidence bounds the frozen terms of a person: clicks of a lifetime.
const maxEvidence = 100_000

// Append is Enter for events alone.
func (l *Ledgers) Append(ctx context.Context, user account.UserID, events ...earnings.Event) (Entered, error) {
	return l.Enter(ctx, user, Entry{Events: events})
}

// Enter writes events, with what belongs to them, at the end of a person's ledger.
// It returns when they are on the disk. An event whose key is known with the same
// input isn't written again, so that whoever had no answer may simply ask again.
//
// Errors: NotFound for a person who isn't there, Invalid for an event that the table
// of states doesn't allow (its number in the entry is the place's line), Conflict for
// a key with another input and for a ledger that has moved on.
func (l *Ledgers) Enter(ctx context.Context, user account.UserID, in Entry) (out Entered, err error) {
	defer cashback.Wrap(&err, "write into the ledger of user %d", user)
	now := l.store.now()
	err = l.store.write(ctx, func(t *tx) error {
		out, err = t.enter(user, in, now)
		return err
	})
	if err != nil {
		return Entered{}, err
	}
	return out, nil
}

func (t *tx) enter(user account.UserID, in Entry, now time.Time) (out Entered, err error) {
	if _, err := t.user(user); err != nil {
		return out, err
	}
	h, err := t.head(user)
	if err != nil {
		return out, err
	}
	if in.After != nil && *in.After != h.Seq {
		return out, cashback.Errorf(cashback.Conflict, "the ledger has moved on from event %d to %d: look again", *in.After, h.Seq)
	}
	for _, e := range in.Evidence {
		if err := t.keepEvidence(user, e); err != nil {
			return out, err
		}
	}
	b := &posting{t: t, user: user, head: &h, hash: hex.EncodeToString(h.Hash), now: now, purchases: map[string]*earnings.Purchase{}}
	for i, e := range in.Events {
		e, added, err := b.post(e)
		if err != nil {
			return out, atEvent(err, i, len(in.Events))
		}
		if added {
			out.Added = append(out.Added, e)
		} else {
			out.Known = append(out.Known, e)
		}
	}
	if err := b.finish(len(out.Added)); err != nil {
		return out, err
	}
	for _, d := range in.Documents {
		d.Changed = now.UTC()
		if err := t.putDocument(user, d); err != nil {
			return out, err
		}
	}
	if im := in.Import; im != nil {
		rec := *im
		rec.At, rec.Added, rec.Known = now.UTC(), len(out.Added), len(out.Known)
		if err := t.keepImport(user, rec); err != nil {
			return out, err
		}
	}
	out.Head = h.Seq
	return out, nil
}

// atEvent says which event of several was refused.
func atEvent(err error, i, of int) error {
	if of == 1 {
		return err
	}
	return cashback.ErrorAt(cashback.KindOf(err), cashback.Place{Line: i + 1}, "%w", err)
}

// posting appends to one ledger within a transaction.
type posting struct {
	t         *tx
	user      account.UserID
	head      *headRecord
	hash      string
	now       time.Time
	purchases map[string]*earnings.Purchase // as read or changed
	moves     map[earnings.BalanceKey]int64
}

func (b *posting) post(e earnings.Event) (earnings.Event, bool, error) {
	e, err := e.Stated()
	if err != nil {
		return e, false, err
	}
	if len(e.Key) > earnings.MaxName {
		return e, false, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "key"}, "more than %d bytes of text", earnings.MaxName)
	}
	seq, err := b.t.raw(eventKeysBucket, ownKey(b.user, e.Key))
	if err != nil {
		return e, false, b.t.met(err)
	}
	if len(seq) == 8 {
		there, err := b.t.event(b.user, binary.BigEndian.Uint64(seq))
		if err != nil {
			return e, false, err
		}
		there, err = e.Again(there)
		return there, false, err
	}
	if b.head.Seq >= earnings.MaxEvents {
		return e, false, cashback.Errorf(cashback.Invalid, "the ledger has %d events, the most that one can have", b.head.Seq)
	}
	before, known := b.purchases[e.Purchase]
	if !known {
		p, found, err := b.t.purchase(b.user, e.Purchase)
		if err != nil {
			return e, false, err
		}
		if found {
			before = &p
		}
	}
	e = e.Chained(b.head.Seq+1, b.now, b.hash)
	after, moves, err := earnings.Apply(before, e)
	if err != nil {
		return e, false, err
	}
	if err := b.t.put(ledgerBucket, eventKey(b.user, e.Seq), eventRecordOf(&e)); err != nil {
		return e, false, err
	}
	if err := b.t.putRaw(eventKeysBucket, ownKey(b.user, e.Key), numberKey(e.Seq)); err != nil {
		return e, false, err
	}
	b.head.Seq, b.hash = e.Seq, e.Hash
	b.purchases[e.Purchase] = &after
	if b.moves == nil {
		b.moves = map[earnings.BalanceKey]int64{}
	}
	for _, m := range moves {
		b.moves[earnings.BalanceKey{Portal: m.Portal, Unit: m.Unit, State: m.Account}] += m.Minor
	}
	return e, true, nil
}

// finish writes the purchases that have changed, in order of their keys, and the head.
func (b *posting) finish(added int) error {
	if added == 0 {
		return nil
	}
	for _, id := range sortedKeys(b.purchases) {
		if err := b.t.put(purchasesBucket, ownKey(b.user, id), purchaseRecordOf(b.purchases[id])); err != nil {
			return err
		}
	}
	for _, r := range b.head.Balances {
		b.moves[earnings.BalanceKey{Portal: r.Portal, Unit: r.Unit, State: r.State}] += r.Minor
	}
	b.head.Balances = nil
	for _, s := range earnings.Sums(b.moves) {
		b.head.Balances = append(b.head.Balances, balanceRecord{Portal: s.Portal, Unit: s.Unit, State: s.State, Minor: s.Minor})
	}
	b.head.Hash = unhex(b.hash)
	return b.t.put(headsBucket, userKey(b.user), b.head)
}

func (t *tx) keepEvidence(user account.UserID, e earnings.Evidence) error {
	if _, err := e.Terms(); err != nil {
		return err
	}
	key := append(userKey(user), unhex(e.Hash)...)
	if t.value(evidenceBucket, key) != nil {
		return nil // the same bytes: their hash is the key
	}
	if t.countOf(evidenceBucket, user, maxEvidence) >= maxEvidence {
		return cashback.Errorf(cashback.Invalid, "%d frozen terms are kept, the most that a person can have", maxEvidence)
	}
	return t.putRaw(evidenceBucket, key, e.Document)
}

// countOf counts a person's records in a bucket, up to a number.
func (t *tx) countOf(b bucket, user account.UserID, most int) (n int) {
	prefix := userKey(user)
	c := t.bucket(b).Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix) && n < most; k, _ = c.Next() {
		n++
	}
	return n
}

// maxImports bounds the imports that are remembered of a person; the oldest goes.
const maxImports = 1000

func (t *tx) keepImport(user account.UserID, im earnings.Import) error {
	h, err := hex.DecodeString(im.Hash)
	if err != nil || len(h) != 32 {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "hash"}, "%.20q is not the hash of a file", im.Hash)
	}
	if len(im.Rule) > earnings.MaxName || len(im.Name) > earnings.MaxText {
		return cashback.Errorf(cashback.Invalid, "the name of the rule or the file is too long")
	}
	key := append(userKey(user), h...)
	var before earnings.Import
	if found, err := t.get(importsBucket, key, &before); err == nil && found && im.Added == 0 {
		return nil // the same file again: what stands there says when it was read
	}
	if t.countOf(importsBucket, user, maxImports) >= maxImports {
		have, err := t.imports(user)
		if err != nil {
			return err
		}
		for _, old := range have[:len(have)-maxImports+1] {
			if err := t.drop(importsBucket, append(userKey(user), unhex(old.Hash)...)); err != nil {
				return err
			}
		}
	}
	return t.put(importsBucket, key, &im)
}

// imports are a person's, oldest first.
func (t *tx) imports(user account.UserID) (out []earnings.Import, err error) {
	err = eachOf(t, importsBucket, userKey(user), nil, func(_ []byte, im *earnings.Import) error {
		out = append(out, *im)
		return nil
	})
	slices.SortFunc(out, func(a, b earnings.Import) int { return a.At.Compare(b.At) })
	return out, err
}

// Imports lists what a person has imported, oldest first.
func (l *Ledgers) Imports(ctx context.Context, user account.UserID) (out []earnings.Import, err error) {
	defer cashback.Wrap(&err, "read the imports of user %d", user)
	err = l.store.read(ctx, func(t *tx) error { out, err = t.imports(user); return err })
	return out, err
}

// Head is the number of a person's last event; 0 for an empty ledger.
func (l *Ledgers) Head(ctx context.Context, user account.UserID) (seq uint64, err error) {
	defer cashback.Wrap(&err, "read the ledger of user %d", user)
	err = l.store.read(ctx, func(t *tx) error {
		h, err := t.head(user)
		seq = h.Seq
		return err
	})
	return seq, err
}

// Balances are the sums that aren't zero, by portal, unit and state.
func (l *Ledgers) Balances(ctx context.Context, user account.UserID) (out []earnings.Balance, err error) {
	defer cashback.Wrap(&err, "read the balances of user %d", user)
	err = l.store.read(ctx, func(t *tx) error {
		h, err := t.head(user)
		out = h.balances()
		return err
	})
	return out, err
}

// Events are a person's events after a number, in order; at most limit, 0 for all.
func (l *Ledgers) Events(ctx context.Context, user account.UserID, after uint64, limit int) (out []earnings.Event, err error) {
	defer cashback.Wrap(&err, "read the ledger of user %d", user)
	err = l.store.read(ctx, func(t *tx) error {
		return eachOf(t, ledgerBucket, userKey(user), eventKey(user, after+1), func(key []byte, r *eventRecord) error {
			if limit > 0 && len(out) == limit {
				return errStop
			}
			out = append(out, r.event(numberOf(key)))
			return nil
		})
	})
	return out, err
}

// Ledger folds a person's events anew: for exports and checks. A ledger of which an
// event is damaged is an error, its balances and purchases can still be read.
func (l *Ledgers) Ledger(ctx context.Context, user account.UserID) (*earnings.Ledger, error) {
	events, err := l.Events(ctx, user, 0, 0)
	if err != nil {
		return nil, err
	}
	return earnings.Replay(events)
}

// Filter chooses purchases; what is zero chooses all.
type Filter struct {
	Portal   string
	Merchant cashback.MerchantID
	States   []earnings.State
	// From and Before bound the day of the purchase.
	From, Before time.Time
}

func (f *Filter) takes(p *purchaseRecord) bool {
	return (f.Portal == "" || p.Portal == f.Portal) && (f.Merchant == 0 || p.Merchant == f.Merchant) &&
		(f.States == nil || slices.Contains(f.States, p.State)) &&
		(f.From.IsZero() || p.Bought >= f.From.UnixMicro()) && (f.Before.IsZero() || p.Bought < f.Before.UnixMicro())
}

// Purchases are a person's purchases in order of their first events.
func (l *Ledgers) Purchases(ctx context.Context, user account.UserID, f Filter) (out []earnings.Purchase, err error) {
	defer cashback.Wrap(&err, "read the purchases of user %d", user)
	err = l.store.read(ctx, func(t *tx) error { out, err = t.purchases(user, f); return err })
	return out, err
}

// Book is a person's purchases and balances as of one moment, without a look at the
// events.
func (l *Ledgers) Book(ctx context.Context, user account.UserID) (b earnings.Book, err error) {
	defer cashback.Wrap(&err, "read the ledger of user %d", user)
	err = l.store.read(ctx, func(t *tx) error {
		h, err := t.head(user)
		if err != nil {
			return err
		}
		b.Balances, b.Head = h.balances(), h.Seq
		b.Purchases, err = t.purchases(user, Filter{})
		return err
	})
	return b, err
}

func (t *tx) purchases(user account.UserID, f Filter) (out []earnings.Purchase, err error) {
	err = eachOf(t, purchasesBucket, userKey(user), nil, func(key []byte, r *purchaseRecord) error {
		if f.takes(r) && len(r.Events) > 0 {
			out = append(out, r.purchase(string(key[4:])))
		}
		return nil
	})
	slices.SortFunc(out, func(a, b earnings.Purchase) int {
		if a.Events[0] < b.Events[0] {
			return -1
		}
		return 1
	})
	return out, err
}

// Purchase is one purchase with its events.
func (l *Ledgers) Purchase(ctx context.Context, user account.UserID, id string) (p earnings.Purchase, events []earnings.Event, err error) {
	defer cashback.Wrap(&err, "read a purchase of user %d", user)
	err = l.store.read(ctx, func(t *tx) error {
		found := false
		if p, found, err = t.purchase(user, id); err != nil {
			return err
		}
		if !found {
			return noPurchase(id)
		}
		for _, seq := range p.Events {
			e, err := t.event(user, seq)
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		return nil
	})
	return p, events, err
}

// SaveEvidence keeps frozen terms without an event; Enter keeps both at once.
func (l *Ledgers) SaveEvidence(ctx context.Context, user account.UserID, e earnings.Evidence) error {
	_, err := l.Enter(ctx, user, Entry{Evidence: []earnings.Evidence{e}})
	return err
}

// Evidence is frozen terms by their hash.
func (l *Ledgers) Evidence(ctx context.Context, user account.UserID, hash string) (e earnings.Evidence, err error) {
	defer cashback.Wrap(&err, "read evidence of user %d", user)
	none := cashback.Errorf(cashback.NotFound, "there is no evidence %.8q", hash)
	h, err := hex.DecodeString(hash)
	if err != nil || len(h) != 32 {
		return e, none
	}
	err = l.store.read(ctx, func(t *tx) error {
		doc, err := t.raw(evidenceBucket, append(userKey(user), h...))
		if err != nil {
			return t.met(err)
		}
		if doc == nil {
			return none
		}
		e = earnings.EvidenceOf(clone(doc))
		return nil
	})
	return e, err
}

func documentKey(user account.UserID, kind, name string) []byte {
	return append(append(ownKey(user, kind), 0), name...)
}

// SaveDocument keeps a document of a person in the place of the one with its kind and
// name.
func (l *Ledgers) SaveDocument(ctx context.Context, user account.UserID, d earnings.Document) (err error) {
	defer cashback.Wrap(&err, "keep a document of user %d", user)
	d.Changed = l.store.now().UTC()
	return l.store.write(ctx, func(t *tx) error {
		if _, err := t.user(user); err != nil {
			return err
		}
		return t.putDocument(user, d)
	})
}

func (t *tx) putDocument(user account.UserID, d earnings.Document) error {
	if d.Kind == "" || len(d.Kind) > earnings.MaxName || len(d.Name) > earnings.MaxName || strings.ContainsRune(d.Kind, 0) {
		return cashback.Errorf(cashback.Invalid, "the name of the document has more than %d bytes, or its kind is empty", earnings.MaxName)
	}
	if len(d.Body) > earnings.MaxDocument {
		return cashback.Errorf(cashback.Invalid, "the document has %d bytes, more than %d", len(d.Body), earnings.MaxDocument)
	}
	key := documentKey(user, d.Kind, d.Name)
	if t.value(documentsBucket, key) == nil && t.countOf(documentsBucket, user, earnings.MaxDocuments) >= earnings.MaxDocuments {
		return cashback.Errorf(cashback.Invalid, "%d documents are kept, the most that a person can have: delete one first", earnings.MaxDocuments)
	}
	return t.put(documentsBucket, key, &d)
}

// Document is one document of a person.
func (l *Ledgers) Document(ctx context.Context, user account.UserID, kind, name string) (d earnings.Document, err error) {
	defer cashback.Wrap(&err, "read the %s of user %d", kind, user)
	err = l.store.read(ctx, func(t *tx) error {
		found, err := t.get(documentsBucket, documentKey(user, kind, name), &d)
		if err == nil && !found {
			err = cashback.Errorf(cashback.NotFound, "there is no %.50s %.50q", kind, name)
		}
		return err
	})
	return d, err
}

// Documents are a person's documents of a kind in order of their names; all kinds for
// an empty one.
func (l *Ledgers) Documents(ctx context.Context, user account.UserID, kind string) (out []earnings.Document, err error) {
	defer cashback.Wrap(&err, "read the documents of user %d", user)
	prefix := userKey(user)
	if kind != "" {
		prefix = documentKey(user, kind, "")
	}
	err = l.store.read(ctx, func(t *tx) error {
		return eachOf(t, documentsBucket, prefix, nil, func(_ []byte, d *earnings.Document) error {
			out = append(out, *d)
			return nil
		})
	})
	return out, err
}

// Aside are the ids of the alerts that a person has put aside, the latest last.
func (l *Ledgers) Aside(ctx context.Context, user account.UserID) (ids []string, err error) {
	defer cashback.Wrap(&err, "read what user %d has put aside", user)
	err = l.store.read(ctx, func(t *tx) error {
		ids, err = t.aside(user)
		return err
	})
	return ids, err
}

func (t *tx) aside(user account.UserID) (ids []string, err error) {
	var d earnings.Document
	found, err := t.get(documentsBucket, documentKey(user, earnings.AsideKind, earnings.AsideKind), &d)
	if err == nil && found {
		err = json.Unmarshal(d.Body, &ids)
	}
	return ids, err
}

// PutAside puts an alert aside, or brings it back.
func (l *Ledgers) PutAside(ctx context.Context, user account.UserID, id string, aside bool) (err error) {
	defer cashback.Wrap(&err, "put something of user %d aside", user)
	now := l.store.now().UTC()
	return l.store.write(ctx, func(t *tx) error {
		if _, err := t.user(user); err != nil {
			return err
		}
		ids, err := t.aside(user)
		if err != nil {
			return err
		}
		ids = slices.DeleteFunc(ids, func(x string) bool { return x == id })
		if aside {
			ids = append(ids, id)
		}
		ids = ids[max(0, len(ids)-earnings.MaxAside):]
		body, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		return t.putDocument(user, earnings.Document{Kind: earnings.AsideKind, Name: earnings.AsideKind, Body: body, Changed: now})
	})
}

// DropDocument removes a document; NotFound where there is none.
func (l *Ledgers) DropDocument(ctx context.Context, user account.UserID, kind, name string) (err error) {
	defer cashback.Wrap(&err, "delete the %s of user %d", kind, user)
	return l.store.write(ctx, func(t *tx) error {
		key := documentKey(user, kind, name)
		if t.value(documentsBucket, key) == nil {
			return cashback.Errorf(cashback.NotFound, "there is no %.50s %.50q", kind, name)
		}
		return t.drop(documentsBucket, key)
	})
}
