package crawler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/gate"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/schedule"
)

// Opener begins the requests of a run: a *fetch.Transport asks the network, a
// *fetch.Replay answers from recorded pages.
type Opener interface {
	Open(fetch.Policy) (fetch.Session, error)
}

// Config is what a crawler is made of. Opener, Stages, Publisher, Catalogue and Now
// must be set.
type Config struct {
	Opener    Opener
	Stages    Stages
	Publisher Publisher
	Catalogue Catalogue
	// Specimens keeps a few pages that weren't understood; nil keeps none.
	Specimens Specimens
	Now       func() time.Time
	Logger    *slog.Logger
	Limits    Limits
	Gate      gate.Limits // zero for gate.Defaults
}

// Catalogue is where the merchants' catalogue is had from.
type Catalogue interface {
	// Open gives the catalogue to a run alone, until the function is called: from the
	// moment it changes it until the change is stored or reverted.
	Open(context.Context) (*merchant.Catalogue, func(), error)
}

// Specimens keeps pages for whoever has to find out why they weren't understood.
type Specimens interface {
	SaveSpecimen(ctx context.Context, portal, run, url, contentType string, body []byte) error
}

// Limits bound a run. Zero fields take their default; a definition can only lower
// Pages.
type Limits struct {
	Pages int           // 1,000 pages read
	Bytes int64         // 512 MiB received
	Wall  time.Duration // 2 h
	// Barren is after how many pages of a list in a row without a new shop the list
	// is given up (3): it goes on for ever, or in a circle.
	Barren int
	// Depth is how many steps from one kind of page to another lead away from the
	// definition's own addresses (3).
	Depth int
	// Waiting is how many addresses may wait to be read (20,000).
	Waiting int
	// Items is how many entries a run takes (200,000): the largest portals list
	// some 50,000.
	Items int
	// Resume is how old an interrupted run may be to be gone on with (1 h): its pages
	// and those still to come must tell of one moment.
	Resume time.Duration
	// Specimens is how many pages of a run are kept that weren't understood (3).
	Specimens int
}

func (l Limits) withDefaults() Limits {
	def := Limits{Pages: 1000, Bytes: 512 << 20, Wall: 2 * time.Hour, Barren: 3, Depth: 3, Waiting: 20_000, Items: 200_000, Resume: time.Hour, Specimens: 3}
	for _, f := range []struct{ v, d *int }{{&l.Pages, &def.Pages}, {&l.Barren, &def.Barren}, {&l.Depth, &def.Depth}, {&l.Waiting, &def.Waiting}, {&l.Items, &def.Items}, {&l.Specimens, &def.Specimens}} {
		if *f.v == 0 {
			*f.v = *f.d
		}
	}
	if l.Bytes == 0 {
		l.Bytes = def.Bytes
	}
	if l.Wall == 0 {
		l.Wall = def.Wall
	}
	if l.Resume == 0 {
		l.Resume = def.Resume
	}
	return l
}

// Crawler runs portals, each at most once at a time.
type Crawler struct {
	Config
	// read is portal.Definition.Read, judge gate.Judge: tests put faults there.
	read  func(*portal.Definition, portal.Page) portal.Reading
	judge func(gate.Input) cashback.Judgement

	mu      sync.Mutex // guards the field below
	running map[string]bool
}

// New checks the configuration and makes a crawler.
func New(c Config) (*Crawler, error) {
	if c.Opener == nil || c.Stages == nil || c.Publisher == nil || c.Catalogue == nil || c.Now == nil {
		return nil, cashback.Errorf(cashback.Internal, "a crawler needs an opener, stages, a publisher, a catalogue and a clock")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	return &Crawler{Config: c, read: (*portal.Definition).Read, judge: gate.Judge, running: make(map[string]bool)}, nil
}

// Options are one run's own.
type Options struct {
	// Run is the run's id: unique, and sorting by time. An interrupted run that is
	// gone on with keeps its own.
	Run string
	// Force asks for every page anew, whatever validators are stored.
	Force bool
	// Probe reads the first page of each list alone: what a broken portal gets.
	Probe bool
	// Seeds are pages to be read beside those that the definition starts with, and
	// Known says which addresses can be answered at all: with recorded pages, only
	// some can. Known may be nil.
	Seeds []string
	Known func(url string) bool
	// Progress hears of each page, from the run's own goroutine; nil for silence.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Portal string `json:"portal"`
	Run    string `json:"run"`
	// Pages have been read, of Known so far; Offers are the entries found.
	Pages  int `json:"pages"`
	Known  int `json:"known"`
	Offers int `json:"offers"`
	// Done says that the run has ended.
	Done bool `json:"done,omitempty"`
}

// Report is a run's report, and what follows from it for the schedule.
type Report struct {
	cashback.Run
	// Health is the portal's after the run.
	Health cashback.PortalHealth
	// RetryAt is the earliest moment at which the site wants to be asked again.
	RetryAt time.Time
	// Reason is the first thing that went wrong, in a sentence; empty for nothing.
	Reason string
	// Layout says that the site answered and its pages weren't understood.
	Layout bool
}

// Result is the report as the schedule wants it.
func (r *Report) Result() schedule.Result {
	out := schedule.Result{RetryAfter: r.RetryAt, Again: r.Health.RecrawlAt, Cancelled: r.Finish == FinishCanceled, Layout: r.Layout}
	if r.Offers == 0 || r.Verdict == cashback.Hold {
		if out.Err = r.Reason; out.Err == "" {
			out.Err = "the run was held back"
		}
	}
	if r.Verdict == cashback.Hold && r.Health.Good > 0 {
		// Nothing was wrong with it: the first good run after bad ones waits for a
		// second, and the portal is no longer one to be left alone for a day.
		out.Err, out.Waits, out.Again = "", true, r.EndedAt.Add(gate.SecondLook)
	}
	return out
}

// Why a run ended (cashback.Run.Finish).
const (
	FinishDone     = "done"
	FinishPages    = "pages"
	FinishBytes    = "bytes"
	FinishWall     = "wall_time"
	FinishBlocked  = "blocked"
	FinishCanceled = "canceled"
	FinishNoItems  = "no_items"
	FinishRobots   = "robots"
	FinishError    = "error"
)

// Run crawls a portal once and publishes what it read, or holds it back. The error
// is about this machine: the store, a definition without hosts, a portal that is
// being crawled already (Conflict). What is wrong with the site stands in the
// report.
//
// When ctx ends, the run stops within seconds. What it has staged is kept, and the
// next run goes on with it.
func (c *Crawler) Run(ctx context.Context, def *portal.Definition, o Options) (report Report, err error) {
	defer cashback.Wrap(&err, "crawl %s", def.ID())
	if o.Run == "" {
		return report, cashback.Errorf(cashback.Internal, "a run needs an id")
	}
	if err := c.enter(def.ID()); err != nil {
		return report, err
	}
	defer c.leave(def.ID())

	w, err := c.begin(ctx, def, o)
	if err != nil {
		return report, err
	}
	if err := w.walk(ctx); err != nil {
		return report, err
	}
	// What was read is stored even when the run has just been told to stop.
	report, err = c.finish(context.WithoutCancel(ctx), w)
	w.progress(true)
	c.log(report, err)
	return report, err
}

func (c *Crawler) enter(portal string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[portal] {
		return cashback.Errorf(cashback.Conflict, "it is being crawled already")
	}
	c.running[portal] = true
	return nil
}

func (c *Crawler) leave(portal string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, portal)
}

func (c *Crawler) log(r Report, err error) {
	a := []any{
		slog.String("portal", r.Portal), slog.String("run", r.ID), slog.String("finish", r.Finish), slog.Bool("complete", r.Complete), slog.String("verdict", string(r.Verdict)),
		slog.Int("pages", r.Pages), slog.Int("requests", r.Requests), slog.Int64("bytes", r.Bytes), slog.Int("not_modified", r.NotModified), slog.Int("retries", r.Retries), slog.Int("robots_denied", r.RobotsDenied),
		slog.Int("offers", r.Offers), slog.Int("with_rate", r.WithRate), slog.Int("unread", r.Unread), slog.Int("added", r.Added), slog.Int("changed", r.Changed), slog.Int("removed", r.Removed),
		slog.Duration("took", r.EndedAt.Sub(r.StartedAt)), slog.Any("outcomes", r.Outcomes),
	}
	if r.Reason != "" {
		a = append(a, slog.String("reason", r.Reason))
	}
	if err != nil {
		c.Logger.Error("run", append(a, slog.Any("error", err))...)
		return
	}
	c.Logger.Info("run", a...)
}
