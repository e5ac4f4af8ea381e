package definitions

import (
	"testing"
)

// TestShipped: every shipped definition loads, has its file's name as its id, and
// shares no host with another.
func TestShipped(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no definition is shipped")
	}
	hosts := map[string]string{}
	for _, d := range all {
		if named, err := Named(d.ID()); err != nil || named.Version() != d.Version() {
			t.Errorf("%s doesn't stand in a file of its name: %v", d.ID(), err)
		}
		for _, h := range d.Hosts() {
			if other, taken := hosts[h]; taken {
				t.Errorf("%s and %s both claim %s", other, d.ID(), h)
			}
			hosts[h] = d.ID()
		}
		if len(d.Start()) == 0 {
			t.Errorf("%s has no page to begin with", d.ID())
		}
	}
	if d, err := For("https://nobody.test/x"); err != nil || d != nil {
		t.Errorf("a host without a definition has one: %v, %v", d, err)
	}
}
