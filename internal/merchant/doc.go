// Package merchant decides which entries of which portals are the same shop, says
// why, and can be corrected.
//
// Its one invariant: which entries belong together depends only on the entries,
// the word lists, the alias data and the operator's events; never on the order in
// which they came. A doubtful case is left apart and put up for review: a missed
// merge costs a glance, a false one shows a wrong rate.
//
// The package is pure: it does no I/O and reads no clock. It speaks of
//
//   - an entry: a shop as one portal lists it (cashback.Entry), named by a Ref;
//   - a storefront: the country whose shop the entry means, which is the portal's
//     market unless the entry names another;
//   - a name group: the entries of a storefront whose names are the same once
//     marketing, country words, legal forms and spelling are taken off;
//   - a merchant: the name groups that are acceptable with its leading one. A group
//     that only resembles another member is not a member.
package merchant
