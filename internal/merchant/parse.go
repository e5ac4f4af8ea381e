package merchant

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// kind is what a word of a name does there.
type kind uint8

const (
	plainWord kind = iota
	conjunction
	harmlessWord // shop, online, official
	cityWord
	softTrade // a trade word that never makes another shop by itself
	firmTrade // one that may: "Bank", "Holidays"
	lineWord  // outlet, business, a product line or service
)

// word is one word, or one known phrase, of a name.
type word struct {
	text  string // folded, umlauts to one letter
	wide  string // folded, umlauts to two letters
	kind  kind
	trade string // of a trade word; the line's kind of a line word
}

// form is a name, read.
type form struct {
	// display is the name without marketing, as a person would write it.
	display string
	// storefront is the country that the name, or its domain, says; the portal's
	// market otherwise.
	storefront cashback.Country
	words      []word
	// key is the words without conjunctions, leading article and spaces.
	key string
	// core is key without the words that may be harmless; key itself where nothing
	// distinctive would stay. extras are the words left out.
	core      string
	extras    []word
	truncated bool
	// same are hashes of all spellings of the name that mean the same.
	same []uint64
	// others are keys of other names that the entry states ("ex Birchbox").
	others []string
	// notes say what was taken off, in words.
	notes []string
	alias *aliasSet
	// id tells the tokenisations of one key apart, canonically.
	id string
}

// site is what an entry's domain says.
type site struct {
	// host decides equality: the registrable domain, or the whole host where a part
	// before it names something of its own ("bank.example.com").
	host string
	// label is the folded registrable name without the suffix ("example").
	label string
	// country of the domain's suffix, empty for .com and the like.
	country cashback.Country
	// own is false for a tracking host, a shortener or a shop system.
	own bool
}

// reading collects what is found while a name is taken apart.
type reading struct {
	rules  *Rules
	market cashback.Country
	f      form
	// upper says that the whole name is in capitals, or all small: then capitals
	// say nothing.
	upper, lower bool
}

// raw is a word before it is classified.
type raw struct {
	text  string // as written
	fold  string
	conj  bool
	tld   string // suffix that was cut off the word
	front cashback.Country
}

// read takes a name apart. ok is false where nothing that names a shop is left.
func (r *Rules) read(market cashback.Country, name string, at site) (f form, ok bool) {
	rd := reading{rules: r, market: market}
	rd.f.storefront = market
	if len(name) > maxName {
		rd.f.notes = append(rd.f.notes, fmt.Sprintf("the name has %d bytes, and no shop's has more than %d", len(name), maxName))
		return rd.f, false
	}
	text, repaired := clean(name)
	rd.f.notes = append(rd.f.notes, repaired...)
	rd.upper = text == strings.ToUpper(text)
	rd.lower = text == strings.ToLower(text)
	text = strings.TrimRight(text, " *†‡!¡")
	if t := strings.TrimRight(text, " ."); strings.HasSuffix(text, "...") || strings.HasSuffix(text, "..") {
		text, rd.f.truncated = t, true
	}
	text, inner := brackets(text)
	var main []raw
	for i, seg := range segments(text) {
		ws := rd.split(seg)
		if i == 0 {
			main = ws
			continue
		}
		main = rd.extend(main, ws, seg)
	}
	for _, in := range inner {
		main = rd.bracket(main, in)
	}
	main = rd.strip(main)
	if len(main) == 0 && at.own {
		main = rd.split(at.label)
		rd.f.notes = append(rd.f.notes, "the name says nothing, so the domain is read instead")
	}
	if len(main) == 0 {
		return rd.f, false
	}
	if at.own && at.country != "" && at.country != market && rd.f.storefront == market && r.retail(at.country) {
		rd.f.storefront = at.country
		rd.f.notes = append(rd.f.notes, fmt.Sprintf("the domain belongs to %s", at.country))
	}
	rd.build(main)
	return rd.f, rd.f.key != ""
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
		j := strings.IndexAny(s[i:], ")]}")
		if j < 0 {
			b.WriteString(s[:i])
			inner = append(inner, s[i+1:])
			s = ""
			break
		}
		b.WriteString(s[:i])
		b.WriteByte(' ')
		inner = append(inner, s[i+1:i+j])
		s = s[i+j+1:]
	}
	b.WriteString(s)
	return squeeze(b.String()), inner
}

// segments cuts a name at dashes, bars and colons that stand apart.
func segments(s string) []string {
	var out []string
	fields := strings.Fields(s)
	start := 0
	var cur []string
	for i, w := range fields {
		switch w {
		case "-", "–", "—", "|", ":", "•", "·", "/", "//", "~", "»", ">":
			if i > start {
				out = append(out, strings.Join(cur, " "))
			}
			cur, start = nil, i+1
			continue
		}
		if t, cut := strings.CutSuffix(w, ":"); cut && t != "" {
			out = append(out, strings.Join(append(cur, t), " "))
			cur, start = nil, i+1
			continue
		}
		cur = append(cur, w)
	}
	if len(cur) > 0 {
		out = append(out, strings.Join(cur, " "))
	}
	return out
}

// split makes words of a text: at spaces, punctuation and capitals within a word.
// Domains lose their suffix, which may name a storefront.
func (rd *reading) split(s string) []raw {
	var out []raw
	s = strings.ReplaceAll(s, "+", " + ")
	for i, w := range strings.Fields(s) {
		w = strings.TrimPrefix(strings.TrimPrefix(w, "http://"), "https://")
		if len(w) > 4 && strings.EqualFold(w[:4], "www.") {
			w = w[4:]
		}
		if w == "+" {
			out = append(out, raw{text: "+", conj: true})
			continue
		}
		w = strings.Trim(w, "/,;!?*\"“”„«»")
		if label, tld, country, rest, ok := rd.rules.domain(w); ok && label != "" {
			ws := rd.pieces(label)
			if len(ws) > 0 {
				last := &ws[len(ws)-1]
				last.tld, last.front = tld, country
				out = append(out, ws...)
				if rest != "" {
					out = append(out, raw{text: rest, fold: fold(rest, false)})
				}
				continue
			}
		}
		_ = i
		out = append(out, rd.pieces(w)...)
	}
	// "Canal+" and "Disney+" are "Canal Plus"; between words a plus is an and.
	for i := range out {
		if out[i].text == "+" && i == len(out)-1 && i > 0 {
			out[i] = raw{text: "Plus", fold: "plus"}
		}
	}
	return out
}

// pieces cuts one blank-separated word further.
func (rd *reading) pieces(w string) []raw {
	var out []raw
	var cur []rune
	flush := func() {
		if len(cur) == 0 {
			return
		}
		whole := string(cur)
		parts := []string{whole}
		if !rd.rules.legal[fold(whole, false)] { // "GmbH" is one word
			parts = camel(whole)
		}
		for _, p := range parts {
			if f := fold(p, false); f != "" {
				out = append(out, raw{text: p, fold: f})
			}
		}
		cur = cur[:0]
	}
	for _, r := range w {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			cur = append(cur, r)
		case r == '\'' || r == '’' || r == '‘' || r == '`' || r == '´' || r == 'ʼ' || r == '"' || r == '′':
			// An apostrophe joins: "Macy's" is "Macys".
		case r == '&' || r == '＆':
			flush()
			out = append(out, raw{text: "&", conj: true})
		case r == '@':
			flush()
			out = append(out, raw{text: "at", fold: "at"})
		case r == '%':
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
// the last capital of a run ("FSAStore"). One or two letters before the cut stay
// with the rest ("eBay", "McArthur").
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
func phraseAt(ws []raw, i, longest int, ok func(string) bool) int {
	best := 0
	var b strings.Builder
	for n := 1; n <= longest && i+n <= len(ws); n++ {
		if n > 1 {
			b.WriteByte(' ')
		}
		if ws[i+n-1].conj {
			b.WriteString("and")
		} else {
			b.WriteString(ws[i+n-1].fold)
		}
		if ok(b.String()) {
			best = n
		}
	}
	return best
}

// phraseBefore is phraseAt for the phrase that ends before end.
func phraseBefore(ws []raw, end, longest int, ok func(string) bool) int {
	for n := min(longest, end); n >= 1; n-- {
		if phraseAt(ws[:end], end-n, n, ok) == n {
			return n
		}
	}
	return 0
}

func (rd *reading) generic(ws []raw) bool {
	for _, w := range ws {
		if w.conj || len(w.fold) < 2 && !isDigits(w.fold) {
			continue
		}
		if !rd.rules.isGeneric(w.fold) {
			return false
		}
	}
	return true
}

func (r *Rules) isGeneric(w string) bool {
	return r.generic[w] || r.harmless[w] || r.articles[w] || r.soft[w] != "" || r.firm[w] != "" || r.marketing[w] || r.between[w]
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isMarketing says whether all of ws is marketing: at least one of its words, and
// besides only what stands between them.
func (rd *reading) isMarketing(ws []raw) bool {
	found := false
	for i := 0; i < len(ws); {
		if n := phraseAt(ws, i, rd.rules.longest, func(p string) bool { return rd.rules.marketing[p] || rd.rules.phrases[p] }); n > 0 {
			found, i = true, i+n
			continue
		}
		w := ws[i]
		if !w.conj && !rd.rules.between[w.fold] && !numeric(w.fold) {
			return false
		}
		i++
	}
	return found
}

// numeric says whether a word is a number or an amount: "7", "2026".
func numeric(w string) bool { return isDigits(w) }

// country reads ws as the name or the code of a country. loose accepts a code in
// small letters.
func (rd *reading) country(ws []raw, loose bool) (cashback.Country, bool) {
	if len(ws) == 0 || len(ws) > rd.rules.longest {
		return "", false
	}
	parts := make([]string, len(ws))
	for i, w := range ws {
		parts[i] = w.fold
	}
	p := strings.Join(parts, " ")
	c, ok := rd.rules.countries[p]
	if !ok {
		return "", false
	}
	if len(p) == 2 && !loose && p != "uk" {
		t := ws[0].text
		if t != strings.ToUpper(t) && !(rd.lower && len(p) == 2 && string(c) == string(rd.market) && p != "it" && p != "es" && p != "us" && p != "de") {
			return "", false
		}
		if rd.upper && (p == "us" || p == "it" || p == "in" || p == "no" || p == "is" || p == "be") {
			return "", false
		}
	}
	return c, true
}

// settle notes a country that the name states. It says whether the words that
// state it may be dropped.
func (rd *reading) settle(c cashback.Country, as string) {
	if c == rd.market || c == rd.f.storefront {
		rd.f.notes = append(rd.f.notes, fmt.Sprintf("%q is the portal's own country", as))
		return
	}
	rd.f.storefront = c
	rd.f.notes = append(rd.f.notes, fmt.Sprintf("%q names the storefront of %s", as, c))
}

// extend adds a segment after a dash, a bar or a colon to the words of the name.
func (rd *reading) extend(main, ws []raw, seg string) []raw {
	if len(ws) == 0 {
		return main
	}
	if len(main) == 0 {
		return ws
	}
	if c, ok := rd.country(ws, true); ok {
		rd.settle(c, seg)
		return main
	}
	if rd.isMarketing(main) && !rd.isMarketing(ws) {
		rd.note("marketing", main)
		return ws
	}
	if rd.isMarketing(ws) || rd.allHarmless(ws) {
		rd.note("marketing", ws)
		return main
	}
	if other := compact(ws); initials(main, ws) || initials(ws, main) || ws[len(ws)-1].tld != "" {
		rd.f.others = append(rd.f.others, other)
		rd.f.notes = append(rd.f.notes, fmt.Sprintf("%q is another name for it", seg))
		return main
	}
	if len(ws) >= 3 && !rd.hasLine(ws) && !rd.hasCountry(ws) {
		rd.f.notes = append(rd.f.notes, fmt.Sprintf("%q is a slogan", seg))
		return main
	}
	return append(main, ws...)
}

func (rd *reading) hasLine(ws []raw) bool {
	for i := range ws {
		if phraseAt(ws, i, rd.rules.longest, func(p string) bool { return rd.rules.lines[p] != "" }) > 0 {
			return true
		}
	}
	return false
}

func (rd *reading) hasCountry(ws []raw) bool {
	for i := range ws {
		for n := 1; n <= 3 && i+n <= len(ws); n++ {
			if _, ok := rd.country(ws[i:i+n], false); ok {
				return true
			}
		}
	}
	return false
}

func (rd *reading) allHarmless(ws []raw) bool {
	for i := 0; i < len(ws); {
		n := phraseAt(ws, i, rd.rules.longest, func(p string) bool {
			return rd.rules.harmless[p] || rd.rules.articles[p] || rd.rules.phrases[p]
		})
		if n == 0 {
			return false
		}
		i += n
	}
	return len(ws) > 0
}

// former are words that lead to an older, newer or other name.
const former = " ex formerly former previously anciennement ancien ehemals fruher frueher vormals antes anteriormente antiguo gia precedentemente dawniej dawne voorheen now jetzt devient aka alias nee tidl tidligere tidigare "

// bracket adds what stood in brackets to the words of the name.
func (rd *reading) bracket(main []raw, in string) []raw {
	ws := rd.split(strings.TrimLeft(in, "- "))
	if len(ws) == 0 {
		return main
	}
	if c, ok := rd.country(ws, true); ok {
		rd.settle(c, in)
		return main
	}
	if len(ws) > 1 && strings.Contains(former, " "+ws[0].fold+" ") {
		other := ws[1:]
		if f := other[0].fold; len(other) > 1 && (f == "known" || f == "as") {
			other = other[1:]
		}
		rd.f.others = append(rd.f.others, compact(other))
		rd.f.notes = append(rd.f.notes, fmt.Sprintf("it says itself that it is %q as well", in))
		return main
	}
	if rd.isMarketing(ws) || rd.allHarmless(ws) {
		rd.note("marketing", ws)
		return main
	}
	if initials(main, ws) || initials(ws, main) {
		rd.f.others = append(rd.f.others, compact(ws))
		rd.f.notes = append(rd.f.notes, fmt.Sprintf("%q are its initials, or it theirs", in))
		return main
	}
	if len(main) == 0 {
		return ws
	}
	return append(main, ws...)
}

// compact joins words into a key.
func compact(ws []raw) string {
	var b strings.Builder
	for i, w := range ws {
		if w.conj || i > 0 && i < len(ws)-1 && isAnd(w.fold) {
			continue
		}
		b.WriteString(w.fold)
	}
	return b.String()
}

func isAnd(s string) bool { return s == "and" || s == "et" || s == "und" }

// initials says whether short is made of the first letters of long: all of its
// words, or all but the small ones.
func initials(short, long []raw) bool {
	if len(short) != 1 || len(long) < 2 {
		return false
	}
	s := short[0].fold
	if len(s) < 2 || len(s) > 6 {
		return false
	}
	var all, main strings.Builder
	for _, w := range long {
		if w.fold == "" {
			continue
		}
		all.WriteByte(w.fold[0])
		if len(w.fold) > 3 || len(long) <= 2 {
			main.WriteByte(w.fold[0])
		}
	}
	// A name that was cut leaves the first of them.
	return s == all.String() || s == main.String()
}

func (rd *reading) note(what string, ws []raw) {
	parts := make([]string, len(ws))
	for i, w := range ws {
		parts[i] = w.text
	}
	rd.f.notes = append(rd.f.notes, fmt.Sprintf("%s taken off: %q", what, strings.Join(parts, " ")))
}

// strip takes marketing, conditions, legal forms and country words off both ends
// until nothing more comes off.
func (rd *reading) strip(ws []raw) []raw {
	for range 8 {
		n := len(ws)
		ws = rd.stripHead(ws)
		ws = rd.stripTail(ws)
		ws = rd.stripLegal(ws)
		ws = rd.stripCountry(ws)
		if len(ws) == n {
			break
		}
	}
	return rd.stripTLD(ws)
}

func (rd *reading) stripHead(ws []raw) []raw {
	r := rd.rules
	end, weak := 0, true
	for i := 0; i < len(ws); {
		n := phraseAt(ws, i, r.longest, func(p string) bool { return r.marketing[p] })
		if n > 0 {
			weak = weak && n == 1 && r.weak[ws[i].fold]
			i += n
			end = i
			continue
		}
		w := ws[i]
		if !w.conj && !(numeric(w.fold) && i > 0) && !(end > 0 && (r.between[w.fold])) {
			break
		}
		i++
	}
	if end == 0 || end >= len(ws) {
		return ws
	}
	if end+1 < len(ws) && r.lead[ws[end].fold] {
		end++
	}
	rest := ws[end:]
	if weak && rd.generic(rest) || ws[end-1].tld != "" {
		return ws
	}
	rd.note("marketing", ws[:end])
	return rest
}

func (rd *reading) stripTail(ws []raw) []raw {
	r := rd.rules
	if n := phraseBefore(ws, len(ws), r.longest, func(p string) bool { return r.phrases[p] }); n > 0 && n < len(ws) && !(n == 1 && rd.generic(ws[:len(ws)-n])) {
		rd.note("condition", ws[len(ws)-n:])
		return ws[:len(ws)-n]
	}
	start, weak := len(ws), true
	for end := len(ws); end > 0; {
		n := phraseBefore(ws, end, r.longest, func(p string) bool { return r.marketing[p] })
		if n > 0 {
			weak = weak && n == 1 && r.weak[ws[end-1].fold]
			end -= n
			start = end
			continue
		}
		w := ws[end-1]
		if !w.conj && !numeric(w.fold) && !r.between[w.fold] {
			break
		}
		end--
	}
	if start == len(ws) || start == 0 {
		return ws
	}
	// A sign before the marketing binds it to the name; a number may be the name's.
	for start > 1 && ws[start-1].conj {
		start--
	}
	rest := ws[:start]
	if weak && rd.generic(rest) || ws[len(ws)-1].tld != "" {
		return ws
	}
	rd.note("marketing", ws[start:])
	return rest
}

func (rd *reading) stripLegal(ws []raw) []raw {
	n := phraseBefore(ws, len(ws), rd.rules.longest, func(p string) bool {
		// "S.p.A." comes as three words.
		return rd.rules.legal[p] || len(p) <= 9 && len(p) >= 3 && p[1] == ' ' && rd.rules.legal[strings.ReplaceAll(p, " ", "")]
	})
	if n == 0 || n == len(ws) {
		return ws
	}
	tail := ws[len(ws)-n:]
	if n == 1 && len(tail[0].fold) == 2 && (tail[0].text != strings.ToUpper(tail[0].text) || rd.upper) && tail[0].fold != "ag" && tail[0].fold != "kg" {
		return ws
	}
	rest := ws[:len(ws)-n]
	for len(rest) > 1 && rest[len(rest)-1].conj {
		rest = rest[:len(rest)-1]
	}
	rd.note("legal form", tail)
	return rest
}

func (rd *reading) stripCountry(ws []raw) []raw {
	// Behind the country only words that change nothing may follow.
	for end := len(ws); end > 1; end-- {
		for n := min(3, end-1); n >= 1; n-- {
			c, ok := rd.country(ws[end-n:end], false)
			if !ok {
				continue
			}
			rest := ws[:end-n]
			if rest[len(rest)-1].conj || rd.preposition(rest[len(rest)-1].fold) {
				continue
			}
			if rd.generic(rest) && rest[len(rest)-1].tld == "" && (c != rd.market || len(ws[end-n].fold) > 3) {
				// "Air France", "France Fleurs": the country is the name.
				continue
			}
			parts := make([]string, 0, n)
			for _, w := range ws[end-n : end] {
				parts = append(parts, w.text)
			}
			rd.settle(c, strings.Join(parts, " "))
			return append(slices.Clone(rest), ws[end:]...)
		}
		if !rd.rules.harmless[ws[end-1].fold] {
			break
		}
	}
	return ws
}

func (rd *reading) preposition(w string) bool {
	switch w {
	case "de", "of", "du", "do", "da", "di", "della", "del", "d", "von", "la", "the", "von der", "des", "em", "en", "in", "from", "made", "au", "made in":
		return true
	}
	return false
}

func (rd *reading) stripTLD(ws []raw) []raw {
	for i := range ws {
		w := &ws[i]
		if w.tld == "" {
			continue
		}
		if w.front != "" && w.front != rd.market && rd.f.storefront == rd.market && rd.rules.retail(w.front) {
			rd.settle(w.front, "."+w.tld)
		} else {
			rd.f.notes = append(rd.f.notes, fmt.Sprintf("domain suffix taken off: %q", "."+w.tld))
		}
	}
	return ws
}

// build classifies the words and makes the keys.
func (rd *reading) build(ws []raw) {
	r, f := rd.rules, &rd.f
	// An article at the end belongs to the front: "Kooples, The".
	if n := len(ws); n > 1 && r.articles[ws[n-1].fold] && !ws[n-1].conj && ws[n-1].tld == "" && (ws[n-1].fold == "the" || ws[n-1].fold == "la" || ws[n-1].fold == "le" || ws[n-1].fold == "les" || ws[n-1].fold == "el" || ws[n-1].fold == "il" || ws[n-1].fold == "der" || ws[n-1].fold == "die" || ws[n-1].fold == "das") {
		ws = ws[:n-1]
	}
	parts := make([]string, 0, len(ws))
	for i := 0; i < len(ws); {
		w := ws[i]
		parts = append(parts, w.text)
		if w.conj || i > 0 && i < len(ws)-1 && rd.isConjunction(w.fold) {
			if i == 0 && w.conj || i == len(ws)-1 {
				i++ // a stray sign
				continue
			}
			f.words = append(f.words, word{text: "and", wide: "and", kind: conjunction})
			i++
			continue
		}
		k, trade, n := rd.classify(ws, i)
		for j := 1; j < n; j++ {
			parts = append(parts, ws[i+j].text)
		}
		var narrow, wide strings.Builder
		for j := range n {
			if ws[i+j].conj {
				continue
			}
			narrow.WriteString(ws[i+j].fold)
			wide.WriteString(fold(ws[i+j].text, true))
		}
		f.words = append(f.words, word{text: narrow.String(), wide: wide.String(), kind: k, trade: trade})
		i += n
	}
	f.display = strings.Join(parts, " ")
	rd.keys()
}

func (rd *reading) isConjunction(w string) bool {
	switch w {
	case "and", "et", "und":
		return true
	case "y":
		return rd.market == "ES" || rd.market == "MX" || rd.market == "AR" || rd.market == "CO" || rd.market == "CL"
	case "e":
		return rd.market == "IT" || rd.market == "BR" || rd.market == "PT"
	case "i", "oraz":
		return rd.market == "PL"
	case "en":
		return rd.market == "NL" || rd.market == "BE"
	case "og":
		return rd.market == "DK" || rd.market == "NO"
	case "och":
		return rd.market == "SE"
	case "n":
		return true
	}
	return false
}

// classify says what the word at i is, alone or with those after it.
func (rd *reading) classify(ws []raw, i int) (k kind, trade string, n int) {
	r := rd.rules
	if n = phraseAt(ws, i, r.longest, func(p string) bool {
		return r.soft[p] != "" || r.firm[p] != "" || r.lines[p] != "" || r.harmless[p] || r.cities[p]
	}); n == 0 {
		return plainWord, "", 1
	}
	p := phrase(ws[i : i+n])
	switch {
	case r.soft[p] != "":
		return softTrade, r.soft[p], n
	case r.firm[p] != "":
		return firmTrade, r.firm[p], n
	case r.lines[p] != "":
		return lineWord, r.lines[p], n
	case r.cities[p]:
		return cityWord, "", n
	}
	return harmlessWord, "", n
}

func phrase(ws []raw) string {
	if len(ws) == 1 {
		return ws[0].fold
	}
	parts := make([]string, len(ws))
	for i, w := range ws {
		if parts[i] = w.fold; w.conj {
			parts[i] = "and"
		}
	}
	return strings.Join(parts, " ")
}

// joiners are how names are written where "and" is a sign or is left out.
var joiners = [...]string{"", "and", "et", "und", "y", "e", "n", "en", "i"}

// keys makes the key, the core and the hashes of all spellings.
func (rd *reading) keys() {
	r, f := rd.rules, &rd.f
	all := f.words
	lead := 0
	for lead < len(all)-1 && r.articles[all[lead].text] && all[lead].kind != conjunction {
		lead++
	}
	rest := all[lead:]
	if joined := join(rest, "", false); len(joined) < 3 && lead > 0 {
		rest = all
		lead = 0
	}
	f.key = join(rest, "", false)
	if f.key == "" {
		return
	}
	f.words = rest
	var id strings.Builder
	for _, w := range all {
		id.WriteString(w.wide)
		id.WriteByte(' ')
	}
	if f.truncated {
		id.WriteByte('.')
	}
	for _, o := range f.others {
		id.WriteString("=" + o)
	}
	f.id = id.String()
	add := func(s string) {
		if len(s) > 1 || s == f.key {
			f.same = append(f.same, hash(exactFeature, s))
		}
	}
	hasAnd := false
	for _, w := range rest {
		hasAnd = hasAnd || w.kind == conjunction
	}
	for _, wide := range [...]bool{false, true} {
		add(join(rest, "", wide))
		if lead > 0 {
			add(join(all, "", wide))
		}
		if hasAnd {
			for _, j := range joiners[1:] {
				add(join(rest, j, wide))
			}
		}
	}
	if t, cut := strings.CutPrefix(f.key, "the"); cut && len(t) >= 5 && lead == 0 {
		add(t)
	}
	if d, ok := r.digits(rest); ok {
		add(d)
	}
	if len(rest) > 1 {
		ws := make([]string, 0, len(rest))
		for _, w := range rest {
			if w.kind != conjunction {
				ws = append(ws, w.text)
			}
		}
		if len(ws) > 1 {
			sort.Strings(ws)
			f.same = append(f.same, hash(orderFeature, strings.Join(ws, " ")))
		}
	}
	sort.Slice(f.same, func(i, j int) bool { return f.same[i] < f.same[j] })
	f.same = slices.Compact(f.same)

	var core strings.Builder
	distinct := false
	for _, w := range rest {
		switch w.kind {
		case conjunction:
		case plainWord:
			core.WriteString(w.text)
			if !r.isGeneric(w.text) && !r.articles[w.text] {
				distinct = true
			}
		default:
			f.extras = append(f.extras, w)
		}
	}
	f.core = core.String()
	if !distinct || len(f.core) < 2 {
		f.core, f.extras = f.key, nil
	}
}

func join(ws []word, and string, wide bool) string {
	n := 0
	for _, w := range ws {
		n += len(w.wide) + 3
	}
	out := make([]byte, 0, n)
	for _, w := range ws {
		switch {
		case w.kind == conjunction:
			out = append(out, and...)
		case wide:
			out = append(out, w.wide...)
		default:
			out = append(out, w.text...)
		}
	}
	return string(out)
}

// digits writes the number words of a name as digits.
func (r *Rules) digits(ws []word) (string, bool) {
	var b strings.Builder
	found := false
	for i := 0; i < len(ws); {
		n, value := 0, ""
		var p strings.Builder
		for j := i; j < len(ws) && j < i+4; j++ {
			if j > i {
				p.WriteByte(' ')
			}
			t := ws[j].text
			if ws[j].kind == conjunction {
				t = "et"
			}
			p.WriteString(t)
			if v, ok := r.numbers[p.String()]; ok {
				n, value = j-i+1, v
			}
		}
		if n > 0 {
			b.WriteString(value)
			i += n
			found = true
			continue
		}
		if ws[i].kind != conjunction {
			b.WriteString(ws[i].text)
		}
		i++
	}
	return b.String(), found
}
