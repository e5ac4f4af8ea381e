package rank

import (
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

const goodCase = `{
 "name": "good", "comment": "a field of the keeper's own", "now": "2026-11-22",
 "purchase": {"amount": "100", "currency": "EUR", "country": "FR", "vat_rate": 0.2, "customer": null, "channel": "online", "category": null, "date": null},
 "shopper": {"methods": null, "gift_card_factor": "0.9", "patience_rate": null, "monthly_rewards": 5, "unknown_minimum": "20", "point_values": {"pts": "0.01"}, "portals": null,
  "balances": {"p": "12.00"}, "history": {"p": {"confirmed": 3, "declined": "1", "earned_365": "48.00", "merchants": {"m": {"confirmed": 1, "declined": 0}}}}},
 "portals": [{"id": "p", "currency": "EUR", "vat_basis": "net", "confirm_rate": "0.9", "up_to_share": null, "validation_days": 30, "point_values": {"pts": 0.005},
  "payout": {"frequency": "weekly", "methods": [{"kind": "paypal", "minimum": 0, "fee": null, "bonus_rate": "0.05", "share": null}]}}],
 "offers": [{"portal": "p", "merchant": "m", "verified_on": "2026-11-22", "status": "ok", "validation_days": null,
  "tiers": [{"category": null, "audience": "new", "channel": null, "min_spend": "50", "valid_from": "2026-01-01", "valid_to": null, "up_to": true, "cap": "10", "cap_currency": "USD",
   "components": [{"kind": "points_per_unit", "value": 5, "min": "2.5", "currency": "EUR", "points_currency": "pts", "per_amount": 1}]}]}],
 "fx": {"USD/EUR": "0.92"},
 "expect": {"ranked": "passed over"}
}`

func TestDecode(t *testing.T) {
	c, err := Decode([]byte(goodCase))
	if err != nil {
		t.Fatal(err)
	}
	o := c.Offers[0]
	if c.Name != "good" || c.Purchase.VATRate.Decimal.String() != "0.2" || c.Shopper.History["p"].Merchants["m"].Confirmed != 1 || c.Shopper.History["p"].Declined != 1 ||
		*c.Portals[0].ValidationDays != 30 || o.ValidationDays != nil || o.Tiers[0].Components[0].Min.Decimal.String() != "2.5" || o.Tiers[0].ValidTo != 0 || !o.Tiers[0].UpTo {
		t.Errorf("%+v", c)
	}
	if c.Shopper.Methods != nil || c.Shopper.Portals != nil || c.Portals[0].Payout.Methods[0].Share.Valid {
		t.Error("a null became a value")
	}
}

// A list that is empty isn't one that is missing.
func TestDecodeEmptyIsNone(t *testing.T) {
	c, err := Decode([]byte(strings.NewReplacer(`"methods": null`, `"methods": []`, `"portals": null`, `"portals": []`, `[{"kind": "paypal", "minimum": 0, "fee": null, "bonus_rate": "0.05", "share": null}]`, `[]`).Replace(goodCase)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Shopper.Methods == nil || c.Shopper.Portals == nil || c.Portals[0].Payout.Methods == nil {
		t.Error("an empty list became null")
	}
}

// Each fault is told with its place and what is allowed.
func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ replace, by, field, says string }{
		{`"amount": "100"`, `"amount": -1`, "purchase.amount", "-1 is not an amount: use a number from 0 to 10000000"},
		{`"amount": "100"`, `"amount": "10000000.01"`, "purchase.amount", "from 0 to 10000000"},
		{`"amount": "100"`, `"amount": 1e30`, "purchase.amount", "at most 19"},
		{`"amount": "100"`, `"amount": "1` + strings.Repeat("0", 30) + `"`, "purchase.amount", "at most 19"},
		{`"amount": "100"`, `"amount": "NaN"`, "purchase.amount", `"NaN" is not a number`},
		{`"amount": "100"`, `"amount": "Infinity"`, "purchase.amount", "is not a number"},
		{`"amount": "100"`, `"amount": "1,50"`, "purchase.amount", "120 or 12.50"},
		{`"amount": "100"`, `"amount": "0x1F"`, "purchase.amount", "is not a number"},
		{`"amount": "100"`, `"amount": "1_000"`, "purchase.amount", "is not a number"},
		{`"amount": "100"`, `"amount": "٣"`, "purchase.amount", "is not a number"},
		{`"amount": "100"`, `"amount": true`, "purchase.amount", "this is true or false"},
		{`"amount": "100"`, `"amount": null`, "purchase.amount", "the amount is missing"},
		{`"amount": "100",`, ``, "purchase.amount", "the amount is missing"},
		{`"currency": "EUR", "country"`, `"currency": "EURO", "country"`, "purchase.currency", "three-letter code"},
		{`"currency": "EUR", "country"`, `"currency": "eur", "country"`, "purchase.currency", "in capitals"},
		{`"currency": "EUR", "country"`, `"currency": null, "country"`, "purchase.currency", "missing"},
		{`"country": "FR"`, `"country": "France"`, "purchase.country", "two capitals"},
		{`"vat_rate": 0.2`, `"vat_rate": 20`, "purchase.vat_rate", "fraction"},
		{`"customer": null`, `"customer": "both"`, "purchase.customer", "new or existing"},
		{`"date": null`, `"date": "22/11/2026"`, "purchase.date", "YYYY-MM-DD"},
		{`"date": null`, `"date": 20261122`, "purchase.date", "this is a number"},
		{`"now": "2026-11-22"`, `"now": null`, "now", "missing"},
		{`"now": "2026-11-22"`, `"now": "9999-01-01"`, "now", "YYYY-MM-DD"},
		{`"methods": null`, `"methods": "paypal"`, "shopper.methods", "a list in brackets"},
		{`"methods": null`, `"methods": ["paypal", 3]`, "shopper.methods[1]", "a text in quotes"},
		{`"methods": null`, `"methods": ["paypal", "paypal"]`, "shopper.methods[1]", "once"},
		{`"portals": null`, `"portals": ["p", "p"]`, "shopper.portals[1]", "once"},
		{`"gift_card_factor": "0.9"`, `"gift_card_factor": "1.5"`, "shopper.gift_card_factor", "from 0 to 1"},
		{`"patience_rate": null`, `"patience_rate": "-0.1"`, "shopper.patience_rate", "from 0 to 10"},
		{`{"p": "12.00"}`, `{"p": "-12.00"}`, "shopper.balances.p", "from 0"},
		{`{"p": "12.00"}`, `["12.00"]`, "shopper.balances", "an object in braces"},
		{`"confirmed": 3`, `"confirmed": -3`, "shopper.history.p.confirmed", "whole number"},
		{`"confirmed": 3`, `"confirmed": 2.5`, "shopper.history.p.confirmed", "whole number"},
		{`"confirmed": 1, "declined": 0`, `"confirmed": 1, "declined": 9999999`, "shopper.history.p.merchants.m.declined", "to 1000000"},
		{`"earned_365": "48.00"`, `"earned_365": "many"`, "shopper.history.p.earned_365", "is not a number"},
		{`"id": "p"`, `"id": ""`, "portals[0].id", "a portal's id"},
		{`"id": "p", "currency": "EUR"`, `"id": "p", "currency": "XXY"`, "portals[0].currency", "not a currency"},
		{`"vat_basis": "net"`, `"vat_basis": "brutto"`, "portals[0].vat_basis", "net, gross or unknown"},
		{`"confirm_rate": "0.9"`, `"confirm_rate": "90"`, "portals[0].confirm_rate", "from 0 to 1"},
		{`"validation_days": 30`, `"validation_days": 99999`, "portals[0].validation_days", "to 3650"},
		{`"frequency": "weekly"`, `"frequency": "daily"`, "portals[0].payout.frequency", "on_demand"},
		{`"minimum": 0`, `"minimum": "-5"`, "portals[0].payout.methods[0].minimum", "from 0"},
		{`"bonus_rate": "0.05"`, `"bonus_rate": "50"`, "portals[0].payout.methods[0].bonus_rate", "fraction"},
		{`"share": null`, `"share": "2"`, "portals[0].payout.methods[0].share", "from 0 to 1"},
		{`"portal": "p"`, `"portal": "q"`, "offers[0].portal", "none of the case's portals"},
		{`"status": "ok"`, `"status": "fine"`, "offers[0].status", "ok or quarantined"},
		{`"audience": "new"`, `"audience": "vip"`, "offers[0].tiers[0].audience", "new or existing"},
		{`"up_to": true`, `"up_to": "yes"`, "offers[0].tiers[0].up_to", "true or false is wanted"},
		{`"cap_currency": "USD"`, `"cap_currency": "US"`, "offers[0].tiers[0].cap_currency", "not a currency"},
		{`"kind": "points_per_unit"`, `"kind": "voucher"`, "offers[0].tiers[0].components[0].kind", "percent, fixed, points_per_unit or points_fixed"},
		{`"value": 5`, `"value": null`, "offers[0].tiers[0].components[0].value", "missing"},
		{`"min": "2.5"`, `"min": "7"`, "offers[0].tiers[0].components[0].min", "can't lie above its top"},
		{`"per_amount": 1`, `"per_amount": 0`, "offers[0].tiers[0].components[0].per_amount", "above 0"},
		{`"cap": "10"`, `"cpa": "10"`, "offers[0].tiers[0].cpa", "is it cap?"},
		{`"cap": "10"`, `"cap": "10", "weather": 3`, "offers[0].tiers[0].weather", "no such field"},
		{`"shopper"`, `"shoper"`, "shoper", "is it shopper?"},
		{`"cap": "10"`, `"cap": "10", "cap": "20"`, "offers[0].tiers[0].cap", "twice"},
		{`"USD/EUR": "0.92"`, `"USD/EUR": "0"`, `fx["USD/EUR"]`, "an exchange rate"},
		{`"USD/EUR": "0.92"`, `"USDEUR": "0.92"`, `fx.USDEUR`, "GBP/EUR"},
		{`"USD/EUR": "0.92"`, `"EUR/EUR": "1"`, `fx["EUR/EUR"]`, "two different ones"},
		{`"offers": [{`, `"offers": [null, {`, "offers[0]", "this is null"},
	} {
		if strings.Count(goodCase, c.replace) != 1 {
			t.Fatalf("%s stands %d times in the case", c.replace, strings.Count(goodCase, c.replace))
		}
		_, err := Decode([]byte(strings.Replace(goodCase, c.replace, c.by, 1)))
		if err == nil || cashback.KindOf(err) != cashback.Invalid || !strings.HasPrefix(err.Error(), c.field+": ") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s for %s:\n%v\nwant %s … %s", c.by, c.replace, err, c.field, c.says)
		}
	}
}

func TestDecodeRefusesTwins(t *testing.T) {
	const start = `{"now": "2026-11-22", "purchase": {"amount": 1, "currency": "EUR"}, "portals": [{"id": "p", "currency": "EUR"}`
	for body, says := range map[string]string{
		`, {"id": "p", "currency": "EUR"}]}`:               "portals[1].id: \"p\" is portals[0] already",
		`], "offers": [{"portal": "p"}, {"portal": "p"}]}`: "offers[1].portal: \"p\" has offers[0] already",
	} {
		if _, err := Decode([]byte(start + body)); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s: %v, want %s", body, err, says)
		}
	}
}

func TestDecodeRefusesWhatIsNoCase(t *testing.T) {
	for in, says := range map[string]string{
		"":                             "1:1: this is not a JSON object: it ends too early",
		"{":                            "it ends too early",
		"[]":                           "this is a list: an object in braces is wanted",
		"null":                         "a case is a JSON object",
		"{} {}":                        "something follows",
		"{\n \"now\": NaN}":            "2:9: ",
		"{\"a\":\"\xff\"}":             "UTF-8",
		strings.Repeat("[", 1000):      "nested too deeply",
		strings.Repeat(" ", 5_000_000): "at most 4194304 are read",
	} {
		if _, err := Decode([]byte(in)); err == nil || cashback.KindOf(err) != cashback.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: %v, want %s", in, err, says)
		}
	}
}

func TestExactDecimal(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "12.50": "12.5", "1e3": "1000", "1.5E-3": "0.0015", "0.0000000000000000001": "0.0000000000000000001",
		"1.17000000000000000000000000": "1.17", "9223372036854775807": "9223372036854775807", "-3": "-3", "007": "7", "1e+2": "100",
		"": "", "-": "", ".5": "", "5.": "", "+1": "", "1e": "", "1e99999999999": "", "12345678901234567890": "", "0.00000000000000000001": "", " 1": "", "1 ": "", "--1": "", "NaN": "", "Inf": "", "1.2.3": "",
	} {
		got, ok := exactDecimal(in)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: %s %v, want %q", in, got, ok, want)
		}
	}
}

// Whatever comes in, Decode and Rank end with an answer or a sentence.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(goodCase))
	f.Add([]byte(strings.Replace(goodCase, `"100"`, `1e19`, 1)))
	f.Add([]byte(`{"now":"2026-11-22","purchase":{"amount":1,"currency":"JPY"},"portals":[{"id":"p","currency":"EUR"}],"offers":[{"portal":"p","verified_on":"2026-11-22","tiers":[{"components":[{"kind":"fixed","value":"1e9","currency":"EUR"}]}]}],"fx":{"EUR/JPY":1e9}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(data)
		if err == nil {
			_, err = Rank(c)
		}
		if err != nil && cashback.KindOf(err) != cashback.Invalid {
			t.Errorf("%v is of kind %v", err, cashback.KindOf(err))
		}
	})
}
