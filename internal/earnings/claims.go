package earnings

import (
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Answered are the events that note a portal's answer to a claim that was sent: the
// answer, and what follows from it. What was missing is listed now, or declined; what
// was credited with too little has another amount. What was paid out stays as it was: a
// portal pays the rest as a line of its own. Amount is what it pays after all: without,
// what was expected; for part it must be stated. The caller gives the events their keys.
//
// Errors: Invalid for a purchase without a claim that waits, and for an amount that is
// missing or more than nothing where it was refused.
func Answered(p Purchase, answer Answer, amount *Amount, at time.Time, note string) ([]Event, error) {
	if p.Claim != ClaimSent {
		return nil, cashback.Errorf(cashback.Invalid, "no claim about purchase %.50s waits for an answer", p.ID)
	}
	if answer == AnswerRefused {
		amount = nil
	} else if amount == nil && answer == AnswerWon {
		if amount = p.Expected; amount == nil {
			amount = p.Amount
		}
	}
	if answer != AnswerRefused && (amount == nil || amount.Minor == 0) {
		return nil, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "amount"}, "say what the portal pays after all")
	}
	event := func(k EventKind) Event {
		return Event{Kind: k, At: at, Purchase: p.ID, Portal: p.Portal, Source: "hand"}
	}
	first := event(ClaimAnswered)
	first.Answer, first.Note = answer, note
	out := []Event{first}
	switch p.State {
	case StateClicked, StateExpected:
		e := event(Declined)
		if amount != nil {
			e = event(Tracked)
			e.Amount = amount
		}
		out = append(out, e)
	case StateDeclined, StateReversed:
		if amount != nil {
			e := event(Tracked)
			e.Amount = amount
			out = append(out, e)
		}
	case StateTracked, StateConfirmed, StatePayable, StateRequested:
		if amount != nil && (p.Amount == nil || *amount != *p.Amount) {
			e := event(AmountChanged)
			e.Amount = amount
			out = append(out, e)
		}
	}
	sim := p
	for i, e := range out {
		e.Key = string(e.Kind)
		after, _, err := Apply(&sim, e)
		if err != nil {
			return nil, err
		}
		sim, out[i].Key = after, ""
	}
	return out, nil
}
