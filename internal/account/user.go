package account

import (
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// UserID names a user for ever; it is never given out again. 0 is nobody.
type UserID uint32

// Role is what a user may do.
type Role string

const (
	// Shopper keeps their own ledger.
	Shopper Role = "shopper"
	// Operator also runs the portals.
	Operator Role = "operator"
)

// User is a person with an account.
type User struct {
	ID UserID `json:"id" cbor:"1,keyasint"`
	// Email is as the person wrote it; its Address is unique. Empty for the one
	// person of a single-user instance.
	Email string `json:"email,omitempty" cbor:"2,keyasint,omitempty"`
	Role  Role   `json:"role" cbor:"3,keyasint"`
	// Password is the argon2id hash; it is never written into an answer.
	Password string      `json:"-" cbor:"4,keyasint,omitempty"`
	Created  time.Time   `json:"created" cbor:"5,keyasint"`
	Settings Preferences `json:"settings,omitzero" cbor:"6,keyasint,omitzero"`
	// Changed is when the password was last set.
	Changed time.Time `json:"changed,omitzero" cbor:"7,keyasint,omitempty"`
}

// Preferences are what a person has told about themselves: the shopper of RANKING.md,
// without what the ledger knows. What is absent takes RANKING.md's default.
type Preferences struct {
	Language string            `json:"language,omitempty" cbor:"1,keyasint,omitempty"`
	Country  cashback.Country  `json:"country,omitempty" cbor:"2,keyasint,omitempty"`
	Currency cashback.Currency `json:"currency,omitempty" cbor:"3,keyasint,omitempty"`
	// Methods are the kinds of payout that are taken; nil for the default.
	Methods []string `json:"methods,omitempty" cbor:"4,keyasint,omitempty"`
	// Portals are those that the person has joined; nil for all.
	Portals        []string                    `json:"portals,omitempty" cbor:"5,keyasint,omitempty"`
	GiftCardFactor cashback.NullDecimal        `json:"gift_card_factor,omitzero" cbor:"6,keyasint,omitzero"`
	PatienceRate   cashback.NullDecimal        `json:"patience_rate,omitzero" cbor:"7,keyasint,omitzero"`
	MonthlyRewards cashback.NullDecimal        `json:"monthly_rewards,omitzero" cbor:"8,keyasint,omitzero"`
	UnknownMinimum cashback.NullDecimal        `json:"unknown_minimum,omitzero" cbor:"9,keyasint,omitzero"`
	PointValues    map[string]cashback.Decimal `json:"point_values,omitempty" cbor:"10,keyasint,omitempty"`
	// VATRate is the person's own, as a fraction; absent for the standard rate.
	VATRate cashback.NullDecimal `json:"vat_rate,omitzero" cbor:"11,keyasint,omitzero"`
}

// Bounds on what a person may tell.
const (
	maxPreferences = 200 // portals, methods, kinds of points
	maxWord        = 100
)

// Validate refuses what no person means.
func (p Preferences) Validate() error {
	if len(p.Methods) > maxPreferences || len(p.Portals) > maxPreferences || len(p.PointValues) > maxPreferences {
		return cashback.Errorf(cashback.Invalid, "more than %d portals, methods or kinds of points", maxPreferences)
	}
	words := slices.Concat([]string{p.Language, string(p.Country), string(p.Currency)}, p.Methods, p.Portals)
	for w := range p.PointValues {
		words = append(words, w)
	}
	for _, w := range words {
		if len(w) > maxWord {
			return cashback.Errorf(cashback.Invalid, "%.20q… is longer than %d bytes", w, maxWord)
		}
	}
	for field, d := range map[string]cashback.NullDecimal{
		"gift_card_factor": p.GiftCardFactor, "patience_rate": p.PatienceRate, "monthly_rewards": p.MonthlyRewards, "unknown_minimum": p.UnknownMinimum, "vat_rate": p.VATRate,
	} {
		if d.Valid && d.Decimal.IsNeg() {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: field}, "%s is below nothing", d.Decimal)
		}
	}
	for word, v := range p.PointValues {
		if v.IsNeg() {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "point_values"}, "a point %.20q is worth %s, below nothing", word, v)
		}
	}
	if p.Currency != "" {
		if c, err := cashback.ParseCurrency(string(p.Currency)); err != nil || c != p.Currency {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "currency"}, "%.20q is not a currency", p.Currency)
		}
	}
	return nil
}

// maxEmail is the longest address that mail can carry (RFC 5321, 4.5.3.1.3).
const maxEmail = 254

// Address is the form of an e-mail address under which an account is found: without
// surroundings, in lower case, its domain in ASCII. It doesn't look inside the local
// part: what "+tag" means is the mail server's business.
func Address(email string) (string, error) {
	bad := func() (string, error) {
		return "", cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "email"}, "that is not an e-mail address: it has the form name@example.org")
	}
	s := norm.NFC.String(strings.TrimSpace(email))
	if len(s) > maxEmail || !utf8.ValidString(s) || strings.ContainsAny(s, "<>\"\r\n\t ") {
		return bad()
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return bad()
	}
	at := strings.LastIndexByte(s, '@')
	domain, err := idna.Lookup.ToASCII(s[at+1:])
	if err != nil || domain == "" || len(domain) > 253 {
		return bad()
	}
	return strings.ToLower(s[:at]) + "@" + strings.ToLower(domain), nil
}
