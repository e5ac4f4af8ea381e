package portal

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/reward"
)

// field is a compiled field: its alternatives, tried in order.
type field struct {
	ways []*way
	most int // runes of its value
}

// way is one alternative of a field.
type way struct {
	when      *condition
	picks     []*pick
	join      []segment
	template  []segment
	calc      *calculation
	all       *string
	transform transforms
	none      []*regexp.Regexp
	number    *number
	kind      reward.Field
	upTo      *field
}

// segment is a piece of a join or template: words, or a pick; hole is {}.
type segment struct {
	words string
	pick  *pick
	hole  bool
}

// number is a reward given as numbers.
type number struct {
	value, unit, min *field
	scale            cashback.Decimal
	perUnit          map[string]cashback.Decimal
}

// read is what a field gave.
type read struct {
	text string
	// none: the page says that there is no cashback.
	none bool
	// blank: the place is there and has nothing in it.
	blank bool
	// neutral: the text was made of numbers, which are written as machines do.
	neutral bool
	way     *way
	ok      bool
}

// read evaluates the field.
func (f *field) read(s *scope) (r read) {
	if f == nil {
		return r
	}
	zero := read{}
	for _, w := range f.ways {
		got := w.read(s, f.most)
		got.way = w
		switch {
		case got.ok, got.none && w.number == nil:
			return got
		case got.none && zero.way == nil:
			zero = got // a shop that pays an amount often has a percentage of 0
		}
		r.blank = r.blank || got.blank
	}
	if zero.way != nil {
		return zero
	}
	if len(f.ways) > 0 {
		r.way = f.ways[0]
	}
	// "^$" among the markers takes an absent text for "no cashback".
	for _, w := range f.ways {
		if says(w.none, "") {
			r.none, r.way = true, w
		}
	}
	return r
}

// text is the field's value where it has one.
func (f *field) text(s *scope) string { return f.read(s).text }

func says(markers []*regexp.Regexp, text string) bool {
	for _, m := range markers {
		if m.MatchString(text) {
			return true
		}
	}
	return false
}

func (w *way) read(s *scope, most int) (r read) {
	if !w.when.holds(s, -1) {
		return r
	}
	if w.number != nil {
		return w.number.read(s)
	}
	var parts []string
	// try takes a candidate; it returns false once the value is decided.
	try := func(raw string) bool {
		if len(w.none) > 0 {
			if text := plain(raw, most); text != "" && says(w.none, text) {
				r.text, r.none = text, true
				return false
			}
		}
		text, ok := w.transform.apply(s.e, raw, most)
		if !ok {
			if strings.TrimSpace(raw) == "" {
				r.blank = true
			}
			return true
		}
		if w.calc != nil && len(w.picks) > 0 {
			if text, ok = w.calc.run(s, text); !ok {
				return true
			}
		}
		if len(w.none) > 0 && says(w.none, text) {
			r.text, r.none = text, true
			return false
		}
		if w.all != nil {
			parts = append(parts, text)
			return len(parts) < 1000
		}
		r.text, r.ok = text, true
		return false
	}
	switch {
	case w.calc != nil && len(w.picks) == 0:
		if text, ok := w.calc.run(s, ""); ok {
			try(text)
		}
	case w.join != nil:
		text, _ := fill(s, w.join, "")
		try(squeeze(text))
	case len(w.picks) == 0 && w.template != nil:
		if text, whole := fill(s, w.template, ""); whole {
			try(text)
		}
		return r
	}
	for _, p := range w.picks {
		p.walk(s, func(c found) bool { return try(c.text) })
		if r.ok || r.none || len(parts) > 0 {
			break
		}
	}
	if len(parts) > 0 {
		r.text, r.ok = plain(strings.Join(parts, *w.all), most), true
	}
	if r.ok && w.template != nil {
		r.text, r.ok = fill(s, w.template, r.text)
	}
	return r
}

// fill writes a template; whole is false where a pick had nothing.
func fill(s *scope, segments []segment, hole string) (text string, whole bool) {
	var b strings.Builder
	whole = true
	for _, g := range segments {
		switch {
		case g.hole:
			b.WriteString(hole)
		case g.pick != nil:
			got := ""
			g.pick.walk(s, func(c found) bool {
				got = squeeze(c.text)
				return got == ""
			})
			whole = whole && got != ""
			b.WriteString(got)
		default:
			b.WriteString(g.words)
		}
	}
	return b.String(), whole
}

// read writes the numbers as a text: "6%", "2 - 5 €", "170 EUR".
func (n *number) read(s *scope) (r read) {
	v := n.value.read(s)
	if !v.ok {
		// null, "" and a lone missing number differ: only what is there and empty
		// says that nothing is paid.
		return read{none: v.none || v.blank, text: v.text, blank: v.blank}
	}
	rawUnit := ""
	if n.unit != nil {
		for _, w := range n.unit.ways {
			if raw := w.raw(s); raw != "" {
				rawUnit = raw
				break
			}
		}
	}
	unit := n.unit.text(s)
	amount, plainNumber := n.scaled(s, v.text, rawUnit)
	if !plainNumber {
		// It brings its own unit ("16%").
		if unit != "" && !strings.Contains(v.text, unit) && strings.IndexFunc(v.text, func(r rune) bool { return r != '.' && r != ',' && (r < '0' || r > '9') && r != ' ' }) < 0 {
			return read{text: v.text + spaced(unit), ok: true}
		}
		return read{text: v.text, ok: true}
	}
	if amount == "0" {
		return read{text: v.text + spaced(unit), none: true}
	}
	text := amount
	if low := n.min.text(s); low != "" {
		if l, ok := n.scaled(s, low, rawUnit); ok && l != amount {
			text = l + " - " + amount
		}
	}
	return read{text: text + spaced(unit), ok: true, neutral: true}
}

// raw is the first pick's text before its words are mapped.
func (w *way) raw(s *scope) (text string) {
	for _, p := range w.picks {
		p.walk(s, func(c found) bool {
			text = squeeze(c.text)
			return text == ""
		})
		if text != "" {
			return text
		}
	}
	return ""
}

func spaced(unit string) string {
	if unit == "" || unit == "%" || unit == "٪" || unit == "％" {
		return unit
	}
	return " " + unit
}

// scaled multiplies a plain number; ok is false where it isn't one. A number of
// machines has a dot; one with a comma is read as the locale writes it.
func (n *number) scaled(s *scope, text, unit string) (string, bool) {
	if strings.Contains(text, ",") && commaDecimals(s.e.rule.reward.Locale) && strings.Count(text, ",") == 1 && strings.LastIndexByte(text, '.') < strings.IndexByte(text, ',') {
		text = strings.Replace(strings.ReplaceAll(text, ".", ""), ",", ".", 1)
	}
	if strings.ContainsAny(text, ", ") {
		return "", false
	}
	d, err := decimalOf(text)
	if err != nil {
		return "", false
	}
	factor, ok := n.perUnit[unit]
	if !ok {
		factor = n.scale
	}
	if !factor.IsZero() {
		if d, err = d.Mul(factor); err != nil {
			return "", false
		}
	}
	return d.Trim(0).String(), true
}

// commaDecimals says whether a locale's decimal sign is the comma (CLDR); the
// others group by it.
func commaDecimals(locale string) bool {
	language, _, _ := strings.Cut(locale, "-")
	switch language {
	case "en", "ja", "zh", "ko", "th", "he", "hi", "ms", "bn", "ta", "te", "mr", "ur", "ga", "mt", "sw":
		return false
	}
	return !strings.HasSuffix(locale, "-CH") && !strings.HasSuffix(locale, "-MX")
}

// flag reads a yes or no; "true" and "false" stand for themselves.
func (f *field) flag(s *scope) bool {
	if f == nil {
		return false
	}
	for _, w := range f.ways {
		for _, p := range w.picks {
			// An object or array counts as a yes when it has something in it; an element
			// or attribute when it is there, even with nothing in it.
			full := false
			p.walk(s, func(c found) bool {
				full = c.val != nil && c.val.kind >= jsonArray && c.val.truthy() || c.val == nil && p.inElement() && strings.TrimSpace(c.text) == ""
				return !full
			})
			if full {
				return true
			}
		}
	}
	r := f.read(s)
	return r.ok && yes(r.text)
}

func itoa(i int) string { return strconv.Itoa(i) }
