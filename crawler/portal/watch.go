package portal

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// ReadAs reads a page by the rule of that name, whatever its address.
func (d *Definition) ReadAs(rule string, p Page) (Reading, error) {
	r := d.ruleNamed(rule)
	if r == nil {
		names := make([]string, len(d.rules))
		for i := range d.rules {
			names[i] = d.rules[i].name
		}
		return Reading{}, cashback.Errorf(cashback.Invalid, "the definition has no rule %q: there are %s", short(rule), strings.Join(names, ", "))
	}
	if p.Request.Rule == "" {
		asked := cmp.Or(p.Request.URL, p.URL)
		p.Request = Request{URL: asked, Rule: r.name, Kind: r.kind}
		for _, c := range d.identify(asked) {
			if c.rule == r {
				p.Request = c.request
			}
		}
	}
	return d.readBy(r, p), nil
}

// Phrases says of each watched phrase whose source is this page whether the page
// still says it; nil where none is. White space and case don't count.
func (d *Definition) Phrases(p Page) map[string]bool {
	at, err := url.Parse(p.URL)
	if err != nil {
		return nil
	}
	var out map[string]bool
	text := ""
	for _, w := range d.watches {
		u, err := url.Parse(w.URL)
		if err != nil || !sameHost(u.Host, at.Host) || strings.TrimSuffix(u.Path, "/") != strings.TrimSuffix(at.Path, "/") {
			continue
		}
		if out == nil {
			out = map[string]bool{}
			text = strings.ToLower(pageText(p))
		}
		out[w.Phrase] = strings.Contains(text, strings.ToLower(plain(w.Phrase, maxRateText)))
	}
	return out
}

// pageText is a page's visible text; what can't be read has none.
func pageText(p Page) (text string) {
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	return newReader(nil, &p).wholeText()
}
