package pvesim

import (
	"container/heap"
	"context"
	"time"
)

// event is the moment at which a worker goes on: its pause is over, or its patience with a lock.
type event struct {
	at     time.Time
	number int // order of creation: events of one moment happen in the order they were made
	worker *worker
	turn   int // stale when the worker has gone on since
}

type eventQueue []event

// Len is for container/heap only.
func (q eventQueue) Len() int { return len(q) }

// Less is for container/heap only.
func (q eventQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].number < q[j].number
}

// Swap is for container/heap only.
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for container/heap only.
func (q *eventQueue) Push(x any) {
	if e, ok := x.(event); ok {
		*q = append(*q, e)
	}
}

// Pop is for container/heap only.
func (q *eventQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// schedule makes a worker go on at the given time.
func (c *Cluster) schedule(w *worker, at time.Time) {
	c.sequence++
	heap.Push(&c.events, event{at: at, number: c.sequence, worker: w, turn: w.turn})
	c.wake()
}

// wake tells everybody who waits for time to pass that the next due time may have changed.
func (c *Cluster) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// advance applies every effect that is due by now, each at its own simulated time.
func (c *Cluster) advance(now time.Time) {
	for len(c.events) > 0 && !c.events[0].at.After(now) {
		e, ok := heap.Pop(&c.events).(event)
		if !ok || e.turn != e.worker.turn {
			continue
		}
		c.publishUntil(e.at)
		if e.at.After(c.clock) {
			c.clock = e.at
		}
		e.worker.timeUp()
		e.worker.proceed()
	}
	c.publishUntil(now)
	if now.After(c.clock) {
		c.clock = now
	}
}

// nextDue returns when the next effect is due.
func (c *Cluster) nextDue() (time.Time, bool) {
	for len(c.events) > 0 && c.events[0].turn != c.events[0].worker.turn {
		heap.Pop(&c.events)
	}
	if len(c.events) == 0 {
		return time.Time{}, false
	}
	return c.events[0].at, true
}

// await lets time pass until done says so or the limit is over, and reports which. It is called with the cluster
// locked and returns with it locked; meanwhile others get in.
func (c *Cluster) await(ctx context.Context, limit time.Duration, done func() bool) (bool, error) {
	deadline := c.clock.Add(limit)
	for !done() {
		if !c.clock.Before(deadline) {
			return false, nil
		}
		until := deadline
		if due, ok := c.nextDue(); ok && due.Before(until) {
			until = due
		}
		if err := c.sleep(ctx, until); err != nil {
			return false, err
		}
	}
	return true, nil
}

// sleep gives the cluster free until the given time, or until something becomes due earlier.
func (c *Cluster) sleep(ctx context.Context, until time.Time) error {
	changed := c.changed
	c.unlock()
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	var err error
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	c.enter()
	return err
}

// Run applies effects as they become due until ctx ends: a guest then boots though nobody polls. Serve does the same.
func (c *Cluster) Run(ctx context.Context) {
	for {
		c.enter()
		due, pending := c.nextDue()
		changed := c.changed
		c.unlock()
		if !pending {
			due = time.Now().Add(time.Hour)
		}
		timer := time.NewTimer(time.Until(due))
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
