package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// childEnv makes the test binary the process that is killed: DIR. plantEnv plants a
// fault in it, which the harness must catch.
const (
	childEnv = "CAGNOTTE_STORE_CHILD"
	plantEnv = "CAGNOTTE_STORE_PLANT"
)

const (
	ackFirst     = "acknowledge before the commit"
	skipSync     = "skip the sync"
	doubleImport = "import twice"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := writeForEver(dir, os.Getenv(plantEnv)); err != nil {
			fmt.Println("ERR", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeForEver does one write after another and says before each what it tries and
// after each that it was acknowledged. Generation n has the rate n % 90 on all offers.
func writeForEver(dir, plant string) error {
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{Now: time.Now})
	if err != nil {
		return err
	}
	s.db.NoSync = plant == skipSync
	if err := s.SavePortals(ctx, portals("a.fr")); err != nil {
		return err
	}
	n := 0
	if runs, err := s.As(Operator).Runs(ctx, "a.fr", 1); err != nil {
		return err
	} else if len(runs) > 0 {
		if n, err = strconv.Atoi(runs[0].ID); err != nil {
			return err
		}
	}
	for n++; ; n++ {
		fmt.Println("TRY", n)
		if _, err := s.Publish(ctx, generation(n)); err != nil {
			return err
		}
		fmt.Println("ACK", n)
		for i := range 4 {
			fmt.Println("TRYHOST", n*4+i)
			if err := s.SaveHost(ctx, "host.fr", []byte(strconv.Itoa(n*4+i))); err != nil {
				return err
			}
			fmt.Println("ACKHOST", n*4+i)
		}
		for range 3 {
			if err := earn(ctx, s, plant); err != nil {
				return err
			}
		}
		if _, _, err := s.OpenStage(ctx, Stage{Portal: "a.fr", Run: "next", StartedAt: time.Now()}); err != nil {
			return err
		}
		if err := s.StagePages(ctx, "a.fr", "next", StagedPage{strconv.Itoa(n), make([]byte, 5000)}); err != nil {
			return err
		}
	}
}

// linesPerImport is how many events one import of the ledger has.
const linesPerImport = 12

// imported is the n-th import of the one person's ledger, with frozen terms.
func imported(n int, salt string) Entry {
	var in Entry
	for i := range linesPerImport {
		e := step(fmt.Sprint(n, "-", i/3), []earnings.EventKind{earnings.Tracked, earnings.Confirmed, earnings.Payable}[i%3], nil)
		if i%3 == 0 {
			e.Amount = eur(int64(n%500 + i))
		}
		e.Key = fmt.Sprint(n, "/", i, salt)
		in.Events = append(in.Events, e)
	}
	frozen, err := terms(fmt.Sprint("shop ", n)).Freeze()
	if err != nil {
		panic(err) // plain terms
	}
	in.Evidence = []earnings.Evidence{frozen}
	in.Import = &earnings.Import{Hash: earnings.EvidenceOf(fmt.Append(nil, "file ", n)).Hash, Rule: "r", Lines: linesPerImport}
	return in
}

// earn imports one more file into the one person's ledger, and the one before again, as
// somebody does who had no answer.
func earn(ctx context.Context, s *Store, plant string) error {
	u, err := s.Accounts().Sole(ctx)
	if err != nil {
		return err
	}
	head, err := s.Ledgers().Head(ctx, u.ID)
	if err != nil {
		return err
	}
	n := int(head) / linesPerImport
	if n > 0 {
		again := imported(n, "")
		if plant == doubleImport {
			again = imported(n, " again")
			for i := range again.Events {
				again.Events[i].Purchase += " again"
			}
		}
		if _, err := s.Ledgers().Enter(ctx, u.ID, again); err != nil {
			return err
		}
	}
	n++
	fmt.Println("TRYEARN", n)
	if plant == ackFirst {
		fmt.Println("ACKEARN", n)
		time.Sleep(5 * time.Millisecond) // the reply is out before the work is done
	}
	if _, err := s.Ledgers().Enter(ctx, u.ID, imported(n, "")); err != nil {
		return err
	}
	if plant != ackFirst {
		fmt.Println("ACKEARN", n)
	}
	return nil
}

func generation(n int) Publication {
	at := time.Date(2026, 7, 1, 0, n, 0, 0, time.UTC)
	var offers []cashback.Offer
	for i := range 60 {
		if (i+n)%7 > 0 { // some come and go
			offers = append(offers, percent("a.fr", fmt.Sprintf("shop-%d", i), strconv.Itoa(1+n%90), i/20, at))
		}
	}
	p := publish("a.fr", strconv.Itoa(n), at, offers...)
	p.Plan = merchant.Plan{Portal: "a.fr", Assign: map[string]cashback.MerchantID{}}
	for i := range 60 {
		key := percent("a.fr", fmt.Sprintf("shop-%d", i), "1", 0, at).Entry.Key
		if (i+n)%7 > 0 {
			p.Plan.Assign[key] = cashback.MerchantID(1 + i%50)
		} else {
			p.Judgement.Remove = append(p.Judgement.Remove, key)
		}
	}
	if n == 1 {
		for i := range 50 {
			p.Plan.New = append(p.Plan.New, cashback.Merchant{ID: cashback.MerchantID(1 + i), Name: fmt.Sprint("shop ", i), Slug: fmt.Sprint("shop-", i)})
		}
	}
	return p
}

// stand is how far a process had come: what it was told is done, and what it began.
type stand struct{ publication, host, earned int }

// said takes a line of the child into account.
func said(acked, tried *stand, word string, n int) {
	to := map[string]*int{
		"TRY": &tried.publication, "ACK": &acked.publication, "TRYHOST": &tried.host, "ACKHOST": &acked.host, "TRYEARN": &tried.earned, "ACKEARN": &acked.earned,
	}[word]
	if to != nil {
		*to = n
	}
}

// TestProveKill kills a writing process at random moments, from the first creation
// of the folder on. After each kill: what was acknowledged is there, what is there
// was at least tried, no two generations are mixed, and the folder checks whole.
func TestProveKill(t *testing.T) {
	cycles := share(12, 20_000)
	rng := rand.New(rand.NewPCG(11, uint64(cycles)))
	dir := t.TempDir()
	var acked stand
	for cycle := range cycles {
		if cycle%5 == 0 {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			dir, acked = t.TempDir(), stand{} // killed while it is created, too
		}
		tried := acked
		if err := killed(t, dir, "", "", time.Duration(1+rng.IntN(120))*time.Millisecond, func(word string, n int) { said(&acked, &tried, word, n) }); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		var err error
		if acked, err = survived(dir, acked, tried); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
	}
}

// A harness counts once it has caught a planted fault. Skipping the sync is no fault for
// a killed process; TestProvePowerCut catches it.
func TestKillCatchesPlantedFaults(t *testing.T) {
	for _, plant := range []string{ackFirst, doubleImport} {
		t.Run(plant, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 3))
			for range 40 {
				var acked, tried stand
				dir := t.TempDir()
				if err := killed(t, dir, plant, "TRYEARN", time.Duration(rng.IntN(100))*time.Millisecond, func(word string, n int) { said(&acked, &tried, word, n) }); err != nil {
					t.Fatal(err)
				}
				if _, err := survived(dir, acked, tried); err != nil {
					t.Logf("caught: %v", err)
					return
				}
			}
			t.Error("40 kills have not caught it")
		})
	}
}

// killed runs the child and kills it after a while, counted from a word of it, or from
// its start.
func killed(t *testing.T, dir, plant, from string, after time.Duration, said func(string, int)) error {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, plantEnv+"="+plant, "GOMAXPROCS=2")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	if from != "" {
		kill.Reset(time.Minute) // a child that never says it
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // a line without its end was never said
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == from {
			kill.Reset(after)
			from = ""
		}
		if word == "ERR" {
			_ = cmd.Wait()
			return fmt.Errorf("the child: %s", rest)
		}
		if n, err := strconv.Atoi(rest); err == nil {
			said(word, n)
		}
	}
	_ = cmd.Wait()
	return nil
}

// survived looks at what a killed process has left; it returns what stands now.
func survived(dir string, acked, tried stand) (now stand, err error) {
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{Now: time.Now})
	if err != nil {
		return now, fmt.Errorf("the folder can't be opened: %w", err)
	}
	now, err = stands(ctx, s)
	err = errors.Join(err, s.Close())
	for _, c := range []struct {
		what             string
		now, acked, most int
	}{
		{"generation", now.publication, acked.publication, tried.publication}, {"host", now.host, acked.host, tried.host}, {"import", now.earned, acked.earned, tried.earned},
	} {
		if err == nil && (c.now < c.acked || c.now > c.most) {
			err = fmt.Errorf("%s %d stands, %d was acknowledged, %d tried", c.what, c.now, c.acked, c.most)
		}
	}
	if err != nil {
		return now, err
	}
	rep, err := Check(ctx, dir, Options{Now: time.Now})
	if err == nil && rep.Found > 0 {
		err = fmt.Errorf("the folder isn't whole: %+v", rep)
	}
	return now, err
}

// stands reads how far the folder is, and that each step is there whole.
func stands(ctx context.Context, s *Store) (now stand, err error) {
	op := s.As(Operator)
	if runs, err := op.Runs(ctx, "a.fr", 1); err == nil && len(runs) > 0 {
		now.publication, _ = strconv.Atoi(runs[0].ID)
	} else if err != nil && cashback.KindOf(err) != cashback.NotFound {
		return now, err
	}
	if last := now.publication; last > 0 {
		offers, err := op.PortalOffers(ctx, "a.fr")
		if err != nil {
			return now, err
		}
		if want := len(generation(last).Snapshot.Offers); len(offers) != want {
			return now, fmt.Errorf("generation %d has %d offers, %d are there", last, want, len(offers))
		}
		for _, o := range offers {
			if o.Receipt.Run != strconv.Itoa(last) || o.Receipt.RawText != strconv.Itoa(1+last%90)+" %" {
				return now, fmt.Errorf("generation %d is mixed with %+v", last, o.Receipt)
			}
		}
	}
	v, err := s.LoadHost(ctx, "host.fr")
	if err != nil {
		return now, err
	}
	now.host, _ = strconv.Atoi(string(v))
	u, err := s.Accounts().Sole(ctx)
	if err != nil {
		return now, err
	}
	events, err := s.Ledgers().Events(ctx, u.ID, 0, 0)
	if err != nil {
		return now, err
	}
	now.earned = len(events) / linesPerImport
	for i, e := range events {
		n := i/linesPerImport + 1
		if want := fmt.Sprint(n, "/", i%linesPerImport); e.Key != want {
			return now, fmt.Errorf("event %d has the key %q, want %q", e.Seq, e.Key, want)
		}
	}
	if len(events)%linesPerImport != 0 {
		return now, fmt.Errorf("%d events: half an import", len(events))
	}
	imports, err := s.Ledgers().Imports(ctx, u.ID)
	if err == nil && len(imports) != min(now.earned, maxImports) {
		err = fmt.Errorf("%d imports are noted, %d were made", len(imports), now.earned)
	}
	for n := 1; n <= now.earned && err == nil; n++ {
		_, err = s.Ledgers().Evidence(ctx, u.ID, imported(n, "").Evidence[0].Hash)
	}
	return now, err
}
