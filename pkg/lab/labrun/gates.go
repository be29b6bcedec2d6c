package labrun

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync"

	"labctl/pkg/internal/filelock"
	"labctl/pkg/lab/change"
)

// FileGates are gates that all labctl processes of one state directory share. The kernel gives a place back when its process
// dies.
type FileGates struct {
	Dir    string
	Server string // the server's URL: every server has gates of its own

	mu    sync.Mutex
	gates map[string]*filelock.Gate
}

// Enter implements change.Gates.
func (g *FileGates) Enter(ctx context.Context, gate change.Gate, atOnce func() int) (func(), error) {
	leave, err := g.gate(gate).Enter(ctx, atOnce)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("queueing for %s on node %s: %w", gate.Kind, gate.Node, err)
	}
	return leave, err
}

func (g *FileGates) gate(gate change.Gate) *filelock.Gate {
	sum := sha256.Sum256([]byte(g.Server))
	name := fmt.Sprintf("%s-%s-%s", hex.EncodeToString(sum[:4]), gate.Kind, gate.Node)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gates == nil {
		g.gates = map[string]*filelock.Gate{}
	}
	if g.gates[name] == nil {
		g.gates[name] = filelock.NewGate(filepath.Join(g.Dir, name))
	}
	return g.gates[name]
}
