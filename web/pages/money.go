package pages

import (
	"net/url"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/web/locale"
)

// PurchaseView is one purchase with all that is known of it.
type PurchaseView struct {
	earnings.Purchase
	PortalName string
	// Slug is the shop's page, where the shop is known.
	Slug   string
	Events []earnings.Event
	// Terms are what the portal promised at the click, nil where nothing was frozen.
	Terms *earnings.Terms
	// Currency is what amounts are asked for in.
	Currency cashback.Currency
	// Next are the states that the portal may have moved it to.
	Next []earnings.State
	// Seen is the number of the last event that the page knows.
	Seen uint64
	// Alerts are what there is to see to about it.
	Alerts []earnings.Alert
	// Complete, Move and Answer are the forms, as they were refused.
	Complete, Move, Answer Form
	Now                    time.Time
}

// Open says that the shopper has still to say what was bought.
func (p *PurchaseView) Open() bool {
	return p.State == earnings.StateClicked || p.State == earnings.StateExpected
}

// PurchaseLine is a purchase in a list.
type PurchaseLine struct {
	earnings.Purchase
	PortalName string
}

// PurchasesView is the list of a person's purchases.
type PurchasesView struct {
	Lines []PurchaseLine
	Total int
	// Portals and Years are what there is to choose from.
	Portals     []Param
	Years       []string
	Portal      string
	State, Year string
	Page, Pages int
	Now         time.Time
}

// LeaveView is the page that stands between here and the portal.
type LeaveView struct {
	Purchase   string
	Shop       string
	PortalName string
	Link       string
	Terms      earnings.Terms
}

// NewPurchaseView asks for a purchase that wasn't begun here.
type NewPurchaseView struct {
	Form    Form
	Portals []Param
	Today   string
}

// Amount is an amount of the ledger: money, or a portal's points.
func (c Chrome) Amount(a earnings.Amount) string {
	if m, ok := a.Money(); ok {
		return c.L.Money(m)
	}
	return pointsOf(c.L, a)
}

func pointsOf(l *locale.Locale, a earnings.Amount) string {
	name, _ := a.Unit.Points()
	d, err := decimal.New(a.Minor, a.Unit.Digits())
	if err != nil {
		return ""
	}
	return l.Points(d, name)
}

// dated is a day of the ledger. Lists state days alone: they are kept as midnight in UTC,
// and are that day in every zone.
func dated(c Chrome, t time.Time) string {
	if day := cashback.DateOf(t.UTC()); t.Equal(day.Time()) {
		return c.L.Day(day)
	}
	return c.L.Date(t)
}

// purchasePath is the address of a purchase's page.
func purchasePath(id string) string { return "money/purchases/" + url.PathEscape(id) }

// shopOf is what the purchase's shop is called; a line without one has its portal's.
func shopOf(c Chrome, p earnings.Purchase, portal string) string {
	switch {
	case p.Shop != "":
		return p.Shop
	case p.For != earnings.ForPurchase:
		return earnedFor(c, p.For)
	}
	return portal
}

// mood is how a state's tag looks.
func mood(s earnings.State) string {
	switch s {
	case earnings.StatePayable, earnings.StatePaid, earnings.StateDonated, earnings.StateConfirmed:
		return "good"
	case earnings.StateDeclined, earnings.StateReversed:
		return "warn"
	}
	return ""
}

// sourceOf says where an event came from.
func sourceOf(c Chrome, e earnings.Event) string {
	kind, name, _ := strings.Cut(e.Source, ":")
	if !c.L.Has("source." + kind) {
		return e.Source
	}
	return c.T("source."+kind, "Name", name)
}

// earnedFor is what an entry was earned for, in a word.
func earnedFor(c Chrome, f earnings.RewardFor) string {
	if f == earnings.ForOther {
		return c.T("for.rest") // "other" is a plural form's name in catalogues
	}
	return c.T("for." + string(f))
}
