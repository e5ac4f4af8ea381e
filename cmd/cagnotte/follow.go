package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
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
	earnings.Book
	*store.Known
	store *store.Store
	user  account.User
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
	ledgers := s.Ledgers()
	if x.Book, err = ledgers.Book(w.ctx, x.user.ID); err != nil {
		return err
	}
	if x.Known, err = ledgers.Known(w.ctx, x.user.ID); err != nil {
		return err
	}
	documents, err := ledgers.Documents(w.ctx, x.user.ID, statement.DocumentKind)
	if err != nil {
		return err
	}
	rules, err := statement.OwnRules(documents)
	if err != nil {
		return err
	}
	x.Uplift, x.Zone = statement.Uplift(rules), w.now().Location()
	vat := rank.ShippedVAT()
	x.VAT = func(c cashback.Country, day cashback.Date) (cashback.Decimal, bool) {
		v, ok := vat.On(c, day)
		return v.Rate, ok
	}
	if err := f(x); err != nil {
		return err
	}
	return x.Err()
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
	All  bool `help:"Also the cases of which nothing is left to do, with what explains them, and those that were put aside on the site."`
}

func (c ledgerWatchCmd) Run(w *world) error {
	return c.follow(w, func(x followed) error {
		x.Brief = !c.All
		alerts := earnings.Watch(x.Book, x.Facts, w.now())
		if !c.All {
			alerts = slices.DeleteFunc(alerts, func(a earnings.Alert) bool { return a.Over })
		}
		reminders := earnings.Reminders(x.Book, x.Facts, w.now())
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
		outs := earnings.CashOuts(x.Book, x.Facts, w.now())
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
	Sent     bool   `help:"Note that it is sent now."`
	Pack     string `help:"Also write the proof pack, a ZIP; the file must not exist yet." placeholder:"FILE" type:"path"`
}

func (c ledgerClaimCmd) Run(w *world) error {
	return c.follow(w, func(x followed) (err error) {
		p, events, err := x.store.Ledgers().Purchase(w.ctx, x.user.ID, c.Purchase)
		if err != nil {
			return err
		}
		problem := earnings.AlertKind(c.Problem)
		for _, a := range earnings.Watch(x.Book, x.Facts, w.now()) {
			if problem == "" && a.Purchase == p.ID && a.Kind != earnings.AlertUnfinished {
				problem = a.Kind
			}
		}
		if problem == "" {
			return cashback.Errorf(cashback.Invalid, "nothing is wrong with this purchase as far as the ledger knows: say what is with --problem")
		}
		k := claim.Case{Problem: problem, Purchase: p, Events: events, Portal: cashback.Portal{ID: p.Portal}, Zone: x.Zone, Member: c.Member, Written: cashback.DateOf(w.now())}
		if portal, ok := x.Portal(p.Portal); ok {
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
		if c.Sent {
			var sent []earnings.Event
			for _, kind := range []earnings.EventKind{earnings.ClaimOpened, earnings.ClaimSent} {
				if kind != earnings.ClaimOpened || p.Claim != earnings.ClaimOpened {
					sent = append(sent, earnings.Event{
						Kind: kind, At: w.now(), Purchase: p.ID, Portal: p.Portal, Source: "hand", Key: fmt.Sprintf("claim:%s:%d:%s", p.ID, x.Head, kind),
					})
				}
			}
			if _, err := x.store.Ledgers().Enter(w.ctx, x.user.ID, store.Entry{Events: sent, After: &x.Head}); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(w.stdout, "%s\n\n%s\n", letter.Subject, letter.Body)
		return err
	})
}

type ledgerPayoutCmd struct {
	ownerFlag
	Portal string `help:"The portal that paid." required:"" placeholder:"ID"`
	Amount string `arg:"" optional:"" help:"What arrived, such as 24.50."`
	ID     string `help:"The payout's name, so that it isn't noted twice; without, its day." placeholder:"TEXT"`
	Undo   string `help:"Take a payout back that was noted wrongly, by its name: its lines are payable as before." placeholder:"NAME"`
	Part   bool   `help:"Where no lines sum to it: take the oldest that it covers whole, and keep the rest as paid ahead."`
	To     string `help:"The association that it went to." placeholder:"NAME"`
	DryRun bool   `help:"Only show what would be noted, or taken back."`
}

func (c ledgerPayoutCmd) Run(w *world) error {
	if (c.Amount == "") == (c.Undo == "") {
		return cashback.Errorf(cashback.Invalid, "say either the amount that arrived, or with --undo the name of the payout that is taken back")
	}
	return c.follow(w, func(x followed) error {
		portal, ok := x.Portal(c.Portal)
		if !ok {
			return cashback.Errorf(cashback.NotFound, "there is no portal %q here", c.Portal)
		}
		documents, err := x.store.Ledgers().Documents(w.ctx, x.user.ID, earnings.PayoutKind)
		if err != nil {
			return err
		}
		list := earnings.PaidOuts(x.Book, documents)
		if c.Undo != "" {
			return c.undo(w, x, list)
		}
		m, err := cashback.ParseMoney(strings.TrimSpace(c.Amount), portal.Currency)
		if err != nil {
			return err
		}
		paid := earnings.AmountOf(m)
		match := earnings.MatchPayout(x.Book, portal, paid, earnings.Ahead(list, c.Portal, paid.Unit))
		l, err := english()
		if err != nil {
			return err
		}
		say := sayer(l)
		lines, gross := match.Purchases, match.Sum
		if len(lines) == 0 {
			if !c.Part {
				return cashback.Errorf(cashback.Invalid, "%s; --part takes the %d oldest that it covers whole", say(match.Reasons), len(match.Part))
			}
			lines, gross = match.Part, paid
		}
		id := c.ID
		if id == "" {
			id = earnings.FreeName(list, c.Portal+" "+cashback.DateOf(w.now()).String())
		} else if earnings.FreeName(list, id) != id {
			return cashback.Errorf(cashback.Conflict, "a payout named %.60q was noted before: --undo takes it back, another --id notes another one", id)
		}
		events, err := x.Payout(id, lines, w.now(), c.To)
		if err != nil {
			return err
		}
		if gross.Minor != paid.Minor && match.Method == "" {
			gross = paid // the difference was paid before
		}
		record, err := earnings.Arrival{ID: id, Portal: c.Portal, At: w.now(), Arrived: paid, Gross: gross, Method: match.Method, GivenTo: c.To}.Document()
		if err != nil {
			return err
		}
		if !c.DryRun {
			if _, err := x.store.Ledgers().Enter(w.ctx, x.user.ID, store.Entry{Events: events, Documents: []earnings.Document{record}, After: &x.Head}); err != nil {
				return err
			}
		}
		for _, p := range x.Purchases {
			if slices.Contains(lines, p.ID) {
				fmt.Fprintf(w.stdout, "%s  %s  %s\n", p.Day(x.Zone), p.Shop, p.Amount)
			}
		}
		_, err = fmt.Fprintf(w.stdout, "payout %s: %d lines, %s %s\n", id, len(lines), paid, say(match.Reasons))
		return err
	})
}

// undo takes a payout back.
func (c ledgerPayoutCmd) undo(w *world, x followed, list []earnings.PaidOut) error {
	i := slices.IndexFunc(list, func(p earnings.PaidOut) bool { return p.ID == c.Undo && p.Portal == c.Portal && p.Undone.IsZero() })
	if i < 0 {
		return cashback.Errorf(cashback.NotFound, "there is no payout named %.60q of %s", c.Undo, c.Portal)
	}
	l, err := x.store.Ledgers().Ledger(w.ctx, x.user.ID)
	if err != nil {
		return err
	}
	events, documents, err := l.UndoPayout(list[i], w.now())
	if err != nil {
		return err
	}
	in := store.Entry{Events: events, Documents: documents, After: &x.Head}
	said := "payout %s would be taken back: %d lines would be payable as before\n"
	if !c.DryRun {
		if _, err := x.store.Ledgers().Enter(w.ctx, x.user.ID, in); err != nil {
			return err
		}
		said = "payout %s taken back: %d lines are payable as before\n"
	}
	_, err = fmt.Fprintf(w.stdout, said, c.Undo, len(list[i].Lines))
	return err
}

type ledgerAnswerCmd struct {
	ownerFlag
	Purchase string `arg:"" help:"The purchase whose claim was answered."`
	Answer   string `arg:"" help:"won, part or refused." enum:"won,part,refused"`
	Amount   string `help:"What the portal pays after all, such as 2.10: needed for part." placeholder:"AMOUNT"`
	Note     string `help:"What it wrote." placeholder:"TEXT"`
}

func (c ledgerAnswerCmd) Run(w *world) error {
	return c.follow(w, func(x followed) error {
		p, _, err := x.store.Ledgers().Purchase(w.ctx, x.user.ID, c.Purchase)
		if err != nil {
			return err
		}
		var amount *earnings.Amount
		if c.Amount != "" {
			currency := x.Portals[p.Portal].Currency
			if p.Amount != nil {
				if m, ok := p.Amount.Money(); ok {
					currency = m.Currency
				}
			}
			m, err := cashback.ParseMoney(strings.TrimSpace(c.Amount), currency)
			if err != nil {
				return err
			}
			a := earnings.AmountOf(m)
			amount = &a
		}
		events, err := earnings.Answered(p, earnings.Answer(c.Answer), amount, w.now(), c.Note)
		if err != nil {
			return err
		}
		for i := range events {
			events[i].Key = fmt.Sprintf("answer:%s:%d:%d", p.ID, p.Events[len(p.Events)-1], i)
		}
		if _, err := x.store.Ledgers().Enter(w.ctx, x.user.ID, store.Entry{Events: events, After: &x.Head}); err != nil {
			return err
		}
		p, _, err = x.store.Ledgers().Purchase(w.ctx, x.user.ID, c.Purchase)
		if err != nil {
			return err
		}
		amountNow := ""
		if p.Amount != nil {
			amountNow = ", " + p.Amount.String()
		}
		_, err = fmt.Fprintf(w.stdout, "%s: claim %s, the purchase is %s%s\n", p.ID, p.Answer, p.State, amountNow)
		return err
	})
}
