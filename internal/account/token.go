package account

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Digest is the SHA-256 of a token: all that is kept of it. The token has 256 random
// bits, so a plain hash can't be reversed by trying, and finding a record by it tells
// nothing about another.
type Digest [sha256.Size]byte

// DigestOf is a token's digest.
func DigestOf(token string) Digest { return sha256.Sum256([]byte(token)) }

const tokenSize = 32

// NewToken makes a secret of 43 characters that fits into a cookie or an address.
func NewToken(random io.Reader) (string, error) {
	b := make([]byte, tokenSize)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", cashback.Errorf(cashback.Internal, "read randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// NewName makes a public name of n random bytes, for what is listed and revoked.
func NewName(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", cashback.Errorf(cashback.Internal, "read randomness: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// Purpose is what a one-time token allows.
type Purpose string

const (
	// Recover lets its bearer set a new password.
	Recover Purpose = "recover"
	// Found lets its bearer create the first operator.
	Found Purpose = "found"
	// Invite lets its bearer sign up where sign-up is closed.
	Invite Purpose = "invite"
)

// Grant is a one-time token, as it is stored. Using it ends it.
type Grant struct {
	Digest  Digest    `json:"-" cbor:"1,keyasint"`
	Purpose Purpose   `json:"purpose" cbor:"2,keyasint"`
	User    UserID    `json:"user,omitempty" cbor:"3,keyasint,omitempty"`
	Created time.Time `json:"created" cbor:"4,keyasint"`
	Expires time.Time `json:"expires" cbor:"5,keyasint"`
}

// Lifetimes of one-time tokens: without a mail server the operator hands a recovery
// link over, which takes a while.
const (
	RecoverFor = 24 * time.Hour
	InviteFor  = 7 * 24 * time.Hour
	FoundFor   = 7 * 24 * time.Hour
)

// Valid says whether the grant may still be used for a purpose. A clock that went back
// behind its making doesn't lengthen it.
func (g Grant) Valid(purpose Purpose, now time.Time) bool {
	return g.Purpose == purpose && now.Before(g.Expires) && !now.Before(g.Created.Add(-clockSlack))
}

// clockSlack is how far a clock may go back before tokens of the future are refused.
const clockSlack = 5 * time.Minute

// Scope is what an API key may do.
type Scope string

const (
	ReadLedger  Scope = "ledger:read"
	WriteLedger Scope = "ledger:write"
	// Operate is for operators' keys.
	Operate Scope = "operate"
	// Calendar lets a calendar fetch its person's coming days. Calendars know nothing but
	// an address, so such a key stands in one, and may do nothing else.
	Calendar Scope = "calendar"
)

// Scopes are those that people choose among for a program's key.
var Scopes = []Scope{ReadLedger, WriteLedger, Operate}

// Key is an API key as it is stored.
type Key struct {
	// ID is the key's public part, by which it is listed and revoked.
	ID      string    `json:"id" cbor:"1,keyasint"`
	User    UserID    `json:"-" cbor:"2,keyasint"`
	Name    string    `json:"name" cbor:"3,keyasint"`
	Digest  Digest    `json:"-" cbor:"4,keyasint"`
	Scopes  []Scope   `json:"scopes" cbor:"5,keyasint"`
	Created time.Time `json:"created" cbor:"6,keyasint"`
	Expires time.Time `json:"expires" cbor:"7,keyasint"`
	// Used is when it was last used, to the hour.
	Used time.Time `json:"used,omitzero" cbor:"8,keyasint,omitempty"`
}

// Bounds on keys.
const (
	KeyFor  = 365 * 24 * time.Hour // the longest life of a key
	MaxKeys = 20                   // of a user
	// keyMark begins every key, so that scanners for leaked secrets find it.
	keyMark = "cagnotte_"
)

// NewKey makes a key: token is shown once and never kept.
func NewKey(random io.Reader, user User, name string, scopes []Scope, expires, now time.Time) (key Key, token string, err error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "" || len(name) > maxWord:
		return key, "", cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "name"}, "a key needs a name of at most %d bytes", maxWord)
	case len(scopes) == 0:
		return key, "", cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "scopes"}, "a key needs a scope")
	case !expires.After(now) || expires.After(now.Add(KeyFor)):
		return key, "", cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "expires"}, "a key ends within a year")
	}
	for _, s := range scopes {
		switch s {
		case ReadLedger, WriteLedger:
		case Calendar:
			if len(scopes) > 1 {
				return key, "", cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "scopes"}, "a calendar's key stands in an address and may do nothing else")
			}
		case Operate:
			if user.Role != Operator {
				return key, "", cashback.ErrorAt(cashback.Forbidden, cashback.Place{Field: "scopes"}, "only an operator's key may operate")
			}
		default:
			return key, "", cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "scopes"}, "there is no scope %.20q", s)
		}
	}
	id, err := NewName(random, 4)
	if err != nil {
		return key, "", err
	}
	secret, err := NewToken(random)
	if err != nil {
		return key, "", err
	}
	token = keyMark + id + "_" + secret
	return Key{ID: id, User: user.ID, Name: name, Digest: DigestOf(token), Scopes: scopes, Created: now, Expires: expires}, token, nil
}

// IsKey says whether a bearer's token has the form of an API key.
func IsKey(token string) bool { return strings.HasPrefix(token, keyMark) && len(token) < 100 }

// Allows says whether the key may be used for a scope. An operator who no longer is one
// loses what their keys could operate.
func (k Key) Allows(s Scope, user User, now time.Time) bool {
	if !now.Before(k.Expires) || now.Before(k.Created.Add(-clockSlack)) || s == Operate && user.Role != Operator {
		return false
	}
	for _, have := range k.Scopes {
		if have == s || s == ReadLedger && have == WriteLedger {
			return true
		}
	}
	return false
}
