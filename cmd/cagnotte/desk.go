package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/schedule"
	"github.com/cagnotte/cagnotte/web"
)

// desk is what the operator's pages and verbs do beside what the store does alone: it
// brings the catalogue of merchants, the gate and the crawler together.
type desk struct {
	house *house
	// crawler accepts runs that were held back; it may have no way to the network.
	crawler *crawler.Crawler
	// crawls says that runs are started in this process.
	crawls bool
}

// desk opens the operator's side of a house, with the definitions' schedules entered.
// Without a crawler nothing is crawled; what is planned is known all the same, and what
// was held back can be accepted.
func (h *house) desk(ctx context.Context, cr *crawler.Crawler) (*desk, error) {
	if err := h.plan(ctx); err != nil {
		return nil, err
	}
	if cr != nil {
		return &desk{h, cr, true}, nil
	}
	cr, err := h.crawler(closed{})
	return &desk{house: h, crawler: cr}, err
}

// keyName is the file in the data folder with what opens the operator's part of the
// API. Only who runs the program can read it: to whom the folder belongs, its operator's
// words belong too, with no account and no password in a script.
const keyName = "operator.key"

// door is how verbs of this machine reach the desk of a running server.
type door struct {
	*desk
	secret string
	file   string // "" where nothing was written
}

// door makes a key that lasts as long as the process, and leaves it in the folder.
func (h *house) door(ctx context.Context, cr *crawler.Crawler) (_ *door, err error) {
	d := &door{file: filepath.Join(h.dir, keyName)}
	if d.desk, err = h.desk(ctx, cr); err != nil {
		return nil, err
	}
	if d.secret, err = account.NewToken(rand.Reader); err != nil {
		return nil, err
	}
	// A file that is there keeps the rights it has: it goes first.
	if err := os.Remove(d.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, cashback.Errorf(cashback.DiskFailed, "replace %s: %w", d.file, err)
	}
	if err := os.WriteFile(d.file, []byte(d.secret+"\n"), 0o600); err != nil {
		return nil, cashback.Errorf(cashback.DiskFailed, "write %s: %w", d.file, err)
	}
	return d, nil
}

// open gives the desk and its key to a server.
func (d *door) open(o *web.Config) { o.Crawls, o.Catalogue, o.Secret = d.desk, d.desk, d.secret }

// Close takes the key away.
func (d *door) Close() error {
	if err := os.Remove(d.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cashback.Errorf(cashback.DiskFailed, "take away %s: %w", d.file, err)
	}
	return nil
}

// closed is no way to the network.
type closed struct{}

func (closed) Open(fetch.Policy) (fetch.Session, error) {
	return nil, cashback.Errorf(cashback.Unavailable, "this process doesn't crawl")
}

// Active says whether runs are started in this process.
func (d *desk) Active() bool { return d.crawls }

// Plan is the definition's schedule of a portal; false where no definition has one.
func (d *desk) Plan(portal string) (schedule.Plan, bool) {
	def, err := d.house.definition(portal)
	if err != nil {
		return schedule.Plan{}, false
	}
	p := schedule.Plan(def.Plan())
	return p, p != schedule.Plan{}
}

// Accept publishes a run that is held back. Only then is the schedule told that it was no
// failure: should the process end in between, the portal waits for its probe.
func (d *desk) Accept(ctx context.Context, portal, run, by, reason string) (cashback.Run, error) {
	out, err := d.crawler.Accept(ctx, portal, run, by, reason)
	if err != nil {
		return out, err
	}
	if _, err := d.house.store.Job(ctx, portal); err != nil {
		if cashback.KindOf(err) == cashback.NotFound {
			return out, nil // nothing is planned for it
		}
		return out, err
	}
	p, err := d.house.operator().Portal(ctx, portal)
	if err != nil {
		return out, err
	}
	_, err = d.house.store.UpdateJob(ctx, portal, func(j schedule.Job) (schedule.Job, error) {
		return j.Accepted(d.house.now(), p.Health.RecrawlAt), nil
	})
	return out, err
}

// Correct carries out a correction of merchants.
func (d *desk) Correct(ctx context.Context, ev merchant.Event) (merchant.Event, merchant.Plan, error) {
	return d.house.correct(ctx, ev)
}

// Reviews are the entries whose shop is in doubt.
func (d *desk) Reviews(ctx context.Context) ([]merchant.Review, error) {
	return d.house.store.Reviews(ctx)
}

// Corrections are the operators' events, oldest first.
func (d *desk) Corrections(ctx context.Context) ([]merchant.Event, error) {
	return d.house.store.Corrections(ctx)
}

// Members are a merchant's entries, each with why it is there.
func (d *desk) Members(ctx context.Context, id cashback.MerchantID) (members []merchant.Ref, reasons [][]string, err error) {
	merchants, done, err := d.house.merchants.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	members = slices.Clone(merchants.Members(id))
	for _, ref := range members {
		reasons = append(reasons, merchants.Reasons(ref))
	}
	return members, reasons, nil
}

// Watch tells how far the runs in progress have come, by portal, and closes the channel
// when that has changed.
func (d *desk) Watch() (map[string]crawler.Progress, <-chan struct{}) {
	return d.house.progress.watch()
}

// noticeboard holds how far runs have come, for whoever wants to look.
type noticeboard struct {
	mu      sync.Mutex
	runs    map[string]crawler.Progress
	changed chan struct{}
}

// post takes a run's progress; one that is done is taken down.
func (n *noticeboard) post(p crawler.Progress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.runs == nil {
		n.runs = map[string]crawler.Progress{}
	}
	if p.Done {
		delete(n.runs, p.Portal)
	} else {
		n.runs[p.Portal] = p
	}
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

func (n *noticeboard) watch() (map[string]crawler.Progress, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return maps.Clone(n.runs), n.changed
}
