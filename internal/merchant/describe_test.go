package merchant

import (
	"slices"
	"testing"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// A review shows the same candidates in whatever order their entries came.
func TestBetterCandidates(t *testing.T) {
	of := func(key string) *cluster {
		return &cluster{groups: []*group{{entries: []*entry{{ref: Ref{"p", key}}}}}}
	}
	why := []string{"one typing error"}
	for _, first := range []cashback.MerchantID{1, 2} { // the id of the one with entry a
		all := []rival{
			{Candidate{Merchant: 9, Name: "Tartemp", Confidence: .5, Reasons: why}, of("z")},
			{Candidate{Merchant: first, Name: "Tartmep", Confidence: .6, Reasons: why}, of("a")},
			{Candidate{Merchant: 3 - first, Name: "Tartmep", Confidence: .6, Reasons: why}, of("b")},
			{Candidate{Merchant: first, Name: "Tartmep", Confidence: .4, Reasons: why}, of("a")},
		}
		for range all {
			all = append(all[1:], all[0])
			var ids []cashback.MerchantID
			for _, x := range better(slices.Clone(all)) {
				ids = append(ids, x.Merchant)
			}
			if want := []cashback.MerchantID{first, 3 - first, 9}; !slices.Equal(ids, want) {
				t.Errorf("the candidates are %v, want %v", ids, want)
			}
		}
	}
}
