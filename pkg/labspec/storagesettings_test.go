package labspec

import (
	"strings"
	"testing"
)

// TestBlockSize: what ZFS takes as a volblocksize, in the words of the spec.
func TestBlockSize(t *testing.T) {
	for text, want := range map[string]Size{"64KiB": 64 * KiB, "16K": 16 * KiB, "1MiB": MiB, "16M": 16 * MiB} {
		if got, err := parseBlockSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"64": "has no unit", "48KiB": "is not a power of two", "32MiB": "is not between 1KiB and 16MiB", "0K": "is not between", "64k": "is not a unit",
	} {
		if _, err := parseBlockSize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestStorageSettingsAreThreefold: true, false, and whatever the storage is set to; a VM's own word wins.
func TestStorageSettingsAreThreefold(t *testing.T) {
	const text = `
apiVersion: labctl/v1
name: settings
node: pve
template: {vmid: 9000}
vmids: {first: 9400, last: 9409}
vmDefaults: {cores: 1, memory: 1GiB, osDisk: {size: 8GiB}, dataDisk: {storage: zfs, size: 8GiB, sparse: true, blocksize: 64KiB}}
vms:
  - name: thin
  - {name: thick, dataDisk: {sparse: false, blocksize: 16KiB}}
suite: {workloads: [{name: w, fio: {rw: randwrite, size: 1m}}]}
`
	lab, err := Parse("lab.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	thin, thick := lab.VMs[0].DataDisk, lab.VMs[1].DataDisk
	if thin.Sparse == nil || !*thin.Sparse || thin.BlockSize != 64*KiB || thick.Sparse == nil || *thick.Sparse || thick.BlockSize != 16*KiB {
		t.Errorf("thin %+v, thick %+v", thin, thick)
	}
	lab, err = Parse("lab.yaml", []byte(strings.ReplaceAll(text, ", sparse: true, blocksize: 64KiB", "")))
	if err != nil || lab.VMs[0].DataDisk.Sparse != nil || lab.VMs[0].DataDisk.BlockSize != 0 {
		t.Errorf("unsaid: %+v, %v", lab, err)
	}
}
