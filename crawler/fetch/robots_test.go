package fetch

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// may asks with a path that is escaped already, as Google's tests do.
func may(robots, agent, path string) bool {
	return ParseRobots([]byte(robots), agent).allows(path)
}

// TestRobotsVerdicts says, in our own vectors, what Google's published tests of
// its parser expect (robots_test.cc, by the names there) and what RFC 9309 adds.
func TestRobotsVerdicts(t *testing.T) {
	long := func(c string, key string) string {
		return "/x/" + strings.Repeat(c, MaxURL*8-2*len("/x/")-len(key)+1)
	}
	type ask struct {
		agent, path string
		want        bool
	}
	fish := []ask{
		{"AcmeBot", "/meat", false}, {"AcmeBot", "/fish", true}, {"AcmeBot", "/fish.html", true}, {"AcmeBot", "/fish/salmon.html", true},
		{"AcmeBot", "/fishheads", true}, {"AcmeBot", "/fishheads/yummy.html", true}, {"AcmeBot", "/fish.html?id=anything", true},
		{"AcmeBot", "/Fish.asp", false}, {"AcmeBot", "/catfish", false}, {"AcmeBot", "/?id=fish", false},
	}
	for _, c := range []struct {
		name   string
		robots string
		asks   []ask
	}{
		{"SystemTest: nothing said", "", []ask{{"AcmeBot", "/", true}, {"", "/", true}}},
		{"SystemTest: an agent without a name", "user-agent: AcmeBot\ndisallow: /\n", []ask{{"", "/", true}, {"AcmeBot", "/", false}}},
		{"LineSyntax: a pair", "user-agent: AcmeBot\ndisallow: /\n", []ask{{"AcmeBot", "/p/q", false}}},
		{"LineSyntax: unknown names", "agent: AcmeBot\nforbid: /\n", []ask{{"AcmeBot", "/p/q", true}}},
		{"LineSyntax: no colon", "user-agent AcmeBot\ndisallow /\n", []ask{{"AcmeBot", "/p/q", false}}},
		{"LineSyntax: no colon and three words", "user-agent AcmeBot\ndisallow / all\n", []ask{{"AcmeBot", "/p/q", true}}},
		{"Groups", "allow: /lost/\n\nuser-agent: AcmeBot\ndisallow: /\nallow: /a/\nuser-agent: BetaBot\ndisallow: /\nallow: /b/\n\n\nallow: /c/\nuser-agent: CeeBot\n\nuser-agent: AcmeBot\nallow: /d/\ndisallow: /\n", []ask{
			{"AcmeBot", "/a/1", true}, {"AcmeBot", "/d/1", true}, {"AcmeBot", "/b/1", false},
			{"BetaBot", "/b/1", true}, {"BetaBot", "/c/1", true}, {"BetaBot", "/d/1", false},
			{"CeeBot", "/d/1", true},
			{"AcmeBot", "/lost/", false}, {"BetaBot", "/lost/", false}, {"CeeBot", "/lost/", false},
		}},
		{"Groups: a sitemap ends no list of agents", "User-agent: BetaBot\nSitemap: https://acme.test/s.xml\nUser-agent: *\nDisallow: /\n", []ask{{"AcmeBot", "/p", false}, {"BetaBot", "/p", false}}},
		{"Groups: nor does an unknown line", "User-agent: AcmeBot\nNoSuchLine: 1\nUser-agent: *\nDisallow: /\n", []ask{{"AcmeBot", "/p", false}, {"BetaBot", "/p", false}}},
		{"Groups: nor a Crawl-delay", "User-agent: AcmeBot\nCrawl-delay: 4\nUser-agent: BetaBot\nDisallow: /\n", []ask{{"AcmeBot", "/p", false}, {"BetaBot", "/p", false}, {"CeeBot", "/p", true}}},
		{"REPLineNamesCaseInsensitive: capitals", "USER-AGENT: AcmeBot\nALLOW: /a/\nDISALLOW: /\n", []ask{{"AcmeBot", "/a/b", true}, {"AcmeBot", "/b/b", false}}},
		{"REPLineNamesCaseInsensitive: small", "user-agent: AcmeBot\nallow: /a/\ndisallow: /\n", []ask{{"AcmeBot", "/a/b", true}, {"AcmeBot", "/b/b", false}}},
		{"REPLineNamesCaseInsensitive: camel", "uSeR-aGeNt: AcmeBot\nAlLoW: /a/\ndIsAlLoW: /\n", []ask{{"AcmeBot", "/a/b", true}, {"AcmeBot", "/b/b", false}}},
		{"UserAgentValueCaseInsensitive: capitals", "User-Agent: ACME BOT\nAllow: /a/\nDisallow: /\n", []ask{{"Acme", "/a/b", true}, {"Acme", "/b/b", false}, {"acme", "/a/b", true}, {"acme", "/b/b", false}}},
		{"UserAgentValueCaseInsensitive: small", "User-Agent: acme bot\nAllow: /a/\nDisallow: /\n", []ask{{"Acme", "/a/b", true}, {"Acme", "/b/b", false}, {"acme", "/a/b", true}, {"acme", "/b/b", false}}},
		{"UserAgentValueCaseInsensitive: camel", "User-Agent: aCmE bOt\nAllow: /a/\nDisallow: /\n", []ask{{"Acme", "/a/b", true}, {"Acme", "/b/b", false}, {"acme", "/a/b", true}, {"acme", "/b/b", false}}},
		{"AcceptUserAgentUpToFirstSpace", "User-Agent: *\nDisallow: /\nUser-Agent: Acme Bot\nAllow: /a/\nDisallow: /\n", []ask{{"Acme", "/a/b", true}, {"Acme Bot", "/a/b", false}}},
		{"product token: a version behind the name", "User-Agent: AcmeBot/2.1\nDisallow: /\n", []ask{{"AcmeBot", "/", false}, {"acme", "/", true}}},
		{"product token: not a prefix of another", "User-Agent: Acme\nDisallow: /\n", []ask{{"AcmeBot", "/", true}}},
		{"product token: not the whole header", "User-Agent: Mozilla\nDisallow: /\n", []ask{{"AcmeBot", "/", true}}},
		{"GlobalGroups: none", "", []ask{{"AcmeBot", "/p/q", true}}},
		{"GlobalGroups: the star is for the others", "user-agent: *\nallow: /\nuser-agent: AcmeBot\ndisallow: /\n", []ask{{"AcmeBot", "/p/q", false}, {"BetaBot", "/p/q", true}}},
		{"GlobalGroups: star and words", "user-agent: * everybody\ndisallow: /\n", []ask{{"AcmeBot", "/p/q", false}}},
		{"GlobalGroups: only others are named", "user-agent: AcmeBot\nallow: /\nuser-agent: BetaBot\ndisallow: /\nuser-agent: CeeBot\ndisallow: /\n", []ask{{"DeeBot", "/p/q", true}}},
		{"AllowDisallow_Value_CaseSensitive", "user-agent: AcmeBot\ndisallow: /a/\n", []ask{{"AcmeBot", "/a/b", false}}},
		{"AllowDisallow_Value_CaseSensitive: other case", "user-agent: AcmeBot\ndisallow: /A/\n", []ask{{"AcmeBot", "/a/b", true}}},
		{"LongestMatch: disallow is longer", "user-agent: AcmeBot\ndisallow: /a/page.html\nallow: /a/\n", []ask{{"AcmeBot", "/a/page.html", false}}},
		{"LongestMatch: allow is longer", "user-agent: AcmeBot\nallow: /a/page.html\ndisallow: /a/\n", []ask{{"AcmeBot", "/a/page.html", true}, {"AcmeBot", "/a/", false}}},
		{"LongestMatch: both empty", "user-agent: AcmeBot\ndisallow: \nallow: \n", []ask{{"AcmeBot", "/a/page.html", true}}},
		{"LongestMatch: a tie of slashes", "user-agent: AcmeBot\ndisallow: /\nallow: /\n", []ask{{"AcmeBot", "/a/page.html", true}}},
		{"LongestMatch: with and without slash", "user-agent: AcmeBot\ndisallow: /a\nallow: /a/\n", []ask{{"AcmeBot", "/a", false}, {"AcmeBot", "/a/", true}}},
		{"LongestMatch: a tie of pages", "user-agent: AcmeBot\ndisallow: /a/page.html\nallow: /a/page.html\n", []ask{{"AcmeBot", "/a/page.html", true}}},
		{"LongestMatch: wildcard is longer", "user-agent: AcmeBot\nallow: /page\ndisallow: /*.html\n", []ask{{"AcmeBot", "/page.html", false}, {"AcmeBot", "/page", true}}},
		{"LongestMatch: wildcard is shorter", "user-agent: AcmeBot\nallow: /a/page.\ndisallow: /*.html\n", []ask{{"AcmeBot", "/a/page.html", true}, {"AcmeBot", "/a/y.html", false}}},
		{"LongestMatch: the own group hides the star", "User-agent: *\nDisallow: /a/\nUser-agent: AcmeBot\nDisallow: /b/\n", []ask{{"AcmeBot", "/a/page", true}, {"AcmeBot", "/b/page", false}}},
		{"Encoding: a URL in the query", "User-agent: AcmeBot\nDisallow: /\nAllow: /f/b?q=t&z=http://acme.test?u&v\n", []ask{{"AcmeBot", "/f/b?q=t&z=http://acme.test?u&v", true}}},
		{"Encoding: letters of three bytes", "User-agent: AcmeBot\nDisallow: /\nAllow: /f/b/ツ\n", []ask{{"AcmeBot", "/f/b/%E3%83%84", true}, {"AcmeBot", "/f/b/ツ", false}}},
		{"Encoding: the same, escaped", "User-agent: AcmeBot\nDisallow: /\nAllow: /f/b/%E3%83%84\n", []ask{{"AcmeBot", "/f/b/%E3%83%84", true}, {"AcmeBot", "/f/b/ツ", false}}},
		{"Encoding: escaped letters let nothing more in", "User-agent: AcmeBot\nDisallow: /\nAllow: /f/b/%62%61%7A\n", []ask{{"AcmeBot", "/f/b/baz", false}, {"AcmeBot", "/f/b/%62%61%7A", true}}},
		{"SpecialCharacters: star", "User-agent: AcmeBot\nDisallow: /f/b/quz\nAllow: /f/*/qux\n", []ask{{"AcmeBot", "/f/b/quz", false}, {"AcmeBot", "/f/quz", true}, {"AcmeBot", "/f//quz", true}, {"AcmeBot", "/f/bax/quz", true}}},
		{"SpecialCharacters: dollar", "User-agent: AcmeBot\nDisallow: /f/b$\nAllow: /f/b/qux\n", []ask{{"AcmeBot", "/f/b", false}, {"AcmeBot", "/f/b/qux", true}, {"AcmeBot", "/f/b/", true}, {"AcmeBot", "/f/b/baz", true}}},
		{"SpecialCharacters: comment", "User-agent: AcmeBot\n# Disallow: /\nDisallow: /f/quz#qux\nAllow: /\n", []ask{{"AcmeBot", "/f/b", true}, {"AcmeBot", "/f/quz", false}}},
		{"IndexHTMLisDirectory", "User-Agent: *\nAllow: /open/index.html\nDisallow: /\n", []ask{{"acmebot", "/open/", true}, {"acmebot", "/open/index.htm", false}, {"acmebot", "/open/index.html", true}, {"acmebot", "/closed", false}}},
		{"LineTooLong: the rule is cut", "user-agent: AcmeBot\ndisallow: " + long("a", "disallow: ") + "/qux\n", []ask{{"AcmeBot", "/fux", true}, {"AcmeBot", long("a", "disallow: ") + "/fux", false}}},
		{"LineTooLong: allow", "user-agent: AcmeBot\ndisallow: /\nallow: " + long("a", "allow: ") + "/qux\nallow: " + long("b", "allow: ") + "/qux\n", []ask{{"AcmeBot", "/", false}, {"AcmeBot", long("a", "allow: ") + "/qux", true}, {"AcmeBot", long("b", "allow: ") + "/fux", true}}},
		{"Documentation: /fish", "user-agent: AcmeBot\ndisallow: /\nallow: /fish\n", fish},
		{"Documentation: /fish*", "user-agent: AcmeBot\ndisallow: /\nallow: /fish*\n", fish},
		{"Documentation: /fish/", "user-agent: AcmeBot\ndisallow: /\nallow: /fish/\n", []ask{
			{"AcmeBot", "/meat", false}, {"AcmeBot", "/fish/", true}, {"AcmeBot", "/fish/salmon", true}, {"AcmeBot", "/fish/?salmon", true}, {"AcmeBot", "/fish/salmon.html", true}, {"AcmeBot", "/fish/?id=anything", true},
			{"AcmeBot", "/fish", false}, {"AcmeBot", "/fish.html", false}, {"AcmeBot", "/Fish/Salmon.html", false},
		}},
		{"Documentation: /*.php", "user-agent: AcmeBot\ndisallow: /\nallow: /*.php\n", []ask{
			{"AcmeBot", "/meat", false}, {"AcmeBot", "/name.php", true}, {"AcmeBot", "/dir/name.php", true}, {"AcmeBot", "/dir/name.php?parameters", true}, {"AcmeBot", "//dir/any.php.file.html", true},
			{"AcmeBot", "/name.php/", true}, {"AcmeBot", "/index?f=name.php/", true}, {"AcmeBot", "/php/", false}, {"AcmeBot", "/index?php", false}, {"AcmeBot", "/windows.PHP", false},
		}},
		{"Documentation: /*.php$", "user-agent: AcmeBot\ndisallow: /\nallow: /*.php$\n", []ask{
			{"AcmeBot", "/meat", false}, {"AcmeBot", "/name.php", true}, {"AcmeBot", "/dir/name.php", true}, {"AcmeBot", "/name.php?parameters", false}, {"AcmeBot", "/name.php/", false},
			{"AcmeBot", "/name.php5", false}, {"AcmeBot", "/php/", false}, {"AcmeBot", "/name?php", false}, {"AcmeBot", "/aaaphpaaa", false}, {"AcmeBot", "//windows.PHP", false},
		}},
		{"Documentation: /fish*.php", "user-agent: AcmeBot\ndisallow: /\nallow: /fish*.php\n", []ask{{"AcmeBot", "/meat", false}, {"AcmeBot", "/fish.php", true}, {"AcmeBot", "/fishheads/catfish.php?parameters", true}, {"AcmeBot", "/Fish.PHP", false}}},
		{"Documentation: precedence", "user-agent: AcmeBot\nallow: /p\ndisallow: /\n", []ask{{"AcmeBot", "/page", true}}},
		{"Documentation: precedence, tie", "user-agent: AcmeBot\nallow: /dir\ndisallow: /dir\n", []ask{{"AcmeBot", "/dir/page", true}}},
		{"Documentation: precedence, wildcard", "user-agent: AcmeBot\nallow: /page\ndisallow: /*.htm\n", []ask{{"AcmeBot", "/page.htm", false}}},
		{"Documentation: precedence, the root only", "user-agent: AcmeBot\nallow: /$\ndisallow: /\n", []ask{{"AcmeBot", "/", true}, {"AcmeBot", "/page.html", false}}},
		{"LinesNumbers: DOS", "User-Agent: acme\r\nAllow: /some/path\r\nUser-Agent: beta\r\n\r\n\r\nDisallow: /\r\n", []ask{{"beta", "/", false}, {"acme", "/", true}}},
		{"LinesNumbers: Mac", "User-Agent: acme\rAllow: /some/path\rUser-Agent: beta\r\r\rDisallow: /\r", []ask{{"beta", "/", false}, {"acme", "/", true}}},
		{"LinesNumbers: no last line end", "User-Agent: acme\nAllow: /some/path\nUser-Agent: beta\n\n\nDisallow: /", []ask{{"beta", "/", false}, {"acme", "/", true}}},
		{"LinesNumbers: mixed", "User-Agent: acme\nAllow: /some/path\r\nUser-Agent: beta\n\r\n\nDisallow: /", []ask{{"beta", "/", false}, {"acme", "/", true}}},
		{"UTF8ByteOrderMarkIsSkipped", "\xEF\xBB\xBFUser-Agent: acme\nDisallow: /\n", []ask{{"acme", "/", false}}},
		{"UTF8ByteOrderMarkIsSkipped: two bytes of it", "\xEF\xBBUser-Agent: acme\nDisallow: /\n", []ask{{"acme", "/", false}}},
		{"UTF8ByteOrderMarkIsSkipped: one byte of it", "\xEFUser-Agent: acme\nDisallow: /\n", []ask{{"acme", "/", false}}},
		{"UTF8ByteOrderMarkIsSkipped: broken", "\xEF\x11\xBFUser-Agent: acme\nDisallow: /\n", []ask{{"acme", "/", true}}},
		{"UTF8ByteOrderMarkIsSkipped: in the middle", "User-Agent: acme\n\xEF\xBB\xBFDisallow: /\n", []ask{{"acme", "/", true}}},
		{"misspelt names", "useragent: acme\ndissallow: /a\ndissalow: /b\ndisalow: /c\ndiasllow: /d\ndisallaw: /e\n", []ask{{"acme", "/a", false}, {"acme", "/b", false}, {"acme", "/c", false}, {"acme", "/d", false}, {"acme", "/e", false}, {"acme", "/f", true}}},

		// RFC 9309.
		{"RFC 9309, 5.1", "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\nUser-Agent: acmebot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\nUser-Agent: betabot\nUser-Agent: ceebot\nDisallow:/example/page.html\n\nUser-Agent: quietbot\n\nEOF\n", []ask{
			{"acmebot", "/example/page.html", true}, {"acmebot", "/publications/", false}, {"acmebot", "/example/allowed.gif", true},
			{"betabot", "/example/page.html", false}, {"ceebot", "/example/page.html", false}, {"ceebot", "/example/", true}, {"quietbot", "/example/", true},
			{"deebot", "/a.gif", false}, {"deebot", "/example/", false}, {"deebot", "/publications/", true},
		}},
		{"RFC 9309, 5.2: the longest", "User-Agent: acmebot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n", []ask{{"acmebot", "/example/page/disallowed.gif", false}, {"acmebot", "/example/page/", true}}},
		{"RFC 9309, 2.2.2: a rule's escaped letters forbid the letters", "User-Agent: acmebot\nDisallow: /f/b/%62%61%7A\n", []ask{{"acmebot", "/f/b/baz", false}, {"acmebot", "/f/b/%62%61%7A", false}, {"acmebot", "/f/b/bar", true}}},
		{"RFC 9309, 2.2.2: an address's escaped letters don't slip by", "User-Agent: acmebot\nDisallow: /secret\n", []ask{{"acmebot", "/%73ecret", false}, {"acmebot", "/secre%74", false}}},
		{"RFC 9309, 2.2.2: reserved characters of the query", "User-Agent: acmebot\nDisallow: /f/b?z=https://acme.test\n", []ask{{"acmebot", "/f/b?z=https%3A%2F%2Facme.test", false}}},
		{"RFC 9309, 2.2.3: an escaped star is a star", "User-Agent: acmebot\nDisallow: /\nAllow: /file-with-a-%2A.html\n", []ask{{"acmebot", "/file-with-a-*.html", true}, {"acmebot", "/file-with-a-x.html", false}}},
		{"RFC 9309, 2.2.3: an escaped dollar is a dollar", "User-Agent: acmebot\nDisallow: /foo-%24\n", []ask{{"acmebot", "/foo-$", false}, {"acmebot", "/foo-", true}}},
		{"many stars", "User-Agent: acmebot\nDisallow: /" + strings.Repeat("*a", 5000) + "$\n", []ask{{"acmebot", "/" + strings.Repeat("a", 2000), true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, a := range c.asks {
				if got := may(c.robots, a.agent, a.path); got != a.want {
					t.Errorf("%q on %.60q: allowed = %v, want %v", a.agent, a.path, got, a.want)
				}
			}
		})
	}
}

// TestRobotsAddress holds what of a URL is compared: escaped path and query, no
// fragment; and that robots.txt itself may always be read.
func TestRobotsAddress(t *testing.T) {
	r := ParseRobots([]byte("User-agent: *\nDisallow: /?a\nDisallow: /a;b\nDisallow: /ツ\nDisallow: /robots\n"), "AcmeBot")
	for raw, want := range map[string]bool{
		"https://acme.test":            true,
		"https://acme.test?a":          false,
		"https://acme.test/?a=1":       false,
		"https://acme.test/a;b#c":      false,
		"https://acme.test/b#/?a":      true,
		"https://acme.test/ツ":          false,
		"https://acme.test/%e3%83%84":  false,
		"https://acme.test/robots.txt": true,
		"https://acme.test/robotsx":    false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Allows(u); got != want {
			t.Errorf("%s: allowed = %v, want %v", raw, got, want)
		}
	}
}

// TestRobotsNames holds what is compared: patterns escaped as Google's parser does
// (its MaybeEscapePattern), and that our own token is one that a group can name
// (its IsValidUserAgentToObey).
func TestRobotsNames(t *testing.T) {
	for pattern, want := range map[string]string{"http://acme.test": "http://acme.test", "/a/b/c": "/a/b/c", "á": "%C3%A1", "%aa": "%AA", "/%zz%e3": "/%zz%E3", "": ""} {
		if got := escapePattern(pattern); got != want {
			t.Errorf("%q is compared as %q, want %q", pattern, got, want)
		}
	}
	for name, token := range map[string]string{"AcmeBot": "AcmeBot", "AcmeBot-Two": "AcmeBot-Two", "Acme_Bot": "Acme_Bot", Product: Product, "": "", "ツ": "", "AcmeBot*": "AcmeBot", " AcmeBot ": "", "AcmeBot/2.1": "AcmeBot", "AcmeBot Two": "AcmeBot"} {
		if got := productToken(name); got != token {
			t.Errorf("the token of %q is %q, want %q", name, got, token)
		}
	}
}

func TestCrawlDelay(t *testing.T) {
	for _, c := range []struct {
		robots string
		want   time.Duration
	}{
		{"User-agent: *\nCrawl-delay: 10\nDisallow:\n", 10 * time.Second},
		{"User-agent: AcmeBot\nCrawl-delay: 2.5\nDisallow:\nUser-agent: *\nCrawl-delay: 10\n", 2500 * time.Millisecond},
		{"User-agent: AcmeBot\nCrawl-delay: 0,5\n", 500 * time.Millisecond},
		{"User-agent: BetaBot\nCrawl-delay: 5\nDisallow: /x\nUser-agent: AcmeBot\nDisallow: /y\n", 0},
		{"User-agent: *\nCrawl-delay: 1e300\n", 24 * time.Hour},
		{"User-agent: *\nCrawl-delay: -4\n", 0},
		{"User-agent: *\nCrawl-delay: NaN\n", 0},
		{"User-agent: *\nCrawl-delay: soon\n", 0},
	} {
		if got := ParseRobots([]byte(c.robots), "AcmeBot").Delay; got != c.want {
			t.Errorf("%q: delay %v, want %v", c.robots, got, c.want)
		}
	}
}

func FuzzRobots(f *testing.F) {
	f.Add([]byte("User-agent: *\nDisallow: /*a$\nAllow: /%41\nCrawl-delay: 1\n"), "/aaa")
	f.Add([]byte("\xEF\xBBuseragent a\rdisallow /\r\n"), "/?x=%2f")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		r := ParseRobots(body, "AcmeBot")
		if r.Delay < 0 || r.Delay > maxCrawlDelay {
			t.Fatalf("a delay of %v", r.Delay)
		}
		r.allows(path)
		for _, rule := range r.rules[:min(len(r.rules), 20)] {
			if len(rule.pattern) > 200 || !utf8.ValidString(path) {
				continue
			}
			// The same rule as a regular expression.
			pattern, end := strings.CutSuffix(rule.pattern, "$")
			expr := "^(?s:" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + ")"
			if end {
				expr += "$"
			}
			if got, want := wildcardMatch(path, rule.pattern), regexp.MustCompile(expr).MatchString(path); got != want {
				t.Fatalf("%q on %q: %v, want %v", rule.pattern, path, got, want)
			}
		}
	})
}
