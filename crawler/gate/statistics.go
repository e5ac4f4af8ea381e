package gate

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// profileOf measures a run for the gate's memory.
func profileOf(s cashback.Snapshot) cashback.RunProfile {
	p := cashback.RunProfile{At: s.Run.EndedAt, Run: s.Run.ID, Offers: len(s.Offers), Letters: make([]int, bins)}
	n := len(s.Offers)
	values := map[Measure]int{}
	names := map[string]bool{}
	noRate, noLink, unread := 0, 0, 0
	for i := range s.Offers {
		o := &s.Offers[i]
		if m, ok := MeasureOf(*o); ok {
			p.WithRate++
			values[m]++
		} else {
			noRate++
		}
		if o.Kind == cashback.Unknown {
			unread++
		}
		if o.Entry.Link == "" {
			noLink++
		}
		names[fold(o.Entry.Name)] = true
		histogram(p.Letters, o.Entry.Name)
	}
	top := 0
	for _, c := range values {
		top = max(top, c)
	}
	p.TopShare = permille(top, max(p.WithRate, 1))
	p.Distinct = permille(len(names), max(n, 1))
	p.NoRate, p.NoLink, p.Unread = permille(noRate, n), permille(noLink, n), permille(unread, n)
	var filled []float64
	for _, pg := range s.Pages {
		if pg.Outcome == cashback.PageOK && pg.Items > 0 {
			filled = append(filled, float64(pg.Filled))
		}
	}
	med, _ := robust(filled)
	p.Filled = int(med)
	return p
}

// The bins of the name histogram: 8 of kinds of character, 8 of lengths.
const bins = 16

func histogram(h []int, name string) {
	n := 0
	for _, r := range name {
		n++
		h[letterBin(r)]++
	}
	h[8+min(n/6, 7)] += 4 // weighed so that lengths count about as much as letters
}

func letterBin(r rune) int {
	switch {
	case r >= 'a' && r <= 'z':
		return 0
	case r >= 'A' && r <= 'Z':
		return 1
	case r >= '0' && r <= '9':
		return 2
	case r == ' ' || r == '-' || r == '.' || r == '&' || r == '\'':
		return 3
	case r < 128:
		return 4
	case unicode.IsLetter(r) && r < 0x250:
		return 5
	case unicode.IsLetter(r):
		return 6
	}
	return 7
}

// divergence is the Jensen–Shannon divergence (base 2, 0 to 1) of two histograms.
func divergence(a, b []int) float64 {
	if len(a) != len(b) {
		return 0
	}
	var sa, sb float64
	for i := range a {
		sa += float64(a[i])
		sb += float64(b[i])
	}
	if sa == 0 || sb == 0 {
		return 0
	}
	d := 0.0
	for i := range a {
		p, q := float64(a[i])/sa, float64(b[i])/sb
		m := (p + q) / 2
		if p > 0 {
			d += p * math.Log2(p/m) / 2
		}
		if q > 0 {
			d += q * math.Log2(q/m) / 2
		}
	}
	return d
}

// oddNames are the names that no shop has: replacement characters, the marks of a
// wrong charset, markup.
func (j *judge) oddNames() []string {
	var odd []string
	for i := range j.Staged.Offers {
		o := &j.Staged.Offers[i]
		if garbled(o.Entry.Name) && (j.live[o.Entry.Key] == nil || !garbled(j.live[o.Entry.Key].Entry.Name)) {
			odd = append(odd, o.Entry.Key)
		}
	}
	return odd
}

func garbled(s string) bool {
	return s == "" || strings.ContainsRune(s, unicode.ReplacementChar) ||
		strings.Contains(s, "Ã") || strings.Contains(s, "â€") || strings.Contains(s, "</") || strings.Contains(s, "{{")
}

// robust returns the median and the median absolute deviation; zeros for nothing.
func robust(v []float64) (median, mad float64) {
	if len(v) == 0 {
		return 0, 0
	}
	s := slices.Clone(v)
	median = middle(s)
	for i := range s {
		s[i] = math.Abs(s[i] - median)
	}
	return median, middle(s)
}

func middle(s []float64) float64 {
	slices.Sort(s)
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

func medianOf(base []cashback.RunProfile, f func(cashback.RunProfile) int) int {
	v := make([]float64, len(base))
	for i, p := range base {
		v[i] = float64(f(p))
	}
	m, _ := robust(v)
	return int(m)
}

// tailPoisson is P(X ≥ n) for a Poisson variable of the given mean.
func tailPoisson(mean float64, n int) float64 {
	if mean <= 0 {
		return 0
	}
	sum, logTerm := 0.0, -mean // in logarithms: e^-mean is 0 for a portal of 10,000 offers
	for k := range n {
		sum += math.Exp(logTerm)
		logTerm += math.Log(mean) - math.Log(float64(k+1))
	}
	return max(0, 1-sum)
}

// tailBinomial is P(X ≥ k) of n tries with probability p each.
func tailBinomial(n, k int, p float64) float64 {
	sum := 0.0
	logC := 0.0
	for i := 0; i <= n; i++ {
		if i > 0 {
			logC += math.Log(float64(n-i+1)) - math.Log(float64(i))
		}
		if i >= k {
			sum += math.Exp(logC + float64(i)*math.Log(p) + float64(n-i)*math.Log(1-p))
		}
	}
	return sum
}

func permille(n, of int) int {
	if of == 0 {
		return 0
	}
	return n * 1000 / of
}

// points prints thousandths as percent.
func points(permille int) string {
	return strconv.FormatFloat(float64(permille)/10, 'f', 1, 64) + " %"
}

func scaled(d cashback.NullDecimal) int64 {
	whole, frac, ok := d.Decimal.Int64(4)
	if !d.Valid || !ok || whole > math.MaxInt64/20000 {
		return 0
	}
	return whole*10000 + frac
}

func sameUnit(all []Measure, unit string) []float64 {
	var v []float64
	for _, m := range all {
		if m.Unit == unit && m.Value > 0 {
			v = append(v, float64(m.Value))
		}
	}
	return v
}

// nearPowerOfTen reports a ratio of 10, 100, 1/10 … within two in a hundred.
func nearPowerOfTen(ratio float64) bool {
	l := math.Log10(ratio)
	k := math.Round(l)
	return k != 0 && math.Abs(ratio/math.Pow(10, k)-1) < .02
}

// shape is a reward text with its numbers taken out: what remains is the wording,
// which a change of rate leaves alone.
func shape(s string) string {
	var b strings.Builder
	digits := false
	for _, r := range strings.ToLower(s) {
		switch {
		case unicode.IsDigit(r):
			if !digits {
				b.WriteByte('0')
			}
			digits = true
		case digits && (r == '.' || r == ','):
			// within a number
		case unicode.IsSpace(r):
			digits = false
		default:
			digits = false
			b.WriteRune(r)
		}
	}
	return b.String()
}

// differentName compares names without case, spaces and punctuation, so that a
// restyled name isn't another shop.
func differentName(a, b string) bool { return fold(a) != fold(b) }

func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
