package reward

import (
	"bufio"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// commonForms are how most portals write most rates.
var commonForms = []struct{ text, locale string }{
	{"5%", "en-US"}, {"Up to 8% Cash Back", "en-US"}, {"$15", "en-US"}, {"Earn 4 miles/$", "en-US"},
	{"4 % de cashback", "fr-FR"}, {"Jusqu'à 6,5 %", "fr-FR"}, {"12,50 €", "fr-FR"},
	{"bis zu 10 %", "de-DE"}, {"1 °P pro 2 €", "de-DE"}, {"hasta 5%", "es-ES"}, {"Até 3% de volta", "pt-BR"},
	{"2-8%", "da-DK"}, {"50 kr", "sv-SE"}, {"do 10% zwrotu", "pl-PL"}, {"до 5%", "ru-RU"},
	{"1.0%", "ja-JP"}, {"1,000P", "ja-JP"}, {"最高8%現金回饋", "zh-TW"}, {"Earn up to £25", "en-GB"},
	{"No cashback", "en-GB"}, {"10% off", "en-GB"}, {"Rs 100 - 350", "en-IN"},
}

// perSecond reports how many texts were read in a second of processor time: what
// else runs on the machine doesn't count.
func perSecond(b *testing.B) (report func()) {
	start := processorTime(b)
	return func() { b.ReportMetric(float64(b.N)/(processorTime(b)-start).Seconds(), "texts/cpu-s") }
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCommon reads the common forms, one after the other.
func BenchmarkCommon(b *testing.B) {
	b.ReportAllocs()
	rate := perSecond(b)
	for i := 0; b.Loop(); i++ {
		f := &commonForms[i%len(commonForms)]
		Parse(f.text, Context{Locale: f.locale})
	}
	rate()
}

// BenchmarkBaseline is what scrapers do instead: a regular expression and ParseFloat,
// which reads half of the forms and knows no words.
func BenchmarkBaseline(b *testing.B) {
	pattern := regexp.MustCompile(`(?i)(up to|jusqu'à|bis zu|hasta|até|op til|upp till|do|до|最高)?\s*([$€£]?)\s*(\d+(?:[.,]\d+)?)\s*(%|€|kr|P|miles)?`)
	b.ReportAllocs()
	rate := perSecond(b)
	for i := 0; b.Loop(); i++ {
		m := pattern.FindStringSubmatch(commonForms[i%len(commonForms)].text)
		if m != nil {
			if _, err := strconv.ParseFloat(strings.Replace(m[3], ",", ".", 1), 64); err != nil {
				b.Fatal(err)
			}
		}
	}
	rate()
}

// BenchmarkTexts reads all of testdata/texts.txt: tables, tiers, traps.
func BenchmarkTexts(b *testing.B) {
	in, err := os.Open("testdata/texts.txt")
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	type item struct {
		text string
		c    Context
	}
	var items []item
	locale := ""
	for sc := bufio.NewScanner(in); sc.Scan(); {
		if l, ok := strings.CutPrefix(sc.Text(), "["); ok && strings.HasSuffix(l, "]") {
			locale = strings.TrimSuffix(l, "]")
		} else if text, _, ok := strings.Cut(sc.Text(), " => "); ok {
			items = append(items, item{strings.ReplaceAll(text, `\n`, "\n"), Context{Locale: locale}})
		}
	}
	b.ReportAllocs()
	rate := perSecond(b)
	for i := 0; b.Loop(); i++ {
		Parse(items[i%len(items)].text, items[i%len(items)].c)
	}
	rate()
}

// TestAllocations holds the common forms at two allocations: the text itself is read
// on the stack, and a tier with its component is one piece.
func TestAllocations(t *testing.T) {
	const most = 2
	for _, f := range commonForms {
		var r cashback.Reward
		if n := testing.AllocsPerRun(100, func() { r = Parse(f.text, Context{Locale: f.locale}) }); n > most {
			t.Errorf("%q takes %v allocations, more than %d (%s)", f.text, n, most, r.Kind)
		}
	}
}
