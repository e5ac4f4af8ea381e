package reward

import "strings"

// markup follows the tags of a text.
type markup struct {
	// noMore is set once a "<" has no ">" behind it: then no later one has.
	noMore bool
	// struck is the tag whose content is struck through, with how many of its name
	// are open inside.
	struck string
	depth  int
}

// tag reads a tag, a comment or a template at raw[i] and returns its length; 0 when
// the "<" is a sign of the text ("< 5.5% Cashback").
func (m *markup) tag(p *plain, raw string, i int, l *Lexicon) int {
	s := raw[i:]
	if len(s) < 2 || m.noMore {
		return 0
	}
	switch c := s[1]; {
	case strings.HasPrefix(s, "<!--"):
		return until(s, "-->")
	case c == '?' || c == '%':
		p.put(bHole, i)
		return until(s, string(c)+">")
	case !isAlnum(c) && c != '/' && c != '!' || isDigit(c):
		return 0
	}
	end := strings.IndexByte(s, '>')
	if end < 0 {
		m.noMore = true
		return 0
	}
	inside := s[1:end]
	closing := inside[0] == '/'
	if closing {
		inside = inside[1:]
	}
	var buf [12]byte
	n := 0
	for n < len(inside) && n < len(buf) && isAlnum(inside[n]) {
		buf[n] = inside[n] | ' '
		if isDigit(inside[n]) {
			buf[n] = inside[n]
		}
		n++
	}
	kind := l.tags[string(buf[:n])]
	switch {
	case kind == tagHidden && !closing:
		p.put(bTag, i)
		return until(s, "</"+inside[:n])
	case kind == tagRaised && !closing && p.afterUnit():
		// the mark of a footnote: "5 %<sup>1</sup>"
		rest := s[end+1:]
		if close := strings.IndexByte(rest[:min(len(rest), 8)], '<'); close > 0 && strings.Trim(rest[:close], "0123456789*, ") == "" {
			return end + 1 + close
		}
	}
	if m.struck != "" {
		if inside[:n] == m.struck {
			if !closing {
				m.depth++
			} else if m.depth--; m.depth == 0 {
				m.struck = ""
				p.put(bUnstruck, i)
			}
		}
	} else if !closing && !strings.HasSuffix(inside, "/") && (kind == tagStruck || l.struckBy(inside[n:])) {
		m.struck, m.depth = inside[:n], 1
		p.put(bStruck, i)
	}
	switch kind {
	case tagBreak:
		p.put('\n', i)
	case tagCell:
		if !closing && len(p.text) > 0 && strings.IndexByte("\n|\x01 ", p.text[len(p.text)-1]) < 0 {
			p.put('|', i)
		} else {
			p.put(bTag, i)
		}
	default:
		p.put(bTag, i)
	}
	return end + 1
}

// until measures s up to and with the first end in it, all of s without one.
func until(s, end string) int {
	if n := strings.Index(s, end); n >= 0 {
		return n + len(end)
	}
	return len(s)
}

// afterUnit reports whether the text written so far ends with a rate, so that a
// raised number behind it is a footnote's.
func (p *plain) afterUnit() bool {
	for k := len(p.text) - 1; k >= 0 && len(p.text)-k < 4; k-- {
		switch c := p.text[k]; {
		case c == bTag || c == ' ' || c == bHardGap:
		default:
			return !isDigit(c)
		}
	}
	return false
}
