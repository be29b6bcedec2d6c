package cloudinit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	byID = "dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_labctl-data"
)

// newMachine is a fresh VM with a blank data disk /dev/sdb, as its tools tell. The state of the disk is in the files
// signature and mounts, which the fakes change.
func newMachine(tb testing.TB) *shell {
	tb.Helper()
	s := newShell(tb)
	s.write("dev/sdb", "")
	s.write("etc/fstab", "LABEL=cloudimg-rootfs / ext4 defaults 0 1\n")
	s.write("signature", "")
	s.write("mounts", "")
	if err := os.Symlink("../../sdb", s.path(byID)); err != nil {
		tb.Fatal(err)
	}
	s.setenv("LABCTL_SERIAL", "labctl-data")
	s.setenv("LABCTL_MOUNT", s.path("opt/data"))
	s.setenv("LABCTL_USER", "lab")
	s.fake("id", `[ "$1" = -u ] && echo 0 || echo lab`)
	s.fake("cloud-init", "echo 'status: done'")
	s.fake("systemctl", "exit 0")
	s.fake("apt-get", "exit 0")
	s.fake("fio", "exit 0")
	s.fake("lsblk", `case "$*" in *--inverse*) echo /dev/sda1; echo /dev/sda ;; *) for last; do :; done; echo "$last"; cat $T/children 2>/dev/null; exit 0 ;; esac`)
	s.fake("findmnt", `case "$*" in
*" /") echo /dev/sda1 ;;
*--source*) [ -s $T/mounts ] && cat $T/mounts ;;
*) [ -s $T/other ] && cat $T/other ;;
esac`)
	s.fake("wipefs", "cat $T/signature")
	s.fake("blkid", "echo 6a4f-uuid")
	s.fake("mkfs.ext4", "echo ext4 labctl-data >$T/signature")
	s.fake("mount", `for last; do :; done; echo "$last" >$T/mounts`)
	s.fake("chown", "exit 0")
	return s
}

func (s *shell) prepare() (stderr string, code int) {
	s.tb.Helper()
	_, stderr, code = s.run(relocate(s.tb, Prepare,
		"by_id=/dev/disk/by-id", "by_id="+s.path("dev/disk/by-id"),
		"fstab=/etc/fstab", "fstab="+s.path("etc/fstab"),
		"/var/log/cloud-init.log 2", s.path("cloud-init.log")+" 2"))
	return stderr, code
}

func TestPrepareMachine(t *testing.T) {
	s := newMachine(t)
	device, point := s.path("dev/sdb"), s.path("opt/data")
	wantFstab := s.read("etc/fstab") + "UUID=6a4f-uuid " + point + " ext4 defaults,nofail 0 2\n"
	for _, again := range []string{"first run", "second run"} {
		if stderr, code := s.prepare(); code != 0 {
			t.Fatalf("%s: exit status %d: %s", again, code, stderr)
		}
		if diff := cmp.Diff(wantFstab, s.read("etc/fstab")); diff != "" {
			t.Errorf("%s: fstab (-want +got):\n%s", again, diff)
		}
	}
	want := []string{"mkfs.ext4 -q -L labctl-data -E lazy_itable_init=0,lazy_journal_init=0 " + device}
	if diff := cmp.Diff(want, s.calls("mkfs")); diff != "" {
		t.Errorf("formatting (-want +got):\n%s", diff)
	}
	want = []string{"mount -t ext4 UUID=6a4f-uuid " + point}
	if diff := cmp.Diff(want, s.calls("mount")); diff != "" {
		t.Errorf("mounting (-want +got):\n%s", diff)
	}
	if got := s.calls("chown"); len(got) != 2 || got[0] != "chown lab: "+point {
		t.Errorf("chown = %q", got)
	}
	if got := s.calls("apt-get"); len(got) > 0 {
		t.Errorf("fio is there, and yet: %q", got)
	}
	if got := s.calls("systemctl --quiet mask --runtime apt-daily.timer"); len(got) != 2 {
		t.Errorf("the apt timer was masked %d times in two runs", len(got))
	}
}

func TestPrepareFindsDiskOnEveryBus(t *testing.T) {
	for _, name := range []string{"virtio-labctl-data", "ata-QEMU_HARDDISK_labctl-data"} {
		s := newMachine(t)
		if err := os.Rename(s.path(byID), filepath.Join(filepath.Dir(s.path(byID)), name)); err != nil {
			t.Fatal(err)
		}
		if stderr, code := s.prepare(); code != 0 || len(s.calls("mount")) != 1 {
			t.Errorf("%s: exit status %d: %s", name, code, stderr)
		}
	}
}

func TestPrepareWithoutRoot(t *testing.T) {
	s := newMachine(t)
	s.fake("id", `[ "$1" = -u ] && echo 1000 || echo lab`)
	s.fake("sudo", `[ "$1" = -n ] && shift 2; SUDO=1 exec "$@"`)
	if stderr, code := s.prepare(); code != 0 {
		t.Fatalf("exit status %d: %s", code, stderr)
	}
	for _, privileged := range []string{"mkfs.ext4", "mount", "chown", "wipefs", "blkid", "tee", "systemctl --quiet stop"} {
		if len(s.calls("sudo -n -- "+privileged)) == 0 {
			t.Errorf("%s was not run by sudo", privileged)
		}
	}
	s.fake("sudo", "echo 'a password is required' >&2; exit 1")
	if stderr, code := s.prepare(); code == 0 || !strings.Contains(stderr, "lab may not use sudo without a password") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
}

func TestPrepareInstallsFio(t *testing.T) {
	s := newMachine(t)
	s.remove("fio")
	s.fake("apt-get", `case "$*" in *" install "*) echo '#!/bin/sh' >$T/bin/fio; /bin/chmod +x $T/bin/fio ;; *) exit 100 ;; esac`)
	if stderr, code := s.prepare(); code != 0 {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	if calls := s.calls("apt-get"); len(calls) != 2 || !strings.Contains(calls[1], "DPkg::Lock::Timeout=300") {
		t.Errorf("apt-get was called as %q", calls)
	}
}

func TestPrepareRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*shell)
		want   string // in stderr
	}{
		"no such disk":        {func(s *shell) { s.setenv("LABCTL_SERIAL", "other") }, "no disk with serial number other"},
		"partitions":          {func(s *shell) { s.write("children", s.path("dev/sdb1")) }, "has partitions"},
		"root disk":           {func(s *shell) { s.fake("lsblk", "echo /dev/sda1; echo "+s.path("dev/sdb")) }, "holds the root file system"},
		"foreign file system": {func(s *shell) { s.write("signature", "xfs backup\n") }, "is not blank, it has: xfs backup"},
		"foreign ext4":        {func(s *shell) { s.write("signature", "ext4\n") }, "is not blank, it has: ext4"},
		"partition table":     {func(s *shell) { s.write("signature", "gpt\nPMBR\n") }, "is not blank, it has: gpt PMBR"},
		"unreadable":          {func(s *shell) { s.fake("wipefs", "exit 1") }, "cannot be read"},
		"mounted elsewhere":   {func(s *shell) { s.write("mounts", "/srv\n") }, "is mounted elsewhere: /srv"},
		"mounted twice":       {func(s *shell) { s.write("mounts", s.path("opt/data")+"\n/srv\n") }, "is mounted elsewhere"},
		"occupied directory":  {func(s *shell) { s.write("other", "tank/data\n") }, "something else is mounted at"},
		"mkfs fails":          {func(s *shell) { s.fake("mkfs.ext4", "exit 1") }, "cannot be formatted"},
		"cloud-init fails": {func(s *shell) {
			s.write("cloud-init.log", "Failed to run module users-groups\n")
			s.fake("cloud-init", "echo 'status: error'; exit 1")
		}, "Failed to run module users-groups"},
		"neither fio nor network": {func(s *shell) {
			s.remove("fio")
			s.fake("apt-get", "echo 'E: Unable to locate package fio'; exit 100")
		}, "E: Unable to locate package fio\nlabctl: fio is not installed and apt-get cannot install it"},
		"neither fio nor apt": {func(s *shell) { s.remove("fio"); s.remove("apt-get") }, "put fio into the template"},
		"no serial":           {func(s *shell) { s.setenv("LABCTL_SERIAL", "") }, "LABCTL_SERIAL: is not set"},
		"odd serial":          {func(s *shell) { s.setenv("LABCTL_SERIAL", "../sda") }, "is not a serial number"},
		"odd user":            {func(s *shell) { s.setenv("LABCTL_USER", "-R root") }, "is not a user name"},
		"root directory":      {func(s *shell) { s.setenv("LABCTL_MOUNT", "/") }, "is not a plain absolute path"},
		"odd directory":       {func(s *shell) { s.setenv("LABCTL_MOUNT", "/opt/data 0 0\n/dev/sda") }, "has characters that fstab does not take"},
		"dots":                {func(s *shell) { s.setenv("LABCTL_MOUNT", "/opt/../etc") }, "is not a plain absolute path"},
		"relative":            {func(s *shell) { s.setenv("LABCTL_MOUNT", "opt/data") }, "is not a plain absolute path"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newMachine(t)
			test.change(s)
			stderr, code := s.prepare()
			if code == 0 || !strings.Contains(strings.ReplaceAll(stderr, "\n  ", "\n"), test.want) {
				t.Errorf("exit status %d, stderr:\n%swant: %s", code, stderr, test.want)
			}
			if name != "mkfs fails" && len(s.calls("mkfs")) > 0 {
				t.Errorf("it formatted all the same: %q", s.calls("mkfs"))
			}
			if len(s.calls("mount ")) > 0 || strings.Contains(s.read("etc/fstab"), "UUID") {
				t.Error("it mounted all the same")
			}
		})
	}
}

func TestPrepareToleratesDegradedCloudInit(t *testing.T) {
	s := newMachine(t)
	s.fake("cloud-init", "exit 2")
	if stderr, code := s.prepare(); code != 0 || !strings.Contains(stderr, "recovered from errors") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
}

// newSandbox is a guest that is a process of this machine. No tool that changes a machine is on its PATH.
func newSandbox(tb testing.TB) *shell {
	tb.Helper()
	s := newShell(tb)
	s.write("root/"+byID+"/.keep", "")
	s.fake("id", "echo lab")
	s.fake("fio", "echo fio-3.39")
	s.setenv("LABCTL_ROOT", s.path("root"))
	s.setenv("LABCTL_SANDBOX", "host")
	s.setenv("LABCTL_SERIAL", "labctl-data")
	s.setenv("LABCTL_MOUNT", "/opt/data")
	return s
}

func TestPrepareProcess(t *testing.T) {
	s := newSandbox(t)
	for range 2 {
		stdout, stderr, code := s.run(Prepare + Facts)
		if code != 0 || stderr != "" {
			t.Fatalf("exit status %d: %s", code, stderr)
		}
		for _, fact := range []string{"kind=host-process", "fio_version=fio-3.39", "directory=" + s.path("root/opt/data")} {
			if !strings.Contains(stdout, fact+"\n") {
				t.Errorf("no %q in:\n%s", fact, stdout)
			}
		}
	}
	if got, err := os.Readlink(s.path("root/opt/data")); err != nil || got != s.path("root", byID) {
		t.Errorf("the directory points to %q, %v", got, err)
	}
	if calls := s.calls(""); len(calls) == 0 || strings.Contains(strings.Join(calls, "\n"), "sudo") {
		t.Errorf("calls = %q", calls)
	}
}

func TestPrepareProcessRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*shell)
		want   string
	}{
		"no fio":          {func(s *shell) { s.remove("fio") }, "labctl: fio is not installed on this machine: apt-get install fio\n"},
		"no disk":         {func(s *shell) { s.setenv("LABCTL_SERIAL", "other") }, "no disk with serial number other"},
		"file in the way": {func(s *shell) { s.write("root/opt/data", "") }, "is in the way"},
		"link in the way": {func(s *shell) {
			_ = os.Mkdir(s.path("root/opt"), 0o755)
			_ = os.Symlink("/etc", s.path("root/opt/data"))
		}, "points elsewhere: /etc"},
		"no real root":      {func(s *shell) { s.setenv("LABCTL_ROOT", "/") }, "LABCTL_ROOT=/ is not a plain absolute path"},
		"root with dots":    {func(s *shell) { s.setenv("LABCTL_ROOT", s.path("root")+"/..") }, "is not a plain absolute path"},
		"disk is no folder": {func(s *shell) { s.setenv("LABCTL_SERIAL", "file"); s.write("root/dev/disk/by-id/virtio-file", "") }, "is not a directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t)
			test.change(s)
			if _, stderr, code := s.run(Prepare); code == 0 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit status %d, stderr:\n%swant: %s", code, stderr, test.want)
			}
		})
	}
}
