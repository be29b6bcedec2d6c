package console

import (
	"errors"
	"slices"
	"testing"

	"labctl/pkg/pvesim"
)

// TestRun has lines as labctl prints them, on an emulated server.
func TestRun(t *testing.T) {
	for _, major := range []int{8, 9} {
		cluster, err := pvesim.New(pvesim.SandboxTopology(major))
		if err != nil {
			t.Fatal(err)
		}
		shell := New(cluster.RootTransport())
		for _, line := range []string{
			"pveum pool modify new || pveum pool add new",
			"pveum pool modify new || pveum pool add new",
			"pveum user modify new@pve || pveum user add new@pve",
			"pveum user token modify new@pve run || pveum user token add new@pve run --privsep 1",
			"pveum user token modify new@pve run || pveum user token add new@pve run --privsep 1",
			"pveum acl modify /pool/new --users new@pve --tokens 'new@pve!run' --roles PVEPoolUser",
			"qm set 9000 --delete ide2", "qm set 9000 --ide3 zfs:cloudinit", "pvesm set zfs --sparse 0", "qm set 9000 --lock backup", "qm unlock 9000",
		} {
			if err := shell.Run(t.Context(), line); err != nil {
				t.Errorf("%d: %s: %v", major, line, err)
			}
		}
		if shell.Secret("new@pve!run") == "" {
			t.Error("no secret of the new token")
		}
		if vm, _ := cluster.VM(9000); vm.Config["ide3"] == "" || vm.Config["ide2"] != "" || vm.Config["lock"] != "" {
			t.Errorf("the template has %v", vm.Config)
		}
		for _, line := range []string{"pveum role modify none --append 1 --privs VM.Audit", "qm set 4711 --onboot 0", "rm -rf x", "pveum pool add new more"} {
			if err := shell.Run(t.Context(), line); err == nil {
				t.Errorf("%d: %s succeeds", major, line)
			}
		}
		if err := shell.Run(t.Context(), "zpool status"); !errors.Is(err, ErrUnknownCommand) {
			t.Error(err)
		}
	}
}

func TestWords(t *testing.T) {
	words, err := Words(t.Context(), `qm set 9000 --delete 'a b' --x 'it'\''s!'`)
	if want := []string{"qm", "set", "9000", "--delete", "a b", "--x", "it's!"}; err != nil || !slices.Equal(words, want) {
		t.Errorf("%q, %v", words, err)
	}
}
