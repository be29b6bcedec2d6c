package change

import (
	"context"
	"sync"
)

// Gate is what queues: changes of one kind on one node.
type Gate struct {
	Kind   GateKind
	Node   string
	AtOnce int // so many may be inside
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
	// Enter waits until there is room, or ctx ends. The caller leaves when the change has ended.
	Enter(ctx context.Context, gate Gate) (leave func(), err error)
}

// Allocations on one local storage queue for PVE's storage lock, whose waiters give up after 10 s. Three at once stay
// below that even with 4 s each; frees run alone, since a free that times out leaks its volume behind an `OK` (pve-api
// lab-findings §32, §33).
const (
	allocationsAtOnce = 3
	freesAtOnce       = 1
)

// allocating runs a change that allocates volumes.
func (e *Executor) allocating(ctx context.Context, node string, run func() error) error {
	return e.inside(ctx, Gate{Kind: GateAllocate, Node: node, AtOnce: allocationsAtOnce}, run)
}

// freeing runs a change that frees volumes.
func (e *Executor) freeing(ctx context.Context, node string, run func() error) error {
	return e.inside(ctx, Gate{Kind: GateFree, Node: node, AtOnce: freesAtOnce}, run)
}

func (e *Executor) inside(ctx context.Context, gate Gate, run func() error) error {
	gates := e.Gates
	if gates == nil {
		gates = &e.own
	}
	leave, err := gates.Enter(ctx, gate)
	if err != nil {
		return err
	}
	defer leave()
	return run()
}

// LocalGates are gates within one process. The zero value is ready for use.
type LocalGates struct {
	mu    sync.Mutex
	slots map[Gate]chan struct{}
}

// Enter implements Gates.
func (g *LocalGates) Enter(ctx context.Context, gate Gate) (func(), error) {
	slot := g.slot(gate)
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (g *LocalGates) slot(gate Gate) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.slots == nil {
		g.slots = map[Gate]chan struct{}{}
	}
	if g.slots[gate] == nil {
		g.slots[gate] = make(chan struct{}, gate.AtOnce)
	}
	return g.slots[gate]
}
