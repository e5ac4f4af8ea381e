package rank

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Rank answers a case. Its errors are of kind Invalid, with the place of the field
// that can't be accepted.
func Rank(c Case) (Answer, error) {
	if err := c.check(); err != nil {
		return Answer{}, err
	}
	e := compile(&c)
	return e.answer(exactly(c.Purchase.Amount), nil)
}

// answer ranks the offers at an amount; told, where it isn't nil, hears of each
// offer, with its row where it is ranked.
func (e *engine) answer(amount number, told func(i int, r *result, row *Row)) (Answer, error) {
	a := Answer{Ranked: []Row{}, Unreachable: []Unreachable{}, Unvalued: []string{}, Stale: []string{}, Hidden: []string{}}
	minima := make(map[string]number, len(e.offers))
	for i := range e.offers {
		o := &e.offers[i]
		r := o.evaluate(e, amount)
		money := counter{digits: e.digits}
		var row Row
		switch r.group {
		case stale:
			a.Stale = append(a.Stale, o.portal)
		case unvalued:
			a.Unvalued = append(a.Unvalued, o.portal)
		case hidden:
			a.Hidden = append(a.Hidden, o.portal)
		case unreachable:
			a.Unreachable = append(a.Unreachable, Unreachable{
				Portal: o.portal, Reward: money.minor(r.reward), ShortBy: money.minor(r.need), Method: r.way.kind,
			})
		case ranked:
			minima[o.portal] = r.way.minimum
			row = o.row(e, r, &money)
			a.Ranked = append(a.Ranked, row)
		}
		if money.beyond {
			return Answer{}, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "offers[" + itoa(i) + "]"},
				"the offer comes to more than can be counted at this amount: check its values, its caps and the exchange rates")
		}
		if told != nil {
			told(i, &r, &row)
		}
	}
	slices.SortFunc(a.Ranked, func(x, y Row) int {
		return cmp.Or(cmp.Compare(y.Value, x.Value), cmp.Compare(x.Days, y.Days), minima[x.Portal].cmp(minima[y.Portal]), strings.Compare(x.Portal, y.Portal))
	})
	slices.SortFunc(a.Unreachable, func(x, y Unreachable) int {
		return cmp.Or(cmp.Compare(y.Reward, x.Reward), strings.Compare(x.Portal, y.Portal))
	})
	slices.Sort(a.Unvalued)
	slices.Sort(a.Stale)
	slices.Sort(a.Hidden)
	return a, nil
}

// counter turns numbers into minor units and remembers whether one didn't fit.
type counter struct {
	digits int
	beyond bool
}

func (c *counter) minor(x number) int64 {
	v, ok := x.minor(c.digits)
	c.beyond = c.beyond || !ok
	return v
}

// stepNames are the eight steps, in order.
var stepNames = [...]string{"headline", "conditions", "vat", "cap", "settlement", "chance", "wait", "unlock"}

// row rounds the running totals; a step is the difference of two neighbours.
func (o *offer) row(e *engine, r result, money *counter) Row {
	totals := [...]number{r.headline, r.full, r.base, r.reward, r.settled, r.chanced, r.waited, r.value}
	row := Row{Portal: o.portal, Days: r.days, Method: r.way.kind, Estimate: r.estimate, Steps: make([]Step, len(totals))}
	var before int64
	for i, total := range totals {
		v := money.minor(total)
		row.Steps[i] = Step{stepNames[i], v - before}
		before = v
	}
	row.Value = before
	row.Headline, row.Reward = money.minor(r.headline), money.minor(r.reward)
	row.Possible = row.Value
	if r.reward.less(r.best) {
		if best, _, reached := o.settle(e, r.best); reached {
			row.Possible = max(row.Value, money.minor(best.value))
		}
	}
	return row
}

// group is where an offer stands in the answer.
type group uint8

const (
	leftOut group = iota // no tier fits any situation
	stale
	unvalued
	hidden
	unreachable
	ranked
)

// result is an offer at one amount, before rounding.
type result struct {
	group group
	weighed
	outcome
	need     number // of an unreachable offer
	estimate bool
}

func (o *offer) evaluate(e *engine, amount number) result {
	if o.stale {
		return result{group: stale}
	}
	w, g := o.weigh(e, amount)
	switch {
	case g == leftOut:
		return result{group: leftOut}
	case g == unvalued || o.rateless:
		return result{group: unvalued}
	case o.hidden:
		return result{group: hidden}
	}
	best, short, reached := o.settle(e, w.reward)
	if !reached {
		return result{group: unreachable, weighed: w, outcome: outcome{way: short.way}, need: short.need}
	}
	return result{group: ranked, weighed: w, outcome: best, estimate: o.estimate || w.estimated || !best.way.stated}
}

// weighed is what the situations come to at an amount: RANKING.md, "Situations".
type weighed struct {
	headline number // the best situation's top, on the full amount, uncapped
	full     number // the certain bottom, on the full amount, uncapped
	base     number // the same on the portal's base
	reward   number // the same after the cap
	best     number // the best situation's top on the base, after the cap
	// estimated says that a share or a missing value is in the certain tier, or in
	// one that ties with it.
	estimated bool
	// tier is the certain situation's, shown the one of the headline; -1 where the
	// situation has none.
	tier, shown int
	customer    cashback.Audience // the certain situation
	category    string
}

// sums is what one tier pays at an amount.
type sums struct {
	done               bool
	tier               int
	reward, full, base number // bottom: capped on the base; full; base, uncapped
	topCapped, topFull number
	estimate           bool
}

func (t *tier) at(amount, base number) sums {
	s := sums{done: true, full: t.bottom.on(amount), base: t.bottom.on(base), topCapped: t.top.on(base), topFull: t.top.on(amount), estimate: t.estimate}
	s.reward = s.base
	if t.capped {
		s.reward, s.topCapped = least(s.reward, t.cap), least(s.topCapped, t.cap)
	}
	return s
}

// worse orders the tiers of one situation that are equally specific, the one that
// yields least first. The last key only matters for the steps: where two tiers tie
// in all that RANKING.md names, the steps must not depend on their order.
func (s *sums) worse(o *sums) int {
	return cmp.Or(s.reward.cmp(o.reward), s.full.cmp(o.full), s.topCapped.cmp(o.topCapped), s.topFull.cmp(o.topFull))
}

// weigh goes through the situations. It returns leftOut when no tier fits any,
// unvalued when a tier that stands for one can't be valued, else ranked.
func (o *offer) weigh(e *engine, amount number) (weighed, group) {
	base := amount.div(o.net)
	g := leftOut
	w := weighed{tier: -1, shown: -1}
	first := true
	all := make([]sums, len(o.tiers))
	o.situations(e, amount, func(customer cashback.Audience, category string, equals []int) {
		s := sums{tier: -1} // a situation without a tier pays 0
		for n, i := range equals {
			t := &o.tiers[i]
			if !t.valued {
				g = unvalued
			}
			if g == unvalued {
				return
			}
			g = ranked
			if !all[i].done {
				all[i] = t.at(amount, base)
				all[i].tier = i
			}
			c := -1
			if n > 0 {
				c = all[i].worse(&s)
			}
			switch {
			case c < 0:
				s = all[i]
			case c == 0:
				s.base, s.estimate = least(s.base, all[i].base), s.estimate || all[i].estimate
			}
		}
		if first || w.headline.less(s.topFull) {
			w.headline, w.shown = s.topFull, s.tier
		}
		w.best = most(w.best, s.topCapped)
		c := -1
		if !first {
			c = cmp.Or(s.reward.cmp(w.reward), s.full.cmp(w.full))
		}
		first = false
		switch {
		case c < 0:
			w.reward, w.full, w.base, w.estimated, w.tier, w.customer, w.category = s.reward, s.full, s.base, s.estimate, s.tier, customer, category
		case c == 0:
			w.base, w.estimated = least(w.base, s.base), w.estimated || s.estimate
		}
	})
	return w, g
}

// situations yields, for each situation at an amount, the tiers that are the most
// specific of those that fit, by index; none where none fits. The slice is reused.
func (o *offer) situations(e *engine, amount number, yield func(customer cashback.Audience, category string, equals []int)) {
	var equals []int
	for _, customer := range e.customers {
		for _, category := range o.categories(e, amount) {
			equals = equals[:0]
			for i := range o.tiers {
				t := &o.tiers[i]
				if t.audience != "" && t.audience != customer || t.category != "" && t.category != category || amount.less(t.minSpend) {
					continue
				}
				if len(equals) > 0 && t.stated != o.tiers[equals[0]].stated {
					if t.stated < o.tiers[equals[0]].stated {
						continue
					}
					equals = equals[:0]
				}
				equals = append(equals, i)
			}
			yield(customer, category, equals)
		}
	}
}

// categories are those of the situations: the given one, or each that an open tier
// names, with "" for none of them.
func (o *offer) categories(e *engine, amount number) []string {
	if e.c.Purchase.Category != "" {
		return []string{e.c.Purchase.Category}
	}
	var names []string
	none := false
	for i := range o.tiers {
		t := &o.tiers[i]
		if amount.less(t.minSpend) {
			continue
		}
		if t.category == "" {
			none = true
		} else if !slices.Contains(names, t.category) {
			names = append(names, t.category)
		}
	}
	if none || len(names) == 0 {
		names = append(names, "")
	}
	return names
}

// wait is a threshold wait in whole days; never is one that doesn't end.
type wait struct {
	days  number
	never bool
}

// threshold is how long need > 0 takes to come in: RANKING.md, "Threshold".
func (o *offer) threshold(need number) wait {
	if o.yearly.sign() == 0 {
		return wait{never: true}
	}
	return wait{days: need.mul(whole(365)).div(o.yearly).ceil()}
}

// discount is D(t) = 1 ÷ (1 + patience_rate × t ÷ 365), 0 for never.
func (e *engine) discount(t wait) number {
	if t.never {
		return zero
	}
	return whole(365).div(e.patience.mul(t.days).add(whole(365)))
}

// outcome is a reward paid out one way, as running totals.
type outcome struct {
	way                             *way
	settled, chanced, waited, value number
	days                            int64
}

// shortfall is what is missing to a threshold that is never reached.
type shortfall struct {
	way  *way
	need number
}

// settle pays a reward out by the best of the ways that are ever reached; false
// when none is, with the smallest shortfall.
func (o *offer) settle(e *engine, reward number) (best outcome, short shortfall, reached bool) {
	for i := range o.ways {
		w := &o.ways[i]
		t := o.until(w, reward)
		if t.never {
			need := w.minimum.sub(o.balance).sub(reward)
			if short.way == nil || cmp.Or(need.cmp(short.need), compareKinds(w.kind, short.way.kind)) < 0 {
				short = shortfall{w, need}
			}
			continue
		}
		if next := o.pay(e, w, t, reward); !reached || next.better(&best) {
			best, reached = next, true
		}
	}
	return best, short, reached
}

// until is how long a way's minimum takes with a reward.
func (o *offer) until(w *way, reward number) wait {
	if need := w.minimum.sub(o.balance).sub(reward); need.sign() > 0 {
		return o.threshold(need)
	}
	return wait{}
}

func (o *offer) pay(e *engine, w *way, t wait, reward number) outcome {
	out := outcome{way: w, settled: reward.mul(w.factor)}
	if w.fee.sign() > 0 && reward.sign() > 0 {
		share := reward.div(o.balance.add(reward).add(o.yearly))
		out.settled = most(zero, out.settled.sub(w.fee.mul(share)))
	}
	days := t.days.add(whole(o.fixedDays))
	out.days = days.int()
	out.chanced = out.settled.mul(o.p)
	out.waited = out.chanced.mul(e.discount(wait{days: days}))
	out.value = out.waited
	if w.locked && o.balance.sign() > 0 {
		// p × (settled × D + balance × …), so that the sum stays short.
		sooner := e.discount(t).sub(e.discount(w.alone))
		out.value = out.settled.mul(e.discount(wait{days: days})).add(o.balance.mul(sooner)).mul(o.p)
	}
	return out
}

// better orders methods: RANKING.md, "Method". A stated minimum comes before a
// guessed one, so that the mark "estimate" doesn't depend on the methods' order.
func (x *outcome) better(y *outcome) bool {
	guessed := 0
	if x.way.stated != y.way.stated {
		guessed = 1
		if x.way.stated {
			guessed = -1
		}
	}
	return cmp.Or(y.value.cmp(x.value), cmp.Compare(x.days, y.days), x.way.minimum.cmp(y.way.minimum),
		compareKinds(x.way.kind, y.way.kind), x.way.fee.cmp(y.way.fee), guessed) < 0
}

func compareKinds(x, y string) int {
	place := func(kind string) int {
		if i := slices.Index(methodOrder[:], kind); i >= 0 {
			return i
		}
		return len(methodOrder)
	}
	return cmp.Or(cmp.Compare(place(x), place(y)), strings.Compare(x, y))
}
