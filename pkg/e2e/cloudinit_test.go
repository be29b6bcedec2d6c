//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
)

// delivered is the lab small with another way to deliver cloud-init.
func delivered(name string, vmid int, cloudInit string) string {
	text := strings.Replace(small, "name: small", "name: "+name, 1)
	text = strings.Replace(text, "{first: 9300, last: 9309}", fmt.Sprintf("{first: %d, last: %d}", vmid, vmid), 1)
	text = strings.Replace(text, `"10.9.8.{11..19}/24"`, fmt.Sprintf("10.9.8.%d/24", vmid-9200), 1)
	return text + "cloudInit: " + cloudInit + "\n"
}

// TestCloudInit delivers cloud-init's data by a snippet and by an uploaded image: the real cloud-init formats and mounts the
// data disk, and finds nothing to complain about. A snippet that fails makes the lab fail, with cloud-init's own words.
func TestCloudInit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	snippets := filepath.Join(w.sandboxDir(), "snippets")
	if err := os.MkdirAll(snippets, 0o700); err != nil {
		t.Fatal(err)
	}
	w.write(filepath.Join(snippets, "broken.yaml"), "#cloud-config\nbootcmd:\n  - echo ballast-is-missing >&2; exit 3\n")
	labs := []struct {
		name, mode string
		vmid       int
	}{
		{"snippet", `{mode: snippet, snippet: "local:snippets/labctl.yaml"}`, 9301},
		{"iso", "{mode: iso, storage: local}", 9302},
		{"broken", `{mode: snippet, snippet: "local:snippets/broken.yaml"}`, 9303},
	}
	w.must("sandbox", "start")
	results := make([]outcome, len(labs))
	var wait sync.WaitGroup
	for i, lab := range labs {
		file := w.write(lab.name+".yaml", delivered(lab.name, lab.vmid, lab.mode))
		wait.Go(func() { results[i] = w.run("up", file) })
	}
	wait.Wait()
	w.lap("up")
	for i, lab := range labs[:2] {
		if results[i].code != 0 {
			t.Errorf("%s: up ended with %d", lab.name, results[i].code)
			continue
		}
		host := w.login(lab.name, lab.vmid, netip.AddrFrom4([4]byte{10, 9, 8, byte(lab.vmid - 9200)}))
		w.wasPreparedByCloudInit(lab.name, host)
		w.checkSchema(host)
	}
	for _, want := range []string{
		"one is not ready: preparation: ", "cloud-init failed", "the end of the console of VM 9303:", "up failed: removing what `up` made",
	} {
		if !strings.Contains(results[2].stderr, want) {
			t.Errorf("with a broken snippet it does not say %q", want)
		}
	}
	for _, lab := range labs {
		w.must("down", filepath.Join(filepath.Dir(w.state), lab.name+".yaml"))
	}
}

// wasPreparedByCloudInit tells the work of cloud-init from that of the preparation over SSH by the entry in fstab.
func (w *world) wasPreparedByCloudInit(lab string, host *remote.Host) {
	w.Helper()
	said := w.in(host, "cloud-init status --long || :; grep /opt/data /etc/fstab; findmnt -no FSTYPE,LABEL /opt/data; cat /etc/hostname; systemctl is-enabled apt-daily.timer || :")
	w.Logf("%s:\n%s", lab, said)
	for _, want := range []string{"status: done", "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_labctl-data\t/opt/data\text4\tdefaults,nofail", "ext4 labctl-data", lab + "-one", "masked"} {
		if !strings.Contains(said, want) {
			w.Errorf("%s: %q is missing", lab, want)
		}
	}
	if strings.Count(said, "/opt/data\t") != 1 {
		w.Errorf("%s: fstab does not have the mount once", lab)
	}
}

// checkSchema has the guest's cloud-init judge what labctl renders.
func (w *world) checkSchema(host *remote.Host) {
	w.Helper()
	lab, err := labspec.Parse("small.yaml", []byte(small))
	if err != nil {
		w.Fatal(err)
	}
	user, err := guestsetup.UserData(lab, 0, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvPNt/zSDCqBIlcxp0/VXR8Qn9PmuQGCfHEpHBbnbnO a@b")
	if err != nil {
		w.Fatal(err)
	}
	vendor, err := guestsetup.VendorData(lab.VMs[0].DataDisk)
	if err != nil {
		w.Fatal(err)
	}
	for name, text := range map[string]string{"user-data": user, "vendor-data": vendor} {
		said := w.in(host, "cat >/tmp/checked <<'END-OF-DATA'\n"+text+"END-OF-DATA\ncloud-init schema --config-file /tmp/checked 2>&1 || :")
		if !strings.Contains(said, "Valid schema") || strings.Contains(said, "eprecat") {
			w.Errorf("%s: cloud-init schema says:\n%s", name, said)
		}
	}
}
