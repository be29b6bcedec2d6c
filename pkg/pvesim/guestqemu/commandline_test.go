package guestqemu

import (
	"flag"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/pvesim"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// recorded is VM 101 as its configuration was when the real PVE 9.2.11 started it (testdata/pve-9.2-vm101.txt).
func recorded() pvesim.GuestSpec {
	disk := func(slot, serial string, options ...string) pvesim.GuestDisk {
		d := pvesim.GuestDisk{Slot: slot, Serial: serial, Options: map[string]string{}}
		for _, option := range options {
			key, value, _ := strings.Cut(option, "=")
			d.Options[key] = value
		}
		return d
	}
	return pvesim.GuestSpec{
		VMID: 101, Name: "lab-a", UUID: "41183c19-d340-4ae6-a2c1-25781f554266", MAC: "BC:24:11:D4:E6:A3", Cores: 2, MemoryMiB: 1024,
		Config: map[string]string{
			"agent": "enabled=1", "boot": "order=scsi0", "scsihw": single, "vmgenid": "ba07940b-8385-41e5-8f21-04c273b89be9",
		},
		CloudInit: &pvesim.GuestCloudInit{Slot: "ide2"},
		Disks: []pvesim.GuestDisk{
			disk("scsi0", "", "discard=on", "iothread=1", "ssd=1"),
			disk("scsi1", "", "cache=none", "discard=on", "iothread=1", "ssd=1"),
			disk("scsi2", "LAB2", "cache=none", "discard=on", "iothread=1", "ssd=1"),
		},
	}
}

func files(spec pvesim.GuestSpec) map[string]diskFile {
	disks := map[string]diskFile{}
	for _, disk := range spec.Disks {
		disks[disk.Slot] = diskFile{"FILE", "raw"}
	}
	return disks
}

// options takes a command line apart: for every device, drive and object, by its ID, what is said of it.
func options(words []string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for i, word := range words[:len(words)-1] {
		if word != "-device" && word != "-drive" && word != "-object" {
			continue
		}
		said := map[string]string{}
		for n, option := range strings.Split(words[i+1], ",") {
			key, value, named := strings.Cut(option, "=")
			if n == 0 && !named {
				key, value = "driver", option
			}
			said[key] = value
		}
		name := said["id"]
		if name == "" {
			name = said["driver"]
		}
		all[word+" "+name] = said
	}
	return all
}

// QEMU gets from us what it got from the real qemu-server, but for what cannot be the same on this machine.
func TestCommandLineIsThatOfQemuServer(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "pve-9.2-vm101.txt"))
	if err != nil {
		t.Fatal(err)
	}
	spec := recorded()
	want, got := options(strings.Fields(string(text))), options(commandLine(spec, platform{Disks: files(spec)}))
	for _, here := range []string{"-device uhci"} { // the cloud kernels have no driver for it
		delete(want, here)
	}
	for _, said := range []map[string]map[string]string{want, got} {
		for name := range said {
			delete(said[name], "file")
		}
		delete(said["-drive drive-ide2"], "readonly")
		delete(said["-device net0"], "romfile")
	}
	for name, said := range want {
		if diff := cmp.Diff(said, got[name]); diff != "" {
			t.Errorf("%s differs (- qemu-server, + ours):\n%s", name, diff)
		}
	}
	for _, more := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[more]; !ok && more != "-object rng0" && more != "-device virtio-rng-pci" {
			t.Errorf("%s is nothing that qemu-server has", more)
		}
	}
}

func TestCommandLine(t *testing.T) {
	address := netip.MustParsePrefix("192.168.7.201/24")
	plain := recorded()
	plain.Addresses, plain.Gateway = []netip.Prefix{address}, netip.MustParseAddr("192.168.7.1")
	buses := recorded()
	buses.Config["scsihw"], buses.Config["balloon"], buses.Config["agent"], buses.Config["cpu"] = "virtio-scsi-pci", "0", "0", "host"
	buses.Config["sockets"] = "2"
	buses.CloudInit.Slot = "scsi5"
	for i, slot := range []string{"virtio1", "sata3", "ide1"} {
		buses.Disks[i].Slot = slot
	}
	buses.Disks = append(buses.Disks, pvesim.GuestDisk{Slot: "scsi3", Options: map[string]string{"iothread": "1", "cache": "writeback", "aio": "threads"}})
	buses.ISOs = []pvesim.GuestISO{{Slot: "sata4"}, {Slot: "ide2"}}
	for name, test := range map[string]struct {
		spec pvesim.GuestSpec
		on   platform
	}{
		"emulated": {plain, platform{
			Kernel: "/image/vmlinuz", Initrd: "/image/initrd", Append: "root=LABEL=x ro", Disks: files(plain), Network: network(address, plain, true),
		}},
		"kvm-other-buses": {buses, platform{KVM: true, Disks: files(buses), Network: network(lease(101, func(netip.Addr) bool { return false }), buses, false)}},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.ReplaceAll(strings.Join(commandLine(test.spec, test.on), " "), " -", "\n-") + "\n"
			golden(t, name, got)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-update rewrites it):\n%s", path, diff)
	}
}

func TestNetworkRoles(t *testing.T) {
	tests := map[string]struct{ address, gateway, nameserver, want string }{
		"one router for all":     {"192.168.7.201/24", "192.168.7.1", "192.168.7.1", "host=192.168.7.2,dns=192.168.7.1"},
		"DNS elsewhere":          {"192.168.7.201/24", "192.168.7.1", "9.9.9.9", "host=192.168.7.1,dns=192.168.7.2"},
		"two of the network":     {"192.168.7.201/24", "192.168.7.1", "192.168.7.3 9.9.9.9", "host=192.168.7.1,dns=192.168.7.3"},
		"nothing but itself":     {"192.168.7.1/24", "", "", "host=192.168.7.2,dns=192.168.7.3"},
		"a gateway out of reach": {"192.168.7.9/24", "10.0.0.1", "", "host=192.168.7.1,dns=192.168.7.2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec := pvesim.GuestSpec{Config: map[string]string{"nameserver": test.nameserver}}
			if test.gateway != "" {
				spec.Gateway = netip.MustParseAddr(test.gateway)
			}
			if got := network(netip.MustParsePrefix(test.address), spec, true); !strings.Contains(got, ","+test.want+",") {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestLease(t *testing.T) {
	taken := map[netip.Addr]bool{}
	for vmid := range 70000 { // more than there are addresses would never end
		if vmid%7 != 0 {
			continue
		}
		got := lease(vmid, func(a netip.Addr) bool { return taken[a] })
		last := got.Addr().As4()[3]
		if taken[got.Addr()] || last < 2 || last == 255 || !netip.MustParsePrefix("10.255.0.0/16").Contains(got.Addr()) {
			t.Fatalf("VM %d got %v", vmid, got)
		}
		taken[got.Addr()] = true
	}
}
