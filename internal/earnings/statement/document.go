package statement

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Limits bound what one file may cost (RELIABILITY.md, WA17 and WA19). A year of
// purchases at one portal takes 40 KB and 300 rows; a saved page brings 3 MB of
// furniture.
type Limits struct {
	Bytes   int // of the file
	Decoded int // bytes of text in all, after transfer and character encodings
	Rows    int
	Columns int // of a row
	Cells   int // of the file
	Cell    int // bytes of one cell
	Depth   int // of a mail's parts, and of tables within tables
	Parts   int // of a mail
}

// DefaultLimits are what an upload may have.
func DefaultLimits() Limits {
	return Limits{
		Bytes: 10 << 20, Decoded: 50 << 20, Rows: 50_000, Columns: 200, Cells: 500_000, Cell: 16 << 10, Depth: 8, Parts: 50,
	}
}

// Form is what a file turned out to be.
type Form string

const (
	FormCSV   Form = "csv"
	FormTable Form = "table" // pasted: tabs, or columns kept apart by blanks
	FormHTML  Form = "html"
	FormMail  Form = "mail"
	FormText  Form = "text"
)

// Document is a file taken apart.
type Document struct {
	Name  string
	Form  Form
	Parts []*Part
	// Of a mail: who sent it, about what, and when, in the sender's zone.
	From, Subject string
	Seen          time.Time
	// Left are the parts that weren't read, and why.
	Left []string
}

// Part is a piece of a document: the whole of a file, or one body of a mail.
type Part struct {
	Name      string // "text/html", or an attachment's name
	Form      Form
	Encoding  string // how the bytes were read: "utf-8", "utf-16le", "windows-1252" …
	Delimiter string // of a CSV or pasted table; "  " for columns kept apart by blanks
	// Group is the same for parts that say the same in other forms: only the one that
	// is read best counts.
	Group int
	Grids []Grid
	// Text is the part as a reader sees it, with the source's line of each of its lines.
	Text  string
	lines []int
	html  string
	// pieces are a page's texts one by one, until they have been looked at.
	pieces []piece
}

// Grid is a table.
type Grid struct{ Rows []Row }

// Row is a row of a table. Line counts from 1 in the part's source.
type Row struct {
	Line  int
	Cells []Cell
}

// Cell is a cell, with the place at which it begins and, of a page, its classes.
type Cell struct {
	Text   string
	Column int
	Class  string
}

// String is the row as a person sees it, shortened.
func (r Row) String() string {
	texts := make([]string, len(r.Cells))
	for i, c := range r.Cells {
		texts[i] = c.Text
	}
	return short(strings.Join(texts, " | "), 200)
}

// blank says that the row has no text.
func (r Row) blank() bool {
	for _, c := range r.Cells {
		if c.Text != "" {
			return false
		}
	}
	return true
}

// Open finds out what a file is and takes it apart. The name only helps ("x.eml").
//
// Errors are Invalid, with the line where there is one: too large, too many rows, a
// quote that is never closed, a form that isn't read (ZIP, PDF, spreadsheets).
func Open(name string, r io.Reader, l Limits) (d *Document, err error) {
	defer cashback.Wrap(&err, "read %s", short(name, 80))
	raw, err := io.ReadAll(io.LimitReader(r, int64(l.Bytes)+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > l.Bytes {
		return nil, cashback.Errorf(cashback.Invalid, "the file has more than %d bytes", l.Bytes)
	}
	if what := foreignForm(raw); what != "" {
		return nil, cashback.Errorf(cashback.Invalid, "this is %s: save the table as CSV, or copy it and paste it", what)
	}
	d = &Document{Name: name}
	o := &opener{limits: l, doc: d}
	if looksLikeMail(name, raw) {
		d.Form = FormMail
		return d, o.mail(raw)
	}
	if err := o.part(name, "", "", raw, 0); err != nil {
		return nil, err
	}
	d.Form = d.Parts[0].Form
	return d, nil
}

// opener counts what a document has cost so far.
type opener struct {
	limits      Limits
	doc         *Document
	decoded     int
	rows, cells int
	parts       int
	groups      int
}

// foreignForm names the forms that people try and that aren't read.
func foreignForm(raw []byte) string {
	for _, f := range []struct{ magic, what string }{
		{"PK\x03\x04", "a ZIP file or a spreadsheet"},
		{"\x1f\x8b", "a gzip file"},
		{"%PDF-", "a PDF"},
		{"\xd0\xcf\x11\xe0", "an old office file"},
		{"\x89PNG", "a picture"},
		{"\xff\xd8\xff", "a picture"},
		{"BZh", "a bzip2 file"},
		{"7z\xbc\xaf", "a 7-Zip file"},
		{"Rar!", "a RAR file"},
		{"SQLite format 3", "a database"},
	} {
		if bytes.HasPrefix(raw, []byte(f.magic)) {
			return f.what
		}
	}
	return ""
}

var (
	htmlMark = regexp.MustCompile(`(?i)<(?:!doctype|html|head|body|table|tbody|tr|td|div|section|ul|main|span|p|meta)[\s>]`)
	htmlType = regexp.MustCompile(`(?i)^(text/html|application/xhtml)`)
)

// part decodes and takes apart one text; kind is its content type where one was stated.
func (o *opener) part(name, kind, label string, raw []byte, group int) error {
	text, encoding := o.decode(raw, kind, label)
	o.decoded += len(text)
	if o.decoded > o.limits.Decoded {
		return cashback.Errorf(cashback.Invalid, "the file decodes to more than %d bytes", o.limits.Decoded)
	}
	p := &Part{Name: name, Encoding: encoding, Group: group}
	head := strings.TrimSpace(text[:min(len(text), 4096)])
	var err error
	switch {
	case htmlType.MatchString(kind) || strings.HasPrefix(head, "<") && htmlMark.MatchString(head):
		p.Form, p.html = FormHTML, text
		err = o.html(p)
	default:
		err = o.delimited(p, text)
		p.Text = text
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(p.Grids, func(g Grid) bool { return width(&g) > 1 }) {
		if err := o.stacked(p); err != nil {
			return err
		}
	}
	if p.lines == nil {
		p.countLines()
	}
	o.doc.Parts = append(o.doc.Parts, p)
	return nil
}

// stacked takes a text without a table for a list whose values stand below each other.
func (o *opener) stacked(p *Part) error {
	list := p.pieces
	if p.Form != FormHTML {
		list = piecesOf(p.Text)
	}
	p.pieces = nil
	g, ok := stacked(list)
	if !ok {
		return nil
	}
	var counted Grid
	for _, r := range g.Rows {
		if err := o.addRow(&counted, r); err != nil {
			return err
		}
	}
	p.Grids = []Grid{counted}
	return nil
}

// countLines notes that the text's lines are the source's.
func (p *Part) countLines() {
	n := 1 + strings.Count(p.Text, "\n")
	p.lines = make([]int, n)
	for i := range p.lines {
		p.lines[i] = i + 1
	}
}

// decode reads bytes as text: by the stated encoding, by a byte order mark, as UTF-8
// where they are that, by the zeros of UTF-16, by a page's meta element, else as
// Windows-1252, which spreadsheets write.
func (o *opener) decode(raw []byte, kind, label string) (text, encoding string) {
	text, encoding = decode(raw, kind, label)
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return text, encoding
}

func decode(raw []byte, kind, label string) (text, encoding string) {
	switch {
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return strings.ToValidUTF8(string(raw[3:]), "\uFFFD"), "utf-8"
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")):
		if b, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(raw); err == nil {
			return string(b), "utf-16"
		}
	}
	if little, big := zeros(raw); little || big {
		order, name := unicode.LittleEndian, "utf-16le"
		if big {
			order, name = unicode.BigEndian, "utf-16be"
		}
		if b, err := unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder().Bytes(raw); err == nil {
			return string(b), name
		}
	}
	// A label may lie; bytes that are UTF-8 with letters beyond ASCII are nothing else.
	if utf8.Valid(raw) && !escapes(label) {
		return string(raw), "utf-8"
	}
	if label == "" && htmlMark.Match(raw[:min(len(raw), 4096)]) {
		if _, name, sure := charset.DetermineEncoding(raw[:min(len(raw), 1024)], kind); sure {
			label = name
		}
	}
	if e, name := charset.Lookup(label); e != nil {
		if b, err := e.NewDecoder().Bytes(raw); err == nil {
			return strings.ToValidUTF8(string(b), "\uFFFD"), name
		}
	}
	b, err := charmap.Windows1252.NewDecoder().Bytes(raw)
	if err != nil {
		return strings.ToValidUTF8(string(raw), "\uFFFD"), "utf-8"
	}
	return string(b), "windows-1252"
}

// escapes says that the encoding writes other scripts with ASCII bytes, so that valid
// UTF-8 says nothing.
func escapes(label string) bool {
	label = strings.ToLower(label)
	return strings.HasPrefix(label, "iso-2022") || strings.HasPrefix(label, "utf-16") || strings.HasPrefix(label, "hz-")
}

// zeros looks for UTF-16 without a mark: every other byte of Latin text is zero.
func zeros(raw []byte) (little, big bool) {
	n := min(len(raw), 4096) &^ 1
	if n < 4 {
		return false, false
	}
	var even, odd int
	for i := 0; i < n; i += 2 {
		if raw[i] == 0 {
			even++
		}
		if raw[i+1] == 0 {
			odd++
		}
	}
	return odd > n/4 && even < n/16, even > n/4 && odd < n/16
}

// grid checks a table against the limits.
func (o *opener) addRow(g *Grid, r Row) error {
	o.rows++
	o.cells += len(r.Cells)
	switch {
	case o.rows > o.limits.Rows:
		return atLine(r.Line, "more than %d rows", o.limits.Rows)
	case len(r.Cells) > o.limits.Columns:
		return atLine(r.Line, "a row with more than %d columns", o.limits.Columns)
	case o.cells > o.limits.Cells:
		return atLine(r.Line, "more than %d cells", o.limits.Cells)
	}
	g.Rows = append(g.Rows, r)
	return nil
}

func atLine(line int, format string, args ...any) error {
	return cashback.ErrorAt(cashback.Invalid, cashback.Place{Line: line}, format, args...)
}

// errTooLong is what a reader of tokens says.
var errTooLong = errors.New("an element is too long")
