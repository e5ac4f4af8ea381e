package portal

import (
	"net/http"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Definition is one portal's definition, loaded and compiled. It never changes
// and is safe for concurrent use.
type Definition struct {
	portal cashback.Portal
	hosts  []string
	// unencrypted are those of the hosts that have no https.
	unencrypted []string
	version     string
	canaries    []cashback.Canary
	plan        Plan
	politeness  Politeness
	watches     []Watch
	signs       signs
	bare        []bareSign
	rules       []*rule
	remarks     []error
}

// Plan is when the portal is to be crawled, as the definition states it; the
// fields are those of schedule.Plan.
type Plan struct {
	Every time.Duration
	Cron  string
	// Window is "HH:MM-HH:MM" in Zone; Zone an IANA name.
	Window, Zone string
}

// Politeness is what the portal is owed beyond the transport's own rules: it can
// only make a crawl slower or smaller.
type Politeness struct {
	// Delay is the least time between two requests.
	Delay time.Duration
	// Pages bounds the requests of a run; 0 leaves it to the crawler.
	Pages int
	// MaxBody is the most that one page may have, in bytes; 0 for the default.
	MaxBody int64
}

// Watch is a phrase that a stated fact rests on: when the page at URL no longer
// says it, the fact wants a look.
type Watch struct {
	Fact, URL, Phrase, AsOf string
}

// RuleKind is what a page rule reads.
type RuleKind string

const (
	// KindList pages list shops.
	KindList RuleKind = "list"
	// KindMerchant pages are about one shop.
	KindMerchant RuleKind = "merchant"
	// KindDirectory pages list shops without rates; their links are followed.
	KindDirectory RuleKind = "directory"
	// KindSitemap are XML sitemaps and sitemap indexes.
	KindSitemap RuleKind = "sitemap"
	// KindPrepare is a request whose answer is not read, made before a rule's first
	// so that a session exists.
	KindPrepare RuleKind = "prepare"
)

// Request is a page to be fetched, with what Read needs to go on from it. It is
// plain data: it can be stored and taken up again by another process.
type Request struct {
	URL    string            `json:"url" cbor:"1,keyasint"`
	Rule   string            `json:"rule" cbor:"2,keyasint"`
	Kind   RuleKind          `json:"kind" cbor:"3,keyasint"`
	Header map[string]string `json:"header,omitempty" cbor:"4,keyasint,omitempty"`
	// Template is the address that URL was made of, for the pages after it.
	Template string `json:"template,omitempty" cbor:"5,keyasint,omitempty"`
	// Vars are the values of the template's placeholders: seeds, and what the page
	// that led here said.
	Vars map[string]string `json:"vars,omitempty" cbor:"6,keyasint,omitempty"`
	// Number counts the pages of one list from 0; Position is the value of its
	// page, offset or cursor placeholder.
	Number   int    `json:"number,omitempty" cbor:"7,keyasint,omitempty"`
	Position string `json:"position,omitempty" cbor:"8,keyasint,omitempty"`
	// Seen counts the items of the list's pages before this one; -1 is unknown.
	Seen int `json:"seen,omitempty" cbor:"9,keyasint,omitempty"`
	// Left counts what the list's conditions left out on those pages: a portal's
	// own total may count it.
	Left int `json:"left,omitempty" cbor:"12,keyasint,omitempty"`
	// Declared is the largest total that the portal stated on the pages before: the
	// one behind the last may state none, or zero.
	Declared int `json:"declared,omitempty" cbor:"13,keyasint,omitempty"`
	// Key is the entry whose own page this is; Depth counts sitemaps within
	// sitemaps.
	Key   string `json:"key,omitempty" cbor:"10,keyasint,omitempty"`
	Depth int    `json:"depth,omitempty" cbor:"11,keyasint,omitempty"`
}

// Page is one fetched page.
type Page struct {
	Request Request
	// URL is where the page was really found, after redirects.
	URL         string
	Status      int // 0 means 200
	Header      http.Header
	ContentType string
	Body        []byte
	ReadAt      time.Time
}

// Reading is what a page turned out to be and to hold.
type Reading struct {
	Outcome cashback.Outcome
	// Reason says in a sentence why the outcome isn't ok.
	Reason string
	// Rule names the page rule that read it; empty where none fits.
	Rule  string
	Items []Item
	// Next are the requests that this page leads to: the list's next page first,
	// then the pages of its entries.
	Next []Request
	// End means that the list's end is proven, not just that no next page is known.
	End bool
	// Total is how many entries the portal says the list has; 0 where it doesn't.
	Total int
	Stat  cashback.PageStat
	// Hash is of the extracted records, not of the markup.
	Hash   string
	Issues []Issue
}

// Issue is something on a page that an operator should know and that doesn't make
// the page unusable.
type Issue struct {
	// Code is one of "charset", "total", "few_items", "dropped", "too_many_links",
	// "confusable", "url", "field", "data".
	Code   string
	Detail string
}

// Item is one entry of a page, duplicates kept.
type Item struct {
	cashback.Entry
	// List names the list of the page rule that it comes from.
	List string
	// RateText and PreviousText are the page's own words.
	RateText, PreviousText string
	// Reward is RateText as internal/reward reads it, with Previous filled from
	// PreviousText. Its kind is Unknown where there is no text at all.
	Reward cashback.Reward
	// Tiers are the alternatives that the page lists one by one; where there are
	// any they say more than Reward does.
	Tiers []Tier
	// Conditions are the page's own words; ValidationDays and TrackingDays are 0
	// where it states none.
	Conditions                   string
	ValidationDays, TrackingDays int
	// ID is the portal's own identifier, where the definition reads one.
	ID string
	// Hash is of the item's record.
	Hash string

	vars map[string]string // for the placeholders of other rules' addresses
}

// Tier is one line of a tier table: its text, and what it pays.
type Tier struct {
	Label, RateText, PreviousText string
	Audience                      cashback.Audience
	Category, Channel, Conditions string
	// Base marks the line that holds where no other does.
	Base   bool
	Reward cashback.Reward
}

// Offered are the tiers that an offer of this item has: those listed one by one,
// else those of the headline.
func (it *Item) Offered() []cashback.Tier {
	var out []cashback.Tier
	for _, t := range it.Tiers {
		for _, r := range t.Reward.Tiers {
			if r.Label == "" {
				r.Label = t.Label
			}
			if r.Audience == cashback.Anybody {
				r.Audience = t.Audience
			}
			if r.Category == "" {
				r.Category = t.Category
			}
			if r.Channel == "" {
				r.Channel = t.Channel
			}
			r.Raw = t.RateText
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return it.Reward.Tiers
	}
	return out
}

// Portal returns the portal with its facts.
func (d *Definition) Portal() cashback.Portal { return d.portal }

// ID returns the portal's id.
func (d *Definition) ID() string { return d.portal.ID }

// Hosts returns the only hosts that the portal's pages lie on.
func (d *Definition) Hosts() []string { return d.hosts }

// Origins are the hosts as a run may reach them: "http://" stands before those that
// have no https.
func (d *Definition) Origins() []string {
	out := slices.Clone(d.hosts)
	for i, h := range out {
		if slices.Contains(d.unencrypted, h) {
			out[i] = "http://" + h
		}
	}
	return out
}

// Remarks are what isn't wrong in the definition but rarely meant, each with its
// place: a class without its dot.
func (d *Definition) Remarks() []error { return d.remarks }

// Version is a hash of the definition's bytes: what a receipt names.
func (d *Definition) Version() string { return d.version }

// Canaries returns the shops that every run must, or must not, find.
func (d *Definition) Canaries() []cashback.Canary { return d.canaries }

// Plan returns when the portal is to be crawled.
func (d *Definition) Plan() Plan { return d.plan }

// Politeness returns the portal's own limits.
func (d *Definition) Politeness() Politeness { return d.politeness }

// Watches returns the phrases that the stated facts rest on.
func (d *Definition) Watches() []Watch { return d.watches }
