package statement

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cagnotte/cagnotte/internal/earnings"
)

// Fit is how well a rule reads a document, and why.
type Fit struct {
	Rule *Rule
	// Score is 0 where the rule can't read it; the best possible is 1000.
	Score   int
	Reasons []earnings.Reason
	Reading Reading
}

// The parts of a fit's score. What was read weighs most: headings may be the same at
// every portal, but a word that a rule doesn't know speaks against it.
const (
	fitRead   = 500 // × the share of rows that were read
	fitPortal = 250 // the rule is one for the portal that was named
	fitWords  = 200 // the page speaks of the portal
	fitState  = 50  // a column for the state was found, not assumed
	// fitClose is how near two rules may be before a person is asked.
	fitClose = 40
)

// Choose tries the rules on a document, the best first, and leaves out those that read
// nothing. Where portal is named, rules of other portals are left out.
func Choose(d *Document, rules []*Rule, o Options) []Fit {
	var out []Fit
	text := ""
	for _, p := range d.Parts {
		text += p.Text[:min(len(p.Text), 64<<10)] + "\n"
	}
	text = fold(text + d.Subject + " " + d.From)
	for _, r := range rules {
		if o.Portal != "" && !r.For(o.Portal) {
			continue
		}
		reading := d.Read(r, o)
		if !reading.Found || len(reading.Lines) == 0 {
			continue
		}
		f := Fit{Rule: r, Reading: reading}
		all := len(reading.Lines) + len(reading.Refused)
		f.Score = fitRead * len(reading.Lines) / all
		f.Reasons = append(f.Reasons, earnings.Because("import.fit.read", strconv.Itoa(len(reading.Lines)), strconv.Itoa(all)))
		if o.Portal != "" && len(r.Portals) > 0 {
			f.Score += fitPortal
			if !slices.Contains(r.Portals, o.Portal) {
				f.Score -= fitClose + 20 // a rule for this portal alone comes first
			}
			f.Reasons = append(f.Reasons, earnings.Because("import.fit.portal", o.Portal))
		}
		var found []string
		for i, w := range r.compiled.fits {
			if strings.Contains(text, w) {
				found = append(found, r.Fits[i])
			}
		}
		if len(found) > 0 {
			f.Score += fitWords * min(len(found), 2) / 2
			f.Reasons = append(f.Reasons, earnings.Because("import.fit.words", found...))
		}
		if _, ok := reading.Columns[FieldState]; ok {
			f.Score += fitState
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Fit) int {
		if a.Score != b.Score {
			return b.Score - a.Score
		}
		return strings.Compare(a.Rule.ID, b.Rule.ID)
	})
	return out
}

// Nearest is the rule that finds its columns in a document of which it, like all others,
// can read no row; false where none does. It tells what is in the way.
func Nearest(d *Document, rules []*Rule, o Options) (Fit, bool) {
	var best Fit
	for _, r := range rules {
		if o.Portal != "" && !r.For(o.Portal) {
			continue
		}
		reading := d.Read(r, o)
		if !reading.Found || len(reading.Refused) == 0 || len(reading.Lines) > 0 {
			continue
		}
		own := len(r.Portals) > 0
		if best.Rule == nil || own && len(best.Rule.Portals) == 0 {
			best = Fit{Rule: r, Reading: reading}
		}
	}
	return best, best.Rule != nil
}

// Sure says whether the first of the fits may be taken without asking: no other is
// nearly as good and reads the file otherwise.
func Sure(fits []Fit) bool {
	if len(fits) == 0 {
		return false
	}
	for _, f := range fits[1:] {
		if fits[0].Score-f.Score < fitClose && !sameLines(fits[0].Reading, f.Reading) {
			return false
		}
	}
	return true
}

// sameLines says that two readings state the same of the same rows.
func sameLines(a, b Reading) bool {
	return slices.EqualFunc(a.Lines, b.Lines, func(x, y earnings.Line) bool {
		same := func(p, q *earnings.Amount) bool { return (p == nil) == (q == nil) && (p == nil || *p == *q) }
		return x.Date == y.Date && x.Shop == y.Shop && x.State == y.State && x.Amount == y.Amount && same(x.Basket, y.Basket)
	})
}
