package web

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser starts a Chromium of its own with a fresh profile, or skips the test
// loudly where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("NO BROWSER: install Chromium to run the tests that need one")
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// serve runs a server on loopback and returns its address.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := s.HTTP()
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	t.Cleanup(func() {
		_ = h.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// scheme switches the page between light and dark.
func scheme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	})
}

// every page of the site, in one language, by the name of its screenshot.
func everyPage(t *testing.T, s *Server) map[string]string {
	return map[string]string{
		"shop":    "/shops/" + shopNamed(t, s, "fnac").Slug + "?amount=80",
		"wrong":   "/shops/" + shopNamed(t, s, "fnac").Slug + "?amount=12,345",
		"few":     "/shops/" + shopNamed(t, s, "leroy").Slug,
		"portals": "/portals",
		"portal":  "/portals/sitot",
		"silent":  "/portals/muet",
		"how":     "/how",
		"missing": "/nothing",
	}
}

// TestScreenshots keeps a picture of every page in both languages and schemes, on a
// phone and on a desk, for people to look at (artefacts/screenshots).
func TestScreenshots(t *testing.T) {
	ctx := browser(t)
	s := newServer(t)
	base := serve(t, s)
	dir := filepath.Join("..", "artefacts", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	only := os.Getenv("CAGNOTTE_SHOTS") // a page's name, while working on it
	for name, path := range everyPage(t, s) {
		if only != "" && only != name {
			continue
		}
		for _, lang := range []string{"fr", "en"} {
			for _, look := range []string{"light", "dark"} {
				for width, at := range map[int64]string{390: "phone", 1440: "desk"} {
					err := chromedp.Do(ctx,
						chromedp.EmulateViewport(width, 900), scheme(look),
						chromedp.Navigate(base+"/"+lang+path),
						chromedp.WaitReady("footer"),
					)
					if err != nil {
						t.Fatalf("%s in %s: %v", name, lang, err)
					}
					png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
					if err != nil {
						t.Fatalf("%s in %s: %v", name, lang, err)
					}
					file := filepath.Join(dir, name+"-"+lang+"-"+look+"-"+at+".png")
					if err := os.WriteFile(file, png, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}
