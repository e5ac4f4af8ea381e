// Package index answers questions about shops and offers: which shop is meant by a
// few letters, which shops and offers pass a filter, in which order, and how many
// there are of each kind.
//
// Its one invariant: whatever it holds is a projection of a Source and can be
// thrown away. Every part carries the number of the last change that it contains;
// what is missing, damaged, of another schema or of another history is built anew
// from the Source, while the rest keeps answering.
//
// Two parts share the work (DESIGN.md, "Decisions already made"). Bleve's scorch
// finds shops by text: one flat document a merchant, without stored fields or doc
// values, in a folder of its own. The columns, an immutable snapshot in memory
// behind an atomic pointer, hold the names and the offers' numbers: they grade what
// Bleve found, evaluate filters on portals once per request, count facets and order
// by what an offer is worth to the asker. The numbers here are for finding and for
// a first order; what is shown and ranked exactly comes from the store and
// internal/rank.
package index
