package crawler

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// BenchmarkJudgeAndPublish resolves, judges and publishes a run of 10,000 offers of
// which every twentieth has moved, as a healthy day's has, at a portal that has been
// read for a season; the bar is .5 s. Its
// baseline writes the same snapshot into one file and syncs it.
func BenchmarkJudgeAndPublish(b *testing.B) {
	const offers = 10_000
	_, _, definition := turning(b, portaltest.Shelf{Name: "large", Pages: 1, PerPage: 1})
	r := newRig(b, nil)
	def := r.load(definition)
	snapshot := func(day int) cashback.Snapshot {
		at := r.clock.now()
		id := fmt.Sprintf("run-%04d", day)
		snap := cashback.Snapshot{
			Portal: def.Portal(),
			Run:    cashback.Run{ID: id, Portal: def.ID(), DefinitionVersion: def.Version(), StartedAt: at, EndedAt: at.Add(time.Minute), Complete: true, Finish: FinishDone, Pages: offers / 50, Offers: offers, WithRate: offers},
		}
		for i := range offers {
			halves := int64(2 + i*7%17) // far from its neighbours
			if i%20 == day%20 {
				halves++
			}
			rate := decimal.MustNew(halves*5, 1)
			key := fmt.Sprintf("shop-%05d", i)
			page := fmt.Sprintf("%s/shops?page=%d", def.Portal().Homepage, i/50)
			snap.Offers = append(snap.Offers, cashback.Offer{
				Entry: cashback.Entry{Key: key, Name: fmt.Sprintf("Boutique %c%c%c %d", 'A'+i%26, 'a'+i/26%26, 'a'+i/676%26, i), Country: "FR", Link: def.Portal().Homepage + "/" + key},
				Kind:  cashback.Percent, Status: cashback.OK, Tiers: []cashback.Tier{{Components: []cashback.Component{{Kind: cashback.Percent, Value: rate}}}},
				Receipt: cashback.Receipt{Portal: def.ID(), URL: page, ReadAt: at, RawText: rate.String() + " %", Hash: fmt.Sprintf("%064x", day*1000+i/50), DefinitionVersion: def.Version(), Run: id},
			})
			if i%50 == 0 {
				snap.Pages = append(snap.Pages, cashback.PageStat{URL: page, Outcome: cashback.PageOK, Items: 50, Filled: 1000})
			}
		}
		return snap
	}
	day := 0
	publish := func(snap cashback.Snapshot) {
		report := Report{Run: snap.Run}
		if err := r.publish(context.Background(), def, snap, &report); err != nil {
			b.Fatal(err)
		}
		if report.Verdict != cashback.Publish {
			b.Fatalf("day %d: %s, %s", day, report.Verdict, report.Reason)
		}
	}
	next := func() cashback.Snapshot {
		day++
		r.clock.forward(24 * time.Hour)
		return snapshot(day)
	}
	publish(next()) // known for a season, as most offers are
	r.clock.forward(95 * 24 * time.Hour)
	for range 4 { // the gate compares from the fourth on
		publish(next())
	}
	file := filepath.Join(b.TempDir(), "snapshot")
	var ours, plain, oursCPU, plainCPU time.Duration
	measure := func(f func()) (wall, cpu time.Duration) {
		start, used := time.Now(), cpuTime(syscall.RUSAGE_SELF)
		f()
		return time.Since(start), cpuTime(syscall.RUSAGE_SELF) - used
	}
	for b.Loop() {
		snap := next()
		w, c := measure(func() { publish(snap) })
		ours, oursCPU = ours+w, oursCPU+c
		w, c = measure(func() { write(b, file, snap) })
		plain, plainCPU = plain+w, plainCPU+c
	}
	b.ReportMetric(ours.Seconds()*1000/float64(b.N), "ms/run")
	b.ReportMetric(oursCPU.Seconds()*1000/float64(b.N), "cpu_ms/run")
	b.ReportMetric(plain.Seconds()*1000/float64(b.N), "file_ms/run")
	b.ReportMetric(plainCPU.Seconds()*1000/float64(b.N), "file_cpu_ms/run")
	b.ReportMetric(ours.Seconds()/plain.Seconds(), "x_file")
}

// write puts a snapshot into a file that is on the disk then.
func write(b *testing.B, file string, snap cashback.Snapshot) {
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	if err := json.NewEncoder(f).Encode(snap); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}
