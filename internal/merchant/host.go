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

// site is what an entry's domain says.
type site struct {
	// host decides equality: the registrable domain, or the whole host where a part
	// before it names something of its own ("bank.example.com").
	host string
	// label is the folded registrable name without the suffix ("example").
	label string
	// below says that host is more than the registrable domain.
	below bool
	// country of the domain's suffix, empty for .com and the like.
	country cashback.Country
	// own is false for a tracking host, a shortener or a shop system.
	own bool
	// named says that it was read from the name, written as a domain.
	named bool
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
	if !r.anyones[suffix] {
		s.country = r.domains[suffix]
	}
	s.host = reg
	if sub, cut := strings.CutSuffix(h, "."+reg); cut {
		first, _, _ := strings.Cut(sub, ".")
		if r.trackers[first] {
			s.host = h
			return s
		}
		for _, p := range strings.Split(sub, ".") {
			if r.neutral[p] {
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
			s.host, s.below = h, true // names something of its own
			break
		}
	}
	s.own = s.label != ""
	return s
}

// domain cuts the suffix off a word of a name that is written as a domain. rest is
// a country code glued behind it ("Hotels.comUK").
func (r *Rules) domain(w string) (label, tld string, c cashback.Country, rest string, ok bool) {
	if !isASCII(w) && strings.IndexByte(w, '.') > 0 {
		// A suffix is ASCII; the label needn't be ("müller.de").
		label, s, _ := strings.Cut(w, ".")
		s = strings.ToLower(s)
		if c, known := r.domains[s]; known || r.suffixes[s] {
			return label, s, c, "", true
		}
		return "", "", "", "", false
	}
	if strings.Contains(w, "..") {
		return "", "", "", "", false
	}
	low := strings.ToLower(w)
	for i := 1; i < len(low); i++ {
		if low[i] != '.' {
			continue
		}
		s := low[i+1:]
		if c, known := r.domains[s]; known && (len(s) > 2 || i >= 2) { // "A.de" is rather an abbreviation
			return w[:i], s, c, "", true
		}
		if r.suffixes[s] {
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
