package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
)

func TestCheckLooksAtAFolder(t *testing.T) {
	dir := t.TempDir()
	if status, _, stderr := command(t, "", "check", "--data", dir); status != exitInvalid || !strings.Contains(stderr, "no data") {
		t.Fatalf("an empty folder: %d, %s", status, stderr)
	}
	s, err := store.Open(context.Background(), dir, store.Options{Now: time.Now, Address: "127.0.0.1:9999"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SavePortals(context.Background(), []cashback.Portal{{ID: "a.fr"}}); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := command(t, "", "check", "--data", dir); status != exitLocked || !strings.Contains(stderr, "127.0.0.1:9999") {
		t.Fatalf("a folder in use: %d, %s", status, stderr)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if status, stdout, stderr := command(t, "", "check", "--data", dir); status != exitOK || !strings.Contains(stdout, "everything is whole") {
		t.Fatalf("a whole folder: %d, %s%s", status, stdout, stderr)
	}

	path := filepath.Join(dir, "cagnotte.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(whole), "a.fr")
	whole[at] ^= 1
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ := command(t, "", "check", "--data", dir)
	if status != exitFailed || !strings.Contains(stdout, "is damaged") {
		t.Fatalf("a damaged folder: %d, %s", status, stdout)
	}
	if status, stdout, stderr := command(t, "", "check", "--salvage", "--data", dir); status != exitOK && !strings.Contains(stdout, "contradiction") {
		t.Fatalf("salvage: %d, %s%s", status, stdout, stderr)
	}
	if err := os.Truncate(path, 20_000); err != nil {
		t.Fatal(err)
	}
	if status, stdout, _ := command(t, "", "check", "--data", dir); status != exitFailed || !strings.Contains(stdout, "shorter") {
		t.Fatalf("a truncated folder: %d, %s", status, stdout)
	}
}
