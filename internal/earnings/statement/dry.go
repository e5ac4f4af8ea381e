package statement

import (
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// DocumentKind is the kind of the documents in which a person's own rules are kept
// (earnings.Document), each under its id.
const DocumentKind = "import-rule"

// OwnRules are the shipped rules with those that a person has made or changed: one of
// the same id takes the shipped one's place. What no longer loads is left out.
func OwnRules(documents []earnings.Document) ([]*Rule, error) {
	rules, err := Shipped()
	return WithOwn(rules, documents), err
}

// WithOwn is OwnRules over the shipped rules as they were read before.
func WithOwn(shipped []*Rule, documents []earnings.Document) []*Rule {
	rules := slices.Clone(shipped)
	for _, d := range documents {
		if d.Kind != DocumentKind {
			continue
		}
		r, err := LoadRule(d.Name, d.Body)
		if err != nil {
			continue // written for another version; the person sees it in the list of rules
		}
		replaced := false
		for i := range rules {
			if rules[i].ID == r.ID {
				rules[i], replaced = r, true
			}
		}
		if !replaced {
			rules = append(rules, r)
		}
	}
	return rules
}

// Pick is the rule that reads a document: the one that was named, or the one that fits
// best.
//
// Errors: NotFound for a rule that isn't there; Invalid where none reads the document
// and where two read it otherwise, naming them.
func Pick(d *Document, rules []*Rule, named string, o Options) (Fit, error) {
	if named != "" {
		for _, r := range rules {
			if r.ID == named {
				return Fit{Rule: r, Reading: d.Read(r, o)}, nil
			}
		}
		return Fit{}, cashback.Errorf(cashback.NotFound, "there is no rule %q", short(named, 60))
	}
	fits := Choose(d, rules, o)
	switch {
	case len(fits) == 0:
		return Fit{}, cashback.Errorf(cashback.Invalid, "no rule reads this: the table must be mapped by hand")
	case !Sure(fits):
		var ids []string
		for _, f := range fits[:min(len(fits), 3)] {
			ids = append(ids, f.Rule.ID)
		}
		return Fit{}, cashback.Errorf(cashback.Invalid, "more than one rule reads this, each otherwise: say which of %s", strings.Join(ids, ", "))
	}
	return fits[0], nil
}
