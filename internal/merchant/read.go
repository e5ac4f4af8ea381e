package merchant

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// reading is a name while it is taken apart.
type reading struct {
	rules  *Rules
	market cashback.Country
	site   site
	f      form
	// named says that a word of the name is a domain.
	named bool
	// upper and lower say that the whole name is in capitals, or all small: then
	// capitals say nothing.
	upper, lower bool
}

// read takes a name apart. ok is false where nothing that names a shop is left.
func (r *Rules) read(market cashback.Country, name string, at site) (f form, ok bool) {
	rd := reading{rules: r, market: market, site: at}
	rd.f.storefront = market
	if len(name) > maxName {
		rd.notef("the name has %d bytes, and no shop's has more than %d", len(name), maxName)
		return rd.f, false
	}
	text, repaired := clean(name)
	rd.f.notes = append(rd.f.notes, repaired...)
	rd.upper = text == strings.ToUpper(text)
	rd.lower = text == strings.ToLower(text)
	text = strings.TrimRight(text, " *†‡!¡")
	if t := strings.TrimRight(text, " ."); strings.HasSuffix(text, "..") {
		text, rd.f.truncated = t, true
	}
	text, inner := brackets(text)
	var main []raw
	for i, seg := range segments(text) {
		ws := r.split(seg)
		if i == 0 {
			main = ws
		} else {
			main = rd.aside(main, ws, seg, true)
		}
	}
	for _, in := range inner {
		main = rd.aside(main, r.split(strings.TrimLeft(in, "- ")), in, false)
	}
	rd.f.full = r.compact(main)
	main = rd.strip(main)
	if len(main) == 0 && at.own {
		main = r.split(at.label)
		rd.notef("the name says nothing, so the domain is read instead")
	}
	if len(main) == 0 {
		return rd.f, false
	}
	rd.suffixes(main)
	if at.own && at.country != "" && at.country != market && rd.f.storefront == market {
		rd.f.storefront = at.country
		rd.notef("the domain %s belongs to %s", at.host, at.country)
	}
	rd.build(main)
	return rd.f, rd.f.key != ""
}

func (rd *reading) notef(format string, args ...any) {
	rd.f.notes = append(rd.f.notes, fmt.Sprintf(format, args...))
}

// aside adds what stands in brackets, or after a dash, a bar or a colon, to the
// words of the name, or finds that it is no part of it.
func (rd *reading) aside(main, ws []raw, text string, dashed bool) []raw {
	r := rd.rules
	if len(ws) == 0 {
		return main
	}
	if len(main) == 0 {
		return ws
	}
	if c, ok := rd.country(ws, true); ok {
		rd.settle(c, text)
		return main
	}
	if len(ws) > 1 && r.former[ws[0].fold] {
		other := ws[1:]
		for len(other) > 1 && r.known[other[0].fold] {
			other = other[1:]
		}
		rd.f.others = append(rd.f.others, r.compact(other))
		rd.notef("it says itself that it is %q as well", text)
		return main
	}
	if dashed && rd.isMarketing(main) && !rd.isMarketing(ws) {
		rd.notef("marketing taken off: %q", written(main))
		return ws
	}
	if len(ws) == 1 && !dashed && r.articles[ws[0].fold] && ws[0].tld == "" {
		return append([]raw{ws[0]}, main...) // "Works (The)"
	}
	if rd.isMarketing(ws) || statesRate(text) && !rd.hasLine(ws) || rd.says(ws, r.before, r.after, r.articles, r.phrases, r.labels) {
		rd.notef("marketing taken off: %q", written(ws))
		return main
	}
	if n := initials(main, ws); n > 0 {
		rd.f.others = append(rd.f.others, r.compact(ws[:n]))
		rd.notef("%q are the initials of %q", written(main), text)
		return main
	}
	if initials(ws, main) == len(main) || dashed && ws[len(ws)-1].tld != "" {
		rd.f.others = append(rd.f.others, r.compact(ws))
		rd.notef("%q is another name for it", text)
		return main
	}
	if dashed && len(ws) >= 3 && !rd.hasLine(ws) && !rd.hasCountry(ws) {
		rd.notef("%q is a slogan", text)
		return main
	}
	return append(main, ws...)
}

// statesRate says whether a text holds a percentage or an amount of money: beside a
// name it is what somebody offers, never a part of it.
func statesRate(text string) bool {
	var last rune // the sign or letter before, blanks aside
	for _, c := range text {
		switch {
		case unicode.IsSpace(c):
			continue
		case unicode.IsDigit(last) && (c == '%' || unicode.Is(unicode.Sc, c)), unicode.IsDigit(c) && unicode.Is(unicode.Sc, last):
			return true
		}
		last = c
	}
	return false
}

// isMarketing says whether all of ws is marketing: at least one of its words, and
// besides only what stands between them.
func (rd *reading) isMarketing(ws []raw) bool {
	r := rd.rules
	found := false
	for i := 0; i < len(ws); {
		if n := r.phraseAt(ws, i, func(p string) bool { return r.marketing[p] || r.phrases[p] }); n > 0 {
			found, i = true, i+n
			continue
		}
		if w := ws[i]; !w.conj && !r.between[w.fold] && !isDigits(w.fold) {
			return false
		}
		i++
	}
	return found
}

// says whether ws consists of words and phrases of these lists.
func (rd *reading) says(ws []raw, lists ...set) bool {
	for i := 0; i < len(ws); {
		n := rd.rules.phraseAt(ws, i, func(p string) bool {
			return slices.ContainsFunc(lists, func(l set) bool { return l[p] })
		})
		if n == 0 {
			return false
		}
		i += n
	}
	return len(ws) > 0
}

func (rd *reading) hasLine(ws []raw) bool {
	for i := range ws {
		if rd.rules.phraseAt(ws, i, func(p string) bool { return rd.rules.lines[p] != "" }) > 0 {
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

// country reads ws as the name or the code of a country. loose accepts a code
// however it is written.
func (rd *reading) country(ws []raw, loose bool) (cashback.Country, bool) {
	r := rd.rules
	if len(ws) == 0 || len(ws) > int(r.first[listed(ws[0])]) {
		return "", false
	}
	p := phrase(ws)
	c, ok := r.countries[p]
	if !ok || len(p) > 2 || loose || r.sure[p] {
		return c, ok
	}
	// A code is only told from a word by its capitals.
	switch {
	case rd.upper, rd.lower:
		return c, c == rd.market && !r.ambiguous[p]
	}
	return c, ws[0].text == strings.ToUpper(ws[0].text)
}

// settle notes a country that the name states.
func (rd *reading) settle(c cashback.Country, as string) {
	if c == rd.market || c == rd.f.storefront {
		rd.notef("%q is the portal's own country", as)
		return
	}
	rd.f.storefront = c
	rd.notef("%q names the storefront of %s", as, c)
}

// strip takes marketing, conditions, legal forms and country words off both ends
// until nothing more comes off.
func (rd *reading) strip(ws []raw) []raw {
	for range 8 {
		n := len(ws)
		if n == 0 {
			break
		}
		if !rd.domainSays(ws) { // "Discount Mags" of discountmags.com
			ws = rd.stripHead(ws)
			ws = rd.stripTail(ws)
		}
		ws = rd.stripYear(ws)
		ws = rd.stripLegal(ws)
		ws = rd.stripCountry(ws)
		if len(ws) == n {
			break
		}
	}
	return ws
}

// domainSays says whether these words are the name of the entry's domain.
func (rd *reading) domainSays(ws []raw) bool {
	return rd.site.own && !rd.site.below && rd.rules.compact(ws) == rd.site.label
}

// nothing says whether too little would stay of a name: no word, or a single letter.
func (rd *reading) nothing(ws []raw) bool { return len(rd.rules.compact(ws)) < 2 }

// generic says whether only common words are left.
func (rd *reading) generic(ws []raw) bool {
	for _, w := range ws {
		if w.conj || len(w.fold) < 2 && !isDigits(w.fold) {
			continue
		}
		if !rd.rules.isGeneric(w.fold) && !rd.rules.legal[w.fold] {
			return false
		}
	}
	return true
}

func (rd *reading) stripHead(ws []raw) []raw {
	r := rd.rules
	end, weak := 0, true
	for i := 0; i < len(ws); {
		if n := r.phraseAt(ws, i, func(p string) bool { return r.marketing[p] }); n > 0 {
			weak = weak && n == 1 && r.weak[ws[i].fold]
			i += n
			end = i
			continue
		}
		w := ws[i]
		if !w.conj && !(isDigits(w.fold) && i > 0) && !(end > 0 && r.between[w.fold]) {
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
	if rd.nothing(rest) || weak && rd.generic(rest) && !rd.domainSays(rest) || ws[end-1].tld != "" {
		return ws
	}
	rd.notef("marketing taken off: %q", written(ws[:end]))
	return rest
}

func (rd *reading) stripTail(ws []raw) []raw {
	r := rd.rules
	if n := r.phraseBefore(ws, len(ws), func(p string) bool { return r.phrases[p] }); n > 0 && n < len(ws) {
		if rest := ws[:len(ws)-n]; !rd.nothing(rest) && !(n == 1 && rd.generic(rest)) {
			rd.notef("condition taken off: %q", written(ws[len(ws)-n:]))
			return rest
		}
	}
	start, weak := len(ws), true
	for end := len(ws); end > 0; {
		if n := r.phraseBefore(ws, end, func(p string) bool { return r.marketing[p] }); n > 0 {
			weak = weak && n == 1 && r.weak[ws[end-1].fold]
			end -= n
			start = end
			continue
		}
		w := ws[end-1]
		if !w.conj && !isDigits(w.fold) && !r.between[w.fold] {
			break
		}
		end--
		// "6 % de remboursement": the rate belongs to the marketing behind it
		if start < len(ws) && statesRate(w.text) {
			start = end
		}
	}
	if start == len(ws) || start == 0 {
		return ws
	}
	// A sign before the marketing binds it to the name; a number may be the name's.
	for start > 1 && ws[start-1].conj {
		start--
	}
	rest := ws[:start]
	if r.of[rest[start-1].fold] && rest[start-1].tld == "" || rd.nothing(rest) || weak && rd.generic(rest) && !rd.domainSays(rest) || ws[len(ws)-1].tld != "" {
		return ws // "Vai de Promo" is a name
	}
	rd.notef("marketing taken off: %q", written(ws[start:]))
	return rest
}

// stripYear takes the year of founding off: "since 1851".
func (rd *reading) stripYear(ws []raw) []raw {
	n := len(ws)
	if n < 3 || !rd.rules.since[ws[n-2].fold] || !isDigits(ws[n-1].fold) || len(ws[n-1].fold) != 4 {
		return ws
	}
	rd.notef("year taken off: %q", written(ws[n-2:]))
	return ws[:n-2]
}

func (rd *reading) stripLegal(ws []raw) []raw {
	r := rd.rules
	n := r.phraseBefore(ws, len(ws), func(p string) bool { return r.legal[p] || r.legalShort[p] })
	if l := letters(ws); l > n { // "S.p.A." comes as three words
		if p := r.compact(ws[len(ws)-l:]); r.legal[p] || r.legalShort[p] {
			n = l
		}
	}
	if n == 0 || n == len(ws) {
		return ws
	}
	tail := ws[len(ws)-n:]
	if p := phrase(tail); r.legalShort[p] && (tail[0].text != strings.ToUpper(tail[0].text) || rd.upper && !(r.legalSure[p] && len(r.compact(ws[:len(ws)-n])) > 2)) {
		return ws
	}
	rest := ws[:len(ws)-n]
	for len(rest) > 1 && rest[len(rest)-1].conj {
		rest = rest[:len(rest)-1]
	}
	rd.notef("legal form taken off: %q", written(tail))
	return rest
}

// letters is how many single letters a name ends with.
func letters(ws []raw) int {
	n := 0
	for n < len(ws) && len(ws[len(ws)-1-n].fold) == 1 && !ws[len(ws)-1-n].conj {
		n++
	}
	return n
}

func (rd *reading) stripCountry(ws []raw) []raw {
	r := rd.rules
	// Behind the country only words that change nothing may follow.
	for end := len(ws); end > 1; end-- {
		for n := min(3, end-1); n >= 1; n-- {
			c, ok := rd.country(ws[end-n:end], false)
			if !ok {
				continue
			}
			rest := ws[:end-n]
			last := rest[len(rest)-1]
			if last.conj || r.of[last.fold] || r.national[last.fold] && last.tld == "" && (rd.plainWords(rest) == 1 || len(phrase(ws[end-n:end])) > 3) {
				continue
			}
			if len(rest) == 1 && last.tld == "" && rd.generic(rest) &&
				(c != rd.market || len(phrase(ws[end-n:end])) > 3 && r.describes(last.fold)) {
				continue // "Bijoux France": without the country it is a trade
			}
			rd.settle(c, written(ws[end-n:end]))
			return append(slices.Clone(rest), ws[end:]...)
		}
		if !r.after[ws[end-1].fold] {
			break
		}
	}
	return ws
}

// plainWords counts the words that aren't articles.
func (rd *reading) plainWords(ws []raw) int {
	n := 0
	for _, w := range ws {
		if !w.conj && !rd.rules.articles[w.fold] {
			n++
		}
	}
	return n
}

// describes says whether a word says what a shop sells, or what it is for.
func (r *Rules) describes(w string) bool {
	return r.trade(w) || r.lines[w] != "" || r.before[w] || r.after[w]
}

// suffixes notes the suffixes of words that were written as domains; one may name a
// storefront. A name that is a domain is the shop's domain.
func (rd *reading) suffixes(ws []raw) {
	for i := range ws {
		w := &ws[i]
		if w.tld == "" {
			continue
		}
		foreign := w.front != "" && w.front != rd.market && rd.f.storefront == rd.market && !rd.rules.anyones[w.tld]
		if foreign {
			rd.settle(w.front, "."+w.tld)
		} else {
			rd.notef("domain suffix taken off: %q", "."+w.tld)
		}
		if i == len(ws)-1 && !slices.ContainsFunc(ws[:i], func(o raw) bool { return o.tld != "" || o.conj || rd.rules.before[o.fold] }) {
			rd.f.domain = rd.rules.compact(ws) + "." + w.tld
		}
	}
}
