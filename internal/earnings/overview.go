package earnings

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Pot is how much of a unit is where on its way; the columns of the one table that
// people look at.
type Pot struct {
	Unit Unit `json:"unit"`
	// Pending is expected and tracked, Confirmed agreed but not payable, Payable can be
	// asked for or has been, Paid is in the bank or was given away, Lost was declined or
	// taken back.
	Pending   int64 `json:"pending"`
	Confirmed int64 `json:"confirmed"`
	Payable   int64 `json:"payable"`
	Paid      int64 `json:"paid"`
	Lost      int64 `json:"lost"`
	Purchases int   `json:"purchases"`
}

// Sum is all that may still arrive or has.
func (p Pot) Sum() int64 { return p.Pending + p.Confirmed + p.Payable + p.Paid }

func (p *Pot) add(x *Purchase) {
	p.Purchases++
	n := x.Amount.Minor
	switch x.State {
	case StateClicked, StateExpected, StateTracked:
		p.Pending += n
	case StateConfirmed:
		p.Confirmed += n
	case StatePayable, StateRequested:
		p.Payable += n
	case StatePaid, StateDonated:
		p.Paid += n
	case StateDeclined, StateReversed:
		p.Lost += n
	}
}

// PortalPot is a portal's pot.
type PortalPot struct {
	Portal string `json:"portal"`
	Pot
}

// MonthPot is the pot of a month's purchases; the month is YYYY-MM.
type MonthPot struct {
	Month string `json:"month"`
	Pot
}

// Habit is what own purchases say about a portal, or about a shop at it.
type Habit struct {
	Portal string `json:"portal"`
	// Shop is empty for the portal as a whole.
	Shop string `json:"shop,omitempty"`
	// Settled purchases were confirmed or lost.
	Settled int `json:"settled"`
	Lost    int `json:"lost"`
	// WaitDays is the median from the purchase to payable money, over Waited purchases.
	WaitDays int `json:"wait_days"`
	Waited   int `json:"waited"`
}

// Gift is what an association was given in a year.
type Gift struct {
	To   string `json:"to"`
	Year int    `json:"year"`
	Amount
}

// Overview is a person's money at a glance. Units are never added up (L2): each has
// its own rows, the one with most purchases first.
type Overview struct {
	Ever    []Pot       `json:"ever"`
	Year    []Pot       `json:"year"`
	Portals []PortalPot `json:"portals"`
	// Months are those with purchases, the newest last.
	Months []MonthPot `json:"months"`
	// Habits are by portal, each followed by its shops with at least MinHabit settled
	// purchases.
	Habits []Habit `json:"habits"`
	Gifts  []Gift  `json:"gifts"`
}

// MinHabit is how many settled purchases a shop's loss rate is shown from.
const MinHabit = 2

// OverviewOf folds purchases as of a moment; months and years are those of its zone.
func OverviewOf(purchases []Purchase, now time.Time) Overview {
	zone, year := now.Location(), now.Year()
	ever, thisYear := map[Unit]*Pot{}, map[Unit]*Pot{}
	type place struct {
		name string
		unit Unit
	}
	portals, months := map[place]*Pot{}, map[place]*Pot{}
	type shopAt struct{ portal, shop string }
	habits, waits := map[shopAt]*Habit{}, map[shopAt][]int{}
	type giftTo struct {
		to   string
		year int
		unit Unit
	}
	gifts := map[giftTo]int64{}
	for i := range purchases {
		p := &purchases[i]
		if p.For == ForPurchase {
			_, confirmed := p.Since[StateConfirmed]
			lost := p.State == StateDeclined || p.State == StateReversed
			payable, waited := p.Since[StatePayable]
			for _, k := range []shopAt{{p.Portal, ""}, {p.Portal, p.Shop}} {
				h := habits[k]
				if h == nil {
					h = &Habit{Portal: k.portal, Shop: k.shop}
					habits[k] = h
				}
				if lost {
					h.Lost++
				}
				if lost || confirmed {
					h.Settled++
				}
				if waited && !payable.Before(p.Bought) {
					waits[k] = append(waits[k], int(payable.Sub(p.Bought)/(24*time.Hour)))
				}
				if p.Shop == "" {
					break // the portal as a whole has counted it
				}
			}
		}
		if p.Amount == nil {
			continue
		}
		at, unit := p.Day(zone).Time(), p.Amount.Unit
		into(ever, unit, unit).add(p)
		if at.Year() == year {
			into(thisYear, unit, unit).add(p)
		}
		into(portals, place{p.Portal, unit}, unit).add(p)
		into(months, place{at.Format("2006-01"), unit}, unit).add(p)
		if p.State == StateDonated {
			gifts[giftTo{p.Donated, p.Since[StateDonated].In(zone).Year(), unit}] += p.Amount.Minor
		}
	}
	var o Overview
	rank := func(u Unit) int { return ever[u].Purchases }
	byUnit := func(a, b Unit) int { return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(a, b)) }
	for _, m := range []struct {
		from map[Unit]*Pot
		to   *[]Pot
	}{{ever, &o.Ever}, {thisYear, &o.Year}} {
		for _, p := range m.from {
			*m.to = append(*m.to, *p)
		}
		slices.SortFunc(*m.to, func(a, b Pot) int { return byUnit(a.Unit, b.Unit) })
	}
	for k, p := range portals {
		o.Portals = append(o.Portals, PortalPot{k.name, *p})
	}
	slices.SortFunc(o.Portals, func(a, b PortalPot) int {
		return cmp.Or(byUnit(a.Unit, b.Unit), cmp.Compare(b.Sum(), a.Sum()), cmp.Compare(a.Portal, b.Portal))
	})
	for k, p := range months {
		o.Months = append(o.Months, MonthPot{k.name, *p})
	}
	slices.SortFunc(o.Months, func(a, b MonthPot) int { return cmp.Or(byUnit(a.Unit, b.Unit), cmp.Compare(a.Month, b.Month)) })
	for k, h := range habits {
		if k.shop != "" && h.Settled < MinHabit {
			continue
		}
		if h.Settled == 0 && len(waits[k]) == 0 {
			continue
		}
		if days := waits[k]; len(days) > 0 {
			slices.Sort(days)
			h.WaitDays, h.Waited = days[len(days)/2], len(days)
		}
		o.Habits = append(o.Habits, *h)
	}
	slices.SortFunc(o.Habits, func(a, b Habit) int { return cmp.Or(cmp.Compare(a.Portal, b.Portal), cmp.Compare(a.Shop, b.Shop)) })
	for k, minor := range gifts {
		o.Gifts = append(o.Gifts, Gift{k.to, k.year, Amount{minor, k.unit}})
	}
	slices.SortFunc(o.Gifts, func(a, b Gift) int {
		return cmp.Or(cmp.Compare(b.Year, a.Year), cmp.Compare(a.To, b.To), cmp.Compare(a.Unit, b.Unit))
	})
	return o
}

// into is the pot of a key, made where there is none.
func into[K comparable](m map[K]*Pot, k K, u Unit) *Pot {
	p := m[k]
	if p == nil {
		p = &Pot{Unit: u}
		m[k] = p
	}
	return p
}

// LastMonths are the n months up to that of a moment, YYYY-MM, the newest last: a chart
// shows the empty ones too.
func LastMonths(now time.Time, n int) []string {
	out := make([]string, n)
	for i := range n {
		m := int(now.Month()) - 1 - i
		y := now.Year()
		for m < 0 {
			m, y = m+12, y-1
		}
		out[n-1-i] = fmt.Sprintf("%04d-%02d", y, m+1)
	}
	return out
}
