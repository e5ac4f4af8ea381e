package merchant

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxName is the longest name that is read, in bytes: no shop is called longer,
// and what portals list stays well below 100.
const maxName = 300

// clean makes one readable line of a foreign name: entities and mojibake decoded,
// compatibility forms unified, invisible and control characters taken out,
// look-alike letters of another script put back, white space folded. It says what
// it repaired, for the reasons.
func clean(s string) (text string, repaired []string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, " ")
		repaired = append(repaired, "broken UTF-8 taken out")
	}
	if strings.IndexByte(s, '&') >= 0 {
		// Twice: feeds escape what was escaped already ("&amp;eacute;").
		d := html.UnescapeString(html.UnescapeString(s))
		if d != s {
			s, repaired = d, append(repaired, "HTML entities decoded")
		}
	}
	if isASCII(s) && !hasControl(s) {
		return squeeze(s), repaired
	}
	if d, ok := unmojibake(s); ok {
		s, repaired = d, append(repaired, "text that was decoded with the wrong character set put right")
	}
	// The NFKC form of ™ would add letters to the name.
	s = strings.Map(dropMarks, s)
	s = norm.NFKC.String(s)
	before := len(s)
	s = strings.Map(dropInvisible, s)
	if len(s) != before {
		repaired = append(repaired, "invisible characters taken out")
	}
	if d := unhomoglyph(s); d != s {
		s, repaired = d, append(repaired, "letters of another script that only look Latin replaced")
	}
	return squeeze(s), repaired
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

func dropMarks(r rune) rune {
	switch r {
	case '™', '®', '©', '℠', '🄬':
		return -1
	}
	return r
}

// dropInvisible takes out what a reader can't see: bidirectional marks, zero-width
// characters, variation selectors, tags, controls, private use.
func dropInvisible(r rune) rune {
	switch {
	case r == '\t' || r == '\n' || r == '\r' || r == '\v' || r == '\f':
		return ' '
	case unicode.Is(unicode.Cf, r), unicode.IsControl(r), unicode.Is(unicode.Co, r), unicode.Is(unicode.Variation_Selector, r):
		return -1
	}
	return r
}

// cp1252 maps the runes that Windows-1252 has in place of the C1 controls back to
// their bytes.
func cp1252(r rune) (byte, bool) {
	if r < 0x80 || r >= 0xa0 && r <= 0xff {
		return byte(r), true
	}
	if r >= 0x80 && r < 0xa0 {
		return byte(r), true
	}
	const high = "€\x00‚ƒ„…†‡ˆ‰Š‹Œ\x00Ž\x00\x00‘’“”•–—˜™š›œ\x00žŸ"
	b := byte(0x80)
	for _, h := range high {
		if h == r && h != 0 {
			return b, true
		}
		b++
	}
	return 0, false
}

// unmojibake undoes UTF-8 that was read as Latin-1 or Windows-1252, once or
// twice. It holds back unless the result is valid UTF-8 and shorter, which real
// text with accents never is.
func unmojibake(s string) (string, bool) {
	changed := false
	for range 2 {
		if !strings.ContainsAny(s, "ÃÂâÅÄÐ") {
			break
		}
		raw := make([]byte, 0, len(s))
		ok := true
		for _, r := range s {
			b, fits := cp1252(r)
			if !fits {
				ok = false
				break
			}
			raw = append(raw, b)
		}
		if !ok || !utf8.Valid(raw) {
			break
		}
		d := string(raw)
		if utf8.RuneCountInString(d) >= utf8.RuneCountInString(s) {
			break
		}
		s, changed = d, true
	}
	return s, changed
}

// homoglyphs are Cyrillic and Greek letters drawn like Latin ones.
const (
	glyphsFrom = "аеорсухіјѕԁһӏкмтвнгАЕОРСУХІЈЅԁҺКМТВНΑΒΕΖΗΙΚΜΝΟΡΤΥΧαοενικρτυχ"
	glyphsTo   = "aeopcyxijsdhlkmtbhrAEOPCYXIJSdHKMTBHABEZHIKMNOPTYXaoevikptux"
)

// unhomoglyph replaces look-alikes in words that mix scripts; a word that is all
// Cyrillic or Greek is somebody's real name.
func unhomoglyph(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x370 && r < 0x590 }) {
		return s
	}
	words := strings.Split(s, " ")
	for i, w := range words {
		var latin, other, alike bool
		for _, r := range w {
			switch {
			case unicode.Is(unicode.Latin, r):
				latin = true
			case unicode.Is(unicode.Cyrillic, r), unicode.Is(unicode.Greek, r):
				other = true
				if _, ok := glyph(r); ok {
					alike = true
				}
			}
		}
		if latin && other && alike {
			words[i] = strings.Map(func(r rune) rune {
				if g, ok := glyph(r); ok {
					return g
				}
				return r
			}, w)
		}
	}
	return strings.Join(words, " ")
}

func glyph(r rune) (rune, bool) {
	n := 0
	for _, g := range glyphsFrom {
		if g == r {
			return rune(glyphsTo[n]), true
		}
		n++
	}
	return 0, false
}

// plain maps letters that have no decomposition to ASCII.
func plain(r rune) string {
	switch r {
	case 'ß', 'ẞ':
		return "ss"
	case 'œ', 'Œ':
		return "oe"
	case 'æ', 'Æ':
		return "ae"
	case 'ø', 'Ø':
		return "o"
	case 'ł', 'Ł':
		return "l"
	case 'đ', 'Đ', 'ð', 'Ð':
		return "d"
	case 'ħ', 'Ħ':
		return "h"
	case 'ı', 'İ':
		return "i"
	case 'þ', 'Þ':
		return "th"
	}
	return ""
}

// expanded maps the letters that German and the Nordic languages write with two
// when they have to.
func expanded(r rune) string {
	switch r {
	case 'ä', 'Ä':
		return "ae"
	case 'ö', 'Ö', 'ø', 'Ø':
		return "oe"
	case 'ü', 'Ü':
		return "ue"
	case 'å', 'Å':
		return "aa"
	}
	return ""
}

// fold lowers s and takes the accents off: letters and digits of any script stay,
// all else is dropped. With wide, umlauts become two letters.
func fold(s string, wide bool) string {
	if isASCII(s) {
		out := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			switch c := s[i]; {
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
				out = append(out, c)
			case c >= 'A' && c <= 'Z':
				out = append(out, c+'a'-'A')
			}
		}
		return string(out)
	}
	var b strings.Builder
	for _, r := range norm.NFC.String(s) {
		if wide {
			if e := expanded(r); e != "" {
				b.WriteString(e)
				continue
			}
		}
		if p := plain(r); p != "" {
			b.WriteString(p)
			continue
		}
		if r < utf8.RuneSelf {
			foldRune(&b, r)
			continue
		}
		for _, d := range norm.NFD.String(string(r)) {
			foldRune(&b, d)
		}
	}
	return b.String()
}

func foldRune(b *strings.Builder, r rune) {
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		b.WriteRune(unicode.ToLower(r))
	}
}
