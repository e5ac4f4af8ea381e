package fetch

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// wire is a connection that notices an answer which is longer than it says.
// net/http stops at the stated Content-Length: such a page would be cut without a
// word, and what follows would end up in the log. So the wire counts, hands on
// what was stated, and keeps only the knowledge that there was more.
type wire struct {
	net.Conn
	mu    sync.Mutex // guards the fields below
	head  []byte     // the present header block
	blank int        // how many line ends in a row were seen
	body  bool       // the final header has ended
	left  int64      // of the stated length; -1 for none stated
	more  bool       // bytes came after the stated end
	bare  bool       // the request asks for a header alone
}

// Write begins a new exchange: requests have no bodies and are never pipelined.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	w.head, w.blank, w.body, w.left, w.more = w.head[:0], 0, false, -1, false
	w.bare = bytes.HasPrefix(b, []byte("HEAD "))
	w.mu.Unlock()
	return w.Conn.Write(b)
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	if keep := w.count(b[:n]); keep < n {
		w.more = true
		if keep == 0 {
			return 0, io.EOF // the exchange has ended, and so does the connection
		}
		return keep, nil
	}
	return n, err
}

// count returns how many of the bytes belong to the answer.
func (w *wire) count(b []byte) (keep int) {
	for i, c := range b {
		if w.body {
			if w.left < 0 {
				return len(b)
			}
			take := min(w.left, int64(len(b)-i))
			w.left -= take
			return i + int(take)
		}
		w.head = append(w.head, c)
		switch c {
		case '\n':
			w.blank++
		case '\r':
		default:
			w.blank = 0
		}
		if w.blank == 2 {
			w.body = !(len(w.head) > 10 && w.head[9] == '1' && bytes.HasPrefix(w.head, []byte("HTTP/"))) // 1xx: another header follows
			w.left = stated(w.head, w.bare)
			w.head, w.blank = w.head[:0], 0
		}
		if len(w.head) > maxHead {
			w.body, w.left = true, -1 // the limit on headers ends it
		}
	}
	return len(b)
}

// maxHead is more than any limit on headers.
const maxHead = 1 << 20

// stated is the length that a header block states for its body, -1 for none.
func stated(head []byte, bare bool) int64 {
	length := int64(-1)
	for line := range strings.Lines(string(head)) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-length":
			if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && n >= 0 {
				length = n
			}
		case "transfer-encoding":
			return -1
		}
	}
	if status := string(head[min(len(head), 9):min(len(head), 12)]); bare || status == "304" || status == "204" {
		return 0 // whatever they state, they have no body
	}
	return length
}

// longer reports whether more came than was stated.
func (w *wire) longer() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.more
}
