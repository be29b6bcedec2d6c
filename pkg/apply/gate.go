package apply

import (
	"context"
	"sync"
)

// Allocations on one local storage queue for PVE's storage lock, whose waiters give up after 10 s. Three at once stay
// below that even with 4 s each; frees run alone, since a free that times out leaks its volume behind an `OK` (pve-api
// lab-findings §32, §33).
const (
	allocationsAtOnce = 3
	freesAtOnce       = 1
)

// gates limit how many changes of one kind run at once on one node. The zero value is ready for use.
type gates struct {
	mu    sync.Mutex
	slots map[gateKey]chan struct{}
}

type gateKey struct{ kind, node string }

func (g *gates) allocate(ctx context.Context, node string, run func() error) error {
	return g.enter(ctx, gateKey{"allocate", node}, allocationsAtOnce, run)
}

func (g *gates) free(ctx context.Context, node string, run func() error) error {
	return g.enter(ctx, gateKey{"free", node}, freesAtOnce, run)
}

func (g *gates) enter(ctx context.Context, key gateKey, atOnce int, run func() error) error {
	slot := g.slot(key, atOnce)
	select {
	case slot <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-slot }()
	return run()
}

func (g *gates) slot(key gateKey, atOnce int) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.slots == nil {
		g.slots = map[gateKey]chan struct{}{}
	}
	if g.slots[key] == nil {
		g.slots[key] = make(chan struct{}, atOnce)
	}
	return g.slots[key]
}
