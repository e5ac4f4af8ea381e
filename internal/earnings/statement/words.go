package statement

import (
	"embed"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/strictyaml"
)

// lexicon is what is known of languages and signs, whatever the portal.
type lexicon struct {
	Signs     map[string]string   `yaml:"signs"`
	Languages map[string]language `yaml:"languages"`
}

// language holds a language's months and the words that Guess knows.
type language struct {
	// Months are twelve lists of names, the full one first.
	Months  []Texts          `yaml:"months"`
	Columns map[string]Texts `yaml:"columns,omitempty"`
	States  map[string]Texts `yaml:"states,omitempty"`
	Kinds   map[string]Texts `yaml:"kinds,omitempty"`
	folded  [][]string
}

//go:embed words/words.yaml
var wordFiles embed.FS

// known loads the lexicon once; it is part of the program, so a fault in it is a
// fault of the program.
var known = sync.OnceValue(func() *lexicon {
	b, err := wordFiles.ReadFile("words/words.yaml")
	if err != nil {
		panic(err)
	}
	d := strictyaml.New("words.yaml", "lexicon")
	l := &lexicon{}
	if err := d.Parse(b, l); err != nil {
		panic(err)
	}
	if err := d.Err(); err != nil {
		panic(err)
	}
	for name, lang := range l.Languages {
		for _, m := range lang.Months {
			var names []string
			for _, n := range m {
				names = append(names, fold(n))
			}
			lang.folded = append(lang.folded, names)
		}
		l.Languages[name] = lang
	}
	return l
})

func languageOf(code string) (*language, bool) {
	base, _, _ := strings.Cut(strings.ToLower(code), "-")
	l, ok := known().Languages[base]
	return &l, ok
}

func languages() []string {
	var out []string
	for name := range known().Languages {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// month is the month that a word names, whole or cut short; 0 for none, or for one
// that could be two.
func (l *language) month(word string) int {
	word = fold(word)
	if utf8.RuneCountInString(word) < 3 {
		return 0
	}
	found := 0
	for i, names := range l.folded {
		for _, n := range names {
			if n == word {
				return i + 1
			}
			if strings.HasPrefix(n, word) && found != i+1 {
				if found != 0 {
					found = -1
				} else {
					found = i + 1
				}
			}
		}
	}
	return max(found, 0)
}

// sign is what a currency's sign means: its code, or "$" and the like for a sign that
// several currencies share.
func sign(s string) (code string, shared, ok bool) {
	code, ok = known().Signs[s]
	if !ok {
		return "", false, false
	}
	if first, rest, many := strings.Cut(code, " "); many {
		return first + " " + rest, true, true
	}
	return code, false, true
}

// currencyOf reads what stands beside a number; own is the rule's currency, which
// decides what a shared sign means.
func currencyOf(text string, own cashback.Currency) (cashback.Currency, bool) {
	if c, err := cashback.ParseCurrency(text); err == nil && text == strings.ToUpper(text) {
		return c, true
	}
	code, shared, ok := sign(strings.ToLower(text))
	if !ok {
		return "", false
	}
	if !shared {
		return cashback.Currency(code), true
	}
	if slices.Contains(strings.Fields(code), string(own)) {
		return own, true
	}
	return "", false
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func reflectOf(p any) reflect.Value { return reflect.ValueOf(p).Elem() }
