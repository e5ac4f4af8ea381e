package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web"
)

// asker answers API paths: from the server that holds the data folder, or, where
// none does, from a handler in this process. So a verb and a page never differ.
type asker struct {
	base   string // of the running server; empty for the handler
	client http.Client
	local  http.Handler
	key    string // opens the operator's addresses; empty asks as anybody
	flags  bool   // the parameters are flags of the same names: faults name those
}

// maxAnswer bounds an API answer that a verb reads.
const maxAnswer = 32 << 20

// askers opens an asker on a data folder; asOf, where set, needs the folder itself.
func askers(w *world, dir string, country cashback.Country, asOf time.Time) (_ *asker, closing func() error, err error) {
	w.logTo(w.stderr, slog.LevelWarn)
	if holder, held, err := store.Holder(dir); err == nil && held && holder.Address != "" && asOf.IsZero() {
		return &asker{base: "http://" + reachable(holder.Address), client: http.Client{Timeout: 10 * time.Second}}, func() error { return nil }, nil
	}
	h, err := openHouse(w.ctx, w, dir, houseOptions{existing: true})
	if err != nil {
		return nil, nil, err
	}
	// Nobody signs in here.
	s, err := h.site(w, web.Config{DefaultCountry: country, AsOf: asOf, Cost: account.Cost{Memory: 8, Passes: 1, Threads: 1}})
	if err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	ctx, cancel := context.WithCancel(w.ctx)
	followed := make(chan error, 1)
	go func() { followed <- s.index.Run(ctx) }()
	closing = func() error {
		cancel()
		return errors.Join(<-followed, s.index.Close(), h.Close())
	}
	if err := s.waitReady(w.ctx); err != nil {
		return nil, nil, errors.Join(err, closing())
	}
	return &asker{local: s.web.Handler()}, closing, nil
}

// operators opens an asker that speaks as whoever may read the data folder: to the
// server that holds it, with the key that it left there, or to one in this process.
func operators(w *world, dir string) (_ *asker, closing func() error, err error) {
	w.logTo(w.stderr, slog.LevelWarn)
	if holder, held, err := store.Holder(dir); err == nil && held && holder.Address != "" {
		key, err := os.ReadFile(filepath.Join(dir, keyName))
		if err != nil {
			return nil, nil, cashback.Errorf(cashback.Locked, "process %d holds the data folder and serves on %s, and its key can't be read: %w", holder.PID, holder.Address, err)
		}
		a := &asker{base: "http://" + reachable(holder.Address), client: http.Client{Timeout: time.Minute}, key: strings.TrimSpace(string(key))}
		return a, func() error { return nil }, nil
	}
	h, err := openHouse(w.ctx, w, dir, houseOptions{existing: true})
	if err != nil {
		return nil, nil, err
	}
	d, err := h.desk(w.ctx, nil)
	if err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	key, err := account.NewToken(rand.Reader)
	if err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	s, err := h.site(w, web.Config{
		DefaultCountry: "FR", Crawls: d, Catalogue: d, Secret: key,
		Cost: account.Cost{Memory: 8, Passes: 1, Threads: 1}, // nobody signs in here
	})
	if err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	return &asker{local: s.web.Handler(), key: key}, func() error { return errors.Join(s.index.Close(), h.Close()) }, nil
}

// reachable is the address by which a server on this machine is asked: one that listens
// everywhere answers on loopback too.
func reachable(address string) string {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().IsUnspecified() {
		return address
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(a.Port())))
}

// get asks for a path below /api/v1 and reads its answer into out. What the API
// refuses comes back as an error of the same kind and sentence.
func (a *asker) get(ctx context.Context, path string, query url.Values, out any) error {
	target := "/api/v1/" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+target, nil)
	if err != nil {
		return err
	}
	return a.answer(req, path, out)
}

func (a *asker) answer(req *http.Request, path string, out any) error {
	if a.key != "" {
		req.Header.Set("Authorization", "Bearer "+a.key)
	}
	status, body, err := a.send(req)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var p struct{ Detail, Title, Field string }
		if err := json.Unmarshal(body, &p); err != nil {
			return fmt.Errorf("ask for %s: status %d", path, status)
		}
		kind := cashback.Internal
		switch {
		case status == http.StatusNotFound:
			kind = cashback.NotFound
		case status == http.StatusConflict:
			kind = cashback.Conflict
		case status < 500:
			kind = cashback.Invalid
		}
		var at cashback.Place
		if a.flags && p.Field != "" {
			at.Field = "--" + p.Field
		}
		return cashback.ErrorAt(kind, at, "%s", p.Detail)
	}
	return json.Unmarshal(body, out)
}

func (a *asker) send(req *http.Request) (int, []byte, error) {
	if a.local != nil {
		// A server sets RequestURI; answers are kept under it.
		req.Host, req.RemoteAddr, req.RequestURI = "localhost", "127.0.0.1:0", req.URL.RequestURI()
		r := &kept{header: http.Header{}, status: http.StatusOK}
		a.local.ServeHTTP(r, req)
		return r.status, r.body.Bytes(), nil
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, cashback.Errorf(cashback.Unavailable, "the server that holds the data folder doesn't answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, body, err
}

// kept is an answer in memory.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }
