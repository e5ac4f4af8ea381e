package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes to a server and returns the status of each answer.
func raw(t *testing.T, address, request string) []int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// A server may answer and close before it has read everything.
	_, _ = io.WriteString(c, request)
	var out []int
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			return out
		}
		out = append(out, r.StatusCode)
		if _, err := io.Copy(io.Discard, r.Body); err != nil || r.Close {
			return out
		}
	}
}

// TestWire sends what no browser sends, byte by byte: each is answered with a refusal
// or an ordinary page, never with a fault of ours, and nothing is smuggled.
func TestWire(t *testing.T) {
	address := strings.TrimPrefix(serve(t, newServer(t)), "http://")
	get := func(path string, more ...string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + strings.Join(more, "") + "\r\n"
	}
	for name, c := range map[string]struct {
		request string
		want    []int
	}{
		"ordinary":           {get("/fr"), []int{200}},
		"two slashes":        {get("//fr"), []int{404}},
		"dots":               {get("/assets/../../etc/passwd"), []int{404}},
		"escaped dots":       {get("/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), []int{404}},
		"backslashes":        {get(`/assets/..\..\etc\passwd`), []int{404}},
		"nul":                {get("/fr/shops/%00"), []int{404}},
		"bad escape":         {get("/fr/%zz"), []int{400}},
		"bytes":              {get("/fr/shops/\xff\xfe"), []int{404}},
		"long path":          {get("/" + strings.Repeat("a", MaxURL)), []int{414}},
		"huge line":          {get("/" + strings.Repeat("a", 2*MaxHeader)), []int{431}},
		"huge header":        {get("/fr", "X: "+strings.Repeat("a", 2*MaxHeader)+"\r\n"), []int{431}},
		"many headers":       {get("/fr", strings.Repeat("X: aaaaaaaa\r\n", MaxHeader/8)), []int{431}},
		"no host":            {"GET /fr HTTP/1.1\r\n\r\n", []int{400}},
		"two hosts":          {"GET /fr HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n", []int{400}},
		"foreign host":       {"GET /fr HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n", []int{421}},
		"host in the line":   {"GET http://evil.test/fr HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{421}},
		"space in a header":  {get("/fr", "X : 1\r\n"), []int{400}},
		"folded header":      {get("/fr", "X: 1\r\n 2\r\n"), []int{200}},
		"two lengths":        {get("/fr", "Content-Length: 1\r\nContent-Length: 2\r\n"), []int{400}},
		"length and chunks":  {get("/fr", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), []int{413}},
		"odd encoding":       {get("/fr", "Transfer-Encoding: xchunked\r\n"), []int{501}},
		"negative length":    {get("/fr", "Content-Length: -1\r\n"), []int{400}},
		"method":             {"BREW /fr HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{405}},
		"TRACE":              {"TRACE /fr HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{405}},
		"CONNECT":            {"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\nConnection: close\r\n\r\n", []int{421}},
		"HTTP/0.9":           {"GET /fr\r\n\r\n", []int{400}},
		"HTTP/3.0":           {"GET /fr HTTP/3.0\r\nHost: localhost\r\n\r\n", []int{505}},
		"smuggled":           {get("/fr", "Content-Length: 30\r\n") + "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{413}},
		"OPTIONS *":          {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{200}},
		"semicolon in query": {get("/fr/search?q=a;b"), []int{400}},
		"too many values":    {get("/fr/search?" + strings.Repeat("portal=a&", maxParams+1)), []int{400}},
	} {
		got := raw(t, address, c.request)
		if len(got) != len(c.want) || got[0] != c.want[0] {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestCrossSite: nothing that another site sends with a visitor's browser is taken,
// unless it only reads.
func TestCrossSite(t *testing.T) {
	s := newServer(t)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		for name, headers := range map[string][2]string{
			"another site":     {"Sec-Fetch-Site", "cross-site"},
			"a sub-domain":     {"Sec-Fetch-Site", "same-site"},
			"another origin":   {"Origin", "https://evil.test"},
			"an opaque origin": {"Origin", "null"},
		} {
			for _, target := range []string{"/fr", "/go/sitot/1", "/api/v1/portals"} {
				if r := ask(s.Handler(), method, target, header(headers[0], headers[1])); r.StatusCode != http.StatusForbidden {
					t.Errorf("%s of %s from %s: %d", method, target, name, r.StatusCode)
				}
			}
		}
	}
	if r := ask(s.Handler(), "GET", "/fr", header("Sec-Fetch-Site", "cross-site")); r.StatusCode != http.StatusOK {
		t.Errorf("a link from another site: %d", r.StatusCode)
	}
}

// TestLimitsOfServer: what the transport itself must cut.
func TestLimitsOfServer(t *testing.T) {
	h := newServer(t).HTTP()
	if h.ReadHeaderTimeout <= 0 || h.ReadHeaderTimeout > 10*time.Second || h.ReadTimeout <= 0 || h.ReadTimeout > 10*time.Second ||
		h.WriteTimeout <= 0 || h.IdleTimeout <= 0 || h.MaxHeaderBytes != MaxHeader {
		t.Errorf("a limit is missing: %+v", h)
	}
}
