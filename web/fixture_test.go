package web

import "testing"

func testConfig(testing.TB) Config { return config() }

func newServer(t testing.TB) *Server {
	t.Helper()
	s, err := New(testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
