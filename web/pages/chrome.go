// Package pages renders views as HTML: templ components in one layout, and nothing
// else. `make generate` makes the _templ.go files, which are committed.
//
// Its one invariant: no component decides. What is shown, in which order, under
// which address is in the view; words come from the locale's catalogue, and scraped
// text is only ever text.
package pages

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/locale"
)

// Chrome is what stands around every page.
type Chrome struct {
	L       *locale.Locale
	Country cashback.Country
	// Default is the country that addresses needn't name.
	Default cashback.Country
	// Countries are those with public portals.
	Countries []cashback.Country
	// Others are the same page in the other languages; Self is its own address.
	Others []Other
	Self   string
	// Here is the part of the site that the page belongs to: "home", "shops" …
	Here    string
	Query   string
	Asset   func(name string) string
	Version string
	Zone    string
	// Accounts says that people can sign in here; User is who has, nil for nobody.
	Accounts bool
	User     *Visitor
	// Flash is what has just been done, in a sentence.
	Flash string
}

// Visitor is who the page is made for.
type Visitor struct {
	Email    string // empty for the one person of a site without accounts
	Operator bool
}

// Other is the page in another language.
type Other struct{ Lang, Name, URL string }

// URL is the address of a page of this language, with the country where it isn't
// the default one. Empty values are left out.
func (c Chrome) URL(path string, pairs ...string) string {
	q := url.Values{}
	if c.Country != c.Default && c.Country != "" {
		q.Set("country", string(c.Country))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Add(pairs[i], pairs[i+1])
		}
	}
	return c.plain(path, q)
}

// Plain is URL without the country, for pages whose address says it by itself.
func (c Chrome) Plain(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Add(pairs[i], pairs[i+1])
		}
	}
	return c.plain(path, q)
}

func (c Chrome) plain(path string, q url.Values) string {
	u := "/" + c.L.Lang
	if path != "" {
		u += "/" + path
	}
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	return u
}

// In is the chrome of another country.
func (c Chrome) In(country cashback.Country) Chrome {
	c.Country = country
	return c
}

// T is the message of key.
func (c Chrome) T(key string, args ...any) string { return c.L.T(key, args...) }

// Foreign is an address that was read from a page or a definition: only http and
// https pass; anything else becomes no link at all.
func Foreign(s string) (templ.SafeURL, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return "", false
	}
	return templ.SafeURL(u.String()), true
}

// host is the part of an address that people recognise.
func host(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	return strings.TrimPrefix(u.Host, "www.")
}

// initial is the letter on a shop's tile.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	r, _ := utf8.DecodeRuneInString(name)
	if r == utf8.RuneError {
		return ""
	}
	return string(r)
}

func countryCode(s string) cashback.Country { return cashback.Country(s) }
