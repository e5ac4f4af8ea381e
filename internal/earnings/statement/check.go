package statement

import (
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// Sentence is a line as examples write it: "2026-10-03 | Fnac | 3.60 EUR | tracked",
// with what it was earned for where that isn't a purchase.
func Sentence(l earnings.Line) string {
	amount := l.Amount.String()
	if l.Unstated {
		amount = "-"
	}
	parts := []string{l.Date.String(), l.Shop, amount, string(l.State)}
	if l.For != earnings.ForPurchase {
		parts = append(parts, string(l.For))
	}
	return strings.Join(parts, " | ")
}

// Check reads the rule's examples and returns what differs from what they say.
func (r *Rule) Check() []error {
	var out []error
	for i, e := range r.Examples {
		at := cashback.Place{Field: index("examples", i)}
		name := e.Name
		if name == "" {
			name = "example"
		}
		d, err := Open(name, strings.NewReader(e.Text), DefaultLimits())
		if err != nil {
			out = append(out, cashback.ErrorAt(cashback.Invalid, at, "%v", err))
			continue
		}
		got := d.Read(r, Options{})
		for n := range max(len(got.Lines), len(e.Lines)) {
			have, want := "no line", "no line"
			if n < len(got.Lines) {
				have = Sentence(got.Lines[n])
			}
			if n < len(e.Lines) {
				want = e.Lines[n]
			}
			if have != want {
				out = append(out, cashback.ErrorAt(cashback.Invalid, at, "line %d is read as %q, and should be %q", n+1, have, want))
			}
		}
		for n := range max(len(got.Refused), len(e.Refused)) {
			switch {
			case n >= len(e.Refused):
				f := got.Refused[n]
				out = append(out, cashback.ErrorAt(cashback.Invalid, at, "%s is refused: %s", f.Text, f.Reason))
			case n >= len(got.Refused) || got.Refused[n].Reason.Key != e.Refused[n]:
				out = append(out, cashback.ErrorAt(cashback.Invalid, at, "refusal %d should be %s", n+1, e.Refused[n]))
			}
		}
	}
	return out
}
