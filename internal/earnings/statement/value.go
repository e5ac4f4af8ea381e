package statement

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// maxValue bounds the text of a date or an amount.
const maxValue = 100

// numberForm finds a number between what stands around it.
var numberForm = regexp.MustCompile(`^([^\d]*?)([-−–+]?)\s*([^\d\s+−–-]{0,6}?)\s*(\d(?:[\d.,'’\s]*\d)?)\s*(.*)$`)

// amount reads an amount as a portal writes it: "£4.20", "4,20 €", "EUR 1.234,56",
// "120 pts", "-0,50 €". Nothing that could be read in two ways is read.
func (r *Rule) amount(s string, own cashback.Currency) (a earnings.Amount, negative bool, why *earnings.Reason) {
	no := func(key string, values ...string) (earnings.Amount, bool, *earnings.Reason) {
		reason := earnings.Because(key, append([]string{short(s, 60)}, values...)...)
		return earnings.Amount{}, false, &reason
	}
	text := squeeze(s)
	m := numberForm.FindStringSubmatch(text[:min(len(text), maxValue)])
	if m == nil || len(text) > maxValue {
		return no("import.amount.unread")
	}
	if m[2] == "-" || m[2] == "−" || m[2] == "–" {
		negative = true
	}
	var unit earnings.Unit
	for _, beside := range []string{m[1], m[3], m[5]} {
		beside = strings.Trim(beside, " \u00a0()")
		if beside == "" || beside == "+" || beside == "~" {
			continue
		}
		if beside == "-" {
			negative = true
			continue
		}
		u, ok := r.unit(beside, own)
		if !ok {
			return no("import.amount.unit", short(beside, 20))
		}
		if unit != "" && unit != u {
			return no("import.amount.units", string(unit), string(u))
		}
		unit = u
	}
	if unit == "" {
		if own == "" {
			return no("import.amount.currency")
		}
		unit = earnings.Unit(own)
	}
	whole, fraction, ok := r.parts(m[4], unit.Digits())
	if !ok {
		return no("import.amount.number")
	}
	if len(strings.TrimRight(fraction, "0")) > unit.Digits() {
		return no("import.amount.decimals", string(unit))
	}
	fraction = (fraction + "0000000000")[:unit.Digits()]
	minor, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || minor > earnings.MaxMinor {
		return no("import.amount.large")
	}
	return earnings.Amount{Minor: minor, Unit: unit}, negative, nil
}

func (r *Rule) unit(text string, own cashback.Currency) (earnings.Unit, bool) {
	if c, ok := currencyOf(text, own); ok {
		return earnings.Unit(c), true
	}
	f := fold(text)
	for _, p := range r.Points {
		if fold(p) == f {
			return earnings.PointsOf(r.Points[0]), true
		}
	}
	return "", false
}

// parts are a number's digits before and after its decimal mark.
func (r *Rule) parts(s string, digits int) (whole, fraction string, ok bool) {
	s = strings.Map(func(c rune) rune {
		switch c {
		case '’', '\'', ' ', '\u00a0', '\u202f', '\u2009':
			return ' '
		}
		return c
	}, s)
	mark := r.Decimal
	if mark == "" {
		mark = decimalMark(s, digits)
		if mark == "?" {
			return "", "", false
		}
	}
	whole = s
	if mark != "" {
		if strings.Count(s, mark) > 1 {
			return "", "", false
		}
		whole, fraction, _ = strings.Cut(s, mark)
	}
	groups := strings.FieldsFunc(whole, func(c rune) bool { return c == '.' || c == ',' || c == ' ' })
	if len(groups) == 0 || strings.ContainsAny(fraction, "., ") {
		return "", "", false
	}
	for i, g := range groups {
		if i > 0 && len(g) != 3 || i == 0 && len(groups) > 1 && (len(g) > 3 || g == "0") {
			return "", "", false
		}
	}
	// Each mark is followed by a group, so "1..000" has too few of them.
	if marks := strings.Count(whole, ".") + strings.Count(whole, ",") + strings.Count(whole, " "); marks != len(groups)-1 {
		return "", "", false
	}
	return strings.Join(groups, ""), fraction, true
}

// decimalMark finds the decimal mark of a number on its own: the last of two different
// marks; a lone one unless three digits follow, which could be a group ("?").
func decimalMark(s string, digits int) string {
	point, comma := strings.LastIndexByte(s, '.'), strings.LastIndexByte(s, ',')
	switch {
	case point < 0 && comma < 0:
		return ""
	case point >= 0 && comma >= 0:
		if point > comma {
			return "."
		}
		return ","
	}
	mark, at := ".", point
	if comma >= 0 {
		mark, at = ",", comma
	}
	if strings.Count(s, mark) > 1 {
		return "" // groups
	}
	if len(s)-at-1 == 3 && digits != 3 && !strings.HasPrefix(s, "0") {
		if digits == 0 {
			return "" // yen have no decimals: a group
		}
		return "?"
	}
	return mark
}

// unstated are what portals write for an amount that isn't known yet.
var unstated = words{"", "-", "–", "—", "n/a", "tbc", "tba", "pending", "…", "?"}

var (
	isoDate   = regexp.MustCompile(`(?:^|[^\d])(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:$|[^\d])`)
	numDate   = regexp.MustCompile(`(?:^|[^\d])(\d{1,2})([-/. ]) ?(\d{1,2})([-/. ]) ?(\d{4}|\d{2})(?:$|[^\d:])`)
	dayMonth  = regexp.MustCompile(`(?:^|[^\d\pL])(\d{1,2})(?:st|nd|rd|th|er|ème|\.|º)?[ \-/]*(?:de |of |d')?(\pL{3,12})\.?,?[ \-/]*(?:de |del )?(\d{4}|\d{2})(?:$|[^\d:])`)
	monthDay  = regexp.MustCompile(`(?:^|[^\d\pL])(\pL{3,12})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})(?:$|[^\d:])`)
	cjkDate   = regexp.MustCompile(`(\d{4})[年년] ?(\d{1,2})[月월] ?(\d{1,2})[日일]`)
	clockTime = regexp.MustCompile(`[T ]?\d{1,2}[:hH.]\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s*(?:[AaPp]\.?[Mm]\.?)?(?:\s*(?:Z|UTC|GMT|CES?T|BST|[+-]\d{2}:?\d{2}))?$`)
)

// date reads a day as a portal writes it: "03OCT26", "3 octobre 2026", "2026-10-03
// 14:20", "03/10/26" in the rule's order. A date that could be two is refused.
func (r *Rule) date(s string) (cashback.Date, *earnings.Reason) {
	no := func(key string) (cashback.Date, *earnings.Reason) {
		reason := earnings.Because(key, short(s, 60))
		return 0, &reason
	}
	text := squeeze(s)
	if len(text) > maxValue {
		return no("import.date.unread")
	}
	if t := clockTime.FindStringIndex(text); t != nil && t[0] > 0 {
		// "3.10.26" isn't a time: only what leaves a date before it is cut.
		if d, why := r.date(text[:t[0]]); why == nil {
			return d, nil
		}
	}
	var year, month, day string
	var at []int
	if at = isoDate.FindStringSubmatchIndex(text); at != nil {
		year, month, day = group(text, at, 1), group(text, at, 2), group(text, at, 3)
	} else if at = cjkDate.FindStringSubmatchIndex(text); at != nil {
		year, month, day = group(text, at, 1), group(text, at, 2), group(text, at, 3)
	} else if at = numDate.FindStringSubmatchIndex(text); at != nil {
		a, b := group(text, at, 1), group(text, at, 3)
		year = group(text, at, 5)
		if group(text, at, 2) != group(text, at, 4) {
			return no("import.date.unread")
		}
		switch r.Dates {
		case "dmy":
			day, month = a, b
		case "mdy":
			month, day = a, b
		case "ymd":
			year, month, day = a, b, year
		default:
			return no("import.date.order")
		}
	} else if at = dayMonth.FindStringSubmatchIndex(text); at != nil {
		day, year = group(text, at, 1), group(text, at, 3)
		month = r.monthNumber(group(text, at, 2))
	} else if at = monthDay.FindStringSubmatchIndex(text); at != nil {
		day, year = group(text, at, 2), group(text, at, 3)
		month = r.monthNumber(group(text, at, 1))
	} else {
		return no("import.date.unread")
	}
	if strings.ContainsAny(text[:at[2]]+text[lastGroup(at):], "0123456789") {
		return no("import.date.unread") // more numbers than a date has
	}
	if month == "" {
		return no("import.date.month")
	}
	y, _ := strconv.Atoi(year)
	m, _ := strconv.Atoi(month)
	d, _ := strconv.Atoi(day)
	if len(year) <= 2 {
		y += 2000
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if y < 2000 || y > 2100 || t.Day() != d || t.Month() != time.Month(m) {
		return no("import.date.none")
	}
	return cashback.DateOf(t), nil
}

func group(s string, at []int, n int) string { return s[at[2*n]:at[2*n+1]] }

// lastGroup is where the last group of a match ends.
func lastGroup(at []int) int {
	end := 0
	for i := 3; i < len(at); i += 2 {
		end = max(end, at[i])
	}
	return min(end, math.MaxInt32)
}

// monthNumber reads a month's name in the rule's language, or in English.
func (r *Rule) monthNumber(name string) string {
	m := 0
	if r.compiled.language != nil {
		m = r.compiled.language.month(name)
	}
	if m == 0 {
		if en, ok := languageOf("en"); ok {
			m = en.month(name)
		}
	}
	if m == 0 {
		return ""
	}
	return strconv.Itoa(m)
}
