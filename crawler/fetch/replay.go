package fetch

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Replay answers every request from recorded pages: no network, no delays, and
// the pages were read when they were recorded. A URL that isn't listed is a 404.
type Replay struct {
	dir   string
	pages map[string]recorded
}

type recorded struct {
	URL         string            `json:"url"`
	File        string            `json:"file"`
	ContentType string            `json:"content_type"`
	Status      int               `json:"status"`
	Headers     map[string]string `json:"headers"`
	RecordedAt  string            `json:"recorded_at"`
	readAt      time.Time
}

// OpenReplay reads DIR/index.json. It refuses an index whose files would lie
// outside of the folder, or whose dates can't be read.
func OpenReplay(dir string) (*Replay, error) {
	name := filepath.Join(dir, "index.json")
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, cashback.Errorf(cashback.Invalid, "%s holds no recorded pages: its index.json can't be read: %w", dir, err)
	}
	var list []recorded
	if err := json.Unmarshal(b, &list); err != nil {
		place := cashback.Place{File: name}
		if se, ok := err.(*json.SyntaxError); ok {
			before := b[:min(int(se.Offset), len(b))]
			place.Line = bytes.Count(before, []byte{'\n'}) + 1
			place.Column = len(before) - bytes.LastIndexByte(before, '\n') - 1
		}
		return nil, cashback.ErrorAt(cashback.Invalid, place, "the list of recorded pages isn't JSON of the form [{url, file, content_type, status, headers, recorded_at}]: %w", err)
	}
	r := &Replay{dir: dir, pages: make(map[string]recorded, len(list))}
	for _, p := range list {
		at := cashback.Place{File: name, Field: p.URL}
		if !filepath.IsLocal(p.File) {
			return nil, cashback.ErrorAt(cashback.Invalid, at, "the file %q lies outside of the folder", short(p.File))
		}
		if p.Status == 0 {
			p.Status = http.StatusOK
		}
		if p.readAt, err = recordedAt(p.RecordedAt); err != nil {
			return nil, cashback.ErrorAt(cashback.Invalid, at, "recorded_at %q is neither a day (2026-07-09) nor a time (RFC 3339)", short(p.RecordedAt))
		}
		r.pages[CanonicalString(p.URL)] = p
	}
	return r, nil
}

func recordedAt(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	t, err := time.Parse("2006-01-02", s)
	return t.UTC(), err
}

// URLs are the recorded addresses on some hosts, in order; all without hosts. A host
// is listed as a definition lists it.
func (r *Replay) URLs(hosts ...string) []string {
	var out []string
	for key, p := range r.pages {
		u, err := url.Parse(key)
		if err == nil && (len(hosts) == 0 || slices.Contains(hosts, u.Host) || slices.Contains(hosts, "http://"+u.Host)) {
			out = append(out, p.URL)
		}
	}
	slices.Sort(out)
	return out
}

// Has reports whether a URL is recorded.
func (r *Replay) Has(raw string) bool {
	_, ok := r.pages[CanonicalString(raw)]
	return ok
}

// Open begins a run over the recorded pages; it has no budget to keep.
func (r *Replay) Open(Policy) (Session, error) { return &replaying{replay: r}, nil }

type replaying struct {
	replay *Replay
	mu     sync.Mutex // guards the field below
	counts Counts
}

func (s *replaying) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	p, ok := s.replay.pages[Canonical(req.URL)]
	var body []byte
	header := make(http.Header)
	status := http.StatusNotFound
	if ok {
		var err error
		if body, err = os.ReadFile(filepath.Join(s.replay.dir, filepath.FromSlash(p.File))); err != nil {
			return nil, &Error{Outcome: cashback.FetchUnreachable, URL: withoutQuery(req.URL), Reason: "the recorded page can't be read", Err: err}
		}
		status = p.Status
		for k, v := range p.Headers {
			// The recorded bytes are decoded already.
			if !strings.EqualFold(k, "Content-Encoding") && !strings.EqualFold(k, "Content-Length") {
				header.Set(k, v)
			}
		}
		header.Set("Content-Type", p.ContentType)
		header.Set(HeaderReadAt, p.readAt.Format(time.RFC3339))
	}
	header.Set(HeaderFrom, "replay")
	s.mu.Lock()
	s.counts.Requests++
	s.counts.Bytes += int64(len(body))
	s.mu.Unlock()
	return answer(req, status, header, body), nil
}

func (s *replaying) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// answer makes a response whose whole body is in memory.
func answer(req *http.Request, status int, header http.Header, body []byte) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: newWholeBody(body), ContentLength: int64(len(body)),
		// Uncompressed keeps the caller from decoding a second time.
		Uncompressed: true,
		Request:      req,
	}
}
