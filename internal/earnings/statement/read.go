package statement

import (
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// Options say what the reader can't find in a file.
type Options struct {
	// Portal whose lines these are.
	Portal string
	// Currency of the portal, for rules and amounts that state none.
	Currency cashback.Currency
	// Today is when the file is read, as far as it doesn't say itself when it was written:
	// what can be asked for from a later day on can't be asked for yet. 0 for not known.
	Today cashback.Date
}

// Refusal is a row that should be a line and couldn't be read.
type Refusal struct {
	Place  cashback.Place  `json:"place"`
	Field  Field           `json:"field,omitempty"`
	Reason earnings.Reason `json:"reason"`
	// Text is the row, shortened.
	Text string `json:"text"`
}

// Ignored is a row that is no line: a heading, a total, what stands around the table.
type Ignored struct {
	Place cashback.Place `json:"place"`
	Text  string         `json:"text"`
}

// Reading is what a rule made of a document. Every row of the tables it looked at is in
// one of the three lists.
type Reading struct {
	Rule    string          `json:"rule"`
	Lines   []earnings.Line `json:"lines"`
	Refused []Refusal       `json:"refused"`
	Ignored []Ignored       `json:"ignored"`
	// Found says that the rule's headings, rows or patterns are there at all.
	Found bool `json:"found"`
	// Columns are the headings that were found, by field.
	Columns map[Field]string `json:"columns,omitempty"`
}

// better orders the readings of parts that say the same.
func (r *Reading) better(than *Reading) bool {
	if len(r.Lines) != len(than.Lines) {
		return len(r.Lines) > len(than.Lines)
	}
	if r.Found != than.Found {
		return r.Found
	}
	return len(r.Refused) < len(than.Refused)
}

// Read applies a rule to a document. Of a mail's alternatives the one that gives most
// lines counts.
func (d *Document) Read(r *Rule, o Options) Reading {
	out := Reading{Rule: r.ID, Lines: []earnings.Line{}, Refused: []Refusal{}, Ignored: []Ignored{}, Columns: map[Field]string{}}
	best := map[int]*Reading{}
	var order []int
	for i, p := range d.Parts {
		s := &scan{doc: d, part: p, rule: r, options: o, states: map[string]earnings.State{}}
		s.out.Columns = map[Field]string{}
		s.own = r.compiled.currency
		if s.own == "" {
			s.own = o.Currency
		}
		s.read()
		key := p.Group
		if key == 0 {
			key = -1 - i
		}
		if have, ok := best[key]; !ok {
			order = append(order, key)
			best[key] = &s.out
		} else if s.out.better(have) {
			best[key] = &s.out
		}
	}
	for _, k := range order {
		b := best[k]
		out.Lines = append(out.Lines, b.Lines...)
		out.Refused = append(out.Refused, b.Refused...)
		out.Ignored = append(out.Ignored, b.Ignored...)
		out.Found = out.Found || b.Found
		for f, h := range b.Columns {
			out.Columns[f] = h
		}
	}
	return out
}

// scan applies a rule to one part.
type scan struct {
	doc     *Document
	part    *Part
	rule    *Rule
	options Options
	own     cashback.Currency
	out     Reading
	states  map[string]earnings.State // of wordings met before
}

func (s *scan) read() {
	c := &s.rule.compiled
	if len(c.columns) > 0 {
		grids := s.part.Grids
		if c.rows != nil {
			grids = nil
			if s.part.html != "" {
				// The page's own limits were counted when it was opened; its rows can't be more.
				o := &opener{limits: DefaultLimits(), doc: s.doc}
				if g, err := o.gridOf(s.part.html, c.rows, c.cells); err == nil && len(g.Rows) > 0 {
					grids = []Grid{g}
				}
			}
		}
		for i := range grids {
			s.grid(&grids[i])
		}
	}
	for i, re := range c.patterns {
		s.pattern(&s.rule.Texts[i], re)
	}
}

// grid reads a table. Rows above its headings are around it; without headings every
// row counts.
func (s *scan) grid(g *Grid) {
	c := &s.rule.compiled
	var places map[Field]int
	if !c.hasHeader {
		places = map[Field]int{}
	} else if !slices.ContainsFunc(g.Rows, func(r Row) bool { p, _ := s.heading(r); return p != nil }) {
		return // another table of the page
	}
	for _, r := range g.Rows {
		if c.hasHeader {
			if p, names := s.heading(r); p != nil {
				places = p
				s.out.Found = true
				for f, n := range names {
					s.out.Columns[f] = n
				}
				s.ignore(r)
				continue
			}
		}
		if places == nil || s.skipped(r) {
			s.ignore(r)
			continue
		}
		s.row(r, places)
	}
}

// heading finds the columns that a row names; nil where it isn't the row of headings.
func (s *scan) heading(r Row) (map[Field]int, map[Field]string) {
	c := &s.rule.compiled
	if len(r.Cells) < 2 {
		return nil, nil
	}
	folded := make([]string, len(r.Cells))
	for i, cell := range r.Cells {
		if len(cell.Text) < 100 {
			folded[i] = fold(cell.Text)
		}
	}
	places, names := map[Field]int{}, map[Field]string{}
	taken := map[int]bool{}
	for _, k := range c.columns {
		// The rule's first word wins over its later ones, wherever they stand.
		for _, h := range c.headers[k.field] {
			i := -1
			for at, f := range folded {
				if f == h && !taken[at] {
					i = at
					break
				}
			}
			if i >= 0 {
				places[k.field], names[k.field], taken[i] = i, r.Cells[i].Text, true
				break
			}
		}
	}
	for _, f := range []Field{FieldShop, FieldAmount, FieldState, FieldDate} {
		if len(c.headers[f]) == 0 {
			continue
		}
		if _, ok := places[f]; !ok {
			return nil, nil
		}
	}
	return places, names
}

func (s *scan) skipped(r Row) bool {
	filled := 0
	for _, cell := range r.Cells {
		if cell.Text == "" {
			continue
		}
		filled++
		if len(cell.Text) < 200 && s.rule.compiled.skip.match(fold(cell.Text)) > 0 {
			return true
		}
	}
	// A lone text is the heading of a month, or what a page says below its table.
	return filled <= 1
}

func (s *scan) ignore(r Row) {
	if !r.blank() {
		s.out.Ignored = append(s.out.Ignored, Ignored{s.place(r.Line, 0), r.String()})
	}
}

func (s *scan) place(line, column int) cashback.Place {
	p := cashback.Place{File: s.doc.Name, Line: line, Column: column}
	if s.doc.Form == FormMail {
		p.File += " " + s.part.Name // lines count within the mail's part
	}
	return p
}

// row reads one row of a table.
func (s *scan) row(r Row, places map[Field]int) {
	values := map[Field]value{}
	for _, k := range s.rule.compiled.columns {
		i := -1
		switch {
		case k.At > 0:
			i = k.At - 1
		case k.Class != "":
			i = slices.IndexFunc(r.Cells, func(c Cell) bool { return slices.Contains(strings.Fields(c.Class), k.Class) })
		default:
			if at, ok := places[k.field]; ok {
				i = at
			}
		}
		if i < 0 || i >= len(r.Cells) {
			continue
		}
		v := value{r.Cells[i].Text, s.place(r.Line, r.Cells[i].Column)}
		if k.pick != nil {
			m := k.pick.FindStringSubmatch(v.text)
			switch {
			case m == nil:
				v.text = ""
			case len(m) > 1:
				v.text = squeeze(m[1])
			default:
				v.text = squeeze(m[0])
			}
		}
		values[k.field] = v
	}
	s.line(values, s.place(r.Line, 0), s.rule.State, "", r.String())
}

// maxSearched bounds the text that patterns search: mails have some KB, and a pattern
// takes up to a hundred nanoseconds a byte.
const maxSearched = 1 << 20

// pattern reads the lines that a pattern finds in the part's text.
func (s *scan) pattern(t *Pattern, re *regexp.Regexp) {
	if t.From != "" && !strings.Contains(strings.ToLower(s.doc.From), strings.ToLower(t.From)) {
		return
	}
	if t.Subject != "" && !strings.Contains(fold(s.doc.Subject), fold(t.Subject)) {
		return
	}
	text := s.part.Text
	if len(text) > maxSearched {
		text = strings.ToValidUTF8(text[:maxSearched], "")
		s.out.Ignored = append(s.out.Ignored, Ignored{s.place(1+strings.Count(text, "\n"), 0), "what follows is too long to be searched"})
	}
	if s.doc.Subject != "" {
		text += "\n" + s.doc.Subject
	}
	// Where the lines of the text begin, to tell the place of a match.
	starts := []int{0}
	for i := range len(text) {
		if text[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	for _, m := range re.FindAllStringSubmatchIndex(text, DefaultLimits().Rows) {
		if m[0] == m[1] {
			continue
		}
		s.out.Found = true
		place := func(offset int) cashback.Place {
			n := sort.SearchInts(starts, offset+1) - 1
			line := n + 1
			if n < len(s.part.lines) {
				line = s.part.lines[n]
			}
			return s.place(line, offset-starts[n]+1)
		}
		values := map[Field]value{}
		for i, name := range re.SubexpNames() {
			if name != "" && m[2*i] >= 0 {
				values[Field(name)] = value{squeeze(text[m[2*i]:m[2*i+1]]), place(m[2*i])}
			}
		}
		s.line(values, place(m[0]), t.State, t.Kind, short(text[m[0]:m[1]], 200))
	}
}

// value is a field's text and its place.
type value struct {
	text  string
	place cashback.Place
}

// line makes a line of the fields' texts, or a refusal.
func (s *scan) line(values map[Field]value, at cashback.Place, state, kind, text string) {
	r := s.rule
	refuse := func(f Field, why earnings.Reason) {
		place := at
		if v, ok := values[f]; ok && v.place.Line > 0 {
			place = v.place
		}
		place.Field = string(f)
		s.out.Refused = append(s.out.Refused, Refusal{place, f, why, text})
	}
	s.out.Found = true
	l := earnings.Line{
		Portal: s.options.Portal, Rule: r.ID, Place: at, Seen: s.doc.Seen.UTC(), For: earnings.ForPurchase,
		External: short(values[FieldID].text, 200), Order: short(values[FieldOrder].text, 200), Shop: short(values[FieldShop].text, 300),
	}
	if l.Shop == "" {
		refuse(FieldShop, earnings.Because("import.shop.missing"))
		return
	}
	// The state: a word of the portal's own, or what the rule says of all lines.
	l.Wording = short(values[FieldState].text, 300)
	if v, ok := values[FieldState]; ok && v.text != "" {
		st, known := s.states[v.text]
		if !known {
			st, known = s.stateOf(v.text)
			if known {
				s.states[v.text] = st
			}
		}
		if !known {
			refuse(FieldState, earnings.Because("import.state.unknown", short(v.text, 60)))
			return
		}
		l.State = st
		l.Uplift = len(r.Uplift) > 0 && r.compiled.uplift.match(fold(v.text)) > 0
	} else if state != "" {
		l.State = earnings.State(state)
	} else {
		refuse(FieldState, earnings.Because("import.state.missing"))
		return
	}
	if v, ok := values[FieldDate]; ok && v.text != "" {
		day, why := r.date(v.text)
		if why != nil {
			refuse(FieldDate, *why)
			return
		}
		l.Date = day
	} else if !s.doc.Seen.IsZero() {
		l.Date, l.Undated = cashback.DateOf(s.doc.Seen), true // in the sender's zone
	} else {
		refuse(FieldDate, earnings.Because("import.date.missing"))
		return
	}
	own := s.own
	if v, ok := values[FieldCurrency]; ok && v.text != "" {
		c, known := currencyOf(strings.ToUpper(v.text), s.own)
		if !known {
			refuse(FieldCurrency, earnings.Because("import.amount.unit", short(v.text, 60), short(v.text, 20)))
			return
		}
		own = c
	}
	taken := l.State == earnings.StateDeclined || l.State == earnings.StateReversed
	if v := values[FieldAmount]; !slices.Contains(unstated, fold(v.text)) {
		a, negative, why := r.amount(v.text, own)
		if why != nil {
			refuse(FieldAmount, *why)
			return
		}
		if negative && a.Minor != 0 && !taken {
			refuse(FieldAmount, earnings.Because("import.amount.negative", short(v.text, 60)))
			return
		}
		l.Amount = a
	} else {
		if own == "" {
			refuse(FieldAmount, earnings.Because("import.amount.currency", short(v.text, 60)))
			return
		}
		l.Amount, l.Unstated = earnings.Amount{Unit: earnings.Unit(own)}, true
	}
	if v := values[FieldBasket]; !slices.Contains(unstated, fold(v.text)) {
		a, _, why := r.amount(v.text, own)
		if why != nil {
			refuse(FieldBasket, *why)
			return
		}
		l.Basket = &a
	}
	l.For = s.kind(kind, values)
	s.out.Lines = append(s.out.Lines, l)
}

// stateOf is the state that a portal's wording stands for: its word, alone or with a day
// or an explanation after it ("Paid on 3 June 2026", "bestätigt (Auszahlung folgt)"). An
// explanation that speaks of another state is no explanation, and isn't guessed at.
func (s *scan) stateOf(wording string) (earnings.State, bool) {
	r, c := s.rule, &s.rule.compiled
	text, rest := wording, ""
	day, has := cashback.Date(0), false
	st, known := c.state(fold(text))
	if head, d, ok := r.endsWithDate(text); ok {
		day, has = d, true
		if !known {
			text = head
			st, known = c.state(fold(text))
		}
	}
	if at := explanation.FindStringIndex(text); !known && at != nil {
		text, rest = text[:at[0]], text[at[0]:]
		if _, d, ok := r.endsWithDate(strings.TrimRight(rest, " )")); ok {
			day, has = d, true
		}
		if st, known = c.state(fold(text)); known && c.about(fold(rest), st) {
			return "", false
		}
	}
	if !known {
		return "", false
	}
	today := s.options.Today
	if !s.doc.Seen.IsZero() {
		today = cashback.DateOf(s.doc.Seen)
	}
	if st == earnings.StatePayable && has && today != 0 && day > today {
		return earnings.StateConfirmed, true // agreed, and not to be had before that day
	}
	return st, true
}

// explanation is what a portal puts behind its word for a state.
var explanation = regexp.MustCompile(`\s*[(\[]|\s+[-–—·|]\s+|\s*:\s+|\s*[,;]\s+`)

// linking is what leads from a word to a day, in the languages that dates are read in.
var linking = regexp.MustCompile(`(?i)[\s,:(-]+(?:(?:on|since|from|as of|by|le|depuis le|depuis|dès le|à partir du|au|du|am|ab|seit|seit dem|ab dem|zum|vom|el|desde el|il|dal|op|vanaf|em|desde|dnia|od)\s+)?$`)

// endsWithDate cuts the day off a text that ends with one.
func (r *Rule) endsWithDate(text string) (head string, day cashback.Date, ok bool) {
	text = strings.TrimRight(squeeze(text), " .)]")
	if len(text) > maxValue || !strings.ContainsAny(text, "0123456789") {
		return "", 0, false
	}
	// The longest tail that is a day: "3 June 2026", and not "June 2026" within it.
	for at := range text {
		if at == 0 || text[at-1] != ' ' && text[at-1] != '(' {
			continue
		}
		tail := text[at:]
		if first, _ := utf8.DecodeRuneInString(tail); !unicode.IsDigit(first) && r.monthNumber(strings.TrimRight(strings.Fields(tail)[0], ".,")) == "" {
			continue
		}
		if d, why := r.date(tail); why == nil {
			head = text[:at]
			return strings.TrimSpace(linking.ReplaceAllString(head, "")), d, true
		}
	}
	return "", 0, false
}

// kind finds what a line was earned for.
func (s *scan) kind(stated string, values map[Field]value) earnings.RewardFor {
	if stated != "" {
		return earnings.RewardFor(stated)
	}
	best, most := earnings.ForPurchase, 0
	for _, f := range []Field{FieldKind, FieldShop} {
		folded := fold(values[f].text)
		for _, k := range rewardKinds {
			if n := s.rule.compiled.kinds[k].match(folded); folded != "" && n > most {
				best, most = k, n
			}
		}
		if most > 0 {
			break
		}
	}
	return best
}
