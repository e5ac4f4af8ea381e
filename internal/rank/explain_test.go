package rank

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// Every step with an amount has a reason, every estimate a mark, and every key is
// reached by some case.
func TestPropertyExplain(t *testing.T) {
	reached := map[string]int{}
	trials(t, 1_500, 300_000, func(t *testing.T, r *rand.Rand) {
		c := randomCase(r)
		a, why, err := Explain(c)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(mustRank(t, c), a); diff != "" {
			t.Errorf("explained, the answer differs: %s", diff)
		}
		if len(why.Ranked)+len(why.Others) != len(c.Offers) {
			t.Errorf("%d ranked and %d others are explained of %d offers", len(why.Ranked), len(why.Others), len(c.Offers))
		}
		groups := map[string][]string{"stale": a.Stale, "unvalued": a.Unvalued, "hidden": a.Hidden}
		for _, u := range a.Unreachable {
			groups["unreachable"] = append(groups["unreachable"], u.Portal)
		}
		for _, o := range why.Others {
			reached[o.Why.Key]++
			in := ""
			for group, portals := range groups {
				if slices.Contains(portals, o.Portal) {
					in = group
				}
			}
			if cmp.Or(in, "left_out") != o.Group || !strings.HasPrefix(o.Why.Key, o.Group+".") {
				t.Errorf("%s is in %q, explained by %+v\n%+v", o.Portal, in, o, c)
			}
		}
		for i, x := range why.Ranked {
			row := a.Ranked[i]
			if x.Portal != row.Portal || row.Estimate != (len(x.Marks) > 0) {
				t.Errorf("%+v\nexplained by %+v\n%+v", row, x, c)
			}
			for j, s := range x.Steps {
				if s.Step != row.Steps[j].Step || s.Amount != row.Steps[j].Amount || s.Amount != 0 && len(s.Why) == 0 {
					t.Errorf("step %+v\nof %+v\n%+v", s, row, c)
				}
				for _, reason := range s.Why {
					reached[reason.Key]++
					if !strings.HasPrefix(reason.Key, s.Step+".") {
						t.Errorf("%s in step %s", reason.Key, s.Step)
					}
				}
			}
			for _, mark := range x.Marks {
				reached[mark.Key]++
			}
			for _, pair := range x.Rates {
				if _, ok := c.FX[pair]; !ok {
					t.Errorf("%s isn't a rate of the case", pair)
				}
			}
		}
	})
	for _, key := range ReasonKeys() {
		if reached[key] == 0 {
			t.Errorf("%s is never a reason", key)
		}
		delete(reached, key)
	}
	for key := range reached {
		t.Errorf("%s isn't in the list of keys", key)
	}
}

// The story of the worked cases, told.
func TestExplainStory(t *testing.T) {
	c, err := Decode([]byte(strings.NewReplacer(`"balances": {"p": "12.00"}`, `"balances": {"p": "12.00"}`, `"minimum": 0`, `"minimum": 15`, `"new"`, `null`).Replace(goodCase)))
	if err != nil {
		t.Fatal(err)
	}
	a, reasons, err := Explain(c)
	if err != nil || len(reasons.Ranked) != 1 {
		t.Fatalf("%v %+v", err, a)
	}
	why := reasons.Ranked
	var keys []string
	for _, s := range why[0].Steps {
		for _, r := range s.Why {
			keys = append(keys, r.Key)
		}
	}
	want := []string{"headline.tier", "conditions.bottom", "vat.net", "settlement.bonus", "chance.observed", "chance.yours", "chance.yours_here", "wait.validation", "wait.threshold", "wait.run", "unlock.sooner"}
	if !slices.Equal(keys, want) {
		t.Errorf("%v\nwant %v", keys, want)
	}
	// 100 ÷ 1.2 = 83 whole euros at 2.5 points of 0.01 are 2.07 (2.075 exactly); 15 − 12
	// − 2.075 = 0.925 at 48 a year are 8 days, where 3 alone would take 23.
	if v := why[0].Steps[6].Why[1].Values; v["days"].Count != 8 || v["short"].Minor != 93 || v["minimum"].Minor != 1500 {
		t.Errorf("threshold: %+v", v)
	}
	if v := why[0].Steps[7].Why[0].Values; v["days"].Count != 15 || v["balance"].Minor != 1200 {
		t.Errorf("unlock: %+v", v)
	}
	if !slices.Equal(why[0].Rates, []string{"USD/EUR"}) {
		t.Errorf("rates %v", why[0].Rates)
	}
}
