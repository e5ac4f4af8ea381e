package statement

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// squeeze is a cell's text: blanks of every kind, alone or in a row, are one blank, and
// what nobody sees is gone.
func squeeze(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			gap = b.Len() > 0
			continue
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			continue
		}
		if gap {
			b.WriteByte(' ')
			gap = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fold is a text as it is compared: without case, accents, kinds of apostrophes and
// dashes, and the marks around it.
func fold(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(squeeze(s)) {
		switch {
		case r == '’' || r == '‘' || r == 'ʼ' || r == '′' || r == '`':
			b.WriteByte('\'') // pages and people write them as they like
		case unicode.Is(unicode.Pd, r) || r == '−':
			b.WriteByte('-')
		case !unicode.Is(unicode.Mn, r):
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return strings.TrimFunc(squeeze(b.String()), func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`:*.!?()[]"'«»“”▲▼↑↓⇅`, r)
	})
}

// short keeps foreign text out of the way.
func short(s string, most int) string {
	s = squeeze(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// words is a list of words as people write them into rules: alone, or with "*" at an
// end for "and whatever follows".
type words []string

// match is the length of the longest word of the list that a folded text matches, plus
// one for words without a star, since they say more; 0 for none.
func (ws words) match(folded string) int {
	best := 0
	for _, w := range ws {
		head, tail := strings.HasPrefix(w, "*"), strings.HasSuffix(w, "*") && len(w) > 1
		core := fold(strings.Trim(w, "*"))
		if core == "" {
			continue
		}
		ok := false
		switch {
		case head && tail:
			ok = strings.Contains(folded, core)
		case head:
			ok = strings.HasSuffix(folded, core)
		case tail:
			ok = strings.HasPrefix(folded, core)
		default:
			ok = folded == core
		}
		if !ok {
			continue
		}
		score := 2 * len(core)
		if !head && !tail {
			score++
		}
		best = max(best, score)
	}
	return best
}
