package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// special are IANA's special-purpose blocks, IPv4 and IPv6, with multicast and the
// blocks that carry an IPv4 address inside an IPv6 one. IPv6 outside of 2000::/3
// is refused as a whole, so only what lies inside is listed.
// (iana-ipv4-special-registry, iana-ipv6-special-registry, as of 2025-10.)
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23",         // IETF protocol assignments: Teredo, ORCHID, AMT, AS112, drone ids …
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4: an IPv4 address inside
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
)

var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// public reports whether an address is one of the public Internet. An IPv4-mapped
// address is judged as the IPv4 one that it is; the other ways of carrying an IPv4
// address in an IPv6 one (NAT64, 6to4, Teredo, compatible) are refused as a whole:
// no portal needs them.
func public(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, p := range special {
		if p.Contains(addr) {
			return false
		}
	}
	return addr.IsValid()
}

var errNotPublic = errors.New("the address isn't one of the public Internet")

// dialer opens connections only to public addresses; for a local name (the demo,
// tests) only to loopback. The address is judged twice: all that a name resolves
// to, and the one that the socket really connects to.
type dialer struct {
	resolver  Resolver
	local     func(host string) bool
	localAddr func(netip.AddrPort) bool
	limits    *Limits
	tls       *tls.Config
}

func (d *dialer) allowed(host string) func(netip.AddrPort) bool {
	if !d.local(host) {
		return func(to netip.AddrPort) bool { return public(to.Addr()) }
	}
	return func(to netip.AddrPort) bool {
		return to.Addr().Unmap().IsLoopback() && (d.localAddr == nil || d.localAddr(to))
	}
}

func (d *dialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the port %q: %w", short(service), err)
	}
	allowed := d.allowed(host)
	ctx, cancel := context.WithTimeoutCause(ctx, d.limits.Dial, errDialTimeout)
	defer cancel()
	addrs, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, errors.Join(err, context.Cause(ctx)))
	}
	for _, a := range addrs {
		if !allowed(netip.AddrPortFrom(a, uint16(port))) { // one is enough: the next answer may be that one alone
			return nil, fmt.Errorf("%s is %s: %w", host, a, errNotPublic)
		}
	}
	// A portal with more addresses than this has balanced its load already.
	const most = 4
	addrs = addrs[:min(len(addrs), most)]
	var last error = errors.New("the name has no address")
	for i, a := range addrs {
		left := d.limits.Dial
		if at, ok := ctx.Deadline(); ok {
			left = time.Until(at)
		}
		nd := net.Dialer{
			Timeout:   left / time.Duration(len(addrs)-i),
			KeepAlive: -1,
			Control: func(_, to string, _ syscall.RawConn) error {
				ap, err := netip.ParseAddrPort(to)
				if err != nil || !allowed(ap) {
					return fmt.Errorf("%s: %w", to, errNotPublic)
				}
				return nil
			},
		}
		conn, err := nd.DialContext(ctx, "tcp", netip.AddrPortFrom(a.Unmap(), uint16(port)).String())
		if err == nil {
			return &wire{Conn: conn}, nil
		}
		last = err
		if ctx.Err() != nil {
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
	return nil, last
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.limits.TLS, errTLSTimeout)
	defer cancel()
	cfg := d.tls.Clone()
	cfg.ServerName = host
	secure := tls.Client(conn.(*wire).Conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error says more
		return nil, errors.Join(&handshakeError{err}, context.Cause(ctx))
	}
	return &wire{Conn: secure}, nil
}

// handshakeError marks a peer that can't prove who it is.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

var (
	errDialTimeout = &timeoutError{"the connection took too long"}
	errTLSTimeout  = &timeoutError{"the TLS handshake took too long"}
	errWallTimeout = &timeoutError{"the whole answer took too long"}
	errTooSlow     = &timeoutError{"the answer came too slowly"}

	errInformal = errors.New("more than 5 informational answers")
)

type timeoutError struct{ what string }

func (e *timeoutError) Error() string { return e.what }

// outcomeOf sorts the errors of a connection.
func outcomeOf(err error) (cashback.Outcome, string) {
	var te *timeoutError
	var he *handshakeError
	var ne net.Error
	switch {
	case errors.As(err, &te):
		return cashback.FetchTimeout, te.what
	case errors.Is(err, errNotPublic):
		return cashback.FetchRefused, "the host leads to an address that isn't public"
	case errors.As(err, &he):
		return cashback.FetchRefused, "the host can't prove who it is (TLS)"
	case errors.As(err, &ne) && ne.Timeout():
		return cashback.FetchTimeout, "the host took too long"
	case errors.Is(err, errInformal):
		return cashback.FetchUpstream, "the host sent too many informational answers"
	case strings.Contains(err.Error(), "server response headers exceeded"): // net/http has no type for it
		return cashback.FetchTooLarge, "the answer's headers are too large"
	}
	return cashback.FetchUnreachable, "the host can't be reached"
}
