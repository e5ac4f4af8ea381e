package fetch

import (
	"net"
	"sync"
)

// wire is a connection that knows how many body bytes really came: net/http stops
// at the stated Content-Length, so a page that is longer than it says would be cut
// without a word.
type wire struct {
	net.Conn
	mu    sync.Mutex // guards the fields below
	head  []byte     // the first bytes of the present header block, for its status
	match int        // how much of "\r\n\r\n" (or "\n\n") was seen
	body  int64      // bytes after the final header
	inAll bool       // the final header has ended
}

// Write begins a new exchange: requests have no bodies and are never pipelined.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	w.head, w.match, w.body, w.inAll = w.head[:0], 0, 0, false
	w.mu.Unlock()
	return w.Conn.Write(b)
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.mu.Lock()
	w.count(b[:n])
	w.mu.Unlock()
	return n, err
}

// count looks for the end of the header, past any 1xx answers.
func (w *wire) count(b []byte) {
	for i := 0; i < len(b); i++ {
		if w.inAll {
			w.body += int64(len(b) - i)
			return
		}
		c := b[i]
		if len(w.head) < len("HTTP/1.1 1") {
			w.head = append(w.head, c)
		}
		switch {
		case c == '\n':
			w.match++
		case c != '\r':
			w.match = 0
		}
		if w.match == 2 { // an empty line
			informal := len(w.head) == len("HTTP/1.1 1") && w.head[9] == '1' && string(w.head[:5]) == "HTTP/"
			w.head, w.match, w.inAll = w.head[:0], 0, !informal
		}
	}
}

// bodyBytes is how many bytes came after the header, as sent.
func (w *wire) bodyBytes() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body
}
