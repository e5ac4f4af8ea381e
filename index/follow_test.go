package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

func found(t testing.TB, x *Index, text string) []Hit {
	t.Helper()
	r, err := x.Search(t.Context(), Query{Text: text, Country: "FR"})
	if err != nil {
		t.Fatal(err)
	}
	return r.Hits
}

// TestFollow moves the source in every way that a change record stands for.
func TestFollow(t *testing.T) {
	m := small()
	x := indexed(t, t.TempDir(), m)
	m.set(Shop{merchant(11, "Zalando", "FR", "zalando.fr"), []cashback.Offer{percent("igraal", "4")}})
	ready(t, x, m)
	if h := found(t, x, "zalndo"); len(h) != 1 || h[0].Merchant.ID != 11 || h[0].Portals != 1 {
		t.Errorf("a new shop: %+v", h)
	}
	m.set(Shop{merchant(11, "Zalando Privé", "FR", "zalando-prive.fr"), []cashback.Offer{percent("igraal", "4"), percent("poulpeo", "6")}})
	ready(t, x, m)
	if h := found(t, x, "zalando prive"); len(h) != 1 || h[0].Grade != Exact || h[0].Portals != 2 || h[0].Best != "poulpeo" {
		t.Errorf("a renamed shop: %+v", h)
	}
	if h, err := x.ByDomain(t.Context(), "zalando.fr", "FR"); err != nil || len(h) != 0 {
		t.Errorf("the former domain finds %v, %v", h, err)
	}
	m.set(Shop{Merchant: merchant(11, "Zalando Privé", "FR", "zalando-prive.fr")})
	ready(t, x, m)
	if h := found(t, x, "zalando prive"); len(h) != 0 {
		t.Errorf("a shop without offers is found: %+v", h)
	}
	m.remove(5)
	ready(t, x, m)
	if h := found(t, x, "fnac"); len(h) != 1 || h[0].Merchant.ID != 6 {
		t.Errorf("a removed shop: %+v", h)
	}
	m.setPortals(portal("igraal", cashback.Off), portal("poulpeo", cashback.Public), portal("secret", cashback.Public))
	ready(t, x, m)
	if h := found(t, x, "amazon"); len(h) != 1 || h[0].Portals != 2 || h[0].Best != "secret" {
		t.Errorf("after the portals' modes changed: %+v", h)
	}
	if h := found(t, x, "yves rocher"); len(h) != 0 {
		t.Errorf("a shop of portals that are off: %+v", h)
	}
}

// TestConfirmed: offers that are confirmed unchanged grow younger, with one change
// record for all of them.
func TestConfirmed(t *testing.T) {
	m := small()
	now := noon
	x, err := Open(t.Context(), t.TempDir(), m, Options{Now: func() time.Time { return now.Add(20 * 24 * time.Hour) }, Gather: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	running(t, x)
	ready(t, x, m)
	if h := found(t, x, "amazon"); len(h) != 1 || h[0].Best != "" {
		t.Errorf("a stale offer is valued: %+v", h)
	}
	m.confirm("poulpeo", now.Add(19*24*time.Hour))
	ready(t, x, m)
	if h := found(t, x, "amazon"); len(h) != 1 || h[0].Best != "poulpeo" {
		t.Errorf("a confirmed offer isn't valued: %+v", h)
	}
}

// TestStart opens the folder again and again, as it was left or damaged, and asks
// the same.
func TestStart(t *testing.T) {
	golden := t.TempDir()
	m := small()
	x := opened(t, golden, m)
	done := make(chan error, 1)
	go func() { done <- x.Run(t.Context()) }()
	ready(t, x, m)
	if err := errors2(x.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(golden, x.current())
	segments, err := filepath.Glob(filepath.Join(text, "*.zap"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	relative := func(path string) string {
		r, err := filepath.Rel(golden, path)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	files := []string{currentFile, columnsPrefix + schema, relative(filepath.Join(text, "root.bolt")), relative(segments[0])}
	check := func(t *testing.T, dir string, m *memory, degraded bool) {
		x := opened(t, dir, m)
		if st := x.Ready(); st.Degraded != degraded {
			t.Errorf("right after opening: %+v", st)
		}
		done := make(chan error, 1)
		go func() { done <- x.Run(t.Context()) }()
		ready(t, x, m)
		defer func() {
			if err := errors2(x.Close(), <-done); err != nil {
				t.Error(err)
			}
		}()
		if h := found(t, x, "amazn"); len(h) != 1 || h[0].Merchant.ID != 1 || h[0].Portals != 3 || h[0].Best != "igraal" {
			t.Errorf("found %+v", h)
		}
	}
	t.Run("whole", func(t *testing.T) {
		dir := copied(t, golden)
		before := m.reads
		check(t, dir, m, false)
		if m.reads != before {
			t.Error("a start from a whole folder read the shops again")
		}
	})
	t.Run("behind", func(t *testing.T) {
		dir := copied(t, golden)
		m := small()
		m.set(Shop{merchant(12, "Boulanger", "FR", "boulanger.com"), []cashback.Offer{percent("igraal", "4")}})
		check(t, dir, m, false)
	})
	t.Run("trimmed", func(t *testing.T) {
		dir := copied(t, golden)
		m := small()
		m.trim()
		m.set(Shop{merchant(13, "Darty", "FR", "darty.com"), []cashback.Offer{percent("igraal", "4")}})
		check(t, dir, m, false)
	})
	t.Run("empty", func(t *testing.T) { check(t, t.TempDir(), m, true) })
	damage := map[string]func(t *testing.T, path string){
		"deleted": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"emptied": func(t *testing.T, path string) { cutTo(t, path, 0) },
		"halved": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			cutTo(t, path, info.Size()/2)
		},
		"garbage": func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("garbage "), 10_000), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"a folder": func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
				t.Fatal(err)
			}
		},
	}
	for _, f := range files {
		for name, harm := range damage {
			t.Run(f+" "+name, func(t *testing.T) {
				dir := copied(t, golden)
				harm(t, filepath.Join(dir, f))
				check(t, dir, m, f != columnsPrefix+schema)
				check(t, dir, m, false)
			})
		}
	}
	t.Run("another schema", func(t *testing.T) {
		dir := copied(t, golden)
		old := textPrefix + "0-7"
		if err := errors.Join(os.Rename(filepath.Join(dir, relative(text)), filepath.Join(dir, old)),
			os.WriteFile(filepath.Join(dir, currentFile), []byte(old+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		check(t, dir, m, true)
		if _, err := os.Stat(filepath.Join(dir, old)); !errors.Is(err, os.ErrNotExist) {
			t.Error("the old index stays behind:", err)
		}
	})
	t.Run("another history", func(t *testing.T) {
		dir := copied(t, golden)
		other := newMemory()
		other.setPortals(portal("igraal", cashback.Public))
		other.set(Shop{merchant(1, "Cdiscount", "FR", "cdiscount.com"), []cashback.Offer{percent("igraal", "4")}})
		x := indexed(t, dir, other)
		if h := found(t, x, "amazon"); len(h) > 0 {
			t.Errorf("a shop of the other store: %+v", h)
		}
		if h := found(t, x, "cdiscout"); len(h) != 1 {
			t.Errorf("the store's own shop: %+v", h)
		}
	})
	t.Run("another history with higher numbers", func(t *testing.T) {
		dir := copied(t, golden)
		other := small()
		other.mu.Lock()
		for i := range other.changes {
			other.changes[i].At = other.changes[i].At.Add(time.Minute)
		}
		other.mu.Unlock()
		other.set(Shop{merchant(1, "Cdiscount", "FR", "cdiscount.com"), []cashback.Offer{percent("igraal", "4")}})
		other.remove(2)
		x := indexed(t, dir, other)
		if h := found(t, x, "amazon"); len(h) > 0 {
			t.Errorf("a shop of the other store: %+v", h)
		}
		if h := found(t, x, "cdiscount"); len(h) != 1 {
			t.Errorf("the store's own shop: %+v", h)
		}
	})
	t.Run("foreign files stay", func(t *testing.T) {
		dir := copied(t, golden)
		if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, dir, m, false)
		if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
			t.Error(err)
		}
	})
}

func cutTo(t *testing.T, path string, size int64) {
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func copied(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "index")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestFlippedBits: whatever bit of the index is flipped, no answer is wrong.
func TestPropertyFlippedBits(t *testing.T) {
	golden := t.TempDir()
	m := small()
	x := opened(t, golden, m)
	done := make(chan error, 1)
	go func() { done <- x.Run(t.Context()) }()
	ready(t, x, m)
	if err := errors2(x.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(golden, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rounds := 30
	if os.Getenv("CAGNOTTE_PROVE") != "" {
		rounds = 10_000
	}
	r := rand.New(rand.NewPCG(7, 7))
	healed := 0
	for range rounds {
		dir := copied(t, golden)
		file := files[r.IntN(len(files))]
		rel, _ := filepath.Rel(golden, file)
		path := filepath.Join(dir, rel)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bit := r.IntN(len(b) * 8)
		b[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		x := opened(t, dir, m)
		if st := x.Ready(); st.Degraded || !st.Loaded {
			healed++
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { done <- x.Run(ctx) }()
		ready(t, x, m)
		for _, text := range []string{"amazn", "amazon", "rocher", "fnac spectacles"} {
			if h := found(t, x, text); len(h) != 1 {
				t.Errorf("bit %d of %s flipped: %q finds %v", bit, rel, text, names2(h))
			}
		}
		stop()
		if err := errors2(<-done, x.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d of %d flips were seen at the start and healed", healed, rounds)
}

// TestKilled: a process that ends between any two batches leaves an index that
// knows how far it goes. Scorch is closed without a flush, at every stage.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	m := small()
	for round := range 12 {
		x := opened(t, dir, m)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- x.Run(ctx) }()
		if round%3 > 0 {
			ready(t, x, m)
			for i := range 3 {
				id := 100*round + i
				m.set(Shop{merchant(id, fmt.Sprintf("Boutique %c%c", 'a'+round, 'a'+i), "FR", ""), []cashback.Offer{percent("igraal", "4")}})
			}
			m.remove(cashback.MerchantID(100 * (round - 1)))
		}
		if round%2 > 0 {
			ready(t, x, m)
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		// No Close: nothing is flushed or saved, as after kill -9.
		if e := x.text.Swap(nil); e != nil {
			if err := e.close(); err != nil {
				t.Fatal(err)
			}
		}
		if round%4 == 3 {
			_ = os.Remove(filepath.Join(dir, columnsPrefix+schema))
		}
	}
	x := indexed(t, dir, m)
	n, err := x.text.Load().documents()
	if want := len(m.shops); err != nil || n != want || x.columns.Load().shops != want {
		t.Errorf("%d documents and %d rows for %d shops, %v", n, x.columns.Load().shops, want, err)
	}
	for id, s := range m.shops {
		hits, err := x.Search(t.Context(), Query{Text: s.Merchant.Name, Country: s.Merchant.Country, View: OperatorView})
		if id != 8 && (err != nil || len(hits.Hits) == 0 || hits.Hits[0].Merchant.ID != id) {
			t.Errorf("%q gives %v, %v", s.Merchant.Name, names2(hits.Hits), err)
		}
	}
}

// TestHurt breaks the text index while it is in use.
func TestHurt(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"folder deleted": func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		},
		"root deleted": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "root.bolt")); err != nil {
				t.Fatal(err)
			}
		},
		"segments cut off": func(t *testing.T, dir string) {
			list, _ := filepath.Glob(filepath.Join(dir, "*.zap"))
			for _, f := range list {
				cutTo(t, f, 10)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := small()
			dir := t.TempDir()
			x := indexed(t, dir, m)
			old := x.text.Load()
			harm(t, old.dir)
			// Every answer on the way is right, or forgives no errors.
			eventually(t, func() bool {
				r, err := x.Search(t.Context(), Query{Text: "amazon"})
				if err != nil || len(r.Hits) != 1 {
					t.Fatalf("while broken: %+v, %v", r, err)
				}
				e := x.text.Load()
				return e != nil && e != old && !r.Degraded
			}, func() string { return fmt.Sprintf("not rebuilt: %+v", x.Ready()) })
			ready(t, x, m)
			if h := found(t, x, "amazn"); len(h) != 1 {
				t.Errorf("after the rebuild: %+v", h)
			}
		})
	}
}

// TestNoRoom: where no text index can be made the shops are still found, the
// attempts keep a distance, and the first that can succeeds.
func TestNoRoom(t *testing.T) {
	m := small()
	dir := filepath.Join(t.TempDir(), "index")
	x := opened(t, dir, m)
	if err := errors2(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	running(t, x)
	eventually(t, func() bool { return x.f.attempts.Load() >= 4 }, func() string { return "no attempts" })
	if st := x.Ready(); !st.Loaded || !st.Degraded || st.Ready || st.Why == "" {
		t.Errorf("%+v", st)
	}
	if h := found(t, x, "amazon"); len(h) != 1 {
		t.Errorf("found %+v", h)
	}
	if err := errors2(os.Remove(dir), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	ready(t, x, m)
	if n := x.f.attempts.Load(); n > 20 {
		t.Errorf("%d attempts: no pause between them", n)
	}
	if h := found(t, x, "amazn"); len(h) != 1 {
		t.Errorf("found %+v", h)
	}
}

// TestSourceFails: a source that fails is asked again, and what is there goes on
// answering.
func TestSourceFails(t *testing.T) {
	m := small()
	x := indexed(t, t.TempDir(), m)
	m.failing(cashback.Errorf(cashback.Unavailable, "the store is busy"))
	m.set(Shop{merchant(12, "Boulanger", "FR", "boulanger.com"), []cashback.Offer{percent("igraal", "4")}})
	if h := found(t, x, "amazon"); len(h) != 1 {
		t.Errorf("found %+v", h)
	}
	m.failing(nil)
	ready(t, x, m)
	if h := found(t, x, "boulanger"); len(h) != 1 {
		t.Errorf("found %+v", h)
	}
}

// TestBusy asks from several goroutines while the source moves.
func TestBusy(t *testing.T) {
	m := generated(300, 1200, 3)
	x := indexed(t, t.TempDir(), m)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	for w := range 4 {
		go func() {
			r := rand.New(rand.NewPCG(uint64(w), 2))
			for ctx.Err() == nil {
				text := madeUp(r)
				if _, err := x.Suggest(ctx, text[:2+r.IntN(len(text)-2)], "FR", 8); err != nil && ctx.Err() == nil {
					done <- err
					return
				}
				if _, err := x.Search(ctx, Query{Text: text, Facets: true}); err != nil && ctx.Err() == nil {
					done <- err
					return
				}
				if _, err := x.Offers(ctx, Query{Facets: true, Limit: 5}); err != nil && ctx.Err() == nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 200 {
		id := 1 + r.IntN(400)
		if i%10 == 9 {
			m.remove(cashback.MerchantID(id))
		} else {
			m.set(Shop{merchant(id, madeUp(r), "FR", ""), []cashback.Offer{percent(fmt.Sprintf("portal-%02d", r.IntN(90)), "3")}})
		}
	}
	ready(t, x, m)
	stop()
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n, err := x.text.Load().documents(); err != nil || n != len(m.shops) {
		t.Errorf("%d documents for %d shops, %v", n, len(m.shops), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), filepath.Join(file, "index"), newMemory(), Options{}); cashback.KindOf(err) != cashback.DiskFailed {
		t.Errorf("a folder within a file: %v", err)
	}
	if _, err := Open(t.Context(), "", newMemory(), Options{}); cashback.KindOf(err) != cashback.Invalid {
		t.Errorf("no folder: %v", err)
	}
	x := indexed(t, t.TempDir(), newMemory())
	if err := x.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "running") {
		t.Errorf("a second Run: %v", err)
	}
}
