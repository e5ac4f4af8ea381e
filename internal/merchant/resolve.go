package merchant

import (
	"fmt"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Record is an entry outside of any portal: what `cagnotte merchants resolve` reads.
type Record struct {
	ID       string
	Market   cashback.Country
	Name     string
	Domain   string
	Category string
}

// Decision is where a record belongs.
type Decision struct {
	RecordID string
	// Cluster is the same for records of one shop: the storefront and the leading
	// name ("FR:fnac"). A record without a usable name is alone in its cluster.
	Cluster    string
	Confidence float64
	Review     bool
	Reasons    []string
	Candidates []Candidate
}

// Resolve resolves records among themselves, as a catalogue that holds nothing
// else would. The answers stand in the records' order.
func (r *Rules) Resolve(records []Record) []Decision {
	c := New(r)
	entries := make([]cashback.Entry, len(records))
	for i, rec := range records {
		entries[i] = cashback.Entry{Key: fmt.Sprint(i), Name: rec.Name, Country: rec.Market, Domain: rec.Domain, Category: rec.Category}
	}
	c.Upsert("", entries)
	out := make([]Decision, len(records))
	for i, rec := range records {
		e := c.entries[Ref{"", entries[i].Key}]
		d := Decision{RecordID: rec.ID, Confidence: 1, Reasons: c.reasons(e)}
		if e.group == nil {
			d.Cluster = "?:" + rec.ID
		} else {
			d.Cluster = c.label(e.group.cluster.groups[0])
			if at := indexOf(e.group.cluster.groups, e.group); at > 0 {
				d.Confidence = e.group.cluster.scores[at]
			}
		}
		if rv, ok := c.reviews[e.ref]; ok {
			d.Review, d.Confidence, d.Candidates = true, rv.Confidence, rv.Candidates
			for j := range d.Candidates {
				if m := c.merchants[d.Candidates[j].Merchant]; m != nil {
					d.Candidates[j].Cluster = c.label(m.cluster.groups[0])
				}
			}
			d.Reasons = append(d.Reasons, rv.Reasons...)
		}
		out[i] = d
	}
	return out
}

func indexOf(gs []*group, g *group) int {
	for i, o := range gs {
		if o == g {
			return i
		}
	}
	return -1
}

// label names a group's cluster.
func (c *Catalogue) label(g *group) string {
	s := string(g.storefront)
	if s == "" {
		s = "*"
	}
	s += ":" + g.key
	if g.sense != "" {
		s += "~" + strings.TrimPrefix(g.sense, "=")
	}
	if g.pin != 0 {
		s += fmt.Sprintf("#%d", g.pin)
	}
	return s
}

// Explanation is why two names are one shop or two.
type Explanation struct {
	Same       bool
	Doubtful   bool
	Confidence float64
	// A and B say what was read of each name; Reasons what follows.
	A, B    []string
	Reasons []string
}

// Explain compares two records as if they were alone.
func (r *Rules) Explain(a, b Record) Explanation {
	a.ID, b.ID = "a", "b"
	c := New(r)
	c.Upsert("", []cashback.Entry{
		{Key: "a", Name: a.Name, Country: a.Market, Domain: a.Domain, Category: a.Category},
		{Key: "b", Name: b.Name, Country: b.Market, Domain: b.Domain, Category: b.Category},
	})
	x, y := c.entries[Ref{"", "a"}], c.entries[Ref{"", "b"}]
	ex := Explanation{A: r.readAloud(x), B: r.readAloud(y)}
	switch {
	case x.group == nil || y.group == nil:
		ex.Reasons = []string{"a name that names no shop is compared with nothing"}
		return ex
	case x.group == y.group:
		ex.Same, ex.Confidence = true, 1
		ex.Reasons = []string{fmt.Sprintf("both read %q in the storefront of %s", x.group.key, storefrontName(x.group.storefront))}
		return ex
	case x.group.storefront != y.group.storefront:
		ex.Confidence = 1
		ex.Reasons = []string{fmt.Sprintf("storefronts of two countries, %s and %s, are two shops", storefrontName(x.group.storefront), storefrontName(y.group.storefront))}
		return ex
	}
	v := r.decide(x.group, y.group, true)
	ex.Same = x.merchant == y.merchant
	ex.Doubtful = !ex.Same && !v.apart && v.score >= doubtful
	ex.Confidence = v.score
	if !ex.Same {
		ex.Confidence = 1 - v.score
	}
	ex.Reasons = v.why
	return ex
}

func storefrontName(c cashback.Country) string {
	if c == Global {
		return "every country"
	}
	return string(c)
}

// readAloud says what was read of an entry's name and domain.
func (r *Rules) readAloud(e *entry) []string {
	f, ok := r.read(e.market, e.name, e.site)
	out := f.notes
	if !ok {
		return append(out, "nothing that names a shop is left")
	}
	if len(f.extras) > 0 {
		var ws []string
		for _, w := range f.extras {
			ws = append(ws, w.text)
		}
		out = append(out, fmt.Sprintf("core %q, besides it %q", f.core, strings.Join(ws, " ")))
	}
	out = append(out, fmt.Sprintf("read as %q in %s", f.key, storefrontName(e.bucket.storefront)))
	switch {
	case e.domain == "":
	case e.site.own:
		out = append(out, fmt.Sprintf("domain %s", e.site.host))
	default:
		out = append(out, fmt.Sprintf("%s is a tracking host or no domain, and no evidence", short(e.domain)))
	}
	return out
}
