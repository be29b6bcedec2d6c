package labrun

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/journal"
)

// FileGates are gates that all labctl processes of one state directory share: a lock file for every change that may be
// inside. The kernel gives a slot back when its process dies.
type FileGates struct {
	Dir    string
	Server string // the server's URL: every server has gates of its own
}

// gatePause is how often a full gate is tried again.
const gatePause = 50 * time.Millisecond

// Enter implements change.Gates.
func (g *FileGates) Enter(ctx context.Context, gate change.Gate) (func(), error) {
	sum := sha256.Sum256([]byte(g.Server))
	name := fmt.Sprintf("%s-%s-%s", hex.EncodeToString(sum[:4]), gate.Kind, gate.Node)
	lock, err := backoff.RetryWithData(func() (*journal.Lock, error) {
		for slot := range gate.AtOnce {
			lock, err := journal.Try(filepath.Join(g.Dir, fmt.Sprintf("%s-%d.lock", name, slot)))
			var busy *journal.BusyError
			if !errors.As(err, &busy) && err != nil {
				return nil, backoff.Permanent(err)
			}
			if err == nil {
				return lock, nil
			}
		}
		return nil, errGateFull
	}, backoff.WithContext(backoff.NewConstantBackOff(gatePause), ctx))
	switch {
	case errors.Is(err, errGateFull), err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("queueing for %s on node %s: %w", gate.Kind, gate.Node, err)
	}
	return func() { _ = lock.Release() }, nil // closing a lock file loses nothing
}

var errGateFull = errors.New("the gate is full")
