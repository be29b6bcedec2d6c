package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Gate lets a bounded number of calls inside at once, of all processes with gates of the same Dir, in the order in which their
// processes came. Within a process the order is that of the calls, and only the first of them is in the queue of processes: two
// processes with many calls take turns. Make one with NewGate.
type Gate struct {
	dir   string
	queue Queue
	first chan struct{} // holds the one call of this process that queues
	tried func()        // told of each look for a place, by tests
}

// NewGate makes a gate whose files are in a directory of its own.
func NewGate(dir string) *Gate {
	return &Gate{dir: dir, queue: Queue{Dir: filepath.Join(dir, "queue")}, first: make(chan struct{}, 1)}
}

// MaxAtOnce is how many calls a gate lets inside at most.
const MaxAtOnce = 8

// The one call at the head of the queue looks for a free place this often.
const (
	lookFirst = 5 * time.Millisecond
	lookLater = 100 * time.Millisecond
)

// Enter waits until fewer than atOnce calls are inside, at most MaxAtOnce, or until ctx ends. The number may change while it waits.
// Whoever entered leaves.
func (g *Gate) Enter(ctx context.Context, atOnce func() int) (leave func(), err error) {
	select {
	case g.first <- struct{}{}:
		defer func() { <-g.first }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	passOn, err := g.queue.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer passOn()
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(lookFirst), backoff.WithMaxInterval(lookLater), backoff.WithMaxElapsedTime(0))
	lock, err := backoff.RetryWithData(func() (*Lock, error) { return g.take(atOnce()) }, backoff.WithContext(policy, ctx))
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Release() }, nil // closing a lock file loses nothing
}

// take takes a free place when fewer than atOnce are taken. Only the head of the queue comes here, so that meanwhile others only leave.
func (g *Gate) take(atOnce int) (*Lock, error) {
	if g.tried != nil {
		g.tried()
	}
	var mine *Lock
	inside := 0
	for place := range MaxAtOnce {
		lock, err := Try(filepath.Join(g.dir, strconv.Itoa(place)+".lock"))
		switch {
		case errors.Is(err, ErrHeld):
			inside++
		case err != nil:
			return nil, backoff.Permanent(err)
		case mine == nil:
			mine = lock
		default:
			_ = lock.Release()
		}
	}
	if mine == nil {
		return nil, ErrHeld
	}
	if inside >= max(atOnce, 1) {
		return nil, errors.Join(ErrHeld, mine.Release())
	}
	return mine, nil
}
