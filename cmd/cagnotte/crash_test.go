package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/portaltest"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web"
)

// The harness kills a serving process with kill -9 at random moments, while people click,
// note what they bought and look at pages, portals are crawled and published, and files
// are imported. After each kill: what was acknowledged is there, nothing that was never
// sent, the folder checks whole with all invariants of the ledger (store.Check), and the
// restart serves. `make crash N=300` runs it; make test takes a few. Its waits are of wall
// time and can't be injected: the moment of the kill is what is tried, in another process.
// Nothing that is asserted depends on how long they take.

// crashEnv makes the test binary the process that is killed: what it is to do.
const crashEnv = "CAGNOTTE_CRASH_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(crashEnv) {
	case "serve":
		if err := serveForCrash(os.Args[1], os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "verb":
		os.Exit(run(&world{ctx: context.Background(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: time.Now}, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// onThisMachine resolves the portals' names.
type onThisMachine struct{}

func (onThisMachine) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// serveForCrash is `cagnotte serve --single-user` over portals on this machine, which the
// verb itself refuses to crawl.
func serveForCrash(dir, addr, definitions string) (err error) {
	w := &world{ctx: context.Background(), stdout: io.Discard, stderr: os.Stderr, now: time.Now}
	w.logTo(w.stderr, slog.LevelError)
	listener, err := listen(w.ctx, addr)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(definitions, "*.yaml"))
	if err != nil {
		return err
	}
	var defs []*portal.Definition
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		d, err := portal.Load(f, text)
		if err != nil {
			return err
		}
		defs = append(defs, d)
	}
	h, err := openHouse(w.ctx, w, dir, houseOptions{address: addr, definitions: defs})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	transport, err := h.transport("", &local{resolver: onThisMachine{}, host: portaltest.IsLocal, addr: func(a netip.AddrPort) bool { return a.Addr().IsLoopback() }})
	if err != nil {
		return err
	}
	defer transport.Close()
	cr, err := h.crawler(transport)
	if err != nil {
		return err
	}
	runner := h.runner(cr)
	door, err := h.door(w.ctx, cr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, door.Close()) }()
	conf := web.Config{DefaultCountry: "FR", SingleUser: true}
	door.open(&conf)
	s, err := h.site(w, conf)
	if err != nil {
		return err
	}
	if _, err := h.store.Accounts().Sole(w.ctx); err != nil {
		return err
	}
	return h.serve(w, s, listener, runner.Run, func(ctx context.Context) error { return h.stir(ctx, 100*time.Millisecond) })
}

// crash is the harness: the killed process's folder, and what was asked of it.
type crash struct {
	t         *testing.T
	rng       *rand.Rand
	dir, defs string
	addr      string
	client    *http.Client
	plant     string // the fault that is planted; "" for none

	mu sync.Mutex
	// orders and clicks are what was sent and what was acknowledged. A click's name is
	// the server's, so of those without an answer only the number is known.
	tried, acked   map[string]bool
	clicks         map[string]bool
	clicksTried    int
	imports, pages int
	places         []string // portal/merchant, where one can click
}

const (
	earlyAnswer = "answer before the commit"
	twiceByHand = "import twice"
)

// life starts the process and returns when it serves, with how long that took.
func (c *crash) life() (*exec.Cmd, time.Duration) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0], c.dir, c.addr, c.defs)
	cmd.Env = append(os.Environ(), crashEnv+"=serve")
	var said bytes.Buffer
	cmd.Stderr = &said
	from := time.Now()
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	for {
		if r, err := c.client.Get("http://" + c.addr + "/fr/money/purchases"); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return cmd, time.Since(from)
			}
		}
		if time.Since(from) > time.Minute {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			c.t.Fatalf("the process doesn't serve: %s", said.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *crash) post(ctx context.Context, path string, form url.Values) (string, bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.addr+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Error(err)
		return "", false
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://"+c.addr)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := c.client.Do(r)
	if err != nil {
		return "", false
	}
	_ = answer.Body.Close()
	return answer.Header.Get("Location"), answer.StatusCode == http.StatusSeeOther
}

var purchaseName = regexp.MustCompile(`/money/purchases/([^/]+)/leave$`)

// shop is one person until the process is killed: goes to a portal, notes what was
// bought, adds a purchase by hand, looks at pages.
func (c *crash) shop(ctx context.Context, seed uint64, name string) {
	rng := rand.New(rand.NewPCG(seed, 77))
	for i := 0; ctx.Err() == nil; i++ {
		order := fmt.Sprintf("%s-%d", name, i)
		place := c.places[rng.IntN(len(c.places))]
		if i%2 == 0 {
			c.mu.Lock()
			c.clicksTried++
			c.mu.Unlock()
			to, ok := c.post(ctx, "/fr/go/"+place, nil)
			m := purchaseName.FindStringSubmatch(to)
			if !ok || m == nil {
				continue
			}
			c.note(c.clicks, m[1])
			c.send(ctx, order, "/fr/money/purchases/"+m[1], url.Values{"amount": {"120,50"}, "order": {order}, "seen": {"0"}})
		} else {
			portal, _, _ := strings.Cut(place, "/")
			c.send(ctx, order, "/fr/money/add", url.Values{"portal": {portal}, "shop": {"Fnac"}, "date": {"2026-03-02"}, "amount": {"80"}, "cashback": {"3,20"}, "order": {order}})
		}
		if r, err := c.client.Get("http://" + c.addr + "/fr/search?q=fn"); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			c.mu.Lock()
			c.pages++
			c.mu.Unlock()
		}
	}
}

func (c *crash) note(in map[string]bool, name string) {
	c.mu.Lock()
	in[name] = true
	c.mu.Unlock()
}

// send sends a form that carries an order's number, and notes that and its answer.
func (c *crash) send(ctx context.Context, order, path string, form url.Values) {
	c.note(c.tried, order)
	if c.plant == earlyAnswer {
		c.note(c.acked, order)           // a front that answers at once
		time.Sleep(5 * time.Millisecond) // the kill may come here
	}
	if to, ok := c.post(ctx, path, form); ok && strings.Contains(to, "/money/purchases") {
		c.note(c.acked, order)
	}
}

// serveAndKill is one life of the serving process.
func (c *crash) serveAndKill(cycle int) time.Duration {
	c.t.Helper()
	cmd, took := c.life()
	ctx, cancel := context.WithCancel(context.Background())
	var people sync.WaitGroup
	for i := range 2 {
		people.Go(func() { c.shop(ctx, uint64(cycle*2+i), fmt.Sprintf("o%d-%d", cycle, i)) })
	}
	time.Sleep(time.Duration(50+c.rng.IntN(450)) * time.Millisecond)
	if err := cmd.Process.Kill(); err != nil {
		c.t.Error(err)
	}
	cancel()
	people.Wait()
	_ = cmd.Wait()
	return took
}

// importAndKill kills an import from the command line, and repeats it until it has an
// answer: whatever the first one had done, the file is in the ledger once.
func (c *crash) importAndKill(cycle int) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "quidco.txt")
	var b strings.Builder
	b.WriteString("Date\tMerchant\tPurchase ID\tCashback\tStatus\n")
	const lines = 40
	for i := range lines {
		name := fmt.Sprintf("i%d-%d", cycle, i)
		c.tried[name], c.acked[name] = true, true
		fmt.Fprintf(&b, "03OCT25\tArgos\t%s\t£%d.31\t%s\n", name, 1+i, []string{"Tracked", "Confirmed"}[i%2])
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	for attempt := range 2 {
		if c.plant == twiceByHand && attempt == 1 { // as if lines had no identity
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(b.String(), "\ti", "\tagain-i")), 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
		cmd := exec.Command(os.Args[0], "ledger", "import", "--data", c.dir, "--portal", "quidco-gb", file)
		cmd.Env = append(os.Environ(), crashEnv+"=verb")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			c.t.Fatal(err)
		}
		if attempt == 0 {
			time.Sleep(time.Duration(c.rng.IntN(250)) * time.Millisecond)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		} else if err := cmd.Wait(); err != nil {
			c.t.Fatalf("the import: %v: %s", err, said.String())
		}
	}
	c.imports++
}

// look says what is wrong in the folder that a killed process has left.
func (c *crash) look() (err error) {
	ctx := context.Background()
	rep, err := store.Check(ctx, c.dir, store.Options{Now: time.Now})
	if err != nil {
		return err
	}
	if rep.Found > 0 {
		return fmt.Errorf("the folder isn't whole: %v %v %v", rep.Structure, rep.Records, rep.Sense)
	}
	s, err := store.Open(ctx, c.dir, store.Options{Now: time.Now, Existing: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	u, err := s.Accounts().Sole(ctx)
	if err != nil {
		return err
	}
	purchases, err := s.Ledgers().Purchases(ctx, u.ID, store.Filter{})
	if err != nil {
		return err
	}
	there, clicked := map[string]int{}, map[string]bool{}
	for _, p := range purchases {
		name := p.Order
		if p.Portal == "quidco-gb" {
			name = p.External
		}
		if name != "" {
			there[name]++
		}
		if _, at := p.Since[earnings.StateClicked]; at {
			clicked[p.ID] = true
			if _, err := s.Ledgers().Evidence(ctx, u.ID, p.Evidence); err != nil {
				return fmt.Errorf("the terms of a click are lost: %w", err)
			}
		}
	}
	for name := range c.acked {
		if there[name] != 1 {
			return fmt.Errorf("%s was acknowledged and is there %d times", name, there[name])
		}
	}
	for name, n := range there {
		if !c.tried[name] || n > 1 {
			return fmt.Errorf("%s is there %d times; sent: %v", name, n, c.tried[name])
		}
	}
	for id := range c.clicks {
		if !clicked[id] {
			return fmt.Errorf("the click %s was acknowledged and isn't there", id)
		}
	}
	if len(clicked) > c.clicksTried {
		return fmt.Errorf("%d clicks are there, %d were made", len(clicked), c.clicksTried)
	}
	return nil
}

// newCrash makes portals and a folder that one life has filled.
func newCrash(t *testing.T, dir, plant string) *crash {
	t.Helper()
	from := time.Now()
	// The portals' day is a minute: each crawl finds other rates.
	demo, err := portaltest.NewDemo(portaltest.DemoConfig{Seed: 3, Now: func() time.Time { return from.Add(time.Since(from) * 1440) }})
	if err != nil {
		t.Fatal(err)
	}
	demo.Start()
	t.Cleanup(func() { _ = demo.Close() })
	c := &crash{
		t: t, rng: rand.New(rand.NewPCG(9, 9)), dir: filepath.Join(dir, "data"), defs: t.TempDir(), plant: plant,
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 30 * time.Second},
		tried:  map[string]bool{}, acked: map[string]bool{}, clicks: map[string]bool{},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	small := demo.Portals()
	slices.SortFunc(small, func(a, b *portaltest.DemoPortal) int { return a.Size() - b.Size() })
	for _, p := range small[:3] {
		text, err := p.Definition()
		if err == nil {
			text = regexp.MustCompile(`delay: *[0-9.]+m?s`).ReplaceAll(text, []byte("delay: 20ms"))
			err = os.WriteFile(filepath.Join(c.defs, p.Name()+".yaml"), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd, _ := c.life()
	for deadline := time.Now().Add(time.Minute); len(c.places) < 20 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		c.places = c.offers()
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if len(c.places) < 20 {
		t.Fatalf("only %d offers were published", len(c.places))
	}
	return c
}

var offerPlace = regexp.MustCompile(`"merchant":(\d+),"merchant_name":"[^"]*","merchant_slug":"[^"]*","portal":"([^"]+)"`)

// offers are where one can click.
func (c *crash) offers() (out []string) {
	r, err := c.client.Get("http://" + c.addr + "/api/v1/offers?limit=100")
	if err != nil {
		return nil
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	for _, m := range offerPlace.FindAllSubmatch(b, -1) {
		out = append(out, string(m[2])+"/"+string(m[1]))
	}
	return out
}

// cycles is how often the process is killed: a few by default, $CAGNOTTE_CRASH with
// make crash.
func cycles(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("CAGNOTTE_CRASH"))
	if err != nil || n <= 0 {
		return 3
	}
	t.Logf("%d cycles", n)
	return n
}

func TestCrash(t *testing.T) {
	c := newCrash(t, t.TempDir(), "")
	var starts []time.Duration
	for cycle := range cycles(t) {
		if cycle%3 == 2 {
			c.importAndKill(cycle)
		} else {
			starts = append(starts, c.serveAndKill(cycle))
		}
		if err := c.look(); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
	}
	slices.Sort(starts)
	s, err := store.Open(t.Context(), c.dir, store.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	changes := s.As(store.Operator).LastChange()
	t.Logf("%d orders and %d clicks acknowledged, %d imports, %d pages seen, %d changes published; serving again after %v at the median, %v at most",
		len(c.acked), len(c.clicks), c.imports, c.pages, changes, starts[len(starts)/2].Round(time.Millisecond), starts[len(starts)-1].Round(time.Millisecond))
	if len(c.acked) == 0 || len(c.clicks) == 0 || changes == 0 {
		t.Error("nothing was going on: the harness proves nothing")
	}
}

// A harness counts once it has caught a planted fault. Skipped syncs are caught where the
// power is cut (internal/store, TestPowerCutCatchesSkippedSyncs).
func TestCrashCatchesPlantedFaults(t *testing.T) {
	c := newCrash(t, t.TempDir(), twiceByHand)
	c.importAndKill(0)
	if err := c.look(); err == nil {
		t.Error("an import that was made twice goes unnoticed")
	} else {
		t.Logf("caught: %v", err)
	}
	c.tried, c.acked = map[string]bool{}, map[string]bool{}
	for _, name := range c.externals() {
		c.tried[name] = true
	}
	c.plant = earlyAnswer
	for cycle := range 25 {
		c.serveAndKill(1000 + cycle)
		if err := c.look(); err != nil {
			t.Logf("caught: %v", err)
			return
		}
	}
	t.Error("25 kills have not caught an answer before the commit")
}

// externals are the portal's own names of all that is there.
func (c *crash) externals() (out []string) {
	ctx := context.Background()
	s, err := store.Open(ctx, c.dir, store.Options{Now: time.Now})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	u, err := s.Accounts().Sole(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	purchases, err := s.Ledgers().Purchases(ctx, u.ID, store.Filter{})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range purchases {
		out = append(out, p.External)
	}
	return out
}
