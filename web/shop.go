package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/pages"
	"github.com/cagnotte/cagnotte/web/view"
)

type shopQuery struct {
	Slug string `path:"slug"`
	purchaseQuery
	shopperQuery
	Curve string `query:"curve" enum:"1"`
	// Own says that the address states the shopper's whole side: nothing that was kept
	// counts.
	Own string `query:"own" enum:"1"`
}

// purchaseFields and shopperFields are the parameters of the page's two forms: what is
// wrong in one is said there.
var (
	purchaseFields = []string{"amount", "currency", "customer", "channel", "category", "date"}
	shopperFields  = []string{"country", "vat", "method", "gift_card", "patience", "monthly_rewards", "unknown_minimum", "portal", "points"}
)

// shopPage shows a shop's ranking for a purchase. A value in the forms that can't be
// accepted is said beside its field.
func (s *Server) shopPage(v *visit) (*reply, error) {
	q, bad := decode[shopQuery](v)
	var wrong badInput
	if bad != nil && (!errors.As(bad, &wrong) || !slices.Contains(purchaseFields, wrong.field) && !slices.Contains(shopperFields, wrong.field)) {
		return nil, bad
	}
	q.Slug = v.param("slug")
	if q.Date == v.state.day.String() {
		q.Date = "" // as it is without saying, and it won't be tomorrow
	}
	m, err := s.truth.MerchantBySlug(v.ctx, q.Slug)
	if err != nil {
		return nil, nobody(err, "error.no_shop_page", q.Slug)
	}
	if m.Slug != q.Slug {
		// Renamed or merged: the old address keeps leading there.
		to := "/" + v.locale.Lang + "/shops/" + m.Slug
		if v.req.URL.RawQuery != "" {
			to += "?" + v.req.URL.RawQuery
		}
		return seeOther(to), nil
	}
	rep, err := s.showShop(v, m, q, bad)
	if err == nil && rep.status == http.StatusUnprocessableEntity {
		rep.status = http.StatusBadRequest // a GET's own fault
	}
	return rep, err
}

// showShop is a shop's page for a purchase; bad is what is wrong with the query, nil for
// nothing found yet. A page that refuses a value has the status 422.
func (s *Server) showShop(v *visit, m cashback.Merchant, q shopQuery, bad error) (*reply, error) {
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	shops := s.currencyOfCountry(m.Country)
	saved, has, broken := s.saved(v)
	of := q.shopperQuery
	if has && q.Own == "" {
		of = of.over(s.inCurrency(saved, cashback.Currency(cmp.Or(q.Currency, string(shops)))))
	}
	if m.Country == "" {
		of.Country = cmp.Or(of.Country, saved.Country)
	}
	p := &pages.ShopView{
		Merchant: merchantView(m, 0), Customer: q.Customer, Channel: q.Channel, Category: q.Category, Date: q.Date,
		Amount: q.Amount, Currency: shops, Country: cmp.Or(m.Country, s.DefaultCountry), Now: v.now,
		Purchase: named(q.purchaseQuery.pairs()), Stated: named(append(q.shopperQuery.pairs(), "own", q.Own)),
		Saved: has, Broken: broken, SignedIn: v.user != nil, Today: v.state.day.String(), Usual: shops,
		Countries: sh.countries, Currencies: sh.currencies,
	}
	for _, portal := range sh.all {
		if serves(portal, p.Country) {
			p.Portals = append(p.Portals, pages.Param{Value: portal.ID, Name: portal.Name})
		}
	}
	var r *view.Ranking
	if err = bad; err == nil {
		var asked *question
		asked, err = s.ask(v.ctx, v, m.ID, q.purchaseQuery, of)
		var wrong badInput
		if errors.As(err, &wrong) && !slices.Contains(q.shopperQuery.pairs(), wrong.field) && slices.Contains(shopperFields, wrong.field) {
			// What was kept doesn't fit here: the usual counts, and the page says so.
			p.Broken, of = true, q.shopperQuery
			asked, err = s.ask(v.ctx, v, m.ID, q.purchaseQuery, of)
		}
		if err == nil {
			p.Past, err = s.recall(v, asked)
		}
		if err == nil {
			r, err = asked.answer(wanted{reasons: true, question: true, giving: true})
		}
		if err == nil {
			p.Curve = s.drawn(v.ctx, v, asked, q.Curve != "")
			p.CurveLeft = p.Curve == nil && len(asked.Offers) > maxDrawn
		}
	}
	p.Form = formOf(of)
	status := 0
	var wrong badInput
	var refused refusal
	switch {
	case errors.As(err, &wrong):
		refused = refusal{wrong.field, wrong.sentence(v.locale, wrong.field)}
		fallthrough
	case errors.As(err, &refused):
		status = http.StatusUnprocessableEntity
		p.Field, p.Problem = refused.field, refused.sentence
		p.InShopper = slices.Contains(shopperFields, refused.field)
		_, listings, err := s.shopOf(v.ctx, m.ID)
		if err != nil {
			return nil, err
		}
		p.Merchant.Portals = len(listings)
	case err != nil:
		return nil, err
	default:
		p.Ranking, p.Merchant = r, r.Merchant
		p.Currency, p.Amount = r.Purchase.Amount.Currency, v.locale.Input(r.Purchase.Amount)
		p.Categories, p.Channels = choices(r.Offers)
		if q.Category != "" && q.Category != "-" && !slices.Contains(p.Categories, q.Category) {
			p.Categories = append(p.Categories, q.Category)
		}
	}
	if p.History, err = s.historyOf(v.ctx, v, m); err != nil {
		return nil, err
	}
	if p.Elsewhere, err = s.elsewhere(v.ctx, m); err != nil {
		return nil, err
	}
	c := s.chrome(v, "shops")
	if m.Country != "" {
		c.Country = m.Country // the visitor is in this shop's country now
	}
	rep, err := html(v.ctx, pages.Shop(c, p))
	if err != nil {
		return nil, err
	}
	rep.status = status
	return rep, nil
}

// elsewhere are the storefronts that the brand has in other countries, by country. A
// brand's storefronts share its name, so that a search for it finds them.
func (s *Server) elsewhere(ctx context.Context, m cashback.Merchant) ([]view.Merchant, error) {
	if m.Brand == "" {
		return nil, nil
	}
	r, err := s.Index.Search(ctx, index.Query{Text: m.Name, Country: m.Country, Limit: maxChoices})
	if err != nil {
		return nil, err
	}
	var out []view.Merchant
	for _, h := range r.Hits {
		other := h.Merchant
		if other.Brand == m.Brand && other.Country != m.Country && other.Country != "" &&
			!slices.ContainsFunc(out, func(o view.Merchant) bool { return o.Country == other.Country }) {
			out = append(out, merchantView(other, h.Portals))
		}
	}
	slices.SortFunc(out, func(a, b view.Merchant) int { return cmp.Compare(a.Country, b.Country) })
	return out, nil
}

// formOf is the shopper's side as the form shows it.
func formOf(q shopperQuery) pages.ShopperForm {
	f := pages.ShopperForm{
		Country: q.Country, VAT: q.VAT, GiftCard: q.GiftCard, Patience: q.Patience, Monthly: q.Monthly, Minimum: q.Minimum, Points: q.Points,
		Methods: q.Methods, Portals: q.Portals, Kinds: rank.KnownMethods(),
	}
	if f.Methods == nil {
		f.Methods = rank.Shopper{}.WithDefaults().Methods
	}
	return f
}

// named are names and values by turns, without those that are empty, as hidden fields.
func named(pairs []string) []pages.Param {
	var out []pages.Param
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, pages.Param{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	return out
}

// maxChoices keeps the form's lists short enough to choose from.
const maxChoices = 40

// choices are the categories and channels that the offers' tiers tell apart.
func choices(offers []view.Offer) (categories, channels []string) {
	for _, o := range offers {
		for _, t := range o.Tiers {
			if t.Category != "" && !slices.Contains(categories, t.Category) && len(categories) < maxChoices {
				categories = append(categories, t.Category)
			}
			if t.Channel != "" && !slices.Contains(channels, t.Channel) && slices.Contains(knownChannels, t.Channel) {
				channels = append(channels, t.Channel)
			}
		}
	}
	slices.Sort(categories)
	if len(channels) > 0 && !slices.Contains(channels, "online") {
		channels = append(channels, "online")
	}
	slices.SortFunc(channels, func(a, b string) int { return slices.Index(knownChannels, a) - slices.Index(knownChannels, b) })
	return categories, channels
}

// knownChannels are RANKING.md's channels, the default first.
var knownChannels = []string{"online", "in_store", "app"}

// portalsPage lists the portals of a country.
func (s *Server) portalsPage(v *visit) (*reply, error) {
	q, err := decode[countryQuery](v)
	if err != nil {
		return nil, err
	}
	c, err := s.chromeIn(v, "portals", q.Country)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	p := pages.PortalsView{Now: v.now}
	for _, portal := range sh.all {
		if serves(portal, c.Country) {
			p.Portals = append(p.Portals, portalView(portal, v.now))
			p.Settles = append(p.Settles, portal.pays)
		}
	}
	return html(v.ctx, pages.Portals(c, &p))
}

type countryQuery struct {
	Country string `query:"country"`
}

type portalQuery struct {
	ID      string `path:"id"`
	Country string `query:"country"`
}

// portalPage shows a portal's facts, each with its source and date, and what isn't
// known of it.
func (s *Server) portalPage(v *visit) (*reply, error) {
	q, err := decode[portalQuery](v)
	if err != nil {
		return nil, err
	}
	c, err := s.chromeIn(v, "portals", q.Country)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	portal := sh.byID[q.ID]
	if portal == nil {
		return nil, fault{http.StatusNotFound, "error.no_portal_page", []any{"Value", clip(q.ID)}}
	}
	p := pages.PortalView{Portal: portalView(portal, v.now), Settle: portal.pays, Now: v.now}
	return html(v.ctx, pages.Portal(c, &p))
}
