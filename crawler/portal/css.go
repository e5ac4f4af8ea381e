package portal

import (
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// A selector is a CSS selector whose simple parts cascadia compiles and matches,
// and whose combinators are followed here: cascadia's own walk can't be stopped,
// and on a page made for it a selector such as "a b c d" costs more than any
// visitor's patience. It may begin with a combinator (`> .x`, `+ dd`), which is
// meant from the item, and may use :scope for the item.
type selector struct {
	chains []chain
	source string
}

// chain is one of the alternatives between commas: its links from left to right.
type chain []link

type link struct {
	// comb joins the link to the one on its left: ' ', '>', '+', '~'; 0 for the
	// first of a chain that may stand anywhere.
	comb   byte
	simple cascadia.Sel // nil for :scope
	// plain matches in its place what most selectors are: names and classes.
	plain *plainSelector
	// tag is the element's name, where the selector says one.
	tag string
	// heavy marks pseudo-classes that look at siblings or descendants themselves.
	heavy bool
}

// steps is what one page may cost: element comparisons, roughly ten nanoseconds
// each. A real page of 500 entries takes 400,000.
const steps = 10_000_000

// meter counts a page's steps.
type meter struct{ left int }

// tooCostly is the panic that ends the reading of a page whose meter is empty;
// Read recovers it.
type tooCostly struct{}

func (m *meter) spend(n int) {
	if m.left -= n; m.left < 0 {
		panic(tooCostly{})
	}
}

// parseSelector compiles a selector.
func parseSelector(s string) (*selector, error) {
	out := &selector{source: s}
	var c chain
	comb := byte(0)
	rest := strings.TrimSpace(s)
	if rest == "" {
		return nil, &pathError{"a selector is empty"}
	}
	for rest != "" {
		switch rest[0] {
		case ',':
			if len(c) == 0 || comb != 0 && comb != ' ' {
				return nil, &pathError{"a selector ends before the comma"}
			}
			out.chains, c, comb, rest = append(out.chains, c.fromItem()), nil, 0, strings.TrimLeft(rest[1:], " \t\n\r\f")
			if rest == "" {
				return nil, &pathError{"a selector is missing after the comma"}
			}
			continue
		case '>', '+', '~':
			if comb != 0 && comb != ' ' {
				return nil, &pathError{"two combinators follow each other"}
			}
			comb, rest = rest[0], strings.TrimLeft(rest[1:], " \t\n\r\f")
			continue
		case ' ', '\t', '\n', '\r', '\f':
			if rest = strings.TrimLeft(rest, " \t\n\r\f"); comb == 0 && len(c) > 0 {
				comb = ' '
			}
			continue
		}
		n := compound(rest)
		if n == 0 {
			return nil, &pathError{"a selector can't be read from " + rest}
		}
		text := rest[:n]
		rest = rest[n:]
		l := link{comb: comb}
		if text != ":scope" {
			sel, err := cascadia.Parse(escapeNames(text))
			if err != nil {
				return nil, &pathError{strings.TrimPrefix(err.Error(), "parsing ")}
			}
			l.simple, l.plain = sel, plainOf(text)
			l.tag = text[:len(text)-len(strings.TrimLeft(text, tagLetters))]
			l.heavy = strings.Contains(text, ":") && (strings.Contains(text, ":nth-") || strings.Contains(text, ":has") || strings.Contains(text, ":contains") ||
				strings.Contains(text, ":matches") || strings.Contains(text, "-of-type") || strings.Contains(text, "-child") || strings.Contains(text, ":not("))
		} else if len(c) > 0 {
			return nil, &pathError{":scope stands first"}
		}
		c, comb = append(c, l), 0
	}
	if len(c) == 0 || comb != 0 && comb != ' ' {
		return nil, &pathError{"a selector ends with a combinator"}
	}
	out.chains = append(out.chains, c.fromItem())
	return out, nil
}

// fromItem writes ":scope + dd" as "+ dd", which means the same.
func (c chain) fromItem() chain {
	if len(c) == 1 || c[0].simple != nil || c[0].comb != 0 {
		return c
	}
	c = c[1:]
	if c[0].comb == ' ' {
		c[0].comb = 0
	}
	return c
}

// escapeNames lets names of attributes stand as pages write them, [wire:id] and
// [@click], which CSS wants escaped.
func escapeNames(s string) string {
	return attributeName.ReplaceAllStringFunc(s, func(m string) string {
		return "[" + strings.NewReplacer(":", `\:`, "@", `\@`, ".", `\.`).Replace(m[1:])
	})
}

var attributeName = regexp.MustCompile(`\[[a-zA-Z_@:][a-zA-Z0-9_@:.-]*`)

const tagLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// elements are the names that elements of HTML and SVG have; those that sites make
// up for themselves have a hyphen.
const elements = " a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote body br button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label legend li link main map mark marquee menu meta meter nav nobr noembed noframes noscript object ol optgroup option output p param picture plaintext pre progress q rp rt ruby s samp script search section select slot small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr xmp circle defs desc ellipse g image line path polygon polyline rect symbol text tspan use "

// strange is a name in the selector that no element of HTML has; "" without one.
func (s *selector) strange() string {
	for _, c := range s.chains {
		for _, l := range c {
			if name := strings.ToLower(l.tag); name != "" && !strings.Contains(name, "-") && !strings.Contains(elements, " "+name+" ") {
				return l.tag
			}
		}
	}
	return ""
}

// compound is the length of the compound selector that s begins with: up to a
// combinator or comma outside of brackets and quotes.
func compound(s string) int {
	depth := 0
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			if depth == 0 {
				return i
			}
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			if depth == 0 {
				return i
			}
			depth--
		case depth == 0 && (c == ',' || c == '>' || c == '+' || c == '~' || c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'):
			return i
		}
	}
	return len(s)
}

// all calls yield for each element that matches within base, in the page's order,
// until it says false. base itself is never among them.
func (s *selector) all(base *html.Node, m *meter, yield func(*html.Node) bool) {
	relative := false
	for _, c := range s.chains {
		relative = relative || c[0].comb == '+' || c[0].comb == '~'
	}
	if relative {
		s.alongside(base, m, nil, yield)
		return
	}
	for n := next(base, base); n != nil; n = next(n, base) {
		if n.Type != html.ElementNode {
			continue
		}
		for _, c := range s.chains {
			if c.match(len(c)-1, n, base, m) {
				if !yield(n) {
					return
				}
				break
			}
		}
	}
}

// allOf is all for an entry: what lies beside it is its own up to the sibling that
// is the next entry.
func (s *selector) allOf(base *html.Node, m *meter, ends func(*html.Node) bool, yield func(*html.Node) bool) {
	for _, c := range s.chains {
		if c[0].comb == '~' {
			s.alongside(base, m, ends, yield)
			return
		}
	}
	s.all(base, m, yield)
}

// alongside is all for selectors that begin with a sibling combinator. ends stops
// the walk over later siblings; + names its one sibling and needs no end.
func (s *selector) alongside(base *html.Node, m *meter, ends func(*html.Node) bool, yield func(*html.Node) bool) {
	for _, c := range s.chains {
		if c[0].comb != '+' && c[0].comb != '~' {
			one := selector{chains: []chain{c}}
			stopped := false
			one.all(base, m, func(n *html.Node) bool {
				stopped = !yield(n)
				return !stopped
			})
			if stopped {
				return
			}
			continue
		}
		for n := base.NextSibling; n != nil; n = n.NextSibling {
			if n.Type != html.ElementNode {
				continue
			}
			if ends != nil && c[0].comb == '~' && ends(n) {
				break
			}
			if c[0].matches(n, base, m) {
				if len(c) == 1 {
					if !yield(n) {
						return
					}
				} else {
					tail := append(chain{}, c[1:]...)
					if tail[0].comb == ' ' {
						tail[0].comb = 0 // anywhere within n
					}
					one := selector{chains: []chain{tail}}
					stopped := false
					one.all(n, m, func(e *html.Node) bool {
						stopped = !yield(e)
						return !stopped
					})
					if stopped {
						return
					}
				}
			}
			if c[0].comb == '+' {
				break
			}
		}
	}
}

// is reports whether the element itself matches.
func (s *selector) is(n, base *html.Node, m *meter) bool {
	for _, c := range s.chains {
		if c[0].comb != '+' && c[0].comb != '~' && c.match(len(c)-1, n, base, m) {
			return true
		}
	}
	return false
}

// around is the element itself or the nearest one around it that matches.
func (s *selector) around(n *html.Node, m *meter) *html.Node {
	for ; n != nil; n = n.Parent {
		if n.Type == html.ElementNode && s.is(n, nil, m) {
			return n
		}
	}
	return nil
}

func (l *link) matches(n, base *html.Node, m *meter) bool {
	m.spend(1)
	if l.simple == nil {
		return n == base
	}
	if l.plain != nil {
		return l.plain.match(n)
	}
	if l.heavy {
		m.spend(weight(n))
	}
	return l.simple.Match(n)
}

// plainSelector is a compound selector of a name, an id and classes, matched as
// cascadia matches it and several times as fast: it looks at each attribute once.
type plainSelector struct {
	tag, id string
	classes []string
}

var plainForm = regexp.MustCompile(`^(?:[a-zA-Z][a-zA-Z0-9-]*)?(?:[.#][a-zA-Z_][a-zA-Z0-9_-]*)*$`)

// plainOf is nil where the selector says more than names, and of two ids.
func plainOf(text string) *plainSelector {
	if text == "" || !plainForm.MatchString(text) {
		return nil
	}
	p := &plainSelector{}
	for rest := text; rest != ""; {
		sign := rest[0]
		if sign == '.' || sign == '#' {
			rest = rest[1:]
		}
		end := strings.IndexAny(rest, ".#")
		if end < 0 {
			end = len(rest)
		}
		switch word := rest[:end]; sign {
		case '.':
			p.classes = append(p.classes, word)
		case '#':
			if p.id != "" {
				return nil
			}
			p.id = word
		default:
			p.tag = strings.ToLower(word)
		}
		rest = rest[end:]
	}
	return p
}

func (p *plainSelector) match(n *html.Node) bool {
	if n.Type != html.ElementNode || p.tag != "" && n.Data != p.tag {
		return false
	}
	if p.id != "" && !hasAttribute(n, "id", func(v string) bool { return v == p.id }) {
		return false
	}
	for _, c := range p.classes {
		if !hasAttribute(n, "class", func(v string) bool { return hasWord(v, c) }) {
			return false
		}
	}
	return true
}

func hasAttribute(n *html.Node, name string, fits func(string) bool) bool {
	for i := range n.Attr {
		if a := &n.Attr[i]; a.Key == name && fits(a.Val) {
			return true
		}
	}
	return false
}

// hasWord says whether a list of words, as HTML parts them, has one.
func hasWord(list, word string) bool {
	for from := 0; ; {
		i := strings.Index(list[from:], word)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(word)
		if (i == 0 || blank(list[i-1])) && (end == len(list) || blank(list[end])) {
			return true
		}
		from = i + 1
	}
}

// weight is what a heavy pseudo-class looks at: the element's siblings and its
// descendants, counted up to a bound that makes a dear page dear.
func weight(n *html.Node) int {
	const most = 20_000
	w := 0
	if n.Parent != nil {
		for s := n.Parent.FirstChild; s != nil && w < most; s = s.NextSibling {
			w++
		}
	}
	for c := next(n, n); c != nil && w < most; c = next(c, n) {
		w++
	}
	return w
}

// match says whether the chain's link i matches n, and those before it what they
// must.
func (c chain) match(i int, n, base *html.Node, m *meter) bool {
	if !c[i].matches(n, base, m) {
		return false
	}
	switch c[i].comb {
	case 0:
		return i == 0
	case '>':
		if i == 0 {
			return n.Parent == base
		}
		return n.Parent != nil && n.Parent.Type == html.ElementNode && c.match(i-1, n.Parent, base, m)
	case ' ':
		for p := n.Parent; p != nil; p = p.Parent {
			if p.Type == html.ElementNode && c.match(i-1, p, base, m) {
				return true
			}
		}
	case '+', '~':
		for s := n.PrevSibling; s != nil; s = s.PrevSibling {
			if s.Type != html.ElementNode {
				continue
			}
			if i > 0 && c.match(i-1, s, base, m) {
				return true
			}
			if c[i].comb == '+' {
				return false
			}
		}
	}
	return false
}

// next is the node after n in the page's order, within root.
func next(n, root *html.Node) *html.Node {
	if n.FirstChild != nil {
		return n.FirstChild
	}
	return after(n, root)
}

// after is the node after n and all that it holds.
func after(n, root *html.Node) *html.Node {
	for n != root && n != nil {
		if n.NextSibling != nil {
			return n.NextSibling
		}
		n = n.Parent
	}
	return nil
}
