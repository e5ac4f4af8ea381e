package reward

import "testing"

func TestShippedTables(t *testing.T) {
	if _, err := LoadLexicon(shippedWords); err != nil {
		t.Fatal(err)
	}
}
