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
// ranking counts from.
type state struct {
	change, applied uint64
	day             cashback.Date
	etag            string
}

// stateNow is the state at a moment.
func (s *Server) stateNow(now time.Time) state {
	st := state{change: s.truth.LastChange(), applied: s.Index.Applied(), day: cashback.DateOf(now)}
	st.etag = `"` + strconv.FormatUint(st.change, 36) + "-" + strconv.FormatUint(st.applied, 36) + "-" + strconv.FormatInt(int64(st.day), 36) + "-" + s.build + `"`
	return st
}

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
	state state
	byKey map[string]*list.Element
	order *list.List // of *kept, most recent first
}

type kept struct {
	key   string
	reply *reply
}

func newAnswers(most int) *answers {
	return &answers{most: most, byKey: map[string]*list.Element{}, order: list.New()}
}

func (a *answers) get(st state, key string) *reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != st {
		return nil
	}
	e := a.byKey[key]
	if e == nil {
		return nil
	}
	a.order.MoveToFront(e)
	return e.Value.(*kept).reply
}

func (a *answers) put(st state, key string, r *reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != st {
		if st.change < a.state.change || st.applied < a.state.applied {
			return // made from what is past
		}
		a.state, a.size = st, 0
		clear(a.byKey)
		a.order.Init()
	}
	if a.byKey[key] != nil || a.cost(key, r) > a.most/8 {
		return
	}
	a.byKey[key] = a.order.PushFront(&kept{key, r})
	a.size += a.cost(key, r)
	for a.size > a.most {
		last := a.order.Back()
		k := a.order.Remove(last).(*kept)
		delete(a.byKey, k.key)
		a.size -= a.cost(k.key, k.reply)
	}
}

// cost counts an entry with what the maps and lists take beside it.
func (a *answers) cost(key string, r *reply) int { return 2*len(key) + len(r.body) + 400 }

// serveCached answers from the kept answers, or has the answer made once for all
// who are asking for it now.
func (s *Server) serveCached(w http.ResponseWriter, v *visit) {
	h := w.Header()
	if notModified(v.req, v.state.etag) {
		h.Set("ETag", v.state.etag)
		s.send(w, v, &reply{status: http.StatusNotModified})
		return
	}
	key := v.req.URL.Path + "?" + v.req.URL.RawQuery
	rep := s.answers.get(v.state, key)
	if rep == nil {
		made, err, _ := s.flight.Do(v.state.etag+key, func() (any, error) {
			// Others may wait for this answer: the first asker's leaving doesn't end it.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), answerTimeout)
			defer cancel()
			v.ctx = ctx
			return s.run(v)
		})
		if err != nil {
			s.fail(w, v, err)
			return
		}
		rep = made.(*reply)
		if rep.status == 0 {
			s.answers.put(v.state, key, rep)
		}
	}
	if rep.status == 0 {
		h.Set("ETag", v.state.etag)
	} else {
		h.Set("Cache-Control", NoStore.header())
	}
	s.send(w, v, rep)
}

// notModified compares If-None-Match weakly (RFC 9110, 13.1.2).
func notModified(r *http.Request, etag string) bool {
	for part := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == etag {
			return true
		}
	}
	return false
}
