// Package store is the stored truth: portals, merchants, offers, their history and
// the numbered changes, in one bbolt file behind use-case methods.
//
// Its one invariant: a method is one transaction, and what it has acknowledged is
// on the disk; what it returns was written by this package, byte for byte. Every
// record carries its version and a checksum over bucket, key and value. A record
// whose checksum is wrong is named, set aside and never returned.
//
// Reads copy what they need and end their transaction before anybody else's code
// runs: a long reader would pin pages and make the file grow. A commit that failed
// is unknown, not undone: the store then refuses every write, says so on Failed,
// and the process must end; the next start reads what is really there.
//
// layout.go draws the buckets; docs/store.md says why they are cut that way.
package store
