package web

import (
	"net/http"

	"github.com/cagnotte/cagnotte/web/pages"
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
		Zone:    "UTC",
	}
	if s.Zone != nil {
		c.Zone = s.Zone.String()
	}
	// The same page in the other languages, where the route exists in them.
	if v.param("lang") != "" && v.route != nil {
		rest := v.req.URL.Path[1+len(v.param("lang")):]
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
	rep := seeOther("/" + v.locale.Lang)
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
