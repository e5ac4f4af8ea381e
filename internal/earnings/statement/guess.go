package statement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// Guess is a proposal for a table that no rule reads: which column is what, and what
// its words mean, each with its reason. A person confirms it; Draft makes it a rule.
type Guess struct {
	// Language whose headings or months were found; "en" where none were.
	Language string `json:"language"`
	Currency string `json:"currency,omitempty"`
	Decimal  string `json:"decimal,omitempty"`
	Dates    string `json:"dates,omitempty"`
	// Points are the words for points that stand beside amounts.
	Points []string `json:"points,omitempty"`
	// Doubts are what the table leaves open: the order of its dates' numbers.
	Doubts  []earnings.Reason `json:"doubts,omitempty"`
	Columns []GuessedColumn   `json:"columns"`
	Words   []GuessedWord     `json:"words"`
}

// GuessedColumn is a column of the table.
type GuessedColumn struct {
	// At counts from 1; Header is empty for a table without headings.
	At     int             `json:"at"`
	Header string          `json:"header,omitempty"`
	Field  Field           `json:"field,omitempty"` // empty: nothing that is needed
	Reason earnings.Reason `json:"reason"`
	Sample []string        `json:"sample"`
}

// GuessedWord is a word of the state's column.
type GuessedWord struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
	// State is what every known rule takes the word for; empty where they differ, as
	// for "Confirmed", or where none knows it: then May holds what it could be.
	State earnings.State   `json:"state,omitempty"`
	May   []earnings.State `json:"may,omitempty"`
}

// pointWords are what points are called in the languages that are known; which of them a
// portal writes is found in its table.
var pointWords = words{"points", "point", "pts", "pt", "punkte", "punkt", "puntos", "punti", "punten", "pontos", "punkty", "miles", "meilen", "coins"}

// Bounds of a guess.
const (
	guessRows   = 200
	guessWords  = 40
	guessSample = 3
)

// Guess looks at the largest table of a document; false where there is none with two
// columns and a row.
func (d *Document) Guess(rules []*Rule, o Options) (Guess, bool) {
	var best *Grid
	for _, p := range d.Parts {
		for i := range p.Grids {
			g := &p.Grids[i]
			if len(g.Rows) > 0 && (best == nil || cellsOf(g) > cellsOf(best)) {
				best = g
			}
		}
	}
	if best == nil || width(best) < 2 {
		return Guess{}, false
	}
	v := gatherVocabulary(rules)
	head, score := v.headings(best)
	if head < 0 && titled(best) {
		head = 0
	}
	g := Guess{Language: "en"}
	rows := best.Rows
	var names []string
	if head >= 0 {
		for _, c := range rows[head].Cells {
			names = append(names, c.Text)
		}
		rows = rows[head+1:]
	}
	rows = rows[:min(len(rows), guessRows)]
	g.Language = v.language(score, rows)
	c := newColumns(rows, max(width(best), len(names)), g.Language, o)
	g.Dates, g.Decimal, g.Currency, g.Points = c.dates, c.decimal, c.currency, c.points
	if c.datesOpen {
		g.Doubts = append(g.Doubts, earnings.Because("import.guess.dates"))
	}
	g.Columns = v.assign(c, names, rows)
	stated := slices.ContainsFunc(g.Columns, func(col GuessedColumn) bool { return col.Field == FieldCurrency })
	if c.currency == "" && len(c.points) == 0 && !stated {
		g.Doubts = append(g.Doubts, earnings.Because("import.guess.currency"))
	}
	for _, col := range g.Columns {
		if col.Field == FieldState {
			g.Words = v.words(rows, col.At-1)
		}
	}
	return g, true
}

// titled says that the first row has only words, where those below have numbers.
func titled(g *Grid) bool {
	digits := func(r Row) int {
		n := 0
		for _, c := range r.Cells {
			if strings.ContainsAny(c.Text, "0123456789") {
				n++
			}
		}
		return n
	}
	return len(g.Rows) > 1 && len(g.Rows[0].Cells) == width(g) && digits(g.Rows[0]) == 0 && digits(g.Rows[1]) > 0
}

func cellsOf(g *Grid) int {
	n := 0
	for _, r := range g.Rows {
		n += len(r.Cells)
	}
	return n
}

// width is the number of columns of most rows.
func width(g *Grid) int {
	counts := map[int]int{}
	for _, r := range g.Rows {
		counts[len(r.Cells)]++
	}
	best := 0
	for w, n := range counts {
		if n > counts[best] || n == counts[best] && w > best {
			best = w
		}
	}
	return best
}

// vocabulary is what all rules and languages know together.
type vocabulary struct {
	headers   map[string]map[Field]int          // folded heading to fields, by how often
	languages map[string]map[string]bool        // folded heading to languages
	states    map[string]map[earnings.State]int // folded word to states
}

func gatherVocabulary(rules []*Rule) *vocabulary {
	v := &vocabulary{map[string]map[Field]int{}, map[string]map[string]bool{}, map[string]map[earnings.State]int{}}
	header := func(text string, f Field, lang string) {
		k := fold(text)
		if v.headers[k] == nil {
			v.headers[k], v.languages[k] = map[Field]int{}, map[string]bool{}
		}
		v.headers[k][f]++
		v.languages[k][lang] = true
	}
	state := func(text string, s earnings.State) {
		k := fold(strings.Trim(text, "*"))
		if v.states[k] == nil {
			v.states[k] = map[earnings.State]int{}
		}
		v.states[k][s]++
	}
	for name, l := range known().Languages {
		for f, hs := range l.Columns {
			for i, h := range hs {
				header(h, Field(f), name)
				if i == 0 {
					header(h, Field(f), name)
				}
			}
		}
		for s, ws := range l.States {
			for _, w := range ws {
				state(w, earnings.State(s))
			}
		}
	}
	for _, r := range rules {
		for f, c := range r.Columns {
			for _, h := range c.Header {
				header(h, Field(f), r.Language)
			}
		}
		for s, ws := range r.States {
			for _, w := range ws {
				state(w, earnings.State(s))
			}
		}
	}
	return v
}

// headings finds the row whose cells are most often known as headings, and how well
// each language knows it; -1 where no row has two.
func (v *vocabulary) headings(g *Grid) (row int, languages map[string]int) {
	row, most := -1, 1
	for i, r := range g.Rows[:min(len(g.Rows), 40)] {
		n := 0
		langs := map[string]int{}
		for _, c := range r.Cells {
			k := fold(c.Text)
			if _, ok := v.headers[k]; ok && k != "" {
				n++
				for l := range v.languages[k] {
					langs[l]++
				}
			}
		}
		if n > most {
			row, most, languages = i, n, langs
		}
	}
	return row, languages
}

// language is the one that knows most headings; of equals the one whose months occur.
func (v *vocabulary) language(score map[string]int, rows []Row) string {
	names := languages()
	text := ""
	for _, r := range rows[:min(len(rows), 30)] {
		text += " " + r.String()
	}
	best, most := "en", 0
	for _, n := range names {
		l, _ := languageOf(n)
		s := 4 * score[n]
		for _, m := range dayMonth.FindAllStringSubmatch(text, 20) {
			if l.month(m[2]) > 0 {
				s++
			}
		}
		if n == "en" {
			s++ // the first among equals: its words stand on every second page
		}
		if s > most {
			best, most = n, s
		}
	}
	return best
}

// columns is what the cells say of themselves.
type columns struct {
	kinds             []cellKind
	dates, decimal    string
	currency          string
	points            []string
	datesOpen         bool
	distinct, letters []int
}

// cellKind counts what the cells of a column could be.
type cellKind struct{ filled, date, amount, money int }

func newColumns(rows []Row, n int, language string, o Options) *columns {
	c := &columns{kinds: make([]cellKind, n), distinct: make([]int, n), letters: make([]int, n)}
	seen := make([]map[string]bool, n)
	firstBig, secondBig := false, false
	point, comma := 0, 0
	currencies := map[string]int{}
	numeric := 0
	// Every order of a date's numbers, to see whether a cell is a date at all.
	rules := map[string]*Rule{}
	for _, order := range []string{"dmy", "mdy", "ymd"} {
		r := &Rule{Dates: order}
		r.compiled.language, _ = languageOf(language)
		rules[order] = r
	}
	own := o.Currency
	if own == "" {
		own = "EUR" // only to see whether it is an amount
	}
	for _, r := range rows {
		for i, cell := range r.Cells[:min(len(r.Cells), n)] {
			if cell.Text == "" {
				continue
			}
			k := &c.kinds[i]
			k.filled++
			if len(cell.Text) > maxValue {
				c.letters[i]++
				continue
			}
			if seen[i] == nil {
				seen[i] = map[string]bool{}
			}
			seen[i][fold(cell.Text)] = true
			for _, ch := range cell.Text {
				if ch > 'A' {
					c.letters[i]++
				}
			}
			for _, order := range []string{"dmy", "mdy", "ymd"} {
				if _, why := rules[order].date(cell.Text); why == nil {
					k.date++
					break
				}
			}
			if m := numDate.FindStringSubmatch(cell.Text); m != nil {
				numeric++
				firstBig = firstBig || len(m[1]) == 2 && m[1] > "12"
				secondBig = secondBig || len(m[3]) == 2 && m[3] > "12"
			}
			m := numberForm.FindStringSubmatch(cell.Text)
			if m == nil {
				continue
			}
			beside := strings.Trim(m[1]+m[3]+m[5], " \u00a0()+-")
			cur, known := currencyOf(beside, own)
			_, shared, isSign := sign(strings.ToLower(beside))
			points := pointWords.match(fold(beside)) > 0
			if points && !slices.Contains(c.points, fold(beside)) {
				c.points = append(c.points, fold(beside))
			}
			if beside != "" && !known && !isSign && !points {
				continue
			}
			k.amount++
			if beside != "" {
				k.money++
				switch {
				case known && !shared:
					currencies[string(cur)]++
				case o.Currency != "" && known:
					currencies[string(o.Currency)]++
				}
			}
			if at := strings.LastIndexAny(m[4], ".,"); at >= 0 && len(m[4])-at-1 <= 2 {
				if m[4][at] == '.' {
					point++
				} else {
					comma++
				}
			}
		}
	}
	for i := range c.distinct {
		c.distinct[i] = len(seen[i])
	}
	switch {
	case firstBig && !secondBig:
		c.dates = "dmy"
	case secondBig && !firstBig:
		c.dates = "mdy"
	case numeric > 0:
		c.datesOpen = true
		c.dates = "dmy" // most of the world; a person must look
	}
	switch {
	case point > 0 && comma == 0:
		c.decimal = "."
	case comma > 0 && point == 0:
		c.decimal = ","
	}
	most := 0
	for _, cur := range slices.Sorted(maps.Keys(currencies)) {
		if currencies[cur] > most {
			c.currency, most = cur, currencies[cur]
		}
	}
	if c.currency == "" {
		c.currency = string(o.Currency)
	}
	return c
}

// looks says how well a column's cells look like a field, from 0 to 100.
func (c *columns) looks(i int, f Field, rows int) int {
	k := c.kinds[i]
	if k.filled == 0 {
		return 0
	}
	share := func(n int) int { return 100 * n / k.filled }
	switch f {
	case FieldDate:
		return share(k.date)
	case FieldAmount, FieldBasket:
		if k.date > k.filled/2 {
			return 0
		}
		return share(k.amount)*6/10 + share(k.money)*4/10
	case FieldState:
		if k.amount+k.date > k.filled/2 || c.letters[i] == 0 {
			return 0
		}
		// Few words that come again and again.
		return max(0, 100-100*c.distinct[i]/max(k.filled, 4))
	case FieldShop:
		if k.amount+k.date > k.filled/2 || c.letters[i] == 0 {
			return 0
		}
		return 30 + 40*c.distinct[i]/max(k.filled, 1)
	case FieldID, FieldOrder:
		if k.date > k.filled/2 || k.money > 0 {
			return 0
		}
		return 25 * c.distinct[i] / max(k.filled, 1)
	}
	return 0
}

// assign gives each field the column that names and looks like it, the surest first.
func (v *vocabulary) assign(c *columns, names []string, rows []Row) []GuessedColumn {
	n := len(c.kinds)
	type option struct {
		at    int
		field Field
		score int
		named bool
	}
	var options []option
	for i := range n {
		heading := ""
		if i < len(names) {
			heading = fold(names[i])
		}
		for fi, f := range Fields {
			named := v.headers[heading][f]
			looks := c.looks(i, f, len(rows))
			if named == 0 && (f == FieldID || f == FieldOrder || f == FieldKind || f == FieldCurrency) {
				continue // numbers that nobody named are none of these
			}
			if named == 0 && looks < 25 && (f != FieldState || v.speaks(rows, i) == 0) || looks == 0 && len(rows) > 0 && f != FieldKind && f != FieldCurrency && c.kinds[i].filled > 0 {
				continue
			}
			s := min(named, 8)*40 + looks - fi
			if f == FieldState {
				s += v.speaks(rows, i)
			}
			if f == FieldBasket && named == 0 {
				s -= 30 // of two amounts the cashback is the one that must be there
			}
			options = append(options, option{i, f, s, named > 0})
		}
	}
	slices.SortStableFunc(options, func(a, b option) int { return cmp.Compare(b.score, a.score) })
	out := make([]GuessedColumn, n)
	for i := range out {
		out[i] = GuessedColumn{At: i + 1, Reason: earnings.Because("import.guess.nothing")}
		if i < len(names) {
			out[i].Header = names[i]
		}
		for _, r := range rows {
			if i < len(r.Cells) && r.Cells[i].Text != "" && !slices.Contains(out[i].Sample, r.Cells[i].Text) && len(out[i].Sample) < guessSample {
				out[i].Sample = append(out[i].Sample, short(r.Cells[i].Text, 60))
			}
		}
	}
	taken := map[Field]bool{}
	for _, o := range options {
		if out[o.at].Field != "" || taken[o.field] {
			continue
		}
		taken[o.field] = true
		out[o.at].Field = o.field
		if o.named {
			out[o.at].Reason = earnings.Because("import.guess.heading", names[o.at])
		} else {
			out[o.at].Reason = earnings.Because("import.guess.cells", string(o.field))
		}
	}
	// Without headings the larger of two amounts is what was paid at the shop.
	c.larger(out, rows)
	return out
}

// speaks says how much of a column are words that stand for a state somewhere, from 0 to
// 100.
func (v *vocabulary) speaks(rows []Row, at int) int {
	filled, spoken := 0, 0
	for _, r := range rows {
		if at < len(r.Cells) && r.Cells[at].Text != "" {
			filled++
			if len(v.states[fold(r.Cells[at].Text)]) > 0 {
				spoken++
			}
		}
	}
	return 100 * spoken / max(filled, 1)
}

// larger puts cashback and basket right where no heading told them apart: cashback is
// the smaller one.
func (c *columns) larger(cols []GuessedColumn, rows []Row) {
	amount, basket := -1, -1
	for i, col := range cols {
		if col.Reason.Key != "import.guess.cells" {
			continue
		}
		switch col.Field {
		case FieldAmount:
			amount = i
		case FieldBasket:
			basket = i
		}
	}
	if amount < 0 || basket < 0 {
		return
	}
	r := &Rule{Decimal: c.decimal}
	bigger := 0
	for _, row := range rows {
		if len(row.Cells) <= max(amount, basket) {
			continue
		}
		a, _, why := r.amount(row.Cells[amount].Text, "EUR")
		b, _, whyNot := r.amount(row.Cells[basket].Text, "EUR")
		if why != nil || whyNot != nil {
			continue
		}
		if a.Minor > b.Minor {
			bigger++
		} else {
			bigger--
		}
	}
	if bigger > 0 {
		cols[amount].Field, cols[basket].Field = FieldBasket, FieldAmount
	}
}

// words are the texts of the state's column, with what is known of them.
func (v *vocabulary) words(rows []Row, at int) []GuessedWord {
	var out []GuessedWord
	place := map[string]int{}
	for _, r := range rows {
		if at >= len(r.Cells) || r.Cells[at].Text == "" {
			continue
		}
		k := fold(r.Cells[at].Text)
		if i, ok := place[k]; ok {
			out[i].Count++
			continue
		}
		if len(out) >= guessWords {
			continue
		}
		w := GuessedWord{Text: short(r.Cells[at].Text, 80), Count: 1}
		for _, s := range States {
			if v.states[k][s] > 0 {
				w.May = append(w.May, s)
			}
		}
		if len(w.May) == 1 {
			w.State, w.May = w.May[0], nil
		}
		place[k] = len(out)
		out = append(out, w)
	}
	return out
}

// Draft makes a rule of a guess, as a person has confirmed or mended it: columns
// without a field are left out, words without a state too, so that their rows are
// refused and seen.
func (g Guess) Draft(id, name, portal string) (*Rule, error) {
	r := &Rule{
		ID: id, Name: name, Language: g.Language, Currency: g.Currency, Decimal: g.Decimal, Dates: g.Dates,
		Points: g.Points, Columns: map[string]Column{}, States: map[string]Texts{},
	}
	if portal != "" {
		r.Portals = Texts{portal}
	}
	for _, c := range g.Columns {
		if c.Field == "" {
			continue
		}
		if _, twice := r.Columns[string(c.Field)]; twice {
			return nil, cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: fmt.Sprintf("column %d", c.At)}, "two columns are said to be the %s", c.Field)
		}
		if c.Header != "" {
			r.Columns[string(c.Field)] = Column{Header: Texts{c.Header}}
		} else {
			r.Columns[string(c.Field)] = Column{At: c.At}
		}
	}
	for _, w := range g.Words {
		if w.State != "" {
			r.States[string(w.State)] = append(r.States[string(w.State)], w.Text)
		}
	}
	b, err := r.YAML()
	if err != nil {
		return nil, err
	}
	return LoadRule(id+".yaml", b)
}
