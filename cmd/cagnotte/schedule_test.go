package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/web/view"
)

// desked runs an operator's verb and wants it to go well.
func desked(t *testing.T, dir string, args ...string) string {
	t.Helper()
	status, stdout, stderr := command(t, "", append(args, "--data", dir)...)
	if status != exitOK {
		t.Fatalf("%v: status %d, %s", args, status, stderr)
	}
	return stdout
}

func scheduled(t *testing.T, dir, portal string) view.DeskPortal {
	t.Helper()
	var all []view.DeskPortal
	if err := json.Unmarshal([]byte(desked(t, dir, "schedule", "list", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.ID == portal {
			return p
		}
	}
	t.Fatalf("%s isn't listed", portal)
	return view.DeskPortal{}
}

// TestScheduleVerbs: without a server the verbs work on the folder; what the operator
// set outlives every start, and only their word brings the definition's back.
func TestScheduleVerbs(t *testing.T) {
	dir := t.TempDir()
	list(t, dir, "one", "Blithering")
	shipped := scheduled(t, dir, "poulpeo-fr")
	if shipped.Job == nil || shipped.Job.Own || shipped.Job.Default == nil || shipped.Job.Plan != *shipped.Job.Default {
		t.Fatalf("the definition's schedule isn't planned: %+v", shipped.Job)
	}
	desked(t, dir, "schedule", "set", "poulpeo-fr", "--cron", "30 4 * * *", "--zone", "Europe/Paris", "--reason", "their night")
	for range 2 { // each verb opens the folder anew, as a restart does
		p := scheduled(t, dir, "poulpeo-fr")
		if p.Job.Plan != (view.Plan{Cron: "30 4 * * *", Zone: "Europe/Paris"}) || !p.Job.Own {
			t.Fatalf("the operator's schedule was lost: %+v", p.Job)
		}
	}
	desked(t, dir, "schedule", "pause", "poulpeo-fr")
	if p := scheduled(t, dir, "poulpeo-fr"); !p.Job.Paused {
		t.Errorf("not paused: %+v", p.Job)
	}
	desked(t, dir, "schedule", "resume", "--all")
	desked(t, dir, "schedule", "set", "poulpeo-fr", "--default")
	if p := scheduled(t, dir, "poulpeo-fr"); p.Job.Own || p.Job.Paused || p.Job.Plan != *p.Job.Default {
		t.Errorf("not the definition's again: %+v", p.Job)
	}
	desked(t, dir, "schedule", "run", "poulpeo-fr")
	if p := scheduled(t, dir, "poulpeo-fr"); !p.Job.Asked {
		t.Errorf("not asked for: %+v", p.Job)
	}
	desked(t, dir, "schedule", "cancel", "poulpeo-fr")
	desked(t, dir, "portals", "publication", "one", "private", "--reason", "asked to")
	if p := scheduled(t, dir, "one"); p.Publication != "private" || !p.OwnMode {
		t.Errorf("%+v", p)
	}
	if out := desked(t, dir, "runs", "list", "one"); !strings.Contains(out, "publish") {
		t.Errorf("the portal's runs: %s", out)
	}
	for _, c := range []struct{ args, says string }{
		{"schedule set poulpeo-fr --every 5m", "between"},
		{"schedule set poulpeo-fr --cron nonsense", "cron expression"},
		{"schedule set nobody --every 6h", "isn’t here"},
		{"schedule pause", "--all"},
		{"schedule set poulpeo-fr", "needs an interval"},
		{"portals publication one secret", "must be one of"},
		{"runs accept nothing --reason x", "isn’t here"},
		{"runs reject nothing", "--reason"},
	} {
		if status, _, stderr := command(t, "", append(strings.Fields(c.args), "--data", dir)...); status != exitInvalid {
			t.Errorf("%s: status %d, said %q, want %q", c.args, status, stderr, c.says)
		} else if !strings.Contains(stderr, c.says) && c.says != "isn’t here" {
			t.Errorf("%s said %q, want %q", c.args, stderr, c.says)
		}
	}
}

// demoDesk: while a server has the folder, the verbs reach it by the key that it left
// there for the folder's owner alone.
func demoDesk(t *testing.T, dir, portal string) {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, keyName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key: %v, %v", info, err)
	}
	desked(t, dir, "schedule", "pause", portal)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	before := scheduled(t, dir, portal)
	if !before.Job.Paused {
		t.Errorf("the running server didn't pause it: %+v", before.Job)
	}
	// The demo's own crawl of it may still wait for its turn to publish.
	for deadline := time.Now().Add(time.Minute); before.Job.Running != nil; <-look.C {
		if before = scheduled(t, dir, portal); time.Now().After(deadline) {
			t.Fatalf("the demo's crawl never ends: %+v", before.Job)
		}
	}
	desked(t, dir, "schedule", "run", portal, "--reason", "a look")
	for deadline := time.Now().Add(time.Minute); ; <-look.C {
		p := scheduled(t, dir, portal)
		if p.LastRun != nil && before.LastRun != nil && p.LastRun.ID != before.LastRun.ID && p.Job.Running == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it was never crawled: %+v", p.Job)
		}
	}
	desked(t, dir, "schedule", "resume", portal)
}

// serving is a data folder with a server on it that doesn't crawl.
func serving(t *testing.T, dir string) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stdout, stderr := &lines{}, &lines{}
	status := make(chan int, 1)
	go func() {
		status <- run(&world{ctx: ctx, stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, now: time.Now},
			[]string{"serve", "--no-crawl", "--addr", "127.0.0.1:0", "--data", dir})
	}()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(stderr.String(), `"msg":"serving"`); <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never served: %s", stderr)
		}
	}
	end = sync.OnceFunc(func() {
		stop()
		if s := <-status; s != exitOK {
			t.Errorf("it ended with status %d: %s", s, stderr)
		}
	})
	t.Cleanup(end)
	return end
}

// TestServingWithoutCrawler: the desk of a server that doesn't crawl knows what is
// planned all the same, and every word of an operator reaches it while it serves.
func TestServingWithoutCrawler(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	list(t, dir, "one", "Blithering", "Blithering Insurance", "Dithering", "")
	table := filepath.Join(t.TempDir(), "vat.txt")
	if err := os.WriteFile(table, []byte("as of 2040-01-01\nFR 25 2020-01-01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	end := serving(t, dir)
	for _, p := range []string{"poulpeo-fr", "quidco-gb"} {
		if s := scheduled(t, dir, p); s.Job == nil || s.Job.Default == nil || s.Job.Plan != *s.Job.Default || s.Job.Next.IsZero() {
			t.Errorf("%s isn't planned: %+v", p, s.Job)
		}
	}
	for _, c := range []struct{ args, says string }{
		{"schedule set poulpeo-fr --every 12h --zone Europe/Paris", "every 12h Europe/Paris (own)"},
		{"schedule run poulpeo-fr", "asked for"},
		{"schedule cancel poulpeo-fr", "poulpeo-fr"},
		{"schedule pause poulpeo-fr", "paused"},
		{"schedule resume --all", "poulpeo-fr"},
		{"portals publication one private --reason asked", "private"},
		{"portals set poulpeo-fr validation_days 45 --source https://portal.test/faq --note seen", "poulpeo-fr: validation_days is 45"},
		{"portals facts poulpeo-fr", "45"},
		{"portals history poulpeo-fr", "by this machine: seen"},
		{"merchants review", "merge, apart and split settle one"},
		{"merchants merge blithering-gb 2 --by olga --note one-firm", "2 leads to 1 now"},
		{"merchants show 2", "one:blithering-insurance"},
		{"merchants undo 1", "correction 2: undo"},
		{"merchants history", "olga"},
		{"runs list one", "publish"},
		{"rates show", "came with the program"},
		{"rates set-vat " + table, "from its next start"},
		{"rates show", "25 %"},
		{"portals withheld one", "no removals of one are withheld"},
	} {
		if out := desked(t, dir, strings.Fields(c.args)...); !strings.Contains(out, c.says) {
			t.Errorf("%s said %q, want %q", c.args, out, c.says)
		}
	}
	for _, c := range []struct{ args, says string }{
		{"portals set nobody validation_days 45 --source x", "nobody"},
		{"portals set poulpeo-fr validation_days 5000 --source x", "number of days"},
		{"merchants merge 1 99", "no merchant 99"},
		{"schedule cancel poulpeo-fr", "isn't being crawled"},
		{"portals gone one --reason closed", "no removals of one are withheld"},
		{"rates set " + table, "daily file"},
	} {
		if status, _, stderr := command(t, "", append(strings.Fields(c.args), "--data", dir)...); status != exitInvalid && status != exitFailed || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: status %d, said %q, want %q", c.args, status, stderr, c.says)
		}
	}
	end()
	// What was said stays when the server has gone.
	if out := desked(t, dir, "merchants", "history"); !strings.Contains(out, "one-firm") {
		t.Errorf("the corrections: %s", out)
	}
	if _, err := os.Stat(filepath.Join(dir, keyName)); !os.IsNotExist(err) {
		t.Errorf("the key is still there: %v", err)
	}
}
