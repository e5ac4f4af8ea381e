package merchant

import (
	"net"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// maxHost is the longest domain that is read (RFC 1035, 2.3.4).
const maxHost = 253

// gtlds are suffixes without a country that shops write into their name.
const gtlds = " com net org shop store online eu co io biz info me tv app dev club site web travel paris berlin london nyc fashion "

// neutral are parts of a host that name nothing of their own: the shop's front, its
// language, its version.
const neutral = " www www1 www2 www3 web m mobile shop store boutique tienda loja sklep shopping online secure home en "

// trackers are first parts of hosts that count clicks.
const trackers = " track tracking tracker trk trck tr click clk clic clicks clics go redirect redir rd aff affiliate affiliates affil partner partners partnerlink ad ads adserver adv lk link links ln out rover t tc tk rdr r deeplink dl visit "

// retail says whether a country's suffix stands for a storefront: some small
// countries sell theirs to everybody.
func (r *Rules) retail(c cashback.Country) bool {
	switch c {
	case "", "TN", "LV", "CC", "IN", "CO":
		return false
	}
	return true
}

// site reads an entry's domain, which may be a URL. Tracking hosts, shorteners and
// shop systems are no evidence.
func (r *Rules) site(domain string) site {
	h := strings.ToLower(strings.TrimSpace(domain))
	if h == "" || len(h) > 4*maxHost {
		return site{}
	}
	if i := strings.Index(h, "://"); i >= 0 {
		h = h[i+3:]
	}
	if i := strings.IndexAny(h, "/?#"); i >= 0 {
		h = h[:i]
	}
	if i := strings.LastIndexByte(h, '@'); i >= 0 {
		h = h[i+1:]
	}
	if i := strings.LastIndexByte(h, ':'); i >= 0 {
		h = h[:i]
	}
	h = strings.Trim(h, ".")
	if !isASCII(h) {
		a, err := idna.Lookup.ToASCII(h)
		if err != nil {
			return site{}
		}
		h = a
	}
	if h == "" || len(h) > maxHost || net.ParseIP(h) != nil || strings.IndexByte(h, '.') < 0 {
		return site{}
	}
	for i := 0; i < len(h); i++ {
		if c := h[i]; c != '.' && c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return site{}
		}
	}
	s := site{host: h}
	reg, err := publicsuffix.EffectiveTLDPlusOne(h)
	if err != nil {
		return site{}
	}
	for p := h; ; {
		if r.hosts[p] {
			return s
		}
		i := strings.IndexByte(p, '.')
		if i < 0 {
			break
		}
		p = p[i+1:]
	}
	label, suffix, _ := strings.Cut(reg, ".")
	if u, err := idna.Display.ToUnicode(label); err == nil {
		s.label = fold(u, false)
	} else {
		s.label = fold(label, false)
	}
	s.country = r.domains[suffix]
	s.host = reg
	if sub, cut := strings.CutSuffix(h, "."+reg); cut {
		first, _, _ := strings.Cut(sub, ".")
		if strings.Contains(trackers, " "+first+" ") {
			s.host = h
			return s
		}
		for _, p := range strings.Split(sub, ".") {
			if strings.Contains(neutral, " "+p+" ") {
				continue
			}
			if c, ok := r.countries[p]; ok && len(p) <= 3 {
				s.country = c
				continue
			}
			if len(p) == 5 && (p[2] == '-' || p[2] == '_') { // fr-be
				if c, ok := r.countries[p[3:]]; ok {
					s.country = c
				}
				continue
			}
			s.host = h // names something of its own
			break
		}
	}
	s.own = s.label != ""
	return s
}

// domain cuts the suffix off a word of a name that is written as a domain. rest is
// a country code glued behind it ("Hotels.comUK").
func (r *Rules) domain(w string) (label, tld string, c cashback.Country, rest string, ok bool) {
	i := strings.IndexByte(w, '.')
	if i <= 0 || strings.Contains(w, "..") {
		return "", "", "", "", false
	}
	low := strings.ToLower(w)
	for i := 0; i < len(w); i++ {
		if low[i%len(low)] != '.' {
			continue
		}
		s := low[i+1:]
		if c, known := r.domains[s]; known && (len(s) > 2 || i >= 3 || isTwo(low[:i])) {
			return w[:i], s, c, "", true
		}
		if strings.Contains(gtlds, " "+s+" ") && i >= 1 {
			return w[:i], s, "", "", true
		}
		for _, g := range [...]string{"com", "net", "org"} {
			if t, cut := strings.CutPrefix(s, g); cut && len(t) >= 2 && len(t) <= 3 && w[len(w)-len(t):] == strings.ToUpper(t) {
				if _, known := r.countries[t]; known {
					return w[:i], g, "", w[len(w)-len(t):], true
				}
			}
		}
	}
	return "", "", "", "", false
}

// isTwo says whether a label of two letters is enough for a domain: "o2.de" is one,
// "St.it" hardly.
func isTwo(label string) bool {
	return len(label) == 2 && strings.ContainsAny(label, "0123456789") || len(label) == 2
}
