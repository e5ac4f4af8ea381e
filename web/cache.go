package web

import (
	"container/list"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// state is what the answers of one moment follow from: the change number of the
// stored truth, the one up to which the index follows it, and the day that the
// ranking counts from. Its ETag stands on every answer that follows from it.
type state struct {
	change, applied uint64
	day             cashback.Date
	etag            string
	header          []string // the ETag as net/http keeps it
}

// stateNow is the state at a moment; while nothing changes it is the same one.
func (s *Server) stateNow(now time.Time) *state {
	change, applied, day := s.truth.LastChange(), s.Index.Applied(), cashback.DateOf(now)
	if st := s.present.Load(); st != nil && st.change == change && st.applied == applied && st.day == day {
		return st
	}
	st := &state{change: change, applied: applied, day: day}
	st.etag = `"` + strconv.FormatUint(change, 36) + "-" + strconv.FormatUint(applied, 36) + "-" + strconv.FormatInt(int64(day), 36) + "-" + s.build + `"`
	st.header = []string{st.etag}
	s.present.Store(st)
	return st
}

// same reports that two states answer alike.
func (st *state) same(other *state) bool { return st == other || other != nil && st.etag == other.etag }

// maxAnswers is the memory that encoded answers may take.
const maxAnswers = 32 << 20

// answerTimeout is when an answer that is still being made is given up; the worst
// question takes a hundredth of it.
const answerTimeout = 10 * time.Second

// answers keeps encoded answers of the present state, the most recently asked
// ones; everything goes when the state moves on.
type answers struct {
	mu    sync.Mutex
	most  int
	size  int
	state *state
	byKey map[string]*list.Element
	order *list.List // of *kept, most recent first
}

// kept is an answer with the route whose rules hold for it.
type kept struct {
	key   string
	route *Route
	reply *reply
}

func newAnswers(most int) *answers {
	return &answers{most: most, byKey: map[string]*list.Element{}, order: list.New()}
}

func (a *answers) get(st *state, key string) *kept {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !st.same(a.state) {
		return nil
	}
	e := a.byKey[key]
	if e == nil {
		return nil
	}
	a.order.MoveToFront(e)
	return e.Value.(*kept)
}

func (a *answers) put(st *state, k *kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !st.same(a.state) {
		if a.state != nil && (st.change < a.state.change || st.applied < a.state.applied) {
			return // made from what is past
		}
		a.state, a.size = st, 0
		clear(a.byKey)
		a.order.Init()
	}
	if a.byKey[k.key] != nil || k.cost() > a.most/8 {
		return
	}
	a.byKey[k.key] = a.order.PushFront(k)
	a.size += k.cost()
	for a.size > a.most {
		last := a.order.Remove(a.order.Back()).(*kept)
		delete(a.byKey, last.key)
		a.size -= last.cost()
	}
}

// cost counts an entry with what the maps and lists take beside it.
func (k *kept) cost() int { return 2*len(k.key) + len(k.reply.body) + 400 }

// known answers what was answered before and hasn't changed since, before anything
// else of the request is looked at: its route's rules hold all the same.
func (s *Server) known(w http.ResponseWriter, v *visit) bool {
	if v.req.Method != http.MethodGet && v.req.Method != http.MethodHead {
		return false
	}
	// Whoever may be somebody gets a page of their own, which no cache keeps. Public
	// answers say nothing of their asker, so they need no Vary: a cache that has one
	// asks for it again each time, and then the cookie decides.
	if s.maybeKnown(v.req) && !isAPI(v.req.URL.Path) {
		return false
	}
	k := s.answers.get(v.state, v.req.RequestURI)
	if k == nil || k.route.tailored() && s.cookieOf(v.req, shopperCookie) != "" {
		return false
	}
	v.route = k.route
	if err := s.admit(w, v); err != nil {
		s.fail(w, v, err)
		return true
	}
	w.Header()["Etag"] = v.state.header
	if notModified(v.req, v.state.etag) {
		s.send(w, v, unchanged)
	} else {
		s.send(w, v, k.reply)
	}
	return true
}

var unchanged = &reply{status: http.StatusNotModified}

// serveCached has an answer made once for all who are asking for it now, and keeps
// it.
func (s *Server) serveCached(w http.ResponseWriter, v *visit) {
	if notModified(v.req, v.state.etag) {
		w.Header()["Etag"] = v.state.header
		s.send(w, v, unchanged)
		return
	}
	key := v.req.RequestURI
	made, err, _ := s.flight.Do(v.state.etag+key, func() (any, error) {
		// Others may wait for this answer: the first asker's leaving doesn't end it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), answerTimeout)
		defer cancel()
		v.ctx = ctx
		rep, err := s.run(v)
		if err == nil && rep.status == 0 {
			rep.length = []string{strconv.Itoa(len(rep.body))}
			s.answers.put(v.state, &kept{key, v.route, rep})
		}
		return rep, err
	})
	if err != nil {
		s.fail(w, v, err)
		return
	}
	rep := made.(*reply)
	if rep.status == 0 {
		w.Header()["Etag"] = v.state.header
	} else {
		w.Header()["Cache-Control"] = NoStore.header()
	}
	s.send(w, v, rep)
}

// notModified compares If-None-Match weakly (RFC 9110, 13.1.2).
func notModified(r *http.Request, etag string) bool {
	asked := r.Header.Get("If-None-Match")
	if asked == "" {
		return false
	}
	for part := range strings.SplitSeq(asked, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == etag {
			return true
		}
	}
	return false
}
