package fetch

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// challenge names a wall that asks whether we are human. We aren't: the answer is
// "blocked", the breaker opens, and nothing is done to get past it. Called once
// with the headers alone (body nil) and once with the body.
func challenge(status int, h http.Header, body []byte) *Error {
	blocked := func(who string) *Error {
		return &Error{Outcome: cashback.PageBlocked, Status: status, Host: true, Reason: "the host asks whether we are human (" + who + ")"}
	}
	if body == nil {
		switch {
		case strings.EqualFold(h.Get("Cf-Mitigated"), "challenge"):
			return blocked("Cloudflare")
		case h.Get("X-Amzn-Waf-Action") != "":
			return blocked("AWS WAF")
		case status == http.StatusForbidden && (h.Get("X-Datadome") != "" || h.Get("X-Dd-B") != ""):
			return blocked("DataDome")
		case status == http.StatusForbidden && h.Get("X-Px-Authorization") != "":
			return blocked("PerimeterX")
		}
		return nil
	}
	head := body[:min(len(body), 64<<10)]
	if status == http.StatusForbidden || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == http.StatusUnauthorized || status == http.StatusMethodNotAllowed {
		head = bytes.ToLower(head)
		for mark, who := range map[string]string{
			"/cdn-cgi/challenge-platform/": "Cloudflare", "cf-chl-": "Cloudflare", "cf-error-details": "Cloudflare",
			"captcha-delivery.com": "DataDome", "_incapsula_resource": "Imperva", "px-captcha": "PerimeterX",
			"awswafcookiedomainlist": "AWS WAF", "ddos-guard": "DDoS-Guard", "sucuri website firewall": "Sucuri",
			"g-recaptcha": "reCAPTCHA", "hcaptcha.com": "hCaptcha", "challenges.cloudflare.com": "Cloudflare",
			"errors.edgesuite.net": "Akamai",
		} {
			if bytes.Contains(head, []byte(mark)) {
				return blocked(who)
			}
		}
	}
	// As 200 only by the title of a small page: ordinary pages load the same scripts.
	if len(body) <= 64<<10 {
		if title := pageTitle(head); title != "" {
			for _, t := range []string{
				"just a moment...", "attention required! | cloudflare", "pardon our interruption", "ddos-guard", "checking your browser",
				"robot or human?", "are you a robot?", "are you human?", "verify you are human", "please verify you are a human", "un instant…", "human verification", "access to this page has been denied", "captcha",
			} {
				if title == t || strings.HasPrefix(title, t) {
					return blocked("its page is titled “" + short(title) + "”")
				}
			}
		}
	}
	return nil
}

// pageTitle is the text of the first title element of a page in lower case.
func pageTitle(head []byte) string {
	rest, ok := afterTag(head, "<title")
	if !ok {
		return ""
	}
	_, rest, ok = bytes.Cut(rest, []byte(">"))
	if !ok {
		return ""
	}
	const most = 200
	rest = rest[:min(len(rest), most+len("</title"))]
	title, _, ok := bytes.Cut(bytes.ToLower(rest), []byte("</title"))
	if !ok {
		return ""
	}
	return strings.Join(strings.Fields(string(title)), " ")
}

// afterTag is what follows the first occurrence of a tag's beginning, in any case.
func afterTag(b []byte, tag string) ([]byte, bool) {
	for {
		i := bytes.IndexByte(b, '<')
		if i < 0 || len(b)-i < len(tag) {
			return nil, false
		}
		if strings.EqualFold(string(b[i:i+len(tag)]), tag) {
			return b[i+len(tag):], true
		}
		b = b[i+1:]
	}
}
