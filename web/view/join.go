package view

import (
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
)

// Scores is the answer to "which portal should I join?": a country's portals by
// RANKING.md's portal score, best first.
type Scores struct {
	List[Candidate]
	Country  cashback.Country  `json:"country"`
	Currency cashback.Currency `json:"currency"`
	Weights  Weights           `json:"weights" doc:"How much each criterion counted."`
	// Largest is how many shops the country's largest portal lists.
	Largest int `json:"largest" doc:"How many shops the country's largest portal lists."`
}

// Weights are how much each criterion counts, 0 to 10.
type Weights struct {
	Merchants int `json:"merchants"`
	Rates     int `json:"rates"`
	Methods   int `json:"methods"`
	Frequency int `json:"frequency"`
	Terms     int `json:"terms"`
}

// Of is the weight of a criterion by its name.
func (w Weights) Of(criterion string) int {
	switch criterion {
	case "merchants":
		return w.Merchants
	case "rates":
		return w.Rates
	case "methods":
		return w.Methods
	case "frequency":
		return w.Frequency
	}
	return w.Terms
}

// Candidate is a portal's score with what it comes from.
type Candidate struct {
	rank.Score
	Name   string `json:"name"`
	Settle Settle `json:"settlement" doc:"How the portal pays out."`
	// Data is the portal with its facts and the age of its data.
	Data Portal `json:"-"`
}

// Duel is portals side by side.
type Duel struct {
	Country  cashback.Country  `json:"country"`
	Currency cashback.Currency `json:"currency"`
	// Common counts the shops that all of them list, Ties those of them where no portal
	// alone pays most for a basket of 100.
	Common int    `json:"common" doc:"Shops that all of them list."`
	Ties   int    `json:"ties" doc:"Of these, shops where no portal alone is worth most for a basket of 100."`
	Sides  []Side `json:"portals" nullable:"false"`
}

// Side is one portal of a duel.
type Side struct {
	Portal
	Wins  int        `json:"wins" doc:"Common shops where this portal alone is worth most for a basket of 100."`
	Score rank.Score `json:"score" doc:"By equal weights."`
	// Settle is how it pays out.
	Settle Settle `json:"settlement"`
}
