package pages

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

// JoinView is the page "which portal should I join?".
type JoinView struct {
	Scores *view.Scores
	// Methods are the ways to be paid that can be asked for; Method is the one that is.
	Methods  []string
	Method   string
	Donation bool
	// Most is the highest weight.
	Most int
	// Problem is what was wrong with the weights.
	Problem string
	Now     time.Time
}

// CompareView is portals side by side; Duel is nil while nothing was chosen.
type CompareView struct {
	Duel    *view.Duel
	Choices []Choice
	Most    int
	Problem string
	Now     time.Time
}

// criteria are RANKING.md's five, in its order.
var criteria = []string{"merchants", "rates", "methods", "frequency", "terms"}

// points is a score as it is read: a whole number.
func points(score float64) string { return strconv.Itoa(int(math.Round(score))) }

// reason says what a criterion's score comes from.
func reason(c Chrome, s *view.Candidate, of rank.Criterion, largest int) string {
	if of.Missing != nil {
		var names []string
		for _, m := range of.Missing {
			names = append(names, c.T("join.missing."+m))
		}
		return c.T("join.missing.text", "Facts", strings.Join(names, c.T("list.comma")))
	}
	switch of.Name {
	case "merchants":
		return c.L.Count("join.why.merchants", s.Shown.Merchants, "Largest", c.L.Int(largest))
	case "rates":
		return c.L.Count("join.why.rates", s.Shown.Compared, "Share", c.T("form.percent", "Number", points(of.Score)), "Best", c.L.Int(s.Shown.Best))
	case "methods":
		return methods(c, &s.Settle)
	case "frequency":
		return word(c.L, "frequency", string(s.Settle.Frequency))
	}
	if s.Shown.FirstPayoutDays == 0 {
		return c.T("join.why.never")
	}
	return c.T("join.why.terms", "Wait", c.L.Wait(int64(s.Shown.FirstPayoutDays)))
}

// beside are the facts that are shown and don't count.
func beside(c Chrome, s *view.Candidate) []string {
	var out []string
	for _, f := range facts(c, &s.Data) {
		switch f.name {
		case c.T("fact.claim"), c.T("fact.inactive"), c.T("fact.fee"), c.T("fact.donation"):
			value := strings.Join(f.lines, c.T("list.comma"))
			if f.missing {
				value = c.T("fact.missing")
			}
			out = append(out, c.T("join.pair", "Name", f.name, "Value", value))
		}
	}
	for kind, fee := range s.Shown.Fees {
		out = append(out, c.T("join.pair", "Name", word(c.L, "method", kind), "Value", c.T("payout.fee", "Amount", c.L.Amount(fee, s.Data.Currency))))
	}
	return out
}

// verdict is who of a duel pays most, in a sentence for each side.
func duelLines(c Chrome, d *view.Duel) []string {
	var out []string
	for i := range d.Sides {
		out = append(out, c.L.Count("compare.wins", d.Sides[i].Wins, "Portal", d.Sides[i].Name))
	}
	if d.Ties > 0 {
		out = append(out, c.L.Count("compare.ties", d.Ties))
	}
	return out
}

// hundred is the basket that portals are compared by.
func hundred(c Chrome, in cashback.Currency) string {
	return c.L.Each(decimal.Hundred, in)
}

// comparison is a line of the table: a fact of each side.
type comparison struct {
	name  string
	cells []fact
}

// comparisons are the scores, the data and all facts of the sides.
func comparisons(c Chrome, d *view.Duel, now time.Time) (scores, data, known []comparison) {
	line := func(name string, of func(*view.Side) fact) comparison {
		x := comparison{name: name}
		for i := range d.Sides {
			x.cells = append(x.cells, of(&d.Sides[i]))
		}
		return x
	}
	said := func(s string) fact { return fact{lines: []string{s}} }
	scores = append(scores, line(c.T("compare.total"), func(s *view.Side) fact {
		if len(s.Score.Criteria) == 0 {
			return fact{missing: true}
		}
		return said(points(s.Score.Total))
	}))
	for i, name := range criteria {
		scores = append(scores, line(c.T("join.criterion."+name), func(s *view.Side) fact {
			if len(s.Score.Criteria) <= i {
				return fact{missing: true}
			}
			of := s.Score.Criteria[i]
			f := said(points(of.Score))
			if of.Missing == nil {
				f.lines = append(f.lines, reason(c, &view.Candidate{Score: s.Score, Settle: s.Settle}, of, 0))
			} else {
				f.lines = append(f.lines, c.T("fact.missing"))
			}
			if name == "merchants" {
				f.lines[1] = c.L.Count("compare.shops", s.Score.Shown.Merchants)
			}
			return f
		}))
	}
	data = append(data,
		line(c.T("compare.most"), func(s *view.Side) fact { return said(c.L.Int(s.Wins)) }),
		line(c.T("fact.lowest"), func(s *view.Side) fact {
			if m := lowest(&s.Settle); m != nil {
				return said(threshold(c.L, m, s.Settle.Currency))
			}
			return fact{missing: true}
		}),
	)
	all := make([][]fact, len(d.Sides))
	for i := range d.Sides {
		all[i] = facts(c, &d.Sides[i].Portal)
	}
	for i, f := range all[0] {
		x := comparison{name: f.name}
		for _, side := range all {
			if i < len(side) {
				x.cells = append(x.cells, side[i])
			} else {
				x.cells = append(x.cells, fact{missing: true})
			}
		}
		known = append(known, x)
	}
	return scores, data, known
}

// hasOrigin says whether a source stands under a fact.
func hasOrigin(o cashback.Origin) bool { return o != cashback.Origin{} }
