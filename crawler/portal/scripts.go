package portal

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Scripts are often most of a page, and golang.org/x/net/html reads them byte by
// byte, slower than all else. So the parser is given a mark in the place of each
// long script, and the script's own text is put back into the tree. Where the
// parser saw the page otherwise than the estimate did, it gets the whole page.

// span is a script's text within its page.
type span struct{ start, end int }

const (
	// longScript is from where on a script is worth the mark.
	longScript = 512
	// mark begins what stands for a script: a character for private use, which no
	// script shortened here may hold.
	mark = "\uE0CA"
)

// note keeps a script's place, if what ends it is simple: neither the comments that
// let a script hold its own end tag, nor bytes that the tokenizer changes.
func (e *estimator) note(start, end int) {
	if end-start < longScript {
		return
	}
	if text := e.s[start:end]; !strings.Contains(text, "<!--") && strings.IndexByte(text, '\r') < 0 && strings.IndexByte(text, 0) < 0 {
		e.scripts = append(e.scripts, span{start, end})
	}
}

// shorten writes the page with marks for its long scripts.
func shorten(text string, scripts []span) string {
	var b strings.Builder
	b.Grow(len(text) - scripts[0].end + scripts[0].start + 16*len(scripts))
	at := 0
	for i, s := range scripts {
		b.WriteString(text[at:s.start])
		b.WriteString(mark)
		b.WriteString(strconv.Itoa(i))
		at = s.end
	}
	b.WriteString(text[at:])
	return b.String()
}

// restore puts the scripts' texts in the places of their marks, and reports whether
// it found each.
func restore(root *html.Node, text string, scripts []span) bool {
	found := 0
	for n := range root.Descendants() {
		if n.DataAtom != atom.Script || n.Type != html.ElementNode || n.FirstChild == nil {
			continue
		}
		number, ok := strings.CutPrefix(n.FirstChild.Data, mark)
		if !ok {
			continue
		}
		i, err := strconv.Atoi(number)
		if err != nil || i != found || n.FirstChild.NextSibling != nil {
			return false
		}
		n.FirstChild.Data = text[scripts[i].start:scripts[i].end]
		found++
	}
	return found == len(scripts)
}

// parsePage parses a page whose cost was estimated.
func parsePage(text string, scripts []span) (*html.Node, error) {
	parse := func(s string) (*html.Node, error) {
		return html.ParseWithOptions(strings.NewReader(s), html.ParseOptionEnableScripting(false))
	}
	if len(scripts) > 0 && !strings.Contains(text, mark) {
		if root, err := parse(shorten(text, scripts)); err == nil && restore(root, text, scripts) {
			return root, nil
		}
	}
	return parse(text)
}
