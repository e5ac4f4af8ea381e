package fetch

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// MaxURL is the longest URL that is asked for or followed: what browsers of the
// time agreed on, and Scrapy's limit.
const MaxURL = 2083

// tracking are query parameters that name a visitor or a campaign, never a page.
var tracking = []string{"gclid", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "mc_cid", "mc_eid", "igshid", "_ga", "_gl"}

// Canonical is a URL's identity: scheme and host in lower case, no default port,
// no fragment, no tracking parameters, the query sorted, percent-encoding in one
// spelling. Two URLs with one identity are one page.
func Canonical(u *url.URL) string {
	c := url.URL{Scheme: strings.ToLower(u.Scheme), Host: canonicalHost(u), Path: u.Path, RawPath: u.RawPath}
	if c.Path == "" {
		c.Path, c.RawPath = "/", ""
	}
	if u.RawQuery != "" {
		c.RawQuery = canonicalQuery(u.RawQuery)
	}
	return upperEscapes(c.String())
}

// CanonicalString is Canonical for a URL as text; what doesn't parse is its own
// identity.
func CanonicalString(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return Canonical(u)
}

// canonicalHost is host or host:port, without a port that is the scheme's own.
func canonicalHost(u *url.URL) string {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch port := u.Port(); {
	case port == "", u.Scheme == "https" && port == "443", u.Scheme == "http" && port == "80":
		return host
	default:
		return host + ":" + port
	}
}

func canonicalQuery(raw string) string {
	parts := strings.Split(raw, "&")
	kept := parts[:0]
	for _, p := range parts {
		name, _, _ := strings.Cut(p, "=")
		if p == "" || strings.HasPrefix(strings.ToLower(name), "utm_") || slices.Contains(tracking, strings.ToLower(name)) {
			continue
		}
		// One spelling for each value: "a+b" and "a%20b", "é" and "%C3%A9".
		if k, v, ok := strings.Cut(p, "="); ok {
			if uk, err := url.QueryUnescape(k); err == nil {
				if uv, err := url.QueryUnescape(v); err == nil {
					p = url.QueryEscape(uk) + "=" + url.QueryEscape(uv)
				}
			}
		}
		kept = append(kept, p)
	}
	// Stable, so that repeated parameters keep their order: it can mean something.
	slices.SortStableFunc(kept, func(a, b string) int {
		ka, _, _ := strings.Cut(a, "=")
		kb, _, _ := strings.Cut(b, "=")
		return strings.Compare(ka, kb)
	})
	return strings.Join(kept, "&")
}

// upperEscapes writes each %xx with capitals (RFC 3986, 6.2.2.1).
func upperEscapes(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' && isHex(b[i+1]) && isHex(b[i+2]) {
			b[i+1], b[i+2] = upper(b[i+1]), upper(b[i+2])
			i += 2
		}
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// withoutQuery is a URL fit for logs and messages, at most 200 bytes.
func withoutQuery(u *url.URL) string {
	s := u.Scheme + "://" + u.Host + u.EscapedPath()
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

// checkURL is the URL policy: scheme, host, port, spelling, length. local says
// that plain http and odd ports are allowed for this host, which only the demo and
// tests can make true. A host is listed as "www.exemple.test", or as
// "http://www.exemple.test" where it has no https.
func checkURL(u *url.URL, hosts []string, local func(host string) bool) *Error {
	at := withoutQuery(u)
	host := canonicalHost(u)
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	loose := local != nil && local(name)
	switch {
	case len(u.String()) > MaxURL:
		return refused(at, "the URL is longer than %d bytes", MaxURL)
	case u.Scheme != "https" && u.Scheme != "http":
		return refused(at, "the scheme %q isn't https", short(u.Scheme))
	case u.User != nil:
		return refused(at, "the URL carries a user name")
	case u.Opaque != "" || name == "":
		return refused(at, "the URL has no host")
	case strings.ContainsAny(u.Host, "\\@% \t\r\n") || strings.Contains(u.Path, "\\") || strings.Contains(u.RawPath, "\\"):
		return refused(at, "the URL holds a backslash or another character that parsers read differently")
	case !slices.Contains(hosts, host) && !slices.Contains(hosts, "http://"+host) && !(loose && slices.Contains(hosts, name)):
		return refused(at, "%s isn't one of the portal's hosts", short(host))
	case loose:
		return nil
	case numeric(name):
		return refused(at, "the host is a number: a portal has a name")
	case u.Scheme != "https" && !slices.Contains(hosts, "http://"+host):
		return refused(at, "plain http is only used for a host that the definition lists as http://%s", short(host))
	case u.Port() != "" && u.Port() != "443" && u.Port() != "80":
		return refused(at, "port %s isn't one that the web uses", short(u.Port()))
	}
	return nil
}

// numeric reports whether a host is an IP address in any spelling that some
// resolver accepts: dotted, integer, octal, hexadecimal, IPv6 (the WHATWG rule:
// the last label is a number).
func numeric(host string) bool {
	if strings.ContainsAny(host, ":[]") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// short keeps hostile input out of messages.
func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
