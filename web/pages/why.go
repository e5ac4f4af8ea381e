package pages

import (
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

// why is a reason of the ranking in words. The tier of a portal's headline is named by
// its own words.
func why(c Chrome, r *view.Ranking, portal string, x rank.Reason) string {
	var args []any
	for name, v := range x.Values {
		s := ""
		switch v.Kind {
		case "money":
			s = c.L.Money(r.Money(v.Minor))
		case "share":
			s = c.L.Share(v.Share.Round(3).Trim(0)) // a tenth of a percent is as much as anybody reads
		case "count":
			switch name {
			case "days":
				s = c.L.Count("form.days", int(v.Count))
			case "tier":
				continue
			default:
				s = c.L.Int(int(v.Count))
			}
		case "word":
			s = reasonWord(c, name, v.Word)
		}
		args = append(args, strings.ToUpper(name[:1])+name[1:], s)
	}
	if x.Key == "headline.tier" {
		t := tierAt(r, portal, int(x.Values["tier"].Count))
		if t == nil {
			return ""
		}
		args = append(args, "Tier", tierName(c, *t), "Rate", Rate(c.L, *t))
	}
	return c.T("why."+x.Key, args...)
}

// reasonWord is a word that a reason holds, in words of the reader.
func reasonWord(c Chrome, name, value string) string {
	switch name {
	case "customer":
		if value == "" {
			return c.T("why.anybody")
		}
		return c.T("audience." + value)
	case "category":
		if value == "" || value == rank.NoCategory {
			return c.T("why.no_category")
		}
		return word(c.L, "category", value)
	case "country":
		return c.L.Country(cashback.Country(value))
	case "frequency":
		return word(c.L, "frequency", value)
	case "what":
		for _, group := range []string{"unit", "points"} {
			if c.L.Has(group + "." + value) {
				return c.T(group + "." + value)
			}
		}
		if value == "" {
			return c.T("points.points")
		}
	}
	return value
}

// tierAt is the tier that a reason names by its place among those of a portal's sound
// entries, which the ranking lays side by side.
func tierAt(r *view.Ranking, portal string, place int) *cashback.Tier {
	for _, o := range r.OffersOf(portal) {
		if o.Status == cashback.Quarantined || o.Status == cashback.Unverified {
			continue
		}
		if place < len(o.Tiers) {
			return &o.Tiers[place]
		}
		place -= len(o.Tiers)
	}
	return nil
}

// headlineTier is the tier that a row's headline comes from.
func headlineTier(r *view.Ranking, portal string) *cashback.Tier {
	x := r.Explained(portal)
	if x == nil || len(x.Steps) == 0 || len(x.Steps[0].Why) == 0 {
		return nil
	}
	return tierAt(r, portal, int(x.Steps[0].Why[0].Values["tier"].Count))
}

// loudest is the place of the ranked row that advertises most; the first of equals.
func loudest(r *view.Ranking) int {
	at := 0
	for i := range r.Ranked {
		if r.Ranked[i].Headline > r.Ranked[at].Headline {
			at = i
		}
	}
	return at
}

// heaviest is the step of a row that takes most, with its first reason; false where
// nothing is taken.
func heaviest(r *view.Ranking, portal string) (rank.StepReasons, bool) {
	x := r.Explained(portal)
	if x == nil {
		return rank.StepReasons{}, false
	}
	var most rank.StepReasons
	for _, s := range x.Steps[1:] {
		if s.Amount < most.Amount && len(s.Why) > 0 {
			most = s
		}
	}
	return most, most.Amount < 0
}
