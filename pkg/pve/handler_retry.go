package pve

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// How long a read is repeated. A node that reboots its daemons or renews its
// certificate is back within seconds, a cluster without quorum takes longer. A
// server that never answered before is more likely a wrong address.
const (
	retryFirst   = 200 * time.Millisecond
	retryMax     = 5 * time.Second
	retryElapsed = 60 * time.Second
)

// retryHandler repeats reads whose failure is transient. Changes pass once.
func retryHandler(next handler) handler {
	var reached atomic.Bool // some call got an answer: the address and the certificate are right
	return func(ctx context.Context, c call) (answer, error) {
		try := func() (answer, error) {
			a, err := next(ctx, c)
			if a.status != 0 {
				reached.Store(true)
			}
			if err != nil && !worthRetrying(err, c.readOnly, reached.Load()) {
				return a, backoff.Permanent(err)
			}
			return a, err
		}
		a, err := backoff.RetryWithData(try, backoff.WithContext(newBackOff(), ctx))
		return a, err
	}
}

// worthRetrying is the whole policy: only reads, only what may pass by itself.
func worthRetrying(err error, readOnly, reached bool) bool {
	if !readOnly || !errors.Is(err, ErrTransient) {
		return false
	}
	var unreachable *UnreachableError
	return reached || !errors.As(err, &unreachable)
}

func newBackOff() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(retryFirst),
		backoff.WithMaxInterval(retryMax),
		backoff.WithMaxElapsedTime(retryElapsed),
	)
}
