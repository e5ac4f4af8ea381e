package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/web/view"
)

// running is a verb that goes on until it is stopped.
type running struct {
	t      *testing.T
	base   string // the address it said it is ready on
	stop   context.CancelFunc
	status chan int
	stderr *lines
	stdout *lines // what it said after that
}

// lines is a writer that may be read while it is written to.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a verb until it says that it is ready.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	r := &running{t: t, stop: stop, status: make(chan int, 1), stderr: &lines{}, stdout: &lines{}}
	go func() {
		status := run(&world{ctx: ctx, stdin: strings.NewReader(""), stdout: in, stderr: r.stderr, now: time.Now}, args)
		in.CloseWithError(fmt.Errorf("it ended with status %d: %s", status, r.stderr))
		r.status <- status
	}()
	t.Cleanup(stop)
	said := bufio.NewScanner(out)
	for said.Scan() {
		if base, ok := strings.CutPrefix(said.Text(), "ready: "); ok {
			r.base = base
			go func() {
				for said.Scan() {
					_, _ = io.WriteString(r.stdout, said.Text()+"\n")
				}
			}()
			return r
		}
	}
	t.Fatalf("never ready: %v", said.Err())
	return nil
}

// end stops the verb and wants a clean end.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	select {
	case status := <-r.status:
		if status != exitOK {
			r.t.Errorf("it ended with status %d: %s", status, r.stderr)
		}
	case <-time.After(30 * time.Second):
		r.t.Fatal("it doesn't end")
	}
}

func getJSON[T any](t *testing.T, url string) (out T) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatalf("%s: %v: %.300s", url, err, b)
	}
	return out
}

// The main job: demo portals are crawled over HTTP, and what they pay is stored,
// found, ranked and shown; a verb asks the running server, and reads the folder
// itself once nobody has it open.
func TestMainJob(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	demo := start(t, "demo", "--data", data, "--addr", "127.0.0.1:0", "--ports", "0", "--move", "1h")
	portals := getJSON[view.List[view.Portal]](t, demo.base+"/api/v1/portals")
	if len(portals.Items) < 10 {
		t.Errorf("%d portals, want at least 10", len(portals.Items))
	}
	found := getJSON[view.List[view.Merchant]](t, demo.base+"/api/v1/search?q=boulangr&country=FR")
	if len(found.Items) == 0 || found.Items[0].Name != "Boulanger" {
		t.Fatalf("a misspelt Boulanger finds %+v", found.Items)
	}
	ranking := getJSON[view.Ranking](t, fmt.Sprintf("%s/api/v1/merchants/%d/ranking?amount=80", demo.base, found.Items[0].ID))
	if len(ranking.Ranked) == 0 || ranking.Purchase.Amount != (cashback.Money{Minor: 8000, Currency: "EUR"}) {
		t.Fatalf("nothing ranked for 80 EUR: %+v", ranking)
	}
	for _, row := range ranking.Ranked {
		sum := int64(0)
		for _, s := range row.Steps {
			sum += s.Amount
		}
		if sum != row.Value || row.Receipt.RawText == "" || row.Receipt.URL == "" || row.Receipt.ReadAt.IsZero() {
			t.Errorf("%s: value %d, steps %d, receipt %+v", row.Portal, row.Value, sum, row.Receipt)
		}
	}
	history := getJSON[view.List[cashback.RatePoint]](t, fmt.Sprintf("%s/api/v1/merchants/%d/history", demo.base, found.Items[0].ID))
	if len(history.Items) < len(ranking.Ranked) {
		t.Errorf("%d points of history for %d rows", len(history.Items), len(ranking.Ranked))
	}

	demoPeople(t, demo)
	demoDesk(t, data, portals.Items[0].ID)

	status, _, stderr := command(t, "", "crawl", "--data", data)
	if status != exitLocked || !strings.Contains(stderr, strings.TrimPrefix(demo.base, "http://")) {
		t.Errorf("a second process: status %d, said %q", status, stderr)
	}
	ask := []string{"rank", "Boulanger", "--amount", "80", "--data", data}
	status, asked, stderr := command(t, "", ask...)
	if status != exitOK || !strings.Contains(asked, ranking.Ranked[0].Portal) {
		t.Errorf("rank beside the server: status %d, %q %q", status, asked, stderr)
	}
	demo.end()
	status, read, stderr := commandAt(t, time.Now, "", ask...) // the demo's own clock
	if status != exitOK || read != asked {
		t.Errorf("rank on the folder: status %d, %q %q\nwant %q", status, read, stderr, asked)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"rank", "Boulanger", "--amount", "-5", "--data", data}, "amount"},
		{[]string{"rank", "Boulanger", "--currency", "XXY", "--data", data}, "XXY"},
		{[]string{"rank", "Qqqxyzzy", "--data", data}, "Qqqxyzzy"},
		{[]string{"rank", "--data", data}, "name a shop"},
		{[]string{"rank", "Fnac", "--as-of", "tomorrow", "--data", data}, "YYYY-MM-DD"},
		{[]string{"crawl", "nobody", "--data", data}, "nobody"},
		{[]string{"serve", "--addr", "nowhere:1:2", "--data", data}, "nowhere"},
	} {
		if status, _, stderr := command(t, "", c.args...); status != exitInvalid || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: status %d, said %q, want %q in it", c.args, status, stderr, c.says)
		}
	}
}

// The same route over recorded pages of real portals.
func TestRecordedPages(t *testing.T) {
	exam := os.Getenv("CAGNOTTE_EXAM")
	if exam == "" {
		t.Skip("CAGNOTTE_EXAM isn't set: recorded pages of real portals are not at hand")
	}
	data := filepath.Join(t.TempDir(), "data")
	status, out, stderr := command(t, "", "crawl", "--json", "--pages", filepath.Join(exam, "data", "pages"), "--data", data)
	if status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	runs := map[string]cashback.Run{}
	for line := range strings.Lines(out) {
		var r cashback.Run
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		runs[r.Portal] = r
	}
	if len(runs) < 13 {
		t.Errorf("%d runs, want one for each portal with recorded pages", len(runs))
	}
	for id, r := range runs {
		if r.Verdict == cashback.Hold {
			t.Errorf("%s is held back: %+v", id, r.Findings)
		}
		if !r.Complete && len(r.Notes) == 0 {
			t.Errorf("%s is partial and doesn't say why", id)
		}
	}
	status, out, stderr = command(t, "", "rank", "Renner", "--country", "BR", "--amount", "200", "--currency", "BRL", "--as-of", "2026-07-10", "--data", data)
	if status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	for _, portal := range []string{"meliuz", "zoom"} {
		if !strings.Contains(out, portal) {
			t.Errorf("%s isn't ranked: %s", portal, out)
		}
	}
}
