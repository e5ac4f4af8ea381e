package earnings

import (
	"strings"
	"testing"
)

// TestOwnPortal: a portal without a definition has an id made of its name, which import
// rules for portals of that name are for, and its name back out of its document.
func TestOwnPortal(t *testing.T) {
	for name, id := range map[string]string{
		"Shoop": "shoop-own", "  TopCashback   India ": "topcashback-india-own", "Été & Co.": "ete-co-own", "ポイント": "p", "x": "p",
		strings.Repeat("long ", 12): "long-long-long-long-long-long-long-long-own",
	} {
		p, d, err := OwnPortal(name)
		if err != nil || p.ID != id && !(id == "p" && strings.HasPrefix(p.ID, "p") && strings.HasSuffix(p.ID, ownSuffix)) {
			t.Errorf("%q is %q: %v", name, p.ID, err)
		}
		if back := OwnPortals([]Document{{Kind: PayoutKind, Name: p.ID, Body: d.Body}, d}); len(back) != 1 || back[0].ID != p.ID || back[0].Name != strings.Join(strings.Fields(name), " ") {
			t.Errorf("%q came back as %+v", name, back)
		}
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 61), "a\x00b"} {
		if _, _, err := OwnPortal(name); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	if got := OwnPortals([]Document{{Kind: PortalKind, Name: "malin", Body: []byte(`{"name":"Mine"}`)}}); len(got) != 0 {
		t.Error("a document renames a portal that isn't its own")
	}
}
