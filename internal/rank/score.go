package rank

import (
	"cmp"
	"math"
	"slices"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Listing is a portal's offer at a shop, valued beforehand for the score: Value is
// what a new shopper gets for a basket of 100 (NewShopper), in minor units of one
// currency for all; 0 where the offer isn't ranked.
type Listing struct {
	Merchant cashback.MerchantID
	Portal   int // index among the portals that are scored
	Value    int64
}

// Weights are how much each criterion matters to a shopper. The zero value is
// equal weights.
type Weights struct {
	Merchants, Rates, Methods, Frequency, Terms cashback.Decimal
}

// Score is a portal by the five criteria of RANKING.md, "Portal score".
type Score struct {
	Portal string `json:"portal"`
	// Total is the weighted mean of the criteria, 0 to 100.
	Total    float64     `json:"total"`
	Criteria []Criterion `json:"criteria"`
	Shown    Shown       `json:"shown"`
}

// Criterion is 0 to 100. Scores are comparisons, not money: they hold a logarithm,
// and so are floats, summed in an order that doesn't depend on the input's.
type Criterion struct {
	Name  string  `json:"name"` // merchants, rates, methods, frequency or terms
	Score float64 `json:"score"`
	// Missing names the facts that nobody states; the score is 20 then.
	Missing []string `json:"missing,omitempty"`
}

// missingScore is what an unknown fact counts, so that silence never pays.
const missingScore = 20

// Shown are facts beside the score, which they don't enter.
type Shown struct {
	// Merchants is how many shops the portal lists, Compared at how many of them
	// another portal can be compared, Best at how many of those none pays more.
	Merchants int `json:"merchants"`
	Compared  int `json:"compared"`
	Best      int `json:"best"`
	// FirstPayoutDays is how long a new shopper waits for the first payout; 0 where a
	// fact that it needs is missing, or where nothing is ever paid out.
	FirstPayoutDays int `json:"first_payout_days,omitempty"`
	// Donation and GiftCards are nil where nothing is known.
	Donation  *bool `json:"donation,omitempty"`
	GiftCards *bool `json:"gift_cards,omitempty"`
	// Fees are those that a payout method takes, by kind; JoinedFor the yearly
	// membership fee.
	Fees           map[string]cashback.Decimal          `json:"fees,omitempty"`
	MembershipFee  *cashback.Fact[cashback.Decimal]     `json:"membership_fee,omitempty"`
	ClaimWindow    *cashback.Fact[cashback.ClaimWindow] `json:"claim_window,omitempty"`
	InactiveMonths *cashback.Fact[int]                  `json:"inactive_months,omitempty"`
}

// Comparison is what the portals of one country are scored by.
type Comparison struct {
	Portals []cashback.Portal
	// Listings are what they list there; one that stands twice counts once, the lower
	// value.
	Listings []Listing
	Weights  Weights
	// Currency is the country's, and Rates convert the portals' minimums to it.
	Currency cashback.Currency
	Rates    Rates
}

// ScorePortals scores the portals in their order. Weights must not be negative, nor
// all 0.
func ScorePortals(in Comparison) ([]Score, error) {
	s, err := Compare(in)
	if err != nil {
		return nil, err
	}
	return s.Weigh(in.Weights)
}

// Standings are the criteria of a country's portals, before anybody weighs them.
// They change with the catalogue and are computed then; weighing takes no time. It
// is safe for concurrent use.
type Standings struct {
	scores   []Score // without totals
	listings []Listing
	largest  int
}

// Compare computes the criteria of the portals; in's weights play no part.
func Compare(in Comparison) (*Standings, error) {
	portals := in.Portals
	out := &Standings{scores: make([]Score, len(portals)), listings: byMerchant(in.Listings)}
	rates, err := compareRates(len(portals), out.listings, out.scores)
	if err != nil {
		return nil, err
	}
	for i := range out.scores {
		out.largest = max(out.largest, out.scores[i].Shown.Merchants)
	}
	for i := range portals {
		p, s := PortalOf(portals[i]), &out.scores[i]
		terms, days := p.termScore(in)
		s.Portal = p.ID
		s.Criteria = []Criterion{
			{Name: "merchants"}, rates[i], p.methodScore(), p.frequencyScore(), terms,
		}
		if out.largest > 0 {
			s.Criteria[0].Score = 100 * (math.Log1p(float64(s.Shown.Merchants)) / math.Log1p(float64(out.largest)))
		}
		s.show(&portals[i], &p)
		s.Shown.FirstPayoutDays = days
	}
	return out, nil
}

// Largest is how many shops the portal with the most of them lists.
func (s *Standings) Largest() int { return s.largest }

// Weigh scores the portals in their order, by a shopper's own weights. Weights must
// not be negative, nor all 0.
func (s *Standings) Weigh(w Weights) ([]Score, error) {
	weights := [...]cashback.Decimal{w.Merchants, w.Rates, w.Methods, w.Frequency, w.Terms}
	names := [...]string{"merchants", "rates", "methods", "frequency", "terms"}
	if w == (Weights{}) {
		for i := range weights {
			weights[i] = unit
		}
	}
	var parts [len(weights)]float64
	of := 0.0
	for i, weight := range weights {
		if weight.IsNeg() || dec(100).Less(weight) {
			return nil, fault("weights."+names[i], "%s is not a weight: use a number from 0 to 100", weight)
		}
		parts[i], _ = weight.Float64()
		of += parts[i]
	}
	if of == 0 {
		return nil, fault("weights", "every weight is 0: give at least one criterion more")
	}
	out := slices.Clone(s.scores)
	for i := range out {
		sum := 0.0
		for j, c := range out[i].Criteria {
			sum += parts[j] * c.Score
		}
		out[i].Total = sum / of
	}
	return out, nil
}

// Duel compares portals by the shops that all of them list.
type Duel struct {
	// Common counts those shops, Ties how many of them no portal pays most for alone.
	Common, Ties int
	// Wins counts the shops that each portal pays most for alone, in the order of the
	// portals that were asked for.
	Wins []int
}

// Duel compares the portals at the given places of the comparison. A shop's values
// are those of a basket of 100, as the rates of the score are.
func (s *Standings) Duel(portals ...int) Duel {
	out := Duel{Wins: make([]int, len(portals))}
	if len(portals) == 0 {
		return out
	}
	for from := 0; from < len(s.listings); {
		to := from
		found, best, first, tied := 0, int64(-1), 0, false
		for to < len(s.listings) && s.listings[to].Merchant == s.listings[from].Merchant {
			l := s.listings[to]
			to++
			i := slices.Index(portals, l.Portal)
			if i < 0 {
				continue
			}
			found++
			switch {
			case l.Value > best:
				best, first, tied = l.Value, i, false
			case l.Value == best:
				tied = true
			}
		}
		from = to
		if found < len(portals) {
			continue
		}
		out.Common++
		if tied {
			out.Ties++
		} else {
			out.Wins[first]++
		}
	}
	return out
}

// byMerchant returns the listings without doubles in order of shop, then portal,
// then value. Ids of shops are dense, so that they can be counted out instead of
// compared (BenchmarkScore400k).
func byMerchant(listings []Listing) []Listing {
	within := func(x, y Listing) int { return cmp.Or(cmp.Compare(x.Portal, y.Portal), cmp.Compare(x.Value, y.Value)) }
	order := func(x, y Listing) int { return cmp.Or(cmp.Compare(x.Merchant, y.Merchant), within(x, y)) }
	var last cashback.MerchantID
	for _, l := range listings {
		last = max(last, l.Merchant)
	}
	out := make([]Listing, len(listings))
	if int(last) > 8*len(listings)+1<<16 {
		copy(out, listings)
		slices.SortFunc(out, order)
	} else {
		next := make([]int, last+2) // where the next listing of a shop goes
		for _, l := range listings {
			next[l.Merchant+1]++
		}
		for i := range last {
			next[i+1] += next[i]
		}
		for _, l := range listings {
			out[next[l.Merchant]] = l
			next[l.Merchant]++
		}
		for from := 0; from < len(out); {
			to := from + 1
			for to < len(out) && out[to].Merchant == out[from].Merchant {
				to++
			}
			slices.SortFunc(out[from:to], within)
			from = to
		}
	}
	return slices.CompactFunc(out, func(x, y Listing) bool { return x.Merchant == y.Merchant && x.Portal == y.Portal })
}

// compareRates counts what each portal lists and compares its values, weighted by
// how many portals list the shop. The listings are in order of shop.
func compareRates(portals int, listings []Listing, out []Score) ([]Criterion, error) {
	parts, wholes := make([]float64, portals), make([]float64, portals)
	for from := 0; from < len(listings); {
		to := from
		var best int64
		for to < len(listings) && listings[to].Merchant == listings[from].Merchant {
			best = max(best, listings[to].Value)
			to++
		}
		of := listings[from:to]
		for _, l := range of {
			if l.Portal < 0 || l.Portal >= portals {
				return nil, cashback.Errorf(cashback.Internal, "score portals: a listing names portal %d of %d", l.Portal, portals)
			}
			out[l.Portal].Shown.Merchants++
			if len(of) < 2 || best == 0 {
				continue
			}
			weight := float64(len(of))
			parts[l.Portal] += weight * float64(l.Value) / float64(best)
			wholes[l.Portal] += weight
			out[l.Portal].Shown.Compared++
			if l.Value == best {
				out[l.Portal].Shown.Best++
			}
		}
		from = to
	}
	rates := make([]Criterion, portals)
	for i := range rates {
		rates[i] = Criterion{Name: "rates", Score: missingScore, Missing: []string{"rates"}}
		if wholes[i] > 0 {
			rates[i] = Criterion{Name: "rates", Score: 100 * (parts[i] / wholes[i])}
		}
	}
	return rates, nil
}

// methodScore counts the kinds of payout that are known: three that pay money are
// enough, or six others.
func (p *Portal) methodScore() Criterion {
	c := Criterion{Name: "methods", Score: missingScore, Missing: []string{"methods"}}
	if p.Payout == nil || p.Payout.Methods == nil {
		return c
	}
	var cash, others []string
	vague := false
	for _, m := range p.Payout.Methods {
		switch {
		case m.Kind == anyMethod || m.Kind == unknownMethod:
			vague = true // a threshold without a method names none
		case slices.Contains(cashMethods[:], m.Kind):
			if !slices.Contains(cash, m.Kind) {
				cash = append(cash, m.Kind)
			}
		case !slices.Contains(others, m.Kind):
			others = append(others, m.Kind)
		}
	}
	known := 100 * min(1, float64(len(cash))/3+float64(len(others))/6)
	if vague && known < missingScore {
		return c
	}
	return Criterion{Name: "methods", Score: known}
}

func (p *Portal) frequencyScore() Criterion {
	scores := map[cashback.Frequency]float64{
		cashback.OnDemand: 100, cashback.Automatic: 100, cashback.Weekly: 90, cashback.Biweekly: 80, cashback.Monthly: 65,
		cashback.Bimonthly: 50, cashback.Quarterly: 35, cashback.HalfYearly: 15, cashback.Yearly: 5,
	}
	if p.Payout != nil {
		if score, known := scores[p.Payout.Frequency]; known {
			return Criterion{Name: "frequency", Score: score}
		}
	}
	return Criterion{Name: "frequency", Score: missingScore, Missing: []string{"frequency"}}
}

// termScore is how soon a new shopper holds the first payout: validation, the wait
// for the smallest usable minimum, and the payout run.
func (p *Portal) termScore(in Comparison) (c Criterion, days int) {
	c.Name = "terms"
	if p.ValidationDays == nil {
		c.Missing = append(c.Missing, "validation_days")
	}
	if p.frequencyScore().Missing != nil {
		c.Missing = append(c.Missing, "frequency")
	}
	var smallest number
	stated, usable := false, false
	e := engine{c: &Case{}}
	in.Rates.into(e.c, p.Currency, in.Currency)
	rate, rated := e.rate(p.Currency, in.Currency)
	if p.Payout != nil {
		for _, m := range p.Payout.Methods {
			if !(&Shopper{}).takes(m.Kind) {
				continue
			}
			usable = true
			if !m.Minimum.Valid || !rated {
				continue
			}
			if minimum := exactly(m.Minimum.Decimal).mul(rate); !stated || minimum.less(smallest) {
				stated, smallest = true, minimum
			}
		}
	}
	switch {
	case p.Payout != nil && p.Payout.Methods != nil && !usable:
		return c.as(0), 0 // known, and never paid out to such a shopper
	case !stated:
		c.Missing = append(c.Missing, "minimum")
	}
	if c.Missing != nil {
		return c.as(missingScore), 0
	}
	yearly := defaultMonthlyRewards.mul(whole(3)) // what may come through one portal
	wait := smallest.mul(whole(365)).div(yearly).ceil()
	days = int(wait.add(whole(int64(*p.ValidationDays) + payoutDays(p.Payout.Frequency))).int())
	return c.as(100 * 30 / max(30, float64(days))), days
}

func (c Criterion) as(score float64) Criterion {
	c.Score = score
	return c
}

func (s *Score) show(p *cashback.Portal, as *Portal) {
	s.Shown.MembershipFee, s.Shown.ClaimWindow, s.Shown.InactiveMonths = p.Facts.MembershipFee, p.Facts.ClaimWindow, p.Facts.InactiveMonths
	if as.Payout == nil || as.Payout.Methods == nil {
		return
	}
	gives, cards, vague := false, false, false
	for _, m := range as.Payout.Methods {
		gives = gives || m.Kind == donation
		cards = cards || m.Kind == giftCard
		vague = vague || m.Kind == unknownMethod || m.Kind == anyMethod
		if m.Fee.IsPos() {
			if s.Shown.Fees == nil {
				s.Shown.Fees = map[string]cashback.Decimal{}
			}
			s.Shown.Fees[m.Kind] = m.Fee
		}
	}
	if gives || !vague {
		s.Shown.Donation = &gives
	}
	if cards || !vague {
		s.Shown.GiftCards = &cards
	}
	if d := p.Facts.Donation; d != nil {
		s.Shown.Donation = &d.Value.Possible
	}
}

// NewShopper is what a portal's offer at a shop is worth to a new shopper, for the
// score: RANKING.md's customer existing, online, no category, default methods, a
// basket of 100 in the given currency. It is computed when an offer is published.
// The value is 0 where the offer isn't ranked.
func NewShopper(portal Portal, offer Offer, now cashback.Date, country cashback.Country, currency cashback.Currency, rates Rates, vat VATTable) (int64, error) {
	c := Case{
		Now:      now,
		Purchase: Purchase{Amount: decimal.Hundred, Currency: currency, Country: country, Customer: cashback.Existing},
		Portals:  []Portal{portal},
		Offers:   []Offer{offer},
	}
	rates.Fill(&c)
	vat.Fill(&c)
	a, err := Rank(c)
	if err != nil || len(a.Ranked) == 0 {
		return 0, err
	}
	return a.Ranked[0].Value, nil
}

// SurelyPays is what a portal's rate surely pays for a basket of 100 in the given
// currency, in minor units: RANKING.md's steps headline and conditions, before VAT,
// caps and payout, whoever the customer is. It tells how rates moved over time, for
// which how a portal settles plays no part. False where the offer can't be valued
// on that day.
func SurelyPays(portal Portal, offer Offer, on cashback.Date, country cashback.Country, currency cashback.Currency, rates Rates) (int64, bool, error) {
	portal.Payout = nil // not known: a method that everybody takes
	c := Case{
		Now:      on,
		Purchase: Purchase{Amount: decimal.Hundred, Currency: currency, Country: country, VATRate: cashback.Some(decimal.Zero)},
		Portals:  []Portal{portal},
		Offers:   []Offer{offer},
	}
	rates.Fill(&c)
	a, err := Rank(c)
	if err != nil || len(a.Ranked) == 0 {
		return 0, false, err
	}
	return a.Ranked[0].Steps[0].Amount + a.Ranked[0].Steps[1].Amount, true, nil
}
