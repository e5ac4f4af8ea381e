package pages

import (
	"strconv"
	"time"

	"github.com/cagnotte/cagnotte/internal/earnings"
)

// MoneyView is a person's money at a glance.
type MoneyView struct {
	earnings.Overview
	Charts    []MonthChart
	Purchases int
	Year      int
	// Open are clicks of which nobody has said yet what came of them.
	Open       []PurchaseLine
	PortalName func(id string) string
	Restore    Form
	Now        time.Time
}

// MonthChart is money by month, stacked by where it is. As in the curve's drawing, what lies
// across is a share of the width, which the screen decides; upwards it is CSS pixels.
type MonthChart struct {
	Unit earnings.Unit
	Bars []MonthBar
	// Wide is how wide a bar is.
	Wide  string
	Ticks []Mark
	// Rows are the same numbers, the newest month first.
	Rows []earnings.MonthPot
}

// MonthBar is a month.
type MonthBar struct {
	// X is where the bar begins, Middle where its name stands, in percent.
	X, Middle string
	Label     string // a key
	Parts     []MonthPart
}

// MonthPart is one colour of a bar.
type MonthPart struct{ Class, Y, Height string }

// Mark is a line across with its amount.
type Mark struct {
	Y      string
	Amount earnings.Amount
}

// The measures of a chart, upwards: where its scale begins and ends, and the names below.
const (
	plotTop, plotBottom = 12, 192
	plotNames           = 210
)

// barShare is how much of a month's room its bar takes, in percent.
const barShare = 64

// maxCharts is for how many units a chart is drawn: somebody may have many kinds of
// points, and the table has them all.
const maxCharts = 3

// ChartsOf draws the months, one chart a unit.
func ChartsOf(o earnings.Overview, months []string) []MonthChart {
	var out []MonthChart
	for _, p := range o.Ever {
		if len(out) == maxCharts {
			break
		}
		c := MonthChart{Unit: p.Unit}
		byMonth := map[string]earnings.Pot{}
		var most int64
		for _, m := range o.Months {
			if m.Unit == p.Unit {
				byMonth[m.Month] = m.Pot
			}
		}
		for _, m := range months {
			pot := byMonth[m]
			pot.Unit = p.Unit
			most = max(most, pot.Sum())
			c.Rows = append([]earnings.MonthPot{{Month: m, Pot: pot}}, c.Rows...)
		}
		if most == 0 {
			continue
		}
		top := roundTop(most)
		y := func(minor int64) float64 {
			return plotBottom - float64(minor)/float64(top)*(plotBottom-plotTop)
		}
		step := 1000 / len(months) // thousandths of the width
		c.Wide = percentOf(step * barShare / 100)
		for i, m := range months {
			pot := byMonth[m]
			middle := i*step + step/2
			b := MonthBar{X: percentOf(middle - step*barShare/200), Middle: percentOf(middle), Label: m}
			var below int64
			for _, part := range []struct {
				class string
				minor int64
			}{{"paid", pot.Paid}, {"payable", pot.Payable}, {"confirmed", pot.Confirmed}, {"pending", pot.Pending}} {
				if part.minor > 0 {
					b.Parts = append(b.Parts, MonthPart{part.class, length(y(below + part.minor)), length(y(below) - y(below+part.minor))})
				}
				below += part.minor
			}
			c.Bars = append(c.Bars, b)
		}
		for i := range int64(3) {
			c.Ticks = append(c.Ticks, Mark{length(y(top * i / 2)), earnings.Amount{Minor: top * i / 2, Unit: p.Unit}})
		}
		out = append(out, c)
	}
	return out
}

// length is a length of the picture, to a tenth.
func length(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }

// roundTop is the next number of the form 1, 2 or 5 with zeros: the top of a scale.
func roundTop(n int64) int64 {
	for d := int64(1); ; d *= 10 {
		for _, m := range []int64{1, 2, 4, 6, 10} {
			if m*d >= n && m*d%2 == 0 {
				return m * d
			}
		}
	}
}
