package web

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/pages"
	"github.com/cagnotte/cagnotte/web/view"
)

// chrome is what stands around a page of this visit. here is the part of the site.
func (s *Server) chrome(v *visit, here string) pages.Chrome {
	c := pages.Chrome{
		L:       v.locale,
		Country: s.DefaultCountry,
		Default: s.DefaultCountry,
		Here:    here,
		Asset:   s.assets.url,
		Version: s.Version,
	}
	c.Zone, _ = v.now.Zone()
	c.Accounts = !s.SingleUser
	if v.user != nil {
		c.User = &pages.Visitor{Email: v.user.Email, Operator: v.user.Role == account.Operator}
	}
	if v.flash != "" {
		c.Flash = c.L.T("flash." + v.flash)
		v.keep(s.cookie(v, flashCookie, "", 0))
	}
	// The same page in the other languages, where the route exists in them.
	if v.param("lang") != "" && v.route != nil {
		rest := v.req.URL.Path[1+len(v.param("lang")):]
		if v.page != "" {
			rest = "/" + v.page
		}
		query := ""
		if v.req.URL.RawQuery != "" {
			query = "?" + v.req.URL.RawQuery
		}
		for _, l := range s.locales.All() {
			u := "/" + l.Lang + rest + query
			if l == v.locale {
				c.Self = u
			} else {
				c.Others = append(c.Others, pages.Other{Lang: l.Lang, Name: l.Self(), URL: u})
			}
		}
		return c
	}
	for _, l := range s.locales.All() {
		if l != v.locale {
			c.Others = append(c.Others, pages.Other{Lang: l.Lang, Name: l.Self(), URL: "/" + l.Lang})
		}
	}
	return c
}

// chromeIn is chrome in the country that the address names.
func (s *Server) chromeIn(v *visit, here, country string) (pages.Chrome, error) {
	c := s.chrome(v, here)
	if country != "" {
		code, err := countryOf("country", country)
		if err != nil {
			return c, err
		}
		c.Country = code
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return c, err
	}
	c.Countries = sh.countries
	return c, nil
}

// front sends to the home page in the language that the browser asks for.
func (s *Server) front(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	lang := v.locale.Lang
	if v.user != nil && s.locales.Get(v.user.Settings.Language) != nil {
		lang = v.user.Settings.Language
	}
	rep := seeOther("/" + lang)
	rep.status = http.StatusFound
	rep.header["Vary"] = "Accept-Language"
	return rep, nil
}

// howPage explains the ranking.
func (s *Server) howPage(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return html(v.ctx, pages.How(s.chrome(v, "how")))
}

// What the home page shows.
const (
	popularShops = 8
	homeMoves    = 8
	// recentChanges is how far back moves are looked for: about a day of the demo, an
	// hour of sixty portals.
	recentChanges = 2000
)

// homePage shows the search, an example worked out, what has just moved, and the
// shops that most portals list.
func (s *Server) homePage(v *visit) (*reply, error) {
	q, err := decode[countryQuery](v)
	if err != nil {
		return nil, err
	}
	c, err := s.chromeIn(v, "home", q.Country)
	if err != nil {
		return nil, err
	}
	r, err := s.Index.Search(v.ctx, index.Query{
		Country: c.Country, Order: index.ByPortals, Limit: popularShops, Facets: true,
		Filter: index.Filter{Countries: []cashback.Country{c.Country}},
	})
	if err != nil {
		return nil, err
	}
	p := &pages.HomeView{Now: v.now, Total: r.Total, Categories: facetsView(r.Facets).Categories}
	if len(p.Categories) > maxChoices {
		p.Categories = p.Categories[:maxChoices]
	}
	for _, h := range r.Hits {
		p.Popular = append(p.Popular, merchantView(h.Merchant, h.Portals))
	}
	for _, h := range r.Hits {
		// The example is the first shop where there is something to choose.
		x, err := s.ranking(v.ctx, v, h.Merchant.ID, purchaseQuery{}, shopperQuery{}, wanted{})
		if err != nil {
			return nil, err
		}
		if len(x.Ranked) > 1 {
			p.Example = x
			break
		}
	}
	if p.Moves, err = s.moves(v, c.Country, homeMoves); err != nil {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	for _, portal := range sh.all {
		if serves(portal, c.Country) {
			p.Portals++
		}
	}
	return html(v.ctx, pages.Home(c, p))
}

// moves are the rates that moved most among the last changes, of portals of a
// country, one a shop: the greatest rises, the latest of them first. A rate that has
// moved again, or is gone, moved no more than its last change says.
func (s *Server) moves(v *visit, country cashback.Country, most int) ([]view.Move, error) {
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	var after uint64
	if v.state.change > recentChanges {
		after = v.state.change - recentChanges
	}
	changes, _, err := s.truth.Changes(v.ctx, after, recentChanges)
	if err != nil {
		return nil, err
	}
	type candidate struct {
		change *cashback.Change
		ratio  cashback.Decimal
	}
	type offer struct {
		merchant cashback.MerchantID
		portal   string
	}
	latest := map[offer]candidate{}
	for i := range changes {
		ch := &changes[i]
		p := sh.byID[ch.Portal]
		if ch.Merchant == 0 || p == nil || !serves(p, country) {
			continue
		}
		at := offer{ch.Merchant, ch.Portal}
		ratio, ok := moved(ch.Before, ch.After)
		switch {
		case !ok || ch.Kind != cashback.OfferChanged:
			delete(latest, at)
		case ratio.Cmp(decimal.One) != 0: // else its terms alone are others
			latest[at] = candidate{ch, ratio}
		}
	}
	greatest := func(a, b candidate) int {
		return cmp.Or(b.ratio.Cmp(a.ratio), cmp.Compare(b.change.Number, a.change.Number))
	}
	list := slices.SortedFunc(maps.Values(latest), greatest)
	shops := map[cashback.MerchantID]bool{}
	list = slices.DeleteFunc(list, func(x candidate) bool {
		again := shops[x.change.Merchant]
		shops[x.change.Merchant] = true
		return again
	})
	list = list[:min(len(list), most)]
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(b.change.At.Compare(a.change.At), greatest(a, b)) })
	var out []view.Move
	for _, x := range list {
		m, err := s.truth.Merchant(v.ctx, x.change.Merchant)
		if err != nil {
			continue // gone since
		}
		out = append(out, view.Move{
			Merchant: merchantView(m, 0), Portal: x.change.Portal, PortalName: sh.byID[x.change.Portal].Name, At: x.change.At,
			Before: x.change.Before.Tiers[0], After: x.change.After.Tiers[0], Up: x.ratio.Cmp(decimal.One) > 0,
		})
	}
	return out, nil
}

// moved compares the first tiers of an offer before and after: the new value as a
// multiple of the old one, where both pay in the same way.
func moved(before, after *cashback.Offer) (cashback.Decimal, bool) {
	if before == nil || after == nil || len(before.Tiers) == 0 || len(after.Tiers) == 0 || after.Status != cashback.OK {
		return decimal.Zero, false
	}
	b, a := before.Tiers[0].Components, after.Tiers[0].Components
	if len(a) != 1 || len(b) != 1 || a[0].Kind != b[0].Kind || a[0].Currency != b[0].Currency || a[0].PointsCurrency != b[0].PointsCurrency ||
		!b[0].Value.IsPos() || before.Tiers[0].UpTo != after.Tiers[0].UpTo {
		return decimal.Zero, false
	}
	ratio, err := a[0].Value.Quo(b[0].Value)
	return ratio, err == nil
}
