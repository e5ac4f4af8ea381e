package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
)

// usersCmd is what the operator does for people while no process serves the folder;
// while one does, the operator's desk does the same.
type usersCmd struct {
	List    usersListCmd    `cmd:"" help:"List who has an account."`
	Add     usersAddCmd     `cmd:"" help:"Make an account, and print the link with which its password is set."`
	Invite  usersInviteCmd  `cmd:"" help:"Print a link with which one person may sign up."`
	Recover usersRecoverCmd `cmd:"" help:"Print the link with which somebody sets a new password, once."`
	Role    usersRoleCmd    `cmd:"" help:"Make somebody an operator or a shopper."`
	Delete  usersDeleteCmd  `cmd:"" help:"Delete an account and everything of it, for ever."`
}

// people opens a folder's accounts for the time of f.
func (d dataFlag) people(w *world, f func(*store.Accounts) error) (err error) {
	w.logTo(w.stderr, slog.LevelWarn)
	s, err := store.Open(w.ctx, d.Data, store.Options{Now: w.now, Logger: w.logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s.Accounts())
}

// find is the user of an address.
func find(w *world, a *store.Accounts, email string) (account.User, error) {
	address, err := account.Address(email)
	if err != nil {
		return account.User{}, err
	}
	return a.UserByAddress(w.ctx, address)
}

// siteFlag is where people reach the site, for the links that are printed.
type siteFlag struct {
	Site string `help:"Where people reach the site, for the printed link." default:"http://127.0.0.1:8080" placeholder:"URL" env:"CAGNOTTE_SITE"`
}

func (f siteFlag) link(path, token string) (string, error) {
	u, err := url.Parse(f.Site)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", cashback.Errorf(cashback.Invalid, "%q is not the address of a site: it has the form https://cagnotte.example.org", f.Site)
	}
	u = u.JoinPath(path)
	u.RawQuery = url.Values{"token": {token}}.Encode()
	return u.String(), nil
}

// grant makes a one-time token and prints the link that carries it.
func grant(w *world, a *store.Accounts, site siteFlag, purpose account.Purpose, u account.User) error {
	p, err := account.NewPasswords(rand.Reader, account.Recommended)
	if err != nil {
		return err
	}
	token, g, err := account.NewDesk(a, p, rand.Reader, w.now).Grant(w.ctx, purpose, u.ID)
	if err != nil {
		return err
	}
	path := map[account.Purpose]string{account.Recover: "recover", account.Invite: "join"}[purpose]
	link, err := site.link(path, token)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.stdout, "%s\n", link)
	fmt.Fprintf(w.stderr, "The link works once, until %s.\n", g.Expires.Local().Format(time.DateTime))
	return err
}

type usersListCmd struct{ dataFlag }

func (c usersListCmd) Run(w *world) error {
	return c.people(w, func(a *store.Accounts) error {
		users, err := a.ListUsers(w.ctx)
		if err != nil {
			return err
		}
		return printUsers(w.stdout, users)
	})
}

func printUsers(out io.Writer, users []account.User) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\taddress\trole\tsince")
	for _, u := range users {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", u.ID, u.Email, u.Role, u.Created.Format(time.DateOnly))
	}
	return t.Flush()
}

type usersAddCmd struct {
	dataFlag
	siteFlag
	Email    string `arg:"" help:"The person's e-mail address."`
	Operator bool   `help:"Make an operator."`
}

func (c usersAddCmd) Run(w *world) error {
	return c.people(w, func(a *store.Accounts) error {
		now := w.now().UTC()
		u := account.User{Email: c.Email, Role: account.Shopper, Created: now, Changed: now}
		if c.Operator {
			u.Role = account.Operator
		}
		if _, err := c.link("recover", ""); err != nil {
			return err // before anything is made
		}
		u, err := a.CreateUser(w.ctx, u, nil, "", now)
		if err != nil {
			return err
		}
		return grant(w, a, c.siteFlag, account.Recover, u)
	})
}

type usersInviteCmd struct {
	dataFlag
	siteFlag
}

func (c usersInviteCmd) Run(w *world) error {
	return c.people(w, func(a *store.Accounts) error { return grant(w, a, c.siteFlag, account.Invite, account.User{}) })
}

type usersRecoverCmd struct {
	dataFlag
	siteFlag
	Email string `arg:"" help:"The person's e-mail address."`
}

func (c usersRecoverCmd) Run(w *world) error {
	return c.people(w, func(a *store.Accounts) error {
		u, err := find(w, a, c.Email)
		if err != nil {
			return err
		}
		return grant(w, a, c.siteFlag, account.Recover, u)
	})
}

type usersRoleCmd struct {
	dataFlag
	Email string       `arg:"" help:"The person's e-mail address."`
	Role  account.Role `arg:"" enum:"shopper,operator" help:"shopper or operator."`
}

func (c usersRoleCmd) Run(w *world) error {
	return c.people(w, func(a *store.Accounts) error {
		u, err := find(w, a, c.Email)
		if err != nil {
			return err
		}
		// What was signed in with the other rights signs in again.
		if _, err := a.EndSessions(w.ctx, u.ID, ""); err != nil {
			return err
		}
		_, err = a.ChangeUser(w.ctx, u.ID, func(u *account.User) error { u.Role = c.Role; return nil })
		return err
	})
}

type usersDeleteCmd struct {
	dataFlag
	Email string `arg:"" help:"The person's e-mail address."`
	Yes   bool   `help:"Really: nothing of it comes back."`
}

func (c usersDeleteCmd) Run(w *world) error {
	if !c.Yes {
		return cashback.Errorf(cashback.Invalid, "the account of %s and everything in it would be gone for ever: say --yes", c.Email)
	}
	return c.people(w, func(a *store.Accounts) error {
		u, err := find(w, a, c.Email)
		if err != nil {
			return err
		}
		return a.DeleteUser(w.ctx, u.ID)
	})
}
