package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServeOnAFullDisk fills the disk under a serving process: what can't be written is
// refused with a sentence about the disk, pages go on, and once there is room the process
// writes again. Nothing that was acknowledged is lost.
func TestServeOnAFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("no right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	c := newCrash(t, disk, "")
	cmd, _ := c.life()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	add := func(order string) (int, string) {
		t.Helper()
		portal, _, _ := strings.Cut(c.places[0], "/")
		form := url.Values{"portal": {portal}, "shop": {"Fnac"}, "date": {"2026-03-02"}, "amount": {"80"}, "cashback": {"3,20"}, "order": {order + strings.Repeat("x", 100)}}
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+c.addr+"/en/money/add", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+c.addr)
		answer, err := c.client.Do(r)
		if err != nil {
			t.Fatalf("the process has gone: %v", err)
		}
		defer func() { _ = answer.Body.Close() }()
		b, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(b)
	}
	reads := func(order string) {
		t.Helper()
		answer, err := c.client.Get("http://" + c.addr + "/en/money/purchases")
		if err != nil {
			t.Fatalf("the process has gone: %v", err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("reading, %s: %d", order, answer.StatusCode)
		}
	}
	if status, body := add("before"); status != http.StatusSeeOther {
		t.Fatalf("before: %d: %.2000s", status, body)
	}
	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}
	refused := false
	for i := 0; i < 3000 && !refused; i++ { // free pages within the file take some
		status, body := add("full")
		refused = status == http.StatusInsufficientStorage && strings.Contains(body, "disk refuses to write")
		if !refused && status != http.StatusSeeOther {
			t.Fatalf("on a full disk: %d: %.2000s", status, body)
		}
	}
	if !refused {
		t.Fatal("the disk was never full")
	}
	reads("while the disk is full")
	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		status, _ := add("after")
		if status == http.StatusSeeOther {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("there is room, and still %d", status)
		}
	}
	reads("afterwards")
}
