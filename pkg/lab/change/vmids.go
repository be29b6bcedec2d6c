package change

import (
	"context"
	"fmt"
	"sync"

	"labctl/pkg/pve"
)

// vmids hands out VMIDs when the planned one was taken by somebody else in the meantime.
type vmids struct {
	mu   sync.Mutex
	used map[pve.VMID]bool
}

// nextVMID finds another free VMID in the range.
func (e *Executor) nextVMID(ctx context.Context) (pve.VMID, error) {
	for id := pve.VMID(e.Lab.VMIDs.First); id <= pve.VMID(e.Lab.VMIDs.Last); id++ {
		if !e.vmids.claim(id) {
			continue
		}
		taken, err := e.API.VMIDTaken(ctx, id)
		if err != nil {
			return 0, err
		}
		if !taken {
			return id, nil
		}
	}
	return 0, fmt.Errorf("no VMID is free in the range %d-%d: widen vmids: in the lab spec", e.Lab.VMIDs.First, e.Lab.VMIDs.Last)
}

// claim reserves a VMID and says whether it was still unused by this process.
func (v *vmids) claim(id pve.VMID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.used == nil {
		v.used = map[pve.VMID]bool{}
	}
	fresh := !v.used[id]
	v.used[id] = true
	return fresh
}
