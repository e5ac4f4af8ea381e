package fetch

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// acceptEncoding is what is asked for, and all that is decoded: one layer of it.
const acceptEncoding = "gzip, br"

// readBody reads and decodes a whole body, or says why there is none: over the
// limit it is refused, never cut. raw is what came over the wire. Only of a
// robots.txt the first part is enough (cut).
func readBody(resp *http.Response, limit int64, cut bool, l *Limits) (body []byte, raw int64, _ *Error) {
	fail := func(o cashback.Outcome, format string, args ...any) *Error {
		return &Error{Outcome: o, Status: resp.StatusCode, Reason: fmt.Sprintf(format, args...)}
	}
	if resp.ContentLength > limit && !cut {
		return nil, 0, fail(cashback.FetchTooLarge, "the page says that it has %d bytes; %d are allowed", resp.ContentLength, limit)
	}
	wire := &counting{r: resp.Body, limit: limit}
	if cut {
		wire.limit = math.MaxInt64 // what is decoded ends it
	}
	var in io.Reader = wire
	encoded := true
	switch encoding := strings.ToLower(strings.TrimSpace(strings.Join(resp.Header.Values("Content-Encoding"), ","))); encoding {
	case "", "identity":
		encoded = false
	case "gzip", "x-gzip":
		gz, err := gzip.NewReader(wire)
		if err != nil {
			if errors.Is(err, io.EOF) && wire.n == 0 {
				return nil, 0, nil // nothing, in gzip's clothes
			}
			return nil, wire.n, brokenBody(fail, err)
		}
		in = gz
	case "br":
		in = brotli.NewReader(wire)
	default:
		return nil, 0, fail(cashback.FetchWrongType, "the content encoding %q wasn't asked for", short(encoding))
	}
	buf := scratch.Get().(*bytes.Buffer)
	defer keep(buf)
	if n := min(resp.ContentLength, limit); n > 0 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	for {
		buf.Grow(bytes.MinRead)
		free := buf.AvailableBuffer()
		// Less than the connection's buffer, or a read would go past it and stop where
		// the page says that it ends, whatever follows: see wire.
		free = free[:min(cap(free), 32<<10)]
		n, err := in.Read(free)
		buf.Write(free[:n])
		switch decoded := int64(buf.Len()); {
		case decoded >= limit && cut:
			return bytes.Clone(buf.Bytes()[:limit]), wire.n, nil
		case decoded > limit:
			return nil, wire.n, fail(cashback.FetchTooLarge, "the page is larger than %d bytes", limit)
		case encoded && decoded > l.RatioAfter && decoded > wire.n*l.Ratio:
			return nil, wire.n, fail(cashback.FetchTooLarge, "the page grows more than %d times when decoded", l.Ratio)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, wire.n, brokenBody(fail, err)
		}
	}
	return bytes.Clone(buf.Bytes()), wire.n, nil
}

// isFile says whether an answer is a .gz file, as sitemaps are: packed by the site
// once, not by the server for us.
func isFile(u *url.URL, body []byte) bool {
	return strings.HasSuffix(strings.ToLower(u.Path), ".xml.gz") && bytes.HasPrefix(body, []byte{0x1f, 0x8b})
}

// unpacked is a .gz file's content: one layer, under the limits of a decoded page.
func unpacked(resp *http.Response, file []byte, limit int64, l *Limits) ([]byte, *Error) {
	if resp.Header.Get("Content-Encoding") != "" {
		return nil, &Error{Outcome: cashback.FetchWrongType, Status: resp.StatusCode, Reason: "the page is packed twice"}
	}
	packed := http.Response{StatusCode: resp.StatusCode, ContentLength: -1, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: io.NopCloser(bytes.NewReader(file))}
	out, _, e := readBody(&packed, limit, false, l)
	return out, e
}

// scratch holds the buffers that bodies grow in, so that each page costs its own
// size and not twice that.
var scratch = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func keep(b *bytes.Buffer) {
	const most = 1 << 20 // what an ordinary page never reaches isn't kept
	if b.Cap() <= most {
		b.Reset()
		scratch.Put(b)
	}
}

func brokenBody(fail func(cashback.Outcome, string, ...any) *Error, err error) *Error {
	var te *timeoutError
	var e *Error
	switch {
	case errors.Is(err, errOverLimit):
		e = fail(cashback.FetchTooLarge, "the page is larger than allowed")
	case errors.As(err, &te):
		e = fail(cashback.FetchTimeout, "%s", te.what)
	default:
		e = fail(cashback.FetchTruncated, "the page broke off or can't be decoded")
	}
	e.Err = err
	return e
}

var errOverLimit = errors.New("more bytes than allowed")

// counting counts what came over the wire and ends an endless body.
type counting struct {
	r     io.Reader
	n     int64
	limit int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	if c.n > c.limit {
		return n, errOverLimit
	}
	return n, err
}

// types are the media types of pages: HTML, XHTML, JSON, feeds, tables and sitemaps, and
// what servers call JSON and fragments by mistake.
var types = []string{
	"text/html", "application/xhtml+xml", "application/json", "text/json", "application/xml", "text/xml", "text/plain",
	"text/javascript", "application/javascript", "application/x-javascript", "application/rss+xml", "application/atom+xml", "text/csv",
}

// checkType says why a body isn't a page; note is what contradicts the header
// without being a reason to refuse.
func checkType(contentType string, body []byte) (reason, note string) {
	sniffed := http.DetectContentType(body)
	binary := len(body) > 0 && !strings.HasPrefix(sniffed, "text/") && sniffed != "application/octet-stream"
	if contentType == "" {
		if binary || sniffed == "application/octet-stream" && len(body) > 0 {
			return fmt.Sprintf("the page has no content type and looks like %s", sniffed), ""
		}
		return "", ""
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && media == "" {
		media = strings.ToLower(strings.TrimSpace(strings.Split(contentType, ";")[0]))
	}
	if !slices.Contains(types, media) && !strings.HasSuffix(media, "+json") && !strings.HasSuffix(media, "+xml") || media == "image/svg+xml" {
		return fmt.Sprintf("the content type %q isn't a page's", short(media)), ""
	}
	if binary {
		return fmt.Sprintf("the content type says %q, the bytes are %s", short(media), sniffed), ""
	}
	if strings.HasSuffix(media, "json") && strings.HasPrefix(sniffed, "text/html") {
		note = fmt.Sprintf("the content type says %q, the bytes look like HTML", short(media))
	}
	return "", note
}
