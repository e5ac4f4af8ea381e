package portal

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/reward"
)

var fenced = regexp.MustCompile("(?ms)^```(\\w+) (definition|page|result)(?: (\\S+))?\\n(.*?)^```$")

// TestDocs runs every example of docs/definitions.md: the definition on its page
// must give the result that stands below them. The last chapter lists every
// field of the shapes. `make generate` writes both anew.
func TestDocs(t *testing.T) {
	const name = docs + "definitions.md"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	var d *Definition
	var page Page
	examples := 0
	out := fenced.ReplaceAllStringFunc(text, func(m string) string {
		g := fenced.FindStringSubmatch(m)
		switch g[2] {
		case "definition":
			source := g[4]
			if !strings.Contains(source, "portal:") {
				source = head + source
			}
			if d, err = Load("example.yaml", []byte(source)); err != nil {
				t.Errorf("%v\n%s", err, source)
			}
		case "page":
			page = Page{URL: g[3], Body: []byte(g[4])}
			if g[1] == "json" {
				page.ContentType = "application/json"
			}
		case "result":
			if d == nil {
				return m
			}
			examples++
			return "```text result\n" + rendered(d.Read(page)) + "```"
		}
		return m
	})
	if examples < 20 {
		t.Errorf("%d examples were run", examples)
	}
	const mark = "<!-- fields -->\n"
	before, _, ok := strings.Cut(out, mark)
	if !ok {
		t.Fatal("the page has no place for its fields")
	}
	fresh(t, name, []byte(before+mark+reference(t)))
}

// rendered is a reading in the short form of the page's examples.
func rendered(r Reading) string {
	var b strings.Builder
	for i := range r.Items {
		it := &r.Items[i]
		fmt.Fprintf(&b, "%s | %s | %s", it.Name, it.RateText, said(it.Reward))
		if it.PreviousText != "" {
			fmt.Fprintf(&b, " | before: %s", it.PreviousText)
		}
		if it.Link != "" {
			fmt.Fprintf(&b, " | %s", it.Link)
		}
		for _, extra := range []struct{ name, text string }{{"category", it.Category}, {"domain", it.Domain}, {"conditions", it.Conditions}, {"id", it.ID}, {"logo", it.Logo}} {
			if extra.text != "" && (extra.name != "logo" || strings.Contains(extra.text, "/l/")) {
				fmt.Fprintf(&b, " | %s: %s", extra.name, extra.text)
			}
		}
		if it.ValidationDays > 0 {
			fmt.Fprintf(&b, " | confirmed in %d days", it.ValidationDays)
		}
		b.WriteByte('\n')
		for j := range it.Tiers {
			tier := &it.Tiers[j]
			label := tier.Label
			if tier.Audience != cashback.Anybody {
				label += " [" + string(tier.Audience) + "]"
			}
			if tier.Base {
				label += " [base]"
			}
			fmt.Fprintf(&b, "  - %s | %s | %s\n", label, tier.RateText, said(tier.Reward))
		}
	}
	fmt.Fprintf(&b, "outcome %s", r.Outcome)
	if r.Reason != "" {
		fmt.Fprintf(&b, ": %s", r.Reason)
	}
	if r.Total > 0 {
		fmt.Fprintf(&b, ", of %d declared", r.Total)
	}
	if r.End {
		b.WriteString(", the end is proven")
	}
	b.WriteByte('\n')
	for _, q := range r.Next {
		fmt.Fprintf(&b, "leads to %s\n", q.URL)
	}
	return b.String()
}

// said is a reward in a few words.
func said(r cashback.Reward) string {
	s := reward.Summarise(r)
	if !r.Kind.Pays() || !s.Value.Valid {
		return string(r.Kind)
	}
	text := s.Value.Decimal.String() + " " + strings.TrimSpace(string(s.Currency)+" "+s.PointsCurrency)
	if s.Kind == cashback.Percent {
		text = s.Value.Decimal.String() + " %"
	}
	if s.Kind == cashback.PointsPerUnit {
		text = s.Value.Decimal.String() + " " + s.PointsCurrency + " per "
		if s.PerAmount.Valid && s.PerAmount.Decimal.String() != "1" {
			text += s.PerAmount.Decimal.String() + " "
		}
		text += strings.TrimSpace(string(s.Currency) + " " + s.PerUnit)
	}
	if s.UpTo {
		text = "up to " + text
	}
	if s.Previous.Valid {
		text += ", was " + s.Previous.Decimal.String()
	}
	return text
}
