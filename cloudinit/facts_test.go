package cloudinit

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newTarget is a machine whose directory lies on the partition sdb1 of a disk with known properties.
func newTarget(tb testing.TB) *shell {
	tb.Helper()
	s := newShell(tb)
	for name, content := range map[string]string{
		"proc/meminfo":                   "MemTotal:        2015152 kB\nMemFree:  1 kB\n",
		"proc/cpuinfo":                   "processor\t: 0\nmodel name\t: AMD EPYC 7302P 16-Core Processor\n\nmodel name\t: other\n",
		"proc/sys/kernel/random/boot_id": "3f1c-boot\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource": "kvm-clock\n",
		"sys/devices/sdb/sdb1/partition":                                  "1\n",
		"sys/devices/sdb/size":                                            "134217728\n",
		"sys/devices/sdb/queue/rotational":                                "0\n",
		"sys/devices/sdb/queue/scheduler":                                 "none [mq-deadline] kyber\n",
		"sys/devices/sdb/queue/discard_max_bytes":                         "1073741824\n",
		"sys/devices/sdb/queue/write_cache":                               "write back\n",
	} {
		s.write(name, content)
	}
	if err := os.MkdirAll(s.path("sys/class/block"), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.Symlink("../../devices/sdb/sdb1", s.path("sys/class/block/sdb1")); err != nil {
		tb.Fatal(err)
	}
	s.fake("uname", `[ "$1" = -n ] && echo vm-2gb || echo 5.15.0-133-generic`)
	s.fake("nproc", "echo 4")
	s.fake("systemd-detect-virt", `[ $# -gt 0 ] || echo kvm; exit 0`)
	s.fake("fio", "echo fio-3.28")
	s.fake("sha256sum", "echo 00ff $1")
	s.fake("date", "echo 2026-01-02T03:04:05.678901234Z")
	s.fake("df", `case "$*" in *source*) echo Filesystem; echo /dev/sdb1 ;; *fstype*) echo Type; echo ext4 ;; *) echo Avail; echo 1024 ;; esac`)
	s.fake("id", "echo lab")
	s.write("opt/data/.keep", "")
	s.setenv("LABCTL_MOUNT", s.path("opt/data"))
	return s
}

func (s *shell) facts() map[string]string {
	s.tb.Helper()
	stdout, stderr, code := s.run(relocate(s.tb, Facts, "sys=/sys", "sys="+s.path("sys"), "proc=/proc", "proc="+s.path("proc")))
	if code != 0 || stderr != "" {
		s.tb.Errorf("exit status %d: %s", code, stderr)
	}
	facts := map[string]string{}
	for line := range strings.Lines(stdout) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || facts[key] != "" {
			s.tb.Errorf("bad line %q", line)
		}
		facts[key] = value
	}
	delete(facts, "os") // this machine's
	return facts
}

func TestFactsOfMachine(t *testing.T) {
	s := newTarget(t)
	want := map[string]string{
		"kind": "vm", "hostname": "vm-2gb", "kernel": "5.15.0-133-generic", "boot_id": "3f1c-boot", "cores": "4",
		"mem_total_bytes": "2063515648", "cpu_model": "AMD EPYC 7302P 16-Core Processor", "virtualization": "kvm",
		"clocksource": "kvm-clock", "fio_version": "fio-3.28", "fio_path": s.path("bin/fio"), "fio_sha256": "00ff",
		"user": "lab", "directory": s.path("opt/data"), "directory_fs": "ext4", "directory_device": "/dev/sdb1", "directory_free_bytes": "1024",
		"disk": "sdb", "disk_size_bytes": "68719476736", "rotational": "0", "scheduler": "mq-deadline",
		"discard_max_bytes": "1073741824", "write_cache": "write back", "time": "2026-01-02T03:04:05.678901234Z",
	}
	if diff := cmp.Diff(want, s.facts()); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

// TestFactsOfAGivenFio: facts are those of the fio that is used, not of the one on the PATH.
func TestFactsOfAGivenFio(t *testing.T) {
	s := newTarget(t)
	s.fake("static-fio", "echo fio-3.38")
	s.setenv("LABCTL_FIO", s.path("bin/static-fio"))
	facts := s.facts()
	if facts["fio_version"] != "fio-3.38" || facts["fio_path"] != s.path("bin/static-fio") {
		t.Errorf("facts of %s, %s", facts["fio_path"], facts["fio_version"])
	}
}

func TestFactsKind(t *testing.T) {
	tests := map[string]struct {
		change func(*shell)
		want   string
	}{
		"vm":              {func(*shell) {}, "vm"},
		"bare metal":      {func(s *shell) { s.fake("systemd-detect-virt", `[ "$1" = --quiet ] || echo none; exit 1`) }, "host"},
		"nested host":     {func(s *shell) { s.setenv("LABCTL_TARGET", "host") }, "host"},
		"sandbox":         {func(s *shell) { s.setenv("LABCTL_SANDBOX", "host") }, "host-process"},
		"sandboxed host":  {func(s *shell) { s.setenv("LABCTL_SANDBOX", "host"); s.setenv("LABCTL_TARGET", "host") }, "host-process"},
		"sandbox of QEMU": {func(s *shell) { s.setenv("LABCTL_SANDBOX", "qemu") }, "vm"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTarget(t)
			test.change(s)
			if got := s.facts()["kind"]; got != test.want {
				t.Errorf("kind = %q, want %q", got, test.want)
			}
		})
	}
}

// TestFactsOfZFS: what a dataset's speed depends on. The status is that of a real pool (zpool 2.3.2).
func TestFactsOfZFS(t *testing.T) {
	s := newTarget(t)
	s.fake("df", `case "$*" in *source*) echo Filesystem; echo tank/bench ;; *fstype*) echo Type; echo zfs ;; *) echo Avail; echo 1024 ;; esac`)
	s.fake("zfs", `case "$*" in "get -H -o value recordsize tank/bench") echo 128K ;; "get -H -o value compression tank/bench") echo on ;; *) echo standard ;; esac`)
	s.fake("zpool", `[ "$1 $5 $6" != "get ashift tank" ] || echo 12
[ "$1 $2" != "status tank" ] || printf '  pool: tank\n state: ONLINE\nconfig:\n\n\tNAME        STATE     READ WRITE CKSUM\n\ttank        ONLINE       0     0     0\n\t  mirror-0  ONLINE       0     0     0\n\t    vdb     ONLINE       0     0     0\n\t    vdc     ONLINE       0     0     0\n\nerrors: No known data errors\n'`)
	s.write("sys/module/zfs/version", "2.3.2-1\n")
	s.write("proc/spl/kstat/zfs/arcstats", "9 1 0x01 147 39984 1 2\nname                            type data\nc_min                           4    100\nc_max                           4    4294967296\n")
	facts := s.facts()
	for key, want := range map[string]string{
		"zfs_recordsize": "128K", "zfs_compression": "on", "zfs_sync": "standard", "zfs_ashift": "12", "zfs_layout": "mirror-0 vdb vdc",
		"zfs_version": "2.3.2-1", "zfs_arc_max_bytes": "4294967296",
	} {
		if facts[key] != want {
			t.Errorf("%s is %q, want %q", key, facts[key], want)
		}
	}
}

// TestFactsDegrade: what a target lacks is left out, and the rest still comes.
func TestFactsDegrade(t *testing.T) {
	s := newTarget(t)
	for _, tool := range []string{"fio", "systemd-detect-virt", "nproc", "sha256sum"} {
		s.remove(tool)
	}
	for _, folder := range []string{"sys", "proc"} {
		if err := os.RemoveAll(s.path(folder)); err != nil {
			t.Fatal(err)
		}
	}
	s.setenv("LABCTL_MOUNT", "/no/such/directory")
	s.fake("df", `case "$*" in *source*) echo Filesystem; echo tank/sdb1 ;; *) exit 1 ;; esac`)
	want := map[string]string{
		"kind": "host", "hostname": "vm-2gb", "kernel": "5.15.0-133-generic", "user": "lab",
		"directory_device": "tank/sdb1", "time": "2026-01-02T03:04:05.678901234Z",
	}
	if diff := cmp.Diff(want, s.facts()); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

// TestFactsOfThisMachine: nothing is faked.
func TestFactsOfThisMachine(t *testing.T) {
	s := newShell(t)
	s.setenv("LABCTL_MOUNT", s.dir)
	stdout, stderr, code := s.run(Facts)
	if code != 0 || stderr != "" {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	for _, key := range []string{"kind", "hostname", "kernel", "boot_id", "cores", "mem_total_bytes", "directory_fs", "directory_free_bytes", "time"} {
		if !strings.Contains("\n"+stdout, "\n"+key+"=") {
			t.Errorf("no %s in:\n%s", key, stdout)
		}
	}
}
