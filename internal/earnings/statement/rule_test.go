package statement_test

import (
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
)

func shipped(t testing.TB) []*statement.Rule {
	t.Helper()
	rules, err := statement.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestShippedRules reads each shipped rule's examples, finds the rule again without
// being told, and reads back what it writes of itself.
func TestShippedRules(t *testing.T) {
	rules := shipped(t)
	if len(rules) < 6 {
		t.Fatalf("%d rules", len(rules))
	}
	for _, r := range rules {
		t.Run(r.ID, func(t *testing.T) {
			if len(r.Examples) == 0 {
				t.Error("without an example nobody sees what it reads")
			}
			for _, err := range r.Check() {
				t.Error(err)
			}
			for i, e := range r.Examples {
				d, err := statement.Open(e.Name, strings.NewReader(e.Text), statement.DefaultLimits())
				if err != nil {
					t.Fatal(err)
				}
				o := statement.Options{}
				if len(r.Portals) > 0 {
					o.Portal = strings.Replace(r.Portals[0], "*", "xx", 1)
				}
				fits := statement.Choose(d, rules, o)
				if len(fits) == 0 || fits[0].Rule != r || !statement.Sure(fits) {
					t.Errorf("example %d: chosen %+v", i, fits)
				}
			}
			b, err := r.YAML()
			if err != nil {
				t.Fatal(err)
			}
			again, err := statement.LoadRule("again.yaml", b)
			if err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			for _, err := range again.Check() {
				t.Error("after a round trip:", err)
			}
		})
	}
}

// TestSameWordOtherState holds FIELD.md's trap: "Confirmed" is a promise at one portal
// and money at another.
func TestSameWordOtherState(t *testing.T) {
	const page = "Date\tMerchant\tCashback\tStatus\n03/04/2026\tBoots\t£2.00\tConfirmed\n04/04/2026\tArgos\t£1.00\tConfirmed\n"
	for portal, want := range map[string]earnings.State{
		"topcashback-gb": earnings.StateConfirmed,
		"quidco-gb":      earnings.StatePayable,
	} {
		d, err := statement.Open("page.txt", strings.NewReader(page), statement.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		fits := statement.Choose(d, shipped(t), statement.Options{Portal: portal})
		if !statement.Sure(fits) || len(fits[0].Reading.Lines) != 2 {
			t.Fatalf("%s: %+v", portal, fits)
		}
		for _, l := range fits[0].Reading.Lines {
			if l.State != want || l.Wording != "Confirmed" || l.Portal != portal {
				t.Errorf("%s: %+v", portal, l)
			}
		}
	}
	// Without the portal's name the two can't be told apart, and nobody guesses.
	d, _ := statement.Open("page.txt", strings.NewReader(page), statement.DefaultLimits())
	if fits := statement.Choose(d, shipped(t), statement.Options{}); statement.Sure(fits) {
		t.Errorf("chosen without asking: %s", fits[0].Rule.ID)
	}
}

// TestRuleFaults holds that a rule's faults are told with line and column.
func TestRuleFaults(t *testing.T) {
	const base = "rule: x-y\nname: X\nlanguage: en\ncolumns: {shop: Shop, amount: Cash, state: Status, date: Date}\n"
	for _, c := range []struct{ in, want string }{
		{base + "state: {tracked: [a]}\n", "rule.yaml:5:"},
		{base + "states:\n  traked: [a]\n", `rule.yaml:6:`},
		{base + "states:\n  tracked: [a]\n  paid: [b, A]\n", `rule.yaml:7:13: states.paid[1]: "A" stands for tracked already`},
		{base + "dates: dym\n", `rule.yaml:5:8: dates: "dym" is not an order`},
		{base + "texts:\n  - pattern: '(?P<shop>.+'\n    state: tracked\n", "rule.yaml:6:"},
		{base + "texts:\n  - pattern: '(?P<shpo>.+)'\n    state: tracked\n", `the group "shpo" is not named after a field`},
		{base + "currency: EURO\n", "rule.yaml:5:11"},
		{base + "rows: div > p\ncells: p\n", "is not an element"},
		{"rule: x-y\nname: X\nlanguage: xx\ncolumns: {shop: Shop, amount: Cash, state: Status}\n", "is not a language"},
		{"rule: x-y\nname: X\nlanguage: en\ncolumns: {shop: Shop}\n", "a column for the amount is missing"},
		{"rule: x-y\nname: X\nlanguage: en\n", "a rule needs columns or texts"},
	} {
		_, err := statement.LoadRule("rule.yaml", []byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot %v\nwant %s", c.in, err, c.want)
		}
	}
}
