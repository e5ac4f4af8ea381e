package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// browser keeps cookies and follows redirects.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

func read(t *testing.T, r *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return r.Status + " " + r.Request.URL.Path + "\n" + b.String()
}

// said waits until a verb has printed something that fits.
func (r *running) said(pattern string) []string {
	r.t.Helper()
	want := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if m := want.FindStringSubmatch(r.stdout.String()); m != nil {
			return m
		}
		runtime.Gosched()
	}
	r.t.Fatalf("it never said %s: %s", pattern, r.stdout.String())
	return nil
}

// The demo's sign-in opens its shopper's account, and the link for the first operator
// makes one, once.
func demoPeople(t *testing.T, demo *running) {
	t.Helper()
	m := demo.said(`sign in: (\S+)  password: (\S+)\n`)
	shopper := browser(t)
	r, err := shopper.PostForm(demo.base+"/en/sign-in", url.Values{"email": {m[1]}, "password": {m[2]}, "next": {"/en/account"}})
	if got := read(t, r, err); !strings.HasPrefix(got, "200 OK /en/account\n") || !strings.Contains(got, m[1]) {
		t.Errorf("the printed sign-in: %.300s", got)
	}
	link, err := url.Parse(demo.said(`operator: (\S+)\n`)[1])
	if err != nil || link.Path != "/operator" {
		t.Fatalf("link %s, %v", link, err)
	}
	operator := browser(t)
	r, err = operator.Get(link.String())
	if got := read(t, r, err); !strings.HasPrefix(got, "200 OK /en/sign-up\n") {
		t.Errorf("the operator's link: %.300s", got)
	}
	form := url.Values{"email": {"olga@example.org"}, "password": {"a quiet long sentence"}, "token": {link.Query().Get("token")}}
	r, err = operator.PostForm(demo.base+"/en/sign-up", form)
	if got := read(t, r, err); !strings.HasPrefix(got, "200 OK /en/account\n") || !strings.Contains(got, "Operator") {
		t.Errorf("the operator's account: %.300s", got)
	}
	form.Set("email", "eve@example.org")
	r, err = browser(t).PostForm(demo.base+"/en/sign-up", form)
	if got := read(t, r, err); !strings.HasPrefix(got, "422 ") {
		t.Errorf("the link works twice: %.300s", got)
	}
}

// A site for one person takes no network for them unasked.
func TestSingleUserFlags(t *testing.T) {
	for _, args := range [][]string{
		{"--single-user", "--addr", "0.0.0.0:0"},
		{"--trust-network", "--addr", "127.0.0.1:0"},
		{"--sign-up", "sometimes"},
	} {
		var out, errs bytes.Buffer
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		w := &world{ctx: ctx, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now}
		if got := run(w, append([]string{"serve", "--no-crawl", "--data", t.TempDir()}, args...)); got != exitInvalid {
			t.Errorf("%v: status %d: %s", args, got, errs.String())
		}
		stop()
	}
}
