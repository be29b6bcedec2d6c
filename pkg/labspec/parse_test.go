package labspec

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"labctl/pkg/fio"
)

var update = flag.Bool("update", false, "rewrite golden files")

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, name), got); diff != "" {
		t.Errorf("%s differs (-want +got), see -update:\n%s", name, diff)
	}
}

// TestParseFillsInDefaults compares a whole lab, so that every default is pinned.
func TestParseFillsInDefaults(t *testing.T) {
	disk := DataDisk{
		Storage: "zfs", Size: 64 * GiB, Bus: BusSCSI, Cache: CacheNone,
		IOThread: true, SSD: true, Discard: true, AIO: AIODefault, Mount: "/opt/data",
	}
	option := func(name, value string) fio.Option { return fio.Option{Name: name, Value: value, HasValue: true} }
	want := &Lab{
		APIVersion: APIVersion, Name: "base", Node: "pve", Pool: "labctl",
		Template: Template{VMID: 9000}, Clone: CloneLinked, VMIDs: VMIDRange{9100, 9109}, User: "labctl", CloudInit: CloudInit{Mode: CloudInitNative},
		Network: Network{
			Bridge: "vmbr0", Gateway: netip.MustParseAddr("10.0.0.1"),
			Address: AddressPattern{netip.MustParseAddr("10.0.0.11"), netip.MustParseAddr("10.0.0.20"), 24},
		},
		VMs: []VM{
			{Name: "small", Node: "pve", Cores: 4, Memory: 2 * GiB, OSDisk: OSDisk{32 * GiB}, DataDisk: disk},
			{Name: "large", Node: "pve", Cores: 4, Memory: 8 * GiB, OSDisk: OSDisk{32 * GiB}, DataDisk: disk},
		},
		Host: &Host{Name: "pve", SSH: SSHAddress{"root", "10.0.0.2", 22}, Directory: "/tank/labctl"},
		Suite: Suite{
			Name: "base", Order: OrderRandom, Rest: 30 * time.Second, Blocks: 3, Files: FilesFresh,
			Workloads: []Workload{
				{"first", fio.Job{Options: []fio.Option{
					option("name", "first"), option("rw", "randwrite"), option("bs", "4k"), option("size", "4g"),
					option("runtime", "60"),
					{Name: "time_based"},
				}}},
				{"second", fio.Job{Options: []fio.Option{
					option("name", "second"), option("rw", "randread"), option("bs", "4k"), option("size", "4g"),
				}}},
			},
		},
	}
	got, err := Parse("base.yaml", []byte(read(t, "testdata/base.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("lab differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"pve", "small", "large"}, got.Targets()); diff != "" {
		t.Errorf("targets differ (-want +got):\n%s", diff)
	}
}

// TestAdaptedDefaults checks the defaults that depend on other values, and how VMs refine vmDefaults.
func TestAdaptedDefaults(t *testing.T) {
	text := strings.NewReplacer(
		"    memory: 2GiB\n", "    memory: 2GiB\n    cores: 2\n    dataDisk: {bus: sata, mount: /data}\n",
		"    memory: 8GiB\n", "    memory: 8GiB\n    dataDisk: {bus: virtio, discard: false}\n",
	).Replace(read(t, "testdata/base.yaml"))
	lab, err := Parse("base.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []DataDisk{
		{Storage: "zfs", Size: 64 * GiB, Bus: BusSATA, Cache: CacheNone, SSD: true, Discard: true, Mount: "/data"},
		{Storage: "zfs", Size: 64 * GiB, Bus: BusVirtIO, Cache: CacheNone, IOThread: true, Mount: "/opt/data"},
	}
	if diff := cmp.Diff(want, []DataDisk{lab.VMs[0].DataDisk, lab.VMs[1].DataDisk}); diff != "" {
		t.Errorf("data disks differ (-want +got):\n%s", diff)
	}
	if lab.VMs[0].Cores != 2 || lab.VMs[1].Cores != 4 {
		t.Errorf("cores are %d and %d, want 2 and 4", lab.VMs[0].Cores, lab.VMs[1].Cores)
	}
}

// TestAllProblemsAtOnce is the promise of the package: ten mistakes, ten problems, each at its place.
func TestAllProblemsAtOnce(t *testing.T) {
	const name = "testdata/ten-mistakes.yaml"
	_, err := Parse(filepath.Base(name), []byte(read(t, name)))
	var problems Errors
	if !errors.As(err, &problems) {
		t.Fatalf("Parse returned %v, want Errors", err)
	}
	if len(problems) != 10 {
		t.Errorf("found %d problems, want 10", len(problems))
	}
	golden(t, strings.TrimSuffix(name, ".yaml")+".golden", err.Error()+"\n")
}
