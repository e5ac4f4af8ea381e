package pages

import (
	"strings"
	"testing"

	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/locale"
)

// TestReasonsInWords holds the catalogues to the reasons of the ranking: each has its
// words in each language.
func TestReasonsInWords(t *testing.T) {
	set, err := locale.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range set.All() {
		for _, key := range rank.ReasonKeys() {
			if !l.Has("why." + key) {
				t.Errorf("%s has no words for %s", l.Lang, key)
			}
		}
		for _, key := range []string{"customer", "category"} {
			if !l.Has("question." + key) {
				t.Errorf("%s has no words to ask for the %s", l.Lang, key)
			}
		}
		for _, kind := range rank.KnownMethods() {
			if strings.HasPrefix(word(l, "method", kind), kind) {
				t.Errorf("%s has no word for the method %s", l.Lang, kind)
			}
		}
	}
}
