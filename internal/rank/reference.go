package rank

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Rates are euro reference rates of one day.
type Rates struct {
	AsOf   cashback.Date
	Source string
	// PerEuro is how much of a currency a euro gives.
	PerEuro map[cashback.Currency]cashback.Decimal
}

//go:embed reference/rates.xml
var shippedRates []byte

//go:embed reference/vat.txt
var shippedVAT []byte

// ShippedRates are the rates that come with the program. They age: an operator
// replaces them by the European Central Bank's daily file.
func ShippedRates() Rates {
	r, err := ReadECB(bytes.NewReader(shippedRates))
	if err != nil {
		panic(err) // a test reads the same bytes
	}
	return r
}

// MaxReferenceBytes bounds a file of reference rates; the daily one has 2 kB, that
// of all days since 1999 some 8 MB, which is refused.
const MaxReferenceBytes = 256 << 10

// ReadECB reads the European Central Bank's daily file (eurofxref-daily.xml). It
// refuses a file of several days, a currency that stands twice, and rates that
// aren't between a billionth and a billion.
func ReadECB(in io.Reader) (Rates, error) {
	data, err := bounded(in)
	if err != nil {
		return Rates{}, err
	}
	var envelope struct {
		Days []struct {
			Time  string `xml:"time,attr"`
			Rates []struct {
				Currency string `xml:"currency,attr"`
				Rate     string `xml:"rate,attr"`
			} `xml:"Cube"`
		} `xml:"Cube>Cube"`
	}
	dec := xml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&envelope); err != nil {
		line, column := dec.InputPos()
		return Rates{}, cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: line, Column: column}, "this is not the daily file of reference rates: %v", err)
	}
	if len(envelope.Days) != 1 {
		return Rates{}, cashback.Errorf(cashback.Invalid, "the file holds %d days of rates: use the daily file, which holds one", len(envelope.Days))
	}
	day := envelope.Days[0]
	out := Rates{Source: "European Central Bank", PerEuro: make(map[cashback.Currency]cashback.Decimal, len(day.Rates))}
	if out.AsOf, err = cashback.ParseDate(day.Time); err != nil {
		return Rates{}, cashback.Errorf(cashback.Invalid, "the day of the rates: %w", err)
	}
	for _, r := range day.Rates {
		if len(r.Currency) != 3 || strings.Trim(r.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return Rates{}, cashback.Errorf(cashback.Invalid, "%q is not a currency: the file has three-letter codes", short(r.Currency))
		}
		c, err := cashback.ParseCurrency(r.Currency)
		if err != nil {
			continue // one that has left ISO 4217, as the lev has, or isn't known yet
		}
		v, ok := exactDecimal(r.Rate)
		if !ok || v.Less(minRate) || maxRate.Less(v) {
			return Rates{}, cashback.Errorf(cashback.Invalid, "%q is not a rate of %s: use a number above 0", short(r.Rate), c)
		}
		if _, twice := out.PerEuro[c]; twice || c == "EUR" {
			return Rates{}, cashback.Errorf(cashback.Invalid, "%s stands twice among the rates, or is the euro itself", c)
		}
		out.PerEuro[c] = v
	}
	if len(out.PerEuro) == 0 {
		return Rates{}, cashback.Errorf(cashback.Invalid, "there is no rate in the file: use the European Central Bank's eurofxref-daily.xml")
	}
	return out, nil
}

func bounded(in io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, MaxReferenceBytes+1))
	if err == nil && len(data) > MaxReferenceBytes {
		err = cashback.Errorf(cashback.Invalid, "the file has more than %d bytes: use the daily one", MaxReferenceBytes)
	}
	return data, err
}

// Pair is the direct rate between two currencies as a case takes it: its name
// ("GBP/EUR") and how much of the second one of the first gives. Between the euro
// and another currency it is the published number; between two others it is their
// quotient, rounded to ten significant digits, half away from zero. False where a
// rate is missing.
func (r Rates) Pair(from, to cashback.Currency) (name string, rate cashback.Decimal, ok bool) {
	a, knowsFrom := r.PerEuro[from]
	b, knowsTo := r.PerEuro[to]
	switch {
	case from == to:
		return "", cashback.Decimal{}, false
	case from == "EUR" && knowsTo:
		return string("EUR/" + to), b, true
	case to == "EUR" && knowsFrom:
		return string("EUR/" + from), a, true
	case knowsFrom && knowsTo:
		cross, ok := significant(exactly(b).div(exactly(a)))
		return string(from + "/" + to), cross, ok
	}
	return "", cashback.Decimal{}, false
}

// significant rounds x > 0 to ten significant digits.
func significant(x number) (cashback.Decimal, bool) {
	const digits = 10
	r := x.ratio()
	n, d := new(big.Int).Set(&r.n), new(big.Int).Set(&r.d)
	ten, most := big.NewInt(10), big.NewInt(powers[digits])
	scale := 0
	for new(big.Int).Mul(n, ten).Cmp(new(big.Int).Mul(d, most)) < 0 && scale < decimal.MaxScale {
		n.Mul(n, ten)
		scale++
	}
	q := n.Lsh(n, 1)
	q.Add(q, d)
	q.Quo(q, d.Lsh(d, 1))
	if !q.IsInt64() {
		return cashback.Decimal{}, false
	}
	v, err := decimal.New(q.Int64(), scale)
	return v.Trim(0), err == nil && v.Cmp(minRate) >= 0
}

// into adds the direct rate between two currencies to a case that has none, and
// returns its name, "" where nothing was added.
func (r Rates) into(c *Case, from, to cashback.Currency) string {
	_, direct := c.FX[string(from)+"/"+string(to)]
	_, inverse := c.FX[string(to)+"/"+string(from)]
	name, rate, ok := r.Pair(from, to)
	if direct || inverse || !ok {
		return ""
	}
	if c.FX == nil {
		c.FX = map[string]cashback.Decimal{}
	}
	c.FX[name] = rate
	return name
}

// Fill gives a case the direct rates that its currencies need and that it doesn't
// have, and returns their names, sorted. What the case states already stays.
func (r Rates) Fill(c *Case) []string {
	c.FX = maps.Clone(c.FX)
	var added []string
	need := func(other cashback.Currency) {
		if other == "" {
			return
		}
		if name := r.into(c, other, c.Purchase.Currency); name != "" {
			added = append(added, name)
		}
	}
	for i := range c.Portals {
		need(c.Portals[i].Currency)
	}
	for i := range c.Offers {
		for _, t := range c.Offers[i].Tiers {
			need(t.MinSpendCurrency)
			need(t.CapCurrency)
			for _, k := range t.Components {
				need(k.Currency)
			}
		}
	}
	slices.Sort(added)
	return added
}

// VATTable is the standard VAT rate of countries, by the day it came into force.
type VATTable struct {
	AsOf  cashback.Date
	rates map[cashback.Country][]VAT // in order of Since
}

// VAT is a standard rate as a fraction, and the first day that it is in force.
type VAT struct {
	Rate  cashback.Decimal
	Since cashback.Date
}

// ShippedVAT is the table that comes with the program.
func ShippedVAT() VATTable {
	t, err := ReadVAT(bytes.NewReader(shippedVAT))
	if err != nil {
		panic(err) // a test reads the same bytes
	}
	return t
}

// ReadVAT reads a table of VAT rates: lines "FR 20 2014-01-01" (country, percent,
// first day in force), one "as of 2026-01-01", empty ones and comments after #.
func ReadVAT(in io.Reader) (VATTable, error) {
	data, err := bounded(in)
	if err != nil {
		return VATTable{}, err
	}
	t := VATTable{rates: map[cashback.Country][]VAT{}}
	lines := bufio.NewScanner(bytes.NewReader(data))
	n := 0
	wrong := func(err error) (VATTable, error) {
		return VATTable{}, cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: n}, "%w", err)
	}
	for lines.Scan() {
		n++
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 {
			return wrong(errors.New(`write a country, its rate in percent and the day it came into force, as in "FR 20 2014-01-01"`))
		}
		day, err := cashback.ParseDate(words[2])
		if err != nil {
			return wrong(err)
		}
		if words[0] == "as" && words[1] == "of" {
			t.AsOf = day
			continue
		}
		country := cashback.Country(words[0])
		percent, ok := exactDecimal(words[1])
		if !isCountry(country) || !ok || percent.IsNeg() || dec(100).Less(percent) {
			return wrong(cashback.Errorf(cashback.Invalid, "%q is no country with a rate: use two capitals and a percentage from 0 to 100", short(words[0]+" "+words[1])))
		}
		rate, err := percent.Mul(decimal.MustNew(1, 2))
		if err != nil {
			return wrong(err)
		}
		of := t.rates[country]
		if len(of) > 0 && day <= of[len(of)-1].Since {
			return wrong(cashback.Errorf(cashback.Invalid, "%s is not after the line before it: list a country's rates by date", day))
		}
		t.rates[country] = append(of, VAT{Rate: rate.Trim(0), Since: day})
	}
	if lines.Err() != nil || t.AsOf == 0 {
		return wrong(errors.New(`a line "as of YYYY-MM-DD" is missing, or one is too long`))
	}
	return t, nil
}

// Countries are those that the table has a rate for, sorted.
func (t VATTable) Countries() []cashback.Country {
	return slices.Sorted(maps.Keys(t.rates))
}

// On is a country's standard rate on a day; false where the table has none.
func (t VATTable) On(country cashback.Country, day cashback.Date) (VAT, bool) {
	of := t.rates[country]
	for i := len(of) - 1; i >= 0; i-- {
		if of[i].Since <= day {
			return of[i], true
		}
	}
	return VAT{}, false
}

// Fill gives a case whose VAT rate isn't stated that of its country on the day of
// the purchase; without one it counts 0 and makes the answer an estimate.
func (t VATTable) Fill(c *Case) (VAT, bool) {
	p := &c.Purchase
	if p.VATRate.Valid {
		return VAT{}, false
	}
	day := p.Date
	if day == 0 {
		day = c.Now
	}
	v, ok := t.On(p.Country, day)
	p.VATUnknown = !ok
	if ok {
		p.VATRate = cashback.Some(v.Rate)
	}
	return v, ok
}
