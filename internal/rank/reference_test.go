package rank

import (
	"slices"
	"strings"
	"testing"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func TestShippedTables(t *testing.T) {
	rates, vat := ShippedRates(), ShippedVAT()
	if len(rates.PerEuro) < 25 || rates.AsOf == 0 || rates.Source == "" {
		t.Errorf("%d rates of %s by %q", len(rates.PerEuro), rates.AsOf, rates.Source)
	}
	for _, c := range strings.Fields("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE GB CH NO") {
		if v, ok := vat.On(cashback.Country(c), vat.AsOf); !ok || v.Rate.Less(decimal.MustParse("0.08")) || decimal.MustParse("0.27").Less(v.Rate) {
			t.Errorf("%s: %v %v", c, v.Rate, ok)
		}
	}
	if _, ok := vat.On("US", vat.AsOf); ok {
		t.Error("the US have no one rate")
	}
}

func TestVATOn(t *testing.T) {
	day := func(s string) cashback.Date {
		d, err := cashback.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		country     cashback.Country
		day, rate   string
		since, none string
	}{
		{"FI", "2024-08-31", "0.24", "2013-01-01", ""},
		{"FI", "2024-09-01", "0.255", "2024-09-01", ""},
		{"DE", "2020-08-01", "0.16", "2020-07-01", ""},
		{"FR", "2026-11-22", "0.2", "2014-01-01", ""},
		{"FR", "2013-12-31", "", "", "before the table begins"},
		{"BR", "2026-11-22", "", "", "not in the table"},
	} {
		v, ok := ShippedVAT().On(c.country, day(c.day))
		if ok != (c.none == "") || ok && (v.Rate.String() != c.rate || v.Since.String() != c.since) {
			t.Errorf("%s on %s: %v since %s, %v", c.country, c.day, v.Rate, v.Since, ok)
		}
	}
}

// A country without a rate counts 0 and makes every row an estimate.
func TestVATUnknown(t *testing.T) {
	c := sixtyOffers()
	c.Purchase.VATRate, c.Purchase.Country = cashback.NullDecimal{}, "BR"
	if _, ok := ShippedVAT().Fill(&c); ok || !c.Purchase.VATUnknown || c.Purchase.VATRate.Valid {
		t.Errorf("%+v", c.Purchase)
	}
	for _, row := range mustRank(t, c).Ranked {
		if !row.Estimate {
			t.Errorf("%s is no estimate", row.Portal)
		}
	}
	c.Purchase.Country = "FR"
	if v, ok := ShippedVAT().Fill(&c); !ok || v.Rate.String() != "0.2" || c.Purchase.VATUnknown {
		t.Errorf("%+v", c.Purchase)
	}
}

func TestRatesPair(t *testing.T) {
	r := Rates{PerEuro: map[cashback.Currency]cashback.Decimal{"USD": decimal.MustParse("1.1607"), "GBP": decimal.MustParse("0.8678"), "IDR": decimal.MustParse("19272.67")}}
	for _, c := range []struct {
		from, to    cashback.Currency
		name, value string
	}{
		{"EUR", "USD", "EUR/USD", "1.1607"},
		{"USD", "EUR", "EUR/USD", "1.1607"},
		{"GBP", "USD", "GBP/USD", "1.337520166"}, // 1.1607 ÷ 0.8678 = 1.33752016593…
		{"IDR", "USD", "IDR/USD", "0.00006022517897"},
		{"USD", "USD", "", "0"},
		{"USD", "PLN", "", "0"},
	} {
		name, v, ok := r.Pair(c.from, c.to)
		if name != c.name || ok != (c.name != "") || v.String() != c.value {
			t.Errorf("%s to %s: %s %s %v, want %s %s", c.from, c.to, name, v, ok, c.name, c.value)
		}
	}
}

// A case gets the rates it needs, and keeps its own.
func TestRatesFill(t *testing.T) {
	own := decimal.MustParse("2")
	c := Case{
		Purchase: Purchase{Currency: "GBP"},
		Portals:  []Portal{{ID: "p", Currency: "EUR"}, {ID: "q", Currency: "USD"}},
		Offers:   []Offer{{Portal: "p", Tiers: []Tier{{CapCurrency: "PLN", Components: []cashback.Component{{Currency: "SEK"}, {Currency: "GBP"}, {}}}}}},
		FX:       map[string]cashback.Decimal{"USD/GBP": own},
	}
	before := c.FX
	if added := ShippedRates().Fill(&c); !slices.Equal(added, []string{"EUR/GBP", "PLN/GBP", "SEK/GBP"}) || !c.FX["USD/GBP"].Equal(own) || len(before) != 1 {
		t.Errorf("added %v: %v", added, c.FX)
	}
	if added := ShippedRates().Fill(&c); added != nil {
		t.Errorf("added %v again", added)
	}
}

const dailyFile = `<gesmes:Envelope xmlns:gesmes="x" xmlns="y"><Cube><Cube time='2026-11-20'><Cube currency='USD' rate='1.1'/></Cube></Cube></gesmes:Envelope>`

func TestReadECBRefuses(t *testing.T) {
	for _, c := range []struct{ replace, by, says string }{
		{"'1.1'", "'0'", "number above 0"},
		{"'1.1'", "'-1'", "number above 0"},
		{"'1.1'", "'1e30'", "number above 0"},
		{"'1.1'", "'N/A'", "number above 0"},
		{"'USD'", "'usd'", "not a currency"},
		{"'USD'", "'XXA'", "no rate"},
		{"'USD'", "'EUR'", "the euro itself"},
		{"<Cube currency='USD' rate='1.1'/>", "<Cube currency='USD' rate='1.1'/><Cube currency='USD' rate='1.2'/>", "twice"},
		{"<Cube currency='USD' rate='1.1'/>", "", "no rate"},
		{"2026-11-20", "20.11.2026", "not a date"},
		{"</Cube></Cube>", "</Cube><Cube time='2026-11-19'/></Cube>", "2 days"},
		{"</gesmes:Envelope>", "", "daily file"},
		{dailyFile, "<html>Maintenance</html>", "0 days"},
		{"<Cube>", strings.Repeat(" ", MaxReferenceBytes) + "<Cube>", "more than"},
	} {
		if strings.Count(dailyFile, c.replace) != 1 {
			t.Fatalf("%s isn't once in the file", c.replace)
		}
		if _, err := ReadECB(strings.NewReader(strings.Replace(dailyFile, c.replace, c.by, 1))); err == nil || cashback.KindOf(err) != cashback.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.by, err, c.says)
		}
	}
}

func TestReadVATRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"":                                       "as of",
		"FR 20 2014-01-01":                       "as of",
		"FR 20":                                  "1: ",
		"as of 2026-01-01\nFR 20 yesterday":      "2: ",
		"as of 2026-01-01\nFrance 20 2014-01-01": "two capitals",
		"as of 2026-01-01\nFR 200 2014-01-01":    "0 to 100",
		"as of 2026-01-01\nFR NaN 2014-01-01":    "0 to 100",
		"as of 2026-01-01\nFR 20 2014-01-01\nFR 21 2014-01-01 # x": "by date",
	} {
		if _, err := ReadVAT(strings.NewReader(in)); err == nil || cashback.KindOf(err) != cashback.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", in, err, says)
		}
	}
}

func FuzzReadECB(f *testing.F) {
	f.Add([]byte(dailyFile))
	f.Add(shippedRates)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ReadECB(strings.NewReader(string(data)))
		if err != nil {
			if cashback.KindOf(err) != cashback.Invalid {
				t.Errorf("%v is of kind %v", err, cashback.KindOf(err))
			}
			return
		}
		for c := range r.PerEuro {
			if _, v, ok := r.Pair(c, "EUR"); !ok || !v.IsPos() {
				t.Errorf("%s: %s %v", c, v, ok)
			}
			if _, v, ok := r.Pair(c, "USD"); ok && !v.IsPos() {
				t.Errorf("%s/USD: %s", c, v)
			}
		}
	})
}

func FuzzReadVAT(f *testing.F) {
	f.Add(string(shippedVAT))
	f.Fuzz(func(t *testing.T, data string) {
		if table, err := ReadVAT(strings.NewReader(data)); err == nil {
			table.On("FR", table.AsOf)
		} else if cashback.KindOf(err) != cashback.Invalid {
			t.Errorf("%v is of kind %v", err, cashback.KindOf(err))
		}
	})
}
