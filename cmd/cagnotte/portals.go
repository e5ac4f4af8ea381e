package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/cagnotte/cagnotte/crawler/definitions"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/reward"
	"github.com/cagnotte/cagnotte/internal/schedule"
)

type portalsCmd struct {
	Check       portalsCheckCmd       `cmd:"" help:"Validate portal definitions, with line and column of each fault."`
	Try         portalsTryCmd         `cmd:"" help:"Run a definition on one saved page and print what it finds."`
	Publication portalsPublicationCmd `cmd:"" help:"What may be shown of a portal: public, relation, private or off."`

	Withheld portalsWithheldCmd `cmd:"" help:"The offers that stay though runs no longer find them: too many would have gone at once."`
	Gone     portalsGoneCmd     `cmd:"" help:"Take them away: the portal really lists them no more."`
	Keep     portalsKeepCmd     `cmd:"" help:"Keep them until new runs lack them too."`

	Facts   portalsFactsCmd   `cmd:"" help:"What is known of a portal, each fact with where and when it was read."`
	Set     portalsSetCmd     `cmd:"" help:"State a fact of a portal in the place of its definition."`
	History portalsHistoryCmd `cmd:"" help:"How the facts of a portal changed, and who changed them."`
}

type portalsCheckCmd struct {
	Files []string `arg:"" name:"file" help:"Definition files."`
}

// Run loads each file and prints what it is, or all that is wrong with it. One
// bad file makes exit status 2.
func (c portalsCheckCmd) Run(w *world) error {
	bad := 0
	for _, name := range c.Files {
		d, err := loadDefinition(name)
		if err == nil {
			err = checkPlan(name, d)
		}
		if err != nil {
			bad++
			fmt.Fprintln(w.stderr, err)
			continue
		}
		remark(w, d)
		p := d.Portal()
		fmt.Fprintf(w.stdout, "%s: %s (%s), version %s: %d first requests, %d phrases to watch\n", name, p.Name, p.ID, d.Version(), len(d.Start()), len(d.Watches()))
	}
	if bad > 0 {
		return cashback.Errorf(cashback.Invalid, "%d of %d definitions are not valid", bad, len(c.Files))
	}
	return nil
}

// remark tells what isn't wrong but rarely meant.
func remark(w *world, d *portal.Definition) {
	for _, r := range d.Remarks() {
		fmt.Fprintln(w.stderr, "note:", r)
	}
}

func loadDefinition(name string) (*portal.Definition, error) {
	b, err := readInput(name, 1<<20)
	if err != nil {
		return nil, err
	}
	return portal.Load(name, b)
}

// checkPlan applies the scheduler's own rules, which portal doesn't know.
func checkPlan(name string, d *portal.Definition) error {
	p := d.Plan()
	if p == (portal.Plan{}) {
		return nil
	}
	err := schedule.Plan{Every: p.Every, Cron: p.Cron, Window: p.Window, Zone: p.Zone}.Validate()
	var e *cashback.Error
	if errors.As(err, &e) {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: name, Field: "schedule." + e.Place.Field}, "%s", e.Message)
	}
	return err
}

// readInput reads a file that the command line names.
func readInput(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, cashback.Errorf(cashback.Invalid, "%s can't be read: %w", name, reason(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, cashback.Errorf(cashback.Invalid, "%s can't be read: %w", name, reason(err))
	}
	if int64(len(b)) > most {
		return nil, cashback.Errorf(cashback.Invalid, "%s is larger than %d bytes", name, most)
	}
	return b, nil
}

type portalsTryCmd struct {
	File        string            `arg:"" optional:"" help:"The definition; without it the shipped one for the address's host."`
	URL         string            `name:"url" required:"" help:"The page's address."`
	Asked       string            `help:"The address that was asked for, where the site led from it to the page's."`
	Page        string            `required:"" help:"The saved page."`
	Rule        string            `help:"Read it by this page rule; by default the one that the address fits."`
	ContentType string            `help:"The page's content type; by default by its name."`
	Status      int               `default:"200" help:"The HTTP status that it came with."`
	Header      map[string]string `mapsep:"none" help:"Header fields that it came with: NAME=VALUE, once for each."`
	JSON        bool              `name:"json" help:"Print a JSON object a line: the entries, then a summary."`
}

// maxTryPage is more than any definition may allow.
const maxTryPage = 32 << 20

// tryItem is a line of `portals try --json`.
type tryItem struct {
	Merchant       string           `json:"merchant"`
	RateText       string           `json:"rate_text"`
	PreviousText   string           `json:"previous_text"`
	Link           string           `json:"link"`
	Logo           string           `json:"logo"`
	Tiers          []tryTier        `json:"tiers"`
	Reward         reward.Summary   `json:"reward"`
	Domain         string           `json:"domain,omitempty"`
	Category       string           `json:"category,omitempty"`
	Country        cashback.Country `json:"country,omitempty"`
	Conditions     string           `json:"conditions,omitempty"`
	ValidationDays int              `json:"validation_days,omitempty"`
	TrackingDays   int              `json:"tracking_days,omitempty"`
	Key            string           `json:"key"`
	List           string           `json:"list,omitempty"`
}

type tryTier struct {
	Label    string            `json:"label"`
	RateText string            `json:"rate_text"`
	Previous string            `json:"previous_text,omitempty"`
	Audience cashback.Audience `json:"audience,omitempty"`
	Category string            `json:"category,omitempty"`
	Channel  string            `json:"channel,omitempty"`
	Base     bool              `json:"base,omitempty"`
	Reward   reward.Summary    `json:"reward"`
}

// trySummary is the last line of `portals try --json`.
type trySummary struct {
	Outcome  cashback.Outcome `json:"outcome"`
	Items    int              `json:"items"`
	WithRate int              `json:"with_rate"`
	Reason   string           `json:"reason,omitempty"`
	Rule     string           `json:"rule,omitempty"`
	// Total is the portal's own count; End that the list's end is proven; Next the
	// requests that the page leads to, and the first of them.
	Total  int      `json:"total,omitempty"`
	End    bool     `json:"end"`
	Next   int      `json:"next"`
	First  []string `json:"first_next,omitempty"`
	Filled int      `json:"filled"`
	Issues []string `json:"issues,omitempty"`
	// Phrases says of each watched phrase whose source is this page whether it stands
	// there.
	Phrases map[string]bool `json:"phrases,omitempty"`
}

// Run reads the page and prints its entries and a summary.
func (c portalsTryCmd) Run(w *world) (err error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return cashback.Errorf(cashback.Invalid, "--url: %q is not an address such as https://www.exemple.fr/boutiques", c.URL)
	}
	var d *portal.Definition
	if c.File != "" {
		if d, err = loadDefinition(c.File); err == nil {
			remark(w, d)
		}
	} else {
		d, err = definitions.For(c.URL)
	}
	if err != nil {
		return err
	}
	body, err := readInput(c.Page, maxTryPage)
	if err != nil {
		return err
	}
	header := http.Header{}
	for k, v := range c.Header {
		header.Set(k, v)
	}
	p := portal.Page{URL: c.URL, Status: c.Status, Header: header, ContentType: c.ContentType, Body: body, ReadAt: w.now()}
	p.Request.URL = c.Asked
	if p.ContentType == "" {
		p.ContentType = mime.TypeByExtension(filepath.Ext(c.Page))
		if !strings.Contains(p.ContentType, "json") {
			p.ContentType = "" // the page says its own charset
		}
	}
	var r portal.Reading
	switch {
	case d == nil && c.Rule != "":
		return cashback.Errorf(cashback.Invalid, "--rule: no definition stands for %s", u.Host)
	case d == nil:
		r = portal.Classify(p)
	case c.Rule != "":
		if r, err = d.ReadAs(c.Rule, p); err != nil {
			return err
		}
	default:
		r = d.Read(p)
	}
	s := summarise(d, p, &r)
	out := bufio.NewWriter(w.stdout)
	defer func() { err = errors.Join(err, out.Flush()) }()
	if c.JSON {
		return printTried(out, &r, s)
	}
	return printTable(out, &r, s)
}

func summarise(d *portal.Definition, p portal.Page, r *portal.Reading) trySummary {
	s := trySummary{
		Outcome: r.Outcome, Items: len(r.Items), Reason: r.Reason, Rule: r.Rule, Total: r.Total, End: r.End, Next: len(r.Next), Filled: r.Stat.Filled,
	}
	switch s.Outcome {
	// The eight of the contract; a page that nobody can parse isn't understood.
	case cashback.PageOK, cashback.PageNoCashback, cashback.PageNoRates, cashback.PageNotFound, cashback.PageNotUnderstood,
		cashback.PageScriptShell, cashback.PagePastEnd, cashback.PageBlocked:
	default:
		s.Outcome, s.Reason = cashback.PageNotUnderstood, string(r.Outcome)+": "+r.Reason
	}
	for i := range r.Items {
		if r.Items[i].Pays() {
			s.WithRate++
		}
	}
	for _, q := range r.Next[:min(len(r.Next), 3)] {
		s.First = append(s.First, q.URL)
	}
	for _, i := range r.Issues[:min(len(r.Issues), 10)] {
		s.Issues = append(s.Issues, i.Code+": "+i.Detail)
	}
	if d != nil {
		s.Phrases = d.Phrases(p)
	}
	return s
}

func printTried(out io.Writer, r *portal.Reading, s trySummary) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for i := range r.Items {
		it := &r.Items[i]
		line := tryItem{
			Merchant: it.Name, RateText: it.RateText, PreviousText: it.PreviousText, Link: it.Link, Logo: it.Logo, Tiers: []tryTier{},
			Reward: reward.Summarise(it.Reward), Domain: it.Domain, Category: it.Category, Country: it.Country, Conditions: it.Conditions,
			ValidationDays: it.ValidationDays, TrackingDays: it.TrackingDays, Key: it.Key, List: it.List,
		}
		for j := range it.Tiers {
			t := &it.Tiers[j]
			line.Tiers = append(line.Tiers, tryTier{
				Label: t.Label, RateText: t.RateText, Previous: t.PreviousText, Audience: t.Audience, Category: t.Category, Channel: t.Channel, Base: t.Base,
				Reward: reward.Summarise(t.Reward),
			})
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return enc.Encode(s)
}

func printTable(out io.Writer, r *portal.Reading, s trySummary) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if len(r.Items) > 0 {
		fmt.Fprintln(t, "merchant\trate text\tread as\tbefore\tlink")
	}
	for i := range r.Items {
		it := &r.Items[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", cell(it.Name, 32), cell(it.RateText, 32), words(it.Reward), cell(it.PreviousText, 14), cell(it.Link, 60))
		for j := range it.Tiers {
			tier := &it.Tiers[j]
			label := tier.Label
			if tier.Audience != cashback.Anybody {
				label += " [" + string(tier.Audience) + "]"
			}
			if tier.Base {
				label += " [base]"
			}
			fmt.Fprintf(t, "  · %s\t%s\t%s\t%s\t\n", cell(label, 30), cell(tier.RateText, 32), words(tier.Reward), cell(tier.PreviousText, 14))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "outcome %s", s.Outcome)
	if s.Reason != "" {
		fmt.Fprintf(out, ": %s", s.Reason)
	}
	fmt.Fprintf(out, "\n%d entries, %d with a rate", s.Items, s.WithRate)
	if s.Total > 0 {
		fmt.Fprintf(out, ", the portal declares %d", s.Total)
	}
	if s.Rule != "" {
		fmt.Fprintf(out, ", by the rule %s", s.Rule)
	}
	if s.End {
		fmt.Fprint(out, ", the list's end is proven")
	}
	fmt.Fprintln(out)
	for _, q := range s.First {
		fmt.Fprintln(out, "leads to", q)
	}
	if more := s.Next - len(s.First); more > 0 {
		fmt.Fprintln(out, "and", more, "more")
	}
	for _, i := range s.Issues {
		fmt.Fprintln(out, "issue:", i)
	}
	for phrase, there := range s.Phrases {
		fmt.Fprintf(out, "phrase %q: %s\n", phrase, map[bool]string{true: "there", false: "GONE"}[there])
	}
	return nil
}

// words are a reward in a few words.
func words(r cashback.Reward) string {
	s := reward.Summarise(r)
	if !s.Value.Valid || !r.Kind.Pays() {
		if r.Kind == cashback.Unknown && r.Reason != "" {
			return "unknown: " + cell(r.Reason, 24)
		}
		return string(r.Kind)
	}
	text := s.Value.Decimal.String()
	switch s.Kind {
	case cashback.Percent:
		text += " %"
	case cashback.Fixed:
		text += " " + string(s.Currency)
	case cashback.PointsPerUnit:
		per := "1"
		if s.PerAmount.Valid {
			per = s.PerAmount.Decimal.String()
		}
		text += " " + s.PointsCurrency + " per " + per + " " + string(s.Currency)
	default:
		text += " " + s.PointsCurrency
	}
	if s.UpTo {
		text = "up to " + text
	}
	if len(s.Components) > 1 {
		text += fmt.Sprintf(" (%d parts)", len(s.Components))
	}
	return text
}

// cell is a text cut to a table's width.
func cell(s string, most int) string {
	r := []rune(s)
	if len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
