package change_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// dispensable are the privileges of the sandbox's token that the life of a lab does without, here, and why.
var dispensable = map[string]string{
	"VM.Config.CDROM":            "the cloud-init drive is the template's",
	"VM.Config.HWType":           "the template has the SCSI controller that is wanted",
	"VM.Config.Network":          "the template is on the bridge that is wanted, and VM.Config.Cloudinit covers the addresses",
	"Pool.Audit":                 "the VMs are found by tag and VMID; without it a missing pool cannot be told from an empty one",
	"Datastore.Audit":            "everything passes, and proves nothing: the volumes cannot be seen (TestWithoutAuditNothingIsProved)",
	"SDN.Audit":                  "SDN.Use is enough",
	"Datastore.Allocate":         "only uploads and template builds need it",
	"Datastore.AllocateTemplate": "only uploads and template builds need it",
	"Sys.AccessNetwork":          "only template builds need it",
	"VM.Monitor":                 "waiting for guests is not tried here",
	"VM.GuestAgent.Audit":        "waiting for guests is not tried here",
	"VM.GuestAgent.FileRead":     "waiting for guests is not tried here",
	"VM.Config.Cloudinit":        "VM.Config.Network, which this token has too, covers the cloud-init keys",
}

// lackingOne gives the sandbox's token roles without a privilege.
func lackingOne(privilege string) func(*pvesim.Topology) {
	return func(topology *pvesim.Topology) {
		topology.Roles = append(topology.Roles,
			pvesim.RoleSpec{Name: "Template", Privileges: []string{"VM.Audit.Template", "VM.Clone"}},
			pvesim.RoleSpec{Name: "Net", Privileges: []string{"SDN.Use", "SDN.Audit"}})
		for i, role := range topology.Roles {
			kept := slices.DeleteFunc(slices.Clone(role.Privileges), func(p string) bool { return p == privilege })
			for j := range kept {
				kept[j] = strings.TrimSuffix(kept[j], ".Template")
			}
			topology.Roles[i].Privileges = kept
		}
		for i := range topology.Grants {
			switch topology.Grants[i].Role {
			case "PVETemplateUser":
				topology.Grants[i].Role = "Template"
			case "PVESDNUser":
				topology.Grants[i].Role = "Net"
			}
		}
	}
}

// life brings the lab up and down without asking for the privileges first.
func (b *bench) life() error {
	ctx := b.t.Context()
	seen := b.observe()
	template, err := seen.FindTemplate(ctx, b.client, b.lab.Node, 9000, "")
	if err != nil {
		return err
	}
	if err := inventory.CheckStorages(ctx, b.client, b.lab.Node, b.lab.Storages()); err != nil {
		return err
	}
	todo, err := plan.Up(plan.Wanted{Lab: b.lab, Templates: map[string]inventory.Template{b.lab.Node: template}, Observed: seen, VMIDs: []int{9100, 9101, 9102}, IsReady: func(string) bool { return false }})
	if err != nil {
		return err
	}
	err = b.executor().Up(ctx, todo)
	seen, observeErr := inventory.Observe(ctx, b.client, inventory.Scope{
		Self: b.self(), Node: b.lab.Node, Pool: b.lab.Pool, First: 9100, Last: 9199,
		Known: []pve.VMRef{{Node: "pve", ID: 9100}, {Node: "pve", ID: 9101}, {Node: "pve", ID: 9102}},
	})
	if err := errors.Join(err, observeErr); err != nil {
		return err
	}
	return b.executor().Down(ctx, b.removal(seen))
}

// TestEveryPrivilegeIsNeeded takes each privilege of the sandbox's token away, and wants the life of a lab to fail, or a
// reason why it does not.
func TestEveryPrivilegeIsNeeded(t *testing.T) {
	for _, major := range []int{8, 9} {
		topology := pvesim.SandboxTopology(major)
		lackingOne("")(&topology)
		privileges := []string{"VM.Audit.Template"}
		for _, role := range topology.Roles {
			privileges = append(privileges, role.Privileges...)
		}
		slices.Sort(privileges)
		for _, privilege := range slices.Compact(privileges) {
			t.Run(fmt.Sprintf("%d/%s", major, privilege), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					err := newBench(t, major, lackingOne(privilege)).life()
					reason, isDispensable := dispensable[privilege]
					switch {
					case isDispensable && err != nil:
						t.Errorf("%s is not needed (%s), but without it: %v", privilege, reason, err)
					case !isDispensable && err == nil:
						t.Errorf("without %s everything passes", privilege)
					}
				})
			})
		}
	}
}

// TestWithoutAuditNothingIsProved: without Datastore.Audit the server's list of volumes is empty while they are there, so
// `up` must not begin without it.
func TestWithoutAuditNothingIsProved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 9, lackingOne("Datastore.Audit"))
		if err := b.executor().Up(t.Context(), b.planUp()); err != nil {
			t.Fatal(err)
		}
		volumes, err := b.client.Volumes(t.Context(), "pve", "zfs", 9100)
		if err != nil || len(volumes) > 0 || len(b.leftovers()) == 0 {
			t.Errorf("the token sees %v (%v), and there are %v", volumes, err, b.leftovers())
		}
	})
}
