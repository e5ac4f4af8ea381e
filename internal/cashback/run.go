package cashback

import "time"

// Outcome is what a page, or a request, turned out to be. The first eight are
// what a fetched page can be; the rest say why there is no page.
type Outcome string

const (
	PageOK Outcome = "ok"
	// PageNoCashback: the shop's page says that it pays none.
	PageNoCashback Outcome = "no_cashback"
	// PageNoRates: a directory, which lists shops without rates.
	PageNoRates  Outcome = "no_rates"
	PageNotFound Outcome = "not_found"
	// PageNotUnderstood: the definition's expectations don't hold; the layout has
	// changed, or it is another page.
	PageNotUnderstood Outcome = "not_understood"
	// PageScriptShell: the page holds nothing until a browser runs its scripts.
	PageScriptShell Outcome = "script_shell"
	PagePastEnd     Outcome = "past_end"
	// PageBlocked: a challenge, a login, a consent wall. It is never evaded.
	PageBlocked Outcome = "blocked"

	FetchRobotsDenied Outcome = "robots_denied"
	FetchTimeout      Outcome = "timeout"
	FetchTooLarge     Outcome = "too_large"
	FetchTruncated    Outcome = "truncated"
	FetchThrottled    Outcome = "throttled"
	FetchUpstream     Outcome = "upstream_error"
	FetchRefused      Outcome = "refused" // by our own policy: address, scheme, host
	FetchUnreachable  Outcome = "unreachable"
	FetchNotModified  Outcome = "not_modified"
	// FetchPostponed: nothing was sent; the host's breaker is open, or the run's own
	// bounds ended first.
	FetchPostponed  Outcome = "postponed"
	FetchWrongType  Outcome = "wrong_type"
	PageUnparseable Outcome = "unparseable"
	PagePanicked    Outcome = "panicked"
)

// Run is the report of one crawl of one portal: stored, logged, and printed.
type Run struct {
	ID                string    `json:"id" cbor:"1,keyasint"`
	Portal            string    `json:"portal" cbor:"2,keyasint"`
	DefinitionVersion string    `json:"definition_version" cbor:"3,keyasint"`
	StartedAt         time.Time `json:"started_at" cbor:"4,keyasint"`
	EndedAt           time.Time `json:"ended_at" cbor:"5,keyasint"`
	// Complete means that every page was read and every list's end was proven; a
	// partial run never removes anything.
	Complete bool `json:"complete" cbor:"6,keyasint"`
	// Finish is why the run ended: "done", "pages", "bytes", "wall_time",
	// "blocked", "canceled", "no_items", "robots", "error".
	Finish string `json:"finish" cbor:"7,keyasint"`
	// Outcomes counts pages and requests by outcome.
	Outcomes     map[Outcome]int `json:"outcomes,omitempty" cbor:"8,keyasint"`
	Pages        int             `json:"pages" cbor:"9,keyasint"`
	Requests     int             `json:"requests" cbor:"10,keyasint"`
	Bytes        int64           `json:"bytes" cbor:"11,keyasint"`
	NotModified  int             `json:"not_modified" cbor:"12,keyasint"`
	Retries      int             `json:"retries" cbor:"13,keyasint"`
	RobotsDenied int             `json:"robots_denied" cbor:"14,keyasint"`
	// Offers counts entries read; WithRate those that pay; Unread those whose
	// reward text was not understood.
	Offers   int `json:"offers" cbor:"15,keyasint"`
	WithRate int `json:"with_rate" cbor:"16,keyasint"`
	Unread   int `json:"unread" cbor:"17,keyasint"`
	// Added, Changed and Removed are filled at publication, Review counts entries
	// left for a person to resolve.
	Added   int `json:"added" cbor:"18,keyasint"`
	Changed int `json:"changed" cbor:"19,keyasint"`
	Removed int `json:"removed" cbor:"20,keyasint"`
	Review  int `json:"review" cbor:"21,keyasint"`
	// Verdict is the gate's word, with its rules' evidence.
	Verdict  Verdict   `json:"verdict,omitempty" cbor:"22,keyasint,omitempty"`
	Findings []Finding `json:"findings,omitempty" cbor:"23,keyasint,omitempty"`
	// Notes are sentences for the operator: redirects seen, why it is partial.
	Notes []string `json:"notes,omitempty" cbor:"24,keyasint,omitempty"`
}

// Verdict is the gate's word on a staged snapshot.
type Verdict string

const (
	Publish Verdict = "publish"
	// PublishUpserts publishes without removals: the run is partial, or too much
	// would vanish.
	PublishUpserts Verdict = "publish_upserts"
	Hold           Verdict = "quarantine"
)
