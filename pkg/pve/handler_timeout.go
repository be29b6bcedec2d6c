package pve

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DefaultRequestTimeout bounds one HTTP exchange. pveproxy itself gives up on
// its daemon after 30 s and answers 596.
const DefaultRequestTimeout = 60 * time.Second

// changeGrace is how long a change in flight may still be answered after its
// context has ended.
const changeGrace = 5 * time.Second

// timeoutHandler bounds each try.
func timeoutHandler(next handler, limit time.Duration) handler {
	return func(ctx context.Context, c call) (answer, error) {
		limit := limit + c.file.sendTime()
		// Not context.DeadlineExceeded: the caller's deadline is another matter.
		cause := fmt.Errorf("no answer within %v", limit)
		ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
		defer cancel()
		a, err := next(ctx, c)
		if err != nil && !neverConnected(err) && errors.Is(context.Cause(ctx), cause) {
			err = cause
		}
		return a, err
	}
}

// lingerHandler lets a change that is on its way be answered although its
// context has ended, for changeGrace: a task ID that nobody read is a task that
// nobody can wait for. A change that is not on its way yet is not sent any more.
func lingerHandler(next handler) handler {
	return func(ctx context.Context, c call) (answer, error) {
		if c.readOnly {
			return next(ctx, c)
		}
		flight, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		stop := context.AfterFunc(ctx, func() {
			timer := time.NewTimer(changeGrace)
			defer timer.Stop()
			select {
			case <-timer.C:
				cancel(context.Cause(ctx))
			case <-flight.Done():
			}
		})
		defer stop()
		return next(flight, c)
	}
}
