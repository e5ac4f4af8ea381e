// Package storetest fills stores for benchmarks. Its invariant: the same arguments make
// the same store.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/store"
)

// Town is a store's size: so many shops of which each portal lists as many.
type Town struct {
	Portals       []cashback.Portal
	Shops, Listed int
	At            time.Time // when everything was read
}

// Fill makes a store in a folder. The portals are dealt the shops in shufflings, so
// that every shop is listed by Listed × portals ÷ Shops of them.
func (t Town) Fill(ctx context.Context, dir string) (err error) {
	st, err := store.Open(ctx, dir, store.Options{Now: func() time.Time { return t.At }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := st.SavePortals(ctx, t.Portals); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	known := map[int]bool{}
	var shuffled []int
	for _, p := range t.Portals {
		if len(shuffled) < t.Listed {
			shuffled = rng.Perm(t.Shops)
		}
		_, err := st.Publish(ctx, t.publication(rng, p, shuffled[:t.Listed], known))
		if err != nil {
			return err
		}
		shuffled = shuffled[t.Listed:]
	}
	return nil
}

func (t Town) publication(rng *rand.Rand, p cashback.Portal, shops []int, known map[int]bool) store.Publication {
	run := p.ID + "-1"
	plan := merchant.Plan{Portal: p.ID, Assign: map[string]cashback.MerchantID{}, Founders: map[cashback.MerchantID]merchant.Ref{}}
	var offers []cashback.Offer
	for i, shop := range shops {
		rate := decimal.MustNew(10+rng.Int64N(120), 1)
		name, link := "Boutique "+strconv.Itoa(shop), p.Homepage+"/boutique/"+strconv.Itoa(shop)
		id := cashback.MerchantID(shop + 1)
		plan.Assign[link] = id
		if !known[shop] {
			known[shop] = true
			slug := "boutique-" + strconv.Itoa(shop) + "-fr"
			plan.New = append(plan.New, cashback.Merchant{ID: id, Name: name, Slug: slug, Country: "FR", Domain: slug + ".test"})
			plan.Founders[id] = merchant.Ref{Portal: p.ID, Key: link}
		}
		offers = append(offers, cashback.Offer{
			Entry: cashback.Entry{Key: link, Name: name, Country: "FR", Link: link}, Merchant: id, Kind: cashback.Percent, Status: cashback.OK,
			Tiers: []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: rate}}}},
			Receipt: cashback.Receipt{
				Portal: p.ID, URL: p.Homepage + "/boutiques?page=" + strconv.Itoa(i/50), ReadAt: t.At, RawText: rate.String() + " %",
				Hash: fmt.Sprintf("%064x", i/50), DefinitionVersion: "v1", Run: run,
			},
		})
	}
	return store.Publication{
		Plan:      plan,
		Snapshot:  cashback.Snapshot{Portal: p, Offers: offers, Run: cashback.Run{ID: run, Portal: p.ID, StartedAt: t.At, EndedAt: t.At, Complete: true, Finish: "done"}},
		Judgement: cashback.Judgement{Verdict: cashback.Publish, Health: cashback.PortalHealth{Portal: p.ID, State: cashback.Healthy, LastGoodAt: t.At}},
	}
}
