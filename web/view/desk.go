package view

import (
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/schedule"
)

// DeskPortal is a portal as its operator sees it.
type DeskPortal struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Homepage string `json:"homepage,omitempty"`
	// Publication is the mode in force; Own says that the operator set it.
	Publication cashback.Publication `json:"publication"`
	OwnMode     bool                 `json:"own_mode,omitempty"`
	Health      cashback.Health      `json:"health"`
	// Bad counts the runs in a row that failed the gate, Since is when the state began.
	Bad   int       `json:"bad_runs,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// ReadAt is when a run last passed: the age of what is shown. Late says that it is
	// older than twice what the schedule promises.
	ReadAt   time.Time `json:"read_at,omitzero"`
	Late     bool      `json:"late,omitempty"`
	Offers   int       `json:"offers"`
	WithRate int       `json:"with_rate"`
	// HeldRun is the run that the gate holds back.
	HeldRun string `json:"held_run,omitempty"`
	// Withheld counts the offers that stay though runs no longer find them, for too many
	// would have gone at once; WithheldBy is the run that says so.
	Withheld   int           `json:"withheld,omitempty"`
	WithheldBy string        `json:"withheld_by,omitempty"`
	LastRun    *cashback.Run `json:"last_run,omitempty"`
	Job        *DeskJob      `json:"job,omitempty"`
}

// DeskJob is what is planned for a portal, and what runs.
type DeskJob struct {
	Plan Plan `json:"plan"`
	// Own says that the operator's plan stands in the place of the definition's.
	Own     bool      `json:"own,omitempty"`
	Default *Plan     `json:"default,omitempty"`
	Paused  bool      `json:"paused,omitempty"`
	Asked   bool      `json:"asked,omitempty"`
	Next    time.Time `json:"next,omitzero"`
	Running *DeskRun  `json:"running,omitempty"`
	// Failures in a row; no run is tried before Backoff. Open says that only one probe
	// a day is made.
	Failures  int       `json:"failures,omitempty"`
	Backoff   time.Time `json:"backoff,omitzero"`
	Open      bool      `json:"breaker_open,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	LastStart time.Time `json:"last_start,omitzero"`
}

// DeskRun is a run in progress.
type DeskRun struct {
	Run        string    `json:"run"`
	Since      time.Time `json:"since"`
	Cancelling bool      `json:"cancelling,omitempty"`
	// Pages have been read, of Known so far; Offers are the entries found.
	Pages  int `json:"pages"`
	Known  int `json:"known"`
	Offers int `json:"offers"`
}

// Plan is a schedule as people write it.
type Plan struct {
	Every  string `json:"every,omitempty"`
	Cron   string `json:"cron,omitempty"`
	Window string `json:"window,omitempty"`
	Zone   string `json:"zone,omitempty"`
}

// PlanOf writes a schedule.
func PlanOf(p schedule.Plan) Plan {
	v := Plan{Cron: p.Cron, Window: p.Window, Zone: p.Zone}
	if p.Every > 0 {
		v.Every = Every(p.Every)
	}
	return v
}

// Every writes an interval without the units that are nothing: 6h, 90m.
func Every(d time.Duration) string {
	s := d.String()
	for _, nothing := range []string{"0s", "0m"} {
		if t := strings.TrimSuffix(s, nothing); t != s && strings.ContainsAny(t[max(len(t)-1, 0):], "hm") {
			s = t
		}
	}
	return s
}

// DeskReport is a run's report with what stands behind it.
type DeskReport struct {
	Run    cashback.Run `json:"run"`
	Portal DeskPortal   `json:"portal"`
	// Evidence is what the run would change; nil unless it is held back.
	Evidence *Evidence `json:"evidence,omitempty"`
}

// Evidence is what a run that is held back would change, with samples.
type Evidence struct {
	HeldAt  time.Time `json:"held_at"`
	Changed int       `json:"changed"`
	New     int       `json:"new"`
	Gone    int       `json:"gone"`
	// Kept are offers that a partial run lacks, and that stay whatever is said.
	Kept    int           `json:"kept,omitempty"`
	Same    int           `json:"same"`
	Samples []EvidenceRow `json:"samples" nullable:"false"`
}

// EvidenceRow is an entry before and after. An entry that is new has no before, one
// that is gone no after.
type EvidenceRow struct {
	Key    string        `json:"key"`
	Name   string        `json:"name"`
	Before *EvidenceRate `json:"before,omitempty"`
	After  *EvidenceRate `json:"after,omitempty"`
}

// EvidenceRate is what an entry said and how it was read.
type EvidenceRate struct {
	Name    string              `json:"name"`
	RawText string              `json:"raw_text"`
	Kind    cashback.RewardKind `json:"kind"`
	Tiers   []cashback.Tier     `json:"tiers" nullable:"false"`
	URL     string              `json:"url"`
	ReadAt  time.Time           `json:"read_at"`
}

// Withheld are the offers of a portal that stay though runs no longer find them. Run is
// the one that says so: an answer is about what it lacked.
type Withheld struct {
	List[WithheldOffer]
	Run string `json:"run,omitempty"`
}

// WithheldOffer is one of them as it is shown, and how many complete runs lacked it.
type WithheldOffer struct {
	Key string `json:"key"`
	EvidenceRate
	MissedRuns int `json:"missed_runs"`
}

// Unread is a reward text that wasn't understood, and how often it stands there.
type Unread struct {
	Text   string `json:"text"`
	Count  int    `json:"count"`
	Reason string `json:"reason,omitempty"`
	// Name is one of the shops.
	Name string `json:"name"`
	URL  string `json:"url"`
}

// DeskFact is a fact of a portal, known or not.
type DeskFact struct {
	Fact  string `json:"fact" doc:"Its name, as definitions write it."`
	Value string `json:"value,omitempty" doc:"Its value as one line of text; absent where nothing is known."`
	From  string `json:"from,omitempty" doc:"Who says so: definition, operator or learnt."`
	// Source is where it was read, AsOf when; Learnt is how many observations it rests on.
	Source string `json:"source,omitempty" doc:"The address where it was read."`
	AsOf   string `json:"as_of,omitempty" doc:"When it was read: a day, a month or a year."`
	Learnt int    `json:"learnt,omitempty" doc:"How many observations it rests on."`
}

// FactsChange is what changed of a portal's facts at once.
type FactsChange struct {
	At     time.Time    `json:"at"`
	By     string       `json:"by" doc:"An operator, or definition."`
	Reason string       `json:"reason,omitempty"`
	Facts  []FactChange `json:"facts" nullable:"false"`
}

// FactChange is a fact before and after.
type FactChange struct {
	Fact   string `json:"fact"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Source string `json:"source,omitempty"`
	AsOf   string `json:"as_of,omitempty"`
}

// References are the tables that rankings are worked out with, as they are stored: a
// running server uses those of its start.
type References struct {
	Rates ReferenceRates `json:"rates"`
	VAT   ReferenceVAT   `json:"vat"`
}

// ReferenceRates is what one euro is worth. Set is when the operator put it in the place
// of the table that came with the program.
type ReferenceRates struct {
	AsOf    cashback.Date                          `json:"as_of"`
	Source  string                                 `json:"source"`
	Set     time.Time                              `json:"set,omitzero"`
	PerEuro map[cashback.Currency]cashback.Decimal `json:"per_euro" nullable:"false"`
}

// ReferenceVAT is the standard rate of each country that is in force today.
type ReferenceVAT struct {
	AsOf      cashback.Date `json:"as_of"`
	Set       time.Time     `json:"set,omitzero"`
	Countries []CountryVAT  `json:"countries" nullable:"false"`
}

// CountryVAT is a country's standard rate, a fraction of one.
type CountryVAT struct {
	Country cashback.Country `json:"country"`
	Rate    cashback.Decimal `json:"rate"`
	Since   cashback.Date    `json:"since"`
}

// ShopName says which shop is meant.
type ShopName struct {
	ID      cashback.MerchantID `json:"id"`
	Name    string              `json:"name"`
	Slug    string              `json:"slug"`
	Country cashback.Country    `json:"country"`
}

// DeskMerchant is a shop with the entries that belong to it.
type DeskMerchant struct {
	ShopName
	Entries []DeskEntry `json:"entries" nullable:"false"`
}

// DeskEntry is an entry of a portal, and why it belongs to its shop.
type DeskEntry struct {
	Portal  string   `json:"portal"`
	Key     string   `json:"key"`
	Reasons []string `json:"reasons" nullable:"false"`
}

// Reviews are entries whose shop is in doubt, of Total.
type Reviews struct {
	List[DeskReview]
	Total int `json:"total"`
}

// DeskReview is one of them, with the shop that it belongs to for now.
type DeskReview struct {
	merchant.Review
	Shop *ShopName `json:"shop,omitempty"`
}

// Correction is an operator's correction of merchants with what it moved.
type Correction struct {
	merchant.Event
	Shops     []ShopName `json:"shops" nullable:"false" doc:"The shops that are new, or changed."`
	Redirects []Redirect `json:"redirects" nullable:"false" doc:"The shops whose addresses lead to another now."`
	Moved     int        `json:"moved" doc:"How many entries belong to another shop now."`
}

// Redirect says that a shop's address leads to another's.
type Redirect struct {
	From cashback.MerchantID `json:"from"`
	To   cashback.MerchantID `json:"to"`
}
