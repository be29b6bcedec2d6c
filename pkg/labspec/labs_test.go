package labspec

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// builtIn parses one of the labs that ship with labctl.
func builtIn(t *testing.T, name string) *Lab {
	t.Helper()
	lab, err := Parse(name, []byte(read(t, filepath.Join("..", "..", "lab-specs", name))))
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

func commandLines(l *Lab) []string {
	var lines []string
	for _, w := range l.Suite.Workloads {
		lines = append(lines, w.Job.CommandLine())
	}
	return lines
}

func workloadNames(l *Lab) []string {
	var names []string
	for _, w := range l.Suite.Workloads {
		names = append(names, w.Name)
	}
	return names
}

// TestBlog holds the lab of the blog to what its author published: machines, disks, command lines, order and pause.
func TestBlog(t *testing.T) {
	lab := builtIn(t, "blog.yaml")
	thin := true
	disk := DataDisk{
		Storage: "zfs", Sparse: &thin, BlockSize: 64 * KiB, Size: 64 * GiB, Bus: BusSCSI, Cache: CacheNone,
		IOThread: true, SSD: true, Discard: true, Mount: "/opt/data",
	}
	machine := func(name string, memory Size) VM {
		return VM{Name: name, Node: "pve", Cores: 4, Memory: memory, OSDisk: OSDisk{32 * GiB}, DataDisk: disk}
	}
	wantVMs := []VM{machine("2gb", 2*GiB), machine("4gb", 4*GiB), machine("8gb", 8*GiB)}
	if diff := cmp.Diff(wantVMs, lab.VMs); diff != "" {
		t.Errorf("VMs differ (-want +got):\n%s", diff)
	}
	wantLines := []string{
		"fio --name=random-write --ioengine=posixaio --rw=randwrite --bs=4k --size=4g --numjobs=1 --iodepth=1 --runtime=60 --time_based --end_fsync=1 --output-format=json+",
		"fio --name=random-write --ioengine=posixaio --rw=randwrite --bs=64k --size=256m --numjobs=16 --iodepth=16 --runtime=60 --time_based --end_fsync=1 --output-format=json+",
		"fio --name=random-write --ioengine=posixaio --rw=randwrite --bs=1m --size=16g --numjobs=1 --iodepth=1 --runtime=60 --time_based --end_fsync=1 --output-format=json+",
	}
	if diff := cmp.Diff(wantLines, commandLines(lab)); diff != "" {
		t.Errorf("command lines differ (-want +got):\n%s", diff)
	}
	s := lab.Suite
	if s.Order != OrderFixed || s.Blocks != 1 || s.Rest != 30*time.Second || s.Files != FilesFresh {
		t.Errorf("the suite is %s, %d blocks, rest %s, %s", s.Order, s.Blocks, s.Rest, s.Files)
	}
	checkShape(t, lab)
}

// TestDemo keeps the demonstration in the blog's shape, and short.
func TestDemo(t *testing.T) {
	lab := builtIn(t, "demo.yaml")
	checkShape(t, lab)
	var took time.Duration
	for _, w := range lab.Suite.Workloads {
		for range lab.Targets() {
			took += w.Job.Runtime() + lab.Suite.Rest
		}
		var total int64
		for _, bytes := range filesOf(w.Job) {
			total += bytes
		}
		if total == 0 || total > int64(64*MiB) {
			t.Errorf("workload %s writes files of %d bytes in all", w.Name, total)
		}
	}
	if took > 45*time.Second {
		t.Errorf("the trials alone take %s", took)
	}
}

// checkShape compares targets and workloads with the blog's.
func checkShape(t *testing.T, lab *Lab) {
	t.Helper()
	if diff := cmp.Diff([]string{"pve", "2gb", "4gb", "8gb"}, lab.Targets()); diff != "" {
		t.Errorf("targets differ (-want +got):\n%s", diff)
	}
	want := []string{"write-random-4kib-1x", "write-random-64kib-16x", "write-random-1mib-1x"}
	if diff := cmp.Diff(want, workloadNames(lab)); diff != "" {
		t.Errorf("workloads differ (-want +got):\n%s", diff)
	}
}
