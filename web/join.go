package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/pages"
	"github.com/cagnotte/cagnotte/web/view"
)

// joinRoutes are the pages that help to choose a portal. Their answers follow from
// the standings, which may be a moment behind the change number.
func (s *Server) joinRoutes() []Route {
	return []Route{
		{http.MethodGet, "/{lang:fr|en}/join", Anybody, NoStore, maxBody, ratePages, s.joinPage},
		{http.MethodGet, "/{lang:fr|en}/compare", Anybody, NoStore, maxBody, ratePages, s.comparePage},
	}
}

// joinOperations are the same answers for programs.
func (s *Server) joinOperations() []operation {
	scores := op(s, "scores", "scores", "The portals of a country by the five criteria that shoppers choose one by", s.scores)
	duel := op(s, "compare", "compare", "Up to four portals side by side", s.duel)
	scores.route.Cache, duel.route.Cache = NoStore, NoStore
	return []operation{scores, duel}
}

// maxWeight is the most that a criterion may count; usualWeight what each counts
// until somebody says otherwise.
const (
	maxWeight   = 10
	usualWeight = 5
)

// scoresQuery asks for the scores of a country. Weights are texts, so that 0 differs
// from nothing.
type scoresQuery struct {
	Country   string `query:"country" doc:"Whose shops count; default the configuration's country." example:"FR"`
	Merchants string `query:"w_merchants" doc:"Weight of how many shops a portal lists: 0 to 10, default 5." example:"5"`
	Rates     string `query:"w_rates" doc:"Weight of what its rates are worth beside the best: 0 to 10, default 5." example:"5"`
	Methods   string `query:"w_methods" doc:"Weight of its ways to be paid: 0 to 10, default 5." example:"5"`
	Frequency string `query:"w_frequency" doc:"Weight of how often it pays: 0 to 10, default 5." example:"5"`
	Terms     string `query:"w_terms" doc:"Weight of how soon the first payout comes: 0 to 10, default 5." example:"5"`
	Method    string `query:"method" doc:"Only portals that pay out in this way, such as paypal." example:"paypal"`
	Donation  string `query:"donation" enum:"1" doc:"Only portals where cashback can be given away."`
}

// weights reads the weights; the fields that were left out count the usual.
func (q scoresQuery) weights() (view.Weights, error) {
	w := view.Weights{}
	sum := 0
	for _, x := range []struct {
		name, value string
		to          *int
	}{
		{"w_merchants", q.Merchants, &w.Merchants}, {"w_rates", q.Rates, &w.Rates}, {"w_methods", q.Methods, &w.Methods},
		{"w_frequency", q.Frequency, &w.Frequency}, {"w_terms", q.Terms, &w.Terms},
	} {
		*x.to = usualWeight
		if x.value != "" {
			n, err := strconv.Atoi(x.value)
			if err != nil || n < 0 || n > maxWeight {
				return w, badInput{x.name, "error.value_range", []any{"Least", 0, "Most", maxWeight}}
			}
			*x.to = n
		}
		sum += *x.to
	}
	if sum == 0 {
		return w, badInput{"w_merchants", "join.no_weight", nil}
	}
	return w, nil
}

// scores answers which portal to join.
func (s *Server) scores(v *visit, q scoresQuery) (*view.Scores, error) {
	country := s.DefaultCountry
	if q.Country != "" {
		c, err := countryOf("country", q.Country)
		if err != nil {
			return nil, err
		}
		country = c
	}
	w, err := q.weights()
	if err != nil {
		return nil, err
	}
	st, err := s.standing(v.ctx)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	out := &view.Scores{Country: country, Currency: s.currencyOfCountry(country), Weights: w}
	out.Items = []view.Candidate{}
	of := st.rivals[country]
	if of == nil {
		return out, nil
	}
	out.Largest = of.Largest()
	whole := func(n int) cashback.Decimal { return decimal.MustNew(int64(n), 0) }
	all, err := of.Weigh(rank.Weights{
		Merchants: whole(w.Merchants), Rates: whole(w.Rates), Methods: whole(w.Methods), Frequency: whole(w.Frequency), Terms: whole(w.Terms),
	})
	if err != nil {
		return nil, err
	}
	for i, score := range all {
		p := of.portals[i]
		if now := sh.byID[p.ID]; now == nil || of.at(now) != i {
			continue
		}
		if q.Method != "" && !slices.ContainsFunc(p.pays.Methods, func(m cashback.PayoutMethod) bool { return m.Kind == q.Method }) ||
			q.Donation != "" && (score.Shown.Donation == nil || !*score.Shown.Donation) {
			continue
		}
		out.Items = append(out.Items, view.Candidate{Score: score, Name: p.Name, Settle: p.pays, Data: portalView(p, v.now)})
	}
	slices.SortStableFunc(out.Items, func(a, b view.Candidate) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Portal, b.Portal))
	})
	return out, nil
}

// joinPage shows the scores with the weights to change.
func (s *Server) joinPage(v *visit) (*reply, error) {
	q, err := decode[scoresQuery](v)
	if err != nil {
		return nil, err
	}
	c, err := s.chromeIn(v, "join", q.Country)
	if err != nil {
		return nil, err
	}
	q.Country = string(c.Country)
	p := &pages.JoinView{Method: q.Method, Donation: q.Donation != "", Now: v.now, Most: maxWeight}
	status := 0
	p.Scores, err = s.scores(v, q)
	if err != nil {
		problem := problemOf(err, v.locale, v.id)
		if problem.Status != http.StatusBadRequest {
			return nil, err
		}
		// The page with the usual weights, and what was wrong beside the form.
		status, p.Problem = problem.Status, problem.Detail
		usual := scoresQuery{Country: q.Country, Method: q.Method, Donation: q.Donation}
		if p.Scores, err = s.scores(v, usual); err != nil {
			return nil, err
		}
	}
	p.Methods = s.methodsOf(p.Scores.Country)
	rep, err := html(v.ctx, pages.Join(c, p))
	if err != nil {
		return nil, err
	}
	rep.status = status
	return rep, nil
}

// methodsOf are the ways to be paid that a country's portals know, as their list of
// choices.
func (s *Server) methodsOf(country cashback.Country) []string {
	var kinds []string
	st := s.standings.now.Load()
	if st == nil || st.rivals[country] == nil {
		return nil
	}
	for _, p := range st.rivals[country].portals {
		for _, m := range p.pays.Methods {
			if m.Kind != "any" && m.Kind != "unknown" && !slices.Contains(kinds, m.Kind) {
				kinds = append(kinds, m.Kind)
			}
		}
	}
	slices.Sort(kinds)
	return kinds
}

// maxSides is how many portals a person can read side by side.
const maxSides = 4

type duelQuery struct {
	Portal  []string `query:"portal,explode" required:"true" doc:"The portals' ids: two to four of them." example:"exemple-fr"`
	Country string   `query:"country" doc:"Whose shops count; default the first country that all of them serve." example:"FR"`
}

// compareQuery is a duelQuery that may name nobody yet: the page is the choice then.
type compareQuery struct {
	Portal  []string `query:"portal"`
	Country string   `query:"country"`
}

// duel compares portals.
func (s *Server) duel(v *visit, q duelQuery) (*view.Duel, error) {
	if len(q.Portal) < 1 || len(q.Portal) > maxSides {
		return nil, badInput{"portal", "compare.how_many", []any{"Most", maxSides}}
	}
	st, err := s.standing(v.ctx)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	var sides []*portal
	for _, id := range q.Portal {
		p := sh.byID[id]
		if p == nil {
			return nil, cashback.Errorf(cashback.NotFound, "there is no portal %q", clip(id))
		}
		sides = append(sides, p)
	}
	out := &view.Duel{Sides: []view.Side{}}
	if q.Country != "" {
		if out.Country, err = countryOf("country", q.Country); err != nil {
			return nil, err
		}
	} else {
		out.Country = sharedCountry(sides, s.DefaultCountry)
	}
	out.Currency = s.currencyOfCountry(out.Country)
	of := st.rivals[out.Country]
	var scores []rank.Score
	if of != nil {
		if scores, err = of.Weigh(rank.Weights{}); err != nil {
			return nil, err
		}
	}
	var places []int
	for _, p := range sides {
		side := view.Side{Portal: portalView(p, v.now), Settle: p.pays, Score: rank.Score{Portal: p.ID, Criteria: []rank.Criterion{}}}
		if of != nil {
			if at := of.at(p); at >= 0 {
				side.Score = scores[at]
				places = append(places, at)
			}
		}
		out.Sides = append(out.Sides, side)
	}
	if len(places) == len(sides) { // otherwise they share no country, and no shop
		d := of.Duel(places...)
		out.Common, out.Ties = d.Common, d.Ties
		for i, n := range d.Wins {
			out.Sides[i].Wins = n
		}
	}
	return out, nil
}

// sharedCountry is a country that all portals serve, the preferred one where it is
// among them; the first portal's where they share none.
func sharedCountry(sides []*portal, preferred cashback.Country) cashback.Country {
	var shared []cashback.Country
	for _, c := range sides[0].Countries {
		if !slices.ContainsFunc(sides, func(p *portal) bool { return !serves(p, c) }) {
			shared = append(shared, c)
		}
	}
	switch {
	case slices.Contains(shared, preferred):
		return preferred
	case len(shared) > 0:
		return shared[0]
	case len(sides[0].Countries) > 0:
		return sides[0].Countries[0]
	}
	return preferred
}

// comparePage shows portals side by side.
func (s *Server) comparePage(v *visit) (*reply, error) {
	q, err := decode[compareQuery](v)
	if err != nil {
		return nil, err
	}
	c, err := s.chromeIn(v, "join", q.Country)
	if err != nil {
		return nil, err
	}
	p := &pages.CompareView{Now: v.now, Most: maxSides}
	status := 0
	if len(q.Portal) == 0 || len(q.Portal) > maxSides {
		// Whoever ticked too many, or none, is told so beside the choice.
		if len(q.Portal) > 0 {
			status, p.Problem = http.StatusBadRequest, v.locale.T("compare.how_many", "Most", v.locale.Int(maxSides))
		}
	} else {
		if p.Duel, err = s.duel(v, duelQuery(q)); err != nil {
			return nil, err
		}
		c.Country = p.Duel.Country
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	for _, portal := range sh.all {
		if serves(portal, c.Country) {
			p.Choices = append(p.Choices, pages.Choice{Value: portal.ID, Label: portal.Name, Chosen: slices.Contains(q.Portal, portal.ID)})
		}
	}
	rep, err := html(v.ctx, pages.Compare(c, p))
	if err != nil {
		return nil, err
	}
	rep.status = status
	return rep, nil
}
