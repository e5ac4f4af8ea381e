package fetch

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// wholeBody is a body that is in memory.
type wholeBody struct {
	bytes.Reader
	bytes   []byte
	session bool // it came with cookies
}

func newWholeBody(b []byte) *wholeBody {
	w := &wholeBody{bytes: b}
	w.Reset(b)
	return w
}

func (*wholeBody) Close() error { return nil }

// Body is the whole body of a session's answer, without a copy: nobody may change
// it. Every answer of a session has one; of another's, the body is nil.
func Body(resp *http.Response) []byte {
	if w, ok := resp.Body.(*wholeBody); ok {
		return w.bytes
	}
	return nil
}

// slogLevel: what an operator should see by itself is a warning.
func slogLevel(e *Error) slog.Level {
	switch e.Outcome {
	case cashback.PageBlocked, cashback.FetchTooLarge, cashback.FetchRefused:
		return slog.LevelWarn
	}
	if e.Budget != "" {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func attrs(portal string, e *Error) []slog.Attr {
	a := []slog.Attr{
		slog.String("portal", portal), slog.String("url", e.URL), slog.String("outcome", string(e.Outcome)), slog.String("reason", e.Reason),
	}
	if e.Status != 0 {
		a = append(a, slog.Int("status", e.Status))
	}
	if !e.RetryAt.IsZero() {
		a = append(a, slog.Time("retry_at", e.RetryAt))
	}
	if e.Err != nil {
		a = append(a, slog.String("error", fmt.Sprint(e.Err)))
	}
	return a
}
