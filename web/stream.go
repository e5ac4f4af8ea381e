package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// maxStreams is how many pages may be told of progress at once: operators are few.
	maxStreams = 16
	// streamWrite is how long a message may take to be taken.
	streamWrite = 10 * time.Second
	// streamLife is when a stream ends by itself; browsers come back at once, and so the
	// right to look is asked about again.
	streamLife = 15 * time.Minute
	kindEvents = "text/event-stream"
)

// sendStream sends server-sent events (HTML Living Standard, 9.2) until the reply's
// stream is done. The limits of the connection are those of other answers, for each
// message anew.
func (s *Server) sendStream(w http.ResponseWriter, v *visit, rep *reply) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		s.fail(w, v, fault{http.StatusServiceUnavailable, "error.unavailable", nil})
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{kindEvents}
	h["X-Accel-Buffering"] = []string{"no"} // proxies pass each message on
	h.Del("Content-Length")
	v.status = http.StatusOK
	c := http.NewResponseController(w)
	// The deadline for reading the request would end it. A writer without deadlines
	// (a test's) has none to lift.
	_ = c.SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	if v.req.Method == http.MethodHead {
		return
	}
	rep.stream(func(event, data string) error {
		_ = c.SetWriteDeadline(time.Now().Add(streamWrite)) // of the socket, which has no other clock
		var b strings.Builder
		if event != "" {
			fmt.Fprintf(&b, "event: %s\n", event)
		}
		for line := range strings.SplitSeq(data, "\n") {
			fmt.Fprintf(&b, "data: %s\n", line)
		}
		b.WriteByte('\n')
		if _, err := w.Write([]byte(b.String())); err != nil {
			return err
		}
		return c.Flush()
	})
}
