package pages

import (
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/web/locale"
)

// SignUpView is the page on which an account is made.
type SignUpView struct {
	Form Form
	// Token is an invitation, or the link printed at the first start; As is
	// "operator" for that.
	Token, As string
	// Open says that an account can be made here.
	Open bool
}

// AccountView is what somebody keeps about themselves.
type AccountView struct {
	User account.User
	// Sole is the one person of a site without accounts: no password, no sessions.
	Sole     bool
	Operator bool
	Now      time.Time
	// Session is the public name of the present one.
	Session   string
	Sessions  []account.Session
	Keys      []account.Key
	Languages []*locale.Locale
	// Countries and Currencies are to choose from: those of the portals here first.
	Countries, Currencies []Choices
	// Forms are those that have been refused, by name.
	Forms map[string]Form
	// Secret is a key just made, which is shown this once.
	Secret string
}
