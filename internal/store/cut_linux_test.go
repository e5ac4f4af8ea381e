package store

import (
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cutter is a small disk in a file whose power can be cut: a file system's cache lives
// in the kernel, and what it hasn't yet written to its disk isn't in the file. A copy of
// the file is what a machine finds that lost its power at that moment.
type cutter struct {
	t     *testing.T
	image string
	dir   string // where it is mounted
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		err = &os.PathError{Op: strings.Join(append([]string{name}, args...), " "), Path: strings.TrimSpace(string(out)), Err: err}
	}
	return err
}

func newCutter(t *testing.T) *cutter {
	t.Helper()
	c := &cutter{t: t, image: filepath.Join(t.TempDir(), "disk"), dir: t.TempDir()}
	f, err := os.Create(c.image)
	if err == nil {
		err = f.Truncate(64 << 20)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	err = command("mkfs.ext4", "-q", c.image)
	if err == nil {
		err = command("mount", "-o", "loop", c.image, c.dir)
	}
	if err != nil {
		t.Skipf("no right to mount a disk out of a file, or no mkfs.ext4: %v", err)
	}
	t.Cleanup(func() {
		if err := command("umount", c.dir); err != nil {
			t.Error(err)
		}
	})
	return c
}

// data is the data folder on the disk.
func (c *cutter) data() string { return filepath.Join(c.dir, "data") }

// cut takes the power away: from now on the disk is what was really written to it.
func (c *cutter) cut() {
	c.t.Helper()
	after := c.image + "'"
	if err := copyFile(c.image, after); err != nil {
		c.t.Fatal(err)
	}
	// What the kernel still writes goes to a disk that nobody looks at any more.
	if err := command("umount", c.dir); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Remove(c.image); err != nil {
		c.t.Fatal(err)
	}
	c.image = after
	if err := command("mount", "-o", "loop", c.image, c.dir); err != nil {
		c.t.Fatal(err)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// TestProvePowerCut takes the power away while a process writes: as TestProveKill, but
// what was only in the kernel's memory is gone.
func TestProvePowerCut(t *testing.T) {
	c := newCutter(t)
	rng := rand.New(rand.NewPCG(7, 7))
	var acked stand
	for cycle := range share(3, 2000) {
		tried := acked
		if err := killed(t, c.data(), "", []string{"", "TRYEARN"}[cycle%2], time.Duration(20+rng.IntN(150))*time.Millisecond, func(word string, n int) { said(&acked, &tried, word, n) }); err != nil {
			t.Fatalf("cut %d: %v", cycle, err)
		}
		c.cut()
		if _, err := os.Stat(filepath.Join(c.data(), fileName)); err != nil && acked == (stand{}) {
			continue // cut before there was a database
		}
		var err error
		if acked, err = survived(c.data(), acked, tried); err != nil {
			t.Fatalf("cut %d: %v", cycle, err)
		}
	}
	t.Logf("stands at %+v", acked)
}

func TestPowerCutCatchesSkippedSyncs(t *testing.T) {
	c := newCutter(t)
	var acked stand
	for range 10 {
		tried := acked
		if err := killed(t, c.data(), skipSync, "ACKEARN", 50*time.Millisecond, func(word string, n int) { said(&acked, &tried, word, n) }); err != nil {
			t.Logf("caught: the child: %v", err)
			return
		}
		c.cut()
		if acked == (stand{}) {
			continue
		}
		if _, err := survived(c.data(), acked, tried); err != nil {
			t.Logf("caught: %v", err)
			return
		}
	}
	t.Error("10 cuts have not caught it")
}
