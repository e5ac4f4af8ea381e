package crawler

import (
	"testing"

	"pgregory.net/rapid"
)

// TestPropertyKeySet holds the set to a map.
func TestPropertyKeySet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s keySet
		model := map[uint32]bool{}
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			key := rapid.Uint32Range(0, 300).Draw(t, "key")
			if rapid.Bool().Draw(t, "far") {
				key *= 0x9e3779b1
			}
			if s.has(key) != model[key] || s.add(key) == model[key] {
				t.Fatalf("%d is in the set: %v", key, model[key])
			}
			model[key] = true
			if s.len() != len(model) {
				t.Fatalf("%d keys, not %d", s.len(), len(model))
			}
		}
		c := s.clone()
		c.add(0xffffffff)
		for key := range model {
			if !c.has(key) {
				t.Fatalf("the copy lacks %d", key)
			}
		}
		if s.has(0xffffffff) != model[0xffffffff] {
			t.Fatal("what is added to the copy is in the first")
		}
	})
}
