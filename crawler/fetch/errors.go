package fetch

import (
	"errors"
	"fmt"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Error says why there is no page.
type Error struct {
	Outcome cashback.Outcome
	URL     string // without its query: queries may hold what isn't for logs
	Reason  string // one clause: "the body is larger than 8 MiB"
	Status  int    // where the host answered
	// RetryAt is when asking again makes sense; zero where it never does, or where
	// any time is as good.
	RetryAt time.Time
	// Budget names the bound that stopped the request: "pages", "bytes" or
	// "wall_time"; empty for all else.
	Budget string
	// Host says that the reason holds for all of the host, not for this URL: its
	// breaker is open, it blocks us, its robots.txt can't be read.
	Host bool
	Err  error
}

func (e *Error) Error() string {
	s := e.URL + ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// AsError finds the Error in err's chain.
func AsError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

func refused(url, format string, args ...any) *Error {
	return &Error{Outcome: cashback.FetchRefused, URL: url, Reason: fmt.Sprintf(format, args...)}
}
