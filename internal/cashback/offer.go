package cashback

import "time"

// MerchantID names a merchant for ever; 0 means that an entry has none yet. Ids
// of merged merchants stay as redirects.
type MerchantID uint32

// Merchant is one shop in one country's storefront.
type Merchant struct {
	ID       MerchantID `json:"id" cbor:"1,keyasint"`
	Name     string     `json:"name" cbor:"2,keyasint"`
	Slug     string     `json:"slug" cbor:"3,keyasint"`
	Country  Country    `json:"country" cbor:"4,keyasint"`
	Domain   string     `json:"domain,omitempty" cbor:"5,keyasint,omitempty"`
	Aliases  []string   `json:"aliases,omitempty" cbor:"6,keyasint,omitempty"`
	Category string     `json:"category,omitempty" cbor:"7,keyasint,omitempty"`
	// Brand joins the storefronts of one brand across countries.
	Brand string `json:"brand,omitempty" cbor:"8,keyasint,omitempty"`
}

// Entry is a shop as one portal lists it: the input of merchant identity.
type Entry struct {
	// Key is the entry's identity within its portal: its link without what changes
	// from page to page, or its name where there is no link.
	Key      string  `json:"key" cbor:"1,keyasint"`
	Name     string  `json:"name" cbor:"2,keyasint"`
	Country  Country `json:"country" cbor:"3,keyasint"`
	Domain   string  `json:"domain,omitempty" cbor:"4,keyasint,omitempty"`
	Category string  `json:"category,omitempty" cbor:"5,keyasint,omitempty"`
	// Link is the portal's own page or click-out for the shop, absolute. It is
	// stored and linked to, never fetched unless the definition lists it as a page.
	Link string `json:"link,omitempty" cbor:"6,keyasint,omitempty"`
	Logo string `json:"logo,omitempty" cbor:"7,keyasint,omitempty"`
}

// OfferStatus is what the gate thinks of one offer.
type OfferStatus string

const (
	OK OfferStatus = "ok"
	// Unverified failed the gate's ceiling rule: shown as such, never ranked best.
	Unverified OfferStatus = "unverified"
	// Quarantined failed a rule of its own: not ranked.
	Quarantined OfferStatus = "quarantined"
)

// Receipt says where and when a number was read (DESIGN.md, contracts).
type Receipt struct {
	Portal string `json:"portal" cbor:"1,keyasint"`
	URL    string `json:"url" cbor:"2,keyasint"`
	// InForceSince is when the present rate was first read; ReadAt when it was last
	// confirmed.
	InForceSince      time.Time `json:"in_force_since" cbor:"3,keyasint"`
	ReadAt            time.Time `json:"read_at" cbor:"4,keyasint"`
	RawText           string    `json:"raw_text" cbor:"5,keyasint"`
	Hash              string    `json:"hash" cbor:"6,keyasint"`
	DefinitionVersion string    `json:"definition_version" cbor:"7,keyasint"`
	Run               string    `json:"run" cbor:"8,keyasint"`
}

// MissesToGo is how many complete healthy runs in a row must lack an offer before it may
// go. One that so many have lacked and that is still there was withheld: too many would
// have gone at once.
const MissesToGo = 2

// Offer is what a portal pays at a shop, with the receipt of the page.
type Offer struct {
	Entry    Entry       `json:"entry" cbor:"1,keyasint"`
	Merchant MerchantID  `json:"merchant,omitempty" cbor:"2,keyasint,omitempty"`
	Kind     RewardKind  `json:"kind" cbor:"3,keyasint"`
	Tiers    []Tier      `json:"tiers,omitempty" cbor:"4,keyasint,omitempty"`
	Previous NullDecimal `json:"previous,omitzero" cbor:"5,keyasint,omitzero"`
	// PreviousText is the page's own text for the previous rate.
	PreviousText   string      `json:"previous_text,omitempty" cbor:"6,keyasint,omitempty"`
	ValidationDays int         `json:"validation_days,omitempty" cbor:"7,keyasint,omitempty"`
	Status         OfferStatus `json:"status" cbor:"8,keyasint"`
	Conditions     string      `json:"conditions,omitempty" cbor:"9,keyasint,omitempty"`
	Receipt        Receipt     `json:"receipt" cbor:"10,keyasint"`
	// Unread is why the reward text was not understood; Kind is Unknown then.
	Unread string `json:"unread,omitempty" cbor:"11,keyasint,omitempty"`
	// MissedRuns counts the complete healthy runs in a row that lacked the offer.
	MissedRuns int `json:"missed_runs,omitempty" cbor:"12,keyasint,omitempty"`
}

// Snapshot is everything that one run read of one portal, staged: no reader sees
// it before the gate has judged it.
type Snapshot struct {
	Portal Portal  `json:"portal"`
	Run    Run     `json:"run"`
	Offers []Offer `json:"offers"`
	// Pages and Pairs are the gate's evidence: what each page gave, and the offers
	// that both a list and their own page stated.
	Pages []PageStat   `json:"pages,omitempty"`
	Pairs []ListDetail `json:"pairs,omitempty"`
}

// Change is one numbered line of the change feed.
type Change struct {
	Number   uint64     `json:"number" cbor:"1,keyasint"`
	At       time.Time  `json:"at" cbor:"2,keyasint"`
	Kind     ChangeKind `json:"kind" cbor:"3,keyasint"`
	Portal   string     `json:"portal,omitempty" cbor:"4,keyasint,omitempty"`
	Merchant MerchantID `json:"merchant,omitempty" cbor:"5,keyasint,omitempty"`
	// Before and After are the offers, absent where there was or is none.
	Before *Offer `json:"before,omitempty" cbor:"6,keyasint,omitempty"`
	After  *Offer `json:"after,omitempty" cbor:"7,keyasint,omitempty"`
}

// ChangeKind says what changed.
type ChangeKind string

const (
	OfferAdded      ChangeKind = "offer_added"
	OfferChanged    ChangeKind = "offer_changed"
	OfferRemoved    ChangeKind = "offer_removed"
	MerchantChanged ChangeKind = "merchant_changed"
	PortalChanged   ChangeKind = "portal_changed"
	// PortalChecked: a run has ended; what it found unchanged is younger now, and the
	// portal's health may have moved.
	PortalChecked ChangeKind = "portal_checked"
)

// RatePoint is a rate as it was published from one moment to the next.
type RatePoint struct {
	From     time.Time   `json:"from" cbor:"1,keyasint"`
	To       time.Time   `json:"to,omitzero" cbor:"2,keyasint,omitempty"`
	Kind     RewardKind  `json:"kind" cbor:"3,keyasint"`
	Tiers    []Tier      `json:"tiers,omitempty" cbor:"4,keyasint,omitempty"`
	RawText  string      `json:"raw_text" cbor:"5,keyasint"`
	Run      string      `json:"run" cbor:"6,keyasint"`
	Status   OfferStatus `json:"status" cbor:"7,keyasint"`
	Portal   string      `json:"portal" cbor:"8,keyasint"`
	Merchant MerchantID  `json:"merchant" cbor:"9,keyasint"`
	// Key is the entry's key within the portal, which may list a shop more than once.
	Key string `json:"key,omitempty" cbor:"10,keyasint,omitempty"`
}
