package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/background"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/schedule"
	"github.com/cagnotte/cagnotte/web"
)

// siteFlags are what the site is served with.
type siteFlags struct {
	dataFlag
	countryFlag
	Addr       string   `help:"Address to serve on (${default} unless given)." default:"127.0.0.1:8080" placeholder:"HOST:PORT" env:"CAGNOTTE_ADDR"`
	Host       []string `help:"Names that the site answers to beside localhost." placeholder:"NAME" env:"CAGNOTTE_HOSTS"`
	Site       string   `help:"Where people reach the site, where that isn't the address: with https, cookies travel by https alone." placeholder:"URL" env:"CAGNOTTE_SITE"`
	TrustProxy []string `help:"Proxies in front of the site, by address or network: what they write into X-Forwarded-For is believed, and limits count the clients behind them." placeholder:"CIDR" env:"CAGNOTTE_TRUST_PROXY"`
}

// countryFlag is whose shops are meant.
type countryFlag struct {
	Country string `help:"Whose shops come first (${default} unless given)." default:"FR" placeholder:"FR" env:"CAGNOTTE_COUNTRY"`
}

func (c countryFlag) parsed() (cashback.Country, error) {
	country, err := cashback.ParseCountry(c.Country)
	if err != nil {
		err = cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "--country"}, "%w", err)
	}
	return country, err
}

// config is what the flags say of the site. It reads them all before anything is opened,
// so that a wrong one leaves no folder behind.
func (c siteFlags) config() (o web.Config, err error) {
	if o.DefaultCountry, err = c.parsed(); err != nil {
		return o, err
	}
	if o.Site = c.Site; o.Site != "" {
		if _, err := web.ParseSite(o.Site); err != nil {
			return o, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "--site"}, "%w", err)
		}
	}
	o.Hosts = c.Host
	for _, s := range c.TrustProxy {
		p, err := parseNetwork(s)
		if err != nil {
			return o, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "--trust-proxy"}, "%w", err)
		}
		o.TrustedProxies = append(o.TrustedProxies, p)
	}
	return o, nil
}

// parseNetwork reads a network, or one address. A network of everybody is refused: any
// client could then claim any address.
func parseNetwork(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if a, alone := netip.ParseAddr(s); alone == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	switch {
	case err != nil:
		return p, cashback.Errorf(cashback.Invalid, "%.60q is not an address or a network: use one such as 10.0.0.5 or 10.0.0.0/8", s)
	case p.Bits() == 0:
		return p, cashback.Errorf(cashback.Invalid, "%s is everybody: name the proxies", p)
	}
	return p.Masked(), nil
}

type serveCmd struct {
	siteFlags
	contactFlag
	NoCrawl bool   `help:"Leave the crawler and its schedule out."`
	AsOf    string `help:"Look at the data as of that day (YYYY-MM-DD)." placeholder:"DATE"`
	SignUp  string `help:"Who may make an account: whoever has an invitation, or anybody (invited, open)." enum:"invited,open" default:"invited" env:"CAGNOTTE_SIGN_UP"`
	// One person at home.
	SingleUser   bool `help:"Serve one person without accounts: whoever asks from this machine is that person."`
	TrustNetwork bool `help:"With --single-user, take everybody who reaches the address for that person."`
}

// Run serves web, API, scheduler and crawler in one process.
func (c serveCmd) Run(w *world) (err error) {
	w.logTo(w.stderr, slog.LevelInfo)
	asOf, err := parseAsOf(c.AsOf)
	if err != nil {
		return err
	}
	conf, err := c.config()
	if err != nil {
		return err
	}
	listener, err := listen(w.ctx, c.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := c.homely(listener.Addr()); err != nil {
		return err
	}
	h, err := openHouse(w.ctx, w, c.Data, houseOptions{address: listener.Addr().String()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	var services []service
	var cr *crawler.Crawler
	if !c.NoCrawl {
		transport, err := h.transport(c.Contact, nil)
		if err != nil {
			return err
		}
		defer transport.Close()
		if cr, err = h.crawler(transport); err != nil {
			return err
		}
		if c.Contact == "" {
			h.logger.Warn("portals outside this machine aren't crawled before a contact is set by which they can reach you: --contact, a URL or a mail address")
		}
		services = append(services, h.runner(cr).Run)
	}
	door, err := h.door(w.ctx, cr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, door.Close()) }()
	door.open(&conf)
	conf.AsOf, conf.OpenSignUp, conf.SingleUser, conf.TrustNetwork = asOf, c.SignUp == "open", c.SingleUser, c.TrustNetwork
	s, err := h.site(w, conf)
	if err != nil {
		return err
	}
	if c.SingleUser {
		// Before anybody asks: people with accounts here are a reason not to start.
		if _, err := h.store.Accounts().Sole(w.ctx); err != nil {
			return err
		}
	} else if err := h.inviteOperator(w, c.siteFlags, listener.Addr()); err != nil {
		return err
	}
	return h.serve(w, s, listener, services...)
}

// homely refuses to take a whole network for one person unless that was meant.
func (c serveCmd) homely(at net.Addr) error {
	if !c.SingleUser {
		if c.TrustNetwork {
			return cashback.Errorf(cashback.Invalid, "--trust-network is for --single-user")
		}
		return nil
	}
	if a, ok := at.(*net.TCPAddr); (!ok || !a.IP.IsLoopback()) && !c.TrustNetwork {
		return cashback.Errorf(cashback.Invalid, "--single-user on %s would make everybody in that network the one person: serve on 127.0.0.1, or say --trust-network", at)
	}
	return nil
}

// parseAsOf reads the day that answers are about; the zero time is the present.
func parseAsOf(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	d, err := cashback.ParseDate(s)
	if err != nil {
		return time.Time{}, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "--as-of"}, "%w", err)
	}
	return d.Time(), nil
}

// listen takes the address before anything else is done: an address in use is a
// fault of the start.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, cashback.Errorf(cashback.Invalid, "can't serve on %s: %w", addr, err)
	}
	return l, nil
}

// service works until its context ends.
type service func(context.Context) error

// site is what is served: the index beside the web.
type site struct {
	index *index.Index
	web   *web.Server
}

// waitReady returns when the index has all that the store holds.
func (s *site) waitReady(ctx context.Context) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !s.index.Ready().Ready {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
	}
	return nil
}

// site opens the index beside the store, and what is served from both. What o leaves
// out is the house's.
func (h *house) site(w *world, o web.Config) (*site, error) {
	now := h.now
	if !o.AsOf.IsZero() { // what was fresh that day is found as such
		now = func() time.Time { return o.AsOf }
	}
	x, err := index.Open(w.ctx, h.indexDir(), source{h.store}, index.Options{Logger: h.logger, Now: now})
	if err != nil {
		return nil, err
	}
	o.Store, o.Index, o.Now, o.Logger, o.Random = h.store, x, h.now, h.logger, rand.Reader
	o.Zone, o.Version = time.Local, version()
	ref, err := h.store.References(w.ctx)
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	o.Rates, o.VAT = &ref.Rates, &ref.VAT
	s, err := web.New(o)
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	h.index.Store(x)
	return &site{x, s}, nil
}

// runner schedules the portals' crawls, as the desk has entered them.
func (h *house) runner(cr *crawler.Crawler) *schedule.Runner {
	return &schedule.Runner{
		Store: h.store, Limits: schedule.Defaults(), Owner: owner(h.now()), NewRun: newRun, Now: h.now, Logger: h.logger, Tick: time.Second,
		Crawl: func(ctx context.Context, portal, run string) schedule.Result {
			d, err := h.definition(portal)
			if err != nil {
				return schedule.Result{Err: err.Error()}
			}
			p, err := h.operator().Portal(ctx, portal)
			if err != nil {
				return schedule.Result{Err: err.Error()}
			}
			if p.Publication == cashback.Off {
				return schedule.Result{Cancelled: true} // taken down since it was planned
			}
			// A broken portal is looked at by its lists' first pages alone.
			defer h.progress.post(crawler.Progress{Portal: portal, Run: run, Done: true})
			r, err := cr.Run(ctx, d, crawler.Options{Run: run, Probe: p.Health.State == cashback.Broken, Progress: h.progress.post})
			if err != nil {
				return schedule.Result{Err: err.Error()}
			}
			return r.Result()
		},
	}
}

// owner names this process among the leases.
func owner(now time.Time) string {
	return fmt.Sprintf("%d@%s", os.Getpid(), now.UTC().Format(time.RFC3339))
}

// drain is how long requests under way may take when the process is asked to stop.
const drain = 4 * time.Second

// serve works until the world's context ends: the site, the index that follows the
// store, and other services. It stops taking requests first, and closes the index
// last. A store that can't be written ends it at once: the next start reads what is
// really there.
func (h *house) serve(w *world, s *site, listener net.Listener, services ...service) error {
	g, ctx := errgroup.WithContext(w.ctx)
	server := s.web.HTTP()
	server.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			return server.Close()
		}
		return nil
	})
	g.Go(func() error { return background.Quietly(func() error { return s.index.Run(ctx) }) })
	g.Go(func() error { return s.web.Follow(ctx) })
	g.Go(func() error { return h.merchants.letGo(ctx, catalogueIdle) })
	for _, run := range services {
		g.Go(func() error { return run(ctx) })
	}
	g.Go(func() error {
		select {
		case <-h.store.Failed():
			return h.store.Err()
		case <-ctx.Done():
			return nil
		}
	})
	h.logger.Info("serving", "address", "http://"+listener.Addr().String(), "data", h.dir)
	err := g.Wait()
	return errors.Join(err, s.index.Close())
}
