package pages

import (
	"regexp"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/claim"
	"github.com/cagnotte/cagnotte/web/locale"
)

// CashView is what a person can have of their money, portal by portal.
type CashView struct {
	Outs       []earnings.CashOut
	PortalName func(id string) string
	Currency   func(id string) cashback.Currency
	Now        time.Time
}

// WatchView is what a person should see to.
type WatchView struct {
	Alerts     []earnings.Alert
	PortalName func(id string) string
	Now        time.Time
}

// ClaimView is a letter to a portal.
type ClaimView struct {
	earnings.Purchase
	PortalName string
	Problem    earnings.AlertKind
	Letter     claim.Letter
	Clock      earnings.Clock
	In, Name   string
	Languages  []*locale.Locale
	Evidence   bool
	Seen       uint64
}

// minor is an amount of a cash-out's unit.
func minor(c Chrome, n int64, u earnings.Unit) string {
	return c.Amount(earnings.Amount{Minor: n, Unit: u})
}

// claimable says that an alert gives cause for a letter.
func claimable(a *earnings.Alert) bool {
	switch a.Kind {
	case earnings.AlertMissing, earnings.AlertShort, earnings.AlertOverdue, earnings.AlertDeclined:
		return a.Clock.State == earnings.ClockOpen || a.Clock.State == earnings.ClockUnknown
	}
	return false
}

var (
	statedAmount = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?) ([A-Z]{3}|points:.+)$`)
	statedDay    = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// stated puts a reason's value into the language: amounts as "4.20 EUR", days as
// YYYY-MM-DD, ways to be paid and how often are written as they are there.
func stated(c Chrome, value string) string {
	if statedDay.MatchString(value) {
		return c.L.AsOf(value)
	}
	for _, table := range []string{"method.", "frequency."} {
		if c.L.Has(table + value) {
			return c.T(table + value)
		}
	}
	m := statedAmount.FindStringSubmatch(value)
	if m == nil {
		return value
	}
	d, err := decimal.Parse(m[1])
	if err != nil {
		return value
	}
	unit := earnings.Unit(m[2])
	if name, points := unit.Points(); points {
		return c.T("rate.points", "Number", c.L.Decimal(d.Trim(0)), "Points", word(c.L, "points", name))
	}
	return c.L.Amount(d, cashback.Currency(unit))
}

// reasonOf is one reason in words.
func reasonOf(c Chrome, r earnings.Reason) string { return say(c, []earnings.Reason{r}) }

// pointsWord is what points are called.
func pointsWord(c Chrome, name string) string { return word(c.L, "points", name) }

// whereOf is the portal that an alert is about, and the money.
func whereOf(c Chrome, v *WatchView, a *earnings.Alert) string {
	s := v.PortalName(a.Portal)
	if a.Amount != nil {
		s += c.T("list.comma") + c.Amount(*a.Amount)
	}
	return s
}

// reasonsOf are an alert's reasons, without the portal's own word where it gave none.
func reasonsOf(a *earnings.Alert) []earnings.Reason {
	var out []earnings.Reason
	for _, r := range a.Reasons {
		if r.Key != "watch.declined" || len(r.Values) > 0 && r.Values[0] != "" {
			out = append(out, r)
		}
	}
	return out
}
