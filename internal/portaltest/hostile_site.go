package portaltest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Site is one portal on loopback, real HTTP on a real socket, with a log of what
// it was asked. Its name ends in ".localhost", so that each site is a registrable
// domain of its own, as real portals are.
type Site struct {
	Name string

	listener net.Listener
	server   *http.Server
	done     chan struct{}

	mu    sync.Mutex // guards the fields below
	log   []Asked
	taken []net.Conn // by handlers that write to them as they like
}

// Asked is one request as a site saw it.
type Asked struct {
	At     time.Time
	Method string
	Host   string
	Path   string // with the query
	Header http.Header
}

// NewSite starts a site that answers with h until Close.
func NewSite(name string, h http.Handler) (*Site, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Site{Name: name, listener: listener, done: make(chan struct{})}
	s.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			s.log = append(s.log, Asked{At: time.Now(), Method: r.Method, Host: r.Host, Path: r.URL.RequestURI(), Header: r.Header.Clone()})
			s.mu.Unlock()
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: time.Minute,
		// Handlers here break connections on purpose.
		ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateHijacked {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.taken = append(s.taken, c)
			}
		},
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener) // ends with Close
	}()
	return s, nil
}

// Host is the site's name with its port, as a definition lists it.
func (s *Site) Host() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return s.Name + ":" + port
}

// URL is the address of a path of the site.
func (s *Site) URL(path string) string { return "http://" + s.Host() + path }

// Asked is what the site was asked so far.
func (s *Site) Asked() []Asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Asked(nil), s.log...)
}

// Paths are the paths asked for so far, in order.
func (s *Site) Paths() []string {
	var out []string
	for _, a := range s.Asked() {
		out = append(out, a.Path)
	}
	return out
}

// Close stops the site and waits for it.
func (s *Site) Close() {
	_ = s.server.Close() // what is in flight is what a test wants to end
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.taken {
		_ = c.Close() // most are closed already
	}
}

// Resolver finds every name under localhost on this machine, and nothing else.
type Resolver struct{}

// LookupNetIP implements the resolver that crawler/fetch asks.
func (Resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == Inside {
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
	}
	if IsLocal(host) {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// IsLocal says whether a host name is one of this package's portals.
func IsLocal(host string) bool {
	return strings.HasSuffix(strings.ToLower(host), ".localhost")
}
