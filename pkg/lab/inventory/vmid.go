package inventory

import (
	"context"
	"fmt"
	"slices"

	"labctl/pkg/pve"
)

// FreeVMIDs returns the first n VMIDs of the scope's range that no VM has at this moment and that the journal does
// not know. nextid reserves nothing (pve-api notes §34): a clone may still lose the race and has to take another.
func (o Observed) FreeVMIDs(ctx context.Context, api API, scope Scope, n int) ([]pve.VMID, error) {
	var free []pve.VMID
	for id := scope.First; id <= scope.Last && len(free) < n; id++ {
		listed := slices.ContainsFunc(o.Resources, func(r pve.Resource) bool { return r.VMID == id })
		if listed || isKnown(scope, pve.VMRef{ID: id}) || slices.Contains(scope.Avoid, id) {
			continue
		}
		taken, err := api.VMIDTaken(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("looking up VMID %d: %w", id, err)
		}
		if !taken {
			free = append(free, id)
		}
	}
	if len(free) < n {
		return nil, fmt.Errorf("only %d of %d VMIDs are free in the range %d-%d: widen vmids: in the lab spec", len(free), n, scope.First, scope.Last)
	}
	return free, nil
}
