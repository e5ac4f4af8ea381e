package statement

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	"golang.org/x/net/html/charset"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// mailHead are names of which a mail's first lines hold at least two.
var mailHead = regexp.MustCompile(`(?im)^(from|to|date|subject|received|return-path|message-id|mime-version|content-type|delivered-to|dkim-signature|reply-to):`)

func looksLikeMail(name string, raw []byte) bool {
	head := bytes.TrimLeft(raw[:min(len(raw), 16<<10)], "\xef\xbb\xbf\r\n")
	if end := blankLine(head); end > 0 {
		head = head[:end]
	}
	found := len(mailHead.FindAllIndex(head, 3))
	return found >= 3 || found >= 1 && strings.HasSuffix(strings.ToLower(name), ".eml")
}

func blankLine(b []byte) int {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i
	}
	return bytes.Index(b, []byte("\n\n"))
}

// mail takes a message apart (RFC 5322 and 2045): its text and tables, of alternatives
// each; what is attached is read where it is text. Nothing is fetched.
func (o *opener) mail(raw []byte) error {
	raw = bytes.TrimLeft(raw, "\xef\xbb\xbf\r\n")
	if bytes.HasPrefix(raw, []byte("From ")) { // of a mailbox file
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			raw = raw[i+1:]
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return cashback.Errorf(cashback.Invalid, "the mail's head can't be read")
	}
	d := o.doc
	d.From, d.Subject = headerText(m.Header.Get("From")), headerText(m.Header.Get("Subject"))
	if at, err := m.Header.Date(); err == nil && at.Year() > 2000 && at.Year() < 2100 {
		d.Seen = at
	}
	if err := o.entity(textproto.MIMEHeader(m.Header), m.Body, 0, -1); err != nil {
		return err
	}
	if len(d.Parts) == 0 {
		return cashback.Errorf(cashback.Invalid, "the mail holds no text")
	}
	for _, p := range d.Parts {
		if from, day, ok := forwarded(p.Text); ok {
			d.From = from // what counts is who wrote it, and when
			if day != 0 {
				d.Seen = day.Time().Add(12 * time.Hour)
			}
			break
		}
	}
	return nil
}

// The head that mail programs put above a message that is forwarded within the text: its
// sender, and within a few lines its day.
var (
	forwardFrom = regexp.MustCompile(`(?im)^[ \t>*]*(?:from|de|von|da|van|od)[ \t*]*:[ \t*]*([^\n]{3,200})$`)
	forwardDate = regexp.MustCompile(`(?im)^[ \t>*]*(?:date|sent|envoyé|datum|gesendet|fecha|enviado|data|inviato|verzonden|wysłano|le)[ \t*\x{a0}]*:[ \t*]*([^\n]{6,100})$`)
	offsetForm  = regexp.MustCompile(`\s*(?:UTC|GMT)?[+-−]\d{1,2}(?::?\d{2})?$`)
)

// forwardHead is how far below the sender's line the day may stand.
const forwardHead = 400

// forwarded finds the head of a message that was forwarded within a mail's text; day is 0
// where it can't be read.
func forwarded(text string) (from string, day cashback.Date, ok bool) {
	text = text[:min(len(text), 16<<10)]
	for _, at := range forwardFrom.FindAllStringSubmatchIndex(text, 20) {
		if !strings.Contains(text[at[2]:at[3]], "@") {
			continue
		}
		from = short(text[at[2]:at[3]], 300)
		around := strings.ToValidUTF8(text[max(0, at[0]-forwardHead):min(len(text), at[1]+forwardHead)], "")
		m := forwardDate.FindStringSubmatch(around)
		if m == nil {
			continue // a line of the letter, such as "From: our team"
		}
		for _, name := range languages() {
			r := &Rule{}
			r.compiled.language, _ = languageOf(name)
			if d, why := r.date(offsetForm.ReplaceAllString(strings.TrimSpace(m[1]), "")); why == nil {
				return from, d, true
			}
		}
		return from, 0, true
	}
	return "", 0, false
}

// headerText decodes a header's encoded words, or leaves them.
func headerText(s string) string {
	w := mime.WordDecoder{CharsetReader: func(label string, in io.Reader) (io.Reader, error) {
		return charset.NewReaderLabel(label, in)
	}}
	if t, err := w.DecodeHeader(s); err == nil {
		s = t
	}
	return short(s, 300)
}

// entity reads a part and those within it. Of the parts of a group only one counts.
func (o *opener) entity(h textproto.MIMEHeader, body io.Reader, depth, group int) error {
	if depth > o.limits.Depth {
		return cashback.Errorf(cashback.Invalid, "the mail's parts lie deeper within each other than %d", o.limits.Depth)
	}
	if o.parts++; o.parts > o.limits.Parts {
		return cashback.Errorf(cashback.Invalid, "the mail has more than %d parts", o.limits.Parts)
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil && kind == "" {
		kind, params = "text/plain", nil
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		if kind == "multipart/alternative" && group < 0 {
			o.groups++
			group = o.groups
		}
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				// A message that was cut: what came before is read.
				o.doc.Left = append(o.doc.Left, "the rest of the mail: it is cut off")
				return nil
			}
			if err := o.entity(p.Header, p, depth+1, group); err != nil {
				return err
			}
		}
	}
	raw, err := o.transfer(h.Get("Content-Transfer-Encoding"), body)
	if err != nil {
		return err
	}
	if kind == "message/rfc822" {
		m, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			o.doc.Left = append(o.doc.Left, "a message within: its head can't be read")
			return nil
		}
		if o.doc.Seen.IsZero() || depth > 0 {
			if at, err := m.Header.Date(); err == nil && at.Year() > 2000 && at.Year() < 2100 {
				o.doc.Seen = at // forwarded: what counts is the portal's own date
			}
			if from := m.Header.Get("From"); from != "" {
				o.doc.From = headerText(from)
			}
		}
		return o.entity(textproto.MIMEHeader(m.Header), m.Body, depth+1, group)
	}
	name := short(params["name"], 80)
	if _, d, err := mime.ParseMediaType(h.Get("Content-Disposition")); err == nil && d["filename"] != "" {
		name = short(d["filename"], 80)
	}
	lower := strings.ToLower(name)
	text := strings.HasPrefix(kind, "text/") || kind == "application/xhtml+xml" || strings.HasSuffix(lower, ".csv") || strings.HasSuffix(lower, ".html") || strings.HasSuffix(lower, ".txt")
	if what := foreignForm(raw); !text || what != "" || kind == "text/calendar" {
		if name == "" {
			name = kind
		}
		o.doc.Left = append(o.doc.Left, name)
		return nil
	}
	if group < 0 {
		o.groups++
		group = o.groups
	}
	if name == "" {
		name = kind
	}
	return o.part(name, kind, params["charset"], raw, group)
}

// transfer undoes the transfer encoding, forgiving what mail programs break.
func (o *opener) transfer(encoding string, body io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(body, int64(o.limits.Bytes)+1))
	if err != nil {
		// A body that is cut off is read as far as it goes.
		o.doc.Left = append(o.doc.Left, "the rest of the mail: it is cut off")
	}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		clean := bytes.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' {
				return r
			}
			return -1
		}, raw)
		out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
		n, _ := base64.RawStdEncoding.Decode(out, clean)
		return out[:n], nil
	case "quoted-printable":
		out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(raw)))
		if err != nil {
			o.doc.Left = append(o.doc.Left, "some of the mail's text: its encoding is broken")
		}
		return out, nil
	}
	return raw, nil
}
