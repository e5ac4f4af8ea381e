package pages

import (
	"time"

	"github.com/cagnotte/cagnotte/internal/earnings"
)

// PayoutsView is what portals have paid, and the search for what a payout was for.
type PayoutsView struct {
	Form    Form
	Portals []Param
	Payouts []earnings.PaidOut
	// What the form states.
	Portal, Amount, Date, Name, To string
	// Match is what was found for it, nil while nothing is asked; Lines are those that
	// may be chosen, Chosen those that are.
	Match  *earnings.PayoutMatch
	Paid   earnings.Amount
	Lines  []earnings.Purchase
	Chosen []string

	PortalName func(id string) string
	Seen       uint64
	Today      string
	Now        time.Time
}
