package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// policy is the Content-Security-Policy of every answer: nothing but our own files,
// nothing inline, no frame around us, and no string that becomes markup or script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// permissions switches off what our pages never ask for.
const permissions = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"

// secure sets the headers that stand on every answer of every status.
func secure(h http.Header) {
	h["Content-Security-Policy"] = csp
	h["Cross-Origin-Opener-Policy"] = sameOrigin
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	h["Permissions-Policy"] = permits
	h["Referrer-Policy"] = referrer
	h["X-Content-Type-Options"] = nosniff
}

// The values as net/http keeps them, made once: these headers go out with every
// answer. Nothing changes them.
var (
	csp        = []string{policy}
	sameOrigin = []string{"same-origin"}
	permits    = []string{permissions}
	referrer   = []string{"same-origin"}
	nosniff    = []string{"nosniff"}
)

// hosts is the list of names that the server answers to; a request for another name
// is refused, so that no cache and no rebound DNS name can make us speak for it.
type hosts []string

// allows compares without the port: who listens decides about ports.
func (a hosts) allows(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	return slices.Contains(a, name)
}

// loopbackHosts are what a server on the machine itself is called.
var loopbackHosts = hosts{"localhost", "127.0.0.1", "::1"}

// peer is the address that the connection comes from.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// direct reports a request from this machine that no proxy has passed on.
func direct(r *http.Request) bool {
	return peer(r).IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == "" && r.Header.Get("X-Real-Ip") == ""
}
