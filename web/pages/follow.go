package pages

import (
	"slices"
	"time"

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
	Seen       uint64
	Now        time.Time
}

// WatchView is what a person should see to.
type WatchView struct {
	Alerts     []earnings.Alert
	PortalName func(id string) string
	// Over shows the cases too of which nothing is left to do, at most maxOver of them.
	Over bool
	// Feed is the address for a calendar that was just made; Form why none was.
	Feed string
	Form Form
	Now  time.Time
}

// maxOver is how many cases a page shows of which nothing is left to do.
const maxOver = 200

// Due is how many of the alerts, which come first, something can be done about; Aside how
// many come next, which were put aside.
func (v *WatchView) Due() int {
	return reach(v.Alerts, func(a earnings.Alert) bool { return a.Over || a.Aside })
}

func (v *WatchView) Aside() int {
	return reach(v.Alerts[v.Due():], func(a earnings.Alert) bool { return a.Over })
}

// reach is the place of the first alert of which something holds; their number where it
// holds of none.
func reach(alerts []earnings.Alert, is func(earnings.Alert) bool) int {
	if n := slices.IndexFunc(alerts, is); n >= 0 {
		return n
	}
	return len(alerts)
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
	if a.Over {
		return false
	}
	switch a.Kind {
	case earnings.AlertMissing, earnings.AlertShort, earnings.AlertOverdue, earnings.AlertDeclined:
		return a.Clock.State == earnings.ClockOpen || a.Clock.State == earnings.ClockUnknown
	}
	return false
}

// reasonOf is one reason in words.
func reasonOf(c Chrome, r earnings.Reason) string { return c.L.Reason(r.Key, r.Values...) }

// pointsWord is what points are called.
func pointsWord(c Chrome, name string) string { return word(c.L, "points", name) }

// about names an alert to who doesn't see where its button stands.
func about(c Chrome, v *WatchView, a *earnings.Alert) string {
	name := a.Shop
	if name == "" {
		name = v.PortalName(a.Portal)
	}
	return c.T("watching.what", "Name", name, "Kind", c.T("alert."+string(a.Kind)))
}

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
