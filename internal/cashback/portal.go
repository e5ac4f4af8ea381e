package cashback

import (
	"strings"

	"github.com/bojanz/currency"
)

// Country is an ISO 3166-1 alpha-2 code in capitals (GB, not UK).
type Country string

// ParseCountry reads a code in either case, surrounding spaces allowed; UK is taken for
// GB. A code that no country with a currency has is Invalid.
func ParseCountry(s string) (Country, error) {
	c := Country(strings.ToUpper(strings.TrimSpace(s)))
	if c == "UK" {
		c = "GB"
	}
	if c.Currency() == "" {
		return "", Errorf(Invalid, "%q is not a country: use a two-letter code such as FR or GB", short(s))
	}
	return c, nil
}

// Countries are all that have a currency, by their codes.
func Countries() (out []Country) {
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if c := Country([]rune{a, b}); c.Currency() != "" {
				out = append(out, c)
			}
		}
	}
	return out
}

// Currency is the country's own; empty for what is no country.
func (c Country) Currency() Currency {
	code, _ := currency.ForCountryCode(string(c))
	return Currency(code)
}

// Publication is what the operator allows to be shown of a portal.
type Publication string

const (
	// Public shows everything.
	Public Publication = "public"
	// RelationOnly shows that the portal lists a shop, but no rate.
	RelationOnly Publication = "relation"
	// Private shows it to the operator only.
	Private Publication = "private"
	// Off shows nothing and crawls nothing.
	Off Publication = "off"
)

// Portal is a cashback portal: who it is, and the facts that decide what its
// rates are worth.
type Portal struct {
	ID          string      `json:"id" cbor:"1,keyasint"`
	Name        string      `json:"name" cbor:"2,keyasint"`
	Homepage    string      `json:"homepage" cbor:"3,keyasint"`
	Countries   []Country   `json:"countries" cbor:"4,keyasint"`
	Languages   []string    `json:"languages,omitempty" cbor:"5,keyasint"`
	Locale      string      `json:"locale" cbor:"6,keyasint"`
	Currency    Currency    `json:"currency" cbor:"7,keyasint"`
	Publication Publication `json:"publication" cbor:"8,keyasint"`
	Facts       Facts       `json:"facts" cbor:"9,keyasint"`
}

// Origin is where a fact was read, when, and the words to watch for.
type Origin struct {
	Source string `json:"source,omitempty" cbor:"1,keyasint,omitempty"`
	// AsOf is a day, a month or a year: "2026-07-01", "2026-07", "2026".
	AsOf   string `json:"as_of,omitempty" cbor:"2,keyasint,omitempty"`
	Phrase string `json:"phrase,omitempty" cbor:"3,keyasint,omitempty"`
	// Learnt is how many observations a learnt value rests on; 0 for a stated one.
	Learnt int `json:"learnt,omitempty" cbor:"4,keyasint,omitempty"`
}

// Fact is a value with its origin. A nil *Fact means that nothing is known, which
// RANKING.md counts like a poor value that somebody states.
type Fact[T any] struct {
	Value  T      `json:"value" cbor:"1,keyasint"`
	Origin Origin `json:"origin,omitzero" cbor:"2,keyasint,omitzero"`
}

// VATBasis says whether a portal's rates count before or after VAT.
type VATBasis string

const (
	VATUnknown VATBasis = "unknown"
	VATNet     VATBasis = "net"
	VATGross   VATBasis = "gross"
)

// Facts are what is known about a portal, each with its source and date. Money
// is in the portal's currency, in major units, as the source states it.
type Facts struct {
	VATBasis *Fact[VATBasis] `json:"vat_basis,omitempty" cbor:"1,keyasint,omitempty"`
	Payout   *Fact[Payout]   `json:"payout,omitempty" cbor:"2,keyasint,omitempty"`
	// ConfirmRate and UpToShare come only from observed outcomes, never from the
	// portal's own words (RANKING.md).
	ConfirmRate    *Fact[Decimal]            `json:"confirm_rate,omitempty" cbor:"3,keyasint,omitempty"`
	UpToShare      *Fact[Decimal]            `json:"up_to_share,omitempty" cbor:"4,keyasint,omitempty"`
	TrackingDays   *Fact[int]                `json:"tracking_days,omitempty" cbor:"5,keyasint,omitempty"`
	ValidationDays *Fact[int]                `json:"validation_days,omitempty" cbor:"6,keyasint,omitempty"`
	ClaimWindow    *Fact[ClaimWindow]        `json:"claim_window,omitempty" cbor:"7,keyasint,omitempty"`
	InactiveMonths *Fact[int]                `json:"inactive_months,omitempty" cbor:"8,keyasint,omitempty"`
	PointValues    *Fact[map[string]Decimal] `json:"point_values,omitempty" cbor:"9,keyasint,omitempty"`
	Donation       *Fact[Donation]           `json:"donation,omitempty" cbor:"10,keyasint,omitempty"`
	JoinBonus      *Fact[Decimal]            `json:"join_bonus,omitempty" cbor:"11,keyasint,omitempty"`
	MembershipFee  *Fact[Decimal]            `json:"membership_fee,omitempty" cbor:"12,keyasint,omitempty"`
	App            *Fact[bool]               `json:"app,omitempty" cbor:"13,keyasint,omitempty"`
	Extension      *Fact[bool]               `json:"extension,omitempty" cbor:"14,keyasint,omitempty"`
	// MerchantsClaimed is the portal's own count of shops.
	MerchantsClaimed *Fact[int] `json:"merchants_claimed,omitempty" cbor:"15,keyasint,omitempty"`
	// Status is "active", "closed" … with Notes for what a shopper should know.
	Status *Fact[string] `json:"status,omitempty" cbor:"16,keyasint,omitempty"`
	Notes  string        `json:"notes,omitempty" cbor:"17,keyasint,omitempty"`
}

// Frequency is how often a portal pays out.
type Frequency string

// The frequencies of RANKING.md, "Threshold".
const (
	OnDemand         Frequency = "on_demand"
	Automatic        Frequency = "automatic"
	Weekly           Frequency = "weekly"
	Biweekly         Frequency = "biweekly"
	Monthly          Frequency = "monthly"
	Bimonthly        Frequency = "bimonthly"
	Quarterly        Frequency = "quarterly"
	HalfYearly       Frequency = "half_yearly"
	Yearly           Frequency = "yearly"
	FrequencyUnknown Frequency = "unknown"
)

// Payout is how a portal settles.
type Payout struct {
	Frequency Frequency `json:"frequency" cbor:"1,keyasint"`
	// PayDates are the days of the year on which it pays, "MM-DD", where fixed.
	PayDates []string `json:"pay_dates,omitempty" cbor:"2,keyasint,omitempty"`
	// Methods is nil where nothing is known, empty where the portal has none.
	Methods []PayoutMethod `json:"methods" cbor:"3,keyasint"`
}

// PayoutMethod is one way to be paid. Kinds: bank_transfer, paypal, card_credit,
// cheque, gift_card, points_transfer, donation, crypto, any, unknown, others.
type PayoutMethod struct {
	Kind string `json:"kind" cbor:"1,keyasint"`
	// Minimum is the threshold; absent means not stated, 0 means none.
	Minimum   NullDecimal `json:"minimum,omitzero" cbor:"2,keyasint,omitzero"`
	Fee       Decimal     `json:"fee,omitzero" cbor:"3,keyasint,omitzero"`
	BonusRate Decimal     `json:"bonus_rate,omitzero" cbor:"4,keyasint,omitzero"`
	// Share is what reaches the association, for a donation; absent is unknown.
	Share       NullDecimal `json:"share,omitzero" cbor:"5,keyasint,omitzero"`
	Association string      `json:"association,omitempty" cbor:"6,keyasint,omitempty"`
	Note        string      `json:"note,omitempty" cbor:"7,keyasint,omitempty"`
}

// ClaimWindow is when a missing cashback may be claimed, in days after the
// purchase. None means that the portal takes no claims.
type ClaimWindow struct {
	FromDays int  `json:"from_days,omitempty" cbor:"1,keyasint,omitempty"`
	ToDays   int  `json:"to_days,omitempty" cbor:"2,keyasint,omitempty"`
	None     bool `json:"none,omitempty" cbor:"3,keyasint,omitempty"`
}

// Donation says whether cashback can be given away, and what arrives.
type Donation struct {
	Possible     bool        `json:"possible" cbor:"1,keyasint"`
	Associations []string    `json:"associations,omitempty" cbor:"2,keyasint,omitempty"`
	Share        NullDecimal `json:"share,omitzero" cbor:"3,keyasint,omitzero"`
}
