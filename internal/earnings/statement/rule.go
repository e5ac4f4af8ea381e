package statement

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/strictyaml"
)

// Field is what a column, or a named group of a pattern, holds.
type Field string

const (
	FieldDate   Field = "date"
	FieldShop   Field = "shop"
	FieldAmount Field = "amount" // the cashback
	FieldState  Field = "state"
	FieldBasket Field = "basket" // what was paid at the shop
	FieldID     Field = "id"     // the portal's own id of the line
	FieldOrder  Field = "order"  // the shop's order number
	FieldKind   Field = "kind"   // purchase, referral, sign-up bonus
	// FieldCurrency is what the amounts of the row are in, where they don't say it.
	FieldCurrency Field = "currency"
)

// Fields in the order in which forms show them.
var Fields = []Field{FieldDate, FieldShop, FieldAmount, FieldState, FieldBasket, FieldID, FieldOrder, FieldKind, FieldCurrency}

// States that a rule may map words to.
var States = []earnings.State{
	earnings.StateExpected, earnings.StateTracked, earnings.StateConfirmed, earnings.StatePayable, earnings.StateRequested,
	earnings.StatePaid, earnings.StateDeclined, earnings.StateReversed,
}

// Rule says how the lines of a portal's pages and mails are read. It is plain data that
// people write, share and mend (docs/imports.md); LoadRule checks it.
type Rule struct {
	// ID names the rule: small letters, digits, hyphens.
	ID string `yaml:"rule"`
	// Name is for people.
	Name string `yaml:"name"`
	// Portals whose words these are, each an id or a beginning with "*"; none: any.
	Portals Texts `yaml:"portals,omitempty"`
	// Language of the months and of what is read, as in "en".
	Language string `yaml:"language"`
	// Currency of amounts that don't state their own.
	Currency string `yaml:"currency,omitempty"`
	// Decimal is the mark of decimals, "." or ","; empty where both occur.
	Decimal string `yaml:"decimal,omitempty"`
	// Dates is the order of a date's numbers: dmy, mdy or ymd. ISO dates and dates
	// with the month's name are read in any order.
	Dates string `yaml:"dates,omitempty"`
	// Points are the portal's words for its points; the first one names their unit.
	Points Texts `yaml:"points,omitempty"`
	// Fits are words of the page or mail that speak for this rule.
	Fits Texts `yaml:"fits,omitempty"`
	// Rows and Cells name the elements of a page without tables, as in "div.row".
	Rows  string `yaml:"rows,omitempty"`
	Cells string `yaml:"cells,omitempty"`
	// Columns say which column holds a field.
	Columns map[string]Column `yaml:"columns,omitempty"`
	// State of every line of a table that has no column for it.
	State string `yaml:"state,omitempty"`
	// Texts are patterns for mails and lists without columns.
	Texts []Pattern `yaml:"texts,omitempty"`
	// Skip are words of rows that are no lines: totals, headings.
	Skip Texts `yaml:"skip,omitempty"`
	// States map each state to the portal's words for it.
	States map[string]Texts `yaml:"states,omitempty"`
	// Uplift are words after which the amount is still to rise.
	Uplift Texts `yaml:"uplift,omitempty"`
	// Kinds map sign_up, referral and other to words of the kind's column, or of the
	// shop's name.
	Kinds map[string]Texts `yaml:"kinds,omitempty"`
	// Examples show what the rule reads; a check runs them.
	Examples []Example `yaml:"examples,omitempty"`

	version  string
	compiled compiled
}

// Column says where a field stands: under one of the headings, at a place counted from
// 1, or in a cell with a class; Pick cuts the value out of the cell's text.
type Column struct {
	Header Texts  `yaml:"header,omitempty"`
	At     int    `yaml:"at,omitempty"`
	Class  string `yaml:"class,omitempty"`
	// Pick is a regular expression; its first group, or else the whole, is the value.
	Pick string `yaml:"pick,omitempty"`
}

// Pattern finds lines in running text: a regular expression whose groups are named
// after fields. What has no group is as stated here.
type Pattern struct {
	// From is what the mail's sender contains; empty for any text.
	From string `yaml:"from,omitempty"`
	// Subject is what the mail's subject contains.
	Subject string `yaml:"subject,omitempty"`
	Pattern string `yaml:"pattern"`
	State   string `yaml:"state,omitempty"`
	// Kind is sign_up, referral, other or purchase.
	Kind string `yaml:"kind,omitempty"`
}

// Example is a piece of a page or a mail with the lines that are read from it, each
// "date | shop | amount | state", as Line prints.
type Example struct {
	// Name of the file: its ending says what it is.
	Name  string `yaml:"name,omitempty"`
	Text  string `yaml:"text"`
	Lines Texts  `yaml:"lines"`
	// Refused are the rows that are refused, by the key of the reason.
	Refused Texts `yaml:"refused,omitempty"`
}

// Texts is a text, or a list of texts.
type Texts []string

// FromYAML takes a lone text for a list of one.
func (t *Texts) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	*t = strictyaml.TextList(d, path, n)
}

// FromYAML takes a text, or a list, for the headings.
func (c *Column) FromYAML(d *strictyaml.Decoder, path string, n ast.Node) {
	if _, mapping := n.(*ast.MappingNode); mapping {
		type plain Column
		d.DecodePlain(path, n, reflectOf((*plain)(c)), 1)
		return
	}
	c.Header = strictyaml.TextList(d, path, n)
}

// compiled is what a rule's texts stand for.
type compiled struct {
	columns   []column
	rows      *compound
	cells     *compound
	patterns  []*regexp.Regexp
	skip      words
	states    []stateWords
	uplift    words
	kinds     map[earnings.RewardFor]words
	currency  cashback.Currency
	headers   map[Field][]string // folded
	language  *language
	portals   words
	fits      []string // folded
	hasHeader bool
}

type column struct {
	field Field
	Column
	pick *regexp.Regexp
}

type stateWords struct {
	state earnings.State
	words words
}

var (
	ruleID   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,60}$`)
	portalID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,60}\*?$`)
)

// Bounds of a rule: a pattern's cost per byte grows with its length.
const (
	maxPatterns = 20
	maxPattern  = 600
)

// LoadRule reads a rule; name stands in the errors, which tell every fault with line
// and column.
func LoadRule(name string, b []byte) (*Rule, error) {
	d := strictyaml.New(name, "rule")
	r := &Rule{}
	if err := d.Parse(b, r); err != nil {
		return nil, err
	}
	if !d.Failed() {
		r.compile(d)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	r.version = hex.EncodeToString(sum[:6])
	return r, nil
}

// Version changes with the rule's file.
func (r *Rule) Version() string { return r.version }

// YAML is the rule as a file, for saving and sharing; LoadRule reads it back.
func (r *Rule) YAML() ([]byte, error) {
	return yaml.MarshalWithOptions(r, yaml.Indent(2), yaml.UseLiteralStyleIfMultiline(true))
}

// For says whether the rule holds the words of a portal; a rule without portals holds
// those of any.
func (r *Rule) For(portal string) bool {
	return len(r.Portals) == 0 || r.compiled.portals.match(fold(portal)) > 0
}

func (r *Rule) compile(d *strictyaml.Decoder) {
	c := &r.compiled
	*c = compiled{headers: map[Field][]string{}, kinds: map[earnings.RewardFor]words{}}
	if !ruleID.MatchString(r.ID) {
		d.Fault("rule", "%q is not a rule's name: small letters, digits and hyphens", short(r.ID, 40))
	}
	for i, p := range r.Portals {
		if !portalID.MatchString(p) {
			d.Fault(index("portals", i), "%q is not a portal's name, or the beginning of one with a star", short(p, 40))
		}
	}
	c.portals = words(r.Portals)
	var ok bool
	if c.language, ok = languageOf(r.Language); !ok {
		d.Fault("language", "%q is not a language that dates are read in: there are %s", short(r.Language, 20), strings.Join(languages(), ", "))
	}
	if r.Currency != "" {
		var err error
		if c.currency, err = cashback.ParseCurrency(r.Currency); err != nil {
			d.Fault("currency", "%v", err)
		}
	}
	if !slices.Contains([]string{"", ".", ","}, r.Decimal) {
		d.Fault("decimal", "%q is not a mark of decimals: use \".\" or \",\"", short(r.Decimal, 20))
	}
	if !slices.Contains([]string{"", "dmy", "mdy", "ymd"}, r.Dates) {
		d.Fault("dates", "%q is not an order of day, month and year: use dmy, mdy or ymd", short(r.Dates, 20))
	}
	r.compileColumns(d)
	r.compileTexts(d)
	if len(r.Columns) == 0 && len(r.Texts) == 0 {
		d.Fault("rule", "a rule needs columns or texts")
	}
	r.compileWords(d)
	c.skip, c.uplift = words(r.Skip), words(r.Uplift)
	for _, f := range r.Fits {
		c.fits = append(c.fits, fold(f))
	}
}

func (r *Rule) compileColumns(d *strictyaml.Decoder) {
	c := &r.compiled
	if (r.Rows == "") != (r.Cells == "") {
		d.Fault("rows", "rows and cells go together")
	}
	for path, s := range map[string]string{"rows": r.Rows, "cells": r.Cells} {
		if s == "" {
			continue
		}
		e, ok := parseCompound(s)
		if !ok {
			d.Fault(path, "%q is not an element: use a name and classes, such as div.row", short(s, 60))
		}
		if path == "rows" {
			c.rows = e
		} else {
			c.cells = e
		}
	}
	for name, col := range r.Columns {
		path := "columns." + name
		if !slices.Contains(Fields, Field(name)) {
			d.Fault(path, "%q is not a field: there are %s", short(name, 40), fieldNames())
			continue
		}
		ways := 0
		for _, has := range []bool{len(col.Header) > 0, col.At != 0, col.Class != ""} {
			if has {
				ways++
			}
		}
		if ways != 1 || col.At < 0 || col.At > DefaultLimits().Columns {
			d.Fault(path, "a column has headings, or a place from 1 on, or a class")
		}
		k := column{field: Field(name), Column: col}
		if col.Pick != "" {
			k.pick = compilePattern(d, path+".pick", col.Pick)
		}
		for _, h := range col.Header {
			c.headers[k.field] = append(c.headers[k.field], fold(h))
			c.hasHeader = true
		}
		c.columns = append(c.columns, k)
	}
	slices.SortFunc(c.columns, func(a, b column) int { return slices.Index(Fields, a.field) - slices.Index(Fields, b.field) })
	if len(r.Columns) == 0 {
		return
	}
	for _, f := range []Field{FieldShop, FieldAmount} {
		if _, ok := r.Columns[string(f)]; !ok {
			d.Fault("columns", "a column for the %s is missing", f)
		}
	}
	if _, ok := r.Columns["state"]; !ok && r.State == "" {
		d.Fault("columns", "a column for the state is missing, or a state for all lines")
	}
	if r.State != "" && !slices.Contains(States, earnings.State(r.State)) {
		d.Fault("state", "%q is not a state: there are %s", short(r.State, 40), stateNames())
	}
}

func (r *Rule) compileTexts(d *strictyaml.Decoder) {
	c := &r.compiled
	if len(r.Texts) > maxPatterns {
		d.Fault("texts", "more than %d patterns", maxPatterns)
		return
	}
	for i, t := range r.Texts {
		path := index("texts", i)
		re := compilePattern(d, path+".pattern", t.Pattern)
		c.patterns = append(c.patterns, re)
		if re == nil {
			continue
		}
		groups := re.SubexpNames()
		for _, g := range groups {
			if g != "" && !slices.Contains(Fields, Field(g)) {
				d.Fault(path+".pattern", "the group %q is not named after a field: there are %s", short(g, 40), fieldNames())
			}
		}
		if !slices.Contains(groups, "shop") {
			d.Fault(path+".pattern", "a group for the shop is missing, such as (?P<shop>.+)")
		}
		if t.State == "" && !slices.Contains(groups, "state") {
			d.Fault(path, "a state is missing, or a group for it")
		}
		if t.State != "" && !slices.Contains(States, earnings.State(t.State)) {
			d.Fault(path+".state", "%q is not a state: there are %s", short(t.State, 40), stateNames())
		}
		if t.Kind != "" && !slices.Contains(rewardKinds, earnings.RewardFor(t.Kind)) {
			d.Fault(path+".kind", "%q is not a kind: use purchase, sign_up, referral or other", short(t.Kind, 40))
		}
	}
}

var rewardKinds = []earnings.RewardFor{earnings.ForPurchase, earnings.ForSignUp, earnings.ForReferral, earnings.ForOther}

func (r *Rule) compileWords(d *strictyaml.Decoder) {
	c := &r.compiled
	seen := map[string]string{}
	for _, s := range States {
		ws, ok := r.States[string(s)]
		if !ok {
			continue
		}
		for i, w := range ws {
			key := fold(w)
			if other, twice := seen[key]; twice && other != string(s) {
				d.Fault(index("states."+string(s), i), "%q stands for %s already: a word means one state", short(w, 40), other)
			}
			seen[key] = string(s)
		}
		c.states = append(c.states, stateWords{s, words(ws)})
	}
	for name := range r.States {
		if !slices.Contains(States, earnings.State(name)) {
			d.Fault("states."+name, "%q is not a state: there are %s", short(name, 40), stateNames())
		}
	}
	for name, ws := range r.Kinds {
		if !slices.Contains(rewardKinds, earnings.RewardFor(name)) {
			d.Fault("kinds."+name, "%q is not a kind: use purchase, sign_up, referral or other", short(name, 40))
		}
		c.kinds[earnings.RewardFor(name)] = words(ws)
	}
}

func compilePattern(d *strictyaml.Decoder, path, s string) *regexp.Regexp {
	if len(s) > maxPattern {
		d.Fault(path, "a pattern with more than %d bytes", maxPattern)
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		d.Fault(path, "%v", err)
		return nil
	}
	return re
}

// about says whether a folded text holds a word of another state than this one: then it
// says more than how the word before it is meant.
func (c *compiled) about(folded string, but earnings.State) bool {
	for _, s := range c.states {
		if s.state == but {
			continue
		}
		for _, w := range s.words {
			if w = fold(strings.Trim(w, "*")); len(w) >= 4 && within(folded, w) {
				return true
			}
		}
	}
	return false
}

// within says that a text holds a word as a whole.
func within(text, word string) bool {
	letter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:from+i])
		after, _ := utf8.DecodeRuneInString(text[from+i+len(word):])
		if !letter(before) && !letter(after) {
			return true
		}
		from += i + len(word)
	}
}

// state finds the state that a word stands for; the longest word of the rule wins.
func (c *compiled) state(folded string) (earnings.State, bool) {
	best, most := earnings.StateNone, 0
	for _, s := range c.states {
		if n := s.words.match(folded); n > most {
			best, most = s.state, n
		}
	}
	return best, most > 0
}

func fieldNames() string {
	names := make([]string, len(Fields))
	for i, f := range Fields {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}

func stateNames() string {
	names := make([]string, len(States))
	for i, s := range States {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

//go:embed rules/*.yaml
var shipped embed.FS

// Shipped are the rules that come with the program, by their id.
func Shipped() ([]*Rule, error) {
	sub, err := fs.Sub(shipped, "rules")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(sub, "*.yaml")
	if err != nil {
		return nil, err
	}
	var out []*Rule
	for _, n := range names {
		b, err := fs.ReadFile(sub, n)
		if err != nil {
			return nil, err
		}
		r, err := LoadRule(n, b)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// Uplift answers earnings.Facts.Uplift from rules: whether by a portal's own word an
// amount is still to rise.
func Uplift(rules []*Rule) func(portal, wording string) bool {
	return func(portal, wording string) bool {
		folded := fold(wording)
		for _, r := range rules {
			if len(r.compiled.uplift) > 0 && r.For(portal) && r.compiled.uplift.match(folded) > 0 {
				return true
			}
		}
		return false
	}
}
