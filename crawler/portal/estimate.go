package portal

import (
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Bounds of a page's HTML. A list of 500 shops has 35,000 nodes and a depth of 20.
const (
	maxNodes = 100_000
)

// estimate scans a page's bytes once and refuses those whose parsing would cost
// too much.
func estimate(s string) error {
	if n := strings.Count(s, "<"); n > 2*maxNodes {
		return cashback.Errorf(cashback.Invalid, "the page has %d tags: at most %d", n, 2*maxNodes)
	}
	return nil
}
