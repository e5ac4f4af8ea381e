package account

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Store keeps accounts. Each method is one transaction that is on the disk when it
// returns. What isn't there, or isn't the user's, is NotFound.
type Store interface {
	Users
	Sessions
	Keys
	// PutGrant stores a one-time token. A Found grant replaces the one before.
	PutGrant(ctx context.Context, g Grant) error
}

// Users is the part of Store about people.
type Users interface {
	// CreateUser gives the user an id; Conflict where the address has an account. A
	// grant of that purpose is used up, in the same transaction, where one is named.
	CreateUser(ctx context.Context, u User, grant *Digest, purpose Purpose, now time.Time) (User, error)
	User(ctx context.Context, id UserID) (User, error)
	UserByAddress(ctx context.Context, address string) (User, error)
	// ChangeUser changes what change changes; a new e-mail address is a Conflict where
	// it is another's.
	ChangeUser(ctx context.Context, id UserID, change func(*User) error) (User, error)
	// SetPassword stores a hash and ends all sessions but one ("" for none).
	SetPassword(ctx context.Context, id UserID, hash, keep string, now time.Time) error
	// RecoverUser uses a Recover grant up, stores the hash, and ends all sessions.
	RecoverUser(ctx context.Context, grant Digest, hash string, now time.Time) (User, error)
}

// Sessions is the part of Store about sessions.
type Sessions interface {
	// StartSession keeps at most MaxSessions of a user.
	StartSession(ctx context.Context, s Session) error
	// SessionByDigest also finds a session by the digest that was rotated away.
	SessionByDigest(ctx context.Context, d Digest) (Session, User, error)
	// ChangeSession replaces a session that is still there and whose digest is was;
	// Conflict where it isn't.
	ChangeSession(ctx context.Context, s Session, was Digest) error
	ListSessions(ctx context.Context, user UserID) ([]Session, error)
	EndSession(ctx context.Context, user UserID, id string) error
	// EndSessions ends all but one ("" for none) and says how many.
	EndSessions(ctx context.Context, user UserID, but string) (int, error)
}

// Keys is the part of Store about API keys.
type Keys interface {
	// AddKey refuses more than MaxKeys of a user (Conflict).
	AddKey(ctx context.Context, k Key) error
	KeyByDigest(ctx context.Context, d Digest) (Key, User, error)
	ListKeys(ctx context.Context, user UserID) ([]Key, error)
	RevokeKey(ctx context.Context, user UserID, id string) error
	// KeyUsed notes when a key was used.
	KeyUsed(ctx context.Context, user UserID, id string, at time.Time) error
}

// Desk signs people up and in. It is safe for concurrent use.
type Desk struct {
	store     Store
	passwords *Passwords
	limit     *Limiter
	random    io.Reader
	now       func() time.Time
}

// NewDesk puts the rules to work over a store.
func NewDesk(s Store, p *Passwords, random io.Reader, now func() time.Time) *Desk {
	return &Desk{store: s, passwords: p, limit: NewLimiter(SignInPace), random: random, now: now}
}

// Client is where a request comes from.
type Client struct {
	Address netip.Addr
	Agent   string
	// Known says that this browser has signed in to that account before, by a cookie
	// of its own: an attacker who tries the account elsewhere then slows nobody down.
	Known bool
}

// TooManyError says how long to wait; its kind is Unavailable.
type TooManyError struct{ Wait time.Duration }

func (e *TooManyError) Error() string {
	return "too many tries: wait " + max(time.Second, e.Wait.Round(time.Second)).String()
}

// Unwrap gives the error its kind.
func (e *TooManyError) Unwrap() error {
	return cashback.Errorf(cashback.Unavailable, "too many tries")
}

// errWrong is the one answer to a wrong address and to a wrong password.
func errWrong() error {
	return cashback.Errorf(cashback.Forbidden, "the address or the password is wrong")
}

// names are those that a try counts for.
func names(address string, c Client) (own, network string) {
	own = "account " + address
	if c.Known {
		own = "known " + address
	}
	return own, "network " + Network(c.Address)
}

// SignIn checks a password and opens a session; the token is shown once.
//
// Errors: Forbidden for a wrong address or password, which take the same time;
// TooManyError for too many tries.
func (d *Desk) SignIn(ctx context.Context, email, password string, c Client) (token string, s Session, err error) {
	defer cashback.Wrap(&err, "sign in")
	u, err := d.check(ctx, email, password, c)
	if err != nil {
		return "", s, err
	}
	return d.open(ctx, u, c)
}

// check is the password check of SignIn, at its pace.
func (d *Desk) check(ctx context.Context, email, password string, c Client) (User, error) {
	now := d.now()
	address, wrong := Address(email)
	if wrong != nil {
		address = "" // checked all the same, against nobody's hash
	}
	own, network := names(address, c)
	if wait, ok := d.limit.Try(now, own, network); !ok {
		return User{}, &TooManyError{wait}
	}
	u, err := d.store.UserByAddress(ctx, address)
	if err != nil && cashback.KindOf(err) != cashback.NotFound {
		return User{}, err
	}
	if len(password) > maxPassword {
		password = "" // never a password; and as quick as any other
	}
	match, renew, err := d.passwords.Check(ctx, u.Password, password)
	if err != nil {
		return User{}, err
	}
	if !match {
		return User{}, errWrong()
	}
	d.limit.Succeeded(now, own, network)
	if renew {
		hash, err := d.passwords.Hash(ctx, password)
		if err != nil {
			return User{}, err
		}
		before := u.Password
		return d.store.ChangeUser(ctx, u.ID, func(u *User) error {
			if u.Password == before { // else it was changed meanwhile
				u.Password = hash
			}
			return nil
		})
	}
	return u, nil
}

func (d *Desk) open(ctx context.Context, u User, c Client) (token string, s Session, err error) {
	now := d.now().UTC()
	if token, err = NewToken(d.random); err != nil {
		return "", s, err
	}
	id, err := NewName(d.random, 8)
	if err != nil {
		return "", s, err
	}
	s = Session{ID: id, User: u.ID, Digest: DigestOf(token), Created: now, Seen: now, Rotated: now, Proved: now, Agent: agent(c.Agent), Network: Network(c.Address)}
	return token, s, d.store.StartSession(ctx, s)
}

// Open opens a session without a password, for the one user of a single-user instance
// and right after somebody has signed up or recovered.
func (d *Desk) Open(ctx context.Context, user UserID, c Client) (token string, s Session, err error) {
	defer cashback.Wrap(&err, "open a session")
	u, err := d.store.User(ctx, user)
	if err != nil {
		return "", s, err
	}
	return d.open(ctx, u, c)
}

// Visit is who a session's token stands for.
type Visit struct {
	User    User
	Session Session
	// Renewed is the token that the browser should keep from now on; empty while the
	// present one is young.
	Renewed string
}

// Authenticate finds whose token it is, renews it when it is a day old, and notes that
// the session was used. NotFound for a token that no living session has.
func (d *Desk) Authenticate(ctx context.Context, token string) (v Visit, err error) {
	defer cashback.Wrap(&err, "look who it is")
	now := d.now().UTC()
	digest := DigestOf(token)
	if v.Session, v.User, err = d.store.SessionByDigest(ctx, digest); err != nil {
		return Visit{}, err
	}
	if !v.Session.Takes(digest, now) || !v.Session.Alive(v.User.Role, now) {
		return Visit{}, cashback.Errorf(cashback.NotFound, "the session has ended")
	}
	rotate, touch := v.Session.Due(digest, now)
	if !rotate && !touch {
		return v, nil
	}
	was := v.Session.Digest
	v.Session.Seen = now
	if rotate {
		if v.Renewed, err = NewToken(d.random); err != nil {
			return Visit{}, err
		}
		v.Session.Before, v.Session.Digest, v.Session.Rotated = digest, DigestOf(v.Renewed), now
	}
	err = d.store.ChangeSession(ctx, v.Session, was)
	switch cashback.KindOf(err) {
	case cashback.Conflict, cashback.DiskFailed:
		// Another request was quicker; or the disk is full, and reads go on.
		v.Renewed, err = "", nil
	}
	if err != nil {
		return Visit{}, err
	}
	return v, nil
}

// Prove checks the password of somebody who is signed in, for what can't be undone, and
// gives the session a new token.
func (d *Desk) Prove(ctx context.Context, v Visit, password string, c Client) (token string, err error) {
	defer cashback.Wrap(&err, "check the password")
	if _, err := d.check(ctx, v.User.Email, password, c); err != nil {
		return "", err
	}
	if token, err = NewToken(d.random); err != nil {
		return "", err
	}
	now := d.now().UTC()
	s := v.Session
	s.Before, s.Digest, s.Rotated, s.Seen, s.Proved = Digest{}, DigestOf(token), now, now, now
	return token, d.store.ChangeSession(ctx, s, v.Session.Digest)
}

// SignUp makes an account. grant is an invitation's token, or the one printed at the
// first start, which makes an operator; empty where sign-up is open.
//
// Without a mail server nobody can prove that an address is theirs. So that the answer
// doesn't tell whether it had an account, an address that is taken is no error: the
// page says "if this address had none, it has an account now: sign in". A hash is
// computed either way. With a grant the bearer may know: Conflict.
func (d *Desk) SignUp(ctx context.Context, email, password, grant string, c Client) (err error) {
	defer cashback.Wrap(&err, "sign up")
	if _, err := Address(email); err != nil {
		return err
	}
	if err := CheckPassword(password, email); err != nil {
		return err
	}
	now := d.now().UTC()
	if wait, ok := d.limit.Try(now, "sign-up "+Network(c.Address)); !ok {
		return &TooManyError{wait}
	}
	hash, err := d.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	u := User{Email: email, Role: Shopper, Password: hash, Created: now, Changed: now}
	if grant == "" {
		_, err = d.store.CreateUser(ctx, u, nil, "", now)
		if cashback.KindOf(err) == cashback.Conflict {
			return nil
		}
		return err
	}
	digest := DigestOf(grant)
	u.Role = Operator
	_, err = d.store.CreateUser(ctx, u, &digest, Found, now)
	if err != nil && cashback.KindOf(err) == cashback.NotFound {
		u.Role = Shopper
		_, err = d.store.CreateUser(ctx, u, &digest, Invite, now)
	}
	return err
}

// Grant makes a one-time token; it is shown once. For Recover, user is whose password
// may be set with it.
func (d *Desk) Grant(ctx context.Context, purpose Purpose, user UserID) (token string, g Grant, err error) {
	defer cashback.Wrap(&err, "make a one-time token")
	if token, err = NewToken(d.random); err != nil {
		return "", g, err
	}
	now := d.now().UTC()
	life := map[Purpose]time.Duration{Recover: RecoverFor, Found: FoundFor, Invite: InviteFor}[purpose]
	g = Grant{Digest: DigestOf(token), Purpose: purpose, User: user, Created: now, Expires: now.Add(life)}
	return token, g, d.store.PutGrant(ctx, g)
}

// Recover sets a new password with a recovery token, once. All sessions end.
func (d *Desk) Recover(ctx context.Context, token, password string, c Client) (u User, err error) {
	defer cashback.Wrap(&err, "set a new password")
	if err := CheckPassword(password, ""); err != nil {
		return u, err
	}
	now := d.now().UTC()
	network := "recover " + Network(c.Address)
	if wait, ok := d.limit.Try(now, network); !ok {
		return u, &TooManyError{wait}
	}
	hash, err := d.passwords.Hash(ctx, password)
	if err != nil {
		return u, err
	}
	if u, err = d.store.RecoverUser(ctx, DigestOf(token), hash, now); err == nil {
		d.limit.Succeeded(now, network)
	}
	return u, err
}

// SetPassword changes the password of somebody who knows the present one. All other
// sessions end.
func (d *Desk) SetPassword(ctx context.Context, v Visit, present, password string, c Client) (err error) {
	defer cashback.Wrap(&err, "change the password")
	if err := CheckPassword(password, v.User.Email); err != nil {
		return err
	}
	if _, err := d.check(ctx, v.User.Email, present, c); err != nil {
		return err
	}
	hash, err := d.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return d.store.SetPassword(ctx, v.User.ID, hash, v.Session.ID, d.now().UTC())
}

// SetEmail changes the address of somebody who has just given the password.
func (d *Desk) SetEmail(ctx context.Context, v Visit, email string) (err error) {
	defer cashback.Wrap(&err, "change the address")
	if _, err := Address(email); err != nil {
		return err
	}
	if !v.Session.Fresh(d.now()) {
		return cashback.Errorf(cashback.Forbidden, "give the password again first")
	}
	_, err = d.store.ChangeUser(ctx, v.User.ID, func(u *User) error { u.Email = email; return nil })
	return err
}

// NewKey makes an API key for a user; the token is shown once.
func (d *Desk) NewKey(ctx context.Context, u User, name string, scopes []Scope, expires time.Time) (k Key, token string, err error) {
	defer cashback.Wrap(&err, "make an API key")
	if k, token, err = NewKey(d.random, u, name, scopes, expires, d.now().UTC()); err != nil {
		return Key{}, "", err
	}
	return k, token, d.store.AddKey(ctx, k)
}

// AuthenticateKey finds whose API key it is, and whether it may be used for a scope:
// NotFound for a key that isn't valid, Forbidden for another scope.
func (d *Desk) AuthenticateKey(ctx context.Context, token string, scope Scope) (u User, k Key, err error) {
	defer cashback.Wrap(&err, "look whose key it is")
	if !IsKey(token) {
		return u, k, cashback.Errorf(cashback.NotFound, "that is no API key")
	}
	if k, u, err = d.store.KeyByDigest(ctx, DigestOf(token)); err != nil {
		return User{}, Key{}, err
	}
	now := d.now().UTC()
	if !now.Before(k.Expires) {
		return User{}, Key{}, cashback.Errorf(cashback.NotFound, "the key has expired")
	}
	if !k.Allows(scope, u, now) {
		return User{}, Key{}, cashback.Errorf(cashback.Forbidden, "the key isn't made for %s", scope)
	}
	if now.Sub(k.Used) >= time.Hour {
		if err := d.store.KeyUsed(ctx, u.ID, k.ID, now); err != nil && cashback.KindOf(err) != cashback.DiskFailed {
			return User{}, Key{}, err
		}
		k.Used = now
	}
	return u, k, nil
}
