package store

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Accounts keeps users, sessions, one-time tokens and API keys.
type Accounts struct{ store *Store }

var _ account.Store = (*Accounts)(nil)

// Accounts returns the part of the store about people.
func (s *Store) Accounts() *Accounts { return &Accounts{s} }

// bearerRecord is what a token's digest opens.
type bearerRecord struct {
	User account.UserID `cbor:"1,keyasint"`
	ID   string         `cbor:"2,keyasint"`
	Key  bool           `cbor:"3,keyasint,omitempty"` // an API key; else a session
}

func noUser() error { return cashback.Errorf(cashback.NotFound, "there is no such user") }

func (t *tx) user(id account.UserID) (u account.User, err error) {
	found, err := t.get(usersBucket, userKey(id), &u)
	if err == nil && !found {
		err = noUser()
	}
	return u, err
}

func (t *tx) addressOwner(address string) (id account.UserID, err error) {
	_, err = t.get(addressesBucket, []byte(address), &id)
	return id, err
}

// takeGrant uses a one-time token up.
func (t *tx) takeGrant(d account.Digest, purpose account.Purpose, now time.Time) (g account.Grant, err error) {
	found, err := t.get(grantsBucket, d[:], &g)
	if err != nil {
		return g, err
	}
	if !found || !g.Valid(purpose, now) {
		return g, cashback.Errorf(cashback.NotFound, "the link has been used or has expired: ask for another")
	}
	return g, t.drop(grantsBucket, d[:])
}

// CreateUser implements account.Users.
func (a *Accounts) CreateUser(ctx context.Context, u account.User, grant *account.Digest, purpose account.Purpose, now time.Time) (_ account.User, err error) {
	defer cashback.Wrap(&err, "create a user")
	address := ""
	if u.Email != "" {
		if address, err = account.Address(u.Email); err != nil {
			return u, err
		}
	}
	err = a.store.write(ctx, func(t *tx) error {
		if grant != nil {
			if _, err := t.takeGrant(*grant, purpose, now); err != nil {
				return err
			}
		}
		if address != "" {
			if owner, err := t.addressOwner(address); err != nil || owner != 0 {
				return firstError(err, cashback.Errorf(cashback.Conflict, "that address has an account"))
			}
		}
		return t.newUser(&u, address)
	})
	return u, err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) newUser(u *account.User, address string) error {
	count, err := t.counters()
	if err != nil {
		return err
	}
	count.User++
	t.dirty = true
	u.ID = account.UserID(count.User)
	if address != "" {
		if err := t.put(addressesBucket, []byte(address), u.ID); err != nil {
			return err
		}
	}
	return t.put(usersBucket, userKey(u.ID), u)
}

// Sole returns the one user of a single-user instance, who has no password and no
// address, and is made at the first call. Conflict where people with accounts are here.
func (a *Accounts) Sole(ctx context.Context) (u account.User, err error) {
	defer cashback.Wrap(&err, "look for the one user")
	find := func(t *tx) error {
		others := 0
		err := eachOf(t, usersBucket, nil, nil, func(_ []byte, have *account.User) error {
			if have.Email == "" {
				u = *have
			} else {
				others++
			}
			return nil
		})
		if err == nil && u.ID == 0 && others > 0 {
			err = cashback.Errorf(cashback.Conflict, "%d people have accounts in this folder: serve it without --single-user", others)
		}
		return err
	}
	if err := a.store.read(ctx, find); err != nil || u.ID != 0 {
		return u, err
	}
	err = a.store.write(ctx, func(t *tx) error {
		if err := find(t); err != nil || u.ID != 0 {
			return err
		}
		u = account.User{Role: account.Operator, Created: a.store.now().UTC()}
		return t.newUser(&u, "")
	})
	return u, err
}

// User implements account.Users.
func (a *Accounts) User(ctx context.Context, id account.UserID) (u account.User, err error) {
	defer cashback.Wrap(&err, "read user %d", id)
	err = a.store.read(ctx, func(t *tx) error { u, err = t.user(id); return err })
	return u, err
}

// UserByAddress implements account.Users.
func (a *Accounts) UserByAddress(ctx context.Context, address string) (u account.User, err error) {
	defer cashback.Wrap(&err, "look for a user")
	err = a.store.read(ctx, func(t *tx) error {
		id, err := t.addressOwner(address)
		if err != nil {
			return err
		}
		u, err = t.user(id)
		return err
	})
	return u, err
}

// ListUsers returns all users in order of their ids.
func (a *Accounts) ListUsers(ctx context.Context) (out []account.User, err error) {
	defer cashback.Wrap(&err, "list the users")
	err = a.store.read(ctx, func(t *tx) error {
		return eachOf(t, usersBucket, nil, nil, func(_ []byte, u *account.User) error {
			out = append(out, *u)
			return nil
		})
	})
	return out, err
}

// HasOperator says whether anybody can run the portals.
func (a *Accounts) HasOperator(ctx context.Context) (bool, error) {
	users, err := a.ListUsers(ctx)
	return slices.ContainsFunc(users, func(u account.User) bool { return u.Role == account.Operator }), err
}

// ChangeUser implements account.Users. What the change does to id, and the time of
// creation, is ignored.
func (a *Accounts) ChangeUser(ctx context.Context, id account.UserID, change func(*account.User) error) (u account.User, err error) {
	defer cashback.Wrap(&err, "change user %d", id)
	err = a.store.write(ctx, func(t *tx) error {
		before, err := t.user(id)
		if err != nil {
			return err
		}
		u = before
		if err := change(&u); err != nil {
			return err
		}
		u.ID, u.Created = before.ID, before.Created
		if err := u.Settings.Validate(); err != nil {
			return err
		}
		if u.Email != before.Email {
			if err := t.readdress(before, u); err != nil {
				return err
			}
		}
		if before.Role == account.Operator && u.Role != account.Operator {
			if err := t.anotherOperator(id); err != nil {
				return err
			}
		}
		return t.put(usersBucket, userKey(id), &u)
	})
	return u, err
}

// readdress moves the way from an address to its user.
func (t *tx) readdress(before, after account.User) error {
	address, err := account.Address(after.Email)
	if err != nil {
		return err
	}
	owner, err := t.addressOwner(address)
	if err != nil {
		return err
	}
	if owner != 0 && owner != after.ID {
		return cashback.Errorf(cashback.Conflict, "that address has another account")
	}
	if old, err := account.Address(before.Email); err == nil {
		if err := t.drop(addressesBucket, []byte(old)); err != nil {
			return err
		}
	}
	return t.put(addressesBucket, []byte(address), after.ID)
}

// anotherOperator refuses what would leave nobody who can run the portals.
func (t *tx) anotherOperator(id account.UserID) error {
	found := false
	err := eachOf(t, usersBucket, nil, nil, func(_ []byte, u *account.User) error {
		found = found || u.Role == account.Operator && u.ID != id
		return nil
	})
	if err == nil && !found {
		err = cashback.Errorf(cashback.Conflict, "that is the last operator: make another one first")
	}
	return err
}

// SetPassword implements account.Users.
func (a *Accounts) SetPassword(ctx context.Context, id account.UserID, hash, keep string, now time.Time) (err error) {
	defer cashback.Wrap(&err, "set the password of user %d", id)
	return a.store.write(ctx, func(t *tx) error { return t.setPassword(id, hash, keep, now) })
}

func (t *tx) setPassword(id account.UserID, hash, keep string, now time.Time) error {
	u, err := t.user(id)
	if err != nil {
		return err
	}
	u.Password, u.Changed = hash, now
	if _, err := t.endSessions(id, keep); err != nil {
		return err
	}
	// A recovery link that was made before would undo this.
	if err := t.dropGrants(func(g *account.Grant) bool { return g.User == id }); err != nil {
		return err
	}
	return t.put(usersBucket, userKey(id), &u)
}

// RecoverUser implements account.Users.
func (a *Accounts) RecoverUser(ctx context.Context, grant account.Digest, hash string, now time.Time) (u account.User, err error) {
	defer cashback.Wrap(&err, "recover a user")
	err = a.store.write(ctx, func(t *tx) error {
		g, err := t.takeGrant(grant, account.Recover, now)
		if err != nil {
			return err
		}
		if err := t.setPassword(g.User, hash, "", now); err != nil {
			return err
		}
		u, err = t.user(g.User)
		return err
	})
	return u, err
}

// PutGrant implements account.Store; grants that have expired go.
func (a *Accounts) PutGrant(ctx context.Context, g account.Grant) (err error) {
	defer cashback.Wrap(&err, "keep a one-time token")
	return a.store.write(ctx, func(t *tx) error {
		if g.User != 0 {
			if _, err := t.user(g.User); err != nil {
				return err
			}
		}
		err := t.dropGrants(func(have *account.Grant) bool {
			return !have.Valid(have.Purpose, g.Created) || have.Purpose == g.Purpose && (g.Purpose == account.Found || g.Purpose == account.Recover && have.User == g.User)
		})
		if err != nil {
			return err
		}
		return t.put(grantsBucket, g.Digest[:], &g)
	})
}

// Grants lists the one-time tokens that are open, for the operator.
func (a *Accounts) Grants(ctx context.Context) (out []account.Grant, err error) {
	defer cashback.Wrap(&err, "list one-time tokens")
	err = a.store.read(ctx, func(t *tx) error {
		return eachOf(t, grantsBucket, nil, nil, func(_ []byte, g *account.Grant) error {
			out = append(out, *g)
			return nil
		})
	})
	return out, err
}

func (t *tx) dropGrants(which func(*account.Grant) bool) error {
	var keys [][]byte
	err := eachOf(t, grantsBucket, nil, nil, func(key []byte, g *account.Grant) error {
		if which(g) {
			keys = append(keys, clone(key))
		}
		return nil
	})
	for _, key := range keys {
		if err == nil {
			err = t.drop(grantsBucket, key)
		}
	}
	return err
}

// StartSession implements account.Sessions.
func (a *Accounts) StartSession(ctx context.Context, s account.Session) (err error) {
	defer cashback.Wrap(&err, "start a session")
	return a.store.write(ctx, func(t *tx) error {
		u, err := t.user(s.User)
		if err != nil {
			return err
		}
		have, err := t.sessions(s.User)
		if err != nil {
			return err
		}
		// Ended ones go; of the others the one that was unused longest, if there are
		// too many.
		slices.SortFunc(have, func(a, b account.Session) int { return b.Seen.Compare(a.Seen) })
		for i, old := range have {
			if !old.Alive(u.Role, s.Created) || i >= account.MaxSessions-1 {
				if err := t.endSession(&old); err != nil {
					return err
				}
			}
		}
		return t.putSession(&s)
	})
}

func (t *tx) putSession(s *account.Session) error {
	for _, d := range []account.Digest{s.Digest, s.Before} {
		if d == (account.Digest{}) {
			continue
		}
		if err := t.put(bearersBucket, d[:], &bearerRecord{User: s.User, ID: s.ID}); err != nil {
			return err
		}
	}
	return t.put(sessionsBucket, ownKey(s.User, s.ID), s)
}

func (t *tx) endSession(s *account.Session) error {
	for _, d := range []account.Digest{s.Digest, s.Before} {
		if err := t.drop(bearersBucket, d[:]); err != nil {
			return err
		}
	}
	return t.drop(sessionsBucket, ownKey(s.User, s.ID))
}

func (t *tx) sessions(id account.UserID) (out []account.Session, err error) {
	err = eachOf(t, sessionsBucket, userKey(id), nil, func(_ []byte, s *account.Session) error {
		out = append(out, *s)
		return nil
	})
	return out, err
}

func (t *tx) endSessions(id account.UserID, but string) (n int, err error) {
	have, err := t.sessions(id)
	for _, s := range have {
		if err == nil && s.ID != but {
			err = t.endSession(&s)
			n++
		}
	}
	return n, err
}

func noBearer() error { return cashback.Errorf(cashback.NotFound, "nobody has that token") }

func (t *tx) bearer(d account.Digest, key bool, v any) (u account.User, err error) {
	var b bearerRecord
	found, err := t.get(bearersBucket, d[:], &b)
	if err != nil {
		return u, err
	}
	if !found || b.Key != key {
		return u, noBearer()
	}
	in := sessionsBucket
	if key {
		in = apiKeysBucket
	}
	if found, err = t.get(in, ownKey(b.User, b.ID), v); err != nil {
		return u, err
	}
	if !found {
		return u, noBearer()
	}
	return t.user(b.User)
}

// SessionByDigest implements account.Sessions.
func (a *Accounts) SessionByDigest(ctx context.Context, d account.Digest) (s account.Session, u account.User, err error) {
	defer cashback.Wrap(&err, "look for a session")
	err = a.store.read(ctx, func(t *tx) error { u, err = t.bearer(d, false, &s); return err })
	return s, u, err
}

// ChangeSession implements account.Sessions.
func (a *Accounts) ChangeSession(ctx context.Context, s account.Session, was account.Digest) (err error) {
	defer cashback.Wrap(&err, "change a session")
	return a.store.write(ctx, func(t *tx) error {
		var have account.Session
		if found, err := t.get(sessionsBucket, ownKey(s.User, s.ID), &have); err != nil || !found {
			return firstError(err, noBearer())
		}
		if have.Digest != was {
			return cashback.Errorf(cashback.Conflict, "the session has been changed meanwhile")
		}
		if err := t.endSession(&have); err != nil {
			return err
		}
		return t.putSession(&s)
	})
}

// ListSessions implements account.Sessions; the one seen last comes first.
func (a *Accounts) ListSessions(ctx context.Context, user account.UserID) (out []account.Session, err error) {
	defer cashback.Wrap(&err, "list the sessions of user %d", user)
	err = a.store.read(ctx, func(t *tx) error { out, err = t.sessions(user); return err })
	slices.SortFunc(out, func(a, b account.Session) int { return b.Seen.Compare(a.Seen) })
	return out, err
}

// EndSession implements account.Sessions.
func (a *Accounts) EndSession(ctx context.Context, user account.UserID, id string) (err error) {
	defer cashback.Wrap(&err, "end a session")
	return a.store.write(ctx, func(t *tx) error {
		var s account.Session
		if found, err := t.get(sessionsBucket, ownKey(user, id), &s); err != nil || !found {
			return firstError(err, cashback.Errorf(cashback.NotFound, "there is no such session"))
		}
		return t.endSession(&s)
	})
}

// EndSessions implements account.Sessions.
func (a *Accounts) EndSessions(ctx context.Context, user account.UserID, but string) (n int, err error) {
	defer cashback.Wrap(&err, "end the sessions of user %d", user)
	err = a.store.write(ctx, func(t *tx) error { n, err = t.endSessions(user, but); return err })
	return n, err
}

func (t *tx) apiKeys(id account.UserID) (out []account.Key, err error) {
	err = eachOf(t, apiKeysBucket, userKey(id), nil, func(_ []byte, k *account.Key) error {
		out = append(out, *k)
		return nil
	})
	return out, err
}

// AddKey implements account.Keys.
func (a *Accounts) AddKey(ctx context.Context, k account.Key) (err error) {
	defer cashback.Wrap(&err, "add an API key")
	return a.store.write(ctx, func(t *tx) error {
		if _, err := t.user(k.User); err != nil {
			return err
		}
		have, err := t.apiKeys(k.User)
		if err != nil {
			return err
		}
		if len(have) >= account.MaxKeys {
			return cashback.Errorf(cashback.Conflict, "there are %d keys, the most that a user may have: revoke one first", len(have))
		}
		if t.value(apiKeysBucket, ownKey(k.User, k.ID)) != nil {
			return cashback.Errorf(cashback.Conflict, "there is a key %s", k.ID)
		}
		if err := t.put(bearersBucket, k.Digest[:], &bearerRecord{User: k.User, ID: k.ID, Key: true}); err != nil {
			return err
		}
		return t.put(apiKeysBucket, ownKey(k.User, k.ID), &k)
	})
}

// KeyByDigest implements account.Keys.
func (a *Accounts) KeyByDigest(ctx context.Context, d account.Digest) (k account.Key, u account.User, err error) {
	defer cashback.Wrap(&err, "look for an API key")
	err = a.store.read(ctx, func(t *tx) error { u, err = t.bearer(d, true, &k); return err })
	return k, u, err
}

// ListKeys implements account.Keys; the newest comes first.
func (a *Accounts) ListKeys(ctx context.Context, user account.UserID) (out []account.Key, err error) {
	defer cashback.Wrap(&err, "list the API keys of user %d", user)
	err = a.store.read(ctx, func(t *tx) error { out, err = t.apiKeys(user); return err })
	slices.SortFunc(out, func(a, b account.Key) int { return b.Created.Compare(a.Created) })
	return out, err
}

// RevokeKey implements account.Keys.
func (a *Accounts) RevokeKey(ctx context.Context, user account.UserID, id string) (err error) {
	defer cashback.Wrap(&err, "revoke an API key")
	return a.store.write(ctx, func(t *tx) error {
		var k account.Key
		if found, err := t.get(apiKeysBucket, ownKey(user, id), &k); err != nil || !found {
			return firstError(err, cashback.Errorf(cashback.NotFound, "there is no such key"))
		}
		if err := t.drop(bearersBucket, k.Digest[:]); err != nil {
			return err
		}
		return t.drop(apiKeysBucket, ownKey(user, id))
	})
}

// KeyUsed implements account.Keys.
func (a *Accounts) KeyUsed(ctx context.Context, user account.UserID, id string, at time.Time) (err error) {
	defer cashback.Wrap(&err, "note the use of an API key")
	return a.store.write(ctx, func(t *tx) error {
		var k account.Key
		if found, err := t.get(apiKeysBucket, ownKey(user, id), &k); err != nil || !found {
			return firstError(err, cashback.Errorf(cashback.NotFound, "there is no such key"))
		}
		k.Used = at
		return t.put(apiKeysBucket, ownKey(user, id), &k)
	})
}

// people is the checker's look at what belongs to persons.
func (c *checker) people() {
	users := map[account.UserID]bool{}
	_ = eachOf(c.t, usersBucket, nil, nil, func(key []byte, u *account.User) error {
		users[userOf(key)] = true
		if u.ID != userOf(key) {
			c.r.note(&c.r.Sense, "user %d stands under %d", u.ID, userOf(key))
		}
		if address, err := account.Address(u.Email); err == nil {
			if owner, _ := c.t.addressOwner(address); owner != u.ID {
				c.r.note(&c.r.Sense, "the address of user %d doesn't lead there", u.ID)
			}
		}
		return nil
	})
	_ = eachOf(c.t, addressesBucket, nil, nil, func(_ []byte, u *account.UserID) error {
		if !users[*u] {
			c.r.note(&c.r.Sense, "an address leads to user %d, who isn't there", *u)
		}
		return nil
	})
	_ = eachOf(c.t, bearersBucket, nil, nil, func(_ []byte, b *bearerRecord) error {
		in := sessionsBucket
		if b.Key {
			in = apiKeysBucket
		}
		if c.t.value(in, ownKey(b.User, b.ID)) == nil {
			c.r.note(&c.r.Sense, "a token of user %d opens nothing", b.User)
		}
		return nil
	})
	for _, b := range personal {
		_ = c.t.each(b, nil, nil, func(key, _ []byte) error {
			if len(key) < 4 || !users[userOf(key)] {
				c.r.note(&c.r.Sense, "%s/%s is nobody's", b, printable(key))
			}
			return nil
		})
	}
}

// dropPerson removes everything that a person has from the records.
func (t *tx) dropPerson(u account.User) error {
	if address, err := account.Address(u.Email); err == nil {
		if err := t.drop(addressesBucket, []byte(address)); err != nil {
			return err
		}
	}
	if _, err := t.endSessions(u.ID, ""); err != nil {
		return err
	}
	keys, err := t.apiKeys(u.ID)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := t.drop(bearersBucket, k.Digest[:]); err != nil {
			return err
		}
	}
	if err := t.dropGrants(func(g *account.Grant) bool { return g.User == u.ID }); err != nil {
		return err
	}
	for _, b := range personal {
		if err := t.dropRange(b, userKey(u.ID)); err != nil {
			return err
		}
		// What was set aside as damaged is theirs as well.
		if err := t.dropRange(damagedBucket, append(append([]byte(b), 0), userKey(u.ID)...)); err != nil {
			return err
		}
	}
	return nil
}

// dropRange removes all records whose keys begin with a prefix.
func (t *tx) dropRange(b bucket, prefix []byte) error {
	c := t.bucket(b).Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Seek(prefix) {
		t.wrote = true
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}
