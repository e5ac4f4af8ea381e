package earnings

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// CashOption is one way to be paid by a portal, as it would be today.
type CashOption struct {
	Method cashback.PayoutMethod `json:"method"`
	// Reached says that the threshold is; Missing is what lacks where it isn't. Both
	// mean nothing where the threshold isn't stated (Known is false).
	Known   bool   `json:"known"`
	Reached bool   `json:"reached"`
	Missing Amount `json:"missing"`
	// Fee and Bonus are what the way takes and adds; Arrives is what is left.
	Fee     Amount `json:"fee"`
	Bonus   Amount `json:"bonus"`
	Arrives Amount `json:"arrives"`
}

// CashOut is what can be done with the money at one portal, in one unit.
type CashOut struct {
	Portal string `json:"portal"`
	Unit   Unit   `json:"unit"`
	// The balance, by how far it has come. Waiting is tracked, and not confirmed.
	Payable   int64 `json:"payable"`
	Confirmed int64 `json:"confirmed"`
	Waiting   int64 `json:"waiting"`
	Requested int64 `json:"requested"`
	// Options are the ways to be paid; Best is the one that leaves most money, by its
	// place in Options, -1 where none can be used today.
	Options []CashOption `json:"options"`
	Best    int          `json:"best"`
	// Now says that the shopper can ask for the money today.
	Now bool `json:"now"`
	// Frequency and Payday say when the portal pays; Payday is 0 where no day is stated.
	Frequency cashback.Frequency `json:"frequency,omitempty"`
	Payday    cashback.Date      `json:"payday,omitzero"`
	// Lapse is when the balance is lost if nothing happens; nil without such a rule.
	Lapse   *Lapse   `json:"lapse,omitempty"`
	Reasons []Reason `json:"reasons"`
}

// CashOuts looks at every balance, what can be had today first.
func CashOuts(b Book, f Facts, now time.Time) []CashOut {
	today := cashback.DateOf(now)
	var out []CashOut
	at := map[BalanceKey]int{}
	for _, b := range b.Balances {
		k := BalanceKey{Portal: b.Portal, Unit: b.Unit}
		i, ok := at[k]
		if !ok {
			if !slices.Contains(held, b.State) {
				continue
			}
			i = len(out)
			at[k] = i
			out = append(out, CashOut{Portal: b.Portal, Unit: b.Unit, Best: -1})
		}
		switch b.State {
		case StatePayable:
			out[i].Payable = b.Minor
		case StateConfirmed:
			out[i].Confirmed = b.Minor
		case StateTracked:
			out[i].Waiting = b.Minor
		case StateRequested:
			out[i].Requested = b.Minor
		}
	}
	used := b.used()
	for i := range out {
		portal := f.portal(out[i].Portal)
		out[i].advise(portal, today)
		if x, ok := lapse(used[portal.ID], portal, today); ok {
			out[i].Lapse = &x
			if x.Left <= inactiveNotice {
				key := "cash.lapse"
				if x.Left < 0 {
					key = "cash.lapse_past"
				}
				out[i].Reasons = append(out[i].Reasons, Because(key, strconv.Itoa(x.Months), strconv.Itoa(x.Left), x.Lost.String()))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b CashOut) int {
		first := func(c CashOut) int {
			if c.Now {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(b.Payable, a.Payable))
	})
	return out
}

// advise weighs the ways to be paid. A gift card, a donation or points may leave more,
// and is not money: it is told, and never the best.
func (c *CashOut) advise(portal cashback.Portal, today cashback.Date) {
	say := func(key string, values ...string) { c.Reasons = append(c.Reasons, Because(key, values...)) }
	payout := portal.Facts.Payout
	if payout == nil || Unit(portal.Currency) != c.Unit {
		if payout == nil {
			say("cash.unknown")
		}
		return
	}
	c.Frequency = payout.Value.Frequency
	if day, ok := payout.Value.NextPayday(today); ok {
		c.Payday = day
	}
	for _, m := range payout.Value.Methods {
		c.Options = append(c.Options, c.option(m, portal.Currency))
	}
	best := func(ok func(CashOption) bool) int {
		found := -1
		for i, o := range c.Options {
			if ok(o) && (found < 0 || o.Arrives.Minor > c.Options[found].Arrives.Minor) {
				found = i
			}
		}
		return found
	}
	c.Best = best(func(o CashOption) bool { return o.Known && o.Reached && money(o.Method.Kind) })
	byItself := c.Frequency != cashback.OnDemand && c.Frequency != cashback.FrequencyUnknown && c.Frequency != ""
	payable := Amount{c.Payable, c.Unit}
	switch {
	case c.Payable == 0:
		say("cash.nothing")
	case c.Best >= 0 && byItself && c.Payday != 0:
		say("cash.payday", payable.String(), c.Payday.String(), strconv.Itoa(int(c.Payday-today)))
	case c.Best >= 0 && byItself:
		say("cash.frequency", payable.String(), string(c.Frequency), strconv.Itoa(c.Frequency.LongestWait()))
	case c.Best >= 0:
		c.Now = true
		o := c.Options[c.Best]
		say("cash.now", o.Arrives.String(), o.Method.Kind)
	}
	if c.Best < 0 && c.Payable > 0 {
		nearest := -1
		for i, o := range c.Options {
			if o.Known && money(o.Method.Kind) && (nearest < 0 || o.Missing.Minor < c.Options[nearest].Missing.Minor) {
				nearest = i
			}
		}
		switch {
		case nearest < 0:
			say("cash.threshold_unknown")
		default:
			o := c.Options[nearest]
			say("cash.missing", o.Missing.String(), o.Method.Kind)
			if o.Missing.Minor <= c.Confirmed {
				say("cash.missing_confirmed", Amount{c.Confirmed, c.Unit}.String())
			} else if o.Missing.Minor <= c.Confirmed+c.Waiting {
				say("cash.missing_waiting", Amount{c.Confirmed + c.Waiting, c.Unit}.String())
			}
		}
	}
	if c.Payable == 0 {
		return
	}
	if c.Best >= 0 {
		if fee := c.Options[c.Best].Fee; fee.Minor > 0 {
			say("cash.fee", fee.String(), c.Options[c.Best].Method.Kind)
		}
	}
	if i := best(func(o CashOption) bool { return o.Known && o.Reached && !money(o.Method.Kind) }); i >= 0 {
		switch o := c.Options[i]; {
		case c.Best < 0:
			say("cash.instead", o.Arrives.String(), o.Method.Kind)
		case o.Arrives.Minor > c.Options[c.Best].Arrives.Minor:
			say("cash.bonus", Amount{o.Arrives.Minor - c.Options[c.Best].Arrives.Minor, c.Unit}.String(), o.Method.Kind)
		}
	}
}

// money says that a way pays money that can be spent anywhere.
func money(kind string) bool {
	switch kind {
	case "bank_transfer", "paypal", "card_credit", "cheque", "any":
		return true
	}
	return false
}

// option is a way to be paid today's payable balance. An unknown threshold isn't taken
// for none.
func (c *CashOut) option(m cashback.PayoutMethod, currency cashback.Currency) CashOption {
	o := CashOption{Method: m, Missing: Amount{0, c.Unit}, Fee: Amount{0, c.Unit}, Bonus: Amount{0, c.Unit}, Arrives: Amount{c.Payable, c.Unit}}
	if m.Minimum.Valid {
		if minimum, err := cashback.MoneyOf(m.Minimum.Decimal, currency); err == nil {
			o.Known = true
			o.Reached = c.Payable > 0 && c.Payable >= minimum.Minor
			o.Missing.Minor = max(0, minimum.Minor-c.Payable)
		}
	}
	o.Fee.Minor, o.Bonus.Minor = charges(m, c.Payable, currency)
	o.Arrives.Minor = max(0, c.Payable-o.Fee.Minor+o.Bonus.Minor)
	return o
}

// charges are a way's fee and bonus on an amount, in minor units.
func charges(m cashback.PayoutMethod, minor int64, currency cashback.Currency) (fee, bonus int64) {
	if f, err := cashback.MoneyOf(m.Fee, currency); err == nil {
		fee = f.Minor
	}
	if product, err := (cashback.Money{Minor: minor, Currency: currency}).Decimal().Mul(m.BonusRate); err == nil {
		if b, err := cashback.MoneyOf(product, currency); err == nil {
			bonus = b.Minor
		}
	}
	return fee, bonus
}

// PayoutMatch says which lines a payout was for.
type PayoutMatch struct {
	// Purchases are the lines, oldest first; empty where none sum to the payout.
	Purchases []string `json:"purchases"`
	// Way is how they were found: "all", "oldest" (the oldest ones, as portals pay), or
	// "subset".
	Way string `json:"way,omitempty"`
	// Method is the way of paying whose fee or bonus makes the sum right; empty without.
	Method string `json:"method,omitempty"`
	// Sum is what the lines amount to before fee and bonus.
	Sum Amount `json:"sum"`
	// Part are the oldest lines that the payout covers whole, where no lines sum to it;
	// Rest is what is left of it then, paid towards the next line.
	Part    []string `json:"part,omitempty"`
	Rest    Amount   `json:"rest,omitzero"`
	Reasons []Reason `json:"reasons,omitempty"`
}

// Bounds of the search for a payout's lines.
const (
	// maxPayoutLines are looked at, the oldest first.
	maxPayoutLines = 400
	// maxPayoutWords bounds the memory of the search: 8 bytes each.
	maxPayoutWords = 2_000_000
)

// Payable are the lines that a portal may pay out, in the order in which it does: those
// that were asked for, then the oldest.
func (b *Book) Payable(portal string, u Unit) []Purchase {
	var lines []Purchase
	for i := range b.Purchases {
		p := &b.Purchases[i]
		if p.Portal == portal && (p.State == StateRequested || p.State == StatePayable) && p.Amount != nil && p.Amount.Unit == u && p.Amount.Minor > 0 {
			lines = append(lines, *p)
		}
	}
	slices.SortStableFunc(lines, func(a, b Purchase) int {
		rank := func(p Purchase) int {
			if p.State == StateRequested {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Bought.Compare(b.Bought), cmp.Compare(a.ID, b.ID))
	})
	return lines
}

// MatchPayout finds the lines of a portal that a payout was for: all that are requested
// or payable, else the oldest ones that sum to it, else the subset that does and takes
// the oldest lines first. Lines that were requested come before those that are only
// payable. Where the sum is off by a way's fee or bonus, or by what the portal had paid
// ahead (Payouts), that is found too.
//
// It never takes lines that only nearly sum to the payout. What a portal pays out
// without regard to whole lines is proposed as Part and Rest.
func MatchPayout(b Book, portal cashback.Portal, paid Amount, ahead int64) PayoutMatch {
	lines := b.Payable(portal.ID, paid.Unit)
	lines = lines[:min(len(lines), maxPayoutLines)]
	if m, ok := subset(lines, paid.Minor); ok {
		m.Sum = paid
		return m
	}
	if pay := portal.Facts.Payout; pay != nil && Unit(portal.Currency) == paid.Unit {
		for _, method := range pay.Value.Methods {
			for _, gross := range grossOf(method, paid.Minor, portal.Currency) {
				if m, ok := subset(lines, gross); ok {
					m.Sum, m.Method = Amount{gross, paid.Unit}, method.Kind
					key := "cash.payout.fee"
					if gross < paid.Minor {
						key = "cash.payout.bonus"
					}
					m.Reasons = append(m.Reasons, Because(key, method.Kind, Amount{max(gross-paid.Minor, paid.Minor-gross), paid.Unit}.String()))
					return m
				}
			}
		}
	}
	if ahead > 0 && paid.Minor <= MaxMinor {
		if m, ok := subset(lines, paid.Minor+ahead); ok {
			m.Sum, m.Reasons = Amount{paid.Minor + ahead, paid.Unit}, []Reason{Because("cash.payout.ahead", Amount{ahead, paid.Unit}.String())}
			return m
		}
	}
	var total int64
	m := PayoutMatch{Sum: Amount{0, paid.Unit}, Rest: Amount{paid.Minor + ahead, paid.Unit}}
	for _, p := range lines {
		if total += p.Amount.Minor; total <= paid.Minor+ahead {
			m.Part = append(m.Part, p.ID)
			m.Rest.Minor -= p.Amount.Minor
		}
	}
	m.Reasons = []Reason{Because("cash.payout.unmatched", paid.String(), Amount{total, paid.Unit}.String())}
	return m
}

// grossOf are the sums of lines that a way turns into a payout.
func grossOf(m cashback.PayoutMethod, paid int64, currency cashback.Currency) []int64 {
	var out []int64
	fee, _ := charges(m, 0, currency)
	if fee > 0 {
		out = append(out, paid+fee)
	}
	if m.BonusRate.IsPos() {
		// The bonus is rounded: look a few units around.
		one, err := m.BonusRate.Add(decimal.One)
		if err != nil {
			return out
		}
		gross, err := (cashback.Money{Minor: paid, Currency: currency}).Decimal().Quo(one)
		if err != nil {
			return out
		}
		guess, err := cashback.MoneyOf(gross, currency)
		if err != nil {
			return out
		}
		for n := max(1, guess.Minor-2); n <= guess.Minor+2; n++ {
			if f, b := charges(m, n, currency); n-f+b == paid {
				out = append(out, n)
			}
		}
	}
	return out
}

// subset finds lines that sum to the target, preferring the oldest.
func subset(lines []Purchase, target int64) (PayoutMatch, bool) {
	if target <= 0 || len(lines) == 0 {
		return PayoutMatch{}, false
	}
	ids := func(ps []Purchase) []string {
		out := make([]string, len(ps))
		for i, p := range ps {
			out[i] = p.ID
		}
		return out
	}
	var sum int64
	for i, p := range lines {
		sum += p.Amount.Minor
		if sum == target {
			way := "oldest"
			if i == len(lines)-1 {
				way = "all"
			}
			return PayoutMatch{Purchases: ids(lines[:i+1]), Way: way}, true
		}
	}
	if sum < target {
		return PayoutMatch{}, false
	}
	// reach[i] holds the sums that the lines from i on can make, as bits from 0 to the
	// target; fewer lines where they don't fit.
	words := int(target/64) + 1
	if words > maxPayoutWords {
		return PayoutMatch{}, false
	}
	if most := maxPayoutWords/words - 1; len(lines) > most {
		if most < 1 {
			return PayoutMatch{}, false
		}
		lines = lines[:most]
	}
	reach := make([][]uint64, len(lines)+1)
	reach[len(lines)] = make([]uint64, words)
	reach[len(lines)][0] = 1
	for i := len(lines) - 1; i >= 0; i-- {
		reach[i] = slices.Clone(reach[i+1])
		shiftOr(reach[i], reach[i+1], lines[i].Amount.Minor)
	}
	has := func(bits []uint64, n int64) bool { return n >= 0 && n <= target && bits[n/64]>>(n%64)&1 == 1 }
	if !has(reach[0], target) {
		return PayoutMatch{}, false
	}
	var chosen []Purchase
	left := target
	for i, p := range lines {
		if left > 0 && has(reach[i+1], left-p.Amount.Minor) {
			chosen = append(chosen, p)
			left -= p.Amount.Minor
		}
	}
	return PayoutMatch{Purchases: ids(chosen), Way: "subset"}, true
}

// shiftOr adds to dst the bits of src moved up by n places.
func shiftOr(dst, src []uint64, n int64) {
	step, bits := int(n/64), uint(n%64)
	for i := len(dst) - 1; i >= step; i-- {
		v := src[i-step] << bits
		if bits > 0 && i-step > 0 {
			v |= src[i-step-1] >> (64 - bits)
		}
		dst[i] |= v
	}
}
