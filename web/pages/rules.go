package pages

import "time"

// RuleLine is a rule in a list.
type RuleLine struct {
	ID, Name, Portals, Language string
	// Own is the person's; Broken says that it can't be read by this version; Replaced
	// that a shipped one has an own one in its place.
	Own, Broken, Replaced bool
	Changed               time.Time
}

// RulesView are all rules by which imports are read.
type RulesView struct {
	Own, Shipped []RuleLine
	Form         Form
	// Faults are what is wrong with the rule that was handed in, each with its place.
	Faults []string
	Now    time.Time
}

// RuleView is one rule, to be read and changed.
type RuleView struct {
	ID, Text     string
	Own, Shipped bool
	Form         Form
	Faults       []string
	Now          time.Time
}
