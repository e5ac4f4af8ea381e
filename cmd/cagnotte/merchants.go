package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

type merchantsCmd struct {
	Resolve merchantsResolveCmd `cmd:"" help:"Say which entries are the same shop: JSON lines on stdin, JSON lines on stdout. Needs no data folder."`
	Explain merchantsExplainCmd `cmd:"" help:"Say why two names are one shop, or two. Needs no data folder."`
	Review  merchantsReviewCmd  `cmd:"" help:"List what a person should look at, with the better candidates."`
	Show    merchantsShowCmd    `cmd:"" help:"Show a merchant's entries, and why each belongs to it."`
	Merge   merchantsMergeCmd   `cmd:"" help:"Say that two merchants are one shop."`
	Apart   merchantsApartCmd   `cmd:"" help:"Say that two merchants are two shops, for good."`
	Split   merchantsSplitCmd   `cmd:"" help:"Take entries out of a merchant: they are a shop of their own."`
	Rename  merchantsRenameCmd  `cmd:"" help:"Give a merchant a name that no crawl changes."`
	History merchantsHistoryCmd `cmd:"" help:"List the corrections, with the numbers to undo them by."`
	Undo    merchantsUndoCmd    `cmd:"" help:"Take a correction back."`
}

type merchantsResolveCmd struct {
	NoAliases bool `help:"Leave the alias data out, to see the rules alone."`
	Reasons   bool `help:"Add the reasons and the candidates to every answer."`
}

// recordLine is a line of input; DESIGN.md, contracts.
type recordLine struct {
	RecordID *string `json:"record_id"`
	Market   *string `json:"portal_market"`
	Name     *string `json:"name_as_listed"`
	Domain   *string `json:"domain"`
	Category *string `json:"category_hint"`
}

type decisionLine struct {
	RecordID   string               `json:"record_id"`
	Cluster    string               `json:"cluster"`
	Confidence float64              `json:"confidence"`
	Review     bool                 `json:"review"`
	Reasons    []string             `json:"reasons,omitempty"`
	Candidates []merchant.Candidate `json:"candidates,omitempty"`
}

// maxRecordLine is the longest line that is read: a name of a megabyte is answered,
// ten are refused.
const maxRecordLine = 8 << 20

// Run answers every record, or none: a wrong line ends it with its number.
func (m merchantsResolveCmd) Run(w *world) error {
	rules, err := merchant.NewRules(merchant.Options{NoAliases: m.NoAliases})
	if err != nil {
		return err
	}
	records, err := readRecords(w.stdin)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w.stdout)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, d := range rules.Resolve(records) {
		line := decisionLine{RecordID: d.RecordID, Cluster: d.Cluster, Confidence: round(d.Confidence), Review: d.Review}
		if m.Reasons {
			line.Reasons, line.Candidates = d.Reasons, d.Candidates
		}
		if err := enc.Encode(line); err != nil {
			return fmt.Errorf("write the answers: %w", err)
		}
	}
	return out.Flush()
}

// round keeps two decimals: scores aren't more exact than that.
func round(x float64) float64 { return float64(int(x*100+0.5)) / 100 }

func readRecords(in io.Reader) ([]merchant.Record, error) {
	var out []merchant.Record
	seen := map[string]int{}
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 64<<10), maxRecordLine)
	n := 0
	for sc.Scan() {
		n++
		line := bytes.TrimSpace(sc.Bytes())
		if len(line) == 0 {
			continue
		}
		at := cashback.Place{File: "stdin", Line: n}
		var r recordLine
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, cashback.ErrorAt(cashback.Invalid, at, "this is not a record: want a JSON object {record_id, portal_market, name_as_listed, domain, category_hint}")
		}
		if r.RecordID == nil || *r.RecordID == "" {
			at.Field = "record_id"
			return nil, cashback.ErrorAt(cashback.Invalid, at, "a record needs an id of its own")
		}
		if first, twice := seen[*r.RecordID]; twice {
			at.Field = "record_id"
			return nil, cashback.ErrorAt(cashback.Invalid, at, "the record stands on line %d already", first)
		}
		seen[*r.RecordID] = n
		market, err := parseMarket(r.Market)
		if err != nil {
			at.Field = "portal_market"
			return nil, cashback.ErrorAt(cashback.Invalid, at, "%w", err)
		}
		rec := merchant.Record{ID: *r.RecordID, Market: market}
		for to, from := range map[*string]*string{&rec.Name: r.Name, &rec.Domain: r.Domain, &rec.Category: r.Category} {
			if from != nil {
				*to = *from
			}
		}
		out = append(out, rec)
	}
	if err := sc.Err(); err != nil {
		return nil, cashback.ErrorAt(cashback.Invalid, cashback.Place{File: "stdin", Line: n + 1}, "the line can't be read (the longest allowed has %d bytes): %w", maxRecordLine, err)
	}
	return out, nil
}

// parseMarket reads a country; the exam writes UK for what is GB everywhere else.
func parseMarket(s *string) (cashback.Country, error) {
	if s == nil {
		return "", cashback.Errorf(cashback.Invalid, "a record needs the portal's country")
	}
	c := strings.ToUpper(strings.TrimSpace(*s))
	if len(c) != 2 || c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z' {
		return "", cashback.Errorf(cashback.Invalid, "%.20q is no country: use two letters such as FR, GB or US", *s)
	}
	if c == "UK" {
		c = "GB"
	}
	return cashback.Country(c), nil
}

type merchantsExplainCmd struct {
	A         string `arg:"" help:"The first name, as a portal lists it."`
	B         string `arg:"" help:"The second name."`
	Market    string `help:"Country of the portals." default:"FR"`
	MarketB   string `help:"Country of the second portal, where it is another."`
	DomainA   string `help:"Domain that is listed with the first name."`
	DomainB   string `help:"Domain that is listed with the second."`
	CategoryA string `help:"Category that is listed with the first name."`
	CategoryB string `help:"Category that is listed with the second."`
	NoAliases bool   `help:"Leave the alias data out."`
}

// Run prints the decision, then what it rests on.
func (m merchantsExplainCmd) Run(w *world) error {
	rules, err := merchant.NewRules(merchant.Options{NoAliases: m.NoAliases})
	if err != nil {
		return err
	}
	a, err := parseMarket(&m.Market)
	if err != nil {
		return err
	}
	b := a
	if m.MarketB != "" {
		if b, err = parseMarket(&m.MarketB); err != nil {
			return err
		}
	}
	ex := rules.Explain(
		merchant.Record{Market: a, Name: m.A, Domain: m.DomainA, Category: m.CategoryA},
		merchant.Record{Market: b, Name: m.B, Domain: m.DomainB, Category: m.CategoryB},
	)
	var out strings.Builder
	switch {
	case ex.Same:
		fmt.Fprintf(&out, "one shop (confidence %.2f)\n", ex.Confidence)
	case ex.Doubtful:
		fmt.Fprintf(&out, "left apart, for a person to decide (confidence %.2f)\n", ex.Confidence)
	default:
		fmt.Fprintf(&out, "two shops (confidence %.2f)\n", ex.Confidence)
	}
	for _, r := range ex.Reasons {
		fmt.Fprintf(&out, "  %s\n", r)
	}
	for _, side := range []struct {
		name  string
		notes []string
	}{{m.A, ex.A}, {m.B, ex.B}} {
		fmt.Fprintf(&out, "%.100q\n", side.name)
		for _, n := range side.notes {
			fmt.Fprintf(&out, "  %s\n", n)
		}
	}
	_, err = io.WriteString(w.stdout, out.String())
	return err
}
