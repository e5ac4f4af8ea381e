package portal

import (
	"encoding/base64"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// transforms turn what a pick found into a field's value, in this order: decode,
// replace, trim, match, map, reject. A step that leaves nothing sends the field
// to its next candidate.
type transforms struct {
	decode  []decodeStep
	replace []replacement
	trim    []*regexp.Regexp
	match   []*regexp.Regexp
	words   map[string]string
	reject  []*regexp.Regexp
}

type decodeStep struct {
	how  string // base64, html, url, json
	path *path  // of json
}

type replacement struct {
	find *regexp.Regexp
	with string
}

// apply returns the value, and false where nothing is left of it. most bounds its
// runes; a value that is decoded is squeezed only after.
func (t *transforms) apply(e *reader, s string, most int) (string, bool) {
	for _, step := range t.decode {
		switch step.how {
		case "html":
			s = html.UnescapeString(s)
		case "url":
			s = unescapeURL(s)
		case "base64":
			b, ok := unbase64(s)
			if !ok {
				return "", false
			}
			s = b
		case "json":
			v, err := parseJSON(strings.TrimSpace(s), &e.values)
			if err != nil {
				return "", false
			}
			if step.path != nil {
				v = step.path.first(&jsonDoc{root: v}, v)
			}
			var ok bool
			if s, ok = v.scalar(); !ok {
				return "", false
			}
		}
	}
	s = plain(s, most)
	for _, r := range t.replace {
		s = r.find.ReplaceAllString(s, r.with)
		if len(s) > maxText {
			return "", false
		}
	}
	for _, r := range t.trim {
		s = r.ReplaceAllString(s, "")
	}
	if len(t.replace)+len(t.trim) > 0 {
		s = squeeze(s)
	}
	if len(t.match) > 0 {
		found := false
		for _, r := range t.match {
			if m := r.FindStringSubmatch(s); m != nil {
				s, found = squeeze(captured(r, m)), true
				break
			}
		}
		if !found {
			return "", false
		}
	}
	if t.words != nil {
		if w, ok := t.words[s]; ok {
			s = w
		} else if w, ok := t.words["*"]; ok {
			s = w
		}
	}
	if s == "" || slices.ContainsFunc(t.reject, func(r *regexp.Regexp) bool { return r.MatchString(s) }) {
		return "", false
	}
	return s, true
}

// captured is the group named value, else the first group that took part, else
// the whole match.
func captured(r *regexp.Regexp, m []string) string {
	if i := r.SubexpIndex("value"); i > 0 {
		return m[i]
	}
	for i := 1; i < len(m); i++ {
		if m[i] != "" {
			return m[i]
		}
	}
	if len(m) > 1 {
		return ""
	}
	return m[0]
}

func unescapeURL(s string) string {
	if u, err := url.QueryUnescape(strings.ReplaceAll(s, "+", "%2B")); err == nil {
		return u
	}
	return s
}

func unbase64(s string) (string, bool) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(s); err == nil {
			return strings.ToValidUTF8(string(b), "\uFFFD"), true
		}
	}
	return "", false
}
