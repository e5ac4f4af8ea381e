package statement_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
)

const plainRule = `
rule: plain-x
name: Plain
language: fr
currency: EUR
dates: dmy
points: [points, pts]
columns: {date: Date, shop: Shop, amount: Cash, state: State, basket: Basket, id: ID}
states: {tracked: [en attente], confirmed: [validé], declined: [refusé], expected: [vu]}
skip: ["total*"]
`

func rule(t testing.TB, text string) *statement.Rule {
	t.Helper()
	r, err := statement.LoadRule("rule.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t testing.TB, name, text string) *statement.Document {
	t.Helper()
	d, err := statement.Open(name, strings.NewReader(text), statement.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sentences are what was read, one line each, refusals with "!" and their reason.
func sentences(r statement.Reading) string {
	var out []string
	for _, l := range r.Lines {
		out = append(out, statement.Sentence(l))
	}
	for _, f := range r.Refused {
		out = append(out, fmt.Sprintf("! %d %s %s", f.Place.Line, f.Field, f.Reason.Key))
	}
	return strings.Join(out, "\n")
}

// TestForms reads one table in every form in which it comes.
func TestForms(t *testing.T) {
	const want = "2026-10-03 | Crêperie d'Armor | 3.60 EUR | tracked\n2026-10-04 | Fnac | 1234.50 EUR | confirmed"
	csv := "Date;Shop;Cash;State\r\n03/10/2026;Crêperie d'Armor;3,60 €;En attente\r\n4 oct. 2026;\"Fnac\";1 234,50 €;VALIDÉ\r\n"
	latin, err := charmap.Windows1252.NewEncoder().String(csv)
	if err != nil {
		t.Fatal(err)
	}
	wide := func(e unicode.Endianness, bom unicode.BOMPolicy) string {
		s, err := unicode.UTF16(e, bom).NewEncoder().String(csv)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	page := `<!DOCTYPE html><html><head><title>Mes gains</title><style>td{}</style><script>var a="<td>no</td>"</script></head><body>
<h1>Mes gains</h1><table class=layout><tr><td><table>
<thead><tr><th>Date<th>Shop<th>Cash<th>State</thead>
<tr><td>03/10/2026</td><td><img src=x.png alt="Crêperie d&#39;Armor"></td><td><b>3,60</b>&nbsp;€</td><td> En
 attente </td></tr>
<tr><td>4 oct. 2026<td><a href="/fnac">Fnac</a><td>1&#8239;234,50&nbsp;€<td>Valid&eacute;
</table></td></tr></table><p>Page 1 / 1</p></body></html>`
	rows := "Date\tShop\tCash\tState\n03/10/2026\tCrêperie d'Armor\t3,60 €\tEn attente\n4 oct. 2026\tFnac\t1 234,50 €\tValidé\n"
	mailed := "From: a@b.example\r\nTo: c@d.example\r\nSubject: =?utf-8?q?Relev=C3=A9?=\r\nDate: Fri, 20 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nBonjour\r\n--x\r\nContent-Type: text/csv; charset=windows-1252; name=r.csv\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(latin)) + "\r\n--x\r\nContent-Type: application/zip; name=z.zip\r\n\r\nPK\x03\x04\r\n--x--\r\n"
	alternative := "From: a@b.example\nTo: c@d.example\nSubject: x\nContent-Type: multipart/alternative; boundary=y\n\n--y\nContent-Type: text/plain; charset=utf-8\n\n" + rows +
		"\n--y\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + strings.NewReplacer("=", "=3D", "\n", "\n").Replace(page) + "\n--y--\n"
	for _, c := range []struct{ name, file, text, form, encoding string }{
		{"csv, Windows-1252", "a.csv", latin, "csv", "windows-1252"},
		{"csv, UTF-8", "a.csv", csv, "csv", "utf-8"},
		{"csv, UTF-8 with a mark", "a.csv", "\ufeff" + csv, "csv", "utf-8"},
		{"csv, UTF-16 with a mark", "a.csv", wide(unicode.LittleEndian, unicode.UseBOM), "csv", "utf-16"},
		{"csv, UTF-16 big", "a.csv", wide(unicode.BigEndian, unicode.IgnoreBOM), "csv", "utf-16be"},
		{"csv, commas", "a.csv", "Date,Shop,Cash,State\n03/10/2026,Crêperie d'Armor,\"3,60 €\",En attente\n4 oct. 2026,Fnac,\"1 234,50 €\",Validé\n", "csv", "utf-8"},
		{"csv, told by its first line", "a.csv", "sep=|\nDate|Shop|Cash|State\n03/10/2026|Crêperie d'Armor|3,60 €|En attente\n4 oct. 2026|Fnac|1 234,50 €|Validé\n", "csv", "utf-8"},
		{"pasted with tabs", "", "Mes gains\n\n" + rows, "table", "utf-8"},
		{"pasted with blanks", "", "Date          Shop                Cash        State\n03/10/2026    Crêperie d'Armor    3,60 €      En attente\n4 oct. 2026   Fnac                1 234,50 €  Validé\n", "table", "utf-8"},
		{"page", "a.html", page, "html", "utf-8"},
		{"piece of a page", "", strings.TrimSpace(page[strings.Index(page, "<table class"):strings.Index(page, "<p>Page")]), "html", "utf-8"},
		{"mail with a file", "a.eml", mailed, "mail", ""},
		{"mail in two forms", "a.eml", alternative, "mail", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, c.file, c.text)
			if string(d.Form) != c.form || c.encoding != "" && d.Parts[0].Encoding != c.encoding {
				t.Errorf("it is %s in %s", d.Form, d.Parts[0].Encoding)
			}
			got := d.Read(rule(t, plainRule), statement.Options{Portal: "p"})
			if s := sentences(got); s != want {
				t.Errorf("got\n%s\nwant\n%s\n%+v", s, want, got)
			}
		})
	}
}

// TestRowsWithoutTable reads pages built of other elements, by the rule's own names.
func TestRowsWithoutTable(t *testing.T) {
	r := rule(t, `
rule: divs-x
name: Divs
language: en
currency: GBP
decimal: "."
dates: dmy
rows: div.activity
cells: span.cell
columns: {date: {class: when}, shop: {at: 2, pick: '^(.*?)(?: \(.*\))?$'}, amount: {class: money}, state: {class: status}}
states: {tracked: [Tracked]}
`)
	d := open(t, "page.html", `<html><body><div class="list">
<div class="activity open"><div><span class="cell when">03OCT26</span><span class="cell">Argos (online)</span></div><span class="cell money">&pound;4.20</span><span class="cell status">Tracked</span></div>
<div class="activity"><span class="cell when">04OCT26<span class="cell">Boots<span class="cell money">£1</span><span class="cell status">Tracked</span>
</div><div class="activity"><span class="cell when">05OCT26</span><span class="cell">Nike</span><span class="cell money">£2</span><span class="cell status">Lost</span></div></div></body></html>`)
	want := "2026-10-03 | Argos | 4.20 GBP | tracked\n2026-10-04 | Boots | 1.00 GBP | tracked\n! 4 state import.state.unknown"
	if s := sentences(d.Read(r, statement.Options{})); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

// TestValues reads dates and amounts as they are written, and refuses what could be
// read in two ways.
func TestValues(t *testing.T) {
	for _, c := range []struct{ settings, date, amount, want string }{
		// Dates.
		{"dates: dmy", "03OCT26", "1", "2026-10-03 1.00 EUR"},
		{"dates: dmy", "3.10.26", "1", "2026-10-03 1.00 EUR"},
		{"dates: dmy", "03/10/2026 14:20", "1", "2026-10-03 1.00 EUR"},
		{"dates: dmy", "Sat 03 Oct 2026, 2:20 PM", "1", "2026-10-03 1.00 EUR"},
		{"dates: mdy", "10/28/26", "1", "2026-10-28 1.00 EUR"},
		{"dates: dmy", "10/28/26", "1", "date import.date.none"},
		{"", "03/10/2026", "1", "date import.date.order"},
		{"", "2026-10-03T14:20:00Z", "1", "2026-10-03 1.00 EUR"},
		{"", "2026/10/03", "1", "2026-10-03 1.00 EUR"},
		{"", "Oct 3, 2026", "1", "2026-10-03 1.00 EUR"},
		{"", "October 3rd, 2026", "1", "2026-10-03 1.00 EUR"},
		{"", "le 1er août 2026", "1", "2026-08-01 1.00 EUR"},
		{"", "3 févr. 2026", "1", "2026-02-03 1.00 EUR"},
		{"", "12 juil. 2026", "1", "2026-07-12 1.00 EUR"},
		{"", "12 jui 2026", "1", "date import.date.month"},
		{"language: de", "3. März 2026", "1", "2026-03-03 1.00 EUR"},
		{"language: es", "3 de octubre de 2026", "1", "2026-10-03 1.00 EUR"},
		{"", "2026年10月3日", "1", "2026-10-03 1.00 EUR"},
		{"", "31 février 2026", "1", "date import.date.none"},
		{"", "3 octobre", "1", "date import.date.unread"},
		{"", "hier", "1", "date import.date.unread"},
		{"dates: dmy", "03/10/2026 - 05/10/2026", "1", "date import.date.unread"},
		{"dates: dmy", "03/10/1926", "1", "date import.date.none"},
		// Amounts.
		{"", "2026-10-03", "£4.20", "2026-10-03 4.20 GBP"},
		{"", "2026-10-03", "4,20 €", "2026-10-03 4.20 EUR"},
		{"", "2026-10-03", "€4.20", "2026-10-03 4.20 EUR"},
		{"", "2026-10-03", "EUR 1.234,56", "2026-10-03 1234.56 EUR"},
		{"", "2026-10-03", "1,234.56 EUR", "2026-10-03 1234.56 EUR"},
		{"", "2026-10-03", "1'234.50 CHF", "2026-10-03 1234.50 CHF"},
		{"", "2026-10-03", "1 234 567,5", "2026-10-03 1234567.50 EUR"},
		{"", "2026-10-03", "+4,2", "2026-10-03 4.20 EUR"},
		{"", "2026-10-03", "1.234", "amount import.amount.number"},
		{"decimal: ','", "2026-10-03", "1.234", "2026-10-03 1234.00 EUR"},
		{"decimal: '.'", "2026-10-03", "1.234", "amount import.amount.decimals"},
		{"decimal: '.'", "2026-10-03", "1.230", "2026-10-03 1.23 EUR"},
		{"decimal: '.'", "2026-10-03", "1,23", "amount import.amount.number"},
		{"", "2026-10-03", "1.23.45", "amount import.amount.number"},
		{"", "2026-10-03", "¥1,200", "amount import.amount.unit"},
		{"currency: JPY", "2026-10-03", "¥1,200", "2026-10-03 1200 JPY"},
		{"currency: SGD", "2026-10-03", "$4.20", "2026-10-03 4.20 SGD"},
		{"", "2026-10-03", "$4.20", "amount import.amount.unit"},
		{"", "2026-10-03", "120 pts", "2026-10-03 120.00 points:points"},
		{"", "2026-10-03", "3 étoiles", "amount import.amount.unit"},
		{"", "2026-10-03", "-4,20 €", "amount import.amount.negative"},
		{"", "2026-10-03", "bientôt", "amount import.amount.unread"},
		{"", "2026-10-03", "99999999999999 €", "amount import.amount.large"},
		{"", "2026-10-03", "–", "2026-10-03 -"},
		{"", "2026-10-03" + strings.Repeat(" 1:00", 3000), "1", "date import.date.unread"},
		{"", "2026-10-03", strings.Repeat("1 000 ", 2500), "amount import.amount.unread"},
	} {
		text := strings.ReplaceAll(plainRule, "dates: dmy\n", "")
		if name, _, _ := strings.Cut(c.settings, ":"); name != "" && strings.Contains(text, "\n"+name+":") {
			lines := strings.Split(text, "\n")
			for i, l := range lines {
				if strings.HasPrefix(l, name+":") {
					lines[i] = c.settings
				}
			}
			text = strings.Join(lines, "\n")
		} else {
			text += c.settings + "\n"
		}
		d := open(t, "a.txt", "Date\tShop\tCash\tState\n"+c.date+"\tFnac\t"+c.amount+"\ten attente\n")
		got := d.Read(rule(t, text), statement.Options{})
		s := ""
		switch {
		case len(got.Lines) == 1:
			f := strings.Split(statement.Sentence(got.Lines[0]), " | ")
			s = f[0] + " " + f[2]
		case len(got.Refused) == 1:
			s = string(got.Refused[0].Field) + " " + got.Refused[0].Reason.Key
		}
		if s != c.want {
			t.Errorf("%s: %s, %s: %q, want %q", c.settings, c.date, c.amount, s, c.want)
		}
	}
}

// TestRefusals tells the line and column of what can't be read, and loses no row.
func TestRefusals(t *testing.T) {
	d := open(t, "a.csv", `Mes gains;;;
Date;Shop;Cash;State;Basket
octobre;;;;
03/10/2026;Fnac;3,60 €;En attente;100 €
03/10/2026;Fnac;3,60 €;Perdu;100 €
03/10/2026;;3,60 €;Validé;100 €
03/10/2026;"Deux
lignes";3,60 €;Refusé;100 $
32/10/2026;Fnac;-3,60 €;Refusé;
03/10/2026;Fnac;-3,60 €;Refusé;
Total;;7,20 €;;
`)
	got := d.Read(rule(t, plainRule), statement.Options{})
	want := `2026-10-03 | Fnac | 3.60 EUR | tracked
2026-10-03 | Fnac | 3.60 EUR | declined
! 5 state import.state.unknown
! 6 shop import.shop.missing
! 7 basket import.amount.unit
! 9 date import.date.none`
	if s := sentences(got); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if got.Refused[0].Place.Column != 24 || got.Refused[0].Place.Field != "state" {
		t.Errorf("place %+v", got.Refused[0].Place)
	}
	if len(got.Ignored) != 4 {
		t.Errorf("ignored %+v", got.Ignored)
	}
}

// TestLimits holds each bound of RELIABILITY.md's WA17 and WA19.
func TestLimits(t *testing.T) {
	tiny := statement.Limits{Bytes: 20_000, Decoded: 30_000, Rows: 50, Columns: 10, Cells: 300, Cell: 100, Depth: 3, Parts: 6}
	nested := func(depth int) string {
		s := "Content-Type: text/plain\n\nhi\n"
		for i := range depth {
			s = fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%s\n--b%d--\n", i, i, s, i)
		}
		return "From: a\nTo: b\nSubject: c\n" + s
	}
	for _, c := range []struct{ name, file, text, want string }{
		{"bytes", "a.csv", strings.Repeat("a;b\n", 6000), "more than 20000 bytes"},
		{"decoded", "a.csv", strings.Repeat("\xe9", 19_000), "decodes to more than 30000 bytes"},
		{"rows", "a.csv", strings.Repeat("a;b\n", 60), "a.csv: 51: more than 50 rows"},
		{"columns", "a.csv", "a;b;c\n" + strings.Repeat("x;", 20) + "\n1;2;3\n", "2: a row with more than 10 columns"},
		{"cells", "a.csv", strings.Repeat("a;b;c;d;e;f;g;h\n", 45), "38: more than 300 cells"},
		{"a cell", "a.csv", "a;b\nc;" + strings.Repeat("x", 200) + "\n", "2: a cell with more than 100 bytes"},
		{"a quoted cell", "a.csv", "a;b\nc;\"" + strings.Repeat("x\n", 200) + "\"\n", "2: column 3: the quoted cell that begins here is too long"},
		{"an open quote", "a.csv", "a;b\na;b\nc;\"never\n", "3: column 3: a quote that opens here is never closed"},
		{"gaps", "a.txt", strings.Repeat("a  ", 20) + "\n", "more than 10 columns"},
		{"parts", "a.eml", "From: a\nTo: b\nSubject: c\nContent-Type: multipart/mixed; boundary=x\n\n" + strings.Repeat("--x\n\nhi\n", 10) + "--x--\n", "more than 6 parts"},
		{"depth", "a.eml", nested(5), "deeper within each other than 3"},
		{"tables", "a.html", strings.Repeat("<table><tr><td>", 5), "tables within tables deeper than 3"},
		{"elements", "a.html", "<html>" + strings.Repeat("<div>", 1000), "deeper than 600"},
		{"columns of a page", "a.html", "<table><tr>" + strings.Repeat("<td>x", 20) + "</table>", "more than 10 columns"},
		{"spans of a page", "a.html", "<table><tr><td colspan=50>x</table>", "more than 10 columns"},
		{"rows of a page", "a.html", "<table>" + strings.Repeat("<tr><td>x", 60) + "</table>", "more than 50 rows"},
		{"zip", "a.csv", "PK\x03\x04xxxx", "a ZIP file or a spreadsheet"},
		{"pdf", "a.csv", "%PDF-1.7", "this is a PDF"},
	} {
		_, err := statement.Open(c.file, strings.NewReader(c.text), tiny)
		if err == nil || cashback.KindOf(err) != cashback.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := statement.Open("a.eml", strings.NewReader(nested(2)), tiny); err != nil {
		t.Error(err)
	}
	// A mail that lies about its encoding, or is cut off, is read as far as it goes.
	for _, text := range []string{
		"From: a\nTo: b\nSubject: c\nContent-Type: text/plain; charset=klingon\nContent-Transfer-Encoding: base64\n\n!!!aGVsbG8=\n",
		"From: a\nTo: b\nSubject: c\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhello",
		"From: a\nTo: b\nSubject: c\nContent-Transfer-Encoding: quoted-printable\n\nhello=ZZ=\n",
	} {
		d, err := statement.Open("a.eml", strings.NewReader(text), tiny)
		if err != nil || !strings.Contains(d.Parts[0].Text, "hello") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// rowsOf counts the rows of a document's tables.
func rowsOf(d *statement.Document) int {
	n := 0
	for _, p := range d.Parts {
		for _, g := range p.Grids {
			n += len(g.Rows)
		}
	}
	return n
}

// FuzzOpen holds that no file makes a reader panic or take long, that nothing is lost,
// and that what is read can be kept.
func FuzzOpen(f *testing.F) {
	f.Add("a.csv", []byte("Date;Shop;Cash;State\n03/10/2026;Fnac;3,60 €;en attente\n"))
	f.Add("a.txt", []byte("Date\tShop\tCash\tState\n03/10/2026\tFnac\t\"3,60\"\"\t\ten attente\n"))
	f.Add("a.txt", []byte("Date  Shop  Cash  State\n03/10/2026  Fnac  3,60 €  en attente\n"))
	f.Add("a.html", []byte("<table><tr><th>Date<th>Shop<th>Cash<th>State<tr><td rowspan=2 colspan=2>3 oct. 2026<td>Fnac<tr><td>x</table>"))
	f.Add("a.eml", []byte("From: a\nTo: b\nSubject: c\nContent-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/html\n\n<p>hi\n--x--\n"))
	f.Add("a.csv", []byte("\xff\xfeD\x00a\x00;\x00b\x00\n\x00"))
	r := rule(f, plainRule)
	rules := shipped(f)
	l := statement.DefaultLimits()
	l.Bytes, l.Rows = 64<<10, 2000
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		d, err := statement.Open(name, bytes.NewReader(b), l)
		if err != nil {
			if cashback.KindOf(err) != cashback.Invalid {
				t.Fatal(err)
			}
			return
		}
		got := d.Read(r, statement.Options{Portal: "p"})
		if d.Form != statement.FormMail && got.Found {
			// Tables without the headings aren't looked at; those with them lose no row.
			if n := len(got.Lines) + len(got.Refused) + len(got.Ignored); n > rowsOf(d) {
				t.Fatalf("%d of %d rows", n, rowsOf(d))
			}
		}
		for _, line := range got.Lines {
			if line.Shop == "" || line.Amount.Unit == "" || line.Amount.Minor < 0 || line.Date == 0 || line.State == "" {
				t.Fatalf("%+v", line)
			}
		}
		statement.Choose(d, rules, statement.Options{Currency: "EUR"})
	})
}

// FuzzRule holds that no rule makes the loader panic, and that what it takes can be
// written and read back.
func FuzzRule(f *testing.F) {
	f.Add([]byte(plainRule))
	for _, r := range shipped(f) {
		b, err := r.YAML()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := statement.LoadRule("rule.yaml", b)
		if err != nil {
			return
		}
		r.Check()
		again, err := r.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := statement.LoadRule("again.yaml", again); err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
	})
}
