package main

import (
	"context"
	"iter"
	"net"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/net/publicsuffix"

	"github.com/cagnotte/cagnotte/crawler"
	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
)

// The store, the crawler and the index never import each other: here the one is
// handed to the others in their own words.

var (
	_ crawler.Stages    = stages{}
	_ crawler.Publisher = publisher{}
	_ fetch.State       = hosts{}
	_ fetch.Pages       = pages{}
	_ index.Source      = source{}

	_ crawler.Specimens = pages{}
)

// stages keeps runs in progress in the store.
type stages struct{ *store.Store }

func (s stages) OpenStage(ctx context.Context, want crawler.Stage) (crawler.Stage, bool, error) {
	st, resumed, err := s.Store.OpenStage(ctx, store.Stage(want))
	return crawler.Stage(st), resumed, err
}

func (s stages) StagePage(ctx context.Context, portal, run string, p crawler.StagedPage) error {
	return s.Store.StagePages(ctx, portal, run, store.StagedPage(p))
}

func (s stages) StagedPages(ctx context.Context, portal string) iter.Seq2[crawler.StagedPage, error] {
	return func(yield func(crawler.StagedPage, error) bool) {
		for p, err := range s.Store.StagedPages(ctx, portal) {
			if !yield(crawler.StagedPage(p), err) {
				return
			}
		}
	}
}

// publisher ends runs in the store, one after another.
type publisher struct {
	*store.Store
	house *house
}

func (p publisher) Evidence(ctx context.Context, portal string, merchants []cashback.MerchantID) (crawler.Evidence, error) {
	ev, err := p.Store.Evidence(ctx, portal, merchants)
	return crawler.Evidence(ev), err
}

func (p publisher) Publish(ctx context.Context, pub crawler.Publication) (cashback.Run, error) {
	var out store.Published
	err := p.house.inTurn(ctx, pub.By != "", func() (err error) {
		out, err = p.Store.Publish(ctx, store.Publication(pub))
		return err
	})
	return out.Run, err
}

func (p publisher) Held(ctx context.Context, portal string) (cashback.Snapshot, cashback.Judgement, bool, error) {
	held, found, err := p.Store.Held(ctx, portal)
	return held.Snapshot, held.Judgement, found, err
}

// hosts keeps what is owed to hosts. The transport asks without a context: what it
// saves must be on the disk before a request leaves, whoever has lost patience.
type hosts struct{ *store.Store }

func (h hosts) LoadHost(domain string) (state fetch.HostState, err error) {
	b, err := h.Store.LoadHost(context.Background(), domain)
	if err != nil || b == nil {
		return state, err
	}
	err = cbor.Unmarshal(b, &state)
	return state, err
}

func (h hosts) SaveHost(domain string, state fetch.HostState) error {
	b, err := cbor.Marshal(state)
	if err != nil {
		return err
	}
	return h.Store.SaveHost(context.Background(), domain, b)
}

// pages caches pages for conditional requests.
type pages struct{ *store.Store }

func (p pages) LoadPage(portal, key string) (stored fetch.Stored, found bool, err error) {
	b, err := p.Store.LoadPage(context.Background(), portal, key)
	if err != nil || b == nil {
		return stored, false, err
	}
	// A page of another build is as good as none.
	if cbor.Unmarshal(b, &stored) != nil {
		return fetch.Stored{}, false, nil
	}
	return stored, true, nil
}

func (p pages) SavePage(portal, key string, stored fetch.Stored) error {
	b, err := cbor.Marshal(stored)
	if err != nil {
		return err
	}
	return p.Store.SavePage(context.Background(), portal, key, b)
}

// SaveSpecimen keeps a page that wasn't understood among the cached ones, whose age
// and room are bounded.
func (p pages) SaveSpecimen(ctx context.Context, portal, run, url, contentType string, body []byte) error {
	b, err := cbor.Marshal(fetch.Stored{URL: url, ContentType: contentType, Body: body})
	if err != nil {
		return err
	}
	return p.Store.SavePage(ctx, portal, "specimen/"+run+"/"+fetch.CanonicalString(url), b)
}

// source is what the index follows: everything, whoever may see it.
type source struct{ *store.Store }

func (s source) LastChange(context.Context) (uint64, error) {
	return s.As(store.Operator).LastChange(), nil
}

func (s source) Changes(ctx context.Context, after uint64, limit int) ([]cashback.Change, error) {
	out, _, err := s.As(store.Operator).Changes(ctx, after, limit)
	return out, err
}

func (s source) Portals(ctx context.Context) ([]cashback.Portal, error) {
	all, err := s.As(store.Operator).Portals(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]cashback.Portal, len(all))
	for i, p := range all {
		out[i] = p.Portal
	}
	return out, nil
}

func (s source) EachShop(ctx context.Context, f func(index.Shop) error) error {
	return s.As(store.Operator).EachMerchant(ctx, func(m cashback.Merchant, offers []cashback.Offer) error {
		return f(index.Shop{Merchant: m, Offers: offers})
	})
}

func (s source) Shop(ctx context.Context, id cashback.MerchantID) (index.Shop, bool, error) {
	m, offers, err := s.As(store.Operator).Shop(ctx, id)
	if cashback.KindOf(err) == cashback.NotFound && err != nil || err == nil && m.ID != id {
		return index.Shop{}, false, nil
	}
	return index.Shop{Merchant: m, Offers: offers}, err == nil, err
}

func (s source) Readings(ctx context.Context, portal string) ([]index.Reading, error) {
	list, err := s.As(store.Operator).Readings(ctx, portal)
	out := make([]index.Reading, len(list))
	for i, r := range list {
		out[i] = index.Reading(r)
	}
	return out, err
}

// siteOf is the registrable domain that a portal's requests go to: what its
// schedule shares with other portals of the site.
func siteOf(d *portal.Definition) string {
	if len(d.Hosts()) == 0 {
		return d.ID()
	}
	host := d.Hosts()[0]
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if site, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return site
	}
	return strings.ToLower(host)
}
