package reward

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bytes that stand in a normalised text for what has no letter of its own. Control
// characters of the text itself become blanks, so that they can't be mistaken.
const (
	bTag      = 0x01 // an inline tag: ends a word, is no blank
	bHardGap  = 0x02 // a no-break, narrow or thin blank
	bHole     = 0x03 // a template that was never filled in: "<?php …?>", "{{rate}}"
	bStruck   = 0x04 // struck-through text begins
	bUnstruck = 0x05 // … and ends
)

// plain is a text in one spelling: lower case, without accents, entities, tags,
// full-width forms and the many dashes and apostrophes.
type plain struct {
	text []byte
	// at holds for each byte of text, and for its end, the offset in the raw text
	// that it came from.
	at []uint32
}

func (p *plain) put(b byte, at int) {
	p.text = append(p.text, b)
	p.at = append(p.at, uint32(at))
}

func (p *plain) puts(s string, at int) {
	for i := range len(s) {
		p.put(s[i], at)
	}
}

// asciiFold is what becomes of a plain ASCII character; 0 marks those that need a
// closer look.
var asciiFold = func() (t [utf8.RuneSelf]byte) {
	for b := range t {
		switch c := byte(b); {
		case c == '&' || c == '<' || c == '{' || c == '$':
		case c == '\n' || c == '\r':
			t[b] = '\n'
		case c < ' ' || c == 0x7f:
			t[b] = ' '
		case c == '`':
			t[b] = '\''
		default:
			t[b] = c
			if 'A' <= c && c <= 'Z' {
				t[b] = c + 'a' - 'A'
			}
		}
	}
	return t
}()

// normalise appends the plain form of raw to p. It reads each byte a bounded number
// of times.
func (p *plain) normalise(raw string, l *Lexicon) {
	var m markup
	for i := 0; i < len(raw); {
		c := raw[i]
		if c < utf8.RuneSelf {
			if f := asciiFold[c]; f != 0 {
				p.put(f, i)
				i++
				continue
			}
			switch c {
			case '<':
				if n := m.tag(p, raw, i, l); n > 0 {
					i += n
					continue
				}
			case '&':
				if n := p.entity(raw, i, l); n > 0 {
					i += n
					continue
				}
			case '{':
				if n := hole(raw[i:], "{{", "}}"); n > 0 {
					p.put(bHole, i)
					i += n
					continue
				}
				if n := name(raw[i+1:]); i+1+n < len(raw) && raw[i+1+n] == '}' {
					p.put(bHole, i)
					i += n + 2
					continue
				}
			case '$':
				if n := hole(raw[i:], "${", "}"); n > 0 {
					p.put(bHole, i)
					i += n
					continue
				}
			}
			p.put(c, i)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(raw[i:])
		p.rune(r, i, l)
		i += n
	}
	p.at = append(p.at, uint32(len(raw)))
}

// hole measures a placeholder that begins s and is closed within a short way.
func hole(s, from, to string) int {
	const longest = 200
	if !strings.HasPrefix(s, from) {
		return 0
	}
	end := strings.Index(s[:min(len(s), longest)], to)
	if end < 0 {
		return 0
	}
	return end + len(to)
}

// name measures a word of ASCII letters, digits and underscores.
func name(s string) int {
	const longest = 40
	n := 0
	for n < len(s) && n < longest && (isAlnum(s[n]) || s[n] == '_') {
		n++
	}
	return n
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// entity writes the character that an entity at raw[i] stands for and returns the
// entity's length; 0 when there is none. An entity that was escaped twice
// ("&amp;nbsp;") is undone twice.
func (p *plain) entity(raw string, i int, l *Lexicon) int {
	s := entityAt(raw[i+1:])
	if s == "" {
		return 0
	}
	n := 1 + len(s)
	text := html.UnescapeString("&" + s)
	if text == "&" {
		if again := entityAt(raw[i+n:]); again != "" && strings.HasSuffix(again, ";") {
			if t := html.UnescapeString("&" + again); len(t) < 1+len(again) {
				text, n = t, n+len(again)
			}
		}
	}
	if len(text) == 1+len(s) {
		return 0
	}
	for _, r := range text {
		p.rune(r, i, l)
	}
	return n
}

// entityAt returns what stands after the "&" of an entity, with its semicolon. Only
// numbers and the no-break blank may lack it: in "R&D" nothing is escaped.
func entityAt(s string) string {
	const longest = 32
	n := 0
	if n < len(s) && s[n] == '#' {
		n++
	}
	for n < len(s) && n < longest && isAlnum(s[n]) {
		n++
	}
	switch {
	case n < len(s) && s[n] == ';' && n > 0:
		return s[:n+1]
	case n > 1 && s[0] == '#':
		return s[:n]
	case strings.HasPrefix(s, "nbsp"):
		return s[:len("nbsp")]
	}
	return ""
}

// rune writes the plain form of one character.
func (p *plain) rune(r rune, at int, l *Lexicon) {
	if int(r) < len(l.folds) {
		f := &l.folds[r]
		for _, b := range f.text[:f.n] {
			p.put(b, at)
		}
		return
	}
	switch {
	case 0x2010 <= r && r <= 0x2015 || r == 0x2212 || r == 0xFE58 || r == 0xFE63:
		p.put('-', at)
	case 0x2018 <= r && r <= 0x201B || r == 0x2032 || r == 0x02BC:
		p.put('\'', at)
	case 0x201C <= r && r <= 0x201F || r == 0x2033:
		p.put('"', at)
	case r == 0x2007 || r == 0x2009 || r == 0x202F || r == 0x2060:
		p.put(bHardGap, at)
	case 0x2000 <= r && r <= 0x200A || r == 0x3000 || r == 0x205F:
		p.put(' ', at)
	case r == 0x2028 || r == 0x2029:
		p.put('\n', at)
	case 0x200B <= r && r <= 0x200F || 0x202A <= r && r <= 0x202E || 0x2061 <= r && r <= 0x2064 ||
		r == 0xFEFF || r == 0x2122 || r == 0x2120 || 0xFE00 <= r && r <= 0xFE0F:
		// no width: direction marks, joiners, variation selectors; trade marks
	case r == 0x2022 || r == 0x2023 || r == 0x25CF || r == 0x25AA || r == 0x30FB || r == 0x2219:
		p.put(';', at) // bullets part what stands beside them
	case r == 0x301C || r == 0xFF5E || r == 0x223C || r == 0xFF5F:
		p.put('~', at)
	case r == 0x2070 || 0x2074 <= r && r <= 0x2079:
		// a raised digit is the mark of a footnote
	case r == 0x2026:
		p.put(' ', at)
	case r == 0x2044 || r == 0x2215:
		p.put('/', at)
	case r == 0xFE6A || r == 0x066A:
		p.put('%', at)
	case r == 0x3010 || r == 0x3014 || r == 0x300C || r == 0x300A:
		p.put('(', at)
	case r == 0x3011 || r == 0x3015 || r == 0x300D || r == 0x300B:
		p.put(')', at)
	case r == 0x3002:
		p.put('.', at)
		p.put(' ', at)
	case r == 0x3001:
		p.put(',', at)
		p.put(' ', at)
	case 0xFF01 <= r && r <= 0xFF5D:
		p.rune(r-0xFF01+'!', at, l)
	case r == 0xFFE5 || r == 0xFFE1 || r == 0xFFE0:
		p.rune(map[rune]rune{0xFFE5: '¥', 0xFFE1: '£', 0xFFE0: '¢'}[r], at, l)
	case r == 0xFF9E || r == 0x3099:
		p.voice(1)
	case r == 0xFF9F || r == 0x309A:
		p.voice(2)
	case 0xFF65 <= r && r <= 0xFF9D:
		p.put3(halfKana[r-0xFF65], at)
	case unicode.Is(unicode.Mn, r):
	case r >= 0x1E00 && r <= 0x1FFF, 0x24B6 <= r && r <= 0x24E9, 0xFB00 <= r && r <= 0xFB06, 0x1D400 <= r && r <= 0x1D7FF:
		for _, d := range norm.NFKD.String(string(r)) {
			if int(d) < len(l.folds) {
				p.rune(d, at, l)
			} else if !unicode.Is(unicode.Mn, d) {
				p.put3(unicode.ToLower(d), at)
			}
		}
	default:
		p.put3(r, at)
	}
}

func (p *plain) put3(r rune, at int) {
	var b [utf8.UTFMax]byte
	p.puts(string(b[:utf8.EncodeRune(b[:], r)]), at)
}

// halfKana are the full forms of U+FF65 to U+FF9D.
var halfKana = []rune("・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン")

// voice adds a voicing mark that stands on its own to the kana before it: in
// Unicode the voiced kana follow theirs.
func (p *plain) voice(by rune) {
	r, n := utf8.DecodeLastRune(p.text)
	if r < 0x3041 || r > 0x30FF {
		return
	}
	at := p.at[len(p.at)-1]
	p.text, p.at = p.text[:len(p.text)-n], p.at[:len(p.at)-n]
	p.put3(r+by, int(at))
}

// fold is the plain form of a character below len(Lexicon.folds).
type fold struct {
	n    uint8
	text [5]byte
}

// foldTable covers Latin, Greek, Cyrillic: letters without their accents, in lower
// case; both the texts and the words of the tables go through it.
func foldTable() []fold {
	t := make([]fold, 0x590)
	for r := range rune(len(t)) {
		var s string
		switch {
		case r < utf8.RuneSelf:
			s = string(r)
			if f := asciiFold[r]; f != 0 {
				s = string(rune(f))
			}
		case r == 0xA0:
			s = string(rune(bHardGap))
		case r == 0xAD || r == 0xAE || r == 0xA9 || r == 0xB2 || r == 0xB3 || r == 0xB9: // soft hyphen, footnotes
		case r < 0xA0:
			s = " "
		case r == 0xB7:
			s = ";"
		case r == 0xB4:
			s = "'"
		case r == 0xBC, r == 0xBD, r == 0xBE, r == 0xB0, r == 0xAA, r == 0xBA, r == 0xA2, r == 0xB5:
			s = string(r) // fractions and units keep their sign
		case r == 'ß':
			s = "ss"
		case r == 'æ' || r == 'Æ':
			s = "ae"
		case r == 'œ' || r == 'Œ':
			s = "oe"
		case r == 'ø' || r == 'Ø':
			s = "o"
		case r == 'ł' || r == 'Ł':
			s = "l"
		case r == 'đ' || r == 'Đ' || r == 'ð' || r == 'Ð':
			s = "d"
		case r == 'ı':
			s = "i"
		case r == 0x02BC:
			s = "'"
		default:
			for _, d := range norm.NFKD.String(string(unicode.ToLower(r))) {
				if !unicode.Is(unicode.Mn, d) {
					s += string(unicode.ToLower(d))
				}
			}
		}
		t[r].n = uint8(copy(t[r].text[:], s))
	}
	return t
}
