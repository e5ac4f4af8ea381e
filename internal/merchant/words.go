package merchant

import (
	"bufio"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

//go:embed words/*.txt aliases/*.txt
var files embed.FS

// Rules are the word lists and the alias data, read and indexed. They don't change
// once made and are safe for concurrent use.
type Rules struct {
	countries map[string]cashback.Country // folded words, joined by spaces
	domains   map[string]cashback.Country // "co.uk", without the leading dot
	legal     map[string]bool
	marketing map[string]bool
	weak      map[string]bool
	lead      map[string]bool
	between   map[string]bool
	phrases   map[string]bool
	harmless  map[string]bool
	articles  map[string]bool
	cities    map[string]bool
	soft      map[string]string // word to trade
	firm      map[string]string
	lines     map[string]string // word to kind of line
	generic   map[string]bool
	numbers   map[string]string
	hosts     map[string]bool
	// longest is the most words that a phrase of any list has.
	longest int
	aliases *aliases
	// families are the groups of trades that a category's word belongs to.
	families map[string]familySet
}

// Options choose what Rules are made of.
type Options struct {
	// NoAliases leaves the alias data out, so that the rules are seen alone.
	NoAliases bool
}

// NewRules reads the word lists and the alias data of this build. An error is a
// fault in those files, with file and line.
func NewRules(o Options) (*Rules, error) {
	r := &Rules{
		countries: map[string]cashback.Country{}, domains: map[string]cashback.Country{},
		soft: map[string]string{}, firm: map[string]string{}, lines: map[string]string{}, numbers: map[string]string{},
	}
	sets := []struct {
		file, section string
		into          *map[string]bool
	}{
		{"legal", "", &r.legal},
		{"marketing", "words", &r.marketing}, {"marketing", "weak", &r.weak}, {"marketing", "lead", &r.lead}, {"marketing", "between", &r.between}, {"marketing", "phrases", &r.phrases},
		{"harmless", "any", &r.harmless}, {"harmless", "article", &r.articles}, {"harmless", "city", &r.cities},
		{"generic", "", &r.generic},
	}
	for _, s := range sets {
		*s.into = map[string]bool{}
	}
	for _, name := range []string{"legal", "marketing", "harmless", "generic"} {
		err := eachLine(files, "words/"+name+".txt", func(section, line string) error {
			for _, s := range sets {
				if s.file == name && s.section == section {
					for _, w := range r.words(line) {
						(*s.into)[w] = true
					}
					return nil
				}
			}
			return fmt.Errorf("a section [%s] is not known", section)
		})
		if err != nil {
			return nil, err
		}
	}
	err := eachLine(files, "words/countries.txt", func(_, line string) error {
		p := strings.SplitN(line, ":", 3)
		if len(p) != 3 || len(p[0]) != 2 {
			return fmt.Errorf("want CODE: domains: words")
		}
		for _, d := range strings.Fields(p[1]) {
			r.domains[strings.TrimPrefix(d, ".")] = cashback.Country(p[0])
		}
		for _, w := range r.words(p[2]) {
			r.countries[w] = cashback.Country(p[0])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, into := range map[string]map[string]map[string]string{
		"trades": {"soft": r.soft, "firm": r.firm}, "lines": nil, "numbers": nil,
	} {
		err := eachLine(files, "words/"+name+".txt", func(section, line string) error {
			switch name {
			case "lines":
				if section == "negative" {
					for _, w := range r.words(line) {
						delete(r.lines, w)
					}
					return nil
				}
				for _, w := range r.words(line) {
					r.lines[w] = section
				}
				return nil
			}
			key, list, ok := strings.Cut(line, ":")
			if !ok {
				return fmt.Errorf("want KEY: words")
			}
			m := r.numbers
			if name == "trades" {
				if m = into[section]; m == nil {
					return fmt.Errorf("a section [%s] is not known", section)
				}
			}
			for _, w := range r.words(list) {
				m[w] = strings.TrimSpace(key)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	r.hosts = map[string]bool{}
	err = eachLine(files, "words/hosts.txt", func(_, line string) error {
		for _, h := range strings.Split(line, ",") {
			if h = strings.TrimSpace(h); h != "" {
				r.hosts[h] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.families = map[string]familySet{}
	bit := familySet(1)
	err = eachLine(files, "words/categories.txt", func(_, line string) error {
		name, list, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("want FAMILY: words")
		}
		family := bit
		if bit <<= 1; name == "any" {
			family = anyFamily
		}
		for _, w := range r.words(list) {
			r.families[w] |= family
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.aliases = newAliases()
	if !o.NoAliases {
		if err := r.readAliases(files); err != nil {
			return nil, err
		}
	}
	return r, nil
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
			r.longest = max(r.longest, len(ws))
			out = append(out, strings.Join(ws, " "))
		}
	}
	return out
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
	return sc.Err()
}
