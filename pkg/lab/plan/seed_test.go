package plan

import (
	"slices"
	"testing"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// In the mode iso the image is uploaded first, takes the place of PVE's own cloud-init drive, and the VM gets the MAC
// address that is in it; whatever else the network device says stays.
func TestSeedImage(t *testing.T) {
	tests := map[string]struct{ net0, bridge, want string }{
		"as in the template": {"virtio=BC:24:11:AA:AA:AA,bridge=vmbr0,firewall=1", "vmbr0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1"},
		"another bridge":     {"virtio=BC:24:11:AA:AA:AA,bridge=vmbr0,firewall=1", "vmbr1", "virtio=BC:24:11:00:00:01,bridge=vmbr1,firewall=1"},
		"no device":          {"", "", "virtio=BC:24:11:00:00:01"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lab := &labspec.Lab{CloudInit: labspec.CloudInit{Mode: labspec.CloudInitISO, Storage: "local"}, Network: labspec.Network{Bridge: test.bridge}}
			config := pve.VMConfig{Raw: map[string]string{"boot": "order=scsi0", "scsi0": "zfs:base-1-disk-0,size=2G", "ide0": "zfs:vm-1-cloudinit,media=cdrom"}}
			if test.net0 != "" {
				config.Raw["net0"] = test.net0
			}
			wanted := Wanted{
				Lab: lab, Templates: map[string]inventory.Template{"pve": {Config: config}},
				SeedFile: func(vm string) string { return vm + ".iso" }, MAC: func(string) string { return "BC:24:11:00:00:01" },
			}
			sequence, err := fresh(wanted, labspec.VM{Name: "a", Node: "pve", OSDisk: labspec.OSDisk{Size: 4 << 30}}, 101)
			if err != nil {
				t.Fatal(err)
			}
			if upload, ok := sequence.Steps[0].(Upload); !ok || upload.VolumeID() != "local:iso/a.iso" {
				t.Errorf("the first step is %v", sequence.Steps[0])
			}
			configure, ok := sequence.Steps[2].(Configure)
			if !ok {
				t.Fatalf("the third step is %v", sequence.Steps[2])
			}
			for _, want := range []Setting{{"net0", test.want}, {"ide0", "local:iso/a.iso,media=cdrom"}} {
				if !slices.Contains(configure.Settings, want) {
					t.Errorf("%v is not in %v", want, configure.Settings)
				}
			}
			if n := len(slices.DeleteFunc(slices.Clone(configure.Settings), func(s Setting) bool { return s.Key != "net0" })); n != 1 {
				t.Errorf("net0 is set %d times", n)
			}
		})
	}
}
