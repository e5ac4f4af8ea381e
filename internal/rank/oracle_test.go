package rank

import (
	"math/big"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The oracle is a second, naive reading of RANKING.md: nothing prepared, no short
// numbers, every tier and situation listed and sorted. It shares only the types of
// a case with what it checks.

func TestPropertyOracle(t *testing.T) {
	trials(t, 1_000, 1_000_000, func(t *testing.T, r *rand.Rand) {
		c := randomCase(r)
		if diff := cmp.Diff(oracle(c), mustRank(t, c)); diff != "" {
			t.Errorf("the answer differs (-oracle +rank):\n%s\n%+v", diff, c)
		}
	})
}

func q(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

func rat(d cashback.Decimal) *big.Rat { return q(d.String()) }

func opt(d cashback.NullDecimal, otherwise string) *big.Rat {
	if d.Valid {
		return rat(d.Decimal)
	}
	return q(otherwise)
}

func sum(x, y *big.Rat) *big.Rat  { return new(big.Rat).Add(x, y) }
func diff(x, y *big.Rat) *big.Rat { return new(big.Rat).Sub(x, y) }
func prod(x, y *big.Rat) *big.Rat { return new(big.Rat).Mul(x, y) }
func quo(x, y *big.Rat) *big.Rat  { return new(big.Rat).Quo(x, y) }
func smaller(x, y *big.Rat) *big.Rat {
	if x.Cmp(y) < 0 {
		return x
	}
	return y
}
func larger(x, y *big.Rat) *big.Rat {
	if x.Cmp(y) > 0 {
		return x
	}
	return y
}
func n(i int64) *big.Rat { return big.NewRat(i, 1) }
func ceilOf(x *big.Rat) *big.Rat {
	return n(new(big.Int).Neg(new(big.Int).Div(new(big.Int).Neg(x.Num()), x.Denom())).Int64())
}
func floorOf(x *big.Rat) *big.Rat { return new(big.Rat).SetInt(new(big.Int).Div(x.Num(), x.Denom())) }

// convert returns nil without a rate.
func convert(c Case, x *big.Rat, from, to cashback.Currency) *big.Rat {
	if from == to {
		return x
	}
	if r, ok := c.FX[string(from+"/"+to)]; ok {
		return prod(x, rat(r))
	}
	if r, ok := c.FX[string(to+"/"+from)]; ok {
		return quo(x, rat(r))
	}
	return nil
}

func oracle(c Case) Answer {
	a := Answer{Ranked: []Row{}, Unreachable: []Unreachable{}, Unvalued: []string{}, Stale: []string{}, Hidden: []string{}}
	digits := c.Purchase.Currency.Digits()
	cents := func(x *big.Rat) int64 { return roundHalfAway(x, digits).Int64() }
	minimum := map[string]*big.Rat{}
	for _, o := range c.Offers {
		var p Portal
		for _, p = range c.Portals {
			if p.ID == o.Portal {
				break
			}
		}
		if o.Quarantined || o.VerifiedOn == 0 || o.VerifiedOn < c.Now-14 {
			a.Stale = append(a.Stale, o.Portal)
			continue
		}
		situations, fits, valued := oracleSituations(c, o, p)
		if !fits {
			continue
		}
		if !valued || convert(c, n(1), p.Currency, c.Purchase.Currency) == nil {
			a.Unvalued = append(a.Unvalued, o.Portal)
			continue
		}
		ways := oracleWays(c, o, p)
		allowed := c.Shopper.Portals == nil
		for _, id := range c.Shopper.Portals {
			allowed = allowed || id == o.Portal
		}
		if !allowed || len(ways) == 0 {
			a.Hidden = append(a.Hidden, o.Portal)
			continue
		}
		// The certain situation, the best for the headline and the best possible.
		certain := situations[0]
		headline, best := situations[0].topFull, situations[0].topCapped
		for _, s := range situations[1:] {
			headline, best = larger(headline, s.topFull), larger(best, s.topCapped)
			if k := chain(s.reward.Cmp(certain.reward), s.full.Cmp(certain.full), s.base.Cmp(certain.base)); k < 0 {
				certain = s
			}
		}
		estimate := false
		for _, s := range situations {
			if s.reward.Cmp(certain.reward) == 0 && s.full.Cmp(certain.full) == 0 {
				estimate = estimate || s.estimate
			}
		}
		paid := oraclePaid(ways, certain.reward)
		if len(paid) == 0 {
			sort.SliceStable(ways, func(i, j int) bool {
				return chain(ways[i].need(certain.reward).Cmp(ways[j].need(certain.reward)), ways[i].order(ways[j])) < 0
			})
			a.Unreachable = append(a.Unreachable, Unreachable{o.Portal, cents(certain.reward), cents(ways[0].need(certain.reward)), ways[0].kind})
			continue
		}
		top := paid[0]
		totals := []*big.Rat{headline, certain.full, certain.base, certain.reward, top.settled, top.chanced, top.waited, top.value}
		row := Row{Portal: o.Portal, Days: top.days.Num().Int64(), Method: top.way.kind, Reward: cents(certain.reward), Headline: cents(headline), Value: cents(top.value)}
		row.Possible = row.Value
		if most := oraclePaid(ways, best); len(most) > 0 {
			row.Possible = cents(larger(top.value, most[0].value))
		}
		known := p.Payout != nil && p.Payout.Methods != nil
		row.Estimate = estimate || !known || top.way.guessed || c.Purchase.VATUnknown || p.VATBasis == "" || p.VATBasis == cashback.VATUnknown
		for i, name := range []string{"headline", "conditions", "vat", "cap", "settlement", "chance", "wait", "unlock"} {
			amount := cents(totals[i])
			if i > 0 {
				amount -= cents(totals[i-1])
			}
			row.Steps = append(row.Steps, Step{name, amount})
		}
		minimum[o.Portal] = top.way.minimum
		a.Ranked = append(a.Ranked, row)
	}
	sort.Slice(a.Ranked, func(i, j int) bool {
		x, y := a.Ranked[i], a.Ranked[j]
		if x.Value != y.Value {
			return x.Value > y.Value
		}
		if x.Days != y.Days {
			return x.Days < y.Days
		}
		if k := minimum[x.Portal].Cmp(minimum[y.Portal]); k != 0 {
			return k < 0
		}
		return x.Portal < y.Portal
	})
	sort.Slice(a.Unreachable, func(i, j int) bool {
		x, y := a.Unreachable[i], a.Unreachable[j]
		return x.Reward > y.Reward || x.Reward == y.Reward && x.Portal < y.Portal
	})
	sort.Strings(a.Unvalued)
	sort.Strings(a.Stale)
	sort.Strings(a.Hidden)
	return a
}

func chain(keys ...int) int {
	for _, k := range keys {
		if k != 0 {
			return k
		}
	}
	return 0
}

type oracleSums struct {
	reward, full, base, topCapped, topFull *big.Rat
	estimate, valued                       bool
	stated                                 int
}

func oracleSituations(c Case, o Offer, p Portal) (out []oracleSums, fits, valued bool) {
	amount := rat(c.Purchase.Amount)
	channel, date := c.Purchase.Channel, c.Purchase.Date
	if channel == "" {
		channel = "online"
	}
	if date == 0 {
		date = c.Now
	}
	var open []Tier
	for _, t := range o.Tiers {
		spendCurrency := t.MinSpendCurrency
		if spendCurrency == "" {
			spendCurrency = p.Currency
		}
		reached := true
		if t.MinSpend.Valid {
			if least := convert(c, rat(t.MinSpend.Decimal), spendCurrency, c.Purchase.Currency); least != nil {
				reached = amount.Cmp(least) >= 0
			}
		}
		if reached && (t.Channel == "" || t.Channel == channel) && (t.ValidFrom == 0 || date >= t.ValidFrom) && (t.ValidTo == 0 || date <= t.ValidTo) {
			open = append(open, t)
		}
	}
	customers := []cashback.Audience{cashback.New, cashback.Existing}
	if c.Purchase.Customer != "" {
		customers = []cashback.Audience{c.Purchase.Customer}
	}
	categories := map[string]bool{}
	if c.Purchase.Category != "" {
		categories[c.Purchase.Category] = true
	} else {
		named := false
		for _, t := range open {
			categories[t.Category] = true // "" is none of them
			named = named || t.Category != ""
		}
		if !named {
			categories[""] = true
		}
	}
	valued = true
	for _, customer := range customers {
		for category := range categories {
			var fit []oracleSums
			specific := 0
			for _, t := range open {
				if (t.Audience == "" || t.Audience == customer) && (t.Category == "" || t.Category == category) {
					s := oracleTier(c, t, p)
					fit = append(fit, s)
					specific = max(specific, s.stated)
				}
			}
			if len(fit) == 0 {
				out = append(out, oracleSums{reward: n(0), full: n(0), base: n(0), topCapped: n(0), topFull: n(0)})
				continue
			}
			fits = true
			var chosen []oracleSums
			for _, s := range fit {
				if s.stated == specific {
					valued = valued && s.valued
					chosen = append(chosen, s)
				}
			}
			if !valued {
				continue
			}
			sort.SliceStable(chosen, func(i, j int) bool {
				x, y := chosen[i], chosen[j]
				return chain(x.reward.Cmp(y.reward), x.full.Cmp(y.full), x.topCapped.Cmp(y.topCapped), x.topFull.Cmp(y.topFull), x.base.Cmp(y.base)) < 0
			})
			one := chosen[0]
			for _, s := range chosen[1:] {
				if s.reward.Cmp(one.reward) == 0 && s.full.Cmp(one.full) == 0 && s.topCapped.Cmp(one.topCapped) == 0 && s.topFull.Cmp(one.topFull) == 0 {
					one.estimate = one.estimate || s.estimate
				}
			}
			out = append(out, one)
		}
	}
	return out, fits, valued
}

func oracleTier(c Case, t Tier, p Portal) oracleSums {
	amount := rat(c.Purchase.Amount)
	base := amount
	if p.VATBasis != cashback.VATGross {
		base = quo(amount, sum(n(1), opt(c.Purchase.VATRate, "0")))
	}
	s := oracleSums{valued: len(t.Components) > 0}
	if t.Category != "" {
		s.stated++
	}
	if t.Audience != "" {
		s.stated++
	}
	if t.Channel != "" {
		s.stated++
	}
	if t.MinSpend.Valid {
		s.stated++
	}
	if t.ValidFrom != 0 || t.ValidTo != 0 {
		s.stated++
	}
	ranged := false
	for _, k := range t.Components {
		ranged = ranged || k.Min.Valid
	}
	worth := func(x *big.Rat, bottom bool) *big.Rat {
		total := n(0)
		some := false
		for _, k := range t.Components {
			value := rat(k.Value)
			if bottom && k.Min.Valid {
				value = rat(k.Min.Decimal)
			}
			if bottom && t.UpTo && !ranged {
				value = prod(value, opt(p.UpToShare, "0.25"))
				s.estimate = true
			}
			pays := oracleComponent(c, k, p, x, value)
			if pays == nil {
				s.estimate = true
				continue
			}
			some = true
			total = sum(total, pays)
		}
		s.valued = s.valued && some
		return total
	}
	s.full, s.base, s.topFull, s.topCapped = worth(amount, true), worth(base, true), worth(amount, false), worth(base, false)
	if t.UpTo && !ranged {
		s.estimate = true
	}
	s.reward = s.base
	if t.Cap.Valid {
		currency := t.CapCurrency
		if currency == "" {
			currency = p.Currency
		}
		cap := convert(c, rat(t.Cap.Decimal), currency, c.Purchase.Currency)
		if cap == nil {
			s.valued = false
			return s
		}
		s.reward, s.topCapped = smaller(s.reward, cap), smaller(s.topCapped, cap)
	}
	return s
}

// oracleComponent returns nil where a component has no value.
func oracleComponent(c Case, k cashback.Component, p Portal, x, value *big.Rat) *big.Rat {
	if k.PerUnit != "" {
		return nil
	}
	point := func() *big.Rat {
		if k.PointsCurrency == "" {
			return nil
		}
		if v, ok := c.Shopper.PointValues[k.PointsCurrency]; ok {
			return rat(v)
		}
		if v, ok := p.PointValues[k.PointsCurrency]; ok {
			return convert(c, rat(v), p.Currency, c.Purchase.Currency)
		}
		return nil
	}
	switch k.Kind {
	case cashback.Percent:
		return quo(prod(x, value), n(100))
	case cashback.Fixed:
		if k.Currency == "" {
			return nil
		}
		return convert(c, value, k.Currency, c.Purchase.Currency)
	case cashback.PointsFixed:
		if v := point(); v != nil {
			return prod(value, v)
		}
	case cashback.PointsPerUnit:
		unit := k.Currency
		if unit == "" {
			unit = p.Currency
		}
		per := rat(k.PerAmount)
		if per.Sign() == 0 {
			per = n(1)
		}
		spent := convert(c, x, c.Purchase.Currency, unit)
		if v := point(); v != nil && spent != nil {
			return prod(prod(floorOf(quo(spent, per)), value), v)
		}
	}
	return nil
}

type oracleWay struct {
	kind                                        string
	minimum, fee, bonus, factor, balance, daily *big.Rat
	patience, p                                 *big.Rat
	fixedDays                                   int64
	guessed                                     bool
}

func (w oracleWay) need(reward *big.Rat) *big.Rat {
	return larger(n(0), diff(diff(w.minimum, w.balance), reward))
}

// order is RANKING.md's order of kinds.
func (w oracleWay) order(o oracleWay) int {
	places := map[string]int{"bank_transfer": -8, "paypal": -7, "card_credit": -6, "cheque": -5, "gift_card": -4, "points_transfer": -3, "donation": -2, "crypto": -1}
	if k := places[w.kind] - places[o.kind]; k != 0 {
		return k
	}
	if w.kind < o.kind {
		return -1
	}
	if w.kind > o.kind {
		return 1
	}
	return 0
}

func oracleWays(c Case, o Offer, p Portal) (out []oracleWay) {
	frequency := cashback.FrequencyUnknown
	methods := []cashback.PayoutMethod{{Kind: "unknown"}}
	if p.Payout != nil {
		frequency = p.Payout.Frequency
		if p.Payout.Methods != nil {
			methods = p.Payout.Methods
		}
	}
	run := map[cashback.Frequency]int64{"on_demand": 3, "automatic": 3, "weekly": 4, "biweekly": 7, "monthly": 15, "bimonthly": 30, "quarterly": 45, "half_yearly": 91, "yearly": 182, "unknown": 45, "": 45}[frequency]
	validation := int64(90)
	if p.ValidationDays != nil {
		validation = int64(*p.ValidationDays)
	}
	if o.ValidationDays != nil {
		validation = int64(*o.ValidationDays)
	}
	h := c.Shopper.History[p.ID]
	m := quo(sum(prod(n(20), opt(p.ConfirmRate, "0.85")), n(int64(h.Confirmed))), n(20+int64(h.Confirmed+h.Declined)))
	here := h.Merchants[o.Merchant]
	chance := quo(sum(prod(n(5), m), n(int64(here.Confirmed))), n(5+int64(here.Confirmed+here.Declined)))
	inBasket := func(d cashback.Decimal) *big.Rat { return convert(c, rat(d), p.Currency, c.Purchase.Currency) }
	taken := c.Shopper.Methods
	if taken == nil {
		taken = []string{"bank_transfer", "paypal", "card_credit", "cheque", "gift_card"}
	}
	for _, method := range methods {
		usable := false
		for _, kind := range taken {
			cash := kind == "bank_transfer" || kind == "paypal" || kind == "card_credit" || kind == "cheque"
			usable = usable || kind == method.Kind || cash && (method.Kind == "any" || method.Kind == "unknown")
		}
		if !usable {
			continue
		}
		w := oracleWay{
			kind: method.Kind, fee: inBasket(method.Fee), bonus: rat(method.BonusRate), factor: n(1), balance: inBasket(c.Shopper.Balances[p.ID]),
			daily:    quo(larger(inBasket(h.Earned365), prod(n(3), opt(c.Shopper.MonthlyRewards, "5"))), n(365)),
			patience: opt(c.Shopper.PatienceRate, "0.20"), p: chance, fixedDays: validation + run,
		}
		if method.Minimum.Valid {
			w.minimum = inBasket(method.Minimum.Decimal)
		} else {
			w.minimum, w.guessed = opt(c.Shopper.UnknownMinimum, "20"), true
		}
		if method.Kind == "gift_card" {
			w.factor = opt(c.Shopper.GiftCardFactor, "0.9")
		}
		if method.Kind == "donation" {
			w.factor = opt(method.Share, "1")
		}
		out = append(out, w)
	}
	return out
}

type oraclePay struct {
	way                             oracleWay
	settled, chanced, waited, value *big.Rat
	days                            *big.Rat
}

// oraclePaid lists the ways that are ever reached, the best first.
func oraclePaid(ways []oracleWay, reward *big.Rat) (out []oraclePay) {
	for _, w := range ways {
		discount := func(t *big.Rat) *big.Rat { // nil is never
			if t == nil {
				return n(0)
			}
			return quo(n(1), sum(n(1), quo(prod(w.patience, t), n(365))))
		}
		days := func(need *big.Rat) *big.Rat {
			switch {
			case need.Sign() <= 0:
				return n(0)
			case w.daily.Sign() == 0:
				return nil
			}
			return ceilOf(quo(need, w.daily))
		}
		t, alone := days(w.need(reward)), days(w.need(n(0)))
		if t == nil {
			continue
		}
		x := oraclePay{way: w, days: sum(t, n(w.fixedDays))}
		x.settled = prod(prod(reward, sum(n(1), w.bonus)), w.factor)
		if pot := sum(sum(w.balance, reward), prod(n(365), w.daily)); pot.Sign() > 0 {
			x.settled = larger(n(0), diff(x.settled, quo(prod(w.fee, reward), pot)))
		}
		x.chanced = prod(x.settled, w.p)
		x.waited = prod(x.chanced, discount(x.days))
		x.value = x.waited
		if w.balance.Cmp(w.minimum) < 0 {
			x.value = sum(x.value, prod(prod(w.p, w.balance), diff(discount(t), discount(alone))))
		}
		out = append(out, x)
	}
	sort.SliceStable(out, func(i, j int) bool {
		x, y := out[i], out[j]
		guessed := 0
		if x.way.guessed != y.way.guessed {
			guessed = 1
			if y.way.guessed {
				guessed = -1
			}
		}
		return chain(y.value.Cmp(x.value), x.days.Cmp(y.days), x.way.minimum.Cmp(y.way.minimum), x.way.order(y.way), x.way.fee.Cmp(y.way.fee), guessed) < 0
	})
	return out
}
