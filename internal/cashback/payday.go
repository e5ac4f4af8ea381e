package cashback

import "time"

// NextPayday is the next day, today included, on which the portal pays by itself or
// takes requests; false where no day is fixed: on demand, or unknown.
//
// Only stated days count. A frequency alone ("quarterly") doesn't say which day it is,
// and none is made up; LongestWait bounds it.
func (p Payout) NextPayday(today Date) (Date, bool) {
	best, found := Date(0), false
	year := today.Time().Year()
	for _, s := range p.PayDates {
		for y := year; y <= year+1; y++ {
			day, ok := yearDay(s, y)
			if ok && day >= today && (!found || day < best) {
				best, found = day, true
			}
		}
	}
	return best, found
}

// yearDay is "MM-DD" in a year; 29 February is the 28th where there is none.
func yearDay(s string, year int) (Date, bool) {
	t, err := time.Parse("2006-01-02", "2024-"+s) // a leap year
	if err != nil {
		return 0, false
	}
	day := t.Day()
	if t.Month() == time.February && day == 29 && time.Date(year, time.February, 29, 0, 0, 0, 0, time.UTC).Month() != time.February {
		day = 28
	}
	return DateOf(time.Date(year, t.Month(), day, 0, 0, 0, 0, time.UTC)), true
}

// LongestWait is the most days until a payout of that frequency; 0 where it is at once
// or not known.
func (f Frequency) LongestWait() int {
	switch f {
	case Weekly:
		return 7
	case Biweekly:
		return 14
	case Monthly:
		return 31
	case Bimonthly:
		return 62
	case Quarterly:
		return 92
	case HalfYearly:
		return 184
	case Yearly:
		return 366
	}
	return 0
}
