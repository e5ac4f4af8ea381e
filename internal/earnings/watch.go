package earnings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Facts tell the watch what is known of portals and of a purchase's terms. Every
// function may be nil, and may answer that nothing is known.
type Facts struct {
	// Portal is a portal with its facts.
	Portal func(id string) (cashback.Portal, bool)
	// Terms are what was frozen at the click, by Purchase.Evidence.
	Terms func(hash string) (Terms, bool)
	// ValidationDays is how long a shop's purchases take to be confirmed, where its own
	// page says so; 0 for not known.
	ValidationDays func(p Purchase) int
	// VAT is the standard rate of a country on a day, as a fraction: 0.20.
	VAT func(c cashback.Country, day cashback.Date) (cashback.Decimal, bool)
	// Uplift says whether by the portal's word the amount is still to rise.
	Uplift func(portal, wording string) bool
	// Events are a purchase's own, in order: what the portal said first.
	Events func(p Purchase) []Event
	// Rates are what a portal showed for a purchase's shop, at the click or later.
	Rates func(p Purchase) []cashback.RatePoint
	// Aside says whether the shopper has put an alert aside, by Alert.ID.
	Aside func(id string) bool
	// Zone is where the shopper lives: the day of a purchase, from which others are counted,
	// is the one there. nil is UTC.
	Zone *time.Location
	// Brief leaves out why an amount is smaller where the time for a claim has passed: a
	// ledger of many years has many of them, and nobody asks.
	Brief bool
}

func (f Facts) portal(id string) cashback.Portal {
	if f.Portal != nil {
		if p, ok := f.Portal(id); ok {
			return p
		}
	}
	return cashback.Portal{ID: id}
}

// facts are the portal's as they stand now; of a portal that is no longer known here, as
// they stood at the click.
func (f Facts) facts(p Purchase) cashback.Facts {
	if f.Portal != nil {
		if x, ok := f.Portal(p.Portal); ok {
			return x.Facts
		}
	}
	t, _ := f.terms(p)
	return t.Facts
}

func (f Facts) terms(p Purchase) (Terms, bool) {
	if f.Terms == nil || p.Evidence == "" {
		return Terms{}, false
	}
	return f.Terms(p.Evidence)
}

// validation is how many days a purchase takes to be confirmed, and the reason's key:
// what the shop's page states, as it stands or stood at the click, else the portal.
func (f Facts) validation(p Purchase, facts cashback.Facts) (days int, key string) {
	if f.ValidationDays != nil {
		days = f.ValidationDays(p)
	}
	if t, ok := f.terms(p); ok && days <= 0 {
		days = t.Offer.ValidationDays
	}
	switch {
	case days > 0:
		return days, "watch.overdue.shop"
	case facts.ValidationDays != nil && facts.ValidationDays.Value > 0:
		return facts.ValidationDays.Value, "watch.overdue.portal"
	}
	return usualValidation, "watch.overdue.usual"
}

// ClockState is where a purchase stands in its portal's claim window.
type ClockState string

const (
	ClockUnknown ClockState = "unknown" // the portal states no window
	ClockNone    ClockState = "none"    // it takes no claims
	ClockEarly   ClockState = "early"   // not before First
	ClockOpen    ClockState = "open"
	ClockClosed  ClockState = "closed" // Last has passed
)

// Clock is the time in which a missing cashback may be claimed. First and Last are days
// on which it still may be; Last is 0 where the portal names no end.
type Clock struct {
	State    ClockState    `json:"state"`
	First    cashback.Date `json:"first,omitzero"`
	Last     cashback.Date `json:"last,omitzero"`
	DaysLeft int           `json:"days_left,omitempty"` // of an open one, today included
	// Origin is where the window was read.
	Origin cashback.Origin `json:"origin,omitzero"`
}

// ClaimClock reckons a purchase's claim window by its portal's fact, in days after the
// day of the purchase.
func ClaimClock(bought cashback.Date, window *cashback.Fact[cashback.ClaimWindow], today cashback.Date) Clock {
	if window == nil {
		return Clock{State: ClockUnknown}
	}
	c := Clock{Origin: window.Origin}
	w := window.Value
	if w.None {
		c.State = ClockNone
		return c
	}
	if w.FromDays == 0 && w.ToDays == 0 {
		c.State = ClockUnknown
		return c
	}
	c.First = bought + cashback.Date(w.FromDays)
	if w.ToDays > 0 {
		c.Last = bought + cashback.Date(w.ToDays)
	}
	switch {
	case today < c.First:
		c.State = ClockEarly
	case c.Last != 0 && today > c.Last:
		c.State = ClockClosed
	default:
		c.State = ClockOpen
		if c.Last != 0 {
			c.DaysLeft = int(c.Last-today) + 1
		}
	}
	return c
}

// AlertKind is what the watch has seen.
type AlertKind string

const (
	// AlertUnfinished: a click without a word on whether anything was bought.
	AlertUnfinished AlertKind = "unfinished"
	// AlertMissing: bought, and not tracked after the portal's usual time.
	AlertMissing AlertKind = "missing"
	// AlertShort: credited with less than was expected.
	AlertShort AlertKind = "short"
	// AlertOverdue: tracked, and not confirmed after the usual time.
	AlertOverdue AlertKind = "overdue"
	// AlertDeclined: declined, and a claim is still possible.
	AlertDeclined AlertKind = "declined"
	// AlertInactive: the portal takes a balance away that isn't used.
	AlertInactive AlertKind = "inactive"
)

// Alert is something that a shopper should look at.
type Alert struct {
	Kind   AlertKind `json:"kind"`
	Portal string    `json:"portal"`
	// Purchase and Shop are empty for what concerns the whole portal.
	Purchase string `json:"purchase,omitempty"`
	Shop     string `json:"shop,omitempty"`
	// Since is the day from which it is so; Due the last day on which something can
	// still be done, where there is one.
	Since cashback.Date `json:"since"`
	Due   cashback.Date `json:"due,omitzero"`
	// Amount is the money that it is about.
	Amount  *Amount  `json:"amount,omitempty"`
	Reasons []Reason `json:"reasons"`
	Clock   Clock    `json:"clock"`
	// ID names the alert for as long as nothing happens with what it is about: who puts it
	// aside has it back with the next event.
	ID string `json:"id"`
	// Aside says that the shopper has put it aside.
	Aside bool `json:"aside,omitempty"`
	// Over says that nothing is left to do: the portal went by its rules, or the time
	// for a claim has passed.
	Over bool `json:"over,omitempty"`
}

// What is taken where a portal states nothing. FIELD.md 3.3: most track within a week,
// shops confirm within 30 to 90 days.
const (
	usualTracking   = 7
	usualValidation = 90
	// askFor is how long a click without a purchase is asked about.
	askFor = 21
	// inactiveNotice is how long before a balance lapses the watch says so.
	inactiveNotice = 60
	// claimable is how long after a purchase a portal that states no window may be asked
	// about it: the longest that any states is a year (FIELD.md 3.3).
	claimableDays = 365
)

// Watch looks at every purchase and says what a shopper should see to, the most urgent
// first; then what was put aside, and last what nothing can be done about any more.
func Watch(b Book, f Facts, now time.Time) []Alert {
	today := cashback.DateOf(now)
	var out []Alert
	for i := range b.Purchases {
		out = append(out, WatchPurchase(b.Purchases[i], f, today)...)
	}
	out = append(out, watchBalances(b, f, today)...)
	slices.SortStableFunc(out, func(a, b Alert) int {
		over := func(x Alert) int {
			switch {
			case x.Over:
				return 2
			case x.Aside:
				return 1
			}
			return 0
		}
		urgent := func(x Alert) cashback.Date {
			if x.Due != 0 {
				return x.Due
			}
			return today + 10_000
		}
		return cmp.Or(cmp.Compare(over(a), over(b)), cmp.Compare(urgent(a), urgent(b)), cmp.Compare(b.Since, a.Since))
	})
	return out
}

// WatchPurchase is Watch for one purchase.
func WatchPurchase(p Purchase, f Facts, today cashback.Date) []Alert {
	out := watchPurchase(p, f, today)
	for i := range out {
		out[i].name(f, p.Events[len(p.Events)-1])
	}
	return out
}

// name gives an alert its id; of is what it is about as it stands.
func (a *Alert) name(f Facts, of uint64) {
	unit := Unit("")
	if a.Purchase == "" && a.Amount != nil {
		unit = a.Amount.Unit
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{string(a.Kind), a.Portal, a.Purchase, string(unit), strconv.FormatUint(of, 10)}, "\x00")))
	a.ID = hex.EncodeToString(sum[:16])
	a.Aside = f.Aside != nil && f.Aside(a.ID)
}

func watchPurchase(p Purchase, f Facts, today cashback.Date) []Alert {
	switch p.State {
	case StateClicked, StateExpected, StateTracked:
	case StateDeclined, StateReversed:
		if p.Claim != "" {
			return nil
		}
	default:
		if !isShort(p) {
			return nil
		}
	}
	facts := f.facts(p)
	bought := p.Day(f.Zone)
	a := Alert{Portal: p.Portal, Purchase: p.ID, Shop: p.Shop, Amount: p.Amount, Clock: ClaimClock(bought, facts.ClaimWindow, today)}
	if a.Clock.State == ClockOpen || a.Clock.State == ClockEarly {
		a.Due = a.Clock.Last
	}
	claiming := p.Claim == ClaimOpened || p.Claim == ClaimSent
	a.Over = a.Clock.State == ClockClosed || a.Clock.State == ClockNone || a.Clock.State == ClockUnknown && today > bought+claimableDays
	switch p.State {
	case StateClicked:
		if age := today - bought; age >= 1 && age <= askFor {
			a.Kind, a.Since, a.Due, a.Over = AlertUnfinished, bought+1, 0, false
			a.Reasons = []Reason{Because("watch.unfinished", bought.String())}
			return []Alert{a}
		}
	case StateExpected:
		days, key := usualTracking, "watch.missing.usual"
		if facts.TrackingDays != nil {
			days, key = max(facts.TrackingDays.Value, 1), "watch.missing.stated"
		}
		if since := bought + cashback.Date(days) + 1; today >= since && !claiming && p.Answer != AnswerRefused {
			a.Kind, a.Since = AlertMissing, since
			a.Reasons = []Reason{Because(key, strconv.Itoa(int(today-bought)), strconv.Itoa(days)), a.Clock.reason()}
			return []Alert{a}
		}
	case StateDeclined, StateReversed:
		if a.Clock.State == ClockOpen && p.Claim == "" {
			a.Kind, a.Since = AlertDeclined, cashback.DateOf(p.Since[p.State])
			a.Reasons = []Reason{Because("watch.declined", p.Wording), a.Clock.reason()}
			return []Alert{a}
		}
	case StateTracked:
		days, key := f.validation(p, facts)
		if since := bought + cashback.Date(days) + 1; today >= since && !claiming {
			late := a // it may still be confirmed, whatever becomes of claims
			late.Kind, late.Since, late.Over = AlertOverdue, since, false
			late.Reasons = []Reason{Because(key, strconv.Itoa(int(today-bought)), strconv.Itoa(days))}
			if p.Claim != "" {
				return []Alert{late}
			}
			return append([]Alert{late}, watchShort(p, a, f, facts)...)
		}
	}
	switch p.State {
	case StateTracked, StateConfirmed, StatePayable, StateRequested, StatePaid:
		if p.Claim == "" {
			return watchShort(p, a, f, facts)
		}
	}
	return nil
}

// reason puts the clock into words.
func (c Clock) reason() Reason {
	switch c.State {
	case ClockNone:
		return Because("watch.claim.none")
	case ClockEarly:
		return Because("watch.claim.early", c.First.String())
	case ClockClosed:
		return Because("watch.claim.closed", c.Last.String())
	case ClockOpen:
		if c.Last != 0 {
			return Because("watch.claim.open", c.Last.String(), strconv.Itoa(c.DaysLeft))
		}
		return Because("watch.claim.endless")
	}
	return Because("watch.claim.unknown")
}

// pays is what a tier pays for a basket, at its value or at its bottom, with the rate in
// words; false where it isn't money of the basket's currency.
func pays(t cashback.Tier, basket Amount, low bool) (minor int64, rate string, ok bool) {
	money, isMoney := basket.Money()
	if !isMoney || len(t.Components) == 0 {
		return 0, "", false
	}
	var total cashback.Decimal
	for _, c := range t.Components {
		value := c.Value
		if low {
			if !c.Min.Valid {
				return 0, "", false
			}
			value = c.Min.Decimal
		}
		part, text := value, value.String()+" "+string(money.Currency)
		switch {
		case c.PerUnit != "":
			return 0, "", false
		case c.Kind == cashback.Percent:
			product, err := money.Decimal().Mul(value)
			if err != nil {
				return 0, "", false
			}
			if part, err = product.Quo(decimal.Hundred); err != nil {
				return 0, "", false
			}
			text = value.String() + " %"
		case c.Kind == cashback.Fixed && c.Currency == money.Currency:
		default:
			return 0, "", false
		}
		sum, err := total.Add(part)
		if err != nil {
			return 0, "", false
		}
		total = sum
		if rate != "" {
			rate += " + "
		}
		rate += text
	}
	m, err := cashback.MoneyOf(total, money.Currency)
	if err != nil {
		return 0, "", false
	}
	if t.Cap != nil && t.Cap.Currency == money.Currency {
		m.Minor = min(m.Minor, t.Cap.Minor)
	}
	return m.Minor, rate, true
}

// held are the states in which a balance is the portal's to keep.
var held = []State{StateTracked, StateConfirmed, StatePayable, StateRequested}

// Lapse is when a portal takes an unused balance away.
type Lapse struct {
	// Used is the last day on which anything happened there.
	Used cashback.Date `json:"used"`
	Lost cashback.Date `json:"lost"`
	// Months of no use so far; Left is the days until Lost.
	Months int             `json:"months"`
	Left   int             `json:"left"`
	Origin cashback.Origin `json:"origin,omitzero"`
}

// lapse reckons when a portal's balance lapses, from when it was last used; false where
// it states no such rule.
func lapse(used time.Time, portal cashback.Portal, today cashback.Date) (Lapse, bool) {
	rule := portal.Facts.InactiveMonths
	if rule == nil || rule.Value <= 0 || used.IsZero() {
		return Lapse{}, false
	}
	x := Lapse{Used: cashback.DateOf(used), Origin: rule.Origin}
	x.Lost = addMonths(x.Used, rule.Value)
	x.Left = int(x.Lost - today)
	for addMonths(x.Used, x.Months+1) <= today {
		x.Months++
	}
	return x, true
}

// addMonths is the same day months later, or the last of a shorter month.
func addMonths(d cashback.Date, months int) cashback.Date {
	t := d.Time()
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return cashback.DateOf(first.AddDate(0, 0, min(t.Day(), last)-1))
}

func watchBalances(b Book, f Facts, today cashback.Date) []Alert {
	used := b.used()
	sums := map[string]map[Unit]int64{}
	var order []string
	for _, b := range b.Balances {
		if !slices.Contains(held, b.State) {
			continue
		}
		if sums[b.Portal] == nil {
			sums[b.Portal] = map[Unit]int64{}
			order = append(order, b.Portal)
		}
		sums[b.Portal][b.Unit] += b.Minor
	}
	var out []Alert
	for _, id := range order {
		x, ok := lapse(used[id], f.portal(id), today)
		if !ok || x.Left > inactiveNotice {
			continue
		}
		for _, b := range sortedUnits(sums[id]) {
			key := "watch.inactive"
			if x.Left < 0 {
				key = "watch.inactive_past"
			}
			a := Alert{
				Kind: AlertInactive, Portal: id, Since: x.Lost - inactiveNotice, Due: x.Lost, Amount: &b, Clock: Clock{State: ClockUnknown},
				Reasons: []Reason{Because(key, strconv.Itoa(x.Months), strconv.Itoa(x.Left), b.String(), x.Lost.String())},
			}
			a.name(f, uint64(x.Lost))
			out = append(out, a)
		}
	}
	return out
}

func sortedUnits(m map[Unit]int64) []Amount {
	var out []Amount
	for u, n := range m {
		out = append(out, Amount{n, u})
	}
	slices.SortFunc(out, func(a, b Amount) int { return cmp.Compare(a.Unit, b.Unit) })
	return out
}
