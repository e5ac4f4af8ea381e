package statement

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// maxToken bounds one tag, text or comment of a page.
const maxToken = 1 << 20

// maxOpen bounds how deep elements lie within each other; a page has 20 to 60.
const maxOpen = 600

// html takes a page apart: its tables, and its text.
func (o *opener) html(p *Part) error {
	h := &htmlReader{o: o}
	if err := h.read(p.html); err != nil {
		return err
	}
	p.Grids, p.pieces = h.grids, h.pieces
	p.Text, p.lines = h.text.String(), h.lines
	return nil
}

// gridOf reads the rows and cells that a rule names, on pages that have no tables.
func (o *opener) gridOf(src string, row, cell *compound) (Grid, error) {
	h := &htmlReader{o: o, row: row, cell: cell}
	if err := h.read(src); err != nil {
		return Grid{}, err
	}
	return h.named, nil
}

// htmlReader walks the tokens of a page once. It builds no tree: what it does for a
// tag is bounded, whatever the tags before it were.
type htmlReader struct {
	o         *opener
	row, cell *compound

	grids []Grid
	named Grid
	text  strings.Builder
	lines []int

	open   []string // open elements, innermost last
	tables []*tableReader
	// Of the rule's own rows: where in the open elements the row and the cell began.
	rowAt, cellAt int
	current       *Row
	buffer        strings.Builder
	alt           string

	pieces       []piece
	silent       int // inside script, style, template
	line, column int
}

// tableReader is a table element being read.
type tableReader struct {
	grid  Grid
	row   *Row
	cell  *Cell
	text  strings.Builder
	alt   string
	wide  int // colspan of the open cell
	tall  int // its rowspan
	spans map[int]span
}

// span is a cell that reaches down into later rows.
type span struct {
	left int
	text string
}

func (h *htmlReader) read(src string) error {
	z := html.NewTokenizer(strings.NewReader(src))
	z.SetMaxBuf(maxToken)
	h.line, h.column = 1, 1
	h.startLine()
	for {
		kind := z.Next()
		raw := z.Raw()
		line, column := h.line, h.column
		if n := bytes.Count(raw, []byte{'\n'}); n > 0 {
			h.line += n
			h.column = 1 + utf8.RuneCount(raw[bytes.LastIndexByte(raw, '\n')+1:])
		} else {
			h.column += utf8.RuneCount(raw)
		}
		var err error
		switch kind {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) {
				return atLine(line, "%v", errTooLong)
			}
			for len(h.tables) > 0 {
				if err := h.endTable(); err != nil {
					return err
				}
			}
			return h.endNamedRow()
		case html.TextToken:
			if h.silent == 0 {
				text := string(z.Text())
				h.write(text)
				if t := squeeze(text); t != "" && h.row == nil && len(h.pieces) < maxPieces {
					h.pieces = append(h.pieces, piece{t, line})
				}
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			err = h.start(string(name), attributes(z, more), kind == html.SelfClosingTagToken, line, column)
		case html.EndTagToken:
			name, _ := z.TagName()
			err = h.end(string(name))
		}
		if err != nil {
			return err
		}
	}
}

// attributes are those of a tag that anything here asks for.
func attributes(z *html.Tokenizer, more bool) map[string]string {
	var out map[string]string
	for n := 0; more && n < 200; n++ {
		var k, v []byte
		k, v, more = z.TagAttr()
		switch string(k) {
		case "class", "id", "alt", "colspan", "rowspan", "hidden", "title":
			if out == nil {
				out = map[string]string{}
			}
			if _, twice := out[string(k)]; !twice {
				out[string(k)] = string(v)
			}
		}
	}
	return out
}

func (h *htmlReader) start(name string, attr map[string]string, closed bool, line, column int) error {
	a := atom.Lookup([]byte(name))
	if silentElement(a) {
		if !closed {
			h.silent++
			h.push(name)
		}
		return nil
	}
	if blockElement(a) {
		h.startLine()
	}
	if a == atom.Body {
		h.silent = 0 // whatever the head forgot to close
	}
	if h.silent > 0 {
		return nil
	}
	switch a {
	case atom.Table:
		if len(h.tables) >= h.o.limits.Depth {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: line, Column: column}, "tables within tables deeper than %d", h.o.limits.Depth)
		}
		h.tables = append(h.tables, &tableReader{spans: map[int]span{}})
	case atom.Tr:
		if t := h.table(); t != nil {
			if err := h.endRow(t); err != nil {
				return err
			}
			t.row = &Row{Line: line}
		}
	case atom.Td, atom.Th:
		if t := h.table(); t != nil {
			if t.row == nil {
				t.row = &Row{Line: line}
			}
			if err := h.endCell(t); err != nil {
				return err
			}
			t.cell = &Cell{Column: column, Class: attr["class"]}
			t.wide, t.tall = count(attr["colspan"], 50), count(attr["rowspan"], 1000)
		}
	case atom.Img:
		if t := h.table(); t != nil && t.cell != nil && t.alt == "" {
			t.alt = attr["alt"]
		}
		if h.alt == "" {
			h.alt = attr["alt"]
		}
	}
	if closed || voidElement(a) {
		return nil
	}
	if len(h.open) >= maxOpen {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: line, Column: column}, "elements within elements deeper than %d", maxOpen)
	}
	h.push(name)
	if h.row != nil {
		return h.startNamed(name, attr, line, column)
	}
	return nil
}

func (h *htmlReader) push(name string) {
	if len(h.open) < maxOpen {
		h.open = append(h.open, name)
	}
}

// startNamed opens the rows and cells that the rule named.
func (h *htmlReader) startNamed(name string, attr map[string]string, line, column int) error {
	switch {
	case h.row.match(name, attr):
		if err := h.endNamedRow(); err != nil {
			return err
		}
		h.current, h.rowAt, h.cellAt = &Row{Line: line}, len(h.open), 0
		h.buffer.Reset()
		h.alt = ""
	case h.current != nil && h.cell.match(name, attr):
		h.endNamedCell()
		if len(h.current.Cells) >= h.o.limits.Columns {
			return atLine(line, "a row with more than %d columns", h.o.limits.Columns)
		}
		h.current.Cells = append(h.current.Cells, Cell{Column: column, Class: attr["class"]})
		h.cellAt = len(h.open)
		h.buffer.Reset()
		h.alt = ""
	}
	return nil
}

func (h *htmlReader) endNamedCell() {
	if h.current == nil || h.cellAt == 0 {
		return
	}
	text := squeeze(h.buffer.String())
	if text == "" {
		text = squeeze(h.alt)
	}
	h.current.Cells[len(h.current.Cells)-1].Text = text
	h.cellAt = 0
	h.buffer.Reset()
}

func (h *htmlReader) endNamedRow() error {
	if h.current == nil {
		return nil
	}
	h.endNamedCell()
	row := *h.current
	h.current, h.rowAt = nil, 0
	if row.blank() {
		return nil
	}
	return h.o.addRow(&h.named, row)
}

func (h *htmlReader) end(name string) error {
	a := atom.Lookup([]byte(name))
	if silentElement(a) {
		h.silent = max(0, h.silent-1)
	}
	if blockElement(a) {
		h.startLine()
	}
	if h.silent == 0 {
		var err error
		switch t := h.table(); {
		case t == nil:
		case a == atom.Table:
			err = h.endTable()
		case a == atom.Tr:
			err = h.endRow(t)
		case a == atom.Td || a == atom.Th:
			err = h.endCell(t)
		}
		if err != nil {
			return err
		}
	}
	// What a page forgets to close, an outer end closes; the look back is bounded.
	for i := len(h.open) - 1; i >= max(0, len(h.open)-40); i-- {
		if h.open[i] != name {
			continue
		}
		h.open = h.open[:i]
		if h.cellAt > i {
			h.endNamedCell()
		}
		if h.rowAt > i {
			return h.endNamedRow()
		}
		break
	}
	return nil
}

func (h *htmlReader) table() *tableReader {
	if len(h.tables) == 0 {
		return nil
	}
	return h.tables[len(h.tables)-1]
}

func (h *htmlReader) endTable() error {
	t := h.table()
	if err := h.endRow(t); err != nil {
		return err
	}
	h.tables = h.tables[:len(h.tables)-1]
	if len(t.grid.Rows) > 0 {
		h.grids = append(h.grids, t.grid)
	}
	return nil
}

func (h *htmlReader) endRow(t *tableReader) error {
	if err := h.endCell(t); err != nil {
		return err
	}
	if t.row == nil {
		return nil
	}
	row := *t.row
	t.row = nil
	row.Cells = t.carried(row.Cells)
	if row.blank() {
		return nil
	}
	return h.o.addRow(&t.grid, row)
}

// carried puts what reaches down from rows above at the row's end; cells before it
// were put in place when they ended.
func (t *tableReader) carried(cells []Cell) []Cell {
	for {
		s, ok := t.take(len(cells))
		if !ok {
			return cells
		}
		cells = append(cells, Cell{Text: s})
	}
}

// take uses up one row of a span at a column.
func (t *tableReader) take(column int) (string, bool) {
	s, ok := t.spans[column]
	if !ok {
		return "", false
	}
	if s.left--; s.left == 0 {
		delete(t.spans, column)
	} else {
		t.spans[column] = s
	}
	return s.text, true
}

func (h *htmlReader) endCell(t *tableReader) error {
	if t.cell == nil {
		return nil
	}
	c := *t.cell
	t.cell = nil
	c.Text = squeeze(t.text.String())
	t.text.Reset()
	if c.Text == "" {
		c.Text = squeeze(t.alt)
	}
	t.alt = ""
	t.row.Cells = t.carried(t.row.Cells)
	for i := range t.wide {
		if len(t.row.Cells) >= h.o.limits.Columns {
			return atLine(t.row.Line, "a row with more than %d columns", h.o.limits.Columns)
		}
		if t.tall > 1 {
			t.spans[len(t.row.Cells)] = span{t.tall - 1, c.Text}
		}
		t.row.Cells = append(t.row.Cells, c)
		if i == 0 {
			c.Text = "" // the columns beside it are empty
		}
	}
	return nil
}

// write puts text where it belongs: into the open cell, and into the page's text.
func (h *htmlReader) write(s string) {
	if t := h.table(); t != nil && t.cell != nil && t.text.Len() < h.o.limits.Cell {
		t.text.WriteString(s[:min(len(s), h.o.limits.Cell)])
	}
	if h.cellAt > 0 && h.buffer.Len() < h.o.limits.Cell {
		h.buffer.WriteString(s[:min(len(s), h.o.limits.Cell)])
	}
	s = squeezeInline(s)
	if s == "" || s == " " && h.atStart() {
		return
	}
	if h.atStart() {
		s = strings.TrimLeft(s, " ")
		h.lines[len(h.lines)-1] = h.line
	}
	h.text.WriteString(s)
}

// squeezeInline is squeeze that keeps a blank at the ends.
func squeezeInline(s string) string {
	t := squeeze(s)
	if t == "" {
		if s == "" {
			return ""
		}
		return " "
	}
	if strings.TrimLeft(s, " \n\t\u00a0") != s {
		t = " " + t
	}
	if strings.TrimRight(s, " \n\t\u00a0") != s {
		t += " "
	}
	return t
}

func (h *htmlReader) atStart() bool {
	s := h.text.String()
	return s == "" || s[len(s)-1] == '\n'
}

// startLine begins a new line of the page's text, unless one has just begun.
func (h *htmlReader) startLine() {
	if t := h.table(); t != nil && t.cell != nil {
		t.text.WriteByte(' ')
	}
	if h.cellAt > 0 {
		h.buffer.WriteByte(' ')
	}
	switch {
	case h.lines == nil:
		h.lines = []int{h.line}
	case !h.atStart():
		h.text.WriteByte('\n')
		h.lines = append(h.lines, h.line)
	}
}

func count(s string, most int) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 {
		return 1
	}
	return min(n, most)
}

func silentElement(a atom.Atom) bool {
	switch a {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Svg, atom.Select, atom.Datalist:
		return true
	}
	return false
}

func voidElement(a atom.Atom) bool {
	switch a {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

func blockElement(a atom.Atom) bool {
	switch a {
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Br, atom.Dd, atom.Div, atom.Dl, atom.Dt, atom.Fieldset, atom.Figcaption,
		atom.Figure, atom.Footer, atom.Form, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hr, atom.Li, atom.Main, atom.Nav,
		atom.Ol, atom.P, atom.Pre, atom.Section, atom.Table, atom.Tbody, atom.Td, atom.Tfoot, atom.Th, atom.Thead, atom.Tr, atom.Ul, atom.Option, atom.Label:
		return true
	}
	return false
}

// compound is an element as a rule names it: "tr", "div.transaction", ".row.paid".
type compound struct {
	name, id string
	classes  []string
}

func (c *compound) match(name string, attr map[string]string) bool {
	if c == nil || c.name != "" && c.name != name || c.id != "" && c.id != attr["id"] {
		return false
	}
	if len(c.classes) == 0 {
		return true
	}
	have := strings.Fields(attr["class"])
	for _, want := range c.classes {
		found := false
		for _, h := range have {
			found = found || h == want
		}
		if !found {
			return false
		}
	}
	return true
}

// parseCompound reads a compound; false for what is more than one element's name and classes.
func parseCompound(s string) (*compound, bool) {
	c := &compound{}
	rest := strings.TrimSpace(s)
	if rest == "" {
		return nil, false
	}
	sign := byte('t')
	for rest != "" {
		if rest[0] == '.' || rest[0] == '#' {
			sign, rest = rest[0], rest[1:]
		} else if c.name != "" || c.id != "" || len(c.classes) > 0 {
			return nil, false
		}
		n := 0
		for n < len(rest) && (rest[n] == '-' || rest[n] == '_' || rest[n] >= '0' && rest[n] <= '9' || rest[n]|0x20 >= 'a' && rest[n]|0x20 <= 'z') {
			n++
		}
		if n == 0 {
			return nil, false
		}
		switch sign {
		case '.':
			c.classes = append(c.classes, rest[:n])
		case '#':
			c.id = rest[:n]
		default:
			c.name = strings.ToLower(rest[:n])
		}
		rest = rest[n:]
	}
	return c, true
}
