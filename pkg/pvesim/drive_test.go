package pvesim

import (
	"testing"

	"pgregory.net/rapid"
)

func TestDrive(t *testing.T) {
	for in, want := range map[string]string{
		"zfs:1,cache=none,iothread=1,ssd=1,discard=on": "zfs:1,cache=none,discard=on,iothread=1,ssd=1",
		"zfs:vm-1-disk-0,iothread=yes,ssd=off":         "zfs:vm-1-disk-0,iothread=1,ssd=0",
		"file=zfs:vm-1-disk-0,size=1G":                 "zfs:vm-1-disk-0,size=1G",
		"media=cdrom,file=local:iso/x.iso":             "local:iso/x.iso,media=cdrom",
		"none,media=cdrom":                             "none,media=cdrom",
	} {
		if got := parseDrive(in).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0T", 1: "1", 1 << 10: "1K", 2252 << 20: "2252M", 1 << 30: "1G", 1536 << 20: "1536M", 3 << 40: "3T"} {
		if got := formatSize(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.Int64Range(0, 1<<52).Draw(t, "bytes")
		if back, ok := parseSize(formatSize(bytes)); !ok || back != bytes {
			t.Errorf("%d comes back as %d", bytes, back)
		}
	})
}

// TestDriveIsStable checks that a written drive is read and written the same way again.
func TestDriveIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z]{2,5}:(vm-\d{3}-disk-\d|\d{1,3})(,[a-z]{1,8}=[a-z0-9-]{1,8}){0,5}`).Draw(t, "drive")
		once := parseDrive(text).String()
		if twice := parseDrive(once).String(); once != twice {
			t.Errorf("%s, then %s", once, twice)
		}
	})
}

func FuzzParseUPID(f *testing.F) {
	f.Add("UPID:pve:00000188:0001E9F6:6B02C0C1:qmcreate:100:root@pam!rig:")
	f.Add("UPID:x")
	f.Fuzz(func(t *testing.T, s string) {
		if u, ok := parseUPID(s); ok && (u.node == "" || u.kind == "" || u.user == "") {
			t.Errorf("%q: %+v", s, u)
		}
	})
}
