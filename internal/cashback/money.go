package cashback

import (
	"math"
	"slices"
	"strings"

	"github.com/bojanz/currency"
	"github.com/govalues/decimal"
)

// Decimal is an exact decimal of at most 19 digits: rates, and amounts on their
// way to minor units.
type Decimal = decimal.Decimal

// NullDecimal is a Decimal that can be absent. It is written as null in JSON, and
// as an empty string of bytes in binary forms.
type NullDecimal struct {
	Decimal Decimal
	Valid   bool
}

// MarshalJSON writes the decimal, or null.
func (n NullDecimal) MarshalJSON() ([]byte, error) { return decimal.NullDecimal(n).MarshalJSON() }

// UnmarshalJSON reads what MarshalJSON writes.
func (n *NullDecimal) UnmarshalJSON(b []byte) error {
	return (*decimal.NullDecimal)(n).UnmarshalJSON(b)
}

// MarshalBinary writes the decimal's digits, or nothing.
func (n NullDecimal) MarshalBinary() ([]byte, error) {
	if !n.Valid {
		return []byte{}, nil
	}
	return n.Decimal.MarshalBinary()
}

// UnmarshalBinary reads what MarshalBinary writes.
func (n *NullDecimal) UnmarshalBinary(b []byte) error {
	if len(b) == 0 {
		*n = NullDecimal{}
		return nil
	}
	n.Valid = true
	return n.Decimal.UnmarshalBinary(b)
}

// Some makes a present NullDecimal.
func Some(d Decimal) NullDecimal { return NullDecimal{Decimal: d, Valid: true} }

// Currency is an ISO 4217 code in capitals.
type Currency string

// ParseCurrency accepts an ISO 4217 code in any case.
func ParseCurrency(s string) (Currency, error) {
	c := strings.ToUpper(strings.TrimSpace(s))
	if !currency.IsValid(c) {
		return "", Errorf(Invalid, "%q is not a currency: use a three-letter code such as EUR, GBP or USD", short(s))
	}
	return Currency(c), nil
}

// Currencies are all that amounts may be in, by their codes.
func Currencies() (out []Currency) {
	for _, c := range currency.GetCurrencyCodes() {
		out = append(out, Currency(c))
	}
	slices.Sort(out)
	return out
}

// Digits is the number of decimals of the currency's minor unit (ISO 4217): 2
// for EUR, 0 for JPY; 2 for what isn't a currency.
func (c Currency) Digits() int {
	d, ok := currency.GetDigits(string(c))
	if !ok {
		return 2
	}
	return int(d)
}

// Money is an amount in integer minor units of its currency.
type Money struct {
	Minor    int64    `json:"minor" cbor:"1,keyasint"`
	Currency Currency `json:"currency" cbor:"2,keyasint"`
}

// MoneyOf rounds an amount in major units to minor units, half away from zero.
func MoneyOf(amount Decimal, c Currency) (Money, error) {
	scaled, err := amount.Mul(decimal.MustNew(pow10(c.Digits()), 0))
	if err != nil {
		return Money{}, Errorf(Invalid, "%s %s is more than can be counted", amount, c)
	}
	whole, _, ok := roundHalfAway(scaled).Int64(0)
	if !ok {
		return Money{}, Errorf(Invalid, "%s %s is more than can be counted", amount, c)
	}
	return Money{Minor: whole, Currency: c}, nil
}

// MaxBasket is the largest amount accepted as a basket, in major units: above it
// an input is a slip of the finger, not a purchase.
const MaxBasket = 10_000_000

// Decimal is the amount in major units.
func (m Money) Decimal() Decimal {
	d, err := decimal.New(m.Minor, m.Currency.Digits())
	if err != nil { // a scale of 0 to 4 always fits 19 digits
		panic(err)
	}
	return d
}

func (m Money) String() string { return m.Decimal().String() + " " + string(m.Currency) }

// Add sums two amounts of one currency; it refuses two currencies and overflow.
func (m Money) Add(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, Errorf(Internal, "add %s to %s: two currencies", n.Currency, m.Currency)
	}
	if n.Minor > 0 && m.Minor > math.MaxInt64-n.Minor || n.Minor < 0 && m.Minor < math.MinInt64-n.Minor {
		return Money{}, Errorf(Invalid, "%s and %s add up to more than can be counted", m, n)
	}
	m.Minor += n.Minor
	return m, nil
}

func roundHalfAway(d Decimal) Decimal {
	if d.IsNeg() {
		return roundHalfAway(d.Neg()).Neg()
	}
	half, err := d.Add(decimal.MustNew(5, 1))
	if err != nil { // too wide for a half: no fraction left to round
		return d.Trunc(0)
	}
	return half.Trunc(0)
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
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
