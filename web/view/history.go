package view

import (
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// History is how a shop's rates moved. Worths are what a rate surely pays for a
// basket of 100, in minor units of Currency: before VAT, caps and payout.
type History struct {
	Currency cashback.Currency
	// From is where the drawing begins: a year ago, or when the first rate was recorded.
	// Since is when that was.
	From, Since, Now time.Time
	// Best is the best of all portals over time: each step lasts until the next. The
	// first one is in force at From.
	Best []Step100
	// Top is the best ever, nil where nothing had a value.
	Top *PastRate
	// Today is the best that is in force; Lower the share of the recorded time since
	// From, in percent, in which the best was lower than today's, Higher that in which
	// it was higher.
	Today         int64
	Lower, Higher int
	// Rates are what was published, portal by portal, newest first; Left how many more
	// there are than are listed.
	Rates []PastRate
	Left  int
}

// Step100 is a worth from a moment on.
type Step100 struct {
	At    time.Time
	Worth int64
}

// PastRate is a rate as it was published from its first to its last moment; To is
// zero while it is in force.
type PastRate struct {
	Portal, PortalName string
	From, To           time.Time
	RawText            string
	// Worth is meaningful where Valued.
	Worth  int64
	Valued bool
}

// Money is a worth as money.
func (h *History) Money(worth int64) cashback.Money {
	return cashback.Money{Minor: worth, Currency: h.Currency}
}
