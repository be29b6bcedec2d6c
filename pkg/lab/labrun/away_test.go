package labrun_test

import (
	"strings"
	"testing"

	"labctl/pkg/pvesim"
)

// withNAS adds a storage for VM disks, which the token may use when it is visible.
func withNAS(visible, away bool) func(*pvesim.Topology) {
	return func(topology *pvesim.Topology) {
		topology.Storages = append(topology.Storages, pvesim.StorageSpec{
			Name: "nas", Type: "dir", Path: "/mnt/nas", Content: []string{"images"}, TotalBytes: 900 << 30, Inactive: away,
		})
		for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
			if visible {
				topology.Grants = append(topology.Grants, pvesim.GrantSpec{Path: "/storage/nas", Who: who, Role: "LabctlStore", Propagate: true})
			}
		}
	}
}

// A storage that does not answer, and that the lab has nothing on, keeps nothing of the lab from being removed with proof.
func TestAStorageThatIsAwayKeepsNothing(t *testing.T) {
	for _, visible := range []bool{true, false} {
		tell(t, 2, withNAS(visible, true), func(s story) {
			s.mustUp()
			s.mustDown()
			if said := s.talk.said("storage nas of node pve does not answer: it is not looked at"); said != visible {
				s.Errorf("visible %v: it is said %v that the storage was not looked at", visible, said)
			}
			s.mustUp()
			s.loseState()
			s.mustDown()
		})
	}
}

// A VM with a disk on a storage that does not answer stays, with its mark, until the storage is back.
func TestAVMWithADiskOnAStorageThatIsAwayStays(t *testing.T) {
	tell(t, 1, withNAS(true, false), func(s story) {
		s.spec.Lab.VMs[0].DataDisk.Storage = "nas"
		s.mustUp()
		s.cluster.SetStorageOffline("nas", true)
		err := s.downLeaves()
		for _, want := range []string{"is on storage nas", "pvesm status --storage nas"} {
			if !strings.Contains(err.Error(), want) {
				s.Errorf("%q is missing: %v", want, err)
			}
		}
		if vm, there := s.cluster.VM(9100); !there || !strings.Contains(vm.Config["description"], `"lab"`) {
			s.Errorf("VM 9100: %v, %+v", there, vm)
		}
		s.cluster.SetStorageOffline("nas", false)
		s.mustDown()
	})
}

// What could not be looked at is a doubt when a disk of the lab was there: root removed the VM while its storage was away.
func TestADiskOnAStorageThatIsAwayIsADoubt(t *testing.T) {
	tell(t, 1, withNAS(true, false), func(s story) {
		s.spec.Lab.VMs[0].DataDisk.Storage = "nas"
		s.mustUp()
		s.cluster.SetStorageOffline("nas", true)
		s.asRoot("POST", "/nodes/pve/qemu/9100/status/stop")
		s.asRoot("DELETE", "/nodes/pve/qemu/9100", "purge", "1")
		if left := s.leftovers(); len(left) == 0 {
			s.Fatal("nothing stayed: the test tests nothing")
		}
		if err := s.downLeaves(); !strings.Contains(err.Error(), "storage nas was not looked at") {
			s.Errorf("it says: %v", err)
		}
		s.cluster.SetStorageOffline("nas", false)
		s.mustDown()
	})
}
