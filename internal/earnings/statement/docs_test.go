package statement_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/earnings/statement"
)

// TestDocs loads every rule of docs/imports.md and reads its examples, and holds the
// page to the states and rules that there are.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../../docs/imports.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(b, -1)
	if len(rules) < 3 {
		t.Fatalf("%d rules", len(rules))
	}
	var ids []string
	for _, m := range rules {
		r, err := statement.LoadRule("docs/imports.md", m[1])
		if err != nil {
			t.Error(err)
			continue
		}
		ids = append(ids, r.ID)
		if len(r.Examples) == 0 {
			t.Errorf("%s has no example", r.ID)
		}
		for _, err := range r.Check() {
			t.Errorf("%s: %v", r.ID, err)
		}
	}
	if !slices.Contains(ids, "a-mail") {
		t.Errorf("rules %v", ids)
	}
	for _, s := range statement.States {
		if !strings.Contains(string(b), "| `"+string(s)+"` |") {
			t.Errorf("the state %s isn't explained", s)
		}
	}
}

// TestUplift holds that a portal's word for an amount that is still to rise counts
// there, and nowhere else.
func TestUplift(t *testing.T) {
	up := statement.Uplift(shipped(t))
	for _, c := range []struct {
		portal, wording string
		want            bool
	}{{"topcashback-gb", "Pending Uplift", true}, {"topcashback-gb", "Pending", false}, {"quidco-gb", "Pending Uplift", false}} {
		if got := up(c.portal, c.wording); got != c.want {
			t.Errorf("%s %q: %v", c.portal, c.wording, got)
		}
	}
}
