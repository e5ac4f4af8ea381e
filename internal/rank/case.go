package rank

import (
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Case is all that an answer may depend on: RANKING.md, "The case". Decode reads
// one from JSON; the rest of the program fills one in with PortalOf and OfferOf.
// Absent values (a nil, an invalid NullDecimal, an empty string) take the defaults
// of RANKING.md; an empty list that isn't nil means none.
type Case struct {
	// Name is for people; nothing depends on it.
	Name     string
	Now      cashback.Date
	Purchase Purchase
	Shopper  Shopper
	Portals  []Portal
	Offers   []Offer
	// FX are exchange rates: "GBP/EUR" is how many euros a pound gives.
	FX map[string]cashback.Decimal
}

// Purchase is the basket: what is paid, VAT included, in major units of Currency.
type Purchase struct {
	Amount   cashback.Decimal
	Currency cashback.Currency
	Country  cashback.Country
	// VATRate is a fraction: 0.20. Absent counts as 0.
	VATRate cashback.NullDecimal
	// VATUnknown says that the table of VAT rates has none for the shop's country:
	// VATRate is 0 then, and every row an estimate.
	VATUnknown bool
	// Customer is Anybody while it isn't known.
	Customer cashback.Audience
	// Channel is "online" when empty.
	Channel string
	// Category is empty while it isn't known; NoCategory states that the basket is
	// of none that the offers name.
	Category string
	// Date is Now when zero.
	Date cashback.Date
}

// NoCategory is a basket's category when the shopper says: none of those.
const NoCategory = "-"

// Shopper is whose hands the money is to end in. Amounts are in the basket's
// currency, those that belong to a portal in the portal's.
type Shopper struct {
	// Methods are the payout methods that are taken; nil for the usual ones.
	Methods        []string
	GiftCardFactor cashback.NullDecimal
	PatienceRate   cashback.NullDecimal
	MonthlyRewards cashback.NullDecimal
	UnknownMinimum cashback.NullDecimal
	// PointValues is what a point is worth to the shopper, by points currency.
	PointValues map[string]cashback.Decimal
	// Portals are those that the shopper uses; nil for all.
	Portals  []string
	Balances map[string]cashback.Decimal
	History  map[string]History
}

// History is what a shopper has lived through at a portal.
type History struct {
	Outcomes
	// Earned365 is what was earned there in a year, in the portal's currency.
	Earned365 cashback.Decimal
	Merchants map[string]Outcomes
}

// Outcomes counts purchases that a portal confirmed and declined.
type Outcomes struct{ Confirmed, Declined int }

// Portal is what is known of a portal's payment.
type Portal struct {
	ID       string
	Currency cashback.Currency
	// VATBasis empty is unknown.
	VATBasis cashback.VATBasis
	// ConfirmRate and UpToShare are fractions that were observed, never claimed.
	ConfirmRate    cashback.NullDecimal
	UpToShare      cashback.NullDecimal
	ValidationDays *int
	PointValues    map[string]cashback.Decimal
	// Payout is nil where nothing is known.
	Payout *cashback.Payout
}

// Offer is what a portal pays at the case's shop; at most one for a portal.
type Offer struct {
	Portal   string
	Merchant string
	// VerifiedOn zero is never.
	VerifiedOn     cashback.Date
	Quarantined    bool
	ValidationDays *int
	Tiers          []Tier
}

// Tier is one alternative of an offer. Money is in the portal's currency unless
// its own currency is given.
type Tier struct {
	Category         string
	Audience         cashback.Audience
	Channel          string
	MinSpend         cashback.NullDecimal
	MinSpendCurrency cashback.Currency
	ValidFrom        cashback.Date
	ValidTo          cashback.Date
	UpTo             bool
	Cap              cashback.NullDecimal
	CapCurrency      cashback.Currency
	Components       []cashback.Component
}

// Answer is RANKING.md's answer: each offer in one group, or in none when no tier
// of it fits. As JSON it has exactly the form of a case's "expect".
type Answer struct {
	Ranked      []Row         `json:"ranked"`
	Unreachable []Unreachable `json:"unreachable"`
	// Unvalued, Stale and Hidden are portal ids, sorted.
	Unvalued []string `json:"unvalued"`
	Stale    []string `json:"stale"`
	Hidden   []string `json:"hidden"`
}

// Row is a ranked offer. Amounts are minor units of the basket's currency.
type Row struct {
	Portal   string `json:"portal"`
	Value    int64  `json:"value"`
	Possible int64  `json:"possible"`
	// Reward is what the portal pays after the cap.
	Reward   int64  `json:"reward"`
	Headline int64  `json:"headline"`
	Days     int64  `json:"days"`
	Method   string `json:"method"`
	Estimate bool   `json:"estimate"`
	Steps    []Step `json:"steps"`
}

// Step is one of the eight, in order; the amounts add up to the row's value.
type Step struct {
	Step   string `json:"step"`
	Amount int64  `json:"amount"`
}

// Unreachable is an offer whose payout threshold is never reached.
type Unreachable struct {
	Portal  string `json:"portal"`
	Reward  int64  `json:"reward"`
	ShortBy int64  `json:"short_by"`
	Method  string `json:"method"`
}

// The defaults that RANKING.md names in brackets.
var (
	defaultGiftCardFactor = fraction(9, 10)
	defaultPatienceRate   = fraction(20, 100)
	defaultMonthlyRewards = whole(5)
	defaultUnknownMinimum = whole(20)
	defaultConfirmRate    = fraction(85, 100)
	defaultUpToShare      = fraction(25, 100)
)

const (
	defaultChannel        = "online"
	defaultValidationDays = 90
	// freshDays is how long an offer counts after it was verified.
	freshDays = 14
)

// cashMethods are those that pay money; the default adds gift cards.
var cashMethods = [...]string{"bank_transfer", "paypal", "card_credit", "cheque"}

// methodOrder decides between methods of the same value, days and minimum; what
// isn't in it comes after, alphabetically.
var methodOrder = [...]string{"bank_transfer", "paypal", "card_credit", "cheque", "gift_card", "points_transfer", "donation", "crypto"}

const (
	giftCard      = "gift_card"
	donation      = "donation"
	anyMethod     = "any"
	unknownMethod = "unknown"
)

// payoutDays is the wait for the payout run.
func payoutDays(f cashback.Frequency) int64 {
	switch f {
	case cashback.OnDemand, cashback.Automatic:
		return 3
	case cashback.Weekly:
		return 4
	case cashback.Biweekly:
		return 7
	case cashback.Monthly:
		return 15
	case cashback.Bimonthly:
		return 30
	case cashback.Quarterly:
		return 45
	case cashback.HalfYearly:
		return 91
	case cashback.Yearly:
		return 182
	}
	return 45
}

func or(d cashback.NullDecimal, otherwise number) number {
	if d.Valid {
		return exactly(d.Decimal)
	}
	return otherwise
}
