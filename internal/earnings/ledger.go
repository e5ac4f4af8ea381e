package earnings

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Purchase is an entry of the ledger as its events have made it.
type Purchase struct {
	ID       string              `json:"id"`
	Portal   string              `json:"portal"`
	Merchant cashback.MerchantID `json:"merchant,omitempty"`
	Shop     string              `json:"shop,omitempty"`
	State    State               `json:"state"`
	For      RewardFor           `json:"for"`
	// Expected is what the shopper reckoned with, Amount what the portal says (or the
	// expectation while it says nothing).
	Expected *Amount   `json:"expected,omitempty"`
	Amount   *Amount   `json:"amount,omitempty"`
	Basket   *Amount   `json:"basket,omitempty"`
	Order    string    `json:"order,omitempty"`
	External string    `json:"external,omitempty"`
	Wording  string    `json:"wording,omitempty"`
	Evidence string    `json:"evidence,omitempty"`
	Claim    EventKind `json:"claim,omitempty"`
	// Answer is what the portal said to the last claim that it has answered.
	Answer   Answer `json:"answer,omitempty"`
	Payout   string `json:"payout,omitempty"`
	Business bool   `json:"business,omitempty"`
	Note     string `json:"note,omitempty"`
	// Since is the moment of each state that was entered, the first time.
	Since map[State]time.Time `json:"since"`
	// Bought is the day of the purchase: of the expectation, else the click, else the
	// tracked line.
	Bought time.Time `json:"bought"`
	// Donated names the association.
	Donated string `json:"donated,omitempty"`
	// Events are the numbers of the events that made it.
	Events []uint64 `json:"events"`
}

// Day is the day of a purchase in a zone; nil is UTC. A list states days alone: they are
// kept as midnight in UTC, and are that day everywhere.
func (p *Purchase) Day(zone *time.Location) cashback.Date {
	day := cashback.DateOf(p.Bought.UTC())
	if zone == nil || p.Bought.IsZero() || p.Bought.Equal(day.Time()) {
		return day
	}
	return cashback.DateOf(p.Bought.In(zone))
}

// Posting moves an amount from one account to another within a portal; an event's
// postings sum to nothing in every unit (L1).
type Posting struct {
	Portal string
	Unit   Unit
	// Account is a State, or Outside for what hasn't been promised yet.
	Account State
	Minor   int64
}

// Outside is the account that money comes from before anybody has promised it.
const Outside State = "outside"

// BalanceKey is what balances are kept by.
type BalanceKey struct {
	Portal string
	Unit   Unit
	State  State
}

// Ledger is one person's events, folded.
type Ledger struct {
	events    []Event
	purchases map[string]*Purchase
	order     []string // purchase ids in order of their first event
	keys      map[string]int
	balances  map[BalanceKey]int64
}

// NewLedger is an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{purchases: map[string]*Purchase{}, keys: map[string]int{}, balances: map[BalanceKey]int64{}}
}

// Replay folds stored events; it refuses a gap, a broken chain or an illegal step,
// naming the event's number.
func Replay(events []Event) (*Ledger, error) {
	l := NewLedger()
	for i, e := range events {
		if e.Seq != uint64(i)+1 {
			return nil, cashback.Errorf(cashback.Internal, "event %d stands in the place of %d", e.Seq, i+1)
		}
		if want := e.chainHash(l.lastHash()); want != e.Hash {
			return nil, cashback.Errorf(cashback.Internal, "event %d does not match the chain of hashes", e.Seq)
		}
		if err := l.apply(e); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Append checks an event, completes it (number, hashes) and folds it in. A key that
// is known with the same input returns the event that is there already, and false.
//
// Errors: Invalid for what the table doesn't allow or an amount out of bounds;
// Conflict for a known key with another input.
func (l *Ledger) Append(e Event, recorded time.Time) (Event, bool, error) {
	e, err := e.Stated()
	if err != nil {
		return e, false, err
	}
	if at, known := l.keys[e.Key]; known {
		there, err := e.Again(l.events[at])
		return there, false, err
	}
	e = e.Chained(uint64(len(l.events))+1, recorded, l.lastHash())
	if err := l.apply(e); err != nil {
		return e, false, err
	}
	return e, true, nil
}

func keyTaken(key string) error {
	return cashback.Errorf(cashback.Conflict, "the key %.50q was used for another event", key)
}

func (l *Ledger) lastHash() string {
	if len(l.events) == 0 {
		return ""
	}
	return l.events[len(l.events)-1].Hash
}

// apply folds a complete event in, or leaves the ledger as it was.
func (l *Ledger) apply(e Event) error {
	after, moves, err := Apply(l.purchases[e.Purchase], e)
	if err != nil {
		return err
	}
	for _, m := range moves {
		l.balances[BalanceKey{m.Portal, m.Unit, m.Account}] += m.Minor
	}
	if len(after.Events) == 1 {
		l.order = append(l.order, e.Purchase)
	}
	l.purchases[e.Purchase] = &after
	l.keys[e.Key] = len(l.events)
	l.events = append(l.events, e)
	return nil
}

// Apply is one step of the fold: what a purchase (nil for one that isn't there yet)
// becomes by a complete event, and what moves between the accounts. Whoever keeps
// purchases and balances beside the events keeps them by this.
//
// Errors: Invalid for what the table doesn't allow or an amount out of bounds.
func Apply(before *Purchase, e Event) (after Purchase, moves []Posting, err error) {
	if err := check(e); err != nil {
		return after, nil, err
	}
	p := before
	if p == nil {
		p = &Purchase{ID: e.Purchase, Portal: e.Portal, For: ForPurchase}
	}
	if p.Portal != e.Portal {
		return after, nil, cashback.Errorf(cashback.Invalid, "purchase %s belongs to %s, not to %s", e.Purchase, p.Portal, e.Portal)
	}
	if len(p.Events) >= MaxSteps {
		return after, nil, cashback.Errorf(cashback.Invalid, "purchase %s has %d events, the most that one can have", e.Purchase, len(p.Events))
	}
	next, err := nextState(p, e)
	if err != nil {
		return after, nil, err
	}
	if e.Amount != nil && p.Amount != nil && p.Amount.Unit != e.Amount.Unit && p.State != StateExpected && p.State != StateClicked {
		return after, nil, cashback.Errorf(cashback.Invalid, "purchase %s is counted in %s, not in %s", e.Purchase, p.Amount.Unit, e.Amount.Unit)
	}
	after = *p
	fold(&after, e, next)
	after.Events = append(slices.Clip(p.Events), e.Seq)
	after.Since = maps.Clone(p.Since)
	if after.Since == nil {
		after.Since = map[State]time.Time{}
	}
	if e.Kind == PayoutUndone { // what was noted wrongly hasn't been
		for _, s := range []State{StateRequested, StatePaid, StateDonated} {
			delete(after.Since, s)
		}
	}
	if _, entered := after.Since[next]; !entered {
		after.Since[next] = e.At
	}
	return after, postings(*p, after), nil
}

// Bounds on what a person's ledger takes. A key of the store can't be longer than
// 32 KiB; years above 9999 have no form in JSON (RFC 3339), and before 1990 no portal was.
const (
	MaxText = 2000 // bytes of a free text
	MaxName = 200  // bytes of what is looked up by: purchase, portal, key, …
	// MaxSteps bounds the events of one purchase: what a portal changes daily for
	// two years stays below it.
	MaxSteps = 1000
)

func check(e Event) error {
	if e.Purchase == "" || e.Portal == "" {
		return cashback.Errorf(cashback.Invalid, "an event needs a purchase and a portal")
	}
	if y := e.At.Year(); y < 1990 || y > 9999 {
		return cashback.Errorf(cashback.Invalid, "an event needs a date, of 1990 or later")
	}
	if _, claim := claims[e.Kind]; claim && e.Amount != nil {
		// Else a claim could make more payable than was confirmed (L10), or change what
		// is paid.
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "amount"}, "a claim moves no money: what the portal pays after all is an event of its own")
	}
	if e.Answer != "" && (e.Kind != ClaimAnswered || !slices.Contains(Answers, e.Answer)) {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "answer"}, "%.20q is not an answer to a claim", e.Answer)
	}
	for _, a := range []struct {
		name string
		*Amount
	}{{"amount", e.Amount}, {"basket", e.Basket}} {
		if a.Amount == nil {
			continue
		}
		if a.Unit == "" || len(a.Unit) > MaxName || !utf8.ValidString(string(a.Unit)) || a.Minor < 0 || a.Minor > MaxMinor {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: a.name}, "%d %.20q is not an amount that can be kept: from 0 to %d in the smallest unit, with a currency", a.Minor, a.Unit, int64(MaxMinor))
		}
	}
	for _, t := range []struct {
		name, text string
		most       int
	}{
		{"purchase", e.Purchase, MaxName}, {"portal", e.Portal, MaxName}, {"key", e.Key, MaxName}, {"source", e.Source, MaxName},
		{"payout", e.Payout, MaxName}, {"evidence", e.Evidence, MaxName}, {"kind", string(e.Kind), MaxName}, {"for", string(e.For), MaxName},
		{"shop", e.Shop, MaxText}, {"order", e.Order, MaxText}, {"note", e.Note, MaxText}, {"wording", e.Wording, MaxText}, {"external", e.External, MaxText},
	} {
		if len(t.text) > t.most {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: t.name}, "more than %d bytes of text", t.most)
		}
		if !utf8.ValidString(t.text) {
			// JSON couldn't carry it, and the export would differ from the ledger (L8).
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: t.name}, "the text isn't UTF-8")
		}
	}
	return nil
}

func nextState(p *Purchase, e Event) (State, error) {
	if c, ok := claims[e.Kind]; ok {
		if !slices.Contains(c.from, p.Claim) || c.in != nil && !slices.Contains(c.in, p.State) || p.State == StateNone {
			return p.State, cashback.Errorf(cashback.Invalid, "a claim can't be %s: the purchase is %s, its claim %s", strings.TrimPrefix(string(e.Kind), "claim_"), word(string(p.State)), word(string(p.Claim)))
		}
		return p.State, nil
	}
	next, ok := transitions[p.State][e.Kind]
	if !ok {
		return p.State, cashback.Errorf(cashback.Invalid, "a purchase that is %s can't become %s", word(string(p.State)), e.Kind)
	}
	switch {
	case e.Kind == AmountChanged && e.Amount == nil:
		return p.State, cashback.Errorf(cashback.Invalid, "a changed amount must be stated")
	case next != StateClicked && next != StateExpected && p.Amount == nil && e.Amount == nil && next != StateDeclined:
		return p.State, cashback.Errorf(cashback.Invalid, "a purchase that is %s needs an amount", next)
	case settles[e.Kind] && e.Amount != nil && *e.Amount != *p.Amount:
		// Else more could become payable than was confirmed (L10).
		return p.State, cashback.Errorf(cashback.Invalid, "an amount that differs from what was confirmed must be stated as changed first")
	}
	return next, nil
}

func word(s string) string {
	if s == "" {
		return "not there"
	}
	return s
}

func fold(p *Purchase, e Event, next State) {
	if e.Merchant != 0 {
		p.Merchant = e.Merchant
	}
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	set(&p.Shop, e.Shop)
	set(&p.Order, e.Order)
	set(&p.External, e.External)
	set(&p.Wording, e.Wording)
	set(&p.Evidence, e.Evidence)
	set(&p.Payout, e.Payout)
	set(&p.Note, e.Note)
	p.Business = p.Business || e.Business
	if e.Basket != nil {
		b := *e.Basket
		p.Basket = &b
	}
	switch e.Kind {
	case JoinBonus:
		p.For = ForSignUp
	case Referral:
		p.For = ForReferral
	case Donation:
		p.Donated = e.Note
	case PayoutUndone:
		if p.Note == p.Donated {
			p.Note = e.Note // it named the association
		}
		p.Payout, p.Donated = "", ""
	case ClaimOpened, ClaimSent, ClaimAnswered:
		p.Claim = e.Kind
		if e.Kind == ClaimOpened {
			p.Answer = ""
		}
	}
	if e.Answer != "" {
		p.Answer = e.Answer
	}
	if e.For != "" {
		p.For = e.For
	}
	if e.Amount != nil {
		a := *e.Amount
		p.Amount = &a
		if next == StateExpected || next == StateClicked {
			p.Expected = &a
		}
	}
	switch e.Kind {
	case Clicked, Expected:
		p.Bought = e.At
	case Tracked, JoinBonus, Referral:
		if p.Bought.IsZero() {
			p.Bought = e.At
		}
	}
	p.State = next
}

// postings are the moves between two forms of a purchase. A click without an amount
// moves nothing; an amount that changes comes from, or goes back to, Outside.
func postings(before, after Purchase) []Posting {
	var out []Posting
	put := func(p Purchase, sign int64) {
		if p.State == StateNone || p.Amount == nil || p.Amount.Minor == 0 {
			return
		}
		out = append(out,
			Posting{p.Portal, p.Amount.Unit, p.State, sign * p.Amount.Minor},
			Posting{p.Portal, p.Amount.Unit, Outside, -sign * p.Amount.Minor})
	}
	same := before.State == after.State && (before.Amount == nil) == (after.Amount == nil) && (before.Amount == nil || *before.Amount == *after.Amount)
	if same {
		return nil
	}
	put(before, -1)
	put(after, 1)
	return out
}

// Events returns a copy of the events from a number on.
func (l *Ledger) Events(after uint64) []Event {
	if after >= uint64(len(l.events)) {
		return nil
	}
	return slices.Clone(l.events[after:])
}

// Len is the number of events.
func (l *Ledger) Len() int { return len(l.events) }

// Purchase returns a copy of an entry; a NotFound error for one that isn't there.
func (l *Ledger) Purchase(id string) (Purchase, error) {
	p := l.purchases[id]
	if p == nil {
		return Purchase{}, cashback.Errorf(cashback.NotFound, "there is no purchase %q", id)
	}
	return *p, nil
}

// Purchases returns copies of all entries, oldest first event first.
func (l *Ledger) Purchases() []Purchase {
	out := make([]Purchase, 0, len(l.order))
	for _, id := range l.order {
		out = append(out, *l.purchases[id])
	}
	return out
}

// Balance is one sum.
type Balance struct {
	Portal string `json:"portal"`
	Unit   Unit   `json:"unit"`
	State  State  `json:"state"`
	Minor  int64  `json:"minor"`
}

// Balances are the sums that aren't zero, by portal, unit and state.
func (l *Ledger) Balances() []Balance { return Sums(l.balances) }

// Sums are the balances that aren't zero, without Outside, by portal, unit and state.
func Sums(balances map[BalanceKey]int64) []Balance {
	var out []Balance
	for k, v := range balances {
		if v != 0 && k.State != Outside {
			out = append(out, Balance{k.Portal, k.Unit, k.State, v})
		}
	}
	slices.SortFunc(out, func(a, b Balance) int {
		if c := strings.Compare(a.Portal, b.Portal); c != 0 {
			return c
		}
		if c := strings.Compare(string(a.Unit), string(b.Unit)); c != 0 {
			return c
		}
		return slices.Index(States, a.State) - slices.Index(States, b.State)
	})
	return out
}

// BalanceOf is one sum, in minor units.
func (l *Ledger) BalanceOf(portal string, u Unit, s State) int64 {
	return l.balances[BalanceKey{portal, u, s}]
}
