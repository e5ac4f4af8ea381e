// Package view holds the answers: what a page shows and what the API sends are the
// same values, rendered as HTML by web/pages and as JSON by encoding/json.
//
// Its one invariant: a view holds facts, never sentences. Names, amounts, dates and
// receipts are here as they are stored; words and number forms belong to whoever
// renders them, in one language.
package view

import (
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
)

// List is how the API sends every list.
type List[T any] struct {
	Items []T `json:"items" nullable:"false" doc:"The page's items; empty when there are none."`
	// Next is the opaque place where the next page begins.
	Next string `json:"next,omitempty" doc:"The cursor of the next page; absent on the last one."`
}

// Merchant is a shop in one country.
type Merchant struct {
	ID       cashback.MerchantID `json:"id" doc:"The shop's id; it never changes."`
	Name     string              `json:"name"`
	Slug     string              `json:"slug" doc:"The shop's part of addresses; it holds the country and never changes."`
	Country  cashback.Country    `json:"country" doc:"ISO 3166-1 alpha-2."`
	Domain   string              `json:"domain,omitempty" doc:"The shop's registrable domain."`
	Category string              `json:"category,omitempty" doc:"As the portals call it."`
	Portals  int                 `json:"portals" doc:"How many portals list the shop."`
}

// Ranking is RANKING.md's answer for a shop and a purchase, with the receipts.
type Ranking struct {
	Merchant Merchant `json:"merchant"`
	// Now is the day that the answer counts from.
	Now      cashback.Date `json:"now" doc:"The day that the answer counts from."`
	Purchase Purchase      `json:"purchase"`
	// The groups. Amounts are minor units of the purchase's currency.
	Ranked      []Row    `json:"ranked" nullable:"false" doc:"Best first. Amounts are minor units of the purchase's currency."`
	Unreachable []Short  `json:"unreachable" nullable:"false" doc:"Portals whose payout threshold is never reached."`
	Unvalued    []string `json:"unvalued" nullable:"false" doc:"Portals whose reward can't be put in money."`
	Stale       []string `json:"stale" nullable:"false" doc:"Portals whose offer was not confirmed for 14 days, or failed a check."`
	Hidden      []string `json:"hidden" nullable:"false" doc:"Portals that the shopper's own choices leave out."`
	// Other are the portals that list the shop and are in no group, with the reason.
	Other   []Left   `json:"other" nullable:"false" doc:"Portals that list the shop and are in none of the groups, with the reason."`
	Offers  []Offer  `json:"offers" nullable:"false" doc:"What each portal named above lists, with its receipt; a portal may list a shop more than once."`
	Settles []Settle `json:"settlement" nullable:"false" doc:"How each portal named above pays out."`
	// Reference is what the answer took from tables.
	Reference Reference `json:"reference" doc:"What the answer took from tables, and of when."`
	// Shopper is whom the answer is for, the defaults filled in.
	Shopper Shopper `json:"shopper" doc:"Whom the answer is for, with the defaults filled in."`
	// The rest is worked out where it is asked for.
	Reasons  *rank.Reasons  `json:"reasons,omitempty" doc:"Why each row, and each offer that isn't ranked, is what it is, as keys with numbers; with=reasons."`
	Question *rank.Question `json:"question,omitempty" doc:"The one fact whose answer would change the best portal, absent where none would; with=question."`
	Giving   *rank.Giving   `json:"giving,omitempty" doc:"The answers for who keeps the money and for who gives it away; with=giving."`
}

// Curve is a shop's ranking as a function of the amount: the purchase's own amount
// plays no part.
type Curve struct {
	Merchant  Merchant      `json:"merchant"`
	Now       cashback.Date `json:"now" doc:"The day that the answer counts from."`
	Purchase  Purchase      `json:"purchase"`
	Shopper   Shopper       `json:"shopper" doc:"Whom the answer is for, with the defaults filled in."`
	Reference Reference     `json:"reference" doc:"What the answer took from tables, and of when."`
	Curve     rank.Curve    `json:"curve" doc:"Who leads where, to the minor unit, and each portal's value with its kinks."`
}

// Shopper is what a ranking assumes of the shopper.
type Shopper struct {
	Methods        []string         `json:"methods" nullable:"false" doc:"The payout methods that are taken."`
	GiftCardFactor cashback.Decimal `json:"gift_card_factor" doc:"What a gift card is worth, as a fraction of its value."`
	PatienceRate   cashback.Decimal `json:"patience_rate" doc:"What a year of waiting costs, as a fraction."`
	MonthlyRewards cashback.Money   `json:"monthly_rewards" doc:"The rewards expected in a month."`
	UnknownMinimum cashback.Money   `json:"unknown_minimum" doc:"The payout threshold assumed where a portal states none."`
	Points         []PointValue     `json:"points,omitempty" doc:"What points are worth to the shopper, where stated."`
	Portals        []string         `json:"portals,omitempty" doc:"The portals that are used; absent for all."`
}

// Takes reports whether the shopper takes a payout method.
func (s *Shopper) Takes(method string) bool { return slices.Contains(s.Methods, method) }

// Gives reports a shopper who gives everything away.
func (s *Shopper) Gives() bool { return len(s.Methods) == 1 && s.Methods[0] == "donation" }

// PointValue is what a point is worth, in major units of the basket's currency.
type PointValue struct {
	Points string           `json:"points"`
	Value  cashback.Decimal `json:"value"`
}

// Explained is the explanation of a ranked row, or nil where none was asked for.
func (r *Ranking) Explained(portal string) *rank.Explanation {
	if r.Reasons == nil {
		return nil
	}
	for i := range r.Reasons.Ranked {
		if r.Reasons.Ranked[i].Portal == portal {
			return &r.Reasons.Ranked[i]
		}
	}
	return nil
}

// NotRanked is why an offer isn't ranked, or nil.
func (r *Ranking) NotRanked(portal string) *rank.Reason {
	if r.Reasons == nil {
		return nil
	}
	for i := range r.Reasons.Others {
		if r.Reasons.Others[i].Portal == portal {
			return &r.Reasons.Others[i].Why
		}
	}
	return nil
}

// Reference is what a ranking took from the tables of VAT and exchange rates.
type Reference struct {
	VATAsOf     cashback.Date `json:"vat_as_of,omitzero" doc:"The date of the table of VAT rates, where it has one for the country."`
	Rates       []string      `json:"rates,omitempty" doc:"The exchange rates used: GBP/EUR is euros for one pound."`
	RatesAsOf   cashback.Date `json:"rates_as_of,omitzero"`
	RatesSource string        `json:"rates_source,omitempty"`
}

// OffersOf are the entries of a portal, the one that stands for them first.
func (r *Ranking) OffersOf(portal string) []*Offer {
	var out []*Offer
	for i := range r.Offers {
		if r.Offers[i].Portal == portal {
			out = append(out, &r.Offers[i])
		}
	}
	return out
}

// Offer is the entry that stands for a portal, or nil.
func (r *Ranking) Offer(portal string) *Offer {
	for i := range r.Offers {
		if r.Offers[i].Portal == portal {
			return &r.Offers[i]
		}
	}
	return nil
}

// Settle says how a portal pays out, or is nil.
func (r *Ranking) Settle(portal string) *Settle {
	for i := range r.Settles {
		if r.Settles[i].Portal == portal {
			return &r.Settles[i]
		}
	}
	return nil
}

// Money is an amount of the ranking in its currency.
func (r *Ranking) Money(minor int64) cashback.Money {
	return cashback.Money{Minor: minor, Currency: r.Purchase.Amount.Currency}
}

// CheckedAt is when the youngest of the ranked offers was read.
func (r *Ranking) CheckedAt() time.Time {
	var at time.Time
	for i := range r.Ranked {
		if t := r.Ranked[i].Receipt.ReadAt; t.After(at) {
			at = t
		}
	}
	return at
}

// Purchase is what the ranking was asked for, with what was assumed filled in.
type Purchase struct {
	Amount   cashback.Money `json:"amount"`
	Customer string         `json:"customer,omitempty" enum:"new,existing" doc:"Absent when it isn't known."`
	Channel  string         `json:"channel" enum:"online,in_store,app"`
	Category string         `json:"category,omitempty" doc:"Absent when it isn't known; - is none of those that the offers name."`
	// Date is the day of the purchase.
	Date cashback.Date `json:"date" doc:"The day of the purchase."`
	// Country is whose VAT rate counts; VATStated says that the shopper stated one.
	Country   cashback.Country `json:"country" doc:"Whose VAT rate counts."`
	VATStated bool             `json:"vat_stated,omitempty" doc:"The VAT rate is the shopper's own statement."`
	// VATRate is the share assumed; nil where no rate is known for the country.
	VATRate *cashback.Decimal `json:"vat_rate,omitempty" doc:"The VAT rate assumed, as a share; absent where none is known."`
}

// Row is one ranked portal.
type Row struct {
	Portal   string `json:"portal"`
	Value    int64  `json:"value" doc:"What the shopper will really get: the sum of the steps."`
	Possible int64  `json:"possible" doc:"The best that can happen."`
	Reward   int64  `json:"reward" doc:"What the portal pays, after the cap."`
	Headline int64  `json:"headline" doc:"What the portal advertises."`
	Days     int64  `json:"days" doc:"Days until the money can be had."`
	Method   string `json:"method" doc:"The payout method that gives most."`
	Estimate bool   `json:"estimate" doc:"Whether something had to be assumed."`
	Steps    []Step `json:"steps" nullable:"false" doc:"From the headline to the value."`
	// Receipt stands on each row, so that no number travels without it.
	Receipt  cashback.Receipt `json:"receipt"`
	ClickOut string           `json:"click_out,omitempty" doc:"This server's address that leads to the portal's own link."`
}

// Step is one of the eight steps from the headline to the value.
type Step struct {
	Step   string `json:"step" enum:"headline,conditions,vat,cap,settlement,chance,wait,unlock"`
	Amount int64  `json:"amount" doc:"Signed."`
}

// Short is a portal whose threshold isn't reached.
type Short struct {
	Portal  string           `json:"portal"`
	Reward  int64            `json:"reward"`
	ShortBy int64            `json:"short_by" doc:"What is missing to the threshold."`
	Method  string           `json:"method"`
	Receipt cashback.Receipt `json:"receipt"`
}

// Left is a portal that lists the shop and isn't ranked.
type Left struct {
	Portal string `json:"portal"`
	Reason Reason `json:"reason" enum:"no_cashback,unread,withheld,unverified,no_tier_fits"`
}

// Reason is why an offer is in none of the groups.
type Reason string

const (
	// ReasonNoCashback: the portal lists the shop and says that it pays nothing.
	ReasonNoCashback Reason = "no_cashback"
	// ReasonUnread: the text of the rate was not understood.
	ReasonUnread Reason = "unread"
	// ReasonWithheld: only that the portal lists the shop may be shown.
	ReasonWithheld Reason = "withheld"
	// ReasonUnverified: a second reading hasn't confirmed an unusual rate yet.
	ReasonUnverified Reason = "unverified"
	// ReasonNoTier: no tier of the offer fits the purchase.
	ReasonNoTier Reason = "no_tier_fits"
)

// Offer is what a portal states for a shop.
type Offer struct {
	Portal     string               `json:"portal"`
	PortalName string               `json:"portal_name"`
	Kind       cashback.RewardKind  `json:"kind"`
	Tiers      []cashback.Tier      `json:"tiers" nullable:"false"`
	Previous   cashback.NullDecimal `json:"previous,omitzero" doc:"The rate that the portal says it paid before."`
	Status     cashback.OfferStatus `json:"status" enum:"ok,unverified,quarantined" doc:"ok, or why it isn't ranked: no second reading has confirmed it, or it failed a check."`
	Stale      bool                 `json:"stale,omitempty" doc:"It wasn't read for 14 days: it isn't ranked either."`
	Late       bool                 `json:"late,omitempty" doc:"It was last read more than twice as long ago as the portal's schedule promises; it is ranked all the same, with its age."`
	Conditions string               `json:"conditions,omitempty"`
	Receipt    cashback.Receipt     `json:"receipt"`
	ClickOut   string               `json:"click_out,omitempty"`
}

// Settle is how a portal pays out, as far as it is known.
type Settle struct {
	Portal    string                  `json:"portal"`
	Name      string                  `json:"name"`
	Currency  cashback.Currency       `json:"currency"`
	Frequency cashback.Frequency      `json:"frequency"`
	Methods   []cashback.PayoutMethod `json:"methods" nullable:"false" doc:"Empty where none is known."`
	Known     bool                    `json:"known" doc:"Whether the portal says how it pays out."`
	Source    string                  `json:"source,omitempty"`
	AsOf      string                  `json:"as_of,omitempty"`
}

// Method is the way to be paid of that kind that has the lowest minimum, or nil.
func (s *Settle) Method(kind string) *cashback.PayoutMethod {
	var best *cashback.PayoutMethod
	for i := range s.Methods {
		m := &s.Methods[i]
		if m.Kind == kind && (best == nil || m.Minimum.Valid && (!best.Minimum.Valid || m.Minimum.Decimal.Cmp(best.Minimum.Decimal) < 0)) {
			best = m
		}
	}
	return best
}

// Portal is a portal with its facts and the state of its data.
type Portal struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Homepage  string             `json:"homepage"`
	Countries []cashback.Country `json:"countries"`
	Languages []string           `json:"languages,omitempty"`
	Currency  cashback.Currency  `json:"currency"`
	Facts     cashback.Facts     `json:"facts"`
	Offers    int                `json:"offers" doc:"How many shops it lists, as last read."`
	WithRate  int                `json:"with_rate" doc:"How many of them pay something."`
	Health    cashback.Health    `json:"health,omitempty" doc:"How much its data can be trusted now."`
	ReadAt    time.Time          `json:"read_at,omitzero" doc:"When a run last passed its checks."`
	Stale     bool               `json:"stale" doc:"No run has passed for 14 days."`
}

// Found is the answer to a search.
type Found struct {
	List[FoundShop]
	Total int `json:"total" doc:"How many shops were found."`
	// Near, Degraded and Partial say how far the answer can be trusted.
	Near     bool    `json:"near,omitempty" doc:"Nothing is called so; the shops only resemble it."`
	Degraded bool    `json:"degraded,omitempty" doc:"Typing errors weren't forgiven."`
	Partial  bool    `json:"partial,omitempty" doc:"The index is still being filled; there may be more."`
	Facets   *Facets `json:"facets,omitempty" doc:"Counts, where they were asked for."`
}

// FoundShop is a shop that was found.
type FoundShop struct {
	Merchant
	Passing int `json:"passing" doc:"How many of its portals pass the filters."`
	// Best is the offer with the highest value at face value, which is not the
	// ranking of a purchase.
	Best *Offer `json:"best,omitempty" doc:"The offer that advertises most; the ranking of a purchase may differ."`
}

// Listed is the answer to a question for offers.
type Listed struct {
	List[ListedOffer]
	Total   int     `json:"total" doc:"How many offers pass the filters."`
	Partial bool    `json:"partial,omitempty" doc:"The index is still being filled; there may be more."`
	Facets  *Facets `json:"facets,omitempty" doc:"Counts, where they were asked for."`
}

// ListedOffer is an offer with its shop.
type ListedOffer struct {
	Merchant     cashback.MerchantID `json:"merchant"`
	MerchantName string              `json:"merchant_name"`
	MerchantSlug string              `json:"merchant_slug"`
	Offer
}

// Facets are counts by what can be chosen; each ignores the choice in its own group.
type Facets struct {
	Countries   []Count `json:"countries" nullable:"false"`
	Categories  []Count `json:"categories" nullable:"false"`
	Portals     []Count `json:"portals" nullable:"false"`
	Kinds       []Count `json:"kinds" nullable:"false"`
	Methods     []Count `json:"methods" nullable:"false"`
	Frequencies []Count `json:"frequencies" nullable:"false"`
	Donation    int     `json:"donation" doc:"With portals where cashback can be given away."`
}

// Count is a value of a facet.
type Count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Move is a rate that changed, as the home page lists it.
type Move struct {
	Merchant      Merchant
	Portal        string
	PortalName    string
	At            time.Time
	Before, After cashback.Tier
	Up            bool
}
