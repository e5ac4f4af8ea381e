// Package portaltest holds cashback portals that exist nowhere else, served over
// real HTTP on loopback: healthy ones, which `cagnotte demo` crawls and the
// end-to-end tests rest on, and hostile ones, which the crawler must survive.
//
// Its one invariant: a portal's pages are a pure function of the seed, the
// injected clock and the faults that a test has switched on, so that any page can
// be asked for twice and any failure repeated.
package portaltest
