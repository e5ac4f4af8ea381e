package cashback

// RewardKind is what a reward text turned out to be, and what a component pays.
type RewardKind string

const (
	// Percent of the portal's base, in points of a hundred: "6.5" is 6.5 %.
	Percent RewardKind = "percent"
	// Fixed is an amount in major units of Currency for each purchase.
	Fixed RewardKind = "fixed"
	// PointsPerUnit is Value points for each whole PerAmount of Currency.
	PointsPerUnit RewardKind = "points_per_unit"
	// PointsFixed is Value points for each purchase.
	PointsFixed RewardKind = "points_fixed"
	// NoCashback is a page's own statement that there is none: "0 %", "Coupons
	// Only". It is an observation, not a failure to read.
	NoCashback RewardKind = "none"
	// NotCashback is a discount, a coupon, a condition: a text that is about
	// something else.
	NotCashback RewardKind = "not_cashback"
	// Unknown is a text that wasn't understood; Reward.Reason says why. It is
	// never zero and never guessed.
	Unknown RewardKind = "unknown"
)

// Pays reports whether the kind is one of the four that pay something.
func (k RewardKind) Pays() bool {
	return k == Percent || k == Fixed || k == PointsPerUnit || k == PointsFixed
}

// Audience is whom a tier is for.
type Audience string

const (
	Anybody  Audience = ""
	New      Audience = "new"
	Existing Audience = "existing"
)

// Span is a half-open range of bytes in Reward.Raw.
type Span struct {
	Start int `json:"start" cbor:"1,keyasint"`
	End   int `json:"end" cbor:"2,keyasint"`
}

// Component is one part of what a tier pays; the components of a tier add up.
// A part of a text that isn't cashback (a voucher beside it) is no component.
type Component struct {
	Kind RewardKind `json:"kind" cbor:"1,keyasint"`
	// Value is the top: the only number of a plain rate, the upper end of a range.
	// A "from 2 %" without a top has Value and Min equal.
	Value Decimal `json:"value" cbor:"2,keyasint"`
	// Min is the bottom of a range, where the text states one.
	Min NullDecimal `json:"min,omitzero" cbor:"3,keyasint,omitzero"`
	// Currency of a fixed amount, or of the unit that points are paid for. Empty
	// where the text only has a bare sign that several currencies share.
	Currency       Currency `json:"currency,omitempty" cbor:"4,keyasint,omitempty"`
	PointsCurrency string   `json:"points_currency,omitempty" cbor:"5,keyasint,omitempty"`
	// PerAmount is the unit that points are paid for, in major units; zero means 1.
	PerAmount Decimal `json:"per_amount,omitzero" cbor:"6,keyasint,omitzero"`
	// PerUnit names a unit other than a purchase ("litre", "night"); the ranking
	// treats such a component as without value.
	PerUnit string `json:"per_unit,omitempty" cbor:"7,keyasint,omitempty"`
	Span    Span   `json:"span,omitzero" cbor:"8,keyasint,omitzero"`
}

// Tier is one alternative: its components add up, and its conditions say when it
// applies. RANKING.md, "Situations", says which tier counts when.
type Tier struct {
	Label    string   `json:"label,omitempty" cbor:"1,keyasint,omitempty"`
	Category string   `json:"category,omitempty" cbor:"2,keyasint,omitempty"`
	Audience Audience `json:"audience,omitempty" cbor:"3,keyasint,omitempty"`
	// Channel is "online", "in_store" or "app"; empty for all.
	Channel  string `json:"channel,omitempty" cbor:"4,keyasint,omitempty"`
	MinSpend *Money `json:"min_spend,omitempty" cbor:"5,keyasint,omitempty"`
	// ValidFrom and ValidTo are inclusive; zero means open.
	ValidFrom Date `json:"valid_from,omitzero" cbor:"6,keyasint,omitempty"`
	ValidTo   Date `json:"valid_to,omitzero" cbor:"7,keyasint,omitempty"`
	// UpTo marks "up to": the value is a ceiling, never a result.
	UpTo bool `json:"up_to,omitempty" cbor:"8,keyasint,omitempty"`
	// Cap is the most that the tier pays for a purchase.
	Cap        *Money      `json:"cap,omitempty" cbor:"9,keyasint,omitempty"`
	Components []Component `json:"components" cbor:"10,keyasint"`
	// Raw is the page's text for this tier where it has its own.
	Raw string `json:"raw,omitempty" cbor:"11,keyasint,omitempty"`
}

// Reward is a reward text, read.
type Reward struct {
	// Raw is the text as the page had it.
	Raw string `json:"raw"`
	// Kind is the kind of the part that pays most, or NoCashback, NotCashback,
	// Unknown.
	Kind RewardKind `json:"kind"`
	// Tiers are alternatives: at most one of them applies to a purchase. Empty
	// unless Kind pays.
	Tiers []Tier `json:"tiers,omitempty"`
	// Previous is the rate that was paid before, where the text says so ("was 4%").
	Previous NullDecimal `json:"previous,omitzero"`
	// Named is what a text names without saying what is paid: the percent of a lone
	// "was 4 %", of "do X % cashbacku", of a doubled rate. It has one component,
	// whose value is nothing that may be counted, and is set only where Kind is
	// Unknown.
	Named *Tier `json:"named,omitempty"`
	// Cap is the most that is paid for a purchase, where the text states a cap and
	// no rate; a cap beside a rate stands in its tier.
	Cap *Money `json:"cap,omitempty"`
	// Reason and At say why and where a text was not understood.
	Reason string `json:"reason,omitempty"`
	At     Span   `json:"at,omitzero"`
}
