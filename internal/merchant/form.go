package merchant

import (
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

type kind uint8

const (
	plainWord kind = iota
	conjunction
	harmlessWord // shop, online, official
	cityWord
	softTrade   // a trade word that never makes another shop by itself
	firmTrade   // one that may: "Bank", "Hotels"
	strictTrade // one that does, unless the domain says otherwise: "Holidays"
	lineWord    // outlet, business, a product line or service
	ownerWord   // "by Wyndham": the firm behind the name
)

// word is one word, or one known phrase, of a name.
type word struct {
	text  string // folded, umlauts to one letter
	wide  string // folded, umlauts to two letters
	kind  kind
	trade trade
	line  string // the section of a line word
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
	// full is key with what was taken off its end: what a name that was cut begins like.
	full string
	// core is key without the words that may be harmless; key itself where nothing
	// distinctive would stay. extras are the words left out.
	core   string
	extras []word
	// owner is the firm that the name says is behind it, "" mostly.
	owner     string
	truncated bool
	// generic says that the name is one common word, and harmless ones.
	generic bool
	// domain is the name itself where it is written as a domain.
	domain string
	// short is the initials of the name, where it has at least two words.
	short string
	// same are hashes of all spellings of the name that mean the same, sorted.
	same []uint64
	// others are keys of other names that the entry states ("ex Birchbox").
	others []string
	// notes say what was taken off, in words.
	notes []string
	alias *aliasSet
	// id tells the tokenisations of one key apart, canonically.
	id string
}

// build classifies the words of a name and makes its keys.
func (rd *reading) build(ws []raw) {
	r, f := rd.rules, &rd.f
	f.display = written(ws)
	// An article at the end belongs to the front: "Kooples, The".
	if n := len(ws); n > 1 && len(ws[n-1].fold) > 1 && r.articles[ws[n-1].fold] && ws[n-1].tld == "" && !ws[n-1].conj {
		ws = append([]raw{ws[n-1]}, ws[:n-1]...)
	}
	// "TGW The Golf Warehouse" states two names.
	if n := len(ws); n > 2 && len(ws[0].fold) > 2 && initials(ws[:1], ws[1:]) == n-1 {
		f.others = append(f.others, ws[0].fold)
		rd.notef("%q are its initials", ws[0].text)
		ws = ws[1:]
	}
	lead := 0
	for lead < len(ws)-1 && r.articles[ws[lead].fold] && !ws[lead].conj {
		lead++
	}
	// Without its article a common word is no name: "La Maison" and "De la Maison".
	if len(r.compact(ws[lead:])) < 3 || lead == len(ws)-1 && !f.truncated && rd.generic(ws[lead:]) {
		lead = 0
	}
	articles := ws[:lead]
	ws = ws[lead:]
	for i := 0; i < len(ws); {
		if (ws[i].conj || i > 0 && i < len(ws)-1 && r.isAnd(rd.market, ws[i].fold)) && !(i > 0 && rd.opensPhrase(ws[i:])) {
			if i > 0 && i < len(ws)-1 { // otherwise a stray sign
				f.words = append(f.words, word{text: "and", wide: "and", kind: conjunction})
			}
			i++
			continue
		}
		if i > 0 && i < len(ws)-1 && r.articles[ws[i].fold] && !r.of[ws[i].fold] && ws[i].tld == "" && len(ws[i].fold) > 1 && r.trade(ws[i+1].fold) {
			i++ // "Atol les opticiens"
			continue
		}
		w, n := rd.classify(ws, i)
		if n == 1 && ws[i].sole { // "Bücher.de Shop" is a name, "Bücher Shop" isn't
			w.kind, rd.named = plainWord, true
		}
		f.words = append(f.words, w)
		i += n
	}
	rd.findOwner()
	rd.keys(articles, ws)
}

// opensPhrase says whether a known phrase begins with this word for "and".
func (rd *reading) opensPhrase(ws []raw) bool {
	return rd.rules.phraseAt(ws, 0, func(p string) bool { return rd.rules.after[p] }) > 1
}

// classify says what the word at i is, alone or with those after it, and how many
// words that is.
func (rd *reading) classify(ws []raw, i int) (word, int) {
	r := rd.rules
	n := r.phraseAt(ws, i, func(p string) bool {
		return r.trade(p) || r.lines[p] != "" || i > 0 && (r.after[p] || r.cities[p]) || i == 0 && len(ws) > 1 && r.before[p]
	})
	var narrow, wide strings.Builder
	for j, w := range ws[i : i+max(n, 1)] {
		if w.conj || n > 1 && j < n-1 && r.isAnd(rd.market, w.fold) {
			continue
		}
		narrow.WriteString(w.fold)
		wide.WriteString(fold(w.text, true))
	}
	out := word{text: narrow.String(), wide: wide.String()}
	if n == 0 {
		return out, 1
	}
	p := phrase(ws[i : i+n])
	out.kind, out.trade = r.kindOf(p)
	out.line = r.lines[p]
	return out, n
}

// kindOf says what the lists know of a phrase.
func (r *Rules) kindOf(p string) (kind, trade) {
	if t, ok := r.soft[p]; ok {
		return softTrade, t
	}
	if t, ok := r.firm[p]; ok {
		return firmTrade, t
	}
	if t, ok := r.strict[p]; ok {
		return strictTrade, t
	}
	switch {
	case r.lines[p] != "":
		return lineWord, trade{}
	case r.cities[p]:
		return cityWord, trade{}
	case r.after[p], r.before[p]:
		return harmlessWord, trade{}
	}
	return plainWord, trade{}
}

// findOwner marks the firm behind a name: "Days Inn by Wyndham". Without a name of
// its own in front there is none: "Lounge by Zalando".
func (rd *reading) findOwner() {
	f := &rd.f
	for i, w := range f.words {
		if i == 0 || i == len(f.words)-1 || !rd.rules.by[w.text] {
			continue
		}
		f.words[i].kind = conjunction
		f.words[i].text, f.words[i].wide = "by", "by"
		own := slices.ContainsFunc(f.words[:i], func(w word) bool { return w.kind == plainWord && !rd.rules.isGeneric(w.text) })
		if !own {
			return
		}
		for j := i + 1; j < len(f.words); j++ {
			if f.words[j].kind != conjunction {
				f.words[j].kind = ownerWord
			}
			f.owner += f.words[j].text
		}
		return
	}
}

// joiners are how names are written where "and" is a sign or is left out.
var joiners = [...]string{"", "and", "et", "und", "y", "e", "n", "en", "i"}

// keys makes the key, the core and the hashes of all spellings.
func (rd *reading) keys(articles, ws []raw) {
	r, f := rd.rules, &rd.f
	f.key = join(f.words, "", false)
	if f.key == "" {
		return
	}
	if !strings.HasPrefix(f.full, f.key) {
		f.full = f.key
	}
	rd.findCore()
	f.id = rd.identity(articles)
	if first := firsts(f.words); len(first) > 1 {
		f.short = first
	}
	add := func(s string) {
		if len(s) > 1 || s == f.key {
			f.same = append(f.same, hash(exactFeature, s))
		}
	}
	before := r.compact(articles)
	hasAnd := slices.ContainsFunc(f.words, func(w word) bool { return w.kind == conjunction })
	for _, wide := range [...]bool{false, true} {
		add(join(f.words, "", wide))
		if before != "" {
			add(before + join(f.words, "", wide))
		}
		if hasAnd {
			for _, j := range joiners[1:] {
				add(join(f.words, j, wide))
			}
		}
	}
	if t, cut := strings.CutPrefix(f.key, "the"); cut && len(t) >= 5 && before == "" {
		add(t)
	}
	if s := r.respelled(ws); s != "" {
		add(s)
	}
	var sorted []string
	for _, w := range f.words {
		if w.kind != conjunction {
			sorted = append(sorted, w.text)
		}
	}
	if len(sorted) > 1 {
		slices.Sort(sorted)
		f.same = append(f.same, hash(orderFeature, strings.Join(sorted, " ")))
	}
	slices.Sort(f.same)
	f.same = slices.Compact(f.same)
}

// findCore parts the words of a name into those that make it and those that may be
// harmless.
func (rd *reading) findCore() {
	r, f := rd.rules, &rd.f
	var core strings.Builder
	plain, others, distinct := 0, 0, rd.named
	for _, w := range f.words {
		switch w.kind {
		case conjunction:
		case plainWord:
			core.WriteString(w.text)
			plain++
			distinct = distinct || !r.isGeneric(w.text)
		default:
			f.extras = append(f.extras, w)
			if w.kind != harmlessWord {
				others++
			}
		}
	}
	f.core = core.String()
	f.generic = !distinct && plain+others < 2
	// Two common words together are a name ("Best Buy"), one is not.
	if !distinct && plain < 2 || len(f.core) < 2 {
		f.core, f.extras = f.key, nil
		f.shorten()
	}
}

// shorten leaves the harmless words behind a name of common ones out of its core,
// as long as two words stay: "Hotel Chocolat Store" is "Hotel Chocolat".
func (f *form) shorten() {
	n := len(f.words)
	for n > 0 && f.words[n-1].kind == harmlessWord {
		n--
	}
	kept := 0
	for _, w := range f.words[:n] {
		if w.kind != conjunction {
			kept++
		}
	}
	core := join(f.words[:n], "", false)
	if n == len(f.words) || kept < 2 || len(core) < 5 {
		return
	}
	f.core, f.extras = core, slices.Clone(f.words[n:])
}

// identity tells forms of one key apart that are compared otherwise.
func (rd *reading) identity(articles []raw) string {
	f := &rd.f
	var id strings.Builder
	for _, w := range articles {
		id.WriteString(w.fold)
		id.WriteByte('_')
	}
	for _, w := range f.words {
		id.WriteString(w.wide)
		id.WriteByte(' ')
	}
	if f.truncated {
		id.WriteByte('.')
	}
	if f.full != f.key {
		id.WriteString("<" + f.full)
	}
	for _, o := range f.others {
		id.WriteString("=" + o)
	}
	if f.domain != "" {
		id.WriteString("@" + f.domain)
	}
	return id.String()
}

// join writes words together, with a word in the place of "and".
func join(ws []word, and string, wide bool) string {
	n := 0
	for _, w := range ws {
		n += len(w.wide) + 3
	}
	out := make([]byte, 0, n)
	for _, w := range ws {
		switch {
		case w.text == "by" && w.kind == conjunction:
			out = append(out, "by"...)
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

// firsts are the first letters of words, "" where there is only one word.
func firsts(ws []word) string {
	var out []byte
	for _, w := range ws {
		if w.kind != conjunction && w.text != "" {
			out = append(out, w.text[0])
		}
	}
	if len(out) < 2 || len(out) > 6 {
		return ""
	}
	return string(out)
}

// respelled writes a name with the words of spellings.txt replaced, "" where there
// are none.
func (r *Rules) respelled(ws []raw) string {
	var b strings.Builder
	found := false
	for i := 0; i < len(ws); {
		if n := r.phraseAt(ws, i, func(p string) bool { _, ok := r.spellings[p]; return ok }); n > 0 {
			b.WriteString(r.spellings[phrase(ws[i:i+n])])
			i += n
			found = true
			continue
		}
		if !ws[i].conj && !(i > 0 && r.isAnd("", ws[i].fold)) {
			b.WriteString(ws[i].fold)
		}
		i++
	}
	if !found {
		return ""
	}
	return b.String()
}
