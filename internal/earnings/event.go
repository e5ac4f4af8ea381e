// Package earnings is the shopper's ledger: every purchase from the click to the
// bank, as events that are only ever appended.
//
// Its one invariant: a balance is a fold of events and nothing else. No event
// changes once it is written; a correction is a new event. The ten invariants of
// RELIABILITY.md are functions here (Ledger.Check), run by the tests, by
// `cagnotte check` and after every simulated crash.
//
// The package is pure: it reads no clock, no disk and no network. Imports, matching,
// reminders and exports take what they need and return what should be done.
package earnings

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Unit is what an amount is counted in: an ISO 4217 code, or "points:" and the
// portal's word for its points. Points are never added to money; they are valued
// when they are read.
type Unit string

// PointsOf is the unit of a portal's points.
func PointsOf(word string) Unit { return Unit("points:" + word) }

// Points reports the points' word, if the unit is points.
func (u Unit) Points() (word string, ok bool) { return strings.CutPrefix(string(u), "points:") }

// Digits is the number of decimals that a minor unit stands for: the currency's, and
// 2 for points, since some portals credit halves.
func (u Unit) Digits() int {
	if _, ok := u.Points(); ok {
		return 2
	}
	return cashback.Currency(u).Digits()
}

// Amount is a number of minor units.
type Amount struct {
	Minor int64 `json:"minor" cbor:"1,keyasint"`
	Unit  Unit  `json:"unit" cbor:"2,keyasint"`
}

// AmountOf is money as an amount.
func AmountOf(m cashback.Money) Amount { return Amount{m.Minor, Unit(m.Currency)} }

// Money is the amount as money; false for points.
func (a Amount) Money() (cashback.Money, bool) {
	if _, points := a.Unit.Points(); points || a.Unit == "" {
		return cashback.Money{}, false
	}
	return cashback.Money{Minor: a.Minor, Currency: cashback.Currency(a.Unit)}, true
}

// MaxMinor bounds an amount, so that no sum of a person's events can overflow.
const MaxMinor = 1_000_000_000_000

// EventKind is what happened.
type EventKind string

const (
	// Clicked: the shopper went to the portal; the terms were frozen as evidence.
	Clicked EventKind = "clicked"
	// Expected: the shopper said what was bought; Basket and Amount hold it.
	Expected EventKind = "expected"
	// Tracked: the portal lists the purchase.
	Tracked       EventKind = "tracked"
	AmountChanged EventKind = "amount_changed"
	// Confirmed: the shop has agreed; the portal doesn't have the money yet.
	Confirmed EventKind = "confirmed"
	// Payable: the shopper may ask for it.
	Payable         EventKind = "payable"
	PayoutRequested EventKind = "payout_requested"
	Paid            EventKind = "paid"
	Declined        EventKind = "declined"
	// Reversed: taken back after it was confirmed, payable or paid.
	Reversed EventKind = "reversed"
	// PayoutUndone: a payout, a gift or a request was noted wrongly; the line is payable as
	// it was before.
	PayoutUndone EventKind = "payout_undone"
	// ClaimOpened, ClaimSent and ClaimAnswered run beside the state of a purchase; an
	// answer says which (Event.Answer).
	ClaimOpened   EventKind = "claim_opened"
	ClaimSent     EventKind = "claim_sent"
	ClaimAnswered EventKind = "claim_answered"
	// Donation: what was payable went to an association (Note names it).
	Donation EventKind = "donation"
	// JoinBonus and Referral start an entry that isn't a purchase.
	JoinBonus EventKind = "join_bonus"
	Referral  EventKind = "referral"
)

// Answer is what a portal has answered to a claim.
type Answer string

const (
	// AnswerWon: it pays what was claimed; AnswerPart: some of it; AnswerRefused: nothing.
	AnswerWon     Answer = "won"
	AnswerPart    Answer = "part"
	AnswerRefused Answer = "refused"
)

// Answers are all of them.
var Answers = []Answer{AnswerWon, AnswerPart, AnswerRefused}

// RewardFor is what an entry was earned for: only purchase rebates say anything
// about a shop's rate.
type RewardFor string

const (
	ForPurchase RewardFor = "purchase"
	ForSignUp   RewardFor = "sign_up"
	ForReferral RewardFor = "referral"
	ForOther    RewardFor = "other"
)

// Event is one line of a person's ledger.
type Event struct {
	// Seq counts the person's events from 1 without a gap.
	Seq  uint64    `json:"seq" cbor:"1,keyasint"`
	Kind EventKind `json:"kind" cbor:"2,keyasint"`
	// At is when it happened as far as known; Recorded when it was written. The
	// order is Seq's, never the clock's.
	At       time.Time `json:"at" cbor:"3,keyasint"`
	Recorded time.Time `json:"recorded" cbor:"4,keyasint"`
	// Purchase names the entry that the event belongs to, within the person.
	Purchase string              `json:"purchase" cbor:"5,keyasint"`
	Portal   string              `json:"portal" cbor:"6,keyasint"`
	Merchant cashback.MerchantID `json:"merchant,omitempty" cbor:"7,keyasint,omitempty"`
	// Shop is the shop's name as the portal or the shopper wrote it.
	Shop string `json:"shop,omitempty" cbor:"8,keyasint,omitempty"`
	// Amount is the cashback after the event; absent where the event doesn't state
	// one and the amount stays.
	Amount *Amount `json:"amount,omitempty" cbor:"9,keyasint,omitempty"`
	// Basket is what was paid at the shop.
	Basket *Amount `json:"basket,omitempty" cbor:"10,keyasint,omitempty"`
	Order  string  `json:"order,omitempty" cbor:"11,keyasint,omitempty"`
	// External is the portal's own id for the line, or what stands for it.
	External string    `json:"external,omitempty" cbor:"12,keyasint,omitempty"`
	For      RewardFor `json:"for,omitempty" cbor:"13,keyasint,omitempty"`
	// Wording is the portal's own word for the state.
	Wording string `json:"wording,omitempty" cbor:"14,keyasint,omitempty"`
	// Source says where the event came from: "click", "hand", "import:RULE",
	// "payout:ID". Implied marks a step that a portal's list skipped.
	Source  string `json:"source" cbor:"15,keyasint"`
	Implied bool   `json:"implied,omitempty" cbor:"16,keyasint,omitempty"`
	// Payout groups the lines that were paid out together.
	Payout string `json:"payout,omitempty" cbor:"17,keyasint,omitempty"`
	// Evidence is the hash of the frozen terms, kept beside the ledger.
	Evidence string `json:"evidence,omitempty" cbor:"18,keyasint,omitempty"`
	Note     string `json:"note,omitempty" cbor:"19,keyasint,omitempty"`
	Business bool   `json:"business,omitempty" cbor:"20,keyasint,omitempty"`
	// Key makes writing idempotent: the same key with the same input is the same
	// event, with another input a conflict.
	Key   string `json:"key" cbor:"21,keyasint"`
	Input string `json:"input" cbor:"22,keyasint"`
	// Hash chains the events of a person: H(previous hash ‖ this event).
	Hash string `json:"hash" cbor:"23,keyasint"`
	// Answer is that of a ClaimAnswered, where it is known.
	Answer Answer `json:"answer,omitempty" cbor:"24,keyasint,omitempty"`
}

// canonical encodes deterministically, so that hashes mean something.
var canonical = func() cbor.EncMode {
	m, err := cbor.EncOptions{Sort: cbor.SortCoreDeterministic, Time: cbor.TimeUnixMicro, TimeTag: cbor.EncTagNone}.EncMode()
	if err != nil {
		panic(err) // fixed options
	}
	return m
}()

// inputHash is over what a caller states, without what the ledger adds.
func (e Event) inputHash() string {
	e.Seq, e.Recorded, e.Input, e.Hash = 0, time.Time{}, "", ""
	return digest(e)
}

// Stated is the event as its caller states it, with the hash of that; Invalid
// without a key. Times are kept to the microsecond.
func (e Event) Stated() (Event, error) {
	if e.Key == "" {
		return e, cashback.Errorf(cashback.Invalid, "an event needs an idempotency key")
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Input = e.inputHash()
	return e, nil
}

// Again answers a stated event whose key is known from an event that is there: the
// same one, or a Conflict.
func (e Event) Again(there Event) (Event, error) {
	if e.Input != there.Input {
		return e, keyTaken(e.Key)
	}
	return there, nil
}

// Chained completes a stated event with its number and what links it to the event
// before it.
func (e Event) Chained(seq uint64, recorded time.Time, previous string) Event {
	e.Seq, e.Recorded = seq, recorded.UTC().Truncate(time.Microsecond)
	e.Hash = e.chainHash(previous)
	return e
}

func (e Event) chainHash(previous string) string {
	e.Hash = previous
	return digest(e)
}

func digest(e Event) string {
	b, err := canonical.Marshal(e)
	if err != nil {
		panic(err) // plain fields always encode
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// State is where a purchase's money is.
type State string

const (
	StateNone      State = ""
	StateClicked   State = "clicked"
	StateExpected  State = "expected"
	StateTracked   State = "tracked"
	StateConfirmed State = "confirmed"
	StatePayable   State = "payable"
	StateRequested State = "requested"
	StatePaid      State = "paid"
	StateDonated   State = "donated"
	StateDeclined  State = "declined"
	StateReversed  State = "reversed"
)

// States in the order in which money moves, for tables and charts.
var States = []State{StateClicked, StateExpected, StateTracked, StateConfirmed, StatePayable, StateRequested, StatePaid, StateDonated, StateDeclined, StateReversed}

// transitions is the one table of legal steps. What isn't in it is refused.
var transitions = map[State]map[EventKind]State{
	StateNone: {
		Clicked: StateClicked, Expected: StateExpected, Tracked: StateTracked, JoinBonus: StateTracked, Referral: StateTracked,
	},
	StateClicked: {
		Expected: StateExpected, Tracked: StateTracked, Declined: StateDeclined,
	},
	StateExpected: {
		Expected: StateExpected, Tracked: StateTracked, AmountChanged: StateExpected, Declined: StateDeclined,
	},
	StateTracked: {
		AmountChanged: StateTracked, Confirmed: StateConfirmed, Declined: StateDeclined,
	},
	StateConfirmed: {
		AmountChanged: StateConfirmed, Payable: StatePayable, Declined: StateDeclined, Reversed: StateReversed,
	},
	StatePayable: {
		AmountChanged: StatePayable, PayoutRequested: StateRequested, Donation: StateDonated, Reversed: StateReversed,
	},
	StateRequested: {
		AmountChanged: StateRequested, Paid: StatePaid, Donation: StateDonated,
		// A payout that bounced is payable again.
		Payable: StatePayable, PayoutUndone: StatePayable, Reversed: StateReversed,
	},
	StatePaid:     {PayoutUndone: StatePayable, Reversed: StateReversed},
	StateDonated:  {PayoutUndone: StatePayable, Reversed: StateReversed},
	StateDeclined: {Tracked: StateTracked},
	StateReversed: {Tracked: StateTracked},
}

// settles are the kinds that pass on what was confirmed, at that amount.
var settles = map[EventKind]bool{Payable: true, PayoutRequested: true, Paid: true, Donation: true, PayoutUndone: true}

// ladder is the way of money step by step; an import that skips rungs has them
// implied, so that conservation (L10) can be checked.
var ladder = []struct {
	state State
	kind  EventKind
}{
	{StateTracked, Tracked}, {StateConfirmed, Confirmed}, {StatePayable, Payable}, {StateRequested, PayoutRequested}, {StatePaid, Paid},
}

// Steps are the kinds of events that lead from one state to another along the
// table; false where there is no way.
func Steps(from, to State) ([]EventKind, bool) {
	if from == to {
		return nil, true
	}
	if to == StateDeclined || to == StateReversed {
		kind := EventKind(to)
		if _, ok := transitions[from][kind]; ok {
			return []EventKind{kind}, true
		}
		if from == StateNone && to == StateDeclined {
			return []EventKind{Tracked, Declined}, true
		}
		// "Declined" after it was payable is a reversal in this ledger's words.
		if to == StateDeclined {
			if _, ok := transitions[from][Reversed]; ok {
				return []EventKind{Reversed}, true
			}
		}
		return nil, false
	}
	rung := func(s State) int {
		for i, l := range ladder {
			if l.state == s {
				return i
			}
		}
		return -1
	}
	goal, at := rung(to), rung(from)
	if goal < 0 || from == StateDonated || goal <= at && from != StateRequested {
		return nil, false
	}
	if from == StateRequested && to == StatePayable {
		return []EventKind{Payable}, true
	}
	var kinds []EventKind
	for _, l := range ladder[at+1 : max(goal+1, at+1)] {
		kinds = append(kinds, l.kind)
	}
	return kinds, len(kinds) > 0
}

// claims is the side table: a claim is opened, sent and answered. What was credited with
// too little, or taken back, may be claimed after it was paid out.
var claims = map[EventKind]struct {
	from []EventKind // the claim's previous event; empty string for none
	in   []State
}{
	ClaimOpened:   {[]EventKind{"", ClaimAnswered}, []State{StateClicked, StateExpected, StateTracked, StateConfirmed, StatePayable, StateRequested, StatePaid, StateDeclined, StateReversed}},
	ClaimSent:     {[]EventKind{ClaimOpened}, nil},
	ClaimAnswered: {[]EventKind{ClaimSent}, nil},
}
