package merchant

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

//go:embed words/*.txt aliases/*.txt
var files embed.FS

// Rules are the word lists and the alias data, read and indexed. They don't change
// once made and are safe for concurrent use. Each field is a section of a file in
// words/, which says what its words mean; words are folded, and those of a phrase
// are joined by spaces.
type Rules struct {
	countries map[string]cashback.Country
	domains   map[string]cashback.Country // suffix without its dot: "co.uk"
	anyones   set                         // of those, the ones that are sold to everybody

	legal      set
	legalShort set
	legalSure  set // of those, the ones that aren't words in capitals either

	marketing set
	weak      set
	lead      set
	between   set
	phrases   set
	labels    set

	before   set
	after    set
	articles set
	cities   set
	generic  set

	soft   map[string]trade
	firm   map[string]trade
	strict map[string]trade
	lines  map[string]string // word to kind of line

	and       map[string][]string // market to its words for "and"; "*" for all
	of        set
	national  set
	former    set
	known     set
	by        set
	since     set
	sure      set
	ambiguous set
	spellings map[string]string // how a word is written to how it is compared

	hosts    set
	trackers set
	neutral  set
	suffixes set
	families map[string]familySet // word of a category to the families it belongs to
	aliases  *aliases

	notions int
	// first and last are how many words the longest phrase of any list has that
	// begins, or ends, with a word.
	first, last map[string]uint8
}

type set map[string]bool

// trade is what a word says a shop sells.
type trade struct {
	name string
	// notion is the line of trades.txt that the word stands in: words of one line
	// mean the same thing.
	notion int
}

// Options choose what Rules are made of.
type Options struct {
	// NoAliases leaves the alias data out, so that the rules are seen alone.
	NoAliases bool
}

// NewRules reads the word lists and the alias data of this build. An error is a
// fault in those files, with file and line.
func NewRules(o Options) (*Rules, error) { return readRules(files, o) }

func readRules(fsys fs.FS, o Options) (*Rules, error) {
	r := &Rules{
		countries: map[string]cashback.Country{}, domains: map[string]cashback.Country{}, anyones: set{},
		and: map[string][]string{}, families: map[string]familySet{}, aliases: newAliases(), first: map[string]uint8{}, last: map[string]uint8{},
	}
	// apart are the lists of which a word may stand in only one.
	kinds := map[string]string{}
	apart := func(take taker) taker {
		return func(section, line string) error {
			_, list, keyed := strings.Cut(line, ":")
			if !keyed {
				list = line
			}
			for _, w := range r.words(list) {
				if at, twice := kinds[w]; twice {
					return fmt.Errorf("%q stands under [%s] already", w, at)
				}
				kinds[w] = section
			}
			return take(section, line)
		}
	}
	lists := []struct {
		file     string
		sections map[string]taker
	}{
		{"countries", map[string]taker{"": r.takeCountry}},
		{"legal", map[string]taker{"any": r.into(&r.legal), "short": r.into(&r.legalShort), "sure": r.into(&r.legalSure)}},
		{"marketing", map[string]taker{
			"words": r.into(&r.marketing), "weak": r.into(&r.weak), "lead": r.into(&r.lead),
			"between": r.into(&r.between), "phrases": r.into(&r.phrases), "label": r.into(&r.labels),
		}},
		{"harmless", map[string]taker{
			"before": r.into(&r.before), "after": r.into(&r.after), "article": r.into(&r.articles), "city": r.into(&r.cities),
		}},
		{"generic", map[string]taker{"": r.into(&r.generic)}},
		{"trades", map[string]taker{"soft": apart(r.trades(&r.soft)), "firm": apart(r.trades(&r.firm)), "strict": apart(r.trades(&r.strict))}},
		{"lines", map[string]taker{"outlet": apart(r.kind(&r.lines)), "business": apart(r.kind(&r.lines)), "line": apart(r.kind(&r.lines))}},
		{"grammar", map[string]taker{
			"and": r.takeAnd, "of": r.into(&r.of), "national": r.into(&r.national), "former": r.into(&r.former),
			"known": r.into(&r.known), "by": r.into(&r.by), "since": r.into(&r.since), "sure": r.into(&r.sure), "ambiguous": r.into(&r.ambiguous),
		}},
		{"spellings", map[string]taker{"": r.keyed(&r.spellings)}},
		{"hosts", map[string]taker{"": takeHosts(&r.hosts), "part": takeHosts(&r.trackers), "neutral": takeHosts(&r.neutral), "suffix": takeHosts(&r.suffixes)}},
		{"categories", map[string]taker{"": r.takeFamilies()}},
	}
	for _, l := range lists {
		err := eachLine(fsys, "words/"+l.file+".txt", func(section, line string) error {
			take := l.sections[section]
			if take == nil {
				return fmt.Errorf("a section [%s] is not known here", section)
			}
			return take(section, line)
		})
		if err != nil {
			return nil, err
		}
	}
	if !o.NoAliases {
		if err := r.readAliases(fsys); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// taker takes one line of a section.
type taker func(section, line string) error

// into collects words.
func (r *Rules) into(m *set) taker {
	*m = set{}
	return func(_, line string) error {
		for _, w := range r.words(line) {
			if (*m)[w] {
				return fmt.Errorf("%q stands here already", w)
			}
			(*m)[w] = true
		}
		return nil
	}
}

// keyed collects words under the key before the colon.
func (r *Rules) keyed(m *map[string]string) taker {
	*m = map[string]string{}
	return func(_, line string) error {
		key, list, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("want KEY: words")
		}
		for _, w := range r.words(list) {
			if at, twice := (*m)[w]; twice {
				return fmt.Errorf("%q stands under %q already", w, at)
			}
			(*m)[w] = strings.TrimSpace(key)
		}
		return nil
	}
}

// trades collects words under the trade before the colon.
func (r *Rules) trades(m *map[string]trade) taker {
	*m = map[string]trade{}
	return func(_, line string) error {
		name, list, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("want TRADE: words")
		}
		r.notions++
		for _, w := range r.words(list) {
			(*m)[w] = trade{strings.TrimSpace(name), r.notions}
		}
		return nil
	}
}

// kind collects words under the name of their section.
func (r *Rules) kind(m *map[string]string) taker {
	*m = map[string]string{}
	return func(section, line string) error {
		for _, w := range r.words(line) {
			(*m)[w] = section
		}
		return nil
	}
}

func (r *Rules) takeCountry(_, line string) error {
	p := strings.SplitN(line, ":", 3)
	if len(p) != 3 || len(p[0]) != 2 {
		return errors.New("want CODE: domains: words")
	}
	c := cashback.Country(p[0])
	for _, d := range strings.Fields(p[1]) {
		d, anyones := strings.CutPrefix(d, "~")
		d = strings.TrimPrefix(d, ".")
		r.domains[d], r.anyones[d] = c, anyones
	}
	for _, w := range r.words(p[2]) {
		if at, twice := r.countries[w]; twice {
			return fmt.Errorf("%q is a word for %s already", w, at)
		}
		r.countries[w] = c
	}
	return nil
}

func (r *Rules) takeAnd(_, line string) error {
	markets, list, ok := strings.Cut(line, ":")
	if !ok {
		return errors.New("want MARKETS: words")
	}
	for _, m := range strings.Split(markets, ",") {
		m = strings.TrimSpace(m)
		r.and[m] = append(r.and[m], r.words(list)...)
	}
	return nil
}

// takeHosts collects hosts and parts of hosts, which aren't folded.
func takeHosts(m *set) taker {
	*m = set{}
	return func(_, line string) error {
		for _, h := range strings.Split(line, ",") {
			if h = strings.TrimSpace(h); h == "" {
				continue
			}
			if (*m)[h] {
				return fmt.Errorf("%q stands here already", h)
			}
			(*m)[h] = true
		}
		return nil
	}
}

func (r *Rules) takeFamilies() taker {
	bit := familySet(1)
	return func(_, line string) error {
		name, list, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("want FAMILY: words")
		}
		family := bit
		if bit <<= 1; name == "any" {
			family = anyFamily
		}
		if bit >= anyFamily {
			return errors.New("there are too many families")
		}
		for _, w := range r.words(list) {
			r.families[w] |= family
		}
		return nil
	}
}

// words splits a comma-separated list into phrases of folded words.
func (r *Rules) words(list string) []string {
	var out []string
	for _, p := range strings.Split(list, ",") {
		var ws []string
		for _, w := range strings.FieldsFunc(p, func(c rune) bool { return c == ' ' || c == '-' || c == '\'' || c == '.' }) {
			if w = fold(w, false); w != "" {
				ws = append(ws, w)
			}
		}
		if len(ws) > 0 {
			n := uint8(len(ws))
			r.first[ws[0]] = max(r.first[ws[0]], n)
			r.last[ws[n-1]] = max(r.last[ws[n-1]], n)
			out = append(out, strings.Join(ws, " "))
		}
	}
	return out
}

// isAnd says whether a word means "and" in a market.
func (r *Rules) isAnd(market cashback.Country, w string) bool {
	return slices.Contains(r.and["*"], w) || slices.Contains(r.and[string(market)], w)
}

// trade says whether a word says what a shop sells.
func (r *Rules) trade(w string) bool {
	return r.soft[w].name != "" || r.firm[w].name != "" || r.strict[w].name != ""
}

// isGeneric says whether a word alone doesn't tell one shop from another.
func (r *Rules) isGeneric(w string) bool {
	return r.generic[w] || r.before[w] || r.after[w] || r.articles[w] || r.trade(w) || r.lines[w] != "" ||
		r.marketing[w] || r.between[w]
}

// eachLine calls f for every line of a list that isn't empty or a comment, with
// the [section] it stands in. Errors carry file and line.
func eachLine(fsys fs.FS, name string, f func(section, line string) error) error {
	in, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("open list: %w", err)
	}
	defer in.Close()
	section := ""
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 1<<20) // one line of a list may name all its words
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if s, ok := strings.CutPrefix(line, "["); ok && strings.HasSuffix(s, "]") {
			section = strings.TrimSuffix(s, "]")
			continue
		}
		if err := f(section, line); err != nil {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: name, Line: n}, "%w", err)
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read list %s: %w", name, err)
	}
	return nil
}
