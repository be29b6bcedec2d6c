package change

import "testing"

// A clone may be aborted only while it copies a disk: not before, not between two disks, and not in its clean-up.
func TestIsCopying(t *testing.T) {
	for name, test := range map[string]struct {
		log  []string
		want bool
	}{
		"no log yet":          {nil, false},
		"waits for a lock":    {[]string{"create full clone of drive scsi0 (zfs:base-9000-disk-0)", "trying to acquire lock..."}, false},
		"makes the volume":    {[]string{"create full clone of drive scsi0 (zfs:base-9000-disk-0)", "allocated target volume 'zfs:vm-9100-disk-0'"}, false},
		"begins":              {[]string{"create full clone of drive scsi0 (zfs:base-9000-disk-0)", "transferred 0.0 B of 2.2 GiB (0.00%)"}, true},
		"in the middle":       {[]string{"transferred 22.5 MiB of 2.2 GiB (1.00%)", "transferred 45.0 MiB of 2.2 GiB (2.00%)", ""}, true},
		"one disk is done":    {[]string{"transferred 2.2 GiB of 2.2 GiB (100.00%)"}, false},
		"waits with the next": {[]string{"transferred 2.2 GiB of 2.2 GiB (100.00%)", "create full clone of drive scsi1 (zfs:base-9000-disk-1)", "trying to acquire lock..."}, false},
		"linked":              {[]string{"create linked clone of drive scsi0 (zfs:base-9000-disk-0)"}, false},
	} {
		if got := isCopying(test.log); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
