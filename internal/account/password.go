package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Cost is what hashing a password takes.
type Cost struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// Recommended is RFC 9106's second choice (section 4): 64 MiB, 3 passes; with two
// lanes instead of four, as this program is at home on two cores.
var Recommended = Cost{Memory: 64 * 1024, Passes: 3, Threads: 2}

const (
	saltSize = 16 // RFC 9106, 3.1: recommended for passwords
	hashSize = 32
	// hashing is how many hashes are computed at a time: their memory is bounded by
	// hashing × Cost.Memory, however many people sign in.
	hashing = 2
	// queueing is how many may wait for that; who comes then is told to come later.
	// At about 0.1 s each the last of them waits under two seconds.
	queueing = 32
)

// Passwords hashes and checks passwords, at most two at a time.
type Passwords struct {
	random io.Reader
	cost   Cost
	slots  chan struct{}
	queue  chan struct{}
	nobody string // the hash that an unknown user's password is checked against
}

// NewPasswords takes its salts from random.
func NewPasswords(random io.Reader, cost Cost) (*Passwords, error) {
	p := &Passwords{random: random, cost: cost, slots: make(chan struct{}, hashing), queue: make(chan struct{}, hashing+queueing)}
	// Nobody's password is random, so no input matches it.
	secret := make([]byte, 32)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, cashback.Errorf(cashback.Internal, "read randomness: %w", err)
	}
	var err error
	p.nobody, err = p.Hash(context.Background(), base64.RawStdEncoding.EncodeToString(secret))
	return p, err
}

// take waits for the right to use the memory of one hash.
func (p *Passwords) take(ctx context.Context) (func(), error) {
	select {
	case p.queue <- struct{}{}:
	default:
		return nil, cashback.Errorf(cashback.Unavailable, "too many people are signing in: try again in a moment")
	}
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots; <-p.queue }, nil
	case <-ctx.Done():
		<-p.queue
		return nil, ctx.Err()
	}
}

// Hash returns the password's hash in PHC form:
// $argon2id$v=19$m=65536,t=3,p=2$salt$hash.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(p.random, salt); err != nil {
		return "", cashback.Errorf(cashback.Internal, "read randomness: %w", err)
	}
	release, err := p.take(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	key := argon2.IDKey(plain(password), salt, p.cost.Passes, p.cost.Memory, p.cost.Threads, hashSize)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.cost.Memory, p.cost.Passes, p.cost.Threads, enc.EncodeToString(salt), enc.EncodeToString(key)), nil
}

// Check compares a password with a hash. An empty hash stands for a user who isn't
// there: it takes as long, and never matches. renew says that the hash was made at
// another cost and should be made anew.
func (p *Passwords) Check(ctx context.Context, hash, password string) (match, renew bool, err error) {
	known := hash != ""
	if !known {
		hash = p.nobody
	}
	cost, salt, want, err := parseHash(hash)
	if err != nil {
		return false, false, err
	}
	release, err := p.take(ctx)
	if err != nil {
		return false, false, err
	}
	defer release()
	got := argon2.IDKey(plain(password), salt, cost.Passes, cost.Memory, cost.Threads, uint32(len(want)))
	match = subtle.ConstantTimeCompare(got, want) == 1 && known
	return match, match && cost != p.cost, nil
}

// maxCost bounds what a stored hash may ask for, should it be damaged.
const maxCost = 1 << 20 // KiB

func parseHash(s string) (c Cost, salt, key []byte, err error) {
	bad := func() (Cost, []byte, []byte, error) {
		return Cost{}, nil, nil, cashback.Errorf(cashback.Internal, "a stored password hash can't be read")
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return bad()
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Passes, &c.Threads); err != nil || c.Memory > maxCost || c.Passes == 0 || c.Passes > 100 || c.Threads == 0 {
		return bad()
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return bad()
	}
	if key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(key) < 16 {
		return bad()
	}
	return c, salt, key, nil
}

// plain is a password as bytes: two keyboards may compose the same letter differently.
func plain(password string) []byte { return []byte(norm.NFC.String(password)) }

const (
	minPassword = 10  // characters
	maxPassword = 200 // bytes: more is no better, and costs time
)

// CheckPassword says whether a new password may be used: long enough, and neither
// the address nor among the first that are tried. There are no rules about kinds of
// characters: they make passwords worse (NIST SP 800-63B, 3.1.1.2).
func CheckPassword(password, email string) error {
	at := cashback.Place{Field: "password"}
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return cashback.ErrorAt(cashback.Invalid, at, "the password isn't text")
	case n < minPassword:
		return cashback.ErrorAt(cashback.Invalid, at, "the password needs at least %d characters: a short sentence is easy to keep in mind", minPassword)
	case len(password) > maxPassword:
		return cashback.ErrorAt(cashback.Invalid, at, "the password may have at most %d bytes", maxPassword)
	}
	p := strings.ToLower(password)
	mail := strings.ToLower(strings.TrimSpace(email))
	name, _, _ := strings.Cut(mail, "@")
	if mail != "" && (p == mail || strings.Trim(strings.ReplaceAll(p, name, ""), "0123456789!?.-_@ ") == "" && name != "") || easy(p) {
		return cashback.ErrorAt(cashback.Invalid, at, "that password is among the first that are tried: use another")
	}
	return nil
}

// easy recognises passwords that every list begins with: one of these words with
// digits and signs around it, the same few characters again and again, or a walk along
// the keyboard.
func easy(p string) bool {
	stem := strings.Trim(p, "0123456789!?.-_@#$*+ ")
	for _, w := range easyWords {
		if stem == w || strings.ReplaceAll(stem, w, "") == "" {
			return true
		}
	}
	distinct := map[rune]bool{}
	for _, r := range p {
		distinct[r] = true
	}
	if len(distinct) <= 3 {
		return true
	}
	for _, row := range keyboards {
		if strings.Contains(row, p) {
			return true
		}
	}
	return false
}

var (
	easyWords = strings.Fields(`password passw0rd p@ssw0rd motdepasse mot-de-passe passwort contraseña contrasena wachtwoord
		azerty azertyuiop qwerty qwertyuiop qwertz qwertzuiop iloveyou jetaime welcome bienvenue willkommen letmein changeme
		administrator administrateur administrador admin football baseball princess sunshine superman dragon monkey
		cashback cagnotte doudou loulou soleil marseille chouchou internet computer ordinateur`)
	keyboards = []string{
		"01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz",
		"azertyuiopqsdfghjklmwxcvbn", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm",
		"1q2w3e4r5t6y7u8i9o0p", "1a2z3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb", "1aqw2zsx3edc4rfv5tgb",
	}
)
