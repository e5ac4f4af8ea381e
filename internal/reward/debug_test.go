package reward

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestDebug(t *testing.T) {
	for _, line := range strings.Split(os.Getenv("RT"), "@@") {
		if line == "" {
			continue
		}
		loc, text, _ := strings.Cut(line, "|")
		l := shipped()
		p := parser{raw: text, lex: l, c: Context{Locale: loc}, none: token{kind: tBreak}}
		p.lang, p.region = l.locale(loc)
		p.plain.normalise(text, l)
		p.tokens()
		p.neutralise()
		for _, k := range p.toks {
			var ms []string
			for n, m := range sections {
				if k.means&m != 0 {
					ms = append(ms, n)
				}
			}
			fmt.Printf("  %d %q %v sp=%v in=%d\n", k.kind, p.plain.text[k.start:k.end], ms, k.spaced, k.inside)
		}
		p.quantities()
		if len(p.qs) > 0 {
			p.divide()
			for k := range p.qs {
				p.describe(&p.qs[k])
			}
			p.assign()
		}
		for _, q := range p.qs {
			fmt.Printf("  Q %v-%v unit=%d [%d..%d) pre=%d suf=%d noun=%d link=%d role=%d inside=%d per=%v\n", q.lo.decimal(), q.hi.decimal(), q.unit, q.first, q.last, q.preStart, q.sufEnd, q.noun, q.link, q.role, q.inside, q.per)
		}
		fmt.Printf("%+v\n", Summarise(p.read()))
	}
}
