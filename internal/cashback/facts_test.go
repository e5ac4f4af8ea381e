package cashback

import (
	"reflect"
	"testing"
)

// Every fact can be said in one line, and what is printed says the same again.
func TestFactsInText(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"vat_basis", "net", "net"},
		{"payout", "monthly, bank_transfer 10.00, paypal 10.00 fee 0.35, gift_card 5 bonus 0.08", ""},
		{"payout", "unknown", ""},
		{"payout", "weekly, cheque, donation 0 share 0.9", ""},
		{"payout", `{"frequency":"yearly","methods":[{"kind":"paypal","minimum":"5.00"}]}`, "yearly, paypal 5.00"},
		{"confirm_rate", "0.91", ""},
		{"up_to_share", "0.4", ""},
		{"tracking_days", "3", ""},
		{"validation_days", "60", ""},
		{"claim_window", "10-90", ""},
		{"claim_window", "10-", ""},
		{"claim_window", "none", ""},
		{"inactive_months", "0", ""},
		{"point_values", "miles 0.008, points 0.01", ""},
		{"donation", "yes 0.90 Les Restos du Cœur; WWF France", ""},
		{"donation", "yes Les Restos", ""},
		{"donation", "no", ""},
		{"join_bonus", "3.00", ""},
		{"membership_fee", "0", ""},
		{"app", "yes", ""},
		{"extension", "no", ""},
		{"merchants_claimed", "1200", ""},
		{"status", "active", ""},
	} {
		var f Facts
		origin := Origin{Source: "https://portal.test/terms", AsOf: "2026-11-24", Learnt: 25}
		if err := f.Set(c.name, c.value, origin); err != nil {
			t.Errorf("%s %q: %v", c.name, c.value, err)
			continue
		}
		got, from, known := f.Fact(c.name)
		if c.want == "" {
			c.want = c.value
		}
		if got != c.want || from != origin || !known {
			t.Errorf("%s %q is %q, %+v, %v", c.name, c.value, got, from, known)
		}
		var again Facts
		if err := again.Set(c.name, got, origin); err != nil || !reflect.DeepEqual(f, again) {
			t.Errorf("%s: %q isn't read as what it was printed from: %v", c.name, got, err)
		}
		if err := f.Set(c.name, " ", Origin{}); err != nil || !reflect.DeepEqual(f, Facts{}) {
			t.Errorf("%s isn't taken back: %+v, %v", c.name, f, err)
		}
	}
	if names := FactNames(); len(names) != 16 || names[0] != "vat_basis" {
		t.Errorf("%d facts: %v", len(names), names)
	}
}

func TestFactsRefused(t *testing.T) {
	for _, c := range []struct{ name, value string }{
		{"colour", "red"}, {"vat_basis", "both"}, {"payout", "often"}, {"payout", "monthly, PayPal 5"}, {"payout", "monthly, paypal -5"},
		{"payout", "monthly, paypal 5 tip 1"}, {"payout", `{"colour":1}`}, {"payout", "{"}, {"validation_days", "-1"}, {"validation_days", "two"},
		{"validation_days", "99999999999999999999"}, {"claim_window", "90-10"}, {"claim_window", "soon"}, {"point_values", "points"}, {"point_values", "points x"},
		{"donation", "perhaps"}, {"donation", "yes 1.5"}, {"join_bonus", "NaN"}, {"app", "true"}, {"confirm_rate", "1.5"},
	} {
		f := Facts{Notes: "kept"}
		err := f.Set(c.name, c.value, Origin{Learnt: 30})
		if KindOf(err) != Invalid || err == nil || !reflect.DeepEqual(f, Facts{Notes: "kept"}) {
			t.Errorf("%s %q: %v, %+v", c.name, c.value, err, f)
		}
	}
	// What a portal says of itself never becomes an observed outcome.
	var f Facts
	for _, name := range []string{"confirm_rate", "up_to_share"} {
		if err := f.Set(name, "0.95", Origin{Source: "https://portal.test/"}); KindOf(err) != Invalid || err == nil {
			t.Errorf("%s without observations: %v", name, err)
		}
	}
}

func FuzzFacts(f *testing.F) {
	f.Add("payout", "monthly, paypal 10.00 fee 0.35")
	f.Add("donation", "yes 0.9 A; B")
	f.Add("point_values", "a 1, b 2")
	f.Add("claim_window", "1-")
	f.Fuzz(func(t *testing.T, name, value string) {
		var facts Facts
		if facts.Set(name, value, Origin{Learnt: 20}) != nil {
			return
		}
		text, _, known := facts.Fact(name)
		if !known {
			return
		}
		var again Facts
		if err := again.Set(name, text, Origin{Learnt: 20}); err != nil {
			t.Fatalf("%s %q is printed as %q: %v", name, value, text, err)
		}
		if second, _, _ := again.Fact(name); second != text {
			t.Fatalf("%q, then %q", text, second)
		}
	})
}
