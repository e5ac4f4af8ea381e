package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// command runs one command line in this process and returns what it printed.
func command(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return commandAt(t, func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }, stdin, args...)
}

// commandAt is command at another time.
func commandAt(t *testing.T, now func() time.Time, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(&world{
		ctx: t.Context(), stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs,
		now: now,
	}, args)
	return status, out.String(), errs.String()
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"help", []string{"--help"}, exitOK, "Usage: cagnotte"},
		{"version", []string{"version"}, exitOK, "cagnotte "},
		{"unknown verb", []string{"sing"}, exitInvalid, "sing"},
		{"unknown flag", []string{"version", "--loud"}, exitInvalid, "--loud"},
		{"nothing", nil, exitInvalid, "expected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, stdout, stderr := command(t, "", c.args...)
			if status != c.status || !strings.Contains(stdout+stderr, c.says) {
				t.Errorf("status %d, want %d; said %q, want %q in it", status, c.status, stdout+stderr, c.says)
			}
		})
	}
}
