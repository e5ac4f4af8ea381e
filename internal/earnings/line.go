package earnings

import (
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Line is one line of a portal's activity page, mail or export, as a rule of package
// statement has read it: what the portal says of one purchase at one moment.
type Line struct {
	Portal string `json:"portal"`
	// External is the portal's own id of the line; empty where its list has none.
	External string        `json:"external,omitempty"`
	Shop     string        `json:"shop"`
	Date     cashback.Date `json:"date"`
	// Undated says that Date is the mail's day, since the mail doesn't tell the purchase's.
	Undated bool `json:"undated,omitempty"`
	// Amount is the cashback. Unstated says that the portal names none yet ("TBC"), and
	// that Amount is 0 for that reason.
	Amount   Amount `json:"amount"`
	Unstated bool   `json:"unstated,omitempty"`
	// Basket is what was paid at the shop.
	Basket *Amount `json:"basket,omitempty"`
	Order  string  `json:"order,omitempty"`
	State  State   `json:"state"`
	// Wording is the portal's own word for the state.
	Wording string    `json:"wording,omitempty"`
	For     RewardFor `json:"for"`
	// Uplift says that by the portal's own word the amount is still to rise.
	Uplift bool `json:"uplift,omitempty"`
	// Seen is when the portal stated it (a mail's date); zero for the time of import.
	Seen time.Time `json:"seen,omitzero"`
	// Rule is the id of the rule that read it, Place where the line stands.
	Rule  string         `json:"rule"`
	Place cashback.Place `json:"place"`
}

// Reason is a sentence for the message catalogues: a stable key and the values that
// it speaks of, as plain text, amounts as "4.20 EUR", days as YYYY-MM-DD.
type Reason struct {
	Key    string   `json:"key"`
	Values []string `json:"values,omitempty"`
}

// Because makes a reason.
func Because(key string, values ...string) Reason { return Reason{key, values} }

// String is for logs and the command line: the key and its values.
func (r Reason) String() string {
	if len(r.Values) == 0 {
		return r.Key
	}
	return r.Key + ": " + strings.Join(r.Values, ", ")
}
