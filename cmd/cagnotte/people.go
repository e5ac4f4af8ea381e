package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// inviteOperator prints, while there is no operator, the link that makes one: whoever
// can read this process's output runs the site. The link of an earlier start ends.
func (h *house) inviteOperator(w *world, c siteFlags, at net.Addr) error {
	have, err := h.store.Accounts().HasOperator(w.ctx)
	if err != nil || have {
		return err
	}
	// Making a link hashes no password.
	token, _, err := account.NewDesk(h.store.Accounts(), nil, rand.Reader, h.now).Grant(w.ctx, account.Found, 0)
	if err != nil {
		return err
	}
	base := c.Site
	if base == "" {
		base = "http://" + at.String()
	}
	u, err := url.Parse(base)
	if err != nil {
		return cashback.Errorf(cashback.Invalid, "%q is not the address of a site: %w", base, err)
	}
	u = u.JoinPath("operator")
	u.RawQuery = url.Values{"token": {token}}.Encode()
	_, err = fmt.Fprintf(w.stdout, "operator: %s\n", u)
	return err
}

// demoAddress is whose purchases the demo shows.
const demoAddress = "camille@demo.example"

// demoPerson makes the demo's shopper, or gives them a new password: it is printed at
// each start and kept nowhere.
func (h *house) demoPerson(ctx context.Context) (id account.UserID, password string, err error) {
	word, err := account.NewName(rand.Reader, 6)
	if err != nil {
		return 0, "", err
	}
	password = "demo-" + word[:6] + "-" + word[6:]
	passwords, err := account.NewPasswords(rand.Reader, account.Recommended)
	if err != nil {
		return 0, "", err
	}
	hash, err := passwords.Hash(ctx, password)
	if err != nil {
		return 0, "", err
	}
	a, now := h.store.Accounts(), h.now().UTC()
	u, err := a.UserByAddress(ctx, demoAddress)
	if err == nil {
		return u.ID, password, a.SetPassword(ctx, u.ID, hash, "", now)
	}
	if cashback.KindOf(err) != cashback.NotFound {
		return 0, "", err
	}
	u, err = a.CreateUser(ctx, account.User{Email: demoAddress, Role: account.Shopper, Password: hash, Created: now, Changed: now}, nil, "", now)
	return u.ID, password, err
}
