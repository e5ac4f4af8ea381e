package store

import (
	"bufio"
	"context"
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
	"github.com/cagnotte/cagnotte/internal/merchant"
)

// childEnv makes the test binary the process that is killed: DIR.
const childEnv = "CAGNOTTE_STORE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := writeForEver(dir); err != nil {
			fmt.Println("ERR", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeForEver does one write after another and says before each what it tries and
// after each that it was acknowledged. Generation n has the rate n % 90 on all offers.
func writeForEver(dir string) error {
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{Now: time.Now})
	if err != nil {
		return err
	}
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
		if _, _, err := s.OpenStage(ctx, Stage{Portal: "a.fr", Run: "next", StartedAt: time.Now()}); err != nil {
			return err
		}
		if err := s.StagePages(ctx, "a.fr", "next", StagedPage{strconv.Itoa(n), make([]byte, 5000)}); err != nil {
			return err
		}
	}
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

// TestProveKill kills a writing process at random moments, from the first creation
// of the folder on. After each kill: what was acknowledged is there, what is there
// was at least tried, no two generations are mixed, and the folder checks whole.
func TestProveKill(t *testing.T) {
	cycles := share(6, 20_000)
	rng := rand.New(rand.NewPCG(11, uint64(cycles)))
	dir := t.TempDir()
	acked, host := 0, 0
	for cycle := range cycles {
		if cycle%5 == 0 {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			dir, acked, host = t.TempDir(), 0, 0 // killed while it is created, too
		}
		tried, triedHost := acked, host
		if err := killed(t, dir, time.Duration(1+rng.IntN(120))*time.Millisecond, func(word string, n int) {
			switch word {
			case "TRY":
				tried = n
			case "ACK":
				acked = n
			case "TRYHOST":
				triedHost = n
			case "ACKHOST":
				host = n
			}
		}); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		acked, host = survived(t, dir, cycle, acked, tried, host, triedHost)
	}
}

// killed runs the child and kills it after a while from its first word on.
func killed(t *testing.T, dir string, after time.Duration, said func(string, int)) error {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, "GOMAXPROCS=2")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // a line without its end was never said
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
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
func survived(t *testing.T, dir string, cycle, acked, tried, host, triedHost int) (int, int) {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{Now: time.Now})
	if err != nil {
		t.Fatalf("cycle %d: the folder can't be opened: %v", cycle, err)
	}
	op := s.As(Operator)
	last := 0
	if runs, err := op.Runs(ctx, "a.fr", 1); err == nil && len(runs) > 0 {
		last, _ = strconv.Atoi(runs[0].ID)
	} else if err != nil && (acked > 0 || cashback.KindOf(err) != cashback.NotFound) {
		t.Fatalf("cycle %d: %v", cycle, err)
	}
	if last < acked || last > tried {
		t.Fatalf("cycle %d: generation %d stands, %d was acknowledged, %d tried", cycle, last, acked, tried)
	}
	if last > 0 {
		offers, err := op.PortalOffers(ctx, "a.fr")
		if err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		if want := len(generation(last).Snapshot.Offers); len(offers) != want {
			t.Fatalf("cycle %d: generation %d has %d offers, %d are there", cycle, last, want, len(offers))
		}
		for _, o := range offers {
			if o.Receipt.Run != strconv.Itoa(last) || o.Receipt.RawText != strconv.Itoa(1+last%90)+" %" {
				t.Fatalf("cycle %d: generation %d is mixed with %+v", cycle, last, o.Receipt)
			}
		}
	}
	v, err := s.LoadHost(ctx, "host.fr")
	if err != nil {
		t.Fatalf("cycle %d: %v", cycle, err)
	}
	at, _ := strconv.Atoi(string(v))
	if at < host || at > triedHost {
		t.Fatalf("cycle %d: host has %d, %d was acknowledged, %d tried", cycle, at, host, triedHost)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rep, err := Check(ctx, dir, Options{Now: time.Now})
	if err != nil || rep.Found > 0 {
		t.Fatalf("cycle %d: %+v, %v", cycle, rep, err)
	}
	return last, at
}
