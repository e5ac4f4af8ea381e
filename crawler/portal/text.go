package portal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/text/unicode/norm"
)

// The most runes that a text of a page may have; more is cut.
const (
	maxName       = 200
	maxRateText   = 500
	maxConditions = 2000
	maxURL        = 2083 // bytes; longer ones are dropped, not cut
	maxText       = 64 << 10
)

// elementText is what a reader sees of an element: its text without scripts and
// styles, a space between blocks, white space squeezed. skip are elements to
// leave out; own leaves out what lies in child elements.
func elementText(n *html.Node, skip func(*html.Node) bool, own bool) string {
	var b strings.Builder
	collectText(&b, n, skip, own)
	return squeeze(b.String())
}

func collectText(b *strings.Builder, root *html.Node, skip func(*html.Node) bool, own bool) {
	// Not recursive: a page may be deep. gap remembers that a block began or ended.
	for n := root; n != nil; {
		enter := true
		switch n.Type {
		case html.TextNode:
			if b.Len() > maxText {
				return
			}
			b.WriteString(n.Data)
		case html.ElementNode:
			if n != root && (own || silent(n.DataAtom) || skip != nil && skip(n)) {
				enter = false
				// What is left out still parts its neighbours.
				b.WriteByte(' ')
			} else if breaks(n.DataAtom) {
				b.WriteByte(' ')
			}
		case html.CommentNode, html.DoctypeNode:
			enter = false
		}
		if enter && n.FirstChild != nil {
			n = n.FirstChild
			continue
		}
		for n != root && n.NextSibling == nil {
			n = n.Parent
			if n != nil && n.Type == html.ElementNode && breaks(n.DataAtom) {
				b.WriteByte(' ')
			}
		}
		if n == root || n == nil {
			return
		}
		if n.Type == html.ElementNode && breaks(n.DataAtom) {
			b.WriteByte(' ')
		}
		n = n.NextSibling
	}
}

func silent(a atom.Atom) bool {
	switch a {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Iframe, atom.Head:
		return true
	}
	return false
}

func breaks(a atom.Atom) bool {
	switch a {
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Br, atom.Button, atom.Dd, atom.Div, atom.Dl, atom.Dt, atom.Fieldset, atom.Figcaption,
		atom.Figure, atom.Footer, atom.Form, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hr, atom.Li, atom.Main, atom.Nav, atom.Ol,
		atom.Option, atom.P, atom.Pre, atom.Section, atom.Select, atom.Table, atom.Tbody, atom.Td, atom.Tfoot, atom.Th, atom.Thead, atom.Tr, atom.Ul:
		return true
	}
	return false
}

// squeeze makes each run of white space one space, and cuts it at both ends.
func squeeze(s string) string {
	clean := true
	space := true // the last rune was a space
	for i := 0; i < len(s) && clean; i++ {
		c := s[i]
		switch {
		case c == ' ':
			clean, space = !space, true
		case c < 0x20 || c >= 0x7f:
			clean = false
		default:
			space = false
		}
	}
	if clean && (len(s) == 0 || s[len(s)-1] != ' ') {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || r == '\u00a0' || r == '\u202f' || r == '\u2007'
	}), " ")
}

// plain makes a page's text harmless: composed (NFC), without control, bidi and
// invisible characters, squeezed, at most most runes.
func plain(s string, most int) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			ascii = false
			break
		}
	}
	if !ascii {
		s = strings.ToValidUTF8(s, "\uFFFD")
		var before rune
		s = strings.Map(func(r rune) rune {
			keep := visible(r, before)
			if keep >= 0 {
				before = keep
			}
			return keep
		}, s)
		s = norm.NFC.String(s)
	}
	s = squeeze(s)
	if len(s) > most && utf8.RuneCountInString(s) > most {
		n := 0
		for i := range s {
			if n == most {
				return strings.TrimSpace(s[:i])
			}
			n++
		}
	}
	return s
}

// visible is the rune, a space for what parts words, or -1 for what nobody sees.
func visible(r, before rune) rune {
	switch {
	case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
		return ' '
	case r == '\u00ad' || r == '\u061c' || r == '\u180e' || r == '\u200b' || r == '\u200e' || r == '\u200f' || r == '\ufeff',
		r >= '\u202a' && r <= '\u202e', r >= '\u2060' && r <= '\u206f', r >= 0xe0000 && r <= 0xe0fff, r >= 0xfff9 && r <= 0xfffb:
		return -1
	case r == '\u200c' || r == '\u200d':
		// Joiners belong into Persian and Indic words, never after a Latin letter.
		if before < 0x250 || unicode.In(before, unicode.Latin, unicode.Cyrillic, unicode.Greek) {
			return -1
		}
	case unicode.IsControl(r):
		return -1
	}
	return r
}

// confusable reports whether a word of the text mixes Latin letters with letters
// of Cyrillic or Greek: nobody writes a shop's name so.
func confusable(s string) bool {
	latin, other := false, false
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Latin, r):
			latin = true
		case unicode.In(r, unicode.Cyrillic, unicode.Greek):
			other = true
		case !unicode.IsLetter(r) && !unicode.IsMark(r):
			latin, other = false, false
		}
		if latin && other {
			return true
		}
	}
	return false
}

// short keeps foreign text out of messages.
func short(s string) string {
	const most = 60
	s = plain(s, most+1)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
