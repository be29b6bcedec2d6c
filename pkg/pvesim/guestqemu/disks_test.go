package guestqemu

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/guestimage"
)

// needTools skips a test of real QEMU where there is none.
func needTools(t *testing.T) {
	t.Helper()
	if err := guestimage.CheckRunner(); err != nil {
		t.Skip(err)
	}
}

// image is a small disk image that stands for an operating system.
func image(t *testing.T, format string) guestimage.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "system")
	if output, err := exec.Command("qemu-img", "create", "-q", "-f", format, path, "64M").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	opened, err := guestimage.Open(path)
	if err != nil || opened.Format != format || opened.VirtualBytes != 64<<20 {
		t.Fatalf("%+v, %v", opened, err)
	}
	return opened
}

func TestPrepare(t *testing.T) {
	needTools(t)
	env := []string{"PATH=" + os.Getenv("PATH")}
	spec := pvesim.GuestSpec{UUID: "one", CloudInit: &pvesim.GuestCloudInit{Slot: "ide2", User: "#cloud-config\n", Meta: "instance-id: 1\n"}, Disks: []pvesim.GuestDisk{
		{Slot: "scsi0", Volume: "zfs:base-9000-disk-0/vm-101-disk-0", SizeBytes: 128 << 20, System: true, Linked: true},
		{Slot: "scsi1", Volume: "zfs:vm-101-disk-1", SizeBytes: 1 << 30},
		{Slot: "efidisk0", Volume: "zfs:vm-101-disk-2", SizeBytes: 1 << 20},
	}}
	folder := filepath.Join(t.TempDir(), "vm-101")
	system := image(t, "qcow2")
	disks, err := prepare(folder, spec, system, env)
	if err != nil || len(disks) != 2 {
		t.Fatalf("%v, %v", disks, err)
	}
	path := func(slot string) string { return filepath.Join(folder, disks[slot].Path) }
	if size, err := qcow2Size(path("scsi0")); err != nil || size != 128<<20 {
		t.Errorf("the overlay has %d bytes, %v", size, err)
	}
	info, err := exec.Command("qemu-img", "info", path("scsi0")).Output()
	if err != nil || !strings.Contains(string(info), "backing file: "+system.Disk) {
		t.Errorf("no overlay: %s, %v", info, err)
	}
	// What was written stays over a stop, and both disks grow with their volumes.
	if err := os.WriteFile(path("scsi1"), []byte("written"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec.Disks[0].SizeBytes, spec.Disks[1].SizeBytes = 256<<20, 2<<30
	if _, err := prepare(folder, spec, system, env); err != nil {
		t.Fatal(err)
	}
	grown, err := os.Stat(path("scsi1"))
	if err != nil || grown.Size() != 2<<30 {
		t.Errorf("%v, %v", grown, err)
	}
	if size, _ := qcow2Size(path("scsi0")); size != 256<<20 {
		t.Errorf("the overlay has %d bytes", size)
	}
	// Another VM with the number of this one sees nothing of it.
	spec.UUID = "two"
	if _, err := prepare(folder, spec, system, env); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path("scsi1")); err != nil || strings.HasPrefix(string(text[:7]), "written") {
		t.Errorf("another VM's data: %.10q, %v", text, err)
	}
}

func TestPrepareFullClone(t *testing.T) {
	needTools(t)
	env := []string{"PATH=" + os.Getenv("PATH")}
	spec := pvesim.GuestSpec{UUID: "one", Disks: []pvesim.GuestDisk{{Slot: "scsi0", Volume: "zfs:vm-101-disk-0", SizeBytes: 128 << 20, System: true}}}
	folder := filepath.Join(t.TempDir(), "vm-101")
	disks, err := prepare(folder, spec, image(t, "raw"), env)
	if err != nil {
		t.Fatal(err)
	}
	info, err := exec.Command("qemu-img", "info", filepath.Join(folder, disks["scsi0"].Path)).Output()
	if err != nil || strings.Contains(string(info), "backing file") || !strings.Contains(string(info), "128 MiB") {
		t.Errorf("no full clone: %s, %v", info, err)
	}
	spec.UUID, spec.Disks[0].SizeBytes = "two", 32<<20
	if _, err := prepare(folder, spec, image(t, "raw"), env); err == nil {
		t.Error("a disk smaller than its image")
	}
	spec.Disks, spec.ISOs = nil, []pvesim.GuestISO{{Slot: "ide2", Volume: "local:iso/big.iso"}}
	if _, err := prepare(folder, spec, image(t, "raw"), env); err == nil || !strings.Contains(err.Error(), "local:iso/big.iso") {
		t.Errorf("a CD without content: %v", err)
	}
}

// The probe guest proves itself: emulated, it does the same, slower.
func TestProbeGuest(t *testing.T) {
	needTools(t)
	said, err := runProbe(t.Context(), "tcg", 5*time.Minute)
	if err != nil || !strings.HasSuffix(string(said), probeWord) {
		t.Errorf("the probe guest said %q, %v", said, err)
	}
	if works, why := probeKVM(t.Context(), filepath.Join(t.TempDir(), "kvm")); works || !strings.Contains(why, "cannot be used") {
		t.Errorf("without a device: %v, %q", works, why)
	}
}

func TestNewTakesOver(t *testing.T) {
	dir := t.TempDir()
	machines, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Dir: dir}); err == nil {
		t.Error("two sandboxes in one folder")
	}
	if err := errors.Join(machines.Close(), machines.Close()); err != nil {
		t.Error(err)
	}
	if _, err := machines.Boot(pvesim.GuestSpec{VMID: 101}); err == nil {
		t.Error("a VM in a closed sandbox")
	}
}
