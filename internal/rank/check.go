package rank

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// What a case may contain. Beyond these an input is a slip or an attack, and a sum
// of it would be meaningless; a sentence with the place says what is allowed.
const (
	// MaxCaseBytes bounds a case's JSON; the largest real one has some 100 kB.
	MaxCaseBytes = 4 << 20

	maxPortals    = 2000
	maxOffers     = 1000
	maxTiers      = 200 // situations × tiers is quadratic in it
	maxComponents = 20
	maxMethods    = 50
	maxFX         = 2000
	maxEntries    = 5000 // of a shopper's maps and lists
	maxDays       = 3650
	maxCount      = 1_000_000
	maxName       = 200 // bytes of an id, a category, a kind
)

var (
	maxBasket  = dec(cashback.MaxBasket)
	maxMoney   = dec(1_000_000_000)
	maxPercent = dec(1000)
	maxFactor  = dec(10)
	maxRate    = dec(1_000_000_000)
	minRate    = decimal.MustNew(1, 9)
	none       = dec(0)
	unit       = dec(1)
)

// fault is the error of a field that can't be accepted.
func fault(field, format string, args ...any) error {
	return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: field}, format, args...)
}

func itoa(i int) string { return strconv.Itoa(i) }

// fieldPath is where in a case something stands: purchase, offers[3], fx["GBP/EUR"], or
// tiers[1] below another. It is written out only for a fault: a ranking is checked each
// time, and a path is dearer than the check.
type fieldPath struct {
	up    *fieldPath
	name  string
	index int // of a list, counted from 1; 0 is no list
	key   string
	keyed bool
}

func (p *fieldPath) in(list string, i int) fieldPath {
	return fieldPath{up: p, name: list, index: i + 1}
}
func (p *fieldPath) at(m, key string) fieldPath {
	return fieldPath{up: p, name: m, key: key, keyed: true}
}

func (p *fieldPath) String() string {
	if p == nil || p.name == "" {
		return ""
	}
	s := p.name
	switch {
	case p.keyed:
		s = keyed(s, p.key)
	case p.index > 0:
		s += "[" + itoa(p.index-1) + "]"
	}
	return dotted(p.up.String(), s)
}

func dotted(path, field string) string {
	if path == "" || field == "" {
		return path + field
	}
	return path + "." + field
}

// checker remembers the first fault.
type checker struct{ err error }

func (k *checker) fail(p *fieldPath, field, format string, args ...any) {
	if k.err == nil {
		k.err = fault(dotted(p.String(), field), format, args...)
	}
}

func (k *checker) between(d, low, high cashback.Decimal, p *fieldPath, field, what string) {
	if d.Cmp(low) < 0 || d.Cmp(high) > 0 {
		k.fail(p, field, "%s is not %s: use a number from %s to %s", d, what, low, high)
	}
}

func (k *checker) maybe(d cashback.NullDecimal, high cashback.Decimal, p *fieldPath, field, what string) {
	if d.Valid {
		k.between(d.Decimal, none, high, p, field, what)
	}
}

func (k *checker) days(d *int, p *fieldPath, field string) {
	if d != nil && (*d < 0 || *d > maxDays) {
		k.fail(p, field, "%d is not a number of days: use a whole number from 0 to %d", *d, maxDays)
	}
}

func (k *checker) count(n int, p *fieldPath, field string) {
	if n < 0 || n > maxCount {
		k.fail(p, field, "%d is not a number of purchases: use a whole number from 0 to %d", n, maxCount)
	}
}

func (k *checker) currency(c cashback.Currency, p *fieldPath, field string) {
	if _, err := cashback.ParseCurrency(string(c)); err != nil || strings.ToUpper(string(c)) != string(c) {
		k.fail(p, field, "%q is not a currency: use a three-letter code in capitals such as EUR, GBP or USD", short(string(c)))
	}
}

func (k *checker) name(s string, p *fieldPath, field, what string) {
	if s == "" || len(s) > maxName {
		k.fail(p, field, "%q is not %s: use a name of 1 to %d bytes", short(s), what, maxName)
	}
}

func (k *checker) atMost(n, most int, p *fieldPath, field, what string) {
	if n > most {
		k.fail(p, field, "%d %s are too many: at most %d are ranked at once", n, what, most)
	}
}

// check holds a case to what RANKING.md and the limits allow.
func (c *Case) check() error {
	var k checker
	if c.Now == 0 {
		k.fail(nil, "now", "the day of the ranking is missing: use YYYY-MM-DD")
	}
	c.Purchase.check(&k)
	c.Shopper.check(&k)
	k.atMost(len(c.Portals), maxPortals, nil, "portals", "portals")
	k.atMost(len(c.Offers), maxOffers, nil, "offers", "offers")
	k.atMost(len(c.FX), maxFX, nil, "fx", "exchange rates")
	portals := make(map[string]int, len(c.Portals))
	for i := range c.Portals {
		p := &c.Portals[i]
		at := (*fieldPath)(nil).in("portals", i)
		if first, twice := portals[p.ID]; twice {
			k.fail(&at, "id", "%q is portals[%d] already: state each portal once", short(p.ID), first)
		}
		portals[p.ID] = i
		p.check(&k, &at)
	}
	offers := make(map[string]int, len(c.Offers))
	for i := range c.Offers {
		o := &c.Offers[i]
		at := (*fieldPath)(nil).in("offers", i)
		if first, twice := offers[o.Portal]; twice {
			k.fail(&at, "portal", "%q has offers[%d] already: a portal has at most one offer in a case", short(o.Portal), first)
		}
		offers[o.Portal] = i
		if _, known := portals[o.Portal]; !known {
			k.fail(&at, "portal", "%q is none of the case's portals: describe it under portals", short(o.Portal))
		}
		o.check(&k, &at)
	}
	for _, pair := range sortedKeys(c.FX) {
		at := (*fieldPath)(nil).at("fx", pair)
		from, to, ok := strings.Cut(pair, "/")
		if !ok {
			k.fail(&at, "", "%q is not a pair of currencies: write it as in GBP/EUR", short(pair))
		}
		k.currency(cashback.Currency(from), &at, "")
		k.currency(cashback.Currency(to), &at, "")
		if from == to && ok {
			k.fail(&at, "", "a currency needs no rate to itself: use two different ones as in GBP/EUR")
		}
		k.between(c.FX[pair], minRate, maxRate, &at, "", "an exchange rate")
	}
	return k.err
}

func (p *Purchase) check(k *checker) {
	at := &fieldPath{name: "purchase"}
	k.between(p.Amount, none, maxBasket, at, "amount", "an amount")
	if p.Currency == "" {
		k.fail(at, "currency", "the basket's currency is missing: use a three-letter code such as EUR, GBP or USD")
	}
	k.currency(p.Currency, at, "currency")
	if !isCountry(p.Country) {
		k.fail(at, "country", "%q is not a country: use two capitals such as FR, GB or US", short(string(p.Country)))
	}
	k.maybe(p.VATRate, unit, at, "vat_rate", "a VAT rate as a fraction such as 0.20")
	if p.Customer != cashback.Anybody && p.Customer != cashback.New && p.Customer != cashback.Existing {
		k.fail(at, "customer", "%q is not a customer: use new or existing, or null while it isn't known", short(string(p.Customer)))
	}
	if p.Channel != "" {
		k.name(p.Channel, at, "channel", "a channel")
	}
	if p.Category != "" {
		k.name(p.Category, at, "category", "a category")
	}
}

func isCountry(c cashback.Country) bool {
	return c == "" || len(c) == 2 && strings.Trim(string(c), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func (s *Shopper) check(k *checker) {
	at := &fieldPath{name: "shopper"}
	k.atMost(max(len(s.Methods), len(s.Portals), len(s.Balances), len(s.History), len(s.PointValues)), maxEntries, at, "", "entries of one list")
	k.maybe(s.GiftCardFactor, unit, at, "gift_card_factor", "a factor for gift cards")
	k.maybe(s.PatienceRate, maxFactor, at, "patience_rate", "a rate a year as a fraction such as 0.20")
	k.maybe(s.MonthlyRewards, maxMoney, at, "monthly_rewards", "an amount")
	k.maybe(s.UnknownMinimum, maxMoney, at, "unknown_minimum", "an amount")
	k.amounts(s.PointValues, at, "point_values", "a point's value")
	k.amounts(s.Balances, at, "balances", "a balance")
	for i, m := range s.Methods {
		at := at.in("methods", i)
		k.name(m, &at, "", "a payout method")
		if j := slices.Index(s.Methods, m); j < i {
			k.fail(&at, "", "%q is methods[%d] already: name each method once", short(m), j)
		}
	}
	for i, p := range s.Portals {
		at := at.in("portals", i)
		k.name(p, &at, "", "a portal")
		if j := slices.Index(s.Portals, p); j < i {
			k.fail(&at, "", "%q is portals[%d] already: name each portal once", short(p), j)
		}
	}
	for _, portal := range sortedKeys(s.History) {
		h, at := s.History[portal], at.at("history", portal)
		k.count(h.Confirmed, &at, "confirmed")
		k.count(h.Declined, &at, "declined")
		k.between(h.Earned365, none, maxMoney, &at, "earned_365", "an amount")
		for _, m := range sortedKeys(h.Merchants) {
			at := at.at("merchants", m)
			k.count(h.Merchants[m].Confirmed, &at, "confirmed")
			k.count(h.Merchants[m].Declined, &at, "declined")
		}
	}
}

// amounts checks the values of a map, in the order of its keys: of several faults
// the same one is told each time.
func (k *checker) amounts(m map[string]cashback.Decimal, p *fieldPath, name, what string) {
	for _, key := range sortedKeys(m) {
		at := p.at(name, key)
		k.between(m[key], none, maxMoney, &at, "", what)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}

func (p *Portal) check(k *checker, at *fieldPath) {
	k.name(p.ID, at, "id", "a portal's id")
	if p.Currency == "" {
		k.fail(at, "currency", "the portal's currency is missing: use a three-letter code such as EUR, GBP or USD")
	}
	k.currency(p.Currency, at, "currency")
	switch p.VATBasis {
	case "", cashback.VATUnknown, cashback.VATNet, cashback.VATGross:
	default:
		k.fail(at, "vat_basis", "%q is not a VAT basis: use net, gross or unknown", short(string(p.VATBasis)))
	}
	k.maybe(p.ConfirmRate, unit, at, "confirm_rate", "a share")
	k.maybe(p.UpToShare, unit, at, "up_to_share", "a share")
	k.days(p.ValidationDays, at, "validation_days")
	k.atMost(len(p.PointValues), maxEntries, at, "point_values", "point values")
	k.amounts(p.PointValues, at, "point_values", "a point's value")
	if p.Payout == nil {
		return
	}
	if !knownFrequency(p.Payout.Frequency) {
		k.fail(at, "payout.frequency", "%q is not a frequency: use %s", short(string(p.Payout.Frequency)), frequencies)
	}
	k.atMost(len(p.Payout.Methods), maxMethods, at, "payout.methods", "methods")
	for i := range p.Payout.Methods {
		m := &p.Payout.Methods[i]
		at := at.in("payout.methods", i)
		k.name(m.Kind, &at, "kind", "a payout method")
		k.maybe(m.Minimum, maxMoney, &at, "minimum", "an amount")
		k.between(m.Fee, none, maxMoney, &at, "fee", "a fee")
		k.between(m.BonusRate, none, maxFactor, &at, "bonus_rate", "a bonus as a fraction such as 0.05")
		k.maybe(m.Share, unit, &at, "share", "a share")
	}
}

const frequencies = "on_demand, automatic, weekly, biweekly, monthly, bimonthly, quarterly, half_yearly, yearly or unknown"

func knownFrequency(f cashback.Frequency) bool {
	switch f {
	case "", cashback.OnDemand, cashback.Automatic, cashback.Weekly, cashback.Biweekly, cashback.Monthly, cashback.Bimonthly,
		cashback.Quarterly, cashback.HalfYearly, cashback.Yearly, cashback.FrequencyUnknown:
		return true
	}
	return false
}

func (o *Offer) check(k *checker, at *fieldPath) {
	if len(o.Merchant) > maxName {
		k.name(o.Merchant, at, "merchant", "a merchant")
	}
	k.days(o.ValidationDays, at, "validation_days")
	k.atMost(len(o.Tiers), maxTiers, at, "tiers", "tiers")
	for i := range o.Tiers {
		t := &o.Tiers[i]
		at := at.in("tiers", i)
		if t.Audience != cashback.Anybody && t.Audience != cashback.New && t.Audience != cashback.Existing {
			k.fail(&at, "audience", "%q is not an audience: use new or existing, or null for everybody", short(string(t.Audience)))
		}
		if len(t.Category) > maxName || t.Category == NoCategory {
			k.fail(&at, "category", "%q is not a category: use a name of at most %d bytes, or null for all", short(t.Category), maxName)
		}
		if len(t.Channel) > maxName {
			k.name(t.Channel, &at, "channel", "a channel")
		}
		k.maybe(t.MinSpend, maxMoney, &at, "min_spend", "an amount")
		k.maybe(t.Cap, maxMoney, &at, "cap", "an amount")
		if t.MinSpendCurrency != "" {
			k.currency(t.MinSpendCurrency, &at, "min_spend_currency")
		}
		if t.CapCurrency != "" {
			k.currency(t.CapCurrency, &at, "cap_currency")
		}
		k.atMost(len(t.Components), maxComponents, &at, "components", "components")
		for j := range t.Components {
			at := at.in("components", j)
			checkComponent(k, &t.Components[j], &at)
		}
	}
}

func checkComponent(k *checker, c *cashback.Component, at *fieldPath) {
	most, what := maxMoney, "an amount"
	switch c.Kind {
	case cashback.Percent:
		most, what = maxPercent, "a percentage"
	case cashback.PointsPerUnit, cashback.PointsFixed:
		what = "a number of points"
	case cashback.Fixed:
	default:
		k.fail(at, "kind", "%q is not a kind of reward: use percent, fixed, points_per_unit or points_fixed", short(string(c.Kind)))
	}
	k.between(c.Value, none, most, at, "value", what)
	k.maybe(c.Min, most, at, "min", what)
	if c.Min.Valid && c.Value.Less(c.Min.Decimal) {
		k.fail(at, "min", "%s is above the value, %s: the bottom of a range can't lie above its top", c.Min.Decimal, c.Value)
	}
	if c.Currency != "" {
		k.currency(c.Currency, at, "currency")
	}
	if len(c.PointsCurrency) > maxName {
		k.name(c.PointsCurrency, at, "points_currency", "a points currency")
	}
	k.between(c.PerAmount, none, maxMoney, at, "per_amount", "an amount")
}

func dec(whole int64) cashback.Decimal { return decimal.MustNew(whole, 0) }

// keyed is the path of a key of a map: fx["GBP/EUR"], shopper.balances.p1.
func keyed(path, key string) string {
	if key != "" && len(key) <= maxName && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" {
		return path + "." + key
	}
	return path + "[" + strconv.Quote(short(key)) + "]"
}

// short keeps hostile input out of messages.
func short(s string) string {
	const most = 40
	r := []rune(strings.ToValidUTF8(s, "\uFFFD"))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
