package index

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// maxKey is the longest folded name that is kept, in runes.
	maxKey = 80
	// maxKeys is the most spellings of one merchant that can be found.
	maxKeys = 48
	// gram is the longest prefix that has a term of its own; a longer text is found
	// by its first runes and then compared in memory.
	gram = 12
)

// fold reduces a text to what tells names apart: words of letters and digits, in
// lower case, without accents, width and look-alike forms, parted by single spaces.
// It knows no language: every script keeps its letters. Katakana is read as
// hiragana, and Hangul is taken apart, so that a half-typed syllable is a prefix.
func fold(s string) string {
	if plainASCII(s) {
		return foldASCII(s)
	}
	var b strings.Builder
	n, gap := 0, false
	put := func(r rune) {
		if n >= maxKey {
			return
		}
		if gap && b.Len() > 0 {
			b.WriteByte(' ')
		}
		gap = false
		b.WriteRune(r)
		n++
	}
	// A name's own signs would come out of NFKD as letters: "™" as "tm".
	s = strings.Map(dropSigns, strings.ToValidUTF8(s, " "))
	for _, r := range norm.NFKD.String(cut(s, 4*maxKey)) {
		if two := twoLetters(r); two != "" {
			for _, l := range two {
				put(l)
			}
			continue
		}
		switch {
		case r >= 0x300 && r <= 0x36f, r == 0x3099, r == 0x309a:
			// Accents of Latin, Greek and Cyrillic; the voicing marks of kana.
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r):
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			put(baseForm(unicode.ToLower(r)))
		default:
			gap = true
		}
	}
	return b.String()
}

func plainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func foldASCII(s string) string {
	out := make([]byte, 0, min(len(s), maxKey))
	n, gap := 0, false
	for i := 0; i < len(s) && n < maxKey; i++ {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		default:
			gap = true
			continue
		}
		if gap && len(out) > 0 {
			out = append(out, ' ')
		}
		gap = false
		out = append(out, c)
		n++
	}
	return string(out)
}

// cut shortens s to at most n runes.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func dropSigns(r rune) rune {
	switch r {
	case '™', '®', '©', '℠':
		return -1
	}
	return r
}

// twoLetters expands letters that have no decomposition.
func twoLetters(r rune) string {
	switch r {
	case 'ß', 'ẞ':
		return "ss"
	case 'œ', 'Œ':
		return "oe"
	case 'æ', 'Æ':
		return "ae"
	case 'þ', 'Þ':
		return "th"
	}
	return ""
}

func baseForm(r rune) rune {
	switch r {
	case 'ø':
		return 'o'
	case 'ł':
		return 'l'
	case 'đ', 'ð':
		return 'd'
	case 'ħ':
		return 'h'
	case 'ı':
		return 'i'
	case 'ς':
		return 'σ'
	}
	if r >= 0x30a1 && r <= 0x30f6 {
		return r - 0x60
	}
	return r
}

// umlauts are written with two letters where a keyboard lacks them.
var umlauts = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "å", "aa", "ø", "oe", "Ä", "ae", "Ö", "oe", "Ü", "ue", "Å", "aa", "Ø", "oe")

// glue takes the spaces out of a folded text.
func glue(folded string) string { return strings.ReplaceAll(folded, " ", "") }

// unspaced reports whether a rune belongs to a script that is written without
// spaces, so that a word may begin at every rune.
func unspaced(r rune) bool {
	return r >= 0x2e80 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r == 'ー') || unicode.Is(unicode.Thai, r)
}

// starts calls yield with each position of a folded text where somebody may begin
// to type: the text itself, each further word of more than one letter, and every
// rune of a script without spaces. It stops when yield returns false.
func starts(folded string, yield func(at int) bool) {
	if folded == "" || !yield(0) {
		return
	}
	for i, r := range folded {
		if i == 0 {
			continue
		}
		if folded[i-1] == ' ' {
			_, w := utf8.DecodeRuneInString(folded[i:])
			if i+w < len(folded) && folded[i+w] != ' ' || unspaced(r) {
				if !yield(i) {
					return
				}
			}
			continue
		}
		if r >= 0x0e00 && unspaced(r) && !yield(i) {
			return
		}
	}
}
