// Package cashback holds the nouns of the field and their pure rules: money,
// portals, merchants, offers, tiers, rewards, receipts, snapshots and changes.
//
// Its one invariant: a value that leaves this package is exact. Money is integer
// minor units with a currency, rates are decimals, dates are days; nothing here
// is a float, reads a clock, or does I/O.
package cashback
