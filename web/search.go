package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/pages"
	"github.com/cagnotte/cagnotte/web/view"
)

// searchQuery is a search as an address states it; index.ParseQuery reads the
// values, and holds them to its limits.
type searchQuery struct {
	Q              string   `query:"q" doc:"A shop's name or part of it, or the address of a product." example:"fnac"`
	Country        string   `query:"country" doc:"The asker's country: its shops come first among equals." example:"FR"`
	In             []string `query:"in,explode" doc:"Only shops of these countries."`
	Category       []string `query:"category,explode" doc:"Only shops of these categories."`
	Portal         []string `query:"portal,explode" doc:"Only offers of these portals."`
	Kind           []string `query:"kind,explode" doc:"Only these kinds of reward: percent, fixed, points_per_unit, points_fixed, none, unknown."`
	Method         []string `query:"method,explode" doc:"Only portals that pay out in one of these ways."`
	Frequency      []string `query:"frequency,explode" doc:"Only portals that pay out this often: on_demand, automatic, weekly, biweekly, monthly, bimonthly, quarterly, half_yearly, yearly."`
	Minimum        string   `query:"minimum" doc:"The highest payout threshold accepted, with its currency." example:"15 EUR"`
	Donation       string   `query:"donation" enum:"0,1" doc:"1: only portals where cashback can be given away."`
	PortalCountry  []string `query:"portal_country,explode" doc:"Only portals of these countries."`
	PortalLanguage []string `query:"language,explode" doc:"Only portals in these languages."`
	NoUpTo         string   `query:"no_up_to" enum:"0,1" doc:"1: without what is only promised as an up to."`
	Initial        string   `query:"initial" enum:"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,0" doc:"Only shops whose name begins with this letter; 0 for what begins with none."`
	Verified       string   `query:"verified" enum:"0,1" doc:"1: without what is unverified or older than 14 days."`
	MinPercent     string   `query:"min_percent" doc:"The least certain rate, in per cent." example:"2.5"`
	Sort           string   `query:"sort" enum:"value,portals,name" doc:"Default by relevance."`
	Limit          int      `query:"limit" minimum:"1" maximum:"200" doc:"The most items; default 20."`
	After          string   `query:"after" doc:"The cursor of the answer before."`
	Facets         string   `query:"facets" enum:"0,1" doc:"1: with counts by what can be chosen."`
}

// question turns the address's query into the index's.
func (s *Server) question(v *visit, country cashback.Country) (index.Query, error) {
	values := v.req.URL.Query()
	q, err := index.ParseQuery(values)
	if err != nil {
		return q, err
	}
	if q.Country == "" {
		q.Country = country
	}
	if err := s.chosen(v, q.Filter); err != nil {
		return q, err
	}
	// A portal's own name for a category may hold a comma.
	q.Filter.Categories = values["category"]
	q.Valuer = index.FaceValue(defaultAmount(s.currencyOfCountry(q.Country)))
	return q, nil
}

// chosen refuses what no portal here is or does: an empty list would say that nobody
// offers it.
func (s *Server) chosen(v *visit, f index.Filter) error {
	if len(f.Portals)+len(f.Methods) == 0 {
		return nil
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return err
	}
	for _, id := range f.Portals {
		if sh.byID[id] == nil {
			return badInput{"portal", "error.unknown_portal", []any{"Value", clip(id)}}
		}
	}
	known := rank.KnownMethods()
	for _, p := range sh.all {
		for _, m := range p.pays.Methods {
			if !slices.Contains(known, m.Kind) {
				known = append(known, m.Kind)
			}
		}
	}
	for _, m := range f.Methods {
		if !slices.Contains(known, m) {
			return badInput{"method", "error.one_of", []any{"Allowed", strings.Join(known, ", ")}}
		}
	}
	return nil
}

// found asks the index and looks the best offers up.
func (s *Server) found(v *visit, q index.Query) (*view.Found, index.Result, error) {
	r, err := s.Index.Search(v.ctx, q)
	if err == nil && r.Total == 0 {
		r, err = s.byLabel(v.ctx, q, r)
	}
	if err != nil {
		return nil, r, err
	}
	out := &view.Found{Total: r.Total, Near: r.Near, Degraded: r.Degraded, Partial: r.Partial}
	out.Next = r.Next
	if out.Items, err = s.foundShops(v, r.Hits); err != nil {
		return nil, r, err
	}
	if r.Facets != nil {
		out.Facets = facetsView(r.Facets)
	}
	return out, r, nil
}

// foundShops are hits with the offer that advertises most.
func (s *Server) foundShops(v *visit, hits []index.Hit) ([]view.FoundShop, error) {
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	out := make([]view.FoundShop, 0, len(hits))
	for _, h := range hits {
		f := view.FoundShop{Merchant: merchantView(h.Merchant, h.Portals), Passing: h.Passing}
		if p := sh.byID[h.Best]; p != nil {
			_, listings, err := s.shopOf(v.ctx, h.Merchant.ID)
			if err != nil {
				return nil, err
			}
			for _, l := range listings {
				if l[0].Receipt.Portal == h.Best {
					best := offerView(l[0], p, v.now, v.state.day)
					f.Best = &best
				}
			}
		}
		out = append(out, f)
	}
	return out, nil
}

func facetsView(f *index.Facets) *view.Facets {
	counts := func(list []index.Count) []view.Count {
		out := make([]view.Count, len(list))
		for i, c := range list {
			out[i] = view.Count(c)
		}
		return out
	}
	return &view.Facets{
		Countries: counts(f.Countries), Categories: counts(f.Categories), Portals: counts(f.Portals), Kinds: counts(f.Kinds),
		Methods: counts(f.Methods), Frequencies: counts(f.Frequencies), Donation: f.Donation,
	}
}

// searchPage shows what was found. The address of a product leads straight to its
// shop.
func (s *Server) searchPage(v *visit) (*reply, error) {
	q, err := decode[searchQuery](v)
	if err != nil {
		return nil, err
	}
	c, err := s.chromeIn(v, "search", q.Country)
	if err != nil {
		return nil, err
	}
	c.Query = q.Q
	ask, err := s.question(v, c.Country)
	if err != nil {
		return nil, err
	}
	ask.Facets = true
	if q.Q == "" && len(q.In) == 0 {
		// Whoever only browses means the country's shops; a name is looked for everywhere.
		ask.Filter.Countries = []cashback.Country{c.Country}
	}
	hits, address, err := s.byAddress(v.ctx, q.Q, c.Country)
	if err != nil {
		return nil, err
	}
	if len(hits) > 0 {
		return seeOther(c.Plain("shops/" + hits[0].Merchant.Slug)), nil
	}
	f, _, err := s.found(v, ask)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	p := &pages.SearchView{
		Text: q.Q, Found: f, Now: v.now, Sort: q.Sort, NoUpTo: q.NoUpTo == "1", Donation: q.Donation == "1",
		Address: address, Short: address && shortens(q.Q),
	}
	if x := sh.owner(q.Q); address && x != nil {
		p.Portal, p.PortalID = x.Name, x.ID
	}
	for _, g := range []struct {
		name   string
		counts []view.Count
		chosen []string
	}{
		{"category", f.Facets.Categories, q.Category}, {"portal", f.Facets.Portals, q.Portal}, {"method", f.Facets.Methods, q.Method},
		{"frequency", f.Facets.Frequencies, q.Frequency}, {"in", f.Facets.Countries, q.In},
	} {
		group := pages.Group{Name: g.name}
		add := func(n view.Count, chosen bool) {
			label := ""
			if p := sh.byID[n.Value]; g.name == "portal" && p != nil {
				label = p.Name
			}
			group.Choices = append(group.Choices, pages.Choice{Value: n.Value, Label: label, Count: n.Count, Chosen: chosen})
		}
		for i, n := range g.counts {
			if chosen := slices.Contains(g.chosen, n.Value); i < maxChoices || chosen {
				add(n, chosen)
			}
		}
		// What was chosen stays to be seen, and to be taken back, where nothing has it.
		for _, x := range g.chosen {
			if !slices.ContainsFunc(g.counts, func(n view.Count) bool { return n.Value == x }) {
				add(view.Count{Value: x}, true)
			}
		}
		if len(group.Choices) > 1 || len(g.chosen) > 0 {
			p.Groups = append(p.Groups, group)
		}
	}
	p.Next = next(v.req.URL, f.Next)
	return html(v.ctx, pages.SearchPage(c, p))
}

// byLabel looks for shops that are called as the domain of an address that no portal
// tells: magazineluiza.com.br may be Magazine Luiza. Only the whole name counts, and what
// is found is said to be near: the address alone doesn't prove it.
func (s *Server) byLabel(ctx context.Context, q index.Query, nothing index.Result) (index.Result, error) {
	label := labelOf(q.Text)
	if label == "" {
		return nothing, nil
	}
	q.Text, q.After = label, ""
	r, err := s.Index.Search(ctx, q)
	if err != nil {
		return nothing, err
	}
	r.Hits = slices.DeleteFunc(r.Hits, func(h index.Hit) bool { return h.Grade < index.ExactAlias })
	if len(r.Hits) == 0 {
		return nothing, nil
	}
	r.Total, r.Near, r.Next = len(r.Hits), true, ""
	return r, nil
}

// labelOf is the part of an address that a shop is called by: "nike" of
// https://www.nike.com/shoes. Empty for what is no address.
func labelOf(text string) string {
	if strings.ContainsAny(text, " \t") {
		return ""
	}
	if !strings.Contains(text, "://") {
		text = "https://" + strings.TrimPrefix(text, "//")
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	suffix, known := publicsuffix.PublicSuffix(host)
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil || !known {
		return ""
	}
	return strings.TrimSuffix(domain, "."+suffix)
}

// byAddress finds the shops that a pasted address belongs to; false where the text
// is no address. An address that only passes on to another, as those of networks and
// search engines do, is the other's.
func (s *Server) byAddress(ctx context.Context, text string, country cashback.Country) ([]index.Hit, bool, error) {
	text = addressIn(text)
	hits, err := s.Index.ByDomain(ctx, text, country)
	if cashback.KindOf(err) == cashback.Invalid && err != nil {
		return nil, false, nil
	}
	if to := passedOn(text); err == nil && len(hits) == 0 && to != "" {
		if further, err := s.Index.ByDomain(ctx, to, country); err == nil {
			hits = further
		}
	}
	return hits, err == nil, err
}

// addressIn is the address among the words that a phone shares a product with, or the
// text itself.
func addressIn(text string) string {
	for _, w := range strings.Fields(text) {
		if strings.HasPrefix(w, "https://") || strings.HasPrefix(w, "http://") {
			return w
		}
	}
	return text
}

// passedOn is the first address that stands among an address's parameters, or nothing.
func passedOn(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	for p := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(p, "=")
		if v, err := url.QueryUnescape(value); err == nil && (strings.HasPrefix(v, "https://") || strings.HasPrefix(v, "http://")) {
			return v
		}
	}
	return ""
}

// shortens reports whether a host only shortens links, which say nothing of where they
// lead until they are followed.
func shortens(text string) bool {
	text = addressIn(text)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	switch strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.") {
	case "bit.ly", "bitly.com", "t.co", "tinyurl.com", "goo.gl", "ow.ly", "is.gd", "rb.gy", "cutt.ly", "rebrand.ly", "lnkd.in", "t.ly", "shorturl.at",
		"amzn.to", "amzn.eu", "amzn.asia", "a.co", "ebay.us", "ebay.to", "tidd.ly", "geni.us":
		return true
	}
	return false
}

// owner is the portal that an address belongs to, nil where it is none's.
func (sh *shelf) owner(address string) *portal {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	at := site(u)
	for _, p := range sh.all {
		if p.home.site == at {
			return p
		}
	}
	return nil
}

// next is the address of the next page, or nothing after the last.
func next(u *url.URL, cursor string) string {
	if cursor == "" {
		return ""
	}
	q := u.Query()
	q.Set("after", cursor)
	return u.Path + "?" + q.Encode()
}

// suggestions are few: more than eight nobody reads while typing.
const suggestions = 8

type suggestQuery struct {
	Q       string `query:"q"`
	Country string `query:"country"`
}

// suggestion is a line of the search box.
type suggestion struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
	Href   string `json:"href"`
}

// suggest completes what is being typed.
func (s *Server) suggest(v *visit) (*reply, error) {
	q, err := decode[suggestQuery](v)
	if err != nil {
		return nil, err
	}
	country := s.DefaultCountry
	if q.Country != "" {
		if country, err = countryOf("country", q.Country); err != nil {
			return nil, err
		}
	}
	hits, err := s.Index.Suggest(v.ctx, q.Q, country, suggestions)
	if err != nil {
		return nil, err
	}
	out := view.List[suggestion]{Items: []suggestion{}}
	for _, h := range hits {
		detail := v.locale.Count("search.portals", h.Portals)
		if h.Merchant.Country != country && h.Merchant.Country != "" {
			detail = v.locale.T("search.abroad", "Country", v.locale.Country(h.Merchant.Country), "Portals", detail)
		}
		out.Items = append(out.Items, suggestion{h.Merchant.Name, detail, "/" + v.locale.Lang + "/shops/" + h.Merchant.Slug})
	}
	return jsonOf(out)
}

// shopsPerPage fills three columns of a desk and isn't endless on a phone.
const shopsPerPage = 60

type shopsQuery struct {
	Country  string `query:"country"`
	Initial  string `query:"initial" enum:"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,0"`
	Category string `query:"category"`
	After    string `query:"after"`
}

// shopsPage lists the shops of a country by name or by category.
func (s *Server) shopsPage(v *visit) (*reply, error) {
	q, err := decode[shopsQuery](v)
	if err != nil {
		return nil, err
	}
	c, err := s.chromeIn(v, "shops", q.Country)
	if err != nil {
		return nil, err
	}
	ask := index.Query{
		Country: c.Country, Order: index.ByName, Limit: shopsPerPage, After: q.After, Facets: true,
		Filter: index.Filter{Countries: []cashback.Country{c.Country}, Initial: q.Initial},
	}
	if q.Category != "" {
		ask.Filter.Categories = []string{q.Category}
	}
	r, err := s.Index.Search(v.ctx, ask)
	if err != nil {
		return nil, err
	}
	if q.Category != "" && q.Initial == "" && q.After == "" && r.Total == 0 {
		return nil, fault{http.StatusNotFound, "error.no_category", []any{"Value", clip(q.Category)}}
	}
	p := &pages.ShopsView{Category: q.Category, Initial: q.Initial, Total: r.Total, Next: next(v.req.URL, r.Next), Partial: r.Partial}
	for _, h := range r.Hits {
		p.Shops = append(p.Shops, merchantView(h.Merchant, h.Portals))
	}
	p.Categories = facetsView(r.Facets).Categories
	if len(p.Categories) > maxChoices {
		p.Categories = p.Categories[:maxChoices]
	}
	return html(v.ctx, pages.Shops(c, p))
}

func (s *Server) apiSearch(v *visit, _ searchQuery) (*view.Found, error) {
	q, err := s.question(v, s.DefaultCountry)
	if err != nil {
		return nil, err
	}
	f, _, err := s.found(v, q)
	return f, err
}

// offersQuery has the search's filters, and one order more.
type offersQuery struct {
	searchQuery
	Sort string `query:"sort" enum:"value,portals,name,age" doc:"Default by value."`
}

func (s *Server) apiOffers(v *visit, _ offersQuery) (*view.Listed, error) {
	q, err := s.question(v, s.DefaultCountry)
	if err != nil {
		return nil, err
	}
	r, err := s.Index.Offers(v.ctx, q)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	out := &view.Listed{Total: r.Total, Partial: r.Partial}
	out.Items, out.Next = []view.ListedOffer{}, r.Next
	if r.Facets != nil {
		out.Facets = facetsView(r.Facets)
	}
	for _, row := range r.Rows {
		p := sh.byID[row.Portal]
		if p == nil {
			continue // taken down since the index looked
		}
		offers, err := s.truth.Offers(v.ctx, row.Merchant)
		if err != nil {
			return nil, err
		}
		if o := offerOf(offers, &row); o != nil {
			out.Items = append(out.Items, view.ListedOffer{Merchant: row.Merchant, MerchantName: row.Name, MerchantSlug: row.Slug, Offer: offerView(*o, p, v.now, v.state.day)})
		}
	}
	return out, nil
}

// offerOf finds the offer of a row among those of its shop; nil where it has changed since
// the index looked. A portal that lists a shop twice has two: the rate tells them apart.
func offerOf(offers []cashback.Offer, row *index.Row) *cashback.Offer {
	var found *cashback.Offer
	for i := range offers {
		o := &offers[i]
		if o.Receipt.Portal != row.Portal || !o.Receipt.ReadAt.Equal(row.ReadAt) {
			continue
		}
		if len(o.Tiers) > 0 && len(o.Tiers[0].Components) > 0 {
			if t := &o.Tiers[0]; t.Components[0].Kind == row.Kind && t.Components[0].Value.Cmp(row.Value) == 0 && t.UpTo == row.UpTo {
				return o
			}
		}
		if found == nil {
			found = o
		}
	}
	return found
}

type resolveQuery struct {
	URL     string `query:"url" required:"true" doc:"The address of a shop or of one of its products." example:"https://www.fnac.com/a1"`
	Country string `query:"country" doc:"The asker's country: its storefront comes first among equals." example:"FR"`
}

// resolved is the shop of an address, and every shop that answers to it: the
// storefronts of other countries, other shops of the same site.
type resolved struct {
	view.Merchant
	view.List[view.FoundShop]
}

func (s *Server) apiResolve(v *visit, q resolveQuery) (*resolved, error) {
	country := s.DefaultCountry
	var err error
	if q.Country != "" {
		if country, err = countryOf("country", q.Country); err != nil {
			return nil, err
		}
	}
	hits, address, err := s.byAddress(v.ctx, q.URL, country)
	if err != nil {
		return nil, err
	}
	if !address {
		return nil, badInput{"url", "error.address", []any{"Value", clip(q.URL)}}
	}
	switch {
	case len(hits) == 0 && shortens(q.URL):
		return nil, fault{http.StatusNotFound, "error.short_link", nil}
	case len(hits) == 0:
		return nil, fault{http.StatusNotFound, "error.no_shop", nil}
	}
	out := &resolved{}
	if out.Items, err = s.foundShops(v, hits); err != nil {
		return nil, err
	}
	out.Merchant = out.Items[0].Merchant
	return out, nil
}
