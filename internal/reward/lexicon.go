package reward

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

//go:embed words/*.txt
var shippedWords embed.FS

// shipped is the lexicon that Parse reads with. It is part of the binary, and a test
// loads it, so it can't fail at work.
var shipped = sync.OnceValue(func() *Lexicon {
	l, err := LoadLexicon(shippedWords)
	if err != nil {
		panic(err)
	}
	return l
})

// Lexicon holds what the words, signs and units of rewards mean, language by
// language. It doesn't change once it is loaded.
type Lexicon struct {
	folds     []fold
	tags      map[string]tagKind
	old       map[string]bool // class names of elements that hold a previous rate
	languages map[string]*language
	spare     [4]atomic.Pointer[parser] // those that rest, for the room that they have
}

// entry is what a phrase means.
type entry struct {
	means meaning
	// name is the currency of money, the word for points, the unit.
	name string
	// scale is the number of decimals that a hundredth unit is shifted by: 2 for
	// pence.
	scale int
	// shared lists the currencies that use a sign, by region.
	shared []regional
	// value of a number word.
	value decimal.Decimal
	// brand says that a name before a points word belongs to it ("Amex points").
	brand bool
	// wild entries swallow the rest of their word ("gutschein*").
	wild bool
	// accented are the meanings that the phrase has only with its accents ("dès" is
	// from, "des" is nothing).
	accented meaning
	// letters is set when the phrase ends with a letter, and so must end where a
	// word does.
	letters bool
}

// same reports whether two entries stand for the same thing.
func (e *entry) same(f *entry) bool {
	return e.means&f.means != 0 && e.name == f.name && e.scale == f.scale && e.value == f.value && slices.Equal(e.shared, f.shared)
}

type regional struct {
	region   string
	currency cashback.Currency
}

// language is what the reader knows of one language.
type language struct {
	region string // where a locale doesn't say
	// blankGroups is set where a plain blank parts thousands.
	blankGroups bool
	words       trie
	// inner are the words that are also found at the end of a longer one
	// ("Willkommensgutschein").
	inner trie
	// known is set when the language has a table of its own.
	known bool
}

type tagKind uint8

const (
	tagInline tagKind = iota
	tagBreak
	tagCell
	tagStruck
	tagHidden
	tagRaised
)

// LoadLexicon reads the tables words/*.txt: all.txt holds what every language
// shares, markup.txt what HTML elements do, each other one a language. Errors name
// the file and the line.
func LoadLexicon(fsys fs.FS) (*Lexicon, error) {
	l := &Lexicon{folds: foldTable(), tags: map[string]tagKind{}, old: map[string]bool{}, languages: map[string]*language{}}
	wrong := eachLine(fsys, "words/markup.txt", l.readMarkup)
	common, err := l.readTable(fsys, "words/all.txt", nil)
	wrong = errors.Join(wrong, err)
	l.languages[""] = common.build()
	files, err := fs.Glob(fsys, "words/*.txt")
	if err != nil {
		return nil, fmt.Errorf("list the language tables: %w", err)
	}
	for _, file := range files {
		code := strings.TrimSuffix(path.Base(file), ".txt")
		if code == "all" || code == "markup" {
			continue
		}
		t, err := l.readTable(fsys, file, common)
		wrong = errors.Join(wrong, err)
		lang := t.build()
		lang.known = true
		for _, c := range t.codes {
			if l.languages[c] != nil {
				return nil, cashback.ErrorAt(cashback.Invalid, cashback.Place{File: file}, "the code %q belongs to two tables", c)
			}
			l.languages[c] = lang
		}
	}
	if wrong != nil {
		return nil, wrong
	}
	if l.languages["en"] == nil {
		return nil, cashback.Errorf(cashback.Invalid, "words/en.txt is missing: it stands in where no locale is given")
	}
	return l, nil
}

// eachLine calls f with each line of a table that says something, and returns what
// is wrong with all of them.
func eachLine(fsys fs.FS, name string, f func(section, line string) error) error {
	in, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("open the table: %w", err)
	}
	defer in.Close()
	section, n := "", 0
	var wrong []error
	for sc := bufio.NewScanner(in); ; {
		if !sc.Scan() {
			if sc.Err() != nil {
				wrong = append(wrong, cashback.ErrorAt(cashback.Invalid, cashback.Place{File: name, Line: n + 1}, "%v", sc.Err()))
			}
			return errors.Join(wrong...)
		}
		n++
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if s, ok := strings.CutPrefix(line, "["); ok && strings.HasSuffix(s, "]") {
			section = strings.TrimSuffix(s, "]")
			continue
		}
		if before, _, ok := strings.Cut(line, " # "); ok {
			line = strings.TrimSpace(before)
		}
		if err := f(section, line); err != nil {
			wrong = append(wrong, cashback.ErrorAt(cashback.Invalid, cashback.Place{File: name, Line: n}, "%v", err))
		}
	}
}

var tagSections = map[string]tagKind{"break": tagBreak, "cell": tagCell, "struck": tagStruck, "hidden": tagHidden, "raised": tagRaised}

func (l *Lexicon) readMarkup(section, line string) error {
	words := strings.Fields(line)
	if section == "previous classes" {
		for _, w := range words {
			l.old[strings.ToLower(w)] = true
		}
		return nil
	}
	kind, ok := tagSections[section]
	if !ok {
		return fmt.Errorf("there is no section [%s] in this table", section)
	}
	for _, w := range words {
		l.tags[w] = kind
	}
	return nil
}

// struckBy reports whether the attributes of a tag mark its content as a rate that
// is no longer paid: by style, or by a class that says so.
func (l *Lexicon) struckBy(attributes string) bool {
	const longest = 500 // what comes behind is never looked at
	if len(attributes) < len(`class=x`) {
		return false
	}
	attributes = attributes[:min(len(attributes), longest)]
	if strings.Contains(attributes, "line-through") {
		return true
	}
	i := strings.Index(attributes, "class")
	if i < 0 {
		return false
	}
	value := strings.TrimLeft(attributes[i+len("class"):], " =")
	if value == "" {
		return false
	}
	if q := value[0]; q == '"' || q == '\'' {
		value, _, _ = strings.Cut(value[1:], string(q))
	}
	for class := range strings.FieldsSeq(value) {
		if l.old[strings.ToLower(class)] {
			return true
		}
	}
	return false
}

// table is a language table as it is read.
type table struct {
	lang    *language
	codes   []string
	entries map[string]*entry
	inner   map[string]*entry
	// own and ownInner are the phrases that the table itself has given.
	own, ownInner map[string]bool
}

func (l *Lexicon) readTable(fsys fs.FS, file string, base *table) (*table, error) {
	code := strings.TrimSuffix(path.Base(file), ".txt")
	t := &table{lang: &language{}, codes: []string{code}, entries: map[string]*entry{}, inner: map[string]*entry{}, own: map[string]bool{}, ownInner: map[string]bool{}}
	if base != nil {
		for k, e := range base.entries {
			t.entries[k] = e
		}
	}
	err := eachLine(fsys, file, func(section, line string) error {
		if section == "language" {
			return t.setting(line)
		}
		means, ok := sections[section]
		brand := false
		if section == "miles" {
			means, ok = mPoints, true
		} else if section == "points" {
			brand = true
		}
		if !ok {
			return fmt.Errorf("there is no section [%s]; docs/rewards.md lists them", section)
		}
		phrases, value, hasValue := line, "", false
		if i := strings.LastIndex(line, " = "); i > 0 {
			phrases, value, hasValue = line[:i], strings.TrimSpace(line[i+3:]), true
		}
		proto := entry{means: means, brand: brand}
		if err := proto.assign(value, hasValue); err != nil {
			return err
		}
		for phrase := range strings.SplitSeq(phrases, ",") {
			if phrase = strings.TrimSpace(phrase); phrase == "" {
				return errors.New("a phrase is empty: one comma too many")
			}
			if err := t.add(l, phrase, proto); err != nil {
				return err
			}
		}
		return nil
	})
	return t, err
}

// assign reads what stands behind the "=" of a line.
func (e *entry) assign(value string, has bool) error {
	needs := e.means&(mMoney|mPoints|mUnit|mNumber|mMultiple) != 0
	if needs != has {
		if needs {
			return errors.New(`say what it stands for, as in "euro, euros = EUR"`)
		}
		return errors.New(`nothing can stand behind "=" in this section`)
	}
	switch e.means {
	case mMoney:
		value, cents := strings.CutSuffix(value, "/100")
		if cents {
			e.scale = 2
		}
		for field := range strings.FieldsSeq(value) {
			region, code, regional_ := strings.Cut(field, ":")
			if !regional_ {
				region, code = "", field
			}
			c, err := cashback.ParseCurrency(code)
			if err != nil {
				return err
			}
			if !regional_ {
				e.name = string(c)
			} else {
				e.shared = append(e.shared, regional{strings.Clone(region), c})
			}
		}
	case mNumber, mMultiple:
		v, err := decimal.Parse(value)
		if err != nil {
			return fmt.Errorf("%q is not a number", value)
		}
		e.value = v
	default:
		e.name = value
	}
	return nil
}

func (t *table) setting(line string) error {
	key, value, ok := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || value == "" {
		return errors.New(`write a setting as "region = FR"`)
	}
	switch key {
	case "region":
		t.lang.region = value
	case "codes":
		t.codes = strings.Fields(value)
	case "thousands":
		if value != "blank" {
			return fmt.Errorf(`thousands = %s: only "blank" needs saying`, value)
		}
		t.lang.blankGroups = true
	default:
		return fmt.Errorf("there is no setting %q: use region, codes or thousands", key)
	}
	return nil
}

// add puts a phrase into the table. A phrase of the table itself may have several
// meanings; it replaces what all.txt says about the same phrase.
func (t *table) add(l *Lexicon, phrase string, proto entry) error {
	rest, wild := strings.CutSuffix(phrase, "*")
	rest, inner := strings.CutPrefix(rest, "*")
	rest, accented := strings.CutSuffix(rest, "!")
	if accented {
		proto.accented = proto.means
	}
	if strings.Contains(rest, "*") || rest == "" {
		return fmt.Errorf(`%q: a star stands at the beginning or the end of a word`, phrase)
	}
	var p plain
	p.normalise(rest, l)
	key := string(p.text)
	key = strings.Join(strings.FieldsFunc(key, func(r rune) bool { return r == ' ' || r == bHardGap }), " ")
	if key == "" {
		return fmt.Errorf("%q has no letter or sign", phrase)
	}
	key = unhyphened(key)
	proto.wild = wild
	last, _ := utf8.DecodeLastRuneInString(key)
	proto.letters = isWordRune(last)
	put := func(m map[string]*entry, mine map[string]bool, k string) error {
		if old := m[k]; old != nil && mine[k] {
			merged := *old
			merged.means |= proto.means
			merged.wild = merged.wild || proto.wild
			merged.accented = old.accented&^(proto.means&^proto.accented) | proto.accented&^(old.means&^old.accented)
			if proto.means&(mMoney|mPoints|mUnit|mNumber|mMultiple) != 0 {
				if old.means&(mMoney|mPoints|mUnit|mNumber|mMultiple) != 0 && !old.same(&proto) {
					return fmt.Errorf("%q already stands for something", phrase)
				}
				merged.name, merged.scale, merged.shared, merged.value, merged.brand = proto.name, proto.scale, proto.shared, proto.value, proto.brand
			}
			m[k] = &merged
			return nil
		}
		mine[k] = true
		e := proto
		m[k] = &e
		return nil
	}
	if inner {
		if err := put(t.inner, t.ownInner, key); err != nil {
			return err
		}
	}
	return put(t.entries, t.own, key)
}

func (t *table) build() *language {
	t.lang.words = newTrie(t.entries)
	t.lang.inner = newTrie(t.inner)
	return t.lang
}

// isWordRune reports whether a character is part of a word that is parted from the
// next by a blank or a sign: letters, but not those of scripts without blanks.
func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	return r < 0x2E80 && unicode.IsLetter(r) || 0xAC00 <= r && r <= 0xD7A3
}

// isIdeograph reports whether a character belongs to a script without blanks.
func isIdeograph(r rune) bool {
	return 0x2E80 <= r && r < 0xAC00 || 0xF900 <= r && r <= 0xFAFF || r >= 0x20000 && r < 0x30000
}

// trie finds the longest phrase at a place. Its nodes lie in one slice; the children
// of a node stand together, sorted by their byte.
type trie struct {
	nodes []trieNode
	// first[b] is the child of the root for b, or 0.
	first [256]int32
}

type trieNode struct {
	entry    *entry
	children int32
	count    uint16
	label    byte
}

func newTrie(entries map[string]*entry) trie {
	keys := make([]string, 0, len(entries))
	for k := range entries {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	t := trie{nodes: make([]trieNode, 1)}
	t.grow(0, keys, 0, entries)
	for i := range int(t.nodes[0].count) {
		c := t.nodes[0].children + int32(i)
		t.first[t.nodes[c].label] = c
	}
	return t
}

// grow hangs keys, which share their first depth bytes, under node.
func (t *trie) grow(node int32, keys []string, depth int, entries map[string]*entry) {
	if len(keys) > 0 && len(keys[0]) == depth {
		t.nodes[node].entry = entries[keys[0]]
		keys = keys[1:]
	}
	first := int32(len(t.nodes))
	var starts []int
	for i, k := range keys {
		if i == 0 || keys[i-1][depth] != k[depth] {
			t.nodes = append(t.nodes, trieNode{label: k[depth]})
			starts = append(starts, i)
		}
	}
	t.nodes[node].children, t.nodes[node].count = first, uint16(len(starts))
	for n, i := range starts {
		end := len(keys)
		if n+1 < len(starts) {
			end = starts[n+1]
		}
		t.grow(first+int32(n), keys[i:end], depth+1, entries)
	}
}

// step goes from a node to its child for b, 0 when there is none.
func (t *trie) step(node int32, b byte) int32 {
	n := &t.nodes[node]
	for i := n.children; i < n.children+int32(n.count); i++ {
		if t.nodes[i].label == b {
			return i
		}
	}
	return 0
}

// find returns the longest phrase that text holds at i, and where it ends. A blank
// in a phrase also stands for a no-break one, for several, for a hyphen and for a
// tag between the words. The bytes walked are added to steps.
func (t *trie) find(text []byte, i int, steps *int) (*entry, int) {
	var best *entry
	end := i
	node := t.first[text[i]]
	moved := true
	for k := i + 1; node != 0; {
		*steps++
		if e := t.nodes[node].entry; e != nil && moved && endsWord(text, k, e) {
			best, end = e, k
		}
		moved = true
		if k >= len(text) {
			break
		}
		b := text[k]
		if b == bHardGap || b == bTag || b == '-' || b == '\n' || b == ' ' {
			// exact hyphens first, then blanks of all sorts
			if next := t.step(node, b); next != 0 && b == '-' {
				node = next
				k++
				continue
			}
			next := t.step(node, ' ')
			if next == 0 && b == bTag {
				next, moved = node, false // a tag inside a word
			}
			if next == 0 {
				break
			}
			node = next
			k++
			for k < len(text) && isGap(text[k]) {
				k++
				*steps++
			}
			continue
		}
		node = t.step(node, b)
		k++
	}
	if best != nil && best.wild {
		for end < len(text) {
			r, n := decodeRune(text, end)
			if !isWordRune(r) {
				break
			}
			end += n
		}
	}
	return best, end
}

// unhyphened writes a phrase's hyphens within words as blanks, which match both: were
// they kept, "first-time buyers" would hide "first time customers" from a text with a
// hyphen.
func unhyphened(key string) string {
	out := []byte(key)
	for i := 1; i+1 < len(out); i++ {
		if out[i] != '-' {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(key[:i])
		behind, _ := utf8.DecodeRuneInString(key[i+1:])
		if isWordRune(before) && isWordRune(behind) {
			out[i] = ' '
		}
	}
	return string(out)
}

func isGap(b byte) bool { return b == ' ' || b == bHardGap || b == bTag || b == '\n' }

func decodeRune(text []byte, i int) (rune, int) {
	if b := text[i]; b < utf8.RuneSelf {
		return rune(b), 1
	}
	return utf8.DecodeRune(text[i:])
}

// endsWord reports whether a phrase may end at k: a word doesn't end between two
// letters, and only some are written without a blank before a number ("Rs100").
func endsWord(text []byte, k int, e *entry) bool {
	if !e.letters || e.wild || k >= len(text) {
		return true
	}
	r, _ := decodeRune(text, k)
	if isWordRune(r) {
		return false
	}
	return r < '0' || r > '9' || e.means&(mMoney|mUpTo|mEarn|mCashback|mFrom|mTimes) != 0
}
