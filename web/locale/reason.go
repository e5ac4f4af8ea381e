package locale

import (
	"regexp"
	"strings"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

var (
	plainAmount = regexp.MustCompile(`^(-?\d+(?:\.\d+)?) (?:([A-Z]{3})|points:(.+))$`)
	plainDay    = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
)

// Reason puts a reason of the ledger's room into words: its values, plain texts, become
// A, B, C … of the message, with days and amounts in the language's form, and states,
// ways to be paid and frequencies by their names.
func (l *Locale) Reason(key string, values ...string) string {
	args := make([]any, 0, 2*len(values))
	for i, v := range values {
		args = append(args, string(rune('A'+i)), l.value(key, v))
	}
	return l.T(key, args...)
}

func (l *Locale) value(key, v string) string {
	if plainDay.MatchString(v) {
		return l.AsOf(v)
	}
	if m := plainAmount.FindStringSubmatch(v); m != nil {
		if d, err := decimal.Parse(m[1]); err == nil {
			if m[3] != "" {
				return l.Points(d, m[3])
			}
			return l.Amount(d, cashback.Currency(m[2]))
		}
	}
	names := []string{"state"}
	if strings.HasPrefix(key, "cash.") {
		names = []string{"method", "frequency"}
	} else if !strings.HasPrefix(key, "import.older") && !strings.HasPrefix(key, "import.behind") && !strings.HasPrefix(key, "import.doubt") {
		return v // a shop may be called "Paid"
	}
	for _, n := range names {
		if l.Has(n + "." + v) {
			return l.T(n + "." + v)
		}
	}
	return v
}
