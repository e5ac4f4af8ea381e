package rank

import (
	"math/big"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Reasons say why an answer is what it is, as keys with numbers: the words are the
// catalogues' of whoever shows them.
type Reasons struct {
	// Ranked are the ranked rows, in the answer's order.
	Ranked []Explanation `json:"ranked"`
	// Others are the offers that aren't ranked, by portal.
	Others []Other `json:"others"`
}

// Other is why an offer isn't ranked.
type Other struct {
	Portal string `json:"portal"`
	// Group is unreachable, unvalued, stale or hidden, or left_out for an offer that
	// stands in no group of the answer.
	Group string `json:"group"`
	Why   Reason `json:"why"`
}

// Explanation says why a ranked row is what it is.
type Explanation struct {
	Portal string `json:"portal"`
	// Steps are the row's eight, in order. A step without an amount may have reasons,
	// a step with one always has.
	Steps []StepReasons `json:"steps"`
	// Marks are why the row is an estimate.
	Marks []Reason `json:"marks,omitempty"`
	// Rates are the exchange rates of the case that the row rests on.
	Rates []string `json:"rates,omitempty"`
}

// StepReasons is a step with its reasons.
type StepReasons struct {
	Step   string   `json:"step"`
	Amount int64    `json:"amount"`
	Why    []Reason `json:"why,omitempty"`
}

// Reason is a stable key, one of ReasonKeys, and the numbers that its words need.
type Reason struct {
	Key    string           `json:"key"`
	Values map[string]Value `json:"values,omitempty"`
}

// Value is one number or word of a reason.
type Value struct {
	// Kind is money (Minor, of the basket's currency), share (Share, a fraction
	// rounded to six decimals), count (Count) or word (Word).
	Kind  string           `json:"kind"`
	Minor int64            `json:"minor,omitempty"`
	Share cashback.Decimal `json:"share,omitzero"`
	Count int64            `json:"count,omitempty"`
	Word  string           `json:"word,omitempty"`
}

// reasons are all keys, with the names of the values that each has.
var reasons = map[string][]string{
	"headline.tier":               {"tier"},
	"conditions.no_tier":          {"customer", "category"}, // the certain case: no tier fits, nothing is paid
	"conditions.customer":         {"customer"},             // the customer isn't known; this one gets least
	"conditions.category":         {"category"},             // the category isn't known; this one yields least
	"conditions.none_of_them":     nil,                      // … and none of those named yields least
	"conditions.bottom":           nil,                      // the bottom of a range
	"conditions.up_to_observed":   {"share"},                // "up to": the share that is observed there
	"conditions.up_to_assumed":    {"share"},                // "up to": the share that is assumed of all
	"conditions.missing_value":    {"what"},                 // a part without a value counts 0
	"vat.net":                     {"rate"},
	"vat.unknown":                 {"rate"},
	"vat.gross":                   nil,
	"vat.no_rate":                 {"country"},
	"cap.reached":                 {"cap"},
	"settlement.bonus":            {"share"},
	"settlement.gift_card":        {"share"},
	"settlement.donation":         {"share"},
	"settlement.donation_unknown": nil,
	"settlement.fee":              {"fee", "part"},
	"chance.observed":             {"p", "share"}, // the portal's observed rate of confirmation
	"chance.assumed":              {"p", "share"},
	"chance.yours":                {"confirmed", "declined"},
	"chance.yours_here":           {"confirmed", "declined"},
	"wait.validation":             {"days"},
	"wait.threshold":              {"days", "short", "minimum"},
	"wait.threshold_assumed":      {"days", "short", "minimum"}, // the portal states no minimum
	"wait.run":                    {"days", "frequency"},
	"unlock.sooner":               {"balance", "days"},
	"unlock.at_all":               {"balance"},
	"estimate.vat_basis":          nil,
	"estimate.vat_rate":           {"country"},
	"estimate.methods":            nil,
	"estimate.minimum":            {"minimum"},
	"estimate.up_to":              {"share"},
	"estimate.missing_value":      {"what"},
	"estimate.other_tier":         nil, // a tier that pays the same has a share or a missing value
	"unreachable.threshold":       {"short", "minimum"},
	"unvalued.currency":           {"currency"}, // the portal's, without a rate
	"unvalued.part":               {"what"},     // a currency, points or a unit without a value
	"unvalued.cap":                {"currency"}, // the cap's, without a rate
	"unvalued.empty":              nil,          // the tier says nothing that is paid
	"stale.quarantined":           nil,
	"stale.never":                 nil,
	"stale.old":                   {"days"},
	"hidden.portal":               nil, // the shopper doesn't use it
	"hidden.methods":              nil, // it pays by nothing that the shopper takes
	"left_out.min_spend":          {"minimum"},
	"left_out.no_tier":            nil,
}

// ReasonKeys are all keys of reasons, sorted, so that a catalogue can be held to
// them.
func ReasonKeys() []string {
	var keys []string
	for key := range reasons {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Explain is Rank with its reasons.
func Explain(c Case) (Answer, Reasons, error) {
	if err := c.check(); err != nil {
		return Answer{}, Reasons{}, err
	}
	e := compile(&c)
	byPortal := map[string]Explanation{}
	out := Reasons{Ranked: []Explanation{}, Others: []Other{}}
	a, err := e.answer(exactly(c.Purchase.Amount), func(i int, r *result, row *Row) {
		x := explainer{e: e, o: &e.offers[i], in: &c.Offers[i], r: r}
		x.portal = &c.Portals[slices.IndexFunc(c.Portals, func(p Portal) bool { return p.ID == x.o.portal })]
		if r.group == ranked {
			byPortal[row.Portal] = x.explain(row)
			return
		}
		name, why := x.other()
		out.Others = append(out.Others, Other{Portal: x.o.portal, Group: name, Why: why})
	})
	if err != nil {
		return Answer{}, Reasons{}, err
	}
	for _, row := range a.Ranked {
		out.Ranked = append(out.Ranked, byPortal[row.Portal])
	}
	slices.SortFunc(out.Others, func(x, y Other) int { return strings.Compare(x.Portal, y.Portal) })
	return a, out, nil
}

// other says why an offer isn't ranked, and in which group it is.
func (x *explainer) other() (string, Reason) {
	c := x.e.c
	switch x.r.group {
	case stale:
		switch {
		case x.in.Quarantined:
			return "stale", reason("stale.quarantined", nil)
		case x.in.VerifiedOn == 0:
			return "stale", reason("stale.never", nil)
		}
		return "stale", reason("stale.old", []Value{count(int64(c.Now - x.in.VerifiedOn))})
	case unvalued:
		if x.o.rateless {
			return "unvalued", reason("unvalued.currency", []Value{word(string(x.portal.Currency))})
		}
		return "unvalued", x.unvalued()
	case hidden:
		if len(x.o.ways) == 0 {
			return "hidden", reason("hidden.methods", nil)
		}
		return "hidden", reason("hidden.portal", nil)
	case unreachable:
		return "unreachable", reason("unreachable.threshold", []Value{x.money(x.r.need), x.money(x.r.way.minimum)})
	}
	// Left out: would it be ranked from some amount on?
	var lowest number
	amount := exactly(c.Purchase.Amount)
	for i := range x.o.tiers {
		t := &x.o.tiers[i]
		fits := (c.Purchase.Customer == "" || t.audience == "" || t.audience == c.Purchase.Customer) &&
			(c.Purchase.Category == "" || t.category == "" || t.category == c.Purchase.Category)
		if fits && amount.less(t.minSpend) && (lowest.sign() == 0 || t.minSpend.less(lowest)) {
			lowest = t.minSpend
		}
	}
	if lowest.sign() > 0 {
		return "left_out", reason("left_out.min_spend", []Value{x.money(lowest)})
	}
	return "left_out", reason("left_out.no_tier", nil)
}

// unvalued names the first thing without a value in a tier that stands for a
// situation.
func (x *explainer) unvalued() (why Reason) {
	x.o.situations(x.e, exactly(x.e.c.Purchase.Amount), func(_ cashback.Audience, _ string, equals []int) {
		for _, i := range equals {
			t := &x.o.tiers[i]
			if why.Key != "" || t.valued {
				continue
			}
			in := &x.in.Tiers[t.index]
			why = reason("unvalued.empty", nil)
			for j := range in.Components {
				var none pays
				if k := &in.Components[j]; !none.plus(x.e, k, x.portal, one) {
					why = reason("unvalued.part", []Value{word(what(k))})
					return
				}
			}
			if in.Cap.Valid && !t.capped {
				why = reason("unvalued.cap", []Value{word(string(orCurrency(in.CapCurrency, x.portal.Currency)))})
				return
			}
		}
	})
	return why
}

type explainer struct {
	e      *engine
	o      *offer
	in     *Offer
	portal *Portal
	r      *result
	out    Explanation
	step   int
}

func (x *explainer) explain(row *Row) Explanation {
	x.out = Explanation{Portal: row.Portal, Rates: x.o.pairs, Steps: make([]StepReasons, len(row.Steps))}
	for i, s := range row.Steps {
		x.out.Steps[i] = StepReasons{Step: s.Step, Amount: s.Amount}
	}
	for i, tell := range [...]func(){x.headline, x.conditions, x.vat, x.cap, x.settlement, x.chance, x.wait, x.unlock} {
		x.step = i
		tell()
	}
	return x.out
}

func (x *explainer) because(key string, values ...Value) {
	s := &x.out.Steps[x.step]
	s.Why = append(s.Why, reason(key, values))
}

func (x *explainer) mark(key string, values ...Value) {
	x.out.Marks = append(x.out.Marks, reason(key, values))
}

func reason(key string, values []Value) Reason {
	r := Reason{Key: key}
	for i, name := range reasons[key] {
		if r.Values == nil {
			r.Values = map[string]Value{}
		}
		r.Values[name] = values[i]
	}
	return r
}

func (x *explainer) money(v number) Value {
	minor, _ := v.minor(x.e.digits) // smaller than sums that were counted
	return Value{Kind: "money", Minor: minor}
}

func share(v number) Value {
	const digits = 6
	r := v.ratio()
	n := new(big.Int).Mul(&r.n, big.NewInt(2*powers[digits]))
	n.Add(n, &r.d)
	n.Quo(n, new(big.Int).Lsh(&r.d, 1))
	d, err := decimal.New(n.Int64(), digits)
	if err != nil { // a fraction has no more than seven digits, a bonus nine
		return Value{Kind: "share"}
	}
	return Value{Kind: "share", Share: d.Trim(0)}
}

func count(n int64) Value { return Value{Kind: "count", Count: n} }

func word(s string) Value { return Value{Kind: "word", Word: s} }

func (x *explainer) headline() {
	if i := x.r.shown; i >= 0 {
		x.because("headline.tier", count(int64(x.o.tiers[i].index)))
	}
}

func (x *explainer) conditions() {
	r, p := x.r, &x.e.c.Purchase
	if r.tier < 0 {
		x.because("conditions.no_tier", word(string(r.customer)), word(r.category))
		if r.estimated {
			x.mark("estimate.other_tier")
		}
		return
	}
	certain := &x.o.tiers[r.tier]
	in := &x.in.Tiers[certain.index]
	if r.shown >= 0 && r.shown != r.tier {
		shown := &x.o.tiers[r.shown]
		if p.Customer == cashback.Anybody && certain.audience != shown.audience {
			x.because("conditions.customer", word(string(r.customer)))
		}
		if p.Category == "" && certain.category != shown.category {
			if r.category == "" {
				x.because("conditions.none_of_them")
			} else {
				x.because("conditions.category", word(r.category))
			}
		}
	}
	ranged := slices.ContainsFunc(in.Components, func(k cashback.Component) bool { return k.Min.Valid })
	marked := false
	switch {
	case ranged:
		x.because("conditions.bottom")
	case in.UpTo:
		of := share(or(x.portal.UpToShare, defaultUpToShare))
		key := "conditions.up_to_assumed"
		if x.portal.UpToShare.Valid {
			key = "conditions.up_to_observed"
		}
		x.because(key, of)
		x.mark("estimate.up_to", of)
		marked = true
	}
	for i := range in.Components {
		k := &in.Components[i]
		var none pays
		if !none.plus(x.e, k, x.portal, one) {
			what := word(what(k))
			x.because("conditions.missing_value", what)
			x.mark("estimate.missing_value", what)
			marked = true
		}
	}
	if r.estimated && !marked {
		x.mark("estimate.other_tier")
	}
}

// what names the part that a component without a value pays in.
func what(k *cashback.Component) string {
	switch {
	case k.PerUnit != "":
		return k.PerUnit
	case k.Kind == cashback.Fixed:
		return string(k.Currency)
	}
	return k.PointsCurrency
}

func (x *explainer) vat() {
	p := &x.e.c.Purchase
	rate := share(or(p.VATRate, zero))
	country := word(string(p.Country))
	switch {
	case x.portal.VATBasis == cashback.VATGross:
		x.because("vat.gross")
	case p.VATUnknown:
		x.because("vat.no_rate", country)
	case x.portal.VATBasis == cashback.VATNet:
		x.because("vat.net", rate)
	default:
		x.because("vat.unknown", rate)
	}
	if x.portal.VATBasis == "" || x.portal.VATBasis == cashback.VATUnknown {
		x.mark("estimate.vat_basis")
	}
	if p.VATUnknown {
		x.mark("estimate.vat_rate", country)
	}
}

func (x *explainer) cap() {
	if x.r.reward.less(x.r.base) {
		x.because("cap.reached", x.money(x.r.reward))
	}
}

func (x *explainer) settlement() {
	w, r := x.r.way, x.r
	if x.portal.Payout == nil || x.portal.Payout.Methods == nil {
		x.mark("estimate.methods")
	} else {
		m := &x.portal.Payout.Methods[w.index]
		if m.BonusRate.IsPos() {
			x.because("settlement.bonus", share(exactly(m.BonusRate)))
		}
		switch {
		case m.Kind == giftCard:
			x.because("settlement.gift_card", share(or(x.e.c.Shopper.GiftCardFactor, defaultGiftCardFactor)))
		case m.Kind == donation && m.Share.Valid:
			x.because("settlement.donation", share(exactly(m.Share.Decimal)))
		case m.Kind == donation:
			x.because("settlement.donation_unknown")
		}
	}
	if w.fee.sign() > 0 && r.reward.sign() > 0 {
		part := w.fee.mul(r.reward.div(x.o.balance.add(r.reward).add(x.o.yearly)))
		x.because("settlement.fee", x.money(w.fee), x.money(part))
	}
}

func (x *explainer) chance() {
	key := "chance.assumed"
	if x.portal.ConfirmRate.Valid {
		key = "chance.observed"
	}
	x.because(key, share(x.o.p), share(or(x.portal.ConfirmRate, defaultConfirmRate)))
	h := x.e.c.Shopper.History[x.o.portal]
	if h.Confirmed+h.Declined > 0 {
		x.because("chance.yours", count(int64(h.Confirmed)), count(int64(h.Declined)))
	}
	if at := h.Merchants[x.in.Merchant]; at.Confirmed+at.Declined > 0 {
		x.because("chance.yours_here", count(int64(at.Confirmed)), count(int64(at.Declined)))
	}
}

func (x *explainer) wait() {
	w := x.r.way
	frequency := cashback.FrequencyUnknown
	if x.portal.Payout != nil && x.portal.Payout.Frequency != "" {
		frequency = x.portal.Payout.Frequency
	}
	run := payoutDays(frequency)
	x.because("wait.validation", count(x.o.fixedDays-run))
	if waits := x.r.days - x.o.fixedDays; waits > 0 {
		key := "wait.threshold_assumed"
		if w.stated {
			key = "wait.threshold"
		}
		x.because(key, count(waits), x.money(w.minimum.sub(x.o.balance).sub(x.r.reward)), x.money(w.minimum))
	}
	x.because("wait.run", count(run), word(string(frequency)))
	if !w.stated {
		x.mark("estimate.minimum", x.money(w.minimum))
	}
}

func (x *explainer) unlock() {
	w := x.r.way
	if !w.locked || x.o.balance.sign() == 0 {
		return
	}
	balance := x.money(x.o.balance)
	if w.alone.never {
		x.because("unlock.at_all", balance)
	} else if days := w.alone.days.int() - (x.r.days - x.o.fixedDays); days > 0 {
		x.because("unlock.sooner", balance, count(days))
	}
}
