// Package crawler runs one portal: it walks the pages of its definition, stages
// what they say, and has it judged and published.
//
// Its one invariant: what readers see is only ever a judged whole. A run is staged
// page by page where nobody looks; it ends as one publication, as a snapshot held
// back, or as a report alone. A run that didn't prove that it saw every list to its
// end is partial, and a partial run never removes anything.
//
// Colly walks, crawler/fetch decides what may leave, crawler/portal reads,
// crawler/gate judges. Stores are behind the small interfaces declared here.
package crawler
