// Package locale holds the words and the forms of numbers: the message catalogues
// of each UI language, and the one formatter for money, rates, counts and dates.
//
// Its one invariant: a text that a person reads is made here, from a catalogue and
// in one language, never by joining strings elsewhere. A test holds the catalogues
// to the same keys and the same placeholders.
package locale

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/bojanz/currency"
	"github.com/govalues/decimal"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

//go:embed *.toml
var catalogues embed.FS

// Languages are the UI languages, the fallback first. Each has the catalogues
// AREA.LANG.toml, one for each part of the site.
var languages = []string{"en", "fr"}

// Set holds every UI language.
type Set struct {
	all     []*Locale
	matcher language.Matcher
}

// Locale is one UI language: its words and its forms.
type Locale struct {
	// Lang is the language's code, as it stands in addresses: "fr".
	Lang string

	tag       language.Tag
	words     map[string]message
	money     *currency.Formatter
	whole     *currency.Formatter
	signed    *currency.Formatter
	plain     *currency.Formatter
	countries display.Namer
	tongues   display.Namer
	self      string
	zone      *time.Location

	mu      sync.Mutex // guards amounts
	amounts map[amountKey]string
}

// amountKey is an amount in one of the forms.
type amountKey struct {
	form         *currency.Formatter
	number, code string
}

// maxAmounts bounds the amounts that are kept written out: most of a ranking's steps
// are the same few, and writing one takes longer than all else on the page.
const maxAmounts = 10_000

// Load reads the embedded catalogues. Times are shown in zone (UTC if nil).
func Load(zone *time.Location) (*Set, error) {
	if zone == nil {
		zone = time.UTC
	}
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	var s Set
	var tags []language.Tag
	for _, lang := range languages {
		tag, err := language.Parse(lang)
		if err != nil {
			return nil, fmt.Errorf("read the catalogue %s: %w", lang, err)
		}
		tags = append(tags, tag)
		l := &Locale{
			Lang:      lang,
			tag:       tag,
			words:     map[string]message{},
			amounts:   map[amountKey]string{},
			money:     currency.NewFormatter(currency.NewLocale(lang)),
			whole:     currency.NewFormatter(currency.NewLocale(lang)),
			signed:    currency.NewFormatter(currency.NewLocale(lang)),
			plain:     currency.NewFormatter(currency.NewLocale(lang)),
			countries: display.Regions(tag),
			tongues:   display.Languages(tag),
			self:      display.Self.Name(tag),
			zone:      zone,
		}
		files, err := fs.Glob(catalogues, "*."+lang+".toml")
		if err != nil {
			return nil, fmt.Errorf("list the catalogues %s: %w", lang, err)
		}
		for _, name := range files {
			file, err := bundle.LoadMessageFileFS(catalogues, name)
			if err != nil {
				return nil, fmt.Errorf("read the catalogue %s: %w", name, err)
			}
			for _, m := range file.Messages {
				if _, twice := l.words[m.ID]; twice {
					return nil, fmt.Errorf("read the catalogue %s: %s stands in another one too", name, m.ID)
				}
				l.words[m.ID] = message{forms: map[plural.Form]text{plural.Other: cut(m.Other)}}
				if m.One != "" {
					l.words[m.ID].forms[plural.One] = cut(m.One)
				}
			}
		}
		l.whole.MinDigits = 0
		l.signed.AddPlusSign = true
		l.plain.CurrencyDisplay = currency.DisplayNone
		l.plain.MinDigits = 0
		s.all = append(s.all, l)
	}
	s.matcher = language.NewMatcher(tags)
	return &s, nil
}

// All lists the languages, the fallback first.
func (s *Set) All() []*Locale { return s.all }

// Get returns the language of that code, or nil.
func (s *Set) Get(lang string) *Locale {
	for _, l := range s.all {
		if l.Lang == lang {
			return l
		}
	}
	return nil
}

// Negotiate picks the language that an Accept-Language header asks for, or the
// fallback.
func (s *Set) Negotiate(accept string) *Locale {
	const most = 200 // a header longer than any browser's is not worth the parsing
	if len(accept) > most {
		return s.all[0]
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return s.all[0]
	}
	_, i, confidence := s.matcher.Match(tags...)
	if confidence == language.No {
		return s.all[0]
	}
	return s.all[i]
}

// Self is the language's name in itself: "français".
func (l *Locale) Self() string { return l.self }

// T is the message of key; args are pairs of placeholder and value. A key that the
// catalogue lacks comes back in brackets, which a test makes impossible.
func (l *Locale) T(key string, args ...any) string {
	m, ok := l.words[key]
	if !ok {
		return "[" + key + "]"
	}
	return m.forms[plural.Other].fill(args)
}

// Has reports whether the catalogue has the key: for words that name data, such as
// a category that a portal invented, which have no translation.
func (l *Locale) Has(key string) bool {
	_, ok := l.words[key]
	return ok
}

// Count is the message of key in the plural form for n; the placeholder Count is n
// in the language's digits.
func (l *Locale) Count(key string, n int, args ...any) string {
	m, ok := l.words[key]
	if !ok {
		return "[" + key + "]"
	}
	return m.form(plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)).fill(append(args, "Count", l.Int(n)))
}

// form is the text of a plural form, or of the general one where there is none of its
// own: French has one for whole millions, whose text is the same here.
func (m message) form(f plural.Form) text {
	if t, ok := m.forms[f]; ok {
		return t
	}
	return m.forms[plural.Other]
}

// message is a catalogue's text in its plural forms, ready to be filled in.
type message struct{ forms map[plural.Form]text }

// text is a text cut at its placeholders: words, then a placeholder and words, and so
// on. A page has some two hundred of them, so they are cut once.
type text []struct{ field, words string }

// cut reads a text with placeholders in the form {{.Name}}, which is the only one
// that catalogues use (a test holds them to it).
func cut(s string) text {
	words, rest, more := strings.Cut(s, "{{.")
	t := text{{words: words}}
	for more {
		var field string
		field, rest, _ = strings.Cut(rest, "}}")
		words, rest, more = strings.Cut(rest, "{{.")
		t = append(t, struct{ field, words string }{field, words})
	}
	return t
}

func (t text) fill(args []any) string {
	if len(t) == 1 {
		return t[0].words
	}
	var b strings.Builder
	for _, part := range t {
		if part.field != "" {
			for i := 0; i+1 < len(args); i += 2 {
				if args[i] == part.field {
					if s, ok := args[i+1].(string); ok {
						b.WriteString(s)
					} else {
						fmt.Fprint(&b, args[i+1])
					}
					break
				}
			}
		}
		b.WriteString(part.words)
	}
	return b.String()
}

// Money is an amount with its currency's sign, at its currency's decimals.
func (l *Locale) Money(m cashback.Money) string { return l.amount(l.money, m) }

// Basket is an amount as people say it: without decimals where it is whole.
func (l *Locale) Basket(m cashback.Money) string { return l.amount(l.whole, m) }

// Change is an amount with its sign, plus or minus: the real one, as wide as a plus.
func (l *Locale) Change(m cashback.Money) string {
	return strings.Replace(l.amount(l.signed, m), "-", "\u2212", 1)
}

func (l *Locale) amount(f *currency.Formatter, m cashback.Money) string {
	if d := m.Decimal(); f == l.whole && !d.IsInt() {
		f = l.money
	}
	if s, ok := l.written(f, m.Decimal().String(), string(m.Currency)); ok {
		return s
	}
	return m.String() // not an ISO currency: nothing can be said about its form
}

// written is a number in one of the forms; false where the currency is none.
func (l *Locale) written(f *currency.Formatter, number, code string) (string, bool) {
	key := amountKey{f, number, code}
	l.mu.Lock()
	s, ok := l.amounts[key]
	l.mu.Unlock()
	if ok {
		return s, true
	}
	a, err := currency.NewAmount(number, code)
	if err != nil {
		return "", false
	}
	s = f.Format(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.amounts) >= maxAmounts {
		clear(l.amounts)
	}
	l.amounts[key] = s
	return s, true
}

// Amount is an amount in major units, with as many decimals as it has but no fewer
// than its currency; without a currency it is the number alone.
func (l *Locale) Amount(d cashback.Decimal, c cashback.Currency) string {
	if s, ok := l.written(l.money, d.String(), string(c)); ok {
		return s
	}
	return l.Decimal(d)
}

// Each is an amount that something is given for again and again: without decimals where
// it is whole, as in "8 points per £1".
func (l *Locale) Each(d cashback.Decimal, c cashback.Currency) string {
	f := l.money
	if d.IsInt() {
		f = l.whole
	}
	if s, ok := l.written(f, d.Trim(0).String(), string(c)); ok {
		return s
	}
	return l.Decimal(d)
}

// Points is a number of points, by the name that the language has for so many.
func (l *Locale) Points(d cashback.Decimal, name string) string {
	d = d.Trim(0)
	if m, ok := l.words["points."+name]; ok {
		form := plural.Other
		if whole, part, ok := d.Abs().Int64(d.Scale()); ok {
			form = plural.Cardinal.MatchPlural(l.tag, int(whole), d.Scale(), d.Scale(), int(part), int(part))
		}
		name = m.form(form).fill(nil)
	}
	return l.T("rate.points", "Number", l.Decimal(d), "Points", name)
}

// Share is a fraction of one as a rate: 0.05 is "5%".
func (l *Locale) Share(d cashback.Decimal) string {
	p, err := d.Mul(decimal.Hundred)
	if err != nil {
		return d.String()
	}
	return l.Percent(p)
}

// Decimal is a number with all its decimals, and no zeros behind them.
func (l *Locale) Decimal(d cashback.Decimal) string {
	if s, ok := l.written(l.plain, d.Trim(0).String(), "EUR"); ok { // the currency isn't shown
		return s
	}
	return d.String()
}

// Input is a number as a form field holds it: the language's decimal sign, no
// grouping, and all decimals or none.
func (l *Locale) Input(m cashback.Money) string {
	d := m.Decimal()
	if d.IsInt() {
		d = d.Trunc(0)
	}
	s := d.String()
	if l.Lang == "fr" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

// Int is a count.
func (l *Locale) Int(n int) string {
	if n >= 0 && n < 1000 {
		return strconv.Itoa(n)
	}
	s, _ := l.written(l.plain, strconv.Itoa(n), "JPY") // no minor unit; not shown
	return s
}

// Percent is a rate in points of a hundred: 6.5 is "6.5%" or "6,5 %".
func (l *Locale) Percent(d cashback.Decimal) string {
	return l.T("form.percent", "Number", l.Decimal(d))
}

var figure = regexp.MustCompile(`(-?\d+(?:\.\d+)?)( %)?`)

// Figures is a short text of numbers and signs, such as a rule's measure, with its numbers
// in the language's form: "12.5 %" is "12,5 %" in French.
func (l *Locale) Figures(text string) string {
	return figure.ReplaceAllStringFunc(text, func(s string) string {
		m := figure.FindStringSubmatch(s)
		d, err := decimal.Parse(m[1])
		switch {
		case err != nil:
			return s
		case m[2] != "":
			return l.Percent(d)
		}
		return l.Decimal(d)
	})
}

// Wait is a number of days as people count them: days up to two months, then months,
// then years.
func (l *Locale) Wait(days int64) string {
	switch {
	case days <= 60:
		return l.Count("form.days", int(days))
	case days <= 700:
		return l.Count("form.months", int((days*12+182)/365))
	}
	return l.Count("form.years", int((days+182)/365))
}

// Date is a day with its month in words.
func (l *Locale) Date(t time.Time) string {
	return l.day(t.In(l.zone))
}

// day is a date with its month in words; the first of a month has a form of its own.
func (l *Locale) day(t time.Time) string {
	key := "form.date"
	if t.Day() == 1 {
		key = "form.date_first"
	}
	return l.T(key, "Day", strconv.Itoa(t.Day()), "Month", l.month(t), "Year", strconv.Itoa(t.Year()))
}

// Day is Date of a calendar day, whatever the zone.
func (l *Locale) Day(d cashback.Date) string { return l.AsOf(d.String()) }

// Clock is a time of the day.
func (l *Locale) Clock(t time.Time) string { return t.In(l.zone).Format("15:04") }

// Moment is a day and its time.
func (l *Locale) Moment(t time.Time) string {
	return l.T("form.moment", "Date", l.Date(t), "Time", l.Clock(t))
}

// When is a moment as somebody says it on the day now: the time alone if it is the
// same day.
func (l *Locale) When(t, now time.Time) string {
	a, b := t.In(l.zone), now.In(l.zone)
	if a.YearDay() == b.YearDay() && a.Year() == b.Year() {
		return l.T("form.today", "Time", l.Clock(t))
	}
	return l.T("form.on", "Date", l.Date(t), "Time", l.Clock(t))
}

// AsOf is a fact's date as its source gives it: a day, a month or a year
// (cashback.Origin).
func (l *Locale) AsOf(s string) string {
	if t, err := time.Parse("2006-01-02", s); err == nil {
		return l.day(t)
	}
	if t, err := time.Parse("2006-01", s); err == nil {
		return l.T("form.month", "Month", l.month(t), "Year", strconv.Itoa(t.Year()))
	}
	return s
}

func (l *Locale) month(t time.Time) string {
	return l.T("month." + strconv.Itoa(int(t.Month())))
}

// Country is a country's name.
func (l *Locale) Country(c cashback.Country) string {
	r, err := language.ParseRegion(string(c))
	if err != nil {
		return string(c)
	}
	if n := l.countries.Name(r); n != "" {
		return n
	}
	return string(c)
}

// Language is a language's name.
func (l *Locale) Language(code string) string {
	t, err := language.Parse(code)
	if err != nil {
		return code
	}
	if n := l.tongues.Name(t); n != "" {
		return n
	}
	return code
}
