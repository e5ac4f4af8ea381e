package statement

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// piece is a text of its own, with the line on which it stands: a line of what was
// pasted, or what stands between two tags of a page.
type piece struct {
	text string
	line int
}

// Bounds of what is looked at for a list without a table.
const (
	maxPieces  = 6_000
	maxStacked = 15 // pieces of one entry
)

// piecesOf are the lines of a text that aren't blank.
func piecesOf(text string) []piece {
	var out []piece
	line := 0
	for l := range strings.SplitSeq(text, "\n") {
		line++
		if l = squeeze(l); l != "" && len(out) < maxPieces {
			out = append(out, piece{l, line})
		}
	}
	return out
}

// stacked reads a list whose entries stand below each other, each value on a line of its
// own, as pages without tables come out of the clipboard. An entry is what lies between
// two days: of the distances between them the most frequent is its length, and entries of
// another length are left to be refused. False where there are no two entries.
func stacked(list []piece) (Grid, bool) {
	var days []int
	rules := dateReaders()
	for i, p := range list {
		if dayAlone(p.text, rules) {
			days = append(days, i)
		}
	}
	if len(days) < 2 {
		return Grid{}, false
	}
	counts := map[int]int{}
	for i := 1; i < len(days); i++ {
		counts[days[i]-days[i-1]]++
	}
	size, most := 0, 0
	for _, n := range sortedInts(counts) {
		if counts[n] > most {
			size, most = n, counts[n]
		}
	}
	if size < 3 || size > maxStacked || 2*most < len(days)-1 {
		return Grid{}, false
	}
	// Where within an entry its day stands: with nothing after the last entry, by what is
	// left there; else it begins with it.
	before := 0
	if after := len(list) - 1 - days[len(days)-1]; after < size-1 {
		before = size - 1 - after
	}
	if days[0] < before {
		return Grid{}, false
	}
	var g Grid
	for i, d := range days {
		from, to := d-before, d-before+size
		if i+1 < len(days) {
			to = days[i+1] - before
		}
		r := Row{Line: list[from].line}
		for _, p := range list[from:min(to, len(list), from+maxStacked)] {
			r.Cells = append(r.Cells, Cell{Text: p.text, Column: 1})
		}
		g.Rows = append(g.Rows, r)
	}
	return g, true
}

func sortedInts(m map[int]int) []int {
	var out []int
	for n := range m {
		out = append(out, n)
	}
	slices.SortFunc(out, cmp.Compare[int])
	return out
}

// dateReaders read a day in any order of its numbers and any language's months.
func dateReaders() []*Rule {
	var out []*Rule
	for _, order := range []string{"dmy", "mdy", "ymd"} {
		out = append(out, &Rule{Dates: order})
	}
	for _, name := range languages() {
		r := &Rule{}
		r.compiled.language, _ = languageOf(name)
		out = append(out, r)
	}
	return out
}

// maxDay is the longest text that is taken for a day and a time.
const maxDay = 40

// dayAlone says that a text is a day, with at most a word or two before it ("Le
// 03/10/2026", "Bought on 3 Oct 2026").
func dayAlone(text string, rules []*Rule) bool {
	if len(text) > maxDay || !strings.ContainsFunc(text, unicode.IsDigit) || len(strings.Fields(text)) > 7 {
		return false
	}
	for _, r := range rules {
		if _, why := r.date(text); why == nil {
			return true
		}
	}
	return false
}
