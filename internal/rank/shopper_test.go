package rank

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The defaults that are shown are those that are counted with: a shopper who states
// them gets the same answer.
func TestPropertyDefaultsStated(t *testing.T) {
	trials(t, 500, 100_000, func(t *testing.T, r *rand.Rand) {
		c := randomCase(r)
		want := mustRank(t, c)
		c.Shopper = c.Shopper.WithDefaults()
		if d := cmp.Diff(want, mustRank(t, c)); d != "" {
			t.Errorf("with the defaults stated:\n%s", d)
		}
	})
}
