package fetch

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxRobots is how much of a robots.txt is read and parsed (RFC 9309, 2.5).
	maxRobots = 500 << 10
	// maxRobotsLine is how much of one line counts: Google's parser takes eight
	// times the longest URL, less the byte that ends its string.
	maxRobotsLine = MaxURL*8 - 1
	// maxCrawlDelay bounds a Crawl-delay: above a day it is a no in other words, and
	// the run's own bounds end it anyway.
	maxCrawlDelay = 24 * time.Hour
)

// Robots holds the rules of a robots.txt that concern one product token
// (RFC 9309): the groups that name it, merged, or else those for "*".
type Robots struct {
	rules []robotsRule
	// Delay is the group's Crawl-delay; 0 where it has none.
	Delay time.Duration
}

type robotsRule struct {
	allow bool
	// pattern is the rule as Google's parser compares it: non-ASCII bytes escaped,
	// escapes in capitals. loose is what RFC 9309, 2.2.2 adds.
	pattern, loose string
}

// ParseRobots keeps what concerns product, at most the first 500 KiB. It accepts
// what webmasters really write: any case, any line ending, a missing colon,
// frequent misspellings; it never fails.
func ParseRobots(body []byte, product string) *Robots {
	body = body[:min(len(body), maxRobots)]
	for _, c := range []byte("\xEF\xBB\xBF") { // also half a byte order mark
		if len(body) == 0 || body[0] != c {
			break
		}
		body = body[1:]
	}
	var own, all Robots
	var named, star, known, rulesSeen bool // of the present group; known: product was named anywhere
	for line := range lines(body) {
		key, value, ok := robotsField(line)
		if !ok {
			continue
		}
		switch field := fieldOf(key); field {
		case fieldAgent:
			if rulesSeen { // a rule ended the agents of the group before
				named, star, rulesSeen = false, false, false
			}
			if value == "*" || len(value) > 1 && value[0] == '*' && isSpace(value[1]) {
				star = true
			} else if token := productToken(value); token != "" && strings.EqualFold(token, product) {
				named, known = true, true
			}
		case fieldAllow, fieldDisallow:
			if !named && !star {
				continue // a rule outside of every group, or of another's
			}
			rulesSeen = true
			group := &all
			if named {
				group = &own
			}
			group.add(field == fieldAllow, value)
		case fieldDelay:
			// Like any other record it ends no list of agents (RFC 9309, 2.2.4).
			if d, ok := crawlDelay(value); ok && named {
				own.Delay = max(own.Delay, d)
			} else if ok && star {
				all.Delay = max(all.Delay, d)
			}
		}
	}
	if known {
		return &own
	}
	return &all
}

func (r *Robots) add(allow bool, value string) {
	if value == "" {
		return // an empty rule matches nothing
	}
	pattern := escapePattern(value)
	r.rules = append(r.rules, robotsRule{allow: allow, pattern: pattern, loose: loosen(pattern, !allow, true)})
	// Google reads "Allow: /dir/index.html" as allowing "/dir/" too.
	if slash := strings.LastIndexByte(pattern, '/'); allow && slash >= 0 && strings.HasPrefix(pattern[slash:], "/index.htm") {
		dir := pattern[:slash+1] + "$"
		r.rules = append(r.rules, robotsRule{allow: true, pattern: dir, loose: dir})
	}
}

// Allows reports whether the URL may be asked for.
func (r *Robots) Allows(u *url.URL) bool {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		path += "?" + u.RawQuery
	}
	if path == "/robots.txt" {
		return true // implicitly allowed (RFC 9309, 2.2.2)
	}
	return r.allows(upperEscapes(path))
}

// allows is the verdict on an escaped path with its query: the longest pattern
// that matches decides, Allow wins a tie, no match allows.
//
// Google's parser compares bytes, RFC 9309 also escapes with what they stand for;
// where the two differ ("Allow: /%62" and "/b") the stricter reading is taken.
func (r *Robots) allows(path string) bool {
	wide, strict := loosen(path, true, false), loosen(path, false, false)
	allow, disallow := 0, 0
	for _, rule := range r.rules {
		best := &disallow
		other := wide
		if rule.allow {
			best, other = &allow, strict
		}
		if len(rule.pattern) > *best && wildcardMatch(path, rule.pattern) {
			*best = len(rule.pattern)
		} else if len(rule.loose) > *best && wildcardMatch(other, rule.loose) {
			*best = len(rule.loose)
		}
	}
	return disallow <= allow
}

// wildcardMatch matches a pattern with * and a final $ against the start of path,
// in time linear in the path for each part of the pattern.
func wildcardMatch(path, pattern string) bool {
	end := strings.HasSuffix(pattern, "$")
	if end {
		pattern = pattern[:len(pattern)-1]
	}
	part, rest, more := strings.Cut(pattern, "*")
	if !strings.HasPrefix(path, part) {
		return false
	}
	path = path[len(part):]
	for more {
		part, rest, more = strings.Cut(rest, "*")
		if end && !more { // the last part must sit at the end
			return strings.HasSuffix(path, part)
		}
		i := strings.Index(path, part)
		if i < 0 {
			return false
		}
		path = path[i+len(part):]
	}
	return !end || path == ""
}

const (
	fieldOther = iota
	fieldAgent
	fieldAllow
	fieldDisallow
	fieldDelay
)

// fieldOf reads a line's name with the misspellings that Google's parser accepts.
func fieldOf(key string) int {
	key = strings.ToLower(key)
	for _, f := range []struct {
		field  int
		spelt  []string
		prefix bool
	}{
		{fieldAgent, []string{"user-agent", "useragent", "user agent"}, true},
		{fieldAllow, []string{"allow"}, true},
		{fieldDisallow, []string{"disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"}, true},
		{fieldDelay, []string{"crawl-delay", "crawldelay", "crawl delay"}, false},
	} {
		for _, s := range f.spelt {
			if key == s || f.prefix && strings.HasPrefix(key, s) {
				return f.field
			}
		}
	}
	return fieldOther
}

// robotsField cuts a line into name and value. Where the colon is missing, exactly
// two words are taken as the two.
func robotsField(line []byte) (key, value string, ok bool) {
	if i := bytes.IndexByte(line, '#'); i >= 0 {
		line = line[:i]
	}
	s := strings.Trim(string(line), asciiSpace)
	i := strings.IndexByte(s, ':')
	if i < 0 {
		if i = strings.IndexAny(s, " \t"); i < 0 || strings.ContainsAny(strings.TrimLeft(s[i:], " \t"), " \t") {
			return "", "", false
		}
	}
	key, value = strings.Trim(s[:i], asciiSpace), strings.Trim(s[i+1:], asciiSpace)
	return key, value, key != ""
}

const asciiSpace = " \t\n\v\f\r"

func isSpace(c byte) bool { return strings.IndexByte(asciiSpace, c) >= 0 }

// lines yields the lines of a file with any of the three line endings, each cut
// at maxRobotsLine.
func lines(body []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(body) > 0 {
			line := body
			if i := bytes.IndexAny(body, "\r\n"); i >= 0 {
				line, body = body[:i], body[i+1:]
			} else {
				body = nil
			}
			if !yield(line[:min(len(line), maxRobotsLine)]) {
				return
			}
		}
	}
}

// productToken is the leading part of an agent's name that may be one.
func productToken(s string) string {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_') {
			return s[:i]
		}
	}
	return s
}

func crawlDelay(value string) (time.Duration, bool) {
	seconds, err := strconv.ParseFloat(strings.Replace(value, ",", ".", 1), 64)
	if err != nil || !(seconds >= 0) {
		return 0, false
	}
	if seconds > maxCrawlDelay.Seconds() {
		return maxCrawlDelay, true
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// escapePattern writes bytes outside of ASCII as %XX and escapes in capitals.
func escapePattern(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 0x80 {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return upperEscapes(b.String())
}

// loosen writes one form for what RFC 9309, 2.2.2 and 2.2.3 compare as equal: a
// literal * or $ becomes its escape, reserved characters of the query lose theirs,
// and, where unreserved is set, so do letters, digits and -._~. In a pattern the
// star and the final dollar keep their meaning.
func loosen(s string, unreserved, pattern bool) string {
	if !strings.ContainsAny(s, "%*$") {
		return s
	}
	var b strings.Builder
	query := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '?':
			query = true
		case c == '*' && !pattern, c == '$' && !(pattern && i == len(s)-1):
			if c == '*' {
				b.WriteString("%2A")
			} else {
				b.WriteString("%24")
			}
			continue
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			v, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			d := byte(v)
			if unreserved && isUnreserved(d) || query && strings.IndexByte("!'(),/:;?@[]", d) >= 0 {
				b.WriteByte(d)
			} else {
				b.WriteString(s[i : i+3])
			}
			i += 2
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
