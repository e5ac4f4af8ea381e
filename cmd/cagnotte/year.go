package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// shelved is an offer with its portal and its shop: where the demo's person buys.
type shelved struct {
	portal cashback.Portal
	shop   cashback.Merchant
	offer  cashback.Offer
}

// boughtInAYear is about three purchases a week.
const boughtInAYear = 150

// giveYear gives the demo's person a year of purchases over what the demo's portals
// list, the first time.
func (h *house) giveYear(ctx context.Context, seed uint64, user account.UserID) error {
	ledgers := h.store.Ledgers()
	if head, err := ledgers.Head(ctx, user); err != nil || head > 0 {
		return err
	}
	portals, err := h.operator().Portals(ctx)
	if err != nil {
		return err
	}
	byID := map[string]cashback.Portal{}
	for _, p := range portals {
		byID[p.ID] = p.Portal
	}
	var shelf []shelved
	err = h.operator().EachMerchant(ctx, func(m cashback.Merchant, offers []cashback.Offer) error {
		for _, o := range offers {
			if p, known := byID[o.Receipt.Portal]; known && o.Status == cashback.OK && len(o.Tiers) > 0 {
				if _, ok := demoReward(o, cashback.Money{Minor: 100_00, Currency: p.Currency}); ok {
					shelf = append(shelf, shelved{p, m, o})
				}
			}
		}
		return nil
	})
	if err != nil || len(shelf) == 0 {
		return err
	}
	a, err := yearOf(seed, h.now().UTC(), shelf)
	if err != nil {
		return err
	}
	_, err = ledgers.Restore(ctx, user, a)
	return err
}

// demoVAT is what the demo's person takes off a basket: portals pay on the net price.
var demoVAT = decimal.MustNew(12, 1)

// demoReward is what an offer's first tier pays for a basket without its VAT; false for
// what the demo's person can't reckon.
func demoReward(o cashback.Offer, basket cashback.Money) (_ earnings.Amount, ok bool) {
	return demoTier(o.Tiers[0], basket)
}

// demoTier is what a tier pays for a basket without its VAT.
func demoTier(t cashback.Tier, basket cashback.Money) (_ earnings.Amount, ok bool) {
	c := t.Components[0]
	if c.PerUnit != "" {
		return earnings.Amount{}, false
	}
	net, err := basket.Decimal().Quo(demoVAT)
	if err != nil {
		return earnings.Amount{}, false
	}
	due := c.Value
	switch c.Kind {
	case cashback.Percent:
		if due, err = due.Quo(decimal.Hundred); err == nil {
			due, err = due.Mul(net)
		}
	case cashback.PointsPerUnit:
		due, err = due.Mul(net.Trunc(0))
	case cashback.Fixed, cashback.PointsFixed:
	default:
		return earnings.Amount{}, false
	}
	if err != nil {
		return earnings.Amount{}, false
	}
	var a earnings.Amount
	switch c.Kind {
	case cashback.PointsPerUnit, cashback.PointsFixed:
		a.Unit = earnings.PointsOf(c.PointsCurrency)
		if due, err = due.Mul(decimal.Hundred); err == nil { // halves of points are kept
			a.Minor, _, ok = due.Int64(0)
		}
		ok = ok && c.PointsCurrency != ""
	default:
		m, err := cashback.MoneyOf(due, basket.Currency)
		a, ok = earnings.AmountOf(m), err == nil
	}
	return a, ok && a.Minor > 0 && a.Minor < earnings.MaxMinor
}

// yearOf is a year of somebody who buys at the shelf's shops, up to a moment: every
// state, two payouts and one asked for, a donation, a claim that was accepted and one
// that waits, bonuses for joining. The same seed gives the same year.
func yearOf(seed uint64, now time.Time, shelf []shelved) (earnings.Archive, error) {
	y := &year{rng: rand.New(rand.NewPCG(seed, 365)), now: now, shops: map[cashback.MerchantID]cashback.Merchant{}}
	slices.SortFunc(shelf, func(a, b shelved) int {
		return cmp.Or(cmp.Compare(a.portal.ID, b.portal.ID), cmp.Compare(a.shop.Slug, b.shop.Slug), cmp.Compare(a.offer.Entry.Key, b.offer.Entry.Key))
	})
	// Somebody has five portals, not ten, most of them at home, and buys at the same
	// shops again.
	portals := map[string]bool{}
	order := y.rng.Perm(len(shelf))
	for _, most := range []int{4, 5} {
		for _, i := range order {
			if p := shelf[i].portal; len(portals) < most && !portals[p.ID] && (most == 5 || slices.Contains(p.Countries, "FR")) {
				portals[p.ID] = true
				y.join(shelf[i])
			}
		}
	}
	shelf = slices.DeleteFunc(slices.Clone(shelf), func(s shelved) bool { return !portals[s.portal.ID] })
	y.rng.Shuffle(len(shelf), func(i, j int) { shelf[i], shelf[j] = shelf[j], shelf[i] })
	shelf = shelf[:min(len(shelf), 45)]
	for i := range boughtInAYear {
		age := 365*24*time.Hour - time.Duration(i)*365*24*time.Hour/boughtInAYear
		at := now.Add(-age + time.Duration(y.rng.IntN(36))*time.Hour).Truncate(time.Minute)
		if err := y.buy(fmt.Sprintf("demo-%03d", i+1), at, shelf[int(float64(len(shelf))*y.rng.Float64()*y.rng.Float64())]); err != nil {
			return earnings.Archive{}, err
		}
	}
	y.cashOut()
	return y.archive()
}

type year struct {
	rng   *rand.Rand
	now   time.Time
	lines [][]earnings.Event // a purchase each, in order of time
	shops map[cashback.MerchantID]cashback.Merchant
	kept  []earnings.Evidence
}

func (y *year) days(least, most float64) time.Duration {
	return time.Duration((least + y.rng.Float64()*(most-least)) * 24 * float64(time.Hour)).Truncate(time.Minute)
}

// join is the bonus for joining a portal, confirmed after two months.
func (y *year) join(s shelved) {
	if y.rng.IntN(2) == 0 {
		return
	}
	at := y.now.Add(-y.days(300, 364))
	amount := &earnings.Amount{Minor: 500, Unit: earnings.Unit(s.portal.Currency)}
	id := "demo-join-" + s.portal.ID
	line := []earnings.Event{{Kind: earnings.JoinBonus, Purchase: id, Portal: s.portal.ID, At: at, Amount: amount, Source: "import:demo", Wording: "Bonus"}}
	for _, k := range []earnings.EventKind{earnings.Confirmed, earnings.Payable} {
		at = at.Add(y.days(20, 40))
		line = append(line, earnings.Event{Kind: k, Purchase: id, Portal: s.portal.ID, At: at, Source: "import:demo"})
	}
	y.lines = append(y.lines, line)
}

// temper is how a portal treats people: how often it declines, and how slow it is.
func temper(portal string) (declines, slow float64) {
	h := 0
	for _, c := range portal {
		h = (h*31 + int(c)) % 1009
	}
	return 0.03 + float64(h%7)*0.03, 0.5 + float64(h%5)*0.3
}

// buy is a purchase from the click to wherever it has come by now.
func (y *year) buy(id string, at time.Time, s shelved) error {
	basket := cashback.Money{Minor: 18_00 + y.rng.Int64N(200), Currency: s.portal.Currency}
	for range y.rng.IntN(31) { // to some 370, small ones as often as large ones
		basket.Minor += basket.Minor * (5 + y.rng.Int64N(11)) / 100
	}
	amount, ok := demoReward(s.offer, basket)
	if !ok {
		return nil
	}
	terms := earnings.Terms{Frozen: at, Portal: s.portal.ID, PortalName: s.portal.Name, Facts: s.portal.Facts, Offer: s.offer, Shop: s.shop.Name, Link: s.offer.Entry.Link}
	terms.Offer.Receipt.ReadAt = at.Add(-time.Duration(1+y.rng.IntN(6)) * time.Hour)
	terms.Offer.Receipt.InForceSince = at.Add(-y.days(2, 60))
	frozen, err := terms.Freeze()
	if err != nil {
		return err
	}
	y.shops[s.shop.ID] = s.shop
	var line []earnings.Event
	add := func(e earnings.Event) {
		e.Purchase, e.Portal, e.At = id, s.portal.ID, at
		if at.Before(y.now) {
			line = append(line, e)
		}
	}
	finish := func() error {
		if len(line) > 0 {
			y.lines, y.kept = append(y.lines, line), append(y.kept, frozen)
		}
		return nil
	}
	declines, slow := temper(s.portal.ID)
	order := fmt.Sprintf("%s-%07d", "CMD", y.rng.IntN(10_000_000))
	paid := earnings.AmountOf(basket)
	add(earnings.Event{Kind: earnings.Clicked, Merchant: s.shop.ID, Shop: s.shop.Name, Source: "click", Evidence: frozen.Hash})
	if y.rng.IntN(15) == 0 {
		return finish() // looked, and didn't buy
	}
	at = at.Add(y.days(0.01, 0.08))
	add(earnings.Event{Kind: earnings.Expected, Amount: &amount, Basket: &paid, Order: order, Source: "hand"})
	if y.rng.IntN(16) == 0 { // never tracked
		at = at.Add(y.days(12, 20))
		if y.rng.IntN(3) == 0 {
			return finish()
		}
		add(earnings.Event{Kind: earnings.ClaimOpened, Source: "hand"})
		at = at.Add(y.days(0.01, 2))
		add(earnings.Event{Kind: earnings.ClaimSent, Source: "hand"})
		at = at.Add(y.days(8, 40))
		add(earnings.Event{Kind: earnings.ClaimAnswered, Source: "hand"})
		if y.rng.IntN(3) == 0 {
			add(earnings.Event{Kind: earnings.Declined, Source: "import:demo", Wording: "Réclamation refusée"})
			return finish()
		}
	}
	at = at.Add(y.days(0.2, 4))
	listed := amount
	if y.rng.IntN(9) == 0 {
		listed = y.less(s.offer, basket, amount)
	}
	add(earnings.Event{Kind: earnings.Tracked, Amount: &listed, External: fmt.Sprint("L", y.rng.IntN(1e9)), Source: "import:demo", Wording: "En attente"})
	if y.rng.Float64() < declines {
		at = at.Add(y.days(15*slow, 60*slow))
		add(earnings.Event{Kind: earnings.Declined, Source: "import:demo", Wording: "Refusé"})
		return finish()
	}
	if y.rng.IntN(20) == 0 { // a return
		at = at.Add(y.days(3, 20))
		less := earnings.Amount{Minor: max(1, listed.Minor*8/10), Unit: listed.Unit}
		add(earnings.Event{Kind: earnings.AmountChanged, Amount: &less, Source: "import:demo", Wording: "En attente"})
	}
	at = at.Add(y.days(25*slow, 60*slow))
	add(earnings.Event{Kind: earnings.Confirmed, Source: "import:demo", Wording: "Confirmé"})
	if y.rng.IntN(30) == 0 {
		at = at.Add(y.days(5, 20))
		add(earnings.Event{Kind: earnings.Reversed, Source: "import:demo", Wording: "Annulé", Note: "retour"})
		return finish()
	}
	at = at.Add(y.days(1, 30*slow))
	add(earnings.Event{Kind: earnings.Payable, Source: "import:demo", Wording: "Disponible"})
	return finish()
}

// less is what a portal credits instead of what was expected, as portals do: by another
// category's rate, without the delivery, without VAT once more, or for no reason.
func (y *year) less(o cashback.Offer, basket cashback.Money, expected earnings.Amount) earnings.Amount {
	var other []earnings.Amount
	for _, t := range o.Tiers[1:] {
		if a, ok := demoTier(t, basket); ok && a.Unit == expected.Unit && a.Minor < expected.Minor-1 {
			other = append(other, a)
		}
	}
	switch way := y.rng.IntN(8); {
	case len(other) > 0 && way < 4:
		return other[y.rng.IntN(len(other))]
	case way < 5 && basket.Minor > 20_00:
		basket.Minor -= 4_90 // delivery
		if a, ok := demoReward(o, basket); ok {
			return a
		}
	case way < 7:
		return earnings.Amount{Minor: max(1, (expected.Minor*10+6)/12), Unit: expected.Unit}
	}
	return earnings.Amount{Minor: max(1, expected.Minor*int64(50+y.rng.IntN(40))/100), Unit: expected.Unit}
}

// cashOut asks the portals where most is payable for it: one paid half a year ago, one
// last month, one asked for yesterday; and a purchase goes to an association.
func (y *year) cashOut() {
	ready := map[string]int64{}
	for _, line := range y.lines {
		if last := line[len(line)-1]; last.Kind == earnings.Payable {
			for _, e := range line {
				if e.Amount != nil {
					if _, money := e.Amount.Money(); money {
						ready[last.Portal] += e.Amount.Minor
					}
				}
			}
		}
	}
	portals := make([]string, 0, len(ready))
	for p := range ready {
		portals = append(portals, p)
	}
	slices.SortFunc(portals, func(a, b string) int { return cmp.Or(cmp.Compare(ready[b], ready[a]), cmp.Compare(a, b)) })
	for i, p := range portals {
		asked := y.now.Add(-[]time.Duration{170 * 24 * time.Hour, 32 * 24 * time.Hour, 26 * time.Hour}[min(i, 2)])
		given := false
		for n, line := range y.lines {
			last := line[len(line)-1]
			if last.Portal != p || last.Kind != earnings.Payable || !last.At.Before(asked) {
				continue
			}
			e := earnings.Event{Purchase: last.Purchase, Portal: p, At: asked, Source: "payout:demo-" + p, Payout: "demo-" + p}
			switch {
			case i < 3:
				e.Kind = earnings.PayoutRequested
				y.lines[n] = append(y.lines[n], e)
				if i < 2 {
					e.Kind, e.At = earnings.Paid, asked.Add(3*24*time.Hour)
					y.lines[n] = append(y.lines[n], e)
				}
			case !given:
				given = true
				e.Kind, e.Source, e.Payout, e.Note = earnings.Donation, "hand", "", "Les Restos du cœur"
				y.lines[n] = append(y.lines[n], e)
			}
		}
	}
}

// archive puts the lines together in order of time, chained as if each event had been
// written when it happened.
func (y *year) archive() (a earnings.Archive, err error) {
	var all []earnings.Event
	for _, line := range y.lines {
		all = append(all, line...)
	}
	slices.SortStableFunc(all, func(a, b earnings.Event) int { return a.At.Compare(b.At) })
	l := earnings.NewLedger()
	for _, e := range all {
		e.Key = fmt.Sprint("demo/", e.Purchase, "/", l.Len())
		if _, _, err := l.Append(e, e.At); err != nil {
			return a, err
		}
	}
	a.Events, a.Evidence = l.Events(0), y.kept
	for _, m := range y.shops {
		a.Merchants = append(a.Merchants, m)
	}
	slices.SortFunc(a.Merchants, func(a, b cashback.Merchant) int { return cmp.Compare(a.ID, b.ID) })
	return a, nil
}
