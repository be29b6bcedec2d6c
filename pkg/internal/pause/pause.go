// Package pause is the one way to let time pass.
package pause

import (
	"context"
	"time"
)

// For waits so long, or until ctx ends, and then returns why it ended. No time at all is no wait.
func For(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
