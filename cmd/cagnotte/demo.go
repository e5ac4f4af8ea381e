package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
	"github.com/cagnotte/cagnotte/internal/schedule"
)

type demoCmd struct {
	siteFlags
	Seed  uint64        `help:"Which rates the demo portals show." default:"1"`
	Ports int           `help:"Port of the first demo portal; the others follow it." default:"18101"`
	Move  time.Duration `help:"How often one of the portals is crawled again while the demo runs." default:"20s"`
}

// demoPast are the ages, in days, of the crawls that an empty folder is filled with
// before today's, so that there is a history to look at. With today's they are as
// many healthy runs as the gate needs before it compares: rates that moved for
// weeks would look like a bad scrape to it.
var demoPast = []int{28, 7}

// Run starts the demo portals on loopback, crawls them over real HTTP, and serves
// while their rates move.
func (c demoCmd) Run(w *world) (err error) {
	ctx := w.ctx
	clock := &shifted{now: w.now}
	w.now = clock.Now
	show := newProgress(w)
	w.logTo(show, slog.LevelWarn)
	conf, err := c.config()
	if err != nil {
		return err
	}
	listener, err := listen(ctx, c.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	demo, err := portaltest.NewDemo(portaltest.DemoConfig{Seed: c.Seed, Now: clock.Now, FirstPort: c.Ports})
	if err != nil {
		return cashback.Errorf(cashback.Invalid, "can't start the demo portals (see --ports): %w", err)
	}
	demo.Start()
	defer func() { err = errors.Join(err, demo.Close()) }()
	var defs []*portal.Definition
	for _, p := range demo.Portals() {
		text, err := p.Definition()
		if err != nil {
			return err
		}
		d, err := portal.Load(p.Name()+".yaml", text)
		if err != nil {
			return err
		}
		defs = append(defs, d)
	}
	h, err := openHouse(ctx, w, c.Data, houseOptions{address: listener.Addr().String(), definitions: defs})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	transport, err := h.transport(c.Contact(), &local{
		resolver: demo, host: portaltest.IsLocal,
		addr: func(a netip.AddrPort) bool { return demo.Serves(a) },
	})
	if err != nil {
		return err
	}
	defer transport.Close()
	cr, err := h.crawler(transport)
	if err != nil {
		return err
	}
	if err := h.fill(ctx, cr, clock, show); err != nil {
		return err
	}
	show.wait()
	w.logTo(w.stderr, slog.LevelWarn)
	h.logger = w.logger
	door, err := h.door(ctx, cr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, door.Close()) }()
	door.open(&conf)
	conf.OpenSignUp = true
	s, err := h.site(w, conf)
	if err != nil {
		return err
	}
	person, password, err := h.demoPerson(ctx)
	if err == nil {
		err = h.giveYear(ctx, c.Seed, person)
	}
	if err != nil {
		return err
	}
	return h.serve(w, s, listener, h.runner(cr).Run,
		func(ctx context.Context) error { return h.stir(ctx, c.Move) },
		func(ctx context.Context) error {
			if err := s.waitReady(ctx); err != nil {
				return nil // asked to stop before it was
			}
			if _, err := fmt.Fprintf(w.stdout, "ready: http://%s\nsign in: %s  password: %s\n", listener.Addr(), demoAddress, password); err != nil {
				return err
			}
			return h.inviteOperator(w, c.siteFlags, listener.Addr())
		},
	)
}

// Contact of the demo: nobody outside this machine is asked for anything.
func (demoCmd) Contact() string { return "" }

// fill crawls a folder that has no runs yet: first as on days gone by, then now.
func (h *house) fill(ctx context.Context, cr *crawler.Crawler, clock *shifted, show *progress) error {
	ages := append(slices.Clone(demoPast), 0)
	for _, d := range h.definitions {
		runs, err := h.operator().Runs(ctx, d.ID(), 1)
		if err != nil {
			return err
		}
		if len(runs) > 0 {
			ages = []int{0} // it has a past of its own
			break
		}
	}
	for _, days := range ages {
		clock.back.Store(int64(days) * int64(24*time.Hour))
		for _, d := range h.definitions {
			show.start(d.ID(), d.Portal().Name, h.now())
		}
		_, err := h.crawlAll(ctx, cr, h.definitions, show, func(*portal.Definition) crawler.Options { return crawler.Options{} })
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stir asks for one portal's run after another, as an operator who presses "run
// now" would: the demo's rates move within minutes, and no plan may be that quick.
func (h *house) stir(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		id := h.definitions[i%len(h.definitions)].ID()
		if _, err := h.store.UpdateJob(ctx, id, func(j schedule.Job) (schedule.Job, error) {
			j.Now = !j.Paused
			return j, nil
		}); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// shifted is a clock that can be set back by a whole span.
type shifted struct {
	now  func() time.Time
	back atomic.Int64
}

func (s *shifted) Now() time.Time { return s.now().Add(-time.Duration(s.back.Load())) }
