package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store/storetest"
)

// bigFolder is a data folder of 400,000 offers with its index, made once and kept among
// the temporary files.
func bigFolder(b *testing.B) string {
	b.Helper()
	dir := filepath.Join(os.TempDir(), "cagnotte-bench-start-1")
	if _, err := os.Stat(filepath.Join(dir, "whole")); err == nil {
		return dir
	}
	_ = os.RemoveAll(dir)
	town := storetest.Town{Shops: 50_000, Listed: 5_000, At: time.Now()}
	for i := range 80 {
		id := fmt.Sprintf("portal-%02d", i)
		town.Portals = append(town.Portals, cashback.Portal{
			ID: id, Name: fmt.Sprintf("Portal %d", i), Homepage: "https://www." + id + ".test", Countries: []cashback.Country{"FR"},
			Languages: []string{"fr"}, Locale: "fr-FR", Currency: "EUR", Publication: cashback.Public,
		})
	}
	if err := town.Fill(b.Context(), dir); err != nil {
		b.Fatal(err)
	}
	_, stop := launched(b, dir, "/readyz") // makes the index
	stop()
	if err := os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

// launched starts the program on a folder and returns when it answers an address with
// 200. stop ends it, and returns its largest resident size and, of what it holds in the
// end, the part that isn't the files' own pages, in MiB.
func launched(b *testing.B, dir, path string) (took time.Duration, stop func() (peak, own float64)) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	c := exec.Command(os.Args[0], "serve", "--data", dir, "--addr", addr, "--no-crawl")
	c.Env = append(os.Environ(), crashEnv+"=verb")
	c.Stderr = io.Discard
	begin := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	for status := 0; status != http.StatusOK; {
		if time.Since(begin) > 5*time.Minute {
			b.Fatal("it never answers")
		}
		if r, err := http.Get("http://" + addr + path); err == nil {
			status = r.StatusCode
			_ = r.Body.Close()
			continue
		}
		time.Sleep(time.Millisecond) // nobody listens yet
	}
	return time.Since(begin), func() (peak, own float64) {
		peak, own = memory(b, c.Process.Pid, "VmHWM:"), memory(b, c.Process.Pid, "RssAnon:")
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
		return peak, own
	}
}

// memory reads a line of a process's status, in MiB.
func memory(b *testing.B, pid int, name string) float64 {
	b.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(rest, "kB")))
			if err != nil {
				b.Fatal(err)
			}
			return float64(kb) / 1024
		}
	}
	b.Fatalf("there is no %s", name)
	return 0
}

// BenchmarkStart starts the program as a process of its own on 400,000 offers, until its
// first page is there. The baseline starts it on an empty folder.
func BenchmarkStart(b *testing.B) {
	dir := bigFolder(b)
	for _, c := range []struct{ name, dir string }{{"400k", dir}, {"baseline-empty", b.TempDir()}} {
		b.Run(c.name, func(b *testing.B) {
			var peak, own float64
			for b.Loop() {
				_, stop := launched(b, c.dir, "/fr/")
				b.StopTimer()
				// The shops' portals are compared after the start; then it is at rest.
				time.Sleep(10 * time.Second)
				p, o := stop()
				peak, own = max(peak, p), max(own, o)
				b.StartTimer()
			}
			b.ReportMetric(peak, "MiB-peak")
			b.ReportMetric(own, "MiB-own")
		})
	}
}
