package rank

import (
	"slices"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Question is the one fact to ask the shopper for: of those that aren't known, the
// one whose answer would change the best portal for most money.
type Question struct {
	// Fact is "customer" or "category".
	Fact    string   `json:"fact"`
	Choices []Choice `json:"choices"`
}

// Choice is one answer and what it would give. Amounts are minor units of the
// basket's currency.
type Choice struct {
	// Answer is new or existing, a category, or NoCategory.
	Answer string `json:"answer"`
	// Portal is the best one then, empty where nothing is ranked, and Value what it
	// leaves.
	Portal string `json:"portal"`
	Value  int64  `json:"value"`
	// Instead is what today's best portal would leave then, 0 where it isn't ranked.
	Instead int64 `json:"instead"`
}

// maxChoices bounds the categories that are tried: more can't be asked in one
// question.
const maxChoices = 12

// Ask returns the question whose answer would change the winner of a case; false
// where none would. Errors are those of Rank.
func Ask(c Case) (Question, bool, error) {
	now, err := Rank(c)
	if err != nil {
		return Question{}, false, err
	}
	best := ""
	if len(now.Ranked) > 0 {
		best = now.Ranked[0].Portal
	}
	var found Question
	var gain int64
	for _, fact := range [...]struct {
		name    string
		answers []string
		learn   func(*Purchase, string)
	}{
		{"customer", c.customers(), func(p *Purchase, s string) { p.Customer = cashback.Audience(s) }},
		{"category", c.categories(), func(p *Purchase, s string) { p.Category = s }},
	} {
		q := Question{Fact: fact.name}
		changes, most := false, int64(0)
		for _, answer := range fact.answers {
			then := c
			fact.learn(&then.Purchase, answer)
			a, err := Rank(then)
			if err != nil {
				return Question{}, false, err
			}
			choice := Choice{Answer: answer}
			if len(a.Ranked) > 0 {
				choice.Portal, choice.Value = a.Ranked[0].Portal, a.Ranked[0].Value
			}
			if i := slices.IndexFunc(a.Ranked, func(r Row) bool { return r.Portal == best }); i >= 0 {
				choice.Instead = a.Ranked[i].Value
			}
			changes = changes || choice.Portal != best
			most = max(most, choice.Value-choice.Instead)
			q.Choices = append(q.Choices, choice)
		}
		if changes && (found.Fact == "" || most > gain) {
			found, gain = q, most
		}
	}
	return found, found.Fact != "", nil
}

func (c *Case) customers() []string {
	if c.Purchase.Customer != cashback.Anybody {
		return nil
	}
	return []string{string(cashback.New), string(cashback.Existing)}
}

// categories are those that the offers name, sorted, and none of them.
func (c *Case) categories() []string {
	if c.Purchase.Category != "" {
		return nil
	}
	var out []string
	for i := range c.Offers {
		for j := range c.Offers[i].Tiers {
			if name := c.Offers[i].Tiers[j].Category; name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	slices.Sort(out)
	return append(out[:min(len(out), maxChoices)], NoCategory)
}
