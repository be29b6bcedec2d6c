package inventory

import (
	"context"
	"fmt"
	"testing"

	"labctl/pkg/pve"
)

// movingPVE is a cluster on which an operator moves a VM between the list and the look at it.
type movingPVE struct {
	fakePVE
	at    string // where the VM really is
	looks int
}

func (m *movingPVE) Resources(context.Context) ([]pve.Resource, error) {
	m.looks++
	listed := "pve"
	if m.looks > 1 {
		listed = m.at
	}
	return []pve.Resource{{VMID: 9100, Node: listed, Pool: "labctl"}}, nil
}

func (m *movingPVE) VMConfig(ctx context.Context, vm pve.VMRef) (pve.VMConfig, error) {
	if vm.Node != m.at {
		return pve.VMConfig{}, fmt.Errorf("config: %w", pve.ErrVMNotFound)
	}
	return m.fakePVE.VMConfig(ctx, vm)
}

// A VM that moves while it is being looked for is found where it went, whether or not the journal knows of it.
func TestAVMThatMovesIsFound(t *testing.T) {
	for _, known := range [][]pve.VMRef{nil, {{Node: "pve", ID: 9100}}} {
		api := &movingPVE{fakePVE: fakePVE{configs: map[pve.VMID]map[string]string{9100: {"description": description("blog", "2gb"), "status": "running"}}}, at: "pve2"}
		looking := scope
		looking.Known = known
		seen, err := Observe(t.Context(), api, looking)
		if err != nil {
			t.Fatal(err)
		}
		if found, ok := seen.VM("2gb"); !ok || found.Ref.Node != "pve2" || !found.Running || len(seen.Unreadable)+len(seen.Gone) > 0 {
			t.Errorf("known %v: %+v", known, seen)
		}
		if api.looks != 2 {
			t.Errorf("%d looks", api.looks)
		}
	}
}
