package statement

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// gaps is the delimiter of columns that are kept apart by two blanks or more.
const gaps = "  "

// delimiters in the order in which they win a tie.
var delimiters = []string{"\t", ";", ",", "|", gaps}

// sniffed is how much of a file the choice of the delimiter looks at.
const sniffed = 64 << 10

var (
	gapForm = regexp.MustCompile(`(?:[ \x{a0}]{2,}|\t)[ \x{a0}]*`)
	sepLine = regexp.MustCompile(`^(?i)sep=(.)\n`)
)

// delimited takes a text apart into rows, if it is a table at all.
func (o *opener) delimited(p *Part, text string) error {
	p.Form = FormText
	first := 1
	if m := sepLine.FindStringSubmatch(text); m != nil {
		// The line with which spreadsheets are told the delimiter.
		p.Delimiter, text, first = m[1], text[len(m[0]):], 2
	} else {
		p.Delimiter = delimiterOf(text)
	}
	if p.Delimiter == "" {
		return nil
	}
	p.Form = FormCSV
	if p.Delimiter == "\t" || p.Delimiter == gaps {
		p.Form = FormTable
	}
	var g Grid
	s := splitter{delimiter: p.Delimiter, text: text, line: first, column: 1, limits: o.limits}
	for {
		row, more, err := s.row()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if row.blank() {
			continue
		}
		if err := o.addRow(&g, row); err != nil {
			return err
		}
	}
	p.Grids = []Grid{g}
	return nil
}

// delimiterOf is the delimiter that cuts most of the text's rows into the same number
// of columns; empty where none does.
func delimiterOf(text string) string {
	head := text
	if len(head) > sniffed {
		head = head[:strings.LastIndexByte(head[:sniffed], '\n')+1]
		if head == "" {
			head = text[:sniffed]
		}
	}
	best, most := "", 0
	for _, d := range delimiters {
		s := splitter{delimiter: d, text: head, line: 1, column: 1, limits: Limits{Columns: 1 << 20, Cell: 1 << 20}}
		widths := map[int]int{}
		rows := 0
		for {
			row, more, err := s.row()
			if err != nil || !more {
				break
			}
			if len(row.Cells) > 1 {
				widths[len(row.Cells)]++
			}
			if !row.blank() {
				rows++
			}
		}
		// The score is the cells of the most frequent width, so that "4,20" in a cell
		// of a table with semicolons doesn't win; a lone row is a table from three columns on.
		score := 0
		for width, n := range widths {
			if n > 1 || width > 2 {
				score = max(score, n*width)
			}
		}
		if score > most && rows > 0 {
			best, most = d, score
		}
	}
	return best
}

// splitter reads rows one by one: RFC 4180 with any delimiter, forgiving a quote
// within a bare cell.
type splitter struct {
	delimiter    string
	text         string
	at           int
	line, column int
	limits       Limits
}

// row reads the next row; more is false at the end.
func (s *splitter) row() (r Row, more bool, err error) {
	if s.at >= len(s.text) {
		return r, false, nil
	}
	r.Line = s.line
	if s.delimiter == gaps {
		return s.gapRow()
	}
	for {
		column := s.column
		cell, end, err := s.cell()
		if err != nil {
			return r, false, err
		}
		if len(r.Cells) >= s.limits.Columns {
			return r, false, atLine(s.line, "a row with more than %d columns", s.limits.Columns)
		}
		r.Cells = append(r.Cells, Cell{Text: squeeze(cell), Column: column})
		if end {
			return r, true, nil
		}
	}
}

// gapRow cuts a line at its gaps.
func (s *splitter) gapRow() (Row, bool, error) {
	line, _, _ := strings.Cut(s.text[s.at:], "\n")
	r := Row{Line: s.line}
	s.at += len(line) + 1
	s.line++
	from, column := 0, 1
	for from <= len(line) {
		gap := gapForm.FindStringIndex(line[from:])
		to, next := len(line), len(line)+1
		if gap != nil {
			to, next = from+gap[0], from+gap[1]
		}
		cell := squeeze(line[from:to])
		if cell != "" || from > 0 && to < len(line) {
			if len(r.Cells) >= s.limits.Columns {
				return r, false, atLine(r.Line, "a row with more than %d columns", s.limits.Columns)
			}
			if len(cell) > s.limits.Cell {
				return r, false, atLine(r.Line, "a cell with more than %d bytes", s.limits.Cell)
			}
			r.Cells = append(r.Cells, Cell{Text: cell, Column: column})
		}
		column += utf8.RuneCountInString(line[from:min(next, len(line))])
		from = next
	}
	return r, true, nil
}

// cell reads one cell; end says that the row ends with it.
func (s *splitter) cell() (text string, end bool, err error) {
	rest, line := s.text[s.at:], s.line
	if quoted := strings.TrimLeft(rest, " "); strings.HasPrefix(quoted, `"`) && s.closes(quoted) {
		return s.quoted(len(rest) - len(quoted))
	}
	cut, stop := s.ends(rest)
	switch {
	case cut >= 0:
		text = rest[:cut]
		s.at += cut + len(s.delimiter)
		s.column += utf8.RuneCountInString(text) + len(s.delimiter)
	case stop >= 0:
		text, end = rest[:stop], true
		s.at += stop + 1
		s.line++
		s.column = 1
	default:
		text, end = rest, true
		s.at = len(s.text)
	}
	if len(text) > s.limits.Cell {
		return "", false, atLine(line, "a cell with more than %d bytes", s.limits.Cell)
	}
	return text, end, nil
}

// ends finds where a cell ends: at the delimiter or at the line's end, whichever comes
// first; the other one is -1. It looks no further than that, or a long file of short
// cells would be read again for each.
func (s *splitter) ends(rest string) (cut, stop int) {
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '\n':
			return -1, i
		case rest[i] == s.delimiter[0] && strings.HasPrefix(rest[i:], s.delimiter):
			return i, -1
		}
	}
	return -1, -1
}

// closes says whether what begins with a quote is a quoted cell. In a pasted table a
// name may begin with a quote; a cell there is quoted only if the quote closes on it.
func (s *splitter) closes(quoted string) bool {
	if s.delimiter != "\t" {
		return true
	}
	within := quoted[1:min(len(quoted), 1+s.limits.Cell)]
	for {
		i := strings.IndexByte(within, '"')
		if i < 0 {
			return false
		}
		if !strings.HasPrefix(within[i+1:], `"`) {
			after := within[i+1:]
			return after == "" || after[0] == '\n' || strings.HasPrefix(after, s.delimiter)
		}
		within = within[i+2:]
	}
}

// quoted reads a quoted cell that begins after some blanks.
func (s *splitter) quoted(blanks int) (string, bool, error) {
	line, column := s.line, s.column+blanks
	var b strings.Builder
	i := s.at + blanks + 1
	for {
		q := strings.IndexByte(s.text[i:], '"')
		if q < 0 || b.Len()+q > s.limits.Cell {
			what := "a quote that opens here is never closed"
			if q >= 0 {
				what = "the quoted cell that begins here is too long"
			}
			return "", false, atLine(line, "column %d: %s", column, what)
		}
		b.WriteString(s.text[i : i+q])
		i += q + 1
		if strings.HasPrefix(s.text[i:], `"`) {
			b.WriteByte('"')
			i++
			continue
		}
		break
	}
	// What stands between the closing quote and the delimiter belongs to the cell.
	rest := s.text[i:]
	cut, stop := s.ends(rest)
	end, tail, next := true, len(rest), len(s.text)
	switch {
	case cut >= 0:
		end, tail, next = false, cut, i+cut+len(s.delimiter)
	case stop >= 0:
		tail, next = stop, i+stop+1
	}
	if b.Len()+tail > s.limits.Cell {
		return "", false, atLine(line, "column %d: the quoted cell that begins here is too long", column)
	}
	b.WriteString(rest[:tail])
	consumed := s.text[s.at:next]
	s.line += strings.Count(consumed, "\n")
	if nl := strings.LastIndexByte(consumed, '\n'); nl >= 0 {
		s.column = 1 + utf8.RuneCountInString(consumed[nl+1:])
	} else {
		s.column += utf8.RuneCountInString(consumed)
	}
	s.at = next
	return b.String(), end, nil
}
