package portal

import (
	"regexp"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// condition is a compiled condition: all that it names must hold.
type condition struct {
	there, absent *pick
	text          *regexp.Regexp
	title, url    *regexp.Regexp
	status        int
	moved, empty  bool
	calc          *calculation
	source        string
}

// signs are conditions by outcome; of each list one suffices.
type signs []sign

type sign struct {
	outcome cashback.Outcome
	when    *condition
}

func (c *compiler) signs(at string, s *outcomesShape, inJSON bool) (out signs) {
	if s == nil {
		return nil
	}
	// In the order in which they are asked: a wall is a wall whatever else it says.
	for _, k := range []struct {
		name    string
		outcome cashback.Outcome
		list    []conditionShape
	}{
		{"blocked", cashback.PageBlocked, s.Blocked},
		{"not_found", cashback.PageNotFound, s.NotFound},
		{"not_understood", cashback.PageNotUnderstood, s.NotUnderstood},
		{"past_end", cashback.PagePastEnd, s.PastEnd},
		{"no_rates", cashback.PageNoRates, s.NoRates},
		{"no_cashback", cashback.PageNoCashback, s.NoCashback},
	} {
		for i := range k.list {
			if w := c.condition(elementAt(c, at+"."+k.name, i), &k.list[i], inJSON); w != nil {
				out = append(out, sign{k.outcome, w})
			}
		}
	}
	return out
}

// condition compiles a condition; nil stays nil.
func (c *compiler) condition(at string, s *conditionShape, inJSON bool) *condition {
	if s == nil {
		return nil
	}
	k := &condition{
		text: c.regexp(at+".text", s.Text), title: c.regexp(at+".title", s.Title), url: c.regexp(at+".url", s.URL),
		status: s.Status, moved: s.Moved, empty: s.Empty,
	}
	one := func(name, text string) *pick {
		if text == "" {
			return nil
		}
		path := at + "." + name
		if !c.Has(path) {
			path = at
		}
		if ps := c.picks(path, pickList{text}, inJSON); len(ps) == 1 {
			return ps[0]
		}
		return nil
	}
	if s.Expr != "" {
		calc, err := parseCalculation(s.Expr, inJSON)
		if err != nil {
			c.fault(at+".expr", "the expression can't be compiled: %s", firstLine(err))
		}
		k.calc = calc
	}
	k.there, k.absent = one("there", s.There), one("absent", s.Absent)
	switch {
	case *s == conditionShape{}:
		c.fault(at, "the condition says nothing")
	case s.Status != 0 && (s.Status < 100 || s.Status > 599):
		c.fault(at+".status", "%d is not an HTTP status", s.Status)
	}
	k.source = s.words()
	return k
}

// words are the condition as a person would say it.
func (s *conditionShape) words() string {
	switch {
	case s.Empty:
		return "no entries"
	case s.Absent != "":
		return s.Absent + " is absent"
	case s.There != "" && s.Text != "":
		return s.There + " says " + s.Text
	case s.There != "":
		return s.There + " is there"
	case s.Title != "":
		return "the title matches " + s.Title
	case s.URL != "":
		return "the address matches " + s.URL
	case s.Text != "":
		return "the page says " + s.Text
	case s.Status != 0:
		return "the status is " + itoa(s.Status)
	case s.Expr != "":
		return s.Expr + " holds"
	}
	return "the request was redirected"
}

// waits says whether the condition can only be judged once the entries are read:
// it is about their number, or about JSON that is found with them.
func (k *condition) waits(r *rule) bool {
	paths := k.there != nil && k.there.kind == pickPath || k.absent != nil && k.absent.kind == pickPath
	return k.empty || k.calc != nil || paths && !(len(r.lists) > 0 && r.lists[0].json != nil && r.lists[0].json.plain())
}

// holds evaluates the condition from a scope; items is the page's count of
// entries, -1 before they are read, when no condition on emptiness holds.
func (k *condition) holds(s *scope, items int) bool {
	if k == nil {
		return true
	}
	e := s.e
	switch {
	case k.empty && items != 0,
		k.status != 0 && e.status() != k.status,
		k.moved && !e.moved(),
		k.title != nil && !k.title.MatchString(e.title()),
		k.url != nil && !k.url.MatchString(e.page.URL):
		return false
	}
	if s.node == nil && (k.there.inElement() || k.absent.inElement()) {
		// A selector on a page that isn't HTML.
		if s = (&scope{e: e, node: e.html()}); s.node == nil {
			return false
		}
	}
	if k.absent != nil && there(s, k.absent, nil) {
		return false
	}
	if k.calc != nil {
		if text, ok := k.calc.run(s, ""); !ok || !yes(text) {
			return false
		}
	}
	if k.there != nil {
		return there(s, k.there, k.text)
	}
	return k.text == nil || k.text.MatchString(e.wholeText())
}

// there says whether a pick finds something: an element, even an empty one; an
// attribute with something in it; a JSON value that counts as a yes. With a
// text, one that it matches.
func there(s *scope, p *pick, text *regexp.Regexp) (ok bool) {
	p.walk(s, func(f found) bool {
		switch {
		case text != nil:
			ok = text.MatchString(plain(f.text, maxText))
		case f.val != nil:
			ok = f.val.truthy()
		case p.attr != "" || p.kind > pickPath:
			ok = f.text != ""
		default:
			ok = true
		}
		return !ok
	})
	return ok
}
