// Package rank is RANKING.md as code: for a basket at a shop it says which portal
// leaves the most money in the shopper's hands, when, and by which steps.
//
// Its one invariant: an answer depends on the case alone and is exact. Every sum
// is a rational number until it is rounded, once, to minor units of the basket's
// currency; nothing here reads a clock, a file or a network, no portal can pay for
// a place, and what isn't known counts like a poor value that somebody states.
//
// The words of RANKING.md are the words of the code: a case has a purchase, a
// shopper, portals and offers; an offer's tiers are weighed over situations; a row
// has eight steps. docs/ranking.md works one case with a pencil.
//
// Rank answers a case and Explain says why; Ask finds the one fact worth asking
// for; CurveOf follows the offers along the amount; KeepOrGive answers for the
// shopper and for an association; ScorePortals compares portals as such. PortalOf
// and OfferOf make cases of what the store holds, Rates and VATTable give them the
// reference rates that they need.
package rank
