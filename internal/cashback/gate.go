package cashback

import "time"

// Health is how much a portal's data can be trusted at the moment. CRAWLING.md,
// section 3: one bad run makes it suspect, two quarantined, five broken; two good
// runs in a row bring it back.
type Health string

const (
	Healthy     Health = "healthy"
	Suspect     Health = "suspect"
	Quarantine  Health = "quarantined"
	Broken      Health = "broken"
	HealthUnset Health = "" // no run yet
)

// Rule is one of the gate's twelve rules, "G1" to "G12".
type Rule string

// FindingResult is what a rule made of a run.
type FindingResult string

const (
	Pass FindingResult = "pass"
	Warn FindingResult = "warn"
	Fail FindingResult = "fail"
)

// Finding is one rule's word on a run, with the numbers that it rests on. Reason
// is a stable key of the message catalogue; Measured and Limit are plain numbers
// as text; Sample names a few of the offers concerned.
type Finding struct {
	Rule     Rule          `json:"rule" cbor:"1,keyasint"`
	Result   FindingResult `json:"result" cbor:"2,keyasint"`
	Reason   string        `json:"reason" cbor:"3,keyasint"`
	Measured string        `json:"measured,omitempty" cbor:"4,keyasint,omitempty"`
	Limit    string        `json:"limit,omitempty" cbor:"5,keyasint,omitempty"`
	Sample   []string      `json:"sample,omitempty" cbor:"6,keyasint,omitempty"`
}

// PageStat is what one page of a run gave, for the gate's page signature rule.
type PageStat struct {
	URL     string  `json:"url"`
	Rule    string  `json:"rule,omitempty"` // the definition's page rule
	Outcome Outcome `json:"outcome"`
	Items   int     `json:"items"`
	// Filled is the share, in thousandths, of name, rate and link fields that the
	// page's items filled.
	Filled int `json:"filled"`
}

// ListDetail is one offer's rate as its list and as its own page state it, for
// the gate's self-consistency rule.
type ListDetail struct {
	Key    string `json:"key"`
	List   string `json:"list"`
	Detail string `json:"detail"`
	Agree  bool   `json:"agree"`
}

// RunProfile is what the gate remembers of a healthy run. Shares are in
// thousandths of a run's offers.
type RunProfile struct {
	At       time.Time `json:"at" cbor:"1,keyasint"`
	Run      string    `json:"run" cbor:"2,keyasint"`
	Offers   int       `json:"offers" cbor:"3,keyasint"`
	WithRate int       `json:"with_rate" cbor:"4,keyasint"`
	// TopShare is the share of the most frequent rate.
	TopShare int `json:"top_share" cbor:"5,keyasint"`
	// Distinct is the share of distinct names.
	Distinct int `json:"distinct" cbor:"6,keyasint"`
	// NoRate, NoLink and Unread are the shares of offers that lack the field, or
	// whose rate wasn't understood.
	NoRate int `json:"no_rate" cbor:"7,keyasint"`
	NoLink int `json:"no_link" cbor:"8,keyasint"`
	Unread int `json:"unread" cbor:"9,keyasint"`
	// Filled is the median over pages of PageStat.Filled.
	Filled int `json:"filled" cbor:"10,keyasint"`
	// Letters is a histogram of name characters and lengths (gate's own bins).
	Letters []int `json:"letters" cbor:"11,keyasint"`
	// MovedUp and MovedDown are the shares of offers whose rate moved; Churn that of
	// identities that came or went.
	MovedUp   int `json:"moved_up" cbor:"12,keyasint"`
	MovedDown int `json:"moved_down" cbor:"13,keyasint"`
	Churn     int `json:"churn" cbor:"14,keyasint"`
}

// PortalHealth is the gate's memory of one portal.
type PortalHealth struct {
	Portal string `json:"portal" cbor:"1,keyasint"`
	State  Health `json:"state" cbor:"2,keyasint"`
	// Bad and Good count the runs in a row that failed or passed.
	Bad  int `json:"bad" cbor:"3,keyasint"`
	Good int `json:"good" cbor:"4,keyasint"`
	// Since is when the state was entered; LastGoodAt when a run last passed.
	Since      time.Time `json:"since,omitzero" cbor:"5,keyasint,omitempty"`
	LastGoodAt time.Time `json:"last_good_at,omitzero" cbor:"6,keyasint,omitempty"`
	// Baseline holds the profiles of the last healthy runs, oldest first.
	Baseline []RunProfile `json:"baseline,omitempty" cbor:"7,keyasint,omitempty"`
	// RecrawlAt is when an early second look is due; zero for none. AskedAt is when
	// one was last asked for: at most one in six hours.
	RecrawlAt time.Time `json:"recrawl_at,omitzero" cbor:"8,keyasint,omitempty"`
	AskedAt   time.Time `json:"asked_at,omitzero" cbor:"9,keyasint,omitempty"`
}

// Canary is a shop that the operator has pinned: it must be found within a
// plausible range, or, where Absent, must not be found at all.
type Canary struct {
	Merchant string      `json:"merchant" cbor:"1,keyasint"`
	Low      NullDecimal `json:"low,omitzero" cbor:"2,keyasint,omitzero"`
	High     NullDecimal `json:"high,omitzero" cbor:"3,keyasint,omitzero"`
	Absent   bool        `json:"absent,omitempty" cbor:"4,keyasint,omitempty"`
}

// Judgement is the gate's whole answer on a staged snapshot.
type Judgement struct {
	Verdict  Verdict   `json:"verdict"`
	Findings []Finding `json:"findings"`
	// Remove holds the keys of offers that may be removed; Missing those that this
	// run lacks and that stay, with their count of missed runs raised; Withheld
	// those whose removal was due and is held back.
	Remove   []string `json:"remove,omitempty"`
	Missing  []string `json:"missing,omitempty"`
	Withheld []string `json:"withheld,omitempty"`
	// Unverified are the keys of staged offers to be published with that status:
	// shown as such and never ranked, until a second run agrees.
	Unverified []string `json:"unverified,omitempty"`
	// Health is the portal's memory after this run.
	Health PortalHealth `json:"health"`
}
