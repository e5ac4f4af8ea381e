package account

import (
	"context"
	"testing"
)

// The two must take the same time: an address that has no account is checked like one
// that has.
func BenchmarkCheckWrongPassword(b *testing.B) { check(b, true) }
func BenchmarkCheckUnknownUser(b *testing.B)   { check(b, false) }

func check(b *testing.B, known bool) {
	ctx := context.Background()
	p, err := NewPasswords(&counting{}, Recommended)
	if err != nil {
		b.Fatal(err)
	}
	hash := ""
	if known {
		if hash, err = p.Hash(ctx, "une petite phrase"); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if ok, _, err := p.Check(ctx, hash, "une autre phrase"); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
