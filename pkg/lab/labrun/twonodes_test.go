package labrun_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/labspec"
	"labctl/pkg/pvesim"
)

// A VMID had VMs on two nodes in the course of time, and the state is lost: the storages of both are looked at.
func TestTracesOfAVMIDOnTwoNodes(t *testing.T) {
	for _, major := range []int{8, 9} {
		synctest.Test(t, func(t *testing.T) {
			wide := strings.Replace(clusterLab, "CLONE", "linked", 1)
			c := newCluster(t, pvesim.ClusterTopology(major), wide)
			at := func(node string) {
				t.Helper()
				text := strings.Replace(strings.Replace(wide, alone, "", 1), "node: pve\n", "node: "+node+"\n", 1)
				lab, err := labspec.Parse("wide.yaml", []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				c.spec.Lab, c.spec.Text = lab, []byte(text)
				if err := c.up(); err != nil {
					t.Fatal(err)
				}
			}
			at("pve")
			if err := c.down(); err != nil {
				t.Fatal(err)
			}
			at("pve2")
			c.sim.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: "vm-9100-disk-1"}, Times: -1, Do: pvesim.Action{Busy: true}}}})
			if err := c.down(); len(leftoversIn(err)) == 0 {
				t.Fatalf("down did not say what is left: %v", err)
			}
			c.sim.SetFaults(pvesim.Faults{})
			if err := os.RemoveAll(c.labs.Store.Root); err != nil {
				t.Fatal(err)
			}
			lab, err := labspec.Parse("wide.yaml", []byte(wide))
			if err != nil {
				t.Fatal(err)
			}
			c.spec.Lab, c.spec.Text = lab, []byte(wide)
			for range 2 {
				if err := c.down(); err == nil || !strings.Contains(err.Error(), "pvesm free zfs:vm-9100-disk-1") {
					t.Errorf("PVE %d: down did not tell of the volume: %v", major, err)
				}
			}
		})
	}
}

// A VM was moved away from a node that is offline since. That node's storages cannot be looked at, but all VMs can be removed.
func TestDownOfAVMThatWasMovedFromANodeThatIsOffline(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		c := offline(t, major, false)
		before := c.everything()
		if err := c.up(); err != nil {
			t.Fatal(err)
		}
		if err := c.sim.Migrate(9101, "pve"); err != nil {
			t.Fatal(err)
		}
		c.sim.SetOffline("pve2", true)
		err := c.down()
		if nodes := leftOn(err); !slices.Equal(nodes, []string{"pve2"}) {
			t.Errorf("left on %v: %v", nodes, err)
		}
		if places := c.places(); len(places) > 0 {
			t.Errorf("VMs are left: %v: %v", places, err)
		}
		c.sim.SetOffline("pve2", false)
		if err := c.down(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, c.everything()); diff != "" {
			t.Errorf("left behind (-before +after)\n%s", diff)
		}
	})
}

// PVE 8 does not tell which VMID a clone that failed had. What it left is looked for on the node that made it.
func TestDownWithoutStateFindsWhatACloneLeftOnAnotherNode(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		c := offline(t, major, false)
		c.sim.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{
			{Volume: &pvesim.VolumeMatch{Operation: "create", Name: "vm-9101-disk-0"}, Do: pvesim.Action{Full: true}},
			{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: "vm-9101-cloudinit"}, Times: -1, Do: pvesim.Action{Busy: true}},
		}})
		err := c.with(func(run *labrun.Run) error {
			_, err := run.Up(t.Context(), labrun.UpOptions{Readiness: readyByVMID{}, Keep: true})
			return err
		})
		c.sim.SetFaults(pvesim.Faults{})
		if err == nil || !slices.Contains(c.everything(), "pve2 zfs:vm-9101-cloudinit") {
			t.Fatalf("nothing is left: the test tests nothing: %v", err)
		}
		if err := os.RemoveAll(c.labs.Store.Root); err != nil {
			t.Fatal(err)
		}
		if err := c.down(); err == nil || !strings.Contains(err.Error(), "pvesm free zfs:vm-9101-cloudinit") {
			t.Errorf("down did not tell of the volume: %v", err)
		}
	})
}

// The journal knows a VMID on a node that left the cluster. All VMs are removed, and what nobody can look at is reported.
func TestDownAfterANodeLeftTheCluster(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		c := offline(t, major, true)
		if err := c.up(); err != nil {
			t.Fatal(err)
		}
		err := c.with(func(run *labrun.Run) error {
			intent, err := run.Journal.Intend(journal.Intent{Op: journal.OpClone, VM: "z", Node: "gone", VMID: 9109})
			return errors.Join(err, run.Journal.Finished(intent, journal.ResultFailed, nil))
		})
		if err != nil {
			t.Fatal(err)
		}
		err = c.down()
		if nodes := leftOn(err); !slices.Equal(nodes, []string{"gone"}) {
			t.Errorf("left on %v: %v", nodes, err)
		}
		if places := c.places(); len(places) > 0 {
			t.Errorf("VMs are left: %v: %v", places, err)
		}
	})
}
