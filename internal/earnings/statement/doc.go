// Package statement reads what a portal tells its members about their purchases: a
// table pasted from its activity page, a CSV file, a saved page, a mail.
//
// Its one invariant: nothing is lost and nothing is guessed. Every row of what was
// read comes back as a line, as a refusal with its place and reason, or as a row that
// is no line; a word, date or number that the rule doesn't know is refused, never
// taken for the next best.
//
// A file is read in two steps: Open finds out what it is and takes it apart into
// tables and text (document.go, delimited.go, html.go, mail.go), within Limits; a Rule
// (rule.go, docs/imports.md) says which column is what and what the words mean
// (read.go). Choose finds the rule that fits best; Guess drafts one for a table that no
// rule knows. The package reads no clock and no disk; whoever made the bytes is not
// trusted.
package statement
