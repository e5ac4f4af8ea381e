package portal

import (
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// addressPattern recognises the addresses that a template makes.
type addressPattern struct {
	template string
	host     string
	path     *regexp.Regexp
	names    []string // of the path's groups
	query    map[string]queryPattern
	any      bool // "{link}": any address of the hosts
	literal  int  // how much of it is said, for choosing among several
}

type queryPattern struct {
	re    *regexp.Regexp
	names []string
	fixed bool
}

// parseAddress makes the pattern of a template.
func parseAddress(t string) (*addressPattern, error) {
	p := &addressPattern{template: t, query: map[string]queryPattern{}}
	if holeForm.ReplaceAllString(t, "") == "" {
		p.any = true
		return p, nil
	}
	// Placeholders survive the parsing of the address as names without any sign.
	const mark = "zqx"
	names := []string{}
	marked := holeForm.ReplaceAllStringFunc(t, func(m string) string {
		names = append(names, m[1:len(m)-1])
		return mark + string(rune('a'+(len(names)-1)%26)) + mark
	})
	u, err := url.Parse(marked)
	if err != nil {
		return nil, err
	}
	p.host = u.Host
	next := 0
	pattern := func(s, one string) (*regexp.Regexp, []string, bool) {
		var b strings.Builder
		var used []string
		b.WriteString("^")
		for rest := s; ; {
			i := strings.Index(rest, mark)
			if i < 0 || len(rest) < i+2*len(mark)+1 {
				b.WriteString(regexp.QuoteMeta(rest))
				p.literal += len(rest)
				break
			}
			b.WriteString(regexp.QuoteMeta(rest[:i]))
			p.literal += i
			b.WriteString(one)
			if next < len(names) {
				used = append(used, names[next])
			}
			next++
			rest = rest[i+2*len(mark)+1:]
		}
		b.WriteString("/?$")
		re, err := regexp.Compile(b.String())
		if err != nil {
			re = regexp.MustCompile(`^\z.`)
		}
		return re, used, len(used) == 0
	}
	p.path, p.names, _ = pattern(strings.TrimSuffix(u.EscapedPath(), "/"), `([^/]*?)`)
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		k, v, _ := strings.Cut(part, "=")
		if k == "" {
			continue
		}
		if key, err := url.QueryUnescape(k); err == nil {
			k = key
		}
		re, used, fixed := pattern(v, `(.*)`)
		p.query[k] = queryPattern{re: re, names: used, fixed: fixed}
	}
	return p, nil
}

// match says whether an address fits, with the placeholders' values; score tells
// how much of it the template says. A parameter whose value is a placeholder may
// be absent: the list's first page often has none.
func (p *addressPattern) match(u *url.URL) (vars map[string]string, score int, ok bool) {
	if p.any {
		return nil, 0, true
	}
	if !sameHost(u.Host, p.host) {
		return nil, 0, false
	}
	m := p.path.FindStringSubmatch(strings.TrimSuffix(u.EscapedPath(), "/"))
	if m == nil {
		return nil, 0, false
	}
	vars = map[string]string{}
	for i, name := range p.names {
		if i+1 < len(m) {
			vars[name] = m[i+1]
		}
	}
	values := u.Query()
	for k, q := range p.query {
		v, there := values[k]
		if !there {
			if q.fixed {
				return nil, 0, false
			}
			continue
		}
		m := q.re.FindStringSubmatch(url.QueryEscape(v[0]))
		if m == nil {
			m = q.re.FindStringSubmatch(v[0])
		}
		if m == nil {
			return nil, 0, false
		}
		for i, name := range q.names {
			if i+1 < len(m) {
				if vars[name] = m[i+1]; q.fixed {
					continue
				}
			}
		}
		score++
	}
	return vars, score + p.literal, true
}

// sameHost compares hosts without a leading www.
func sameHost(a, b string) bool {
	return strings.EqualFold(strings.TrimPrefix(strings.ToLower(a), "www."), strings.TrimPrefix(strings.ToLower(b), "www."))
}

// asBrowsers mends what browsers mend in an address.
var asBrowsers = strings.NewReplacer(" ", "%20", "\t", "", "\n", "", "\r", "", `\`, "/")

// absolute resolves a link as a browser does and refuses what can't be visited:
// other schemes, credentials, addresses that are too long.
func absolute(base *url.URL, link string) (*url.URL, bool) {
	link = strings.TrimSpace(link)
	if link == "" || strings.HasPrefix(link, "#") || len(link) > maxURL {
		return nil, false
	}
	if u := onSite(base, link); u != nil {
		return u, true
	}
	if strings.ContainsAny(link, " \t\n\r\\") {
		link = asBrowsers.Replace(link)
	}
	u, err := url.Parse(link)
	if err != nil {
		return nil, false
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(u.Host, "<>\"' ") {
		return nil, false
	}
	u.Fragment, u.RawFragment = "", ""
	u.Host = strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	if s := u.String(); len(s) > maxURL {
		return nil, false
	}
	return u, true
}

// onSite resolves what most links are, a path of letters, digits and hyphens on the
// page's own host; nil is any other.
func onSite(base *url.URL, link string) *url.URL {
	if base == nil || base.Scheme != "http" && base.Scheme != "https" || link[0] != '/' || len(base.Host)+len(link)+len("https://") > maxURL {
		return nil
	}
	for i := 1; i < len(link); i++ {
		switch c := link[i]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_':
		case c == '/' && link[i-1] != '/', c == '.' && link[i-1] != '/' && link[i-1] != '.': // neither "//" nor dots that climb
		default:
			return nil
		}
	}
	for i := range len(base.Host) {
		if c := base.Host[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != ':' {
			return nil
		}
	}
	if base.Host == "" {
		return nil
	}
	return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: link}
}

// spelled is the address with the letters that the page wrote it in: a link with
// an "é" stays one, a link with "%C3%A9" too.
func spelled(u *url.URL, raw string) string {
	s := u.String()
	if strings.Contains(raw, "%") || strings.IndexFunc(raw, func(r rune) bool { return r >= 0x80 }) < 0 {
		return s
	}
	return escapedLetters.ReplaceAllStringFunc(s, func(m string) string {
		if t, err := url.PathUnescape(m); err == nil && utf8.ValidString(t) && plain(t, len(t)) == t {
			return t
		}
		return m
	})
}

var escapedLetters = regexp.MustCompile(`(?:%[89A-Fa-f][0-9A-Fa-f])+`)

// prune drops query parameters, or all but some; what stays keeps its order.
func prune(u *url.URL, drop, keep []string, only bool) *url.URL {
	if u.RawQuery == "" || len(drop) == 0 && !only {
		return u
	}
	out := *u
	var parts []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if n, err := url.QueryUnescape(name); err == nil {
			name = n
		}
		if only == contains(keep, name) && !contains(drop, name) {
			parts = append(parts, part)
		}
	}
	out.RawQuery = strings.Join(parts, "&")
	return &out
}

// contains looks a parameter up; "utm_*" stands for all that begin so.
func contains(list []string, name string) bool {
	for _, l := range list {
		if head, ok := strings.CutSuffix(l, "*"); ok && strings.HasPrefix(name, head) || l == name {
			return true
		}
	}
	return false
}

// expand fills a template's placeholders; ok is false where one has no value. A
// value in a path or query is escaped; one that is the whole address isn't.
func expand(template string, vars map[string]string) (string, bool) {
	ok := true
	whole := holeForm.ReplaceAllString(template, "") == ""
	inQuery := strings.IndexByte(template, '?')
	at := 0
	var b strings.Builder
	for _, m := range holeForm.FindAllStringSubmatchIndex(template, -1) {
		b.WriteString(template[at:m[0]])
		v, has := vars[template[m[2]:m[3]]]
		ok = ok && has
		switch {
		case whole || m[0] == 0:
			b.WriteString(v)
		case inQuery >= 0 && m[0] > inQuery:
			b.WriteString(url.QueryEscape(v))
		default:
			// Slashes stay: a seed may be a path.
			parts := strings.Split(v, "/")
			for i := range parts {
				parts[i] = url.PathEscape(parts[i])
			}
			b.WriteString(strings.Join(parts, "/"))
		}
		at = m[1]
	}
	b.WriteString(template[at:])
	return b.String(), ok
}
