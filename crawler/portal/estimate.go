package portal

import (
	"hash/maphash"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Bounds of a page's HTML. A list of 500 shops has 35,000 nodes, 9,000
// attributes on 20,000 tags, a depth of 20, and costs 200,000 parser steps.
const (
	maxNodes      = 100_000
	maxAttributes = 200_000
	maxPerTag     = 1_000
	// maxHTMLDepth lies below the 512 at which golang.org/x/net/html gives up.
	maxHTMLDepth = 450
	// maxParse bounds the parser's walks over its stack of open elements, which is
	// what makes some pages quadratic: a step takes it 20 to 50 nanoseconds.
	maxParse = 2_500_000
)

// estimate scans a page's bytes once and refuses those whose parsing would cost
// too much: too many nodes, too deep, or too many steps of the parser. It keeps
// the parser's two lists, of open elements and of active formatting elements, as
// far as their lengths need, and counts what the parser would walk and create.
//
// Pages that people made stay far below; what comes near the bounds was made to.
func estimate(s string) error {
	e := estimator{s: s}
	return e.run()
}

type estimator struct {
	s                   string
	at                  int
	nodes, attrs, steps int
	open                []openElement
	active              []activeElement
	root                int // attributes that repeated html and body tags have added
	foreign             int // open svg and math elements
	inTable             int // open tables
	scripts             []span
}

type openElement struct {
	name   uint64
	class  class
	active bool // has an entry among the active formatting elements
}

type activeElement struct {
	name   uint64
	key    uint64 // of name and attributes
	open   bool   // the element is among the open ones
	marker bool
}

// class says what the parser does at a tag of that name.
type class uint16

const (
	block      class = 1 << iota // closes an open p
	void                         // has no end tag
	formatting                   // is opened again where it was left open
	rawText                      // holds no tags
	item                         // li, dd, dt: looks for one of its kind
	scoped                       // ends the search for an open p or li
	special                      // ends the search of li, dd, dt
	cell                         // td, th, caption: formatting inside ends with it
	tablePart                    // tr, tbody, …: closes what is open in its table
	rootTag                      // html, head, body: repeated ones only add attributes
	foreignTag                   // svg, math
	breakout                     // ends foreign content
	alone                        // button, nobr, a, option: closes one of its kind
)

// packed is a tag name of up to eight letters as a number; longer ones are told
// apart by their first eight and their length.
func packed(name string) uint64 {
	var n uint64
	for i := 0; i < len(name) && i < 8; i++ {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		n = n<<8 | uint64(c)
	}
	if len(name) > 8 {
		n += uint64(len(name)) << 57
	}
	return n
}

var classes = func() *[1 << classBits]classEntry {
	out := map[uint64]class{}
	add := func(c class, names string) {
		for name := range strings.FieldsSeq(names) {
			out[packed(name)] |= c
		}
	}
	add(block|special, "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer header hgroup main menu nav ol p search section summary ul h1 h2 h3 h4 h5 h6 pre listing form li dd dt plaintext table hr xmp")
	add(void, "area base basefont bgsound br col command embed frame hr image img input keygen link meta param source track wbr")
	add(special, "area base br col embed img input link meta param source track wbr button select textarea iframe body html head td th tr tbody thead tfoot caption colgroup marquee object applet template noscript style script title frameset noembed noframes")
	add(formatting, "a b big code em font i nobr s small strike strong tt u")
	add(rawText, "script style textarea title xmp iframe noembed noframes plaintext")
	add(item, "li dd dt")
	add(scoped, "applet caption html table td th marquee object template")
	add(cell, "td th caption applet marquee object")
	add(tablePart, "tr tbody thead tfoot td th caption colgroup col")
	add(rootTag, "html body head")
	add(foreignTag, "svg math")
	add(breakout, "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var font")
	add(alone, "button nobr a option optgroup select form")
	table := new([1 << classBits]classEntry)
	for name, c := range out {
		i := slotOf(name)
		for table[i].name != 0 {
			i = (i + 1) % len(table)
		}
		table[i] = classEntry{name, c}
	}
	return table
}()

// classBits makes the table eight times as large as there are names: each is asked
// for at every tag of every page.
const classBits = 10

type classEntry struct {
	name  uint64
	class class
}

func slotOf(name uint64) int { return int(name * 0x9e3779b97f4a7c15 >> (64 - classBits)) }

// classOf is the class of a packed name; 0 of one that has none.
func classOf(name uint64) class {
	for i := slotOf(name); ; i = (i + 1) % len(classes) {
		if e := &classes[i]; e.name == name || e.name == 0 {
			return e.class
		}
	}
}

var (
	tagP, tagDiv, tagAddress = packed("p"), packed("div"), packed("address")
	tagTable, tagTr          = packed("table"), packed("tr")
	tagButton, tagTemplate   = packed("button"), packed("template")
	tagBr, tagForm           = packed("br"), packed("form")
	tagScript                = packed("script")
	tagDd, tagDt             = packed("dd"), packed("dt")
	attributeSeed            = maphash.MakeSeed()
)

func refused(format string, args ...any) error {
	return cashback.Errorf(cashback.Invalid, "the page is refused before it is parsed: "+format, args...)
}

func (e *estimator) run() error {
	for e.at < len(e.s) {
		i := strings.IndexByte(e.s[e.at:], '<')
		if i != 0 {
			e.text()
		}
		if i < 0 {
			break
		}
		e.at += i
		e.tag()
		switch {
		case e.nodes > maxNodes:
			return refused("it has more than %d nodes", maxNodes)
		case e.attrs > maxAttributes:
			return refused("it has more than %d attributes", maxAttributes)
		case len(e.open) > maxHTMLDepth:
			return refused("it is nested deeper than %d elements", maxHTMLDepth)
		case e.steps > maxParse:
			return refused("parsing it takes more than %d steps", maxParse)
		}
	}
	return nil
}

func (e *estimator) text() {
	e.nodes++
	e.steps += 2
	e.reopen()
}

// tag reads what begins with "<".
func (e *estimator) tag() {
	s := e.s[e.at:]
	if len(s) < 2 {
		e.at = len(e.s)
		return
	}
	switch c := s[1]; {
	case c == '!' || c == '?':
		e.nodes++
		e.steps += 4
		if strings.HasPrefix(s, "<!--") {
			if end := strings.Index(s[min(4, len(s)):], "-->"); end >= 0 {
				e.at += 4 + end + 3
				return
			}
			if end := strings.Index(s, "--!>"); end >= 0 {
				e.at += end + 4
				return
			}
			e.at += skip(s)
			return
		}
		e.at += skip(s)
	case c == '/' && len(s) > 2 && letter(s[2]):
		n := nameEnd(s, 2)
		name := packed(s[2:n])
		length, _, attrs := attributes(s, n)
		e.attrs += attrs
		e.at += length
		e.endTag(name)
	case c == '/':
		e.steps += 4
		e.at += skip(s)
	case letter(c):
		n := nameEnd(s, 1)
		name := packed(s[1:n])
		length, closed, attrs := attributes(s, n)
		e.attrs += attrs
		if attrs > maxPerTag {
			e.attrs = maxAttributes + 1
		}
		k := classOf(name)
		e.startTag(name, k, s[1:n], s[n:length], closed, attrs)
		e.at += length
		if k&rawText != 0 && e.foreign == 0 {
			start := e.at
			if end := e.raw(s[1:n]); name == tagScript {
				e.note(start, end)
			}
		}
	default:
		e.at++
		e.steps++
	}
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// skip is the length of a tag that is none: up to its ">".
func skip(s string) int {
	if i := strings.IndexByte(s, '>'); i >= 0 {
		return i + 1
	}
	return len(s)
}

func nameEnd(s string, from int) int {
	for i := from; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\r', '\n', '\f', '/', '>':
			return i
		}
	}
	return len(s)
}

// attributes is where the tag ends, whether it closes itself, and how many
// attributes it has.
func attributes(s string, from int) (length int, closed bool, n int) {
	i := from
	for i < len(s) {
		switch c := s[i]; c {
		case '>':
			return i + 1, i > from && s[i-1] == '/', n
		case ' ', '\t', '\r', '\n', '\f', '/':
			i++
			continue
		}
		n++
		// The name.
		for i++; i < len(s) && !ends(s[i], true); i++ {
		}
		for i < len(s) && blank(s[i]) {
			i++
		}
		if i >= len(s) || s[i] != '=' {
			continue
		}
		for i++; i < len(s) && blank(s[i]); i++ {
		}
		if i >= len(s) {
			break
		}
		switch quote := s[i]; quote {
		case '"', '\'':
			end := strings.IndexByte(s[i+1:], quote)
			if end < 0 {
				return len(s), false, n
			}
			i += end + 2
		default:
			for i < len(s) && !ends(s[i], false) {
				i++
			}
		}
	}
	return len(s), false, n
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' }

func ends(c byte, name bool) bool {
	return c <= '>' && (blank(c) || c == '>' || name && (c == '/' || c == '='))
}

// raw skips a raw text element's text and its end tag, and says where the text ends.
func (e *estimator) raw(name string) int {
	if strings.EqualFold(name, "plaintext") {
		e.at = len(e.s)
		return e.at
	}
	e.nodes++
	for from := e.at; ; {
		i := strings.Index(e.s[from:], "</")
		if i < 0 {
			e.at = len(e.s)
			return e.at
		}
		from += i + 2
		if len(e.s)-from >= len(name) && strings.EqualFold(e.s[from:from+len(name)], name) && (len(e.s) == from+len(name) || ends(e.s[from+len(name)], true)) {
			e.at = from + skip(e.s[from:])
			return from - len("</")
		}
	}
}

// reopen counts the formatting elements that the parser opens again: those that
// were left open when what held them was closed.
func (e *estimator) reopen() {
	i := len(e.active)
	for i > 0 && !e.active[i-1].open && !e.active[i-1].marker {
		i--
	}
	for ; i < len(e.active); i++ {
		a := &e.active[i]
		a.open = true
		e.nodes++
		e.steps += len(e.open) + 4
		e.push(a.name, formatting, true)
		if len(e.open) > maxHTMLDepth {
			return
		}
	}
}

func (e *estimator) push(name uint64, k class, active bool) {
	e.open = append(e.open, openElement{name: name, class: k, active: active})
	if k&foreignTag != 0 {
		e.foreign++
	}
	if name == tagTable {
		e.inTable++
	}
}

// popTo closes the open elements from i on.
func (e *estimator) popTo(i int) {
	for j := len(e.open) - 1; j >= i; j-- {
		o := &e.open[j]
		e.steps++
		if o.class&foreignTag != 0 {
			e.foreign--
		}
		if o.name == tagTable {
			e.inTable--
		}
		if o.active {
			e.left(o.name)
		}
		if o.class&cell != 0 {
			e.clear()
		}
	}
	e.open = e.open[:i]
}

// left notes that an active formatting element is no longer open.
func (e *estimator) left(name uint64) {
	for i := len(e.active) - 1; i >= 0; i-- {
		if a := &e.active[i]; a.open && a.name == name {
			a.open = false
			return
		}
	}
}

// clear drops the active formatting elements down to the last marker.
func (e *estimator) clear() {
	for i := len(e.active) - 1; i >= 0; i-- {
		if e.active[i].marker {
			e.active = e.active[:i]
			return
		}
	}
}

// find walks down the open elements to one of that name; it stops at those that
// stop says. -1 is none.
func (e *estimator) find(name uint64, stop func(*openElement) bool) int {
	for i := len(e.open) - 1; i >= 0; i-- {
		e.steps++
		o := &e.open[i]
		if o.name == name {
			return i
		}
		if stop(o) {
			break
		}
	}
	return -1
}

func never(*openElement) bool        { return false }
func atScope(o *openElement) bool    { return o.class&scoped != 0 }
func atButton(o *openElement) bool   { return o.class&scoped != 0 || o.name == tagButton }
func atCell(o *openElement) bool     { return o.class&cell != 0 || o.name == tagTemplate }
func atTemplate(o *openElement) bool { return o.name == tagTemplate }
func atTable(o *openElement) bool    { return o.name == tagTable || o.name == tagTemplate }
func atSpecial(o *openElement) bool {
	return o.class&special != 0 && o.name != tagDiv && o.name != tagP && o.name != tagAddress
}

func (e *estimator) startTag(name uint64, k class, tag, rest string, closed bool, attrs int) {
	e.steps += 6 + attrs
	if k&rootTag != 0 {
		// copyAttributes reads what is there already.
		e.steps += e.root
		e.root += attrs
		if len(e.open) > 0 {
			return
		}
	}
	if e.foreign > 0 && k&breakout != 0 {
		for e.foreign > 0 && len(e.open) > 0 {
			e.popTo(len(e.open) - 1)
		}
	}
	e.nodes++
	switch {
	case e.foreign > 0:
		// Names mean nothing there.
		if !closed {
			e.push(name, k&foreignTag, false)
		}
		return
	case name == tagForm && e.find(tagForm, atTemplate) >= 0:
		e.nodes--
		return // one form in another is ignored
	case k&block != 0:
		if name == tagTable {
			// A table that isn't in a cell ends the table around it.
			if i := e.find(tagTable, atCell); i >= 0 {
				e.popTo(i)
			}
		}
		if k&item != 0 {
			i := e.find(name, atSpecial)
			switch name {
			case tagDd:
				i = max(i, e.find(tagDt, atSpecial))
			case tagDt:
				i = max(i, e.find(tagDd, atSpecial))
			}
			if i >= 0 {
				e.popTo(i)
			}
		}
		if i := e.find(tagP, atButton); i >= 0 {
			e.popTo(i)
		}
	case k&tablePart != 0:
		i := e.find(tagTable, atTable)
		if i < 0 && len(e.open) > 0 {
			i = e.find(tagTemplate, atTable)
		}
		if i < 0 {
			e.nodes-- // ignored outside of a table
			return
		}
		if k&cell != 0 {
			if j := e.find(tagTr, atTable); j > i {
				i = j
			} else {
				e.nodes += 2 // the implied row and its group
			}
		}
		e.popTo(i + 1)
	case k&formatting != 0:
		if k&alone != 0 {
			e.closeFormatting(name)
		}
		e.reopen()
		key := maphash.String(attributeSeed, tag) ^ maphash.String(attributeSeed, rest)
		same := 0
		for i := len(e.active) - 1; i >= 0 && !e.active[i].marker; i-- {
			e.steps++
			if e.active[i].key == key {
				if same++; same >= 3 { // the parser keeps three of a kind
					e.active = append(e.active[:i], e.active[i+1:]...)
					break
				}
			}
		}
		e.active = append(e.active, activeElement{name: name, key: key, open: true})
		e.push(name, k, true)
		return
	case k&alone != 0:
		if i := e.find(name, atScope); i >= 0 {
			e.popTo(i)
		}
		e.reopen()
	default:
		e.reopen()
	}
	if e.inTable > 0 {
		e.steps += 4 // perhaps moved out of the table
	}
	if k&(void|rawText) != 0 {
		return
	}
	if k&cell != 0 {
		e.active = append(e.active, activeElement{marker: true})
	}
	e.push(name, k, false)
}

func (e *estimator) endTag(name uint64) {
	k := classOf(name)
	e.steps += 6
	switch {
	case k&void != 0 && name != tagBr:
		return
	case k&rootTag != 0:
		e.steps += len(e.open)
		return
	case k&formatting != 0:
		e.closeFormatting(name)
		return
	}
	stop := never
	switch {
	case k&tablePart != 0 || name == tagTable:
		stop = atTable
	case k&block != 0:
		stop = atScope
	case k == 0:
		stop = atSpecialAll
	}
	i := e.find(name, stop)
	if i < 0 {
		if name == tagP || name == tagBr {
			if name == tagBr {
				e.reopen()
			}
			e.nodes++ // an end without a start makes an empty element
			e.steps += len(e.open)
		}
		return
	}
	e.popTo(i)
}

func atSpecialAll(o *openElement) bool { return o.class&special != 0 }

// closeFormatting is the "adoption agency": the element is closed, what lies
// above it stays open and may be wrapped once more.
func (e *estimator) closeFormatting(name uint64) {
	for i := len(e.active) - 1; i >= 0 && !e.active[i].marker; i-- {
		e.steps++
		if e.active[i].name != name {
			continue
		}
		e.steps += 30
		a := e.active[i]
		e.active = append(e.active[:i], e.active[i+1:]...)
		if a.open {
			e.adopt(a)
		}
		return
	}
	// Not active: like any end tag.
	if i := e.find(name, atSpecialAll); i >= 0 {
		e.popTo(i)
	}
}

// adopt closes an open formatting element that may have blocks open in it: up to
// eight of them in turn get a copy of it inside, and where there are more the
// last copy stays open.
func (e *estimator) adopt(a activeElement) {
	const most = 8
	j := len(e.open) - 1
	for ; j >= 0 && !(e.open[j].active && e.open[j].name == a.name); j-- {
		e.steps++
	}
	if j < 0 {
		return
	}
	blocks, others := 0, 0
	at := j
	for k := j + 1; k < len(e.open) && blocks <= most; k++ {
		switch o := &e.open[k]; {
		case o.class&special != 0:
			if blocks++; blocks <= most {
				at = k
			}
		case o.active:
			others++
		}
	}
	e.nodes += min(blocks, most) * (1 + min(others, 3))
	e.steps += min(blocks, most) * (len(e.open) - j + 8)
	o := e.open[j]
	switch {
	case blocks == 0:
		e.popTo(j + 1)
		e.open = e.open[:j]
	case blocks <= most:
		e.open = append(e.open[:j], e.open[j+1:]...)
	default:
		copy(e.open[j:at], e.open[j+1:at+1])
		e.open[at] = o
		e.active = append(e.active, a)
	}
}
