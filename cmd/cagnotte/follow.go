package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/claim"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/locale"
)

// followed is a person's ledger with what is known of its portals.
type followed struct {
	store  *store.Store
	user   account.User
	ledger *earnings.Ledger
	facts  earnings.Facts
}

// follow opens a person's ledger for the time of f.
func (o ownerFlag) follow(w *world, f func(followed) error) (err error) {
	w.logTo(w.stderr, slog.LevelWarn)
	s, err := store.Open(w.ctx, o.Data, store.Options{Now: w.now, Logger: w.logger, Existing: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	x := followed{store: s}
	if x.user, err = o.owner(w, s.Accounts()); err != nil {
		return err
	}
	if x.ledger, err = s.Ledgers().Ledger(w.ctx, x.user.ID); err != nil {
		return err
	}
	if x.facts, err = factsFor(w, s, x.user.ID, x.ledger); err != nil {
		return err
	}
	return f(x)
}

// factsFor reads what watching needs: the portals, the frozen terms of a person's
// purchases, the person's own rules, VAT.
func factsFor(w *world, s *store.Store, user account.UserID, l *earnings.Ledger) (earnings.Facts, error) {
	portals := map[string]cashback.Portal{}
	list, err := s.As(store.Operator).Portals(w.ctx)
	if err != nil {
		return earnings.Facts{}, err
	}
	for _, p := range list {
		portals[p.ID] = p.Portal
	}
	frozen := map[string]earnings.Terms{}
	for _, p := range l.Purchases() {
		if _, read := frozen[p.Evidence]; read || p.Evidence == "" {
			continue
		}
		e, err := s.Ledgers().Evidence(w.ctx, user, p.Evidence)
		if cashback.KindOf(err) == cashback.NotFound && err != nil {
			continue
		}
		if err != nil {
			return earnings.Facts{}, err
		}
		if t, err := e.Terms(); err == nil { // what doesn't have its hash proves nothing
			frozen[e.Hash] = t
		}
	}
	documents, err := s.Ledgers().Documents(w.ctx, user, statement.DocumentKind)
	if err != nil {
		return earnings.Facts{}, err
	}
	rules, err := statement.OwnRules(documents)
	if err != nil {
		return earnings.Facts{}, err
	}
	vat := rank.ShippedVAT()
	return earnings.Facts{
		Portal: func(id string) (cashback.Portal, bool) { p, ok := portals[id]; return p, ok },
		Terms:  func(hash string) (earnings.Terms, bool) { t, ok := frozen[hash]; return t, ok },
		VAT: func(c cashback.Country, day cashback.Date) (cashback.Decimal, bool) {
			v, ok := vat.On(c, day)
			return v.Rate, ok
		},
		Uplift: statement.Uplift(rules),
	}, nil
}

// english is the language of the command line.
func english() (*locale.Locale, error) {
	set, err := locale.Load(time.UTC)
	if err != nil {
		return nil, err
	}
	return set.Get("en"), nil
}

type ledgerWatchCmd struct {
	ownerFlag
	JSON bool `name:"json" help:"Print alerts and reminders as JSON." xor:"form"`
	ICS  bool `name:"ics" help:"Print the coming days as a calendar (iCalendar)." xor:"form"`
}

func (c ledgerWatchCmd) Run(w *world) error {
	return c.follow(w, func(x followed) error {
		alerts := earnings.Watch(x.ledger, x.facts, w.now())
		reminders := earnings.Reminders(x.ledger, x.facts, w.now())
		l, err := english()
		if err != nil {
			return err
		}
		switch {
		case c.JSON:
			return json.NewEncoder(w.stdout).Encode(map[string]any{"alerts": append([]earnings.Alert{}, alerts...), "reminders": append([]earnings.Reminder{}, reminders...)})
		case c.ICS:
			return earnings.WriteCalendar(w.stdout, "Cagnotte", reminders, w.now(), func(r earnings.Reminder) earnings.ReminderText {
				values := []string{r.Shop, r.Portal}
				if r.Amount != nil {
					values = append(values, r.Amount.String())
				}
				return earnings.ReminderText{Summary: l.Reason("remind."+string(r.Kind), values...)}
			})
		}
		say := sayer(l)
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		for _, a := range alerts {
			amount, due := "", ""
			if a.Amount != nil {
				amount = a.Amount.String()
			}
			if a.Due != 0 {
				due = "until " + a.Due.String()
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Kind, a.Portal, a.Shop, a.Purchase, amount, due, say(a.Reasons))
		}
		if len(alerts) == 0 {
			fmt.Fprintln(t, "nothing to see to")
		}
		return t.Flush()
	})
}

type ledgerCashCmd struct {
	ownerFlag
	JSON bool `name:"json" help:"Print it as JSON."`
}

func (c ledgerCashCmd) Run(w *world) error {
	return c.follow(w, func(x followed) error {
		outs := earnings.CashOuts(x.ledger, x.facts, w.now())
		if c.JSON {
			return json.NewEncoder(w.stdout).Encode(append([]earnings.CashOut{}, outs...))
		}
		l, err := english()
		if err != nil {
			return err
		}
		say := sayer(l)
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "portal\tpayable\tconfirmed\twaiting\twhat to do")
		for _, o := range outs {
			amount := func(n int64) string { return earnings.Amount{Minor: n, Unit: o.Unit}.String() }
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", o.Portal, amount(o.Payable), amount(o.Confirmed), amount(o.Waiting), say(o.Reasons))
		}
		return t.Flush()
	})
}

type ledgerClaimCmd struct {
	ownerFlag
	Purchase string `arg:"" help:"The purchase, as ledger watch names it."`
	Problem  string `help:"What is wrong: missing, short, overdue or declined. Without, what the watch has seen."`
	Lang     string `help:"The letter's language." enum:"en,fr" default:"en"`
	Member   string `help:"Your name or number at the portal." placeholder:"TEXT"`
	Pack     string `help:"Also write the proof pack, a ZIP; the file must not exist yet." placeholder:"FILE" type:"path"`
}

func (c ledgerClaimCmd) Run(w *world) error {
	return c.follow(w, func(x followed) (err error) {
		p, events, err := x.store.Ledgers().Purchase(w.ctx, x.user.ID, c.Purchase)
		if err != nil {
			return err
		}
		problem := earnings.AlertKind(c.Problem)
		for _, a := range earnings.Watch(x.ledger, x.facts, w.now()) {
			if problem == "" && a.Purchase == p.ID && a.Kind != earnings.AlertUnfinished {
				problem = a.Kind
			}
		}
		if problem == "" {
			return cashback.Errorf(cashback.Invalid, "nothing is wrong with this purchase as far as the ledger knows: say what is with --problem")
		}
		k := claim.Case{Problem: problem, Purchase: p, Events: events, Portal: cashback.Portal{ID: p.Portal}, Member: c.Member, Written: cashback.DateOf(w.now())}
		if portal, ok := x.facts.Portal(p.Portal); ok {
			k.Portal = portal
		}
		if p.Evidence != "" {
			e, err := x.store.Ledgers().Evidence(w.ctx, x.user.ID, p.Evidence)
			if err != nil && cashback.KindOf(err) != cashback.NotFound {
				return err
			}
			if err == nil {
				k.Evidence = &e
			}
		}
		letter, err := claim.Write(k, c.Lang)
		if err != nil {
			return err
		}
		if c.Pack != "" {
			var pack bytes.Buffer
			if err := claim.Pack(&pack, k, c.Lang); err != nil {
				return err
			}
			f, err := os.OpenFile(c.Pack, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return cashback.Errorf(cashback.Invalid, "write %s: %w", c.Pack, err)
			}
			_, err = f.Write(pack.Bytes())
			if err = errors.Join(err, f.Close()); err != nil {
				return cashback.Errorf(cashback.DiskFailed, "write %s: %w", c.Pack, err)
			}
		}
		_, err = fmt.Fprintf(w.stdout, "%s\n\n%s\n", letter.Subject, letter.Body)
		return err
	})
}

type ledgerPayoutCmd struct {
	ownerFlag
	Portal string `help:"The portal that paid." required:"" placeholder:"ID"`
	Amount string `arg:"" help:"What arrived, such as 24.50."`
	ID     string `help:"The payout's name, so that it isn't noted twice; without, its day." placeholder:"TEXT"`
	DryRun bool   `help:"Only show the lines that it was for."`
}

func (c ledgerPayoutCmd) Run(w *world) error {
	return c.follow(w, func(x followed) error {
		portal, ok := x.facts.Portal(c.Portal)
		if !ok {
			return cashback.Errorf(cashback.NotFound, "there is no portal %q here", c.Portal)
		}
		m, err := cashback.ParseMoney(strings.TrimSpace(c.Amount), portal.Currency)
		if err != nil {
			return err
		}
		match := earnings.MatchPayout(x.ledger, portal, earnings.AmountOf(m))
		l, err := english()
		if err != nil {
			return err
		}
		say := sayer(l)
		if len(match.Purchases) == 0 {
			return cashback.Errorf(cashback.Invalid, "%s", say(match.Reasons))
		}
		id := c.ID
		if id == "" {
			id = c.Portal + " " + cashback.DateOf(w.now()).String()
		}
		events, err := x.ledger.Payout(id, match.Purchases, w.now())
		if err != nil {
			return err
		}
		if !c.DryRun {
			head := uint64(x.ledger.Len())
			if _, err := x.store.Ledgers().Enter(w.ctx, x.user.ID, store.Entry{Events: events, After: &head}); err != nil {
				return err
			}
		}
		for _, name := range match.Purchases {
			p, err := x.ledger.Purchase(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(w.stdout, "%s  %s  %s\n", cashback.DateOf(p.Bought), p.Shop, p.Amount)
		}
		_, err = fmt.Fprintf(w.stdout, "payout %s: %d lines, %s %s\n", id, len(match.Purchases), match.Sum, say(match.Reasons))
		return err
	})
}
