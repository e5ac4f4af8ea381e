package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

type rankCmd struct {
	dataFlag
	countryFlag
	Shop     string `arg:"" optional:"" help:"A shop's name, or a link of it."`
	Case     string `help:"A case as JSON (docs/ranking.md), or - for stdin; the answer is JSON too. Needs no data folder." placeholder:"FILE"`
	Amount   string `help:"What is paid, VAT included (100 unless given)." placeholder:"120"`
	Currency string `help:"Currency of the amount; the shop's country's unless given." placeholder:"EUR"`
	Customer string `help:"Whether you have bought there before: new or existing." placeholder:"new"`
	Channel  string `help:"Where it is bought: online, in_store or app." placeholder:"online"`
	Category string `help:"The basket's category as the portals name it; - for none of them."`
	AsOf     string `help:"Look at the data as of that day (YYYY-MM-DD)." placeholder:"DATE"`
	JSON     bool   `name:"json" help:"Print the API's answer."`
}

// Run ranks a shop's portals, or prints the answer of a case in the form of its
// "expect".
func (r rankCmd) Run(w *world) error {
	switch {
	case r.Case != "" && r.Shop != "":
		return cashback.Errorf(cashback.Invalid, "name a shop or a --case, not both")
	case r.Case != "":
		return r.rankCase(w)
	case r.Shop != "":
		return r.rankShop(w)
	}
	return cashback.Errorf(cashback.Invalid, "name a shop, as in: cagnotte rank Fnac --amount 120")
}

func (r rankCmd) rankCase(w *world) error {
	data, err := readCase(w, r.Case)
	if err != nil {
		return err
	}
	c, err := rank.Decode(data)
	if wrong, ok := errors.AsType[*cashback.Error](err); ok && r.Case != "-" {
		wrong.Place.File = r.Case
	}
	if err != nil {
		return err
	}
	answer, err := rank.Rank(c)
	if err != nil {
		return err
	}
	out := json.NewEncoder(w.stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	return out.Encode(answer)
}

// readCase reads a file, or stdin for "-", and no more of it than may be a case.
func readCase(w *world, name string) ([]byte, error) {
	in := w.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, unreadable(name, err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, rank.MaxCaseBytes+1))
	if err != nil {
		return nil, unreadable(name, err)
	}
	return data, nil
}

func unreadable(name string, err error) error {
	return cashback.ErrorAt(cashback.Invalid, cashback.Place{File: name}, "the case can't be read: %w", reason(err))
}

// reason is why a file can't be read, without the system's words around it: its name is
// told once.
func reason(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}

// maxTyped bounds what a flag of rank may hold, in bytes.
const maxTyped = 200

// check holds the flags to what they may say, as far as that doesn't hang on the shop.
func (r rankCmd) check() error {
	for _, f := range []struct {
		name, value string
		allowed     []string
	}{
		{"--customer", r.Customer, []string{"new", "existing"}},
		{"--channel", r.Channel, []string{"online", "in_store", "app"}},
	} {
		if f.value != "" && !slices.Contains(f.allowed, f.value) {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: f.name}, "%.60q is not one of %s", f.value, strings.Join(f.allowed, ", "))
		}
	}
	// No name or number is longer; these go into an address.
	for _, f := range [][2]string{{"--amount", r.Amount}, {"--category", r.Category}} {
		if len(f[1]) > maxTyped {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: f[0]}, "it is too long: at most %d characters", maxTyped)
		}
	}
	if r.Currency == "" {
		return nil
	}
	if _, err := cashback.ParseCurrency(r.Currency); err != nil {
		return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "--currency"}, "%w", err)
	}
	return nil
}

// rankShop asks for a shop's ranking as the API gives it.
func (r rankCmd) rankShop(w *world) (err error) {
	asOf, err := parseAsOf(r.AsOf)
	if err != nil {
		return err
	}
	country, err := r.parsed()
	if err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	a, closing, err := askers(w, r.Data, country, asOf)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	a.flags = true
	var found view.Found
	if err := a.get(w.ctx, "search", url.Values{"q": {r.Shop}, "country": {string(country)}, "limit": {"1"}}, &found); err != nil {
		return err
	}
	if len(found.Items) == 0 {
		return cashback.Errorf(cashback.NotFound, "no portal that was read lists a shop called %q", r.Shop)
	}
	if found.Near {
		fmt.Fprintf(w.stderr, "No shop is called exactly %q: this is %s.\n", r.Shop, found.Items[0].Name)
	}
	shop := found.Items[0]
	query := url.Values{}
	for name, value := range map[string]string{"amount": r.Amount, "currency": r.Currency, "customer": r.Customer, "channel": r.Channel, "category": r.Category} {
		if value != "" {
			query.Set(name, value)
		}
	}
	path := fmt.Sprintf("merchants/%d/ranking", shop.ID)
	if r.JSON {
		var raw json.RawMessage
		if err := a.get(w.ctx, path, query, &raw); err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.stdout, "%s\n", raw)
		return err
	}
	var answer view.Ranking
	if err := a.get(w.ctx, path, query, &answer); err != nil {
		return err
	}
	return printRanking(w.stdout, &answer)
}

// printRanking prints a row a portal with its eight steps, then who isn't ranked.
func printRanking(out io.Writer, r *view.Ranking) error {
	fmt.Fprintf(out, "%s (%s), %s, as of %s\n\n", r.Merchant.Name, r.Merchant.Country, r.Purchase.Amount, r.Now)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	steps := []string{"headline", "conditions", "vat", "cap", "settlement", "chance", "wait", "unlock"}
	fmt.Fprintf(t, "PORTAL\tVALUE\tPOSSIBLE\tDAYS\tMETHOD\t%s\tSTATED\tREAD\t\n", strings.ToUpper(strings.Join(steps, "\t")))
	for _, row := range r.Ranked {
		value := r.Money(row.Value).String()
		if row.Estimate {
			value = "~" + value
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t", row.Portal, value, r.Money(row.Possible).Decimal(), row.Days, row.Method)
		for _, name := range steps {
			for _, s := range row.Steps {
				if s.Step == name {
					fmt.Fprintf(t, "%s\t", r.Money(s.Amount).Decimal())
				}
			}
		}
		fmt.Fprintf(t, "%s\t%s\t\n", row.Receipt.RawText, row.Receipt.ReadAt.Format("2006-01-02 15:04"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, u := range r.Unreachable {
		fmt.Fprintf(out, "%s: below the threshold, %s missing (%s)\n", u.Portal, r.Money(u.ShortBy), u.Method)
	}
	for reason, ids := range map[string][]string{"no value known": r.Unvalued, "stale": r.Stale, "hidden": r.Hidden} {
		if len(ids) > 0 {
			fmt.Fprintf(out, "%s: %s\n", reason, strings.Join(ids, ", "))
		}
	}
	for _, l := range r.Other {
		fmt.Fprintf(out, "%s: not ranked (%s)\n", l.Portal, l.Reason)
	}
	return nil
}
