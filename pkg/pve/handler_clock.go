package pve

import (
	"context"
	"sync/atomic"
	"time"
)

// clock is how far this machine's clock is ahead of the server's; nil until an answer tells.
type clock struct{ ahead atomic.Pointer[time.Duration] }

// clockHandler compares the clocks at every answer. PVE's Date is in whole seconds and some time old when it is read, so
// that this clock looks up to some seconds more ahead than it is, never less.
func clockHandler(next handler, clock *clock) handler {
	return func(ctx context.Context, c call) (answer, error) {
		a, err := next(ctx, c)
		if err == nil && !a.date.IsZero() {
			ahead := time.Since(a.date)
			clock.ahead.Store(&ahead)
		}
		return a, err
	}
}

// Ahead tells how far this machine's clock is ahead of the server's, by its last answer; below 0 when it is behind. A
// server that never told its time is not known.
func (c *Client) Ahead() (ahead time.Duration, known bool) {
	if last := c.clock.ahead.Load(); last != nil {
		return *last, true
	}
	return 0, false
}
