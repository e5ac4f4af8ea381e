package cashback

import (
	"time"
)

// Date is a day of the proleptic Gregorian calendar, counted from 1970-01-01.
// The zero value means "no date".
type Date int32

const dateLayout = "2006-01-02"

// DateOf is the day of t in t's own zone.
func DateOf(t time.Time) Date {
	if t.IsZero() {
		return 0
	}
	y, m, d := t.Date()
	return Date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDate reads YYYY-MM-DD; the year must lie between 1971 and 2200, so that a
// time bomb on a page is refused rather than stored.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(dateLayout, s)
	if err != nil || t.Year() < 1971 || t.Year() > 2200 {
		return 0, Errorf(Invalid, "%q is not a date: use YYYY-MM-DD", short(s))
	}
	return DateOf(t), nil
}

// Time is the day's start in UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d Date) String() string {
	if d == 0 {
		return ""
	}
	return d.Time().Format(dateLayout)
}

// MarshalText writes YYYY-MM-DD, or nothing for "no date".
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = 0
		return nil
	}
	v, err := ParseDate(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}
