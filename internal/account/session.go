package account

import (
	"net/netip"
	"strings"
	"time"
)

// Session is a signed-in browser, as it is stored.
type Session struct {
	// ID is the public name by which the session is listed and revoked.
	ID     string `json:"id" cbor:"1,keyasint"`
	User   UserID `json:"-" cbor:"2,keyasint"`
	Digest Digest `json:"-" cbor:"3,keyasint"`
	// Before is the digest that was rotated away; it is taken for a moment still,
	// since a browser asks for several things at once.
	Before  Digest    `json:"-" cbor:"4,keyasint,omitempty"`
	Created time.Time `json:"created" cbor:"5,keyasint"`
	// Seen is the last use, to a few minutes; Rotated when the token last changed;
	// Proved when the password was last given.
	Seen    time.Time `json:"seen" cbor:"6,keyasint"`
	Rotated time.Time `json:"rotated" cbor:"7,keyasint"`
	Proved  time.Time `json:"proved" cbor:"8,keyasint"`
	// Agent is the browser's own word for itself, shortened; Network the first part
	// of the address.
	Agent   string `json:"agent,omitempty" cbor:"9,keyasint,omitempty"`
	Network string `json:"network,omitempty" cbor:"10,keyasint,omitempty"`
}

// Lifetime is how long sessions of a role live.
type Lifetime struct {
	Idle, Absolute time.Duration
}

// LifetimeOf a role: who can change what others see is asked for the password sooner.
func LifetimeOf(r Role) Lifetime {
	if r == Operator {
		return Lifetime{Idle: 12 * time.Hour, Absolute: 7 * 24 * time.Hour}
	}
	return Lifetime{Idle: 30 * 24 * time.Hour, Absolute: 90 * 24 * time.Hour}
}

const (
	// rotateAfter is how old a token may become; graceFor how long the one before is
	// taken still.
	rotateAfter = 24 * time.Hour
	graceFor    = time.Minute
	// touchAfter is how exactly Seen is kept: each renewal is a write to the disk.
	touchAfter = 10 * time.Minute
	// provedFor is how long a password counts as just given, for what can't be undone.
	provedFor = 15 * time.Minute
	// MaxSessions of a user; the one that was unused longest goes.
	MaxSessions = 50
)

// Alive says whether the session still stands. A clock that went back never lengthens
// it: a session of the future has ended.
func (s Session) Alive(r Role, now time.Time) bool {
	l := LifetimeOf(r)
	return now.Sub(s.Created) < l.Absolute && now.Sub(s.Seen) < l.Idle &&
		now.After(s.Created.Add(-clockSlack)) && now.After(s.Seen.Add(-clockSlack))
}

// Takes says whether a token's digest is the session's, or was until a moment ago.
func (s Session) Takes(d Digest, now time.Time) bool {
	return d == s.Digest || s.Before != Digest{} && d == s.Before && now.Sub(s.Rotated) < graceFor
}

// Due says what should be written: a new token, or that the session was seen.
func (s Session) Due(d Digest, now time.Time) (rotate, touch bool) {
	return d == s.Digest && now.Sub(s.Rotated) >= rotateAfter, now.Sub(s.Seen) >= touchAfter
}

// Fresh says whether the password was given just now.
func (s Session) Fresh(now time.Time) bool {
	d := now.Sub(s.Proved)
	return d < provedFor && d > -clockSlack
}

// Network is the part of an address that one person may be taken to have: /24 of
// IPv4, /56 of IPv6.
func Network(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 56
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// maxAgent bounds what is kept of a browser's word for itself.
const maxAgent = 120

func agent(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if len(s) > maxAgent {
		s = strings.ToValidUTF8(s[:maxAgent], "")
	}
	return s
}
