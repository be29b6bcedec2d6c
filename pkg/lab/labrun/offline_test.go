package labrun_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/lab/labrun"
	"labctl/pkg/pvesim"
)

const alone = "spread: [pve, pve2, pve3]"

// offline is a lab on three nodes, or on one beside a stranger in its pool on another.
func offline(t *testing.T, major int, narrow bool) *cluster {
	t.Helper()
	topology := pvesim.ClusterTopology(major)
	topology.VMs = append(topology.VMs, pvesim.VMSpec{VMID: 300, Name: "stranger", Node: "pve2", Pool: pvesim.SandboxPool})
	text := strings.Replace(clusterLab, "CLONE", "full", 1)
	if narrow {
		text = strings.Replace(text, alone, "", 1)
	}
	c := newCluster(t, topology, text)
	return c
}

// leftOn are the nodes of what an error says is left.
func leftOn(err error) []string {
	var nodes []string
	for _, left := range leftoversIn(err) {
		nodes = append(nodes, left.Ref.Node)
	}
	slices.Sort(nodes)
	return nodes
}

// Down removes what it reaches, says what it does not, and the next one finishes.
func TestDownWithANodeOffline(t *testing.T) {
	for _, lost := range []bool{false, true} {
		onBothMajors(t, func(t *testing.T, major int) {
			c := offline(t, major, false)
			before := c.everything()
			if err := c.up(); err != nil {
				t.Fatal(err)
			}
			if lost {
				if err := os.RemoveAll(c.labs.Store.Dir("wide")); err != nil {
					t.Fatal(err)
				}
			}
			c.sim.SetOffline("pve2", true)
			err := c.down()
			if nodes := slices.Compact(leftOn(err)); !slices.Equal(nodes, []string{"pve2"}) {
				t.Errorf("left on %v: %v", nodes, err)
			}
			if !strings.Contains(err.Error(), "VM 9101 (9101 on node pve2)") && !strings.Contains(err.Error(), "VM b (9101") {
				t.Errorf("the VM is not named: %v", err)
			}
			if diff := cmp.Diff(map[string]string{"b": "pve2"}, c.places()); diff != "" {
				t.Errorf("places (-want +got)\n%s", diff)
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
}

// A node that the lab has nothing to do with may be away, though a VM of the lab's pool is on it.
func TestLifeBesideANodeThatIsOffline(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		c := offline(t, major, true)
		before := c.everything()
		c.sim.SetOffline("pve2", true)
		if err := c.up(); err != nil {
			t.Fatal(err)
		}
		if err := c.down(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, c.everything()); diff != "" {
			t.Errorf("left behind (-before +after)\n%s", diff)
		}
	})
}

// What may be the lab's and cannot be looked at keeps up from making it anew, and a lost state's tasks may be there.
func TestUpRefusesWhileANodeIsOffline(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		c := offline(t, major, false)
		if err := c.up(); err != nil {
			t.Fatal(err)
		}
		c.sim.SetOffline("pve2", true)
		if err := c.up(); err == nil || !strings.Contains(err.Error(), "node pve2 does not answer") {
			t.Errorf("error %v", err)
		}
		c.sim.SetOffline("pve2", false)
		if err := c.down(); err != nil {
			t.Fatal(err)
		}
		c.sim.SetOffline("pve2", true)
		if err := c.up(); err == nil || !strings.Contains(err.Error(), "node pve2 does not answer") || len(leftoversIn(err)) > 0 {
			t.Errorf("error %v", err)
		}
	})
}

// gc goes on with the other nodes, and says which it could not look at.
func TestGCWithANodeOffline(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		c := offline(t, major, false)
		before := c.everything()
		if err := c.up(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(c.labs.Store.Dir("wide")); err != nil {
			t.Fatal(err)
		}
		c.sim.SetOffline("pve2", true)
		var missed *labrun.IncompleteError
		if err := c.gc(t.Context()); !errors.As(err, &missed) || len(leftoversIn(err)) > 0 ||
			!strings.Contains(err.Error(), "node pve2 is offline: its storages and 3 VMs") { // a template, a stranger, and one of the lab
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(map[string]string{"b": "pve2"}, c.places()); diff != "" {
			t.Errorf("places (-want +got)\n%s", diff)
		}
		c.sim.SetOffline("pve2", false)
		if err := c.gc(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, c.everything()); diff != "" {
			t.Errorf("left behind (-before +after)\n%s", diff)
		}
	})
}

// gc collects what is garbage.
func (c *cluster) gc(ctx context.Context) error {
	server, err := c.labs.Connect(ctx)
	if err != nil {
		return err
	}
	found, err := c.labs.Find(ctx, server)
	all := []error{err}
	for _, f := range found {
		if f.Garbage() {
			_, err := c.labs.Collect(ctx, server, f)
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
