package killtest

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// moment is when, relative to one change, labctl is killed.
type moment string

const (
	before   moment = "before"   // the request has left labctl and never reaches the server
	effect   moment = "effect"   // the server does it, and the answer never reaches labctl
	answered moment = "answered" // the answer arrives, and the next request of any kind does not
	passing  moment = "passing"  // nothing is killed: call runs, and then the request is served
)

// trap kills one labctl process at its n-th change.
type trap struct {
	moment moment
	n      int    // from 1
	call   func() // for the moment passing

	victim  *process
	changes int  // so far
	due     bool // the answer was delivered: the next request is the last
	killed  bool
	request string // the change
}

// gate stands before the cluster's API and knows which request of a process it sees.
type gate struct {
	next http.Handler

	mu   sync.Mutex
	trap *trap
}

// set arms the gate for the process that start starts. Nothing passes before the process is known.
func (g *gate) set(t *trap, start func() *process) *process {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trap = t
	t.victim = start()
	return t.victim
}

// clear disarms the gate and returns what became of the trap.
func (g *gate) clear() trap {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := *g.trap
	g.trap = nil
	return t
}

// ServeHTTP lets a request pass, unless it is the one at which the process dies. Requests of the dying process that are
// on their way already are served: the network does not take them back.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	victim, at := g.judge(r)
	switch {
	case victim == nil:
		g.next.ServeHTTP(w, r)
	case at == effect:
		g.next.ServeHTTP(httptest.NewRecorder(), r)
		victim.kill()
		panic(http.ErrAbortHandler)
	case at == before:
		victim.kill()
		panic(http.ErrAbortHandler)
	case at == passing:
		g.called().call()
		g.next.ServeHTTP(w, r)
	case at == answered:
		g.next.ServeHTTP(&whole{ResponseWriter: w}, r)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.trap != nil {
			g.trap.due = true
		}
	}
}

// called is the trap, whose call may need the gate.
func (g *gate) called() *trap {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trap
}

// judge says whether the process dies of this request, and when.
func (g *gate) judge(r *http.Request) (victim *process, at moment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.trap
	switch {
	case t == nil || t.killed:
		return nil, ""
	case t.due:
		t.killed = true
		return t.victim, before
	case !isChange(r):
		return nil, ""
	}
	t.changes++
	if t.changes != t.n {
		return nil, ""
	}
	t.request = r.Method + " " + r.URL.Path
	t.killed = t.moment == before || t.moment == effect
	return t.victim, t.moment
}

// isChange tells requests that change something. The guest agent's ping is a POST that does not.
func isChange(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/agent/ping")
}

// whole makes an answer complete when it is written, and not some time after the handler has returned.
type whole struct{ http.ResponseWriter }

// Write implements http.ResponseWriter for answers that are written at once, as the cluster's are.
func (w *whole) Write(body []byte) (int, error) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	n, err := w.ResponseWriter.Write(body)
	return n, errors.Join(err, http.NewResponseController(w.ResponseWriter).Flush())
}

// Hijack implements http.Hijacker, which the cluster needs for PVE's own status lines.
func (w *whole) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
