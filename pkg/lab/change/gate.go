package change

import (
	"context"
	"slices"
	"sync"
)

// Gate is what queues: changes of one kind on one node.
type Gate struct {
	Kind GateKind
	Node string
}

// GateKind is a kind of change that queues for PVE's storage lock.
type GateKind string

// The kinds of changes that queue.
const (
	GateAllocate GateKind = "allocate"
	GateFree     GateKind = "free"
)

// Gates limit how many changes of one kind run at once on one node, whoever makes them.
type Gates interface {
	// Enter waits until fewer than atOnce changes are inside, or ctx ends. The number may change while it waits. The caller leaves when
	// the change has ended.
	Enter(ctx context.Context, gate Gate, atOnce func() int) (leave func(), err error)
}

// allocationsAtOnce is how many changes that allocate volumes run at once. They queue for PVE's storage lock, whose waiters give up
// after 10 s: three stay below that even with 4 s each (pve-api lab-findings §32).
func allocationsAtOnce() int { return 3 }

// alone is the width of a gate for what bears nobody beside it.
func alone() int { return 1 }

// allocating runs a change that allocates volumes.
func (e *Executor) allocating(ctx context.Context, node string, run func() error) error {
	return e.inside(ctx, Gate{Kind: GateAllocate, Node: node}, allocationsAtOnce, run)
}

// freeing runs a change that frees volumes.
func (e *Executor) freeing(ctx context.Context, node string, run func() error) error {
	return e.inside(ctx, Gate{Kind: GateFree, Node: node}, func() int { return e.pace.freesAtOnce(node) }, run)
}

func (e *Executor) inside(ctx context.Context, gate Gate, atOnce func() int, run func() error) error {
	gates := e.Gates
	if gates == nil {
		gates = &e.own
	}
	leave, err := gates.Enter(ctx, gate, atOnce)
	if err != nil {
		return err
	}
	defer leave()
	return run()
}

// LocalGates are gates within one process, which let changes in as they came. The zero value is ready for use.
type LocalGates struct {
	mu     sync.Mutex
	queues map[Gate]*queue
}

// queue is one gate; LocalGates.mu guards it.
type queue struct {
	inside  int
	waiting []*waiting
}

type waiting struct {
	atOnce func() int
	in     chan struct{} // closed when it is let in
}

// Enter implements Gates.
func (g *LocalGates) Enter(ctx context.Context, gate Gate, atOnce func() int) (func(), error) {
	q, me := g.join(gate, atOnce)
	select {
	case <-me.in:
		return func() { g.leave(q) }, nil
	case <-ctx.Done():
		if !g.giveUp(q, me) {
			g.leave(q) // it was let in at the same moment
		}
		return nil, context.Cause(ctx)
	}
}

func (g *LocalGates) join(gate Gate, atOnce func() int) (*queue, *waiting) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queues == nil {
		g.queues = map[Gate]*queue{}
	}
	if g.queues[gate] == nil {
		g.queues[gate] = &queue{}
	}
	q, me := g.queues[gate], &waiting{atOnce: atOnce, in: make(chan struct{})}
	q.waiting = append(q.waiting, me)
	q.admit()
	return q, me
}

// giveUp takes a waiting change out of the queue; false when it was let in already.
func (g *LocalGates) giveUp(q *queue, me *waiting) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(q.waiting, me)
	if at < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, at, at+1)
	q.admit()
	return true
}

func (g *LocalGates) leave(q *queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	q.inside--
	q.admit()
}

// admit lets in from the head of the queue what has room.
func (q *queue) admit() {
	for len(q.waiting) > 0 && q.inside < max(q.waiting[0].atOnce(), 1) {
		close(q.waiting[0].in)
		q.waiting, q.inside = q.waiting[1:], q.inside+1
	}
}
