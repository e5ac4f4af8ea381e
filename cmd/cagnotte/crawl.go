package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

type crawlCmd struct {
	dataFlag
	contactFlag
	Portals []string `arg:"" optional:"" help:"Portals to crawl; all that are published unless named."`
	Pages   string   `help:"Answer every request from recorded pages in DIR (index.json) instead of the network, without delays." type:"existingdir" placeholder:"DIR"`
	Force   bool     `help:"Ask for every page anew, whatever is stored of it."`
	JSON    bool     `name:"json" help:"Print each run's report as a JSON object a line."`
}

// contactFlag is what portals' operators can reach us by.
type contactFlag struct {
	Contact string `help:"URL or mail address that portals find in the user agent; needed before any host but a local one is asked." placeholder:"URL" env:"CAGNOTTE_CONTACT"`
}

// together is how many portals a verb crawls at once. They are sites of their own,
// each with one request in flight; more would only wait for this machine.
const together = 8

// Run crawls now, and prints what came of it.
func (c crawlCmd) Run(w *world) (err error) {
	ctx := w.ctx
	show := newProgress(w)
	w.logTo(show, slog.LevelWarn)
	var replay *fetch.Replay
	if c.Pages != "" { // before the folder is opened: wrong pages leave none behind
		if replay, err = fetch.OpenReplay(c.Pages); err != nil {
			return err
		}
	}
	h, err := openHouse(ctx, w, c.Data, houseOptions{portals: c.Portals})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	var opener crawler.Opener = replay
	if replay == nil {
		transport, err := h.transport(c.Contact, nil)
		if err != nil {
			return err
		}
		defer transport.Close()
		opener = transport
	}
	todo, err := h.chosen(ctx, c.Portals, replay)
	if err != nil {
		return err
	}
	cr, err := h.crawler(opener)
	if err != nil {
		return err
	}
	reports, err := h.crawlAll(ctx, cr, todo, show, func(d *portal.Definition) crawler.Options {
		o := crawler.Options{Force: c.Force}
		if replay != nil {
			o.Seeds, o.Known = replay.URLs(d.Hosts()...), replay.Has
		}
		return o
	})
	show.wait()
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(w.stdout)
		enc.SetEscapeHTML(false)
		for _, r := range reports {
			if err := enc.Encode(r.Run); err != nil {
				return err
			}
		}
		return nil
	}
	return printReports(w.stdout, reports)
}

// chosen are the definitions of the named portals, or of all that may be crawled;
// with recorded pages, of those that have some.
func (h *house) chosen(ctx context.Context, names []string, replay *fetch.Replay) ([]*portal.Definition, error) {
	var out []*portal.Definition
	for _, name := range names {
		d, err := h.definition(name)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	if len(names) > 0 {
		return out, nil
	}
	for _, d := range h.definitions {
		p, err := h.operator().Portal(ctx, d.ID())
		if err != nil {
			return nil, err
		}
		if p.Publication == cashback.Off || replay != nil && len(replay.URLs(d.Hosts()...)) == 0 {
			continue
		}
		out = append(out, d)
	}
	if len(out) == 0 {
		return nil, cashback.Errorf(cashback.Invalid, "there is nothing to crawl: no portal has recorded pages there")
	}
	return out, nil
}

// crawlAll crawls portals together; the reports come in the portals' order.
func (h *house) crawlAll(ctx context.Context, cr *crawler.Crawler, todo []*portal.Definition, show *progress, options func(*portal.Definition) crawler.Options) ([]crawler.Report, error) {
	reports := make([]crawler.Report, len(todo))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for i, d := range todo {
		g.Go(func() error {
			o := options(d)
			o.Run = newRun(d.ID(), h.now())
			o.Progress = func(p crawler.Progress) { show.update(p, h.now()) }
			show.start(d.ID(), d.Portal().Name, h.now())
			r, err := cr.Run(ctx, d, o)
			r.Portal = d.ID()
			show.finish(r)
			reports[i] = r
			return err
		})
	}
	err := g.Wait()
	return reports, err
}

// printReports prints a line a run, and under it what an operator should know.
func printReports(out io.Writer, reports []crawler.Report) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PORTAL\tRUN\tPAGES\tOFFERS\tWITH RATE\tUNREAD\tADDED\tCHANGED\tREMOVED\tREVIEW\tTOOK\t")
	for _, r := range reports {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t\n", r.Portal, endOf(r), r.Pages, r.Offers, r.WithRate, r.Unread,
			r.Added, r.Changed, r.Removed, r.Review, r.EndedAt.Sub(r.StartedAt).Round(10*time.Millisecond))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range reports {
		for _, n := range r.Notes {
			fmt.Fprintf(out, "%s: %s\n", r.Portal, n)
		}
		for _, f := range r.Findings {
			if f.Result != cashback.Pass {
				fmt.Fprintf(out, "%s: gate %s %s: %s (%s, limit %s)\n", r.Portal, f.Rule, f.Result, f.Reason, f.Measured, f.Limit)
			}
		}
	}
	return nil
}

// local lets the demo verb crawl portals on this machine.
type local struct {
	resolver fetch.Resolver
	host     func(string) bool
	addr     func(netip.AddrPort) bool
}

// transport is the process's one way out.
func (h *house) transport(contact string, l *local) (*fetch.Transport, error) {
	c := fetch.Config{Contact: contact, Now: h.now, Logger: h.logger, State: hosts{h.store}, Pages: pages{h.store}}
	if l != nil {
		c.Resolver, c.Local, c.LocalAddr = l.resolver, l.host, l.addr
	}
	return fetch.New(c)
}
