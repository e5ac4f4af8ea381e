package index

import (
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

const (
	// maxURL is the longest pasted address that is read, in bytes: browsers and
	// servers agree on little more.
	maxURL = 4096
	// maxHost is the longest domain (RFC 1035, 2.3.4).
	maxHost = 253
)

// address is what a pasted URL or domain says about the shop.
type address struct {
	host string // in ASCII, without a leading "www."
	site string // the registrable domain
	// country is the storefront that the address itself names: by its path (/fr-be/),
	// a part of its host (fr.shop.com), or its country suffix.
	country cashback.Country
}

// label is the site's own word: "laredoute" of "laredoute.fr".
func (a address) label() string {
	l, _, _ := strings.Cut(a.site, ".")
	return l
}

// parseAddress reads a pasted product URL, or a bare domain with a path or without.
// ok is false for what isn't an address: then it is a text to search for.
func parseAddress(text string) (a address, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) > maxURL || strings.ContainsAny(text, " \t\n\r") || !strings.Contains(text, ".") {
		return address{}, false
	}
	raw := text
	if rest, found := strings.CutPrefix(raw, "//"); found {
		raw = "https://" + rest
	} else if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return address{}, false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
	default:
		return address{}, false
	}
	a.host, a.site = hostOf(u.Hostname())
	if a.site == "" {
		return address{}, false
	}
	// A text such as "booking.comm" is a typing error rather than an address, unless
	// it says that it is one.
	if suffix, icann := publicsuffix.PublicSuffix(a.site); !icann && !strings.Contains(suffix, ".") && !strings.Contains(text, "://") {
		return address{}, false
	}
	a.country = storefront(u, a)
	return a, true
}

// hostOf reduces a domain, which may be written as a URL, to its host without "www"
// and its registrable domain; both are empty where it isn't one.
func hostOf(domain string) (host, site string) {
	h := strings.ToLower(strings.TrimSpace(domain))
	if h == "" || len(h) > maxURL {
		return "", ""
	}
	if _, rest, cut := strings.Cut(h, "://"); cut {
		h = rest
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
	if !plainASCII(h) {
		ascii, err := idna.Lookup.ToASCII(h)
		if err != nil {
			return "", ""
		}
		h = ascii
	}
	if len(h) > maxHost || !strings.Contains(h, ".") || strings.Contains(h, "..") {
		return "", ""
	}
	for i := 0; i < len(h); i++ {
		if c := h[i]; c != '.' && c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", ""
		}
	}
	if _, err := netip.ParseAddr(h); err == nil {
		return "", ""
	}
	site, err := publicsuffix.EffectiveTLDPlusOne(h)
	if err != nil {
		return "", ""
	}
	for _, front := range [...]string{"www.", "www2.", "m."} {
		if rest, cut := strings.CutPrefix(h, front); cut && len(rest) >= len(site) {
			h = rest
			break
		}
	}
	return h, site
}

// labelOf is the first label of a domain's registrable part, readable.
func labelOf(domain string) string {
	_, site := hostOf(domain)
	label, _, _ := strings.Cut(site, ".")
	if strings.HasPrefix(label, "xn--") {
		if u, err := idna.Display.ToUnicode(label); err == nil {
			return u
		}
	}
	return label
}

// above lists a host and the domains above it, down to its registrable domain.
func above(host, site string) []string {
	list := []string{host}
	for host != site && strings.HasSuffix(host, "."+site) {
		_, host, _ = strings.Cut(host, ".")
		list = append(list, host)
	}
	return list
}

// storefront reads the country that an address names itself. A language alone
// ("/en/") names none, except where it comes with its country ("/en-gb/").
func storefront(u *url.URL, a address) cashback.Country {
	if sub, cut := strings.CutSuffix(a.host, "."+a.site); cut {
		for part := range strings.SplitSeq(sub, ".") {
			if c := localeCountry(part); c != "" {
				return c
			}
		}
	}
	// The first two parts of the path: shops write /gb/en/… as well as /en_gb/….
	n := 0
	for part := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		if n++; n > 2 || len(part) > 5 {
			break
		}
		if c := localeCountry(part); c != "" {
			return c
		}
	}
	i := strings.LastIndexByte(a.site, '.')
	return suffixCountry(a.site[i+1:])
}

// localeCountry is the country of a locale such as "fr-be" or "en_GB", or of a bare
// code that is a country and no language of another ("fr", "de", but not "en").
func localeCountry(s string) cashback.Country {
	s = strings.ToLower(s)
	switch len(s) {
	case 2:
		return suffixCountry(s)
	case 5:
		if s[2] == '-' || s[2] == '_' {
			return suffixCountry(s[3:])
		}
	}
	return ""
}

// suffixCountry is the country of a country-code suffix, where shops use it for that
// country's storefront: codes that are sold to everybody, or that are also a
// language of elsewhere, name none.
func suffixCountry(s string) cashback.Country {
	if len(s) != 2 || s[0] < 'a' || s[0] > 'z' || s[1] < 'a' || s[1] > 'z' {
		return ""
	}
	switch s {
	case "uk":
		return "GB"
	case "co", "io", "me", "tv", "ai", "cc", "ly", "to", "fm", "gg", "sh", "eu", "ws", "la", "im", "st",
		"en", "ar", "cs", "da", "el", "ja", "ko", "zh", "sv":
		return ""
	}
	return cashback.Country(strings.ToUpper(s))
}
