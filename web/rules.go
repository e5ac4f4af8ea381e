package web

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
	"github.com/cagnotte/cagnotte/web/pages"
)

// ruleRoutes are the rules by which a person's imports are read: seen, written, shared
// and dropped.
func (s *Server) ruleRoutes() []Route {
	get, post := http.MethodGet, http.MethodPost
	return []Route{
		{get, "/{lang:fr|en}/money/rules", Shopper, NoStore, maxBody, ratePages, s.rulesPage},
		{post, "/{lang:fr|en}/money/rules", Shopper, NoStore, maxRuleForm, rateForms, s.takeRule},
		{get, "/{lang:fr|en}/money/rules/{id}", Shopper, NoStore, maxBody, ratePages, s.rulePage},
		{post, "/{lang:fr|en}/money/rules/{id}", Shopper, NoStore, maxRuleForm, rateForms, s.saveRule},
		{get, "/{lang:fr|en}/money/rules/{id}/file", Shopper, NoStore, maxBody, ratePages, s.ruleFile},
		{post, "/{lang:fr|en}/money/rules/{id}/delete", Shopper, NoStore, maxForm, rateForms, s.dropRule},
	}
}

// maxRuleForm is a document of the largest size, as a form encodes it.
const maxRuleForm = 4 * earnings.MaxDocument

type rulePath struct {
	ID string `path:"id"`
}

// ownRules are the documents in which a person's own rules are kept.
func (s *Server) ownRules(v *visit) ([]earnings.Document, error) {
	return s.ledgers.Documents(v.ctx, v.user.ID, statement.DocumentKind)
}

func (s *Server) rulesPage(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return s.showRules(v, pages.Form{}, nil)
}

func (s *Server) showRules(v *visit, form pages.Form, faults []string) (*reply, error) {
	v.page = "money/rules"
	own, err := s.ownRules(v)
	if err != nil {
		return nil, err
	}
	x := &pages.RulesView{Form: form, Faults: faults, Now: v.now}
	line := func(r *statement.Rule) pages.RuleLine {
		return pages.RuleLine{ID: r.ID, Name: r.Name, Portals: strings.Join(r.Portals, ", "), Language: r.Language}
	}
	replaced := map[string]bool{}
	for _, d := range own {
		l := pages.RuleLine{ID: d.Name, Own: true, Changed: d.Changed, Broken: true}
		if r, err := statement.LoadRule(d.Name, d.Body); err == nil {
			replaced[r.ID] = true
			l = line(r)
			l.ID, l.Own, l.Changed = d.Name, true, d.Changed
		}
		x.Own = append(x.Own, l)
	}
	for _, r := range s.rules {
		l := line(r)
		l.Replaced = replaced[r.ID]
		x.Shipped = append(x.Shipped, l)
	}
	rep, err := html(v.ctx, pages.Rules(s.chrome(v, "money"), x))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

// rule is a rule's text: the person's own, or else the shipped one of that id.
func (s *Server) rule(v *visit, id string) (text []byte, own bool, err error) {
	d, err := s.ledgers.Document(v.ctx, v.user.ID, statement.DocumentKind, id)
	if err == nil {
		return d.Body, true, nil
	}
	if cashback.KindOf(err) != cashback.NotFound {
		return nil, false, err
	}
	i := slices.IndexFunc(s.rules, func(r *statement.Rule) bool { return r.ID == id })
	if i < 0 {
		return nil, false, errNotFound
	}
	text, err = s.rules[i].YAML()
	return text, false, err
}

func (s *Server) rulePage(v *visit) (*reply, error) {
	q, err := decode[rulePath](v)
	if err != nil {
		return nil, err
	}
	return s.showRule(v, q.ID, pages.Form{}, nil)
}

func (s *Server) showRule(v *visit, id string, form pages.Form, faults []string) (*reply, error) {
	text, own, err := s.rule(v, id)
	if err != nil {
		return nil, err
	}
	v.page = "money/rules/" + url.PathEscape(id)
	shipped := slices.ContainsFunc(s.rules, func(r *statement.Rule) bool { return r.ID == id })
	rep, err := html(v.ctx, pages.Rule(s.chrome(v, "money"), &pages.RuleView{
		ID: id, Text: form.Value("text", string(text)), Own: own, Shipped: shipped, Form: form, Faults: faults, Now: v.now,
	}))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

type ruleForm struct {
	Text string `form:"text" lines:"true" most:"65536"`
	File upload `form:"file"`
}

// readRule reads a rule that somebody has written or been given, with what is wrong with
// it: line and column of each fault, and what its examples are read as.
func readRule(text []byte) (r *statement.Rule, faults []string) {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	r, err := statement.LoadRule("", text)
	if err != nil {
		return nil, strings.Split(err.Error(), "\n")
	}
	for _, f := range r.Check() {
		faults = append(faults, f.Error())
	}
	return r, faults
}

// takeRule keeps a rule that is pasted or comes as a file.
func (s *Server) takeRule(v *visit) (*reply, error) {
	f, form, err := decodeForm[ruleForm](v)
	if err != nil {
		return nil, err
	}
	text := f.File.Body
	if len(text) == 0 {
		text = []byte(f.Text)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		form.Refuse("text", v.locale.T("rules.nothing"))
	}
	if !form.OK() {
		return s.showRules(v, form, nil)
	}
	return s.keepRule(v, text, form, func(form pages.Form, faults []string) (*reply, error) { return s.showRules(v, form, faults) })
}

type saveRuleForm struct {
	rulePath
	Text string `form:"text" lines:"true" most:"65536" required:"true"`
}

// saveRule keeps a rule as it was edited. Under another id it is another rule.
func (s *Server) saveRule(v *visit) (*reply, error) {
	f, form, err := decodeForm[saveRuleForm](v)
	if err != nil {
		return nil, err
	}
	again := func(form pages.Form, faults []string) (*reply, error) { return s.showRule(v, f.ID, form, faults) }
	if !form.OK() {
		return again(form, nil)
	}
	return s.keepRule(v, []byte(f.Text), form, again)
}

func (s *Server) keepRule(v *visit, text []byte, form pages.Form, again func(pages.Form, []string) (*reply, error)) (*reply, error) {
	r, faults := readRule(text)
	if len(faults) > 0 {
		form.Refuse("text", v.locale.T("rules.wrong"))
		return again(form, faults[:min(len(faults), maxRuleFaults)])
	}
	err := s.ledgers.SaveDocument(v.ctx, v.user.ID, earnings.Document{Kind: statement.DocumentKind, Name: r.ID, Body: bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))})
	if err != nil && cashback.KindOf(err) == cashback.Invalid {
		form.Refuse("text", v.locale.T("rules.too_many"))
		return again(form, nil)
	}
	if err != nil {
		return nil, err
	}
	return s.done(v, ours(v, "money/rules/"+url.PathEscape(r.ID)), "rule_kept"), nil
}

// maxRuleFaults is how many faults are shown at once.
const maxRuleFaults = 20

// ruleFile hands a rule out, to be shared.
func (s *Server) ruleFile(v *visit) (*reply, error) {
	q, err := decode[rulePath](v)
	if err != nil {
		return nil, err
	}
	text, _, err := s.rule(v, q.ID)
	if err != nil {
		return nil, err
	}
	return attached("cagnotte-rule-"+fileName(q.ID)+".yaml", "application/yaml", text), nil
}

// fileName keeps of a name what is safe in a header and on every disk.
func fileName(s string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(s)), "own")
}

func (s *Server) dropRule(v *visit) (*reply, error) {
	f, _, err := decodeForm[rulePath](v)
	if err != nil {
		return nil, err
	}
	if err := s.ledgers.DropDocument(v.ctx, v.user.ID, statement.DocumentKind, f.ID); err != nil {
		return nil, err
	}
	return s.done(v, ours(v, "money/rules"), "rule_gone"), nil
}
