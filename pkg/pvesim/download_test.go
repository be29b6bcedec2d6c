package pvesim

import (
	"strings"
	"testing"
	"testing/synctest"
)

const (
	rightSum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	wrongSum = "0000000000000000000000000000000000000000000000000000000000000000"
)

// TestDownload has what download-url answers: what is checked before, and what only the task says.
func TestDownload(t *testing.T) {
	const address = "https://images.test/a.img"
	tests := map[string]struct {
		storage string
		params  []string
		refused string // the reason, or the text of the parameter
		status  string // of the task
	}{
		"right checksum":    {"local", []string{"filename", "a.qcow2", "checksum-algorithm", "sha256", "checksum", strings.ToUpper(rightSum)}, "", "OK"},
		"no checksum":       {"local", []string{"filename", "a.qcow2"}, "", "OK"},
		"wrong checksum":    {"local", []string{"filename", "a.qcow2", "checksum-algorithm", "sha256", "checksum", wrongSum}, "", "checksum mismatch: got '" + rightSum + "' != expect '" + wrongSum + "'"},
		"nobody there":      {"local", []string{"filename", "a.qcow2", "url", "https://nowhere.test/a.img"}, "", "download failed: Connecting to nowhere.test... failed: Connection refused."},
		"there already":     {"local", []string{"filename", "have.qcow2"}, "", "refusing to override existing file '/var/lib/vz/import/have.qcow2'"},
		"right one there":   {"local", []string{"filename", "have.qcow2", "checksum-algorithm", "sha256", "checksum", rightSum}, "", "OK"},
		"other one there":   {"local", []string{"filename", "have.qcow2", "checksum-algorithm", "sha256", "checksum", wrongSum}, "", "checksum mismatch: got '" + rightSum + "' != expect '" + wrongSum + "', aborting"},
		"published ending":  {"local", []string{"filename", "a.img"}, "invalid filename or wrong extension", ""},
		"zfs holds no file": {"zfs", []string{"filename", "a.qcow2"}, "can't upload to storage type 'zfspool', not a file based storage!", ""},
		"no import content": {"isos", []string{"filename", "a.qcow2"}, "storage 'isos' is not configured for content-type 'import'", ""},
		"half a checksum":   {"local", []string{"filename", "a.qcow2", "checksum", rightSum}, "missing property - 'checksum' requires this property", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newSandbox(t, 9, func(topology *Topology) {
					topology.Downloads = map[string]FileSpec{address: {SizeBytes: 5 << 20, VirtualBytes: 64 << 20, SHA256: rightSum}}
					topology.Storages[0].Files = []FileSpec{{Content: "import", Name: "have.qcow2", SHA256: rightSum}}
					topology.Storages = append(topology.Storages, StorageSpec{Name: "isos", Type: "dir", Path: "/isos", Content: []string{"iso"}})
					topology.Grants = []GrantSpec{{Path: "/", Who: "labctl@pve", Role: "Administrator", Propagate: true}, {Path: "/", Who: SandboxTokenID, Role: "Administrator", Propagate: true}}
				})
				c := newClient(t, cluster)
				params := append([]string{"content", "import"}, test.params...)
				if !strings.Contains(strings.Join(params, " "), "url ") {
					params = append(params, "url", address)
				}
				r := c.do(post, "/nodes/pve/storage/"+test.storage+"/download-url", params...)
				if test.refused != "" {
					if text := r.Reason + r.Errors["filename"] + r.Errors["checksum-algorithm"]; r.Status == 200 || !strings.Contains(text, test.refused) {
						t.Errorf("%d %s %v, want %s", r.Status, r.Reason, r.Errors, test.refused)
					}
					return
				}
				if got := c.wait(strings.Trim(string(r.Data), `"`)); got != test.status {
					t.Errorf("the task ended with %q, want %q", got, test.status)
				}
				_, there := cluster.storages["local"].volumes["import/a.qcow2"]
				if wanted := test.status == "OK" && test.params[1] == "a.qcow2"; there != wanted {
					t.Errorf("the file is there: %v, want %v", there, wanted)
				}
			})
		})
	}
}

// TestTemplateFromImage is the way from a downloaded image to a linked clone, with the sandbox's least-privilege token.
func TestTemplateFromImage(t *testing.T) {
	for _, major := range []int{8, 9} {
		synctest.Test(t, func(t *testing.T) {
			cluster := newSandbox(t, major, nil)
			c := newClient(t, cluster)
			c.done(post, "/nodes/pve/storage/local/download-url", "content", "import", "filename", "a.qcow2", "url", SandboxImage)
			c.done(post, "/nodes/pve/qemu", "vmid", "9001", "pool", "labctl", "name", "jammy", "scsihw", "virtio-scsi-single", "agent", "enabled=1",
				"scsi0", "zfs:0,import-from=local:import/a.qcow2,discard=on", "ide2", "zfs:cloudinit", "boot", "order=scsi0", "serial0", "socket", "vga", "serial0")
			c.done(post, "/nodes/pve/qemu/9001/template")
			c.done(del, "/nodes/pve/storage/local/content/local%3Aimport%2Fa.qcow2")
			c.done(post, "/nodes/pve/qemu/9001/clone", "newid", "101", "pool", "labctl")
			clone, _ := cluster.VM(101)
			if clone.Config["scsi0"] != "zfs:base-9001-disk-0/vm-101-disk-0,discard=on,size=2252M" {
				t.Errorf("scsi0 of the clone is %s", clone.Config["scsi0"])
			}
			if r := c.do(post, "/nodes/pve/qemu", "vmid", "9005", "pool", "labctl", "scsi0", "zfs:0,import-from=local:iso/a.img"); !strings.Contains(r.Errors["import-from"]+r.Reason, "needs to be 'images' or 'import'") {
				t.Errorf("import from an ISO: %d %s %v", r.Status, r.Reason, r.Errors)
			}
		})
	}
}
