package pvesim

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func newCluster(t *testing.T, major int) (*Cluster, *client) {
	t.Helper()
	cluster, err := New(ClusterTopology(major), WithSeed(1))
	if err != nil {
		t.Fatal(err)
	}
	return cluster, newClient(t, cluster)
}

// TestLocalStorages: a storage that is not shared holds other volumes on every node.
func TestLocalStorages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := newCluster(t, 9)
		var lines []string
		for _, volume := range cluster.Volumes() {
			if strings.Contains(volume.ID, "base-") {
				lines = append(lines, volume.Node+" "+volume.ID)
			}
		}
		if diff := cmp.Diff([]string{" zfs:base-9000-disk-0", "pve2 zfs:base-9002-disk-0", "pve3 zfs:base-9003-disk-0"}, lines); diff != "" {
			t.Errorf("base volumes (-want +got)\n%s", diff)
		}
		if r := c.do(post, "/nodes/pve2/qemu/9000/clone", "newid", "101", "pool", "labctl"); r.Reason != "unable to find configuration file for VM 9000 on node 'pve2'" {
			t.Errorf("cloning on the wrong node: %s", r.Reason)
		}
		if r := c.do(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl", "target", "pve2"); r.Reason != "can't clone VM to node 'pve2' (VM uses local storage)" {
			t.Errorf("cloning onto another node: %s", r.Reason)
		}
	})
}

// TestMigration: a VM takes its local volumes along, and can be removed where it is.
func TestMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, c := newCluster(t, 8)
		before := cluster.Volumes()
		c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl", "full", "1")
		ok[*string](c, post, "/nodes/pve/qemu/101/config", "scsi1", "zfs:8", "background_delay", "20")
		if err := cluster.Migrate(101, "pve3"); err != nil {
			t.Fatal(err)
		}
		if r := c.do(get, "/nodes/pve/qemu/101/config"); r.Reason != "Configuration file 'nodes/pve/qemu-server/101.conf' does not exist" {
			t.Errorf("on the old node: %s", r.Reason)
		}
		if left := ok[[]imageVolume](c, get, "/nodes/pve/storage/zfs/content", "vmid", "101"); len(left) != 0 {
			t.Errorf("on the old node: %v", left)
		}
		if there := ok[[]imageVolume](c, get, "/nodes/pve3/storage/zfs/content", "vmid", "101"); len(there) != 3 {
			t.Errorf("on the new node: %v", there)
		}
		if status := c.wait(ok[string](c, del, "/nodes/pve3/qemu/101", "purge", "1")); status != "OK" {
			t.Errorf("destroy: %s", status)
		}
		if after := cluster.Volumes(); len(after) != len(before) {
			t.Errorf("volumes left: %v", after)
		}
	})
}

// TestCloneOntoAnotherNode works with all disks on shared storage.
func TestCloneOntoAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topology := ClusterTopology(9)
		topology.Templates[0].Storage = "shared"
		cluster, err := New(topology, WithSeed(1))
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, cluster)
		c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl", "target", "pve2", "full", "1")
		if vm, _ := cluster.VM(101); vm.Node != "pve2" {
			t.Errorf("the clone is on %s", vm.Node)
		}
	})
}
