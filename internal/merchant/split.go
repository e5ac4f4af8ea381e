package merchant

import (
	"strings"
	"unicode"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// raw is a word of a name before anything is known of it.
type raw struct {
	text  string           // as written
	fold  string           // folded
	conj  bool             // a sign that means "and"
	tld   string           // the suffix that was cut off a word written as a domain
	front cashback.Country // the country of that suffix
	sole  bool             // the suffix was that of this word alone
}

// brackets takes what stands in brackets out of a name. An open bracket at the
// end of a name that was cut reaches to its end.
func brackets(s string) (outer string, inner []string) {
	var b strings.Builder
	for {
		i := strings.IndexAny(s, "([{")
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		b.WriteByte(' ')
		j := strings.IndexAny(s[i:], ")]}")
		if j < 0 {
			inner = append(inner, s[i+1:])
			s = ""
			break
		}
		inner = append(inner, s[i+1:i+j])
		s = s[i+j+1:]
	}
	b.WriteString(s)
	return squeeze(b.String()), inner
}

// segments cuts a name at dashes, bars and colons that stand apart.
func segments(s string) []string {
	var out, cur []string
	flush := func() {
		if len(cur) > 0 {
			out = append(out, strings.Join(cur, " "))
		}
		cur = nil
	}
	for _, w := range strings.Fields(s) {
		switch w {
		case "-", "–", "—", "|", ":", "•", "·", "/", "//", "~", "»", ">":
			flush()
			continue
		}
		t, cut := strings.CutSuffix(w, ":")
		cur = append(cur, t)
		if cut && t != "" {
			flush()
		}
	}
	flush()
	return out
}

// split makes words of a text: at spaces, punctuation and capitals within a word.
// Domains lose their suffix, which may name a storefront.
func (r *Rules) split(s string) []raw {
	var out []raw
	for _, w := range strings.Fields(strings.ReplaceAll(s, "+", " + ")) {
		if w == "+" {
			out = append(out, raw{text: "+", conj: true})
			continue
		}
		if n := len(out); w == "%" && n > 0 && isDigits(out[n-1].fold) {
			out[n-1].text += w
			continue
		}
		w = strings.TrimPrefix(strings.TrimPrefix(w, "http://"), "https://")
		if len(w) > 4 && strings.EqualFold(w[:4], "www.") {
			w = w[4:]
		}
		w = strings.Trim(w, "/,;!?*\"“”„«»")
		if label, tld, country, rest, ok := r.domain(w); ok {
			if ws := r.pieces(label); len(ws) > 0 {
				last := &ws[len(ws)-1]
				last.tld, last.front, last.sole = tld, country, len(ws) == 1
				out = append(out, ws...)
				if rest != "" {
					out = append(out, raw{text: rest, fold: fold(rest, false)})
				}
				continue
			}
		}
		out = append(out, r.pieces(w)...)
	}
	// "Canal+" is "Canal Plus"; between words a plus is an and.
	if n := len(out); n > 1 && out[n-1].text == "+" {
		out[n-1] = raw{text: "Plus", fold: "plus"}
	}
	return out
}

// pieces cuts one blank-separated word further.
func (r *Rules) pieces(w string) []raw {
	var out []raw
	var cur []rune
	flush := func() {
		if len(cur) == 0 {
			return
		}
		whole := string(cur)
		parts := []string{whole}
		if !r.legal[fold(whole, false)] { // "GmbH" is one word
			parts = camel(whole)
		}
		for _, p := range parts {
			if f := fold(p, false); f != "" {
				out = append(out, raw{text: p, fold: f})
			}
		}
		cur = cur[:0]
	}
	for _, c := range w {
		switch {
		case unicode.IsLetter(c), unicode.IsDigit(c), unicode.IsMark(c):
			cur = append(cur, c)
		case strings.ContainsRune("'’‘`´ʼ\"′", c):
			// An apostrophe joins: "Macy's" is "Macys".
		case c == '&' || c == '＆':
			flush()
			out = append(out, raw{text: "&", conj: true})
		case c == '@':
			flush()
			out = append(out, raw{text: "at", fold: "at"})
		case c == '%':
			cur = append(cur, '%')
			flush()
		default:
			flush()
		}
	}
	flush()
	return out
}

// camel cuts a word where a small letter meets a capital ("BrandAlley"), and before
// the last capital of a run ("FSAStore"). A single letter before the cut stays with
// the rest ("eBay"), and so do the Mc and Mac of names.
func camel(s string) []string {
	if isASCIIOneCase(s) {
		return []string{s}
	}
	rs := []rune(s)
	var out []string
	start := 0
	for i := 1; i < len(rs); i++ {
		cut := unicode.IsLower(rs[i-1]) && unicode.IsUpper(rs[i]) ||
			i+1 < len(rs) && unicode.IsUpper(rs[i-1]) && unicode.IsUpper(rs[i]) && unicode.IsLower(rs[i+1]) && i-start > 1
		if !cut || i-start < 2 {
			continue
		}
		if h := string(rs[start:i]); len(rs)-i > 1 && (strings.EqualFold(h, "mc") || strings.EqualFold(h, "mac")) {
			continue
		}
		out = append(out, string(rs[start:i]))
		start = i
	}
	return append(out, string(rs[start:]))
}

// isASCIIOneCase says whether no capital follows the first letter: the usual case,
// quickly.
func isASCIIOneCase(s string) bool {
	for i := 1; i < len(s); i++ {
		if c := s[i]; c >= 0x80 || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

// phraseAt returns how many words from i on make the longest phrase for which ok
// says yes; 0 for none.
func (r *Rules) phraseAt(ws []raw, i int, ok func(string) bool) int {
	best := 0
	for n := 1; n <= int(r.first[listed(ws[i])]) && i+n <= len(ws); n++ {
		if ok(phrase(ws[i : i+n])) {
			best = n
		}
	}
	return best
}

// phraseBefore is phraseAt for the phrase that ends before end.
func (r *Rules) phraseBefore(ws []raw, end int, ok func(string) bool) int {
	for n := min(int(r.last[listed(ws[end-1])]), end); n >= 1; n-- {
		if ok(phrase(ws[end-n : end])) {
			return n
		}
	}
	return 0
}

// listed is how a list writes a word.
func listed(w raw) string {
	if w.conj {
		return "and"
	}
	return w.fold
}

// phrase is how a list writes these words.
func phrase(ws []raw) string {
	if len(ws) == 1 {
		return listed(ws[0])
	}
	parts := make([]string, len(ws))
	for i, w := range ws {
		parts[i] = listed(w)
	}
	return strings.Join(parts, " ")
}

// written is how a portal writes these words.
func written(ws []raw) string {
	parts := make([]string, len(ws))
	for i, w := range ws {
		parts[i] = w.text
	}
	return strings.Join(parts, " ")
}

// compact joins words into a key.
func (r *Rules) compact(ws []raw) string {
	var b strings.Builder
	for i, w := range ws {
		if w.conj || i > 0 && i < len(ws)-1 && r.isAnd("", w.fold) {
			continue
		}
		b.WriteString(w.fold)
	}
	return b.String()
}

// initials returns how many words of long short is the initials of: one word, or
// single letters, made of the first letters of long, or of those of its longer words.
// Words that long has beyond them may be a slogan. It returns 0 for none.
func initials(short, long []raw) int {
	var s, all, main strings.Builder
	for _, w := range short {
		if len(short) > 1 && len(w.fold) > 1 {
			return 0
		}
		s.WriteString(w.fold)
	}
	if s.Len() < 2 || s.Len() > 6 || len(long) < 2 {
		return 0
	}
	for i, w := range long {
		if w.fold == "" {
			continue
		}
		all.WriteByte(w.fold[0])
		if len(w.fold) > 3 || len(long) <= 2 {
			main.WriteByte(w.fold[0])
		}
		if i > 0 && (s.String() == all.String() || s.String() == main.String()) {
			return i + 1
		}
	}
	return 0
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
