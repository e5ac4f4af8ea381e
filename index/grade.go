package index

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Grade says how well a shop's names answer a text. A better grade always comes
// before a worse one; within a grade the columns decide.
type Grade uint8

// The grades, worst first. Between the two grades of a range lies the share of the
// text that was recognised.
const (
	NoMatch Grade = 0
	// InCategory: only the shop's category is called so.
	InCategory Grade = 5
	// PartLow to PartHigh: some words of the text stand in the name.
	PartLow  Grade = 10
	PartHigh Grade = 50
	// NearWords: every word of the text stands in the name, some with a typing error.
	NearWords Grade = 60
	// NearTwoStart and NearTwo: the beginning of a name, or a whole one, with two
	// typing errors.
	NearTwoStart Grade = 70
	NearTwo      Grade = 80
	// NamedLow to NamedHigh: the whole name stands among other words of the text.
	NamedLow  Grade = 71
	NamedHigh Grade = 79
	// NearOneStart and NearOne: the same with one typing error.
	NearOneStart Grade = 90
	NearOne      Grade = 100
	// Words: each word of the text begins a word of the name, in any order.
	Words Grade = 130
	// WordStart: the text begins at a later word of a name.
	WordStart Grade = 140
	// AliasStart and NameStart: another spelling, or the name, begins with the text.
	AliasStart Grade = 150
	NameStart  Grade = 160
	// ExactAlias and Exact: the text is another spelling, or the name itself.
	ExactAlias Grade = 190
	Exact      Grade = 200
)

const (
	// maxText is the longest text that is searched for, in runes; longer ones are
	// refused: no shop is called so, and the work grows with it.
	maxText = 200
	// maxWords is how many words of a text are looked at.
	maxWords = 8
	// maxNearWords is the most words in each of which a typing error is looked for:
	// every one of them costs an automaton.
	maxNearWords = 4
	// nearFrom and nearTwoFrom are the shortest texts, in runes, in which one and two
	// typing errors are forgiven: in shorter ones everything would be near.
	nearFrom    = 3
	nearTwoFrom = 6
)

// needle is a text prepared for comparison.
type needle struct {
	text  string // folded, without spaces
	runes int
	words []string
	// raw is the text as one would have to type it, folded with its spaces.
	raw string
}

func newNeedle(text string) needle {
	raw := fold(text)
	n := needle{raw: raw, text: glue(raw)}
	n.runes = utf8.RuneCountInString(n.text)
	if raw != "" {
		n.words = strings.Fields(raw)
		if len(n.words) > maxWords {
			n.words = n.words[:maxWords]
		}
	}
	return n
}

// beginsAt reports whether the folded key, read without its spaces from i on, begins with
// q, and whether it ends there too.
func beginsAt(key string, i int, q string) (starts, ends bool) {
	j := 0
	for i < len(key) && j < len(q) {
		c := key[i]
		i++
		if c == ' ' {
			continue
		}
		if c != q[j] {
			return false, false
		}
		j++
	}
	return j == len(q), j == len(q) && i == len(key)
}

// grade compares with a shop's folded names, the first of which is its own.
func (n *needle) grade(keys []string) Grade {
	best := NoMatch
	for k, key := range keys {
		if g := n.gradeKey(key, k == 0); g > best {
			best = g
			if best == Exact {
				break
			}
		}
	}
	return best
}

func (n *needle) gradeKey(key string, own bool) Grade {
	if n.text == "" {
		return NoMatch
	}
	if begins, whole := beginsAt(key, 0, n.text); whole {
		if own {
			return Exact
		}
		return ExactAlias
	} else if begins {
		if own {
			return NameStart
		}
		return AliasStart
	}
	found := NoMatch
	starts(key, func(i int) bool {
		if i > 0 {
			if begins, _ := beginsAt(key, i, n.text); begins {
				found = WordStart
				return false
			}
		}
		return true
	})
	if found == NoMatch && len(n.words) > 1 && n.wordsIn(key) == len(n.words) {
		found = Words
	}
	return found
}

// wordsIn counts the words of the text that begin somewhere in the key.
func (n *needle) wordsIn(key string) int {
	found := 0
	for _, w := range n.words {
		if begun(key, w) {
			found++
		}
	}
	return found
}

func begun(key, w string) (found bool) {
	starts(key, func(i int) bool {
		found, _ = beginsAt(key, i, w)
		return !found
	})
	return found
}

// near compares with typing errors: at most edits of them, each a letter more,
// less, other, or two neighbours swapped.
func (n *needle) near(keys []string, edits int) Grade {
	best := NoMatch
	for _, key := range keys {
		if g := n.nearKey(key, edits); g > best {
			best = g
		}
	}
	return best
}

func (n *needle) nearKey(key string, edits int) Grade {
	best := NoMatch
	starts(key, func(i int) bool {
		whole, begin := distance(n.text, key[i:], edits)
		switch {
		case i == 0 && whole <= 1 && whole <= edits:
			best = max(best, NearOne)
		case begin <= 1 && begin <= edits:
			best = max(best, NearOneStart)
		case i == 0 && whole <= edits:
			best = max(best, NearTwo)
		case begin <= edits:
			best = max(best, NearTwoStart)
		}
		return best < NearOne
	})
	if best == NoMatch && len(n.words) > 1 {
		all := true
		for _, w := range n.words {
			if !begun(key, w) && !nearBegun(key, w) {
				all = false
				break
			}
		}
		if all {
			return NearWords
		}
	}
	return best
}

func nearBegun(key, w string) (found bool) {
	if utf8.RuneCountInString(w) < nearFrom {
		return false
	}
	starts(key, func(i int) bool {
		_, begin := distance(w, key[i:], 1)
		found = begin <= 1
		return !found
	})
	return found
}

// maxDistance is the longest text that is compared with typing errors, in runes.
const maxDistance = 40

// distance is the number of typing errors (optimal string alignment) between q and
// the whole of key read without spaces, and between q and the nearest beginning of
// key; both count at most limit+1. It looks only at a band of 2·limit+1 cells a row.
func distance(q, key string, limit int) (whole, begin int) {
	var qr, kr [maxDistance + 4]rune
	m := 0
	for _, r := range q {
		if m == maxDistance {
			return limit + 1, limit + 1
		}
		qr[m] = r
		m++
	}
	k, more := 0, false
	for _, r := range key {
		if r == ' ' {
			continue
		}
		if k == m+limit {
			more = true
			break
		}
		kr[k] = r
		k++
	}
	over := limit + 1
	if k < m-limit {
		return over, over
	}
	var rows [3][maxDistance + 5]uint8
	inf := uint8(over)
	before, prev, cur := &rows[0], &rows[1], &rows[2]
	for j := 0; j <= k; j++ {
		prev[j] = uint8(min(j, over))
	}
	for i := 1; i <= m; i++ {
		lo, hi := max(1, i-limit), min(k, i+limit)
		cur[lo-1] = inf
		least := inf
		if lo == 1 {
			cur[0] = uint8(min(i, over))
		}
		for j := lo; j <= hi; j++ {
			d := prev[j-1]
			if qr[i-1] != kr[j-1] {
				d++
			}
			if up := prev[j] + 1; j < i+limit && up < d {
				d = up
			}
			if left := cur[j-1] + 1; left < d {
				d = left
			}
			if i > 1 && j > 1 && qr[i-1] == kr[j-2] && qr[i-2] == kr[j-1] {
				if s := before[j-2] + 1; s < d {
					d = s
				}
			}
			cur[j] = min(d, inf)
			least = min(least, cur[j])
		}
		if least == inf && i > limit && int(slices.Min(prev[lo-1:hi+1])) >= limit {
			return over, over // nothing leads on, nor does a swap from the row before
		}
		if hi < k {
			cur[hi+1] = inf
		}
		before, prev, cur = prev, cur, before
	}
	begin = over
	for j := max(0, m-limit); j <= k; j++ {
		begin = min(begin, int(prev[j]))
	}
	whole = over
	if !more {
		whole = int(prev[k])
	}
	return whole, begin
}

// part grades by the share of the text's words that stand in the names. A word that
// few shops have weighs more: weights are per word of the needle.
func (n *needle) part(keys []string, weights []float64) Grade {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if sum == 0 {
		return NoMatch
	}
	best := NoMatch
	for _, key := range keys {
		got := 0.0
		for i, w := range n.words {
			if i < len(weights) && begun(key, w) {
				got += weights[i]
			}
		}
		if got == 0 {
			continue
		}
		share := got / sum
		low, high := PartLow, PartHigh
		if n.covers(key) {
			low, high = NamedLow, NamedHigh
		}
		best = max(best, low+Grade(math.Floor(share*float64(high-low))))
	}
	return best
}

// covers reports whether every word of the key is a word of the text, as "fnac" is
// in "code promo fnac".
func (n *needle) covers(key string) bool {
	if len(key) < 2 {
		return false
	}
	for w := range strings.FieldsSeq(key) {
		found := false
		for _, q := range n.words {
			if q == w {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
