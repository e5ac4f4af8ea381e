package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/crawler/definitions"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/background"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/schedule"
	"github.com/cagnotte/cagnotte/internal/store"
)

// dataFlag is the one data folder that a verb works on.
type dataFlag struct {
	Data string `help:"The data folder (${default} unless given)." default:"./cagnotte-data" placeholder:"DIR" env:"CAGNOTTE_DATA"`
}

// house is an open data folder with what lives on it. One process owns it at a
// time (DESIGN.md, "Decisions already made").
type house struct {
	dir    string
	logger *slog.Logger
	now    func() time.Time
	store  *store.Store
	// merchants changes only together with the store.
	merchants   *catalogue
	definitions []*portal.Definition
	// progress is how far the runs in progress have come.
	progress noticeboard
	// index follows the store while pages are served.
	index atomic.Pointer[index.Index]
	// turns space publications out while pages are served.
	turns *background.Turns
}

type houseOptions struct {
	address  string
	existing bool // refuse a folder without data instead of making one
	// definitions stand in the place of the shipped ones, where there are any.
	definitions []*portal.Definition
	// portals must have a definition, or nothing is opened.
	portals []string
}

// openHouse opens the data folder, enters the definitions' portals and rebuilds
// the catalogue of merchants. Whoever opens it closes it.
func openHouse(ctx context.Context, w *world, dir string, o houseOptions) (_ *house, err error) {
	h := &house{dir: dir, logger: w.logger, now: w.now, definitions: o.definitions, turns: background.NewTurns()}
	if h.definitions == nil {
		if h.definitions, err = definitions.All(); err != nil {
			return nil, err
		}
	}
	if h.definitions, err = withOwn(h.definitions, filepath.Join(dir, "definitions")); err != nil {
		return nil, err
	}
	for _, id := range o.portals {
		if _, err := h.definition(id); err != nil {
			return nil, err
		}
	}
	h.store, err = store.Open(ctx, dir, store.Options{Now: w.now, Logger: w.logger, Address: o.address, Existing: o.existing})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = h.store.Close() // the first error is the one to tell
		}
	}()
	portals := make([]cashback.Portal, len(h.definitions))
	for i, d := range h.definitions {
		portals[i] = d.Portal()
	}
	if err := h.store.SavePortals(ctx, portals); err != nil {
		return nil, err
	}
	h.merchants = &catalogue{store: h.store}
	return h, nil
}

// withOwn adds the operator's own definitions, the YAML files of a folder; one with
// the id of a given definition takes its place. A fault in one stops everything: a
// portal that silently isn't crawled would be noticed last.
func withOwn(given []*portal.Definition, dir string) ([]*portal.Definition, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, cashback.Errorf(cashback.Invalid, "list the definitions in %s: %w", dir, err)
	}
	all := slices.Clone(given)
	from := map[string]string{}
	for _, name := range names {
		d, err := loadDefinition(name)
		if err != nil {
			return nil, err
		}
		if err := checkPlan(name, d); err != nil {
			return nil, err
		}
		if other, ok := from[d.ID()]; ok {
			return nil, cashback.Errorf(cashback.Invalid, "%s and %s both describe the portal %q: keep one", other, name, d.ID())
		}
		from[d.ID()] = name
		all = slices.DeleteFunc(all, func(o *portal.Definition) bool { return o.ID() == d.ID() })
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *portal.Definition) int { return strings.Compare(a.ID(), b.ID()) })
	hosts := map[string]string{}
	for _, d := range all {
		for _, host := range d.Hosts() {
			if other, ok := hosts[host]; ok && len(names) > 0 {
				return nil, cashback.Errorf(cashback.Invalid, "the portals %q and %q both claim the host %s: a definition with the other's id would take its place", other, d.ID(), host)
			}
			hosts[host] = d.ID()
		}
	}
	return all, nil
}

// inTurn publishes. Beside pages it waits for its turn, but not where an operator waits
// for what comes of it.
func (h *house) inTurn(ctx context.Context, asked bool, publish func() error) error {
	if asked || h.index.Load() == nil {
		return publish()
	}
	return h.turns.Do(ctx, h.caughtUp, publish)
}

// catchUp is how long a publication waits for the index at most.
const catchUp = 2 * time.Second

// caughtUp returns when the index has what was published before: publications and
// what follows from them take turns, so that pages find a core free between them.
// An index that doesn't come along holds nothing up for long.
func (h *house) caughtUp(ctx context.Context) {
	x := h.index.Load()
	if x == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for x.Applied() < h.operator().LastChange() {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (h *house) Close() error { return h.store.Close() }

// definition finds a portal's definition by its id.
func (h *house) definition(id string) (*portal.Definition, error) {
	for _, d := range h.definitions {
		if d.ID() == id {
			return d, nil
		}
	}
	known := make([]string, len(h.definitions))
	for i, d := range h.definitions {
		known[i] = d.ID()
	}
	slices.Sort(known)
	return nil, cashback.Errorf(cashback.NotFound, "there is no portal %q: known are %s", id, strings.Join(known, ", "))
}

// operator reads everything, whoever may see it.
func (h *house) operator() *store.Reader { return h.store.As(store.Operator) }

func (h *house) indexDir() string { return filepath.Join(h.dir, "index") }

// crawler makes a crawler whose requests begin at opener.
func (h *house) crawler(opener crawler.Opener) (*crawler.Crawler, error) {
	return crawler.New(crawler.Config{
		Opener: opener, Stages: stages{h.store}, Publisher: publisher{h.store, h},
		Catalogue: h.merchants, Specimens: pages{h.store}, Now: h.now, Logger: h.logger,
	})
}

// plan enters a job for every portal, by its definition's plan unless the operator
// has made another.
func (h *house) plan(ctx context.Context) error {
	for _, d := range h.definitions {
		p := schedule.Plan(d.Plan())
		if p == (schedule.Plan{}) {
			continue
		}
		if err := p.Validate(); err != nil {
			return fmt.Errorf("schedule of portal %s: %w", d.ID(), err)
		}
		_, err := h.store.UpdateJob(ctx, d.ID(), func(j schedule.Job) (schedule.Job, error) {
			j.Site = siteOf(d)
			if j.Own || j.Plan == p {
				return j, nil
			}
			j.Plan = p
			j.Next = p.Next(d.ID(), j.LastStart)
			return j, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// newRun names a run: unique in this folder, and sorting by time.
func newRun(portal string, at time.Time) string {
	return at.UTC().Format("20060102T150405.000") + "-" + portal
}
