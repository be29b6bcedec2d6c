package pve

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseDrive(t *testing.T) {
	tests := map[string]Drive{
		"zfs:vm-101-disk-1,cache=none,discard=on,iothread=1,serial=labctl-data,size=64G,ssd=1": {
			Volume:  "zfs:vm-101-disk-1",
			Options: map[string]string{"cache": "none", "discard": "on", "iothread": "1", "serial": "labctl-data", "size": "64G", "ssd": "1"},
		},
		"zfs:base-9000-disk-0/vm-201-disk-0,size=2200M": {Volume: "zfs:base-9000-disk-0/vm-201-disk-0", Options: map[string]string{"size": "2200M"}},
		"none,media=cdrom":                 {Volume: "none", Options: map[string]string{"media": "cdrom"}},
		"media=cdrom,file=local:iso/x.iso": {Volume: "local:iso/x.iso", Options: map[string]string{"media": "cdrom"}},
		"zfs:64":                           {Volume: "zfs:64", Options: map[string]string{}},
		"zfs:1,serial=a=b":                 {Volume: "zfs:1", Options: map[string]string{"serial": "a=b"}},
	}
	for value, want := range tests {
		want.Slot = "scsi1"
		got, err := ParseDrive("scsi1", value)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", value, err, diff)
		}
	}
	for _, value := range []string{"", "zfs:1,", "zfs:1,ssd", "zfs:1,=1", "ssd=1", "zfs:1,ssd=1,ssd=0", "zfs:1,file=zfs:2", "file="} {
		if got, err := ParseDrive("scsi1", value); err == nil {
			t.Errorf("ParseDrive(%q) = %+v", value, got)
		}
	}
}

func TestDriveString(t *testing.T) {
	d := Drive{Slot: "scsi1", Volume: "zfs:64", Options: map[string]string{"ssd": "1", "cache": "none", "discard": "on"}}
	if got, want := d.String(), "zfs:64,cache=none,discard=on,ssd=1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0T": 0, "0": 0, "512": 512, "4M": 4 << 20, "2200M": 2200 << 20, "64G": 64 << 30, "1.5G": 3 << 29, "2T": 2 << 40, "1K": 1024,
	} {
		got, ok := Drive{Options: map[string]string{"size": text}}.SizeBytes()
		if !ok || got != want {
			t.Errorf("size %s is %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "G", "1GB", "-1G", "1.G", "9999999999999999999", "9999999999999T", " 1G"} {
		if got, ok := parseSize(text); ok {
			t.Errorf("size %q is %d", text, got)
		}
	}
	for n, want := range map[int64]string{0: "0", 1: "1", 1536: "1536", 32 << 30: "32G", 3224 << 20: "3224M", 1 << 40: "1T", 1 << 50: "1024T"} {
		if got := formatSize(n); got != want {
			t.Errorf("formatSize(%d) = %s, want %s", n, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<50).Draw(t, "bytes")
		if got, ok := parseSize(formatSize(n)); !ok || got != n {
			t.Fatalf("%d became %s became %d", n, formatSize(n), got)
		}
	})
}

func FuzzParseDrive(f *testing.F) {
	f.Add("zfs:base-9000-disk-0/vm-201-disk-0,discard=on,iothread=1,size=2200M,ssd=1")
	f.Add("media=cdrom,file=none")
	f.Fuzz(func(t *testing.T, value string) {
		d, err := ParseDrive("scsi0", value)
		if err != nil {
			return
		}
		d.SizeBytes()
		again, err := ParseDrive("scsi0", d.String())
		if diff := cmp.Diff(d, again); diff != "" || err != nil {
			t.Errorf("%q read again: %v\n%s", value, err, diff)
		}
	})
}
