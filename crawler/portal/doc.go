// Package portal is the language in which a cashback portal's site is described,
// and the reader that follows such a description.
//
// Its one invariant: reading is pure, bounded, and never more certain than the
// page. Bytes go in, entries with their own texts come out; nothing is fetched,
// no clock is read, no page can make it hang, run out of memory or panic its
// caller; and a page that isn't what the definition expects is said to be so,
// never taken for "no cashback".
package portal
