package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/store"
)

// ledgerCmd is a person's money, while no process serves the folder; while one does,
// the site does the same.
type ledgerCmd struct {
	Balances      ledgerBalancesCmd `cmd:"" help:"Print what is owed, payable and paid, by portal."`
	Export        ledgerExportCmd   `cmd:"" help:"Write a ledger as CSV, JSON, a journal for hledger and ledger, or everything as one archive."`
	Import        ledgerImportCmd   `cmd:"" help:"Read what a portal tells its member: a pasted table, CSV, a saved page, a mail."`
	Rules         ledgerRulesCmd    `cmd:"" help:"The rules by which imports are read."`
	Watch         ledgerWatchCmd    `cmd:"" help:"Print what a shopper should see to: missing, short, overdue, claims that end."`
	Cash          ledgerCashCmd     `cmd:"" help:"Print what can be had from each portal, when, and how."`
	Claim         ledgerClaimCmd    `cmd:"" help:"Write a letter about missing money, and the pack that proves it."`
	Answer        ledgerAnswerCmd   `cmd:"" help:"Note what a portal has answered to a claim: won, part or refused."`
	Payout        ledgerPayoutCmd   `cmd:"" help:"Note what a portal has paid, and find the lines that it was for."`
	ImportArchive ledgerRestoreCmd  `cmd:"" help:"Take an archive of this or another instance in."`
}

// ownerFlag says whose ledger it is.
type ownerFlag struct {
	dataFlag
	User string `help:"The person's e-mail address; may be left out where only one person is here." placeholder:"ADDRESS"`
}

// ledger opens a person's ledger for the time of f.
func (o ownerFlag) ledger(w *world, f func(*store.Ledgers, account.User) error) (err error) {
	w.logTo(w.stderr, slog.LevelWarn)
	s, err := store.Open(w.ctx, o.Data, store.Options{Now: w.now, Logger: w.logger, Existing: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	u, err := o.owner(w, s.Accounts())
	if err != nil {
		return err
	}
	return f(s.Ledgers(), u)
}

func (o ownerFlag) owner(w *world, a *store.Accounts) (account.User, error) {
	if o.User != "" {
		return find(w, a, o.User)
	}
	users, err := a.ListUsers(w.ctx)
	if err != nil {
		return account.User{}, err
	}
	if len(users) != 1 {
		return account.User{}, cashback.Errorf(cashback.Invalid, "%d people are here: say whose ledger with --user ADDRESS", len(users))
	}
	return users[0], nil
}

type ledgerBalancesCmd struct {
	ownerFlag
	JSON bool `name:"json" help:"Print the balances as JSON."`
}

func (c ledgerBalancesCmd) Run(w *world) error {
	return c.ledger(w, func(l *store.Ledgers, u account.User) error {
		balances, err := l.Balances(w.ctx, u.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(w.stdout).Encode(append([]earnings.Balance{}, balances...))
		}
		t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "portal\tstate\tamount")
		for _, b := range balances {
			fmt.Fprintf(t, "%s\t%s\t%s\n", b.Portal, b.State, earnings.Amount{Minor: b.Minor, Unit: b.Unit})
		}
		return t.Flush()
	})
}

type ledgerExportCmd struct {
	ownerFlag
	Format string `help:"csv: the purchases as a table; json: balances, purchases and events; events: one event a line; journal: plain-text accounting; archive: everything, as a ZIP." enum:"csv,json,events,journal,archive" default:"archive"`
	Out    string `help:"The file to write; it must not exist yet. Without, standard output." placeholder:"FILE" type:"path"`
}

func (c ledgerExportCmd) Run(w *world) error {
	return c.ledger(w, func(l *store.Ledgers, u account.User) (err error) {
		out := io.Writer(w.stdout)
		if c.Out != "" {
			f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return cashback.Errorf(cashback.Invalid, "write %s: %w", c.Out, err)
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			out = f
		}
		b := bufio.NewWriter(out)
		if err := export(w, l, u, c.Format, b); err != nil {
			return err
		}
		return b.Flush()
	})
}

func export(w *world, l *store.Ledgers, u account.User, format string, out io.Writer) error {
	if format == "archive" {
		a, err := l.Archive(w.ctx, u.ID)
		if err != nil {
			return err
		}
		return a.Write(out)
	}
	fold, err := l.Ledger(w.ctx, u.ID)
	if err != nil {
		return err
	}
	switch format {
	case "csv":
		return earnings.WriteCSV(out, fold.Purchases())
	case "json":
		return earnings.WriteJSON(out, fold)
	case "events":
		return earnings.WriteEvents(out, fold.Events(0))
	default:
		return earnings.WriteJournal(out, fold.Events(0))
	}
}

type ledgerRestoreCmd struct {
	ownerFlag
	File string `arg:"" help:"The archive." type:"existingfile"`
}

func (c ledgerRestoreCmd) Run(w *world) error {
	f, err := os.Open(c.File)
	if err != nil {
		return cashback.Errorf(cashback.Invalid, "open %s: %w", c.File, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return cashback.Errorf(cashback.Invalid, "open %s: %w", c.File, err)
	}
	a, err := earnings.ReadArchive(f, info.Size(), earnings.OwnArchive)
	if err != nil {
		return err
	}
	return c.ledger(w, func(l *store.Ledgers, u account.User) error {
		in, err := l.Restore(w.ctx, u.ID, a)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.stdout, "%d events are new, %d were there\n", len(in.Added), len(in.Known))
		return err
	})
}
