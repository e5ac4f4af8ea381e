package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// clickOut is this server's address that leads to a portal's page for a shop.
func clickOut(portal string, m cashback.MerchantID) string {
	return "/go/" + url.PathEscape(portal) + "/" + strconv.FormatUint(uint64(m), 10)
}

// home is a portal's own site.
type home struct {
	site  string // "" where the homepage is no address
	plain bool   // reached by http
}

func homeOf(homepage string) home {
	u, err := url.Parse(homepage)
	if err != nil || u.Hostname() == "" {
		return home{}
	}
	return home{site(u), u.Scheme == "http"}
}

// target is the stored link of an offer, where it leads to the portal that the offer
// is of: the portal's own host, or one under the same registrable domain, by https,
// or by http where the portal's homepage is reached so.
func (h home) target(o cashback.Offer) (string, bool) {
	link, err := url.Parse(o.Entry.Link)
	if err != nil || link.Hostname() == "" || link.User != nil || link.Opaque != "" {
		return "", false
	}
	if link.Scheme != "https" && (link.Scheme != "http" || !h.plain) {
		return "", false
	}
	if h.site == "" || site(link) != h.site {
		return "", false
	}
	return link.String(), true
}

// site is a host's registrable domain with its port, or the host itself where it has
// none: an address, a name of this machine, a public suffix.
func site(u *url.URL) string {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return u.Host
	}
	d, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		d = host
	}
	return d + ":" + u.Port()
}

type goQuery struct {
	Portal   string `path:"portal"`
	Merchant string `path:"merchant"`
}

// goOut sends the shopper to the portal's page for the shop. The target is what was
// read and stored, never what the request says.
func (s *Server) goOut(v *visit) (*reply, error) {
	q, err := decode[goQuery](v)
	if err != nil {
		return nil, err
	}
	out, err := s.wayOut(v, q)
	if err != nil {
		return nil, err
	}
	rep := seeOther(out.link)
	rep.header["Referrer-Policy"] = "no-referrer"
	return rep, nil
}

// wayOut is where a click on an offer leads, and what the portal promises there.
type wayOut struct {
	portal   *portal
	merchant cashback.Merchant
	offer    cashback.Offer
	link     string
}

var errNoLink = fault{http.StatusNotFound, "error.no_link", nil}

func (s *Server) wayOut(v *visit, q goQuery) (w wayOut, err error) {
	id, err := strconv.ParseUint(q.Merchant, 10, 32)
	if err != nil {
		return w, errNoLink
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return w, err
	}
	if w.portal = sh.byID[q.Portal]; w.portal == nil {
		return w, errNoLink
	}
	var listings []listing
	if w.merchant, listings, err = s.shopOf(v.ctx, cashback.MerchantID(id)); err != nil {
		return w, nobody(err, "error.no_link", q.Merchant)
	}
	for _, l := range listings {
		for _, o := range l {
			if o.Receipt.Portal != w.portal.ID {
				continue
			}
			if link, ok := w.portal.home.target(o); ok {
				w.offer, w.link = o, link
				return w, nil
			}
		}
	}
	return w, errNoLink
}
