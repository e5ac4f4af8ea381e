// Package account is who asks: users, their passwords, sessions, one-time tokens and
// API keys, and how fast somebody may try.
//
// Its one invariant: no secret is kept. Of a password only its argon2id hash is
// stored, of a token only its SHA-256; a token is shown once, to whom it was made
// for. Nothing that is answered, and no time that it takes, says whether an address
// has an account.
//
// The rules are pure: clock and randomness are passed in. Desk puts them to work over
// small interfaces that internal/store implements.
package account
