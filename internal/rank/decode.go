package rank

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Decode reads a case from JSON (RANKING.md, "The case") and holds it to what is
// allowed. It is strict: a misspelt field would silently change an answer. Fields
// that only document (name, note, expect …) are passed over, and so are unknown
// ones of the whole case that can't be a slip for a known one. Numbers may be JSON
// numbers or strings; both are read as exact decimals. Errors are of kind Invalid,
// with the field's path, or line and column where it isn't JSON.
func Decode(data []byte) (Case, error) {
	root, err := parseJSON(data)
	if err != nil {
		return Case{}, err
	}
	d := &decoder{}
	c := d.whole(root)
	if d.err != nil {
		return Case{}, d.err
	}
	if err := c.check(); err != nil {
		return Case{}, err
	}
	return c, nil
}

// node is a JSON value as it was written: members keep their order and doubles,
// numbers their digits.
type node struct {
	kind    kind
	text    string // of a string, a number, true or false
	names   []string
	members []node // of an object, in step with names, or of a list
}

type kind uint8

const (
	null kind = iota
	boolean
	numeral
	text
	list
	object
)

var kindWords = [...]string{"null", "true or false", "a number", "a text", "a list", "an object"}

// maxDepth is deeper than any case and shallow enough to walk.
const maxDepth = 20

func parseJSON(data []byte) (node, error) {
	if len(data) > MaxCaseBytes {
		return node{}, cashback.Errorf(cashback.Invalid, "the case has %d bytes: at most %d are read", len(data), MaxCaseBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	if !utf8.Valid(data) {
		return node{}, cashback.Errorf(cashback.Invalid, "the case is not UTF-8 text: save it as UTF-8")
	}
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	n, err := parseValue(in, 0)
	if err == nil {
		if _, extra := in.Token(); !errors.Is(extra, io.EOF) {
			err = errors.New("something follows the case's closing brace")
		}
	}
	if err == nil {
		return n, nil
	}
	// The fault is in the token after the last one that was read.
	before := data[:in.InputOffset()]
	before = data[:len(data)-len(bytes.TrimLeft(data[len(before):], " \t\r\n:,"))]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		before, err = data, errors.New("it ends too early")
	}
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return node{}, cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: line, Column: column}, "this is not a JSON object: %w", err)
}

func parseValue(in *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errors.New("it is nested too deeply")
	}
	t, err := in.Token()
	if err != nil {
		return node{}, err
	}
	switch v := t.(type) {
	case nil:
		return node{}, nil
	case bool:
		return node{kind: boolean, text: strconv.FormatBool(v)}, nil
	case json.Number:
		return node{kind: numeral, text: v.String()}, nil
	case string:
		return node{kind: text, text: v}, nil
	}
	n := node{kind: list}
	if t == json.Delim('{') {
		n.kind = object
	}
	for in.More() {
		if n.kind == object {
			name, err := in.Token()
			if err != nil {
				return node{}, err
			}
			n.names = append(n.names, name.(string)) // a key of an object is a string
		}
		m, err := parseValue(in, depth+1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, m)
	}
	_, err = in.Token() // the closing bracket
	return n, err
}

// decoder remembers the first fault.
type decoder struct{ err error }

func (d *decoder) fail(path, format string, args ...any) {
	if d.err == nil {
		d.err = fault(path, format, args...)
	}
}

// fields hands an object's members out by name, and then knows those nobody asked
// for.
type fields struct {
	d     *decoder
	path  string
	node  node
	asked []string
}

// object returns nil for null, and where n isn't an object.
func (d *decoder) object(n node, path string) *fields {
	if n.kind != object {
		if n.kind != null {
			d.fail(path, "this is %s: an object in braces is wanted", kindWords[n.kind])
		}
		return nil
	}
	for i, name := range n.names {
		if slices.Contains(n.names[:i], name) {
			d.fail(join(path, name), "the field stands there twice")
		}
	}
	return &fields{d: d, path: path, node: n}
}

func join(path, name string) string {
	if path == "" {
		return keyed("", name)[1:]
	}
	return keyed(path, name)
}

func (f *fields) get(name string) (node, string) {
	f.asked = append(f.asked, name)
	if i := slices.Index(f.node.names, name); i >= 0 {
		return f.node.members[i], join(f.path, name)
	}
	return node{}, join(f.path, name)
}

// documentation are fields that may stand anywhere and mean nothing to the sum.
var documentation = []string{"name", "note", "notes", "comment", "description", "label", "title", "source", "as_of", "url", "homepage", "raw", "raw_text", "countries", "why"}

// done refuses fields that nobody asked for. The case itself may carry others, for
// those who keep it, unless they look like a slip.
func (f *fields) done() {
	for _, name := range f.node.names {
		if slices.Contains(f.asked, name) || slices.Contains(documentation, name) || strings.HasPrefix(name, "_") {
			continue
		}
		for _, known := range f.asked {
			if near(name, known) && !slices.Contains(f.node.names, known) {
				f.d.fail(join(f.path, name), "there is no such field: is it %s?", known)
			}
		}
		if f.path != "" {
			f.d.fail(join(f.path, name), "there is no such field: use %s", strings.Join(f.asked, ", "))
		}
	}
}

// near says whether two names are at most two slips of a finger apart.
func near(a, b string) bool {
	if len(a) > 40 || max(len(a), len(b))-min(len(a), len(b)) > 2 {
		return false
	}
	before := make([]int, len(b)+1)
	for j := range before {
		before[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(before[j]+cost, before[j+1]+1, row[j]+1)
		}
		before = row
	}
	return before[len(b)] <= 2
}

func (f *fields) string(name string) string {
	n, path := f.get(name)
	if n.kind != text && n.kind != null {
		f.d.fail(path, "this is %s: a text in quotes is wanted", kindWords[n.kind])
		return ""
	}
	return n.text
}

func (f *fields) bool(name string) bool {
	n, path := f.get(name)
	if n.kind != boolean && n.kind != null {
		f.d.fail(path, "this is %s: true or false is wanted", kindWords[n.kind])
	}
	return n.text == "true"
}

func (f *fields) date(name string) cashback.Date {
	s := f.string(name)
	if s == "" {
		return 0
	}
	day, err := cashback.ParseDate(s)
	if err != nil {
		f.d.fail(join(f.path, name), "%w", err)
	}
	return day
}

func (f *fields) decimal(name string) cashback.NullDecimal {
	n, path := f.get(name)
	return f.d.decimal(n, path)
}

// required is a decimal that has no default.
func (f *fields) required(name, what string) cashback.Decimal {
	v := f.decimal(name)
	if !v.Valid {
		f.d.fail(join(f.path, name), "%s is missing: use a number such as 120 or 12.50", what)
	}
	return v.Decimal
}

// orZero is a decimal whose default is 0.
func (f *fields) orZero(name string) cashback.Decimal { return f.decimal(name).Decimal }

func (f *fields) int(name string) *int {
	v := f.decimal(name)
	if !v.Valid {
		return nil
	}
	n, frac, ok := v.Decimal.Int64(9)
	if !ok || frac != 0 || !v.Decimal.IsInt() || n > 1<<31 || n < -1<<31 {
		f.d.fail(join(f.path, name), "%s is not a whole number that can be counted: use digits such as 30", v.Decimal)
		return nil
	}
	i := int(n)
	return &i
}

func (f *fields) count(name string) int {
	if n := f.int(name); n != nil {
		return *n
	}
	return 0
}

// decimal reads a number exactly: no rounding, no infinity, no NaN.
func (d *decoder) decimal(n node, path string) cashback.NullDecimal {
	if n.kind == null {
		return cashback.NullDecimal{}
	}
	if n.kind != numeral && n.kind != text {
		d.fail(path, "this is %s: a number such as 12.50 is wanted", kindWords[n.kind])
		return cashback.NullDecimal{}
	}
	v, ok := exactDecimal(n.text)
	if !ok {
		d.fail(path, "%q is not a number that is counted here: use digits such as 120 or 12.50, at most 19 of them", short(n.text))
		return cashback.NullDecimal{}
	}
	return cashback.Some(v)
}

// exactDecimal reads digits with an optional sign, fraction and exponent, as long
// as the number has at most 19 significant digits.
func exactDecimal(s string) (cashback.Decimal, bool) {
	const most = 19
	rest, negative := strings.CutPrefix(s, "-")
	mantissa, power, exponential := strings.Cut(strings.ToLower(rest), "e")
	shift := 0
	if exponential {
		var err error
		if shift, err = strconv.Atoi(power); err != nil || shift < -most || shift > most {
			return cashback.Decimal{}, false
		}
	}
	before, after, point := strings.Cut(mantissa, ".")
	if before == "" || point && after == "" || len(mantissa) > 60 || strings.Trim(before+after, "0123456789") != "" {
		return cashback.Decimal{}, false
	}
	digits, scale := before+after, len(after)-shift
	for scale > 0 && strings.HasSuffix(digits, "0") {
		digits, scale = digits[:len(digits)-1], scale-1
	}
	for scale < 0 {
		digits, scale = digits+"0", scale+1
	}
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return decimal.Decimal{}, true
	}
	if len(digits) > most || scale > most {
		return cashback.Decimal{}, false
	}
	coefficient, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return cashback.Decimal{}, false
	}
	if pad := scale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	v, err := decimal.Parse(digits[:len(digits)-scale] + "." + digits[len(digits)-scale:])
	if err != nil || v.Coef() != coefficient || v.Scale() != scale {
		return cashback.Decimal{}, false
	}
	if negative {
		v = v.Neg()
	}
	return v, true
}

// list returns the members of a list and whether there is one at all: an empty
// list isn't null.
func (f *fields) list(name string, most int) ([]node, string, bool) {
	n, path := f.get(name)
	if n.kind != list {
		if n.kind != null {
			f.d.fail(path, "this is %s: a list in brackets is wanted", kindWords[n.kind])
		}
		return nil, path, false
	}
	if len(n.members) > most {
		f.d.fail(path, "%d entries are too many: at most %d are ranked at once", len(n.members), most)
		return nil, path, false
	}
	return n.members, path, true
}

func (f *fields) strings(name string) []string {
	members, path, ok := f.list(name, maxEntries)
	if !ok {
		return nil
	}
	out := make([]string, len(members))
	for i, m := range members {
		if m.kind != text {
			f.d.fail(index(path, i), "this is %s: a text in quotes is wanted", kindWords[m.kind])
		}
		out[i] = m.text
	}
	return out
}

func (f *fields) decimals(name string) map[string]cashback.Decimal {
	n, path := f.get(name)
	m := f.d.object(n, path)
	if m == nil {
		return nil
	}
	out := make(map[string]cashback.Decimal, len(n.names))
	for i, key := range n.names {
		if v := f.d.decimal(n.members[i], keyed(path, key)); v.Valid {
			out[key] = v.Decimal
		}
	}
	return out
}

func index(path string, i int) string { return path + "[" + itoa(i) + "]" }

func (d *decoder) whole(root node) Case {
	var c Case
	f := d.object(root, "")
	if f == nil {
		d.fail("", "a case is a JSON object with now, purchase, shopper, portals and offers")
		return c
	}
	c.Name = f.string("name")
	c.Now = f.date("now")
	if n, path := f.get("purchase"); n.kind == null {
		d.fail(path, "the purchase is missing: give it an amount and a currency")
	} else if p := d.object(n, path); p != nil {
		c.Purchase = Purchase{
			Amount:   p.required("amount", "the amount"),
			Currency: cashback.Currency(p.string("currency")),
			Country:  cashback.Country(p.string("country")),
			VATRate:  p.decimal("vat_rate"),
			Customer: cashback.Audience(p.string("customer")),
			Channel:  p.string("channel"),
			Category: p.string("category"),
			Date:     p.date("date"),
		}
		p.done()
	}
	n, path := f.get("shopper")
	if s := d.object(n, path); s != nil {
		c.Shopper = d.shopper(s)
	}
	members, path, _ := f.list("portals", maxPortals)
	for i, n := range members {
		if p := d.entry(n, index(path, i)); p != nil {
			c.Portals = append(c.Portals, d.portal(p))
		}
	}
	members, path, _ = f.list("offers", maxOffers)
	for i, n := range members {
		if o := d.entry(n, index(path, i)); o != nil {
			c.Offers = append(c.Offers, d.offer(o))
		}
	}
	c.FX = f.decimals("fx")
	f.get("expect")
	f.done()
	return c
}

// entry is an object of a list, where null has no meaning.
func (d *decoder) entry(n node, path string) *fields {
	if n.kind == null {
		d.fail(path, "this is null: an object in braces is wanted")
	}
	return d.object(n, path)
}

func (d *decoder) shopper(f *fields) Shopper {
	defer f.done()
	s := Shopper{
		Methods:        f.strings("methods"),
		GiftCardFactor: f.decimal("gift_card_factor"),
		PatienceRate:   f.decimal("patience_rate"),
		MonthlyRewards: f.decimal("monthly_rewards"),
		UnknownMinimum: f.decimal("unknown_minimum"),
		PointValues:    f.decimals("point_values"),
		Portals:        f.strings("portals"),
		Balances:       f.decimals("balances"),
	}
	n, path := f.get("history")
	all := d.object(n, path)
	if all == nil {
		return s
	}
	s.History = make(map[string]History, len(n.names))
	for i, portal := range n.names {
		h := d.object(n.members[i], keyed(path, portal))
		if h == nil {
			continue
		}
		past := History{Outcomes: Outcomes{h.count("confirmed"), h.count("declined")}, Earned365: h.orZero("earned_365")}
		n, path := h.get("merchants")
		if d.object(n, path) != nil {
			past.Merchants = make(map[string]Outcomes, len(n.names))
			for i, merchant := range n.names {
				if m := d.object(n.members[i], keyed(path, merchant)); m != nil {
					past.Merchants[merchant] = Outcomes{m.count("confirmed"), m.count("declined")}
					m.done()
				}
			}
		}
		h.done()
		s.History[portal] = past
	}
	return s
}

func (d *decoder) portal(f *fields) Portal {
	defer f.done()
	p := Portal{
		ID:             f.string("id"),
		Currency:       cashback.Currency(f.string("currency")),
		VATBasis:       cashback.VATBasis(f.string("vat_basis")),
		ConfirmRate:    f.decimal("confirm_rate"),
		UpToShare:      f.decimal("up_to_share"),
		ValidationDays: f.int("validation_days"),
		PointValues:    f.decimals("point_values"),
	}
	n, path := f.get("payout")
	pay := d.object(n, path)
	if pay == nil {
		return p
	}
	p.Payout = &cashback.Payout{Frequency: cashback.Frequency(pay.string("frequency")), PayDates: pay.strings("pay_dates")}
	members, path, ok := pay.list("methods", maxMethods)
	if ok {
		p.Payout.Methods = make([]cashback.PayoutMethod, 0, len(members))
	}
	for i, n := range members {
		if m := d.entry(n, index(path, i)); m != nil {
			p.Payout.Methods = append(p.Payout.Methods, cashback.PayoutMethod{
				Kind:        m.string("kind"),
				Minimum:     m.decimal("minimum"),
				Fee:         m.orZero("fee"),
				BonusRate:   m.orZero("bonus_rate"),
				Share:       m.decimal("share"),
				Association: m.string("association"),
			})
			m.done()
		}
	}
	pay.done()
	return p
}

func (d *decoder) offer(f *fields) Offer {
	defer f.done()
	o := Offer{
		Portal:         f.string("portal"),
		Merchant:       f.string("merchant"),
		VerifiedOn:     f.date("verified_on"),
		ValidationDays: f.int("validation_days"),
	}
	switch s := f.string("status"); s {
	case "", string(cashback.OK):
	case string(cashback.Quarantined):
		o.Quarantined = true
	default:
		d.fail(join(f.path, "status"), "%q is not a status: use ok or quarantined", short(s))
	}
	members, path, _ := f.list("tiers", maxTiers)
	for i, n := range members {
		if t := d.entry(n, index(path, i)); t != nil {
			o.Tiers = append(o.Tiers, d.tier(t))
		}
	}
	return o
}

func (d *decoder) tier(f *fields) Tier {
	defer f.done()
	t := Tier{
		Category:         f.string("category"),
		Audience:         cashback.Audience(f.string("audience")),
		Channel:          f.string("channel"),
		MinSpend:         f.decimal("min_spend"),
		MinSpendCurrency: cashback.Currency(f.string("min_spend_currency")),
		ValidFrom:        f.date("valid_from"),
		ValidTo:          f.date("valid_to"),
		UpTo:             f.bool("up_to"),
		Cap:              f.decimal("cap"),
		CapCurrency:      cashback.Currency(f.string("cap_currency")),
	}
	members, path, _ := f.list("components", maxComponents)
	for i, n := range members {
		k := d.entry(n, index(path, i))
		if k == nil {
			continue
		}
		c := cashback.Component{
			Kind:           cashback.RewardKind(k.string("kind")),
			Value:          k.required("value", "the value"),
			Min:            k.decimal("min"),
			Currency:       cashback.Currency(k.string("currency")),
			PointsCurrency: k.string("points_currency"),
			PerAmount:      k.orZero("per_amount"),
			PerUnit:        k.string("per_unit"),
		}
		if v := k.decimal("per_amount"); v.Valid && !v.Decimal.IsPos() {
			d.fail(join(k.path, "per_amount"), "%s is not a unit: use an amount above 0, or leave it out for 1", v.Decimal)
		}
		k.done()
		t.Components = append(t.Components, c)
	}
	return t
}
