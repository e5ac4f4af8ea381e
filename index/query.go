package index

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

const (
	// DefaultLimit and MaxLimit bound one answer's items.
	DefaultLimit = 20
	MaxLimit     = 200
	// maxChoices bounds the values of one filter, maxChoice the length of each in
	// bytes.
	maxChoices = 100
	maxChoice  = 100
)

// View is who asks: it decides which portals exist for the answer.
type View uint8

const (
	// PublicView sees public portals, and of those in mode "relation" that they list
	// a shop. Other portals' offers enter nothing: no hit, count, facet or order.
	PublicView View = iota
	// OperatorView also sees private portals, and the rates of "relation". Portals
	// that are off stay invisible.
	OperatorView
)

// Filter restricts offers; a list means any of its values, an empty one all. Facts
// that aren't known never pass a filter on them.
type Filter struct {
	// Countries and Categories are the merchant's.
	Countries  []cashback.Country
	Categories []string
	Portals    []string
	Kinds      []cashback.RewardKind
	// Methods are kinds of payout; MaxMinimum is the highest threshold that is
	// accepted, of one of the Methods where they are given. A threshold in another
	// currency passes only if it is nothing, or Query.Convert says so.
	Methods     []string
	MaxMinimum  *cashback.Money
	Frequencies []cashback.Frequency
	// Donation asks for portals where cashback can be given away.
	Donation bool
	// PortalCountries and Languages are the portal's.
	PortalCountries []cashback.Country
	Languages       []string
	// NoUpTo leaves out what is only promised as "up to"; Verified what is
	// unverified, quarantined or older than 14 days.
	NoUpTo   bool
	Verified bool
	// MinPercent is the least certain rate, in per cent.
	MinPercent cashback.NullDecimal
	// Initial is the first letter of the merchant's folded name, "a" to "z", or
	// OtherInitial for all that begins otherwise.
	Initial string
}

// OtherInitial stands for every name that doesn't begin with a letter from a to z.
const OtherInitial = "0"

// Order is the order of an answer.
type Order string

const (
	// ByRelevance puts the best grade first, then the asker's country, the shops at
	// most portals, and the best own value. Without a text it is ByPortals.
	ByRelevance Order = ""
	// ByValue puts the best own value first.
	ByValue Order = "value"
	// ByPortals puts the shops at most portals first.
	ByPortals Order = "portals"
	// ByName is alphabetical by the folded name.
	ByName Order = "name"
	// ByAge puts what was read last first; for offers only.
	ByAge Order = "age"
)

// Query is one question for shops, or for offers.
type Query struct {
	// Text is what was typed: a name or part of it, or an address.
	Text string
	// Country is the asker's: its shops come first among equals.
	Country cashback.Country
	Filter  Filter
	Order   Order
	View    View
	// Valuer orders by own value; nil is FaceValue of 100 in the currency of each
	// portal, which orders within a currency only.
	Valuer Valuer
	// Convert turns an amount of money into another currency, for MaxMinimum.
	Convert func(cashback.Money, cashback.Currency) (cashback.Money, bool)
	// Facets asks for counts.
	Facets bool
	// Limit is 1 to MaxLimit; 0 is DefaultLimit. After is the cursor of the answer
	// before (Result.Next).
	Limit int
	After string
}

// ParseQuery reads a Query from the parameters of a URL: q, country (the asker's),
// in (the merchants'), category, portal, kind, method, minimum ("15 EUR": the
// highest threshold accepted), frequency, donation, portal_country, language,
// no_up_to, verified, min_percent, initial, sort, limit, after, facets. Names that it doesn't
// know are left to the caller; a value that it can't read is an Invalid error whose
// Place names the field.
func ParseQuery(v url.Values) (Query, error) {
	p := parser{v: v}
	q := Query{
		Text:    v.Get("q"),
		Country: p.country("country", v.Get("country")),
		Order:   Order(v.Get("sort")),
		Facets:  p.yes("facets"),
		After:   v.Get("after"),
		Filter: Filter{
			Initial:    v.Get("initial"),
			Categories: p.list("category"),
			Portals:    p.list("portal"),
			Methods:    p.list("method"),
			Languages:  p.list("language"),
			Donation:   p.yes("donation"),
			NoUpTo:     p.yes("no_up_to"),
			Verified:   p.yes("verified"),
		},
	}
	for _, c := range p.list("in") {
		q.Filter.Countries = append(q.Filter.Countries, p.country("in", c))
	}
	for _, c := range p.list("portal_country") {
		q.Filter.PortalCountries = append(q.Filter.PortalCountries, p.country("portal_country", c))
	}
	for _, k := range p.list("kind") {
		q.Filter.Kinds = append(q.Filter.Kinds, cashback.RewardKind(k))
	}
	for _, f := range p.list("frequency") {
		q.Filter.Frequencies = append(q.Filter.Frequencies, cashback.Frequency(f))
	}
	if s := v.Get("minimum"); s != "" {
		q.Filter.MaxMinimum = p.money("minimum", s)
	}
	if s := v.Get("min_percent"); s != "" {
		d, err := decimal.Parse(strings.Replace(s, ",", ".", 1))
		if err != nil || d.Sign() < 0 || len(s) > 20 {
			p.fail("min_percent", "%q is not a rate: use digits such as 5 or 2.5", cut(s, 30))
		}
		q.Filter.MinPercent = cashback.Some(d)
	}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			p.fail("limit", "%q is not a number of items: use 1 to %d", cut(s, 30), MaxLimit)
		}
		q.Limit = n
	}
	if p.err != nil {
		return Query{}, p.err
	}
	return q, q.check()
}

// parser keeps the first error.
type parser struct {
	v   url.Values
	err error
}

func (p *parser) fail(field, format string, args ...any) {
	if p.err == nil {
		p.err = cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: field}, format, args...)
	}
}

func (p *parser) list(name string) []string {
	var out []string
	for _, s := range p.v[name] {
		for part := range strings.SplitSeq(s, ",") {
			part = strings.TrimSpace(part)
			if part == "" || slices.Contains(out, part) {
				continue
			}
			if len(out) == maxChoices {
				p.fail(name, "more than %d values", maxChoices)
				return nil
			}
			out = append(out, part)
		}
	}
	return out
}

func (p *parser) yes(name string) bool {
	switch s := p.v.Get(name); s {
	case "", "0", "false", "no", "off":
		return false
	case "1", "true", "yes", "on":
		return true
	default:
		p.fail(name, "%q is neither yes nor no: use 1 or 0", cut(s, 30))
		return false
	}
}

func (p *parser) country(field, s string) cashback.Country {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	c, err := cashback.ParseCountry(s)
	if err != nil {
		p.fail(field, "%w", err)
	}
	return c
}

func (p *parser) money(field, s string) *cashback.Money {
	amount, code, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok {
		p.fail(field, "%q has no currency: use an amount and a code, such as 15 EUR", cut(s, 30))
		return nil
	}
	c, err := cashback.ParseCurrency(code)
	if err == nil {
		var m cashback.Money
		if m, err = cashback.ParseMoney(amount, c); err == nil {
			return &m
		}
	}
	p.fail(field, "%v", err)
	return nil
}

// check holds a Query to its limits. Every error is Invalid and names the field.
func (q *Query) check() error {
	p := parser{}
	if _, isAddress := parseAddress(q.Text); !isAddress && (len(q.Text) > 4*maxText || utf8.RuneCountInString(q.Text) > maxText) {
		p.fail("q", "the text is too long: at most %d characters", maxText)
	}
	switch q.Order {
	case ByRelevance, ByValue, ByPortals, ByName, ByAge:
	default:
		p.fail("sort", "%q is not an order: use value, portals, name or age", cut(string(q.Order), 30))
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		p.fail("limit", "%d items are too many: at most %d", q.Limit, MaxLimit)
	}
	f := &q.Filter
	for name, list := range map[string]int{
		"in": len(f.Countries), "category": len(f.Categories), "portal": len(f.Portals), "kind": len(f.Kinds), "method": len(f.Methods),
		"frequency": len(f.Frequencies), "portal_country": len(f.PortalCountries), "language": len(f.Languages),
	} {
		if list > maxChoices {
			p.fail(name, "more than %d values", maxChoices)
		}
	}
	for name, list := range map[string][]string{"category": f.Categories, "portal": f.Portals, "method": f.Methods, "language": f.Languages} {
		for _, s := range list {
			if len(s) > maxChoice {
				p.fail(name, "%q is too long: at most %d bytes", cut(s, 30), maxChoice)
			}
		}
	}
	if i := f.Initial; i != "" && i != OtherInitial && (len(i) != 1 || i[0] < 'a' || i[0] > 'z') {
		p.fail("initial", "%q is not an initial: use a to z, or %s for the rest", cut(i, 30), OtherInitial)
	}
	for _, k := range f.Kinds {
		if !k.Pays() && k != cashback.NoCashback && k != cashback.Unknown && k != cashback.NotCashback {
			p.fail("kind", "%q is not a kind of reward: use percent, fixed, points_per_unit, points_fixed, none or unknown", cut(string(k), 30))
		}
	}
	for _, k := range f.Frequencies {
		if !slices.Contains(frequencies, k) {
			p.fail("frequency", "%q is not a payout frequency: use on_demand, automatic, weekly, biweekly, monthly, bimonthly, quarterly, half_yearly or yearly", cut(string(k), 30))
		}
	}
	return p.err
}

func (q *Query) limit() int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return q.Limit
}

// frequencies in the order of their bits in a portal's traits.
var frequencies = []cashback.Frequency{
	cashback.OnDemand, cashback.Automatic, cashback.Weekly, cashback.Biweekly, cashback.Monthly, cashback.Bimonthly,
	cashback.Quarterly, cashback.HalfYearly, cashback.Yearly, cashback.FrequencyUnknown,
}

// place is where an item stands in its order: better first, then second, then the
// lower id. It is what a cursor holds.
type place struct {
	first, second int64
	id            uint64
}

func (a place) before(b place) bool {
	if a.first != b.first {
		return a.first > b.first
	}
	if a.second != b.second {
		return a.second > b.second
	}
	return a.id < b.id
}

// signature ties a cursor to the question that it continues.
func (q *Query) signature() uint32 {
	h := fnv.New32a()
	f := &q.Filter
	put := func(s string) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	put(q.Text)
	put(string(q.Country))
	put(string(q.Order))
	put(strconv.Itoa(int(q.View)))
	for _, c := range f.Countries {
		put("c" + string(c))
	}
	for _, k := range f.Kinds {
		put("k" + string(k))
	}
	for _, k := range f.Frequencies {
		put("f" + string(k))
	}
	for _, c := range f.PortalCountries {
		put("l" + string(c))
	}
	for i, list := range [][]string{f.Categories, f.Portals, f.Methods, f.Languages} {
		for _, s := range list {
			put(strconv.Itoa(i) + s)
		}
	}
	if f.MaxMinimum != nil {
		put(strconv.FormatInt(f.MaxMinimum.Minor, 10) + string(f.MaxMinimum.Currency))
	}
	if f.MinPercent.Valid {
		put("p" + f.MinPercent.Decimal.String())
	}
	put("i" + f.Initial)
	put(strconv.FormatBool(f.Donation) + strconv.FormatBool(f.NoUpTo) + strconv.FormatBool(f.Verified))
	return h.Sum32()
}

const cursorSize = 4 + 3*8

func (q *Query) cursor(p place) string {
	b := make([]byte, 0, cursorSize)
	b = binary.BigEndian.AppendUint32(b, q.signature())
	b = binary.BigEndian.AppendUint64(b, uint64(p.first))
	b = binary.BigEndian.AppendUint64(b, uint64(p.second))
	b = binary.BigEndian.AppendUint64(b, p.id)
	return base64.RawURLEncoding.EncodeToString(b)
}

// after reads the cursor; nil means from the beginning.
func (q *Query) after() (*place, error) {
	if q.After == "" {
		return nil, nil
	}
	bad := func(why string) error {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "after"}, "%s: use the value that the answer before gave as next", why)
	}
	if len(q.After) > 2*cursorSize {
		return nil, bad("this is not a cursor")
	}
	b, err := base64.RawURLEncoding.DecodeString(q.After)
	if err != nil || len(b) != cursorSize {
		return nil, bad("this is not a cursor")
	}
	if binary.BigEndian.Uint32(b) != q.signature() {
		return nil, bad("this cursor belongs to another question")
	}
	return &place{
		first:  int64(binary.BigEndian.Uint64(b[4:])),
		second: int64(binary.BigEndian.Uint64(b[12:])),
		id:     binary.BigEndian.Uint64(b[20:]),
	}, nil
}

// staleAfter is how long an offer counts without being confirmed (RANKING.md,
// "Groups of the answer").
const staleAfter = 14 * 24 * time.Hour
