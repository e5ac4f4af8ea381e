package web

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

// shopperQuery is the shopper's side of a ranking (RANKING.md, "shopper"), as an
// address states it, or as it was saved: whatever is absent takes its default. A
// value that an address states counts before one that was saved.
type shopperQuery struct {
	Currency string   `query:"currency" form:"currency" doc:"The basket's, ISO 4217; default the currency of the shop's country." example:"EUR"`
	Country  string   `query:"country" form:"country" doc:"The country whose VAT rate counts, ISO 3166-1 alpha-2; default the shop's." example:"FR"`
	VAT      string   `query:"vat" form:"vat" doc:"A VAT rate in percent, instead of the country's standard rate." example:"20"`
	Methods  []string `query:"method,explode" form:"method" doc:"The payout methods that are taken; default bank_transfer, paypal, card_credit, cheque and gift_card. With donation alone, the ranking says which portal gives most."`
	GiftCard string   `query:"gift_card" form:"gift_card" doc:"What a gift card of 100 is worth to the shopper, 0 to 100; default 90." example:"90"`
	Patience string   `query:"patience" form:"patience" doc:"What waiting a year for money costs, in percent; default 20." example:"20"`
	Monthly  string   `query:"monthly_rewards" form:"monthly_rewards" doc:"The rewards that are expected in a month, in the basket's currency; default 5." example:"5"`
	Minimum  string   `query:"unknown_minimum" form:"unknown_minimum" doc:"The payout threshold assumed where a portal states none, in the basket's currency; default 20." example:"20"`
	Portals  []string `query:"portal,explode" form:"portal" doc:"The portals that the shopper uses; default all."`
	Points   string   `query:"points" form:"points" doc:"What points are worth, in the basket's currency: avios=0.01 miles=0.012. The portal's own value counts where none is stated."`
}

// only stands among the methods or portals of a form, so that an address can say "just
// those named here, be they none": a form doesn't send boxes that aren't ticked.
const only = "-"

const (
	maxPercent  = 100
	maxPatience = 1000 // percent a year: a tenth after a year, and nobody is in more of a hurry
	maxListed   = 200  // portals or points of one shopper
)

// pairs are the parameters that state it, in the order of the struct, as names and
// values by turns.
func (q shopperQuery) pairs() []string {
	var out []string
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				out = append(out, name, v)
			}
		}
	}
	add("currency", q.Currency)
	add("country", q.Country)
	add("vat", q.VAT)
	add("method", q.Methods...)
	add("gift_card", q.GiftCard)
	add("patience", q.Patience)
	add("monthly_rewards", q.Monthly)
	add("unknown_minimum", q.Minimum)
	add("portal", q.Portals...)
	add("points", q.Points)
	return out
}

// shopper reads it for a basket in a currency, or says which field is wrong.
func (q shopperQuery) shopper(c cashback.Currency) (rank.Shopper, error) {
	var s rank.Shopper
	var err error
	if q.Methods != nil {
		s.Methods = slices.DeleteFunc(slices.Clone(q.Methods), func(m string) bool { return m == only })
		for _, m := range s.Methods {
			if !slices.Contains(rank.KnownMethods(), m) {
				return s, badInput{"method", "error.one_of", []any{"Allowed", strings.Join(rank.KnownMethods(), ", ")}}
			}
		}
		if len(s.Methods) == 0 {
			return s, badInput{"method", "error.no_method", nil}
		}
	}
	if q.Portals != nil {
		s.Portals = slices.DeleteFunc(slices.Clone(q.Portals), func(p string) bool { return p == only })
		switch {
		case len(s.Portals) == 0:
			return s, badInput{"portal", "error.no_portal", nil}
		case len(s.Portals) > maxListed:
			return s, badInput{"portal", "error.list_long", []any{"Most", maxListed}}
		}
		for _, p := range s.Portals {
			if !plainWord(p) {
				return s, badInput{"portal", "error.portal", []any{"Value", clip(p)}}
			}
		}
	}
	if s.GiftCardFactor, err = fractionOf("gift_card", q.GiftCard, maxPercent); err != nil {
		return s, err
	}
	if s.PatienceRate, err = fractionOf("patience", q.Patience, maxPatience); err != nil {
		return s, err
	}
	for field, f := range map[string]struct {
		value string
		into  *cashback.NullDecimal
	}{"monthly_rewards": {q.Monthly, &s.MonthlyRewards}, "unknown_minimum": {q.Minimum, &s.UnknownMinimum}} {
		if f.value == "" {
			continue
		}
		m, err := amountOf(field, f.value, c)
		if err != nil {
			return s, err
		}
		*f.into = cashback.Some(m.Decimal())
	}
	s.PointValues, err = pointsOf("points", q.Points)
	return s, err
}

// over lays what an address states over what was saved. The currency and the country
// aren't among it: a price tag is in the shop's currency, and its VAT the shop's.
func (q shopperQuery) over(saved shopperQuery) shopperQuery {
	q.VAT, q.GiftCard, q.Patience = cmp.Or(q.VAT, saved.VAT), cmp.Or(q.GiftCard, saved.GiftCard), cmp.Or(q.Patience, saved.Patience)
	q.Monthly, q.Minimum, q.Points = cmp.Or(q.Monthly, saved.Monthly), cmp.Or(q.Minimum, saved.Minimum), cmp.Or(q.Points, saved.Points)
	if q.Methods == nil {
		q.Methods = saved.Methods
	}
	if q.Portals == nil {
		q.Portals = saved.Portals
	}
	return q
}

// plainWord reports a name as ids are written.
func plainWord(s string) bool {
	return s != "" && len(s) <= 100 && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}) < 0
}

// numberOf reads a plain number of at most four decimals that a person typed, with a
// point or a comma; false for anything else.
func numberOf(value string, most int64) (cashback.Decimal, bool) {
	t := strings.Replace(strings.TrimSpace(value), ",", ".", 1)
	if t == "" || len(t) > 16 || strings.Trim(t, "0123456789.") != "" || strings.HasPrefix(t, ".") {
		return decimal.Zero, false
	}
	d, err := decimal.Parse(strings.TrimSuffix(t, "."))
	if err != nil || d.Trim(0).Scale() > 4 || d.Cmp(decimal.MustNew(most, 0)) > 0 {
		return decimal.Zero, false
	}
	return d.Trim(0), true
}

// fractionOf reads a percentage, as a fraction; nothing is absent.
func fractionOf(field, value string, most int64) (cashback.NullDecimal, error) {
	if value == "" {
		return cashback.NullDecimal{}, nil
	}
	d, ok := numberOf(value, most)
	if !ok {
		return cashback.NullDecimal{}, badInput{field, "error.percent", []any{"Value", clip(value), "Most", int(most)}}
	}
	f, err := d.Quo(decimal.Hundred)
	return cashback.Some(f.Trim(0)), err
}

// pointsOf reads "avios=0.01 miles=0.012".
func pointsOf(field, value string) (map[string]cashback.Decimal, error) {
	if value == "" {
		return nil, nil
	}
	wrong := badInput{field, "error.points", []any{"Value", clip(value)}}
	out := map[string]cashback.Decimal{}
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ' ' || r == ';' }) {
		name, worth, ok := strings.Cut(part, "=")
		d, number := numberOf(worth, 1000)
		if _, twice := out[name]; !ok || !number || twice || name == "" || len(name) > 100 || len(out) == maxListed {
			return nil, wrong
		}
		out[name] = d
	}
	return out, nil
}

// shopperView is what an answer counts with, the defaults filled in.
func shopperView(s rank.Shopper, c cashback.Currency) view.Shopper {
	s = s.WithDefaults()
	v := view.Shopper{
		Methods: s.Methods, GiftCardFactor: s.GiftCardFactor.Decimal, PatienceRate: s.PatienceRate.Decimal,
		MonthlyRewards: money(s.MonthlyRewards.Decimal, c), UnknownMinimum: money(s.UnknownMinimum.Decimal, c), Portals: s.Portals,
	}
	for _, name := range slices.Sorted(maps.Keys(s.PointValues)) {
		v.Points = append(v.Points, view.PointValue{Points: name, Value: s.PointValues[name]})
	}
	return v
}

// money is an amount in whole minor units; those here have no part of one.
func money(d cashback.Decimal, c cashback.Currency) cashback.Money {
	m, err := cashback.MoneyOf(d, c)
	if err != nil {
		return cashback.Money{Currency: c}
	}
	return m
}
