package plan

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/internal/recordings"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
)

// requestKeys are parameters of a configuration request that are no keys of the configuration.
const requestKeys = "background_delay delete force import-working-storage node revert skiplock vmid"

// TestEveryKeyHasARow: whatever key a real server knows, the table says what labctl does about it.
func TestEveryKeyHasARow(t *testing.T) {
	folder, err := recordings.Captured("pve-api")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"8.4", "9.2"} {
		data, err := folder.Read("schema-" + version + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var methods []struct {
			Path, HTTP string
			Parameters struct{ Properties map[string]json.RawMessage }
		}
		if err := json.Unmarshal(data, &methods); err != nil {
			t.Fatal(err)
		}
		keys := 0
		for _, method := range methods {
			if method.Path != "/nodes/{node}/qemu/{vmid}/config" || method.HTTP != "POST" {
				continue
			}
			for key := range method.Parameters.Properties {
				key = strings.Replace(key, "[n]", "7", 1)
				if slices.Contains(strings.Fields(requestKeys), key) {
					continue
				}
				keys++
				if row := rowOf(key, "x"); row.why == unknownKey || row.why == "" {
					t.Errorf("%s: %s has no row", version, key)
				}
			}
		}
		if keys < 70 {
			t.Errorf("%s: only %d keys in the schema", version, keys)
		}
	}
}

// TestRowsAreDistinct: a key that is in two rows would have two fates.
func TestRowsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range inheritances() {
		for _, key := range strings.Fields(row.keys) {
			if seen[key] {
				t.Errorf("%s is in two rows", key)
			}
			seen[key] = true
		}
	}
}

// TestThePageHasTheTable holds the table in docs/doctor.md to the one here.
func TestThePageHasTheTable(t *testing.T) {
	const begin, end = "<!-- inherited: begin -->\n", "<!-- inherited: end -->\n"
	path := filepath.Join("..", "..", "..", "docs", "doctor.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	table, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s does not have the marks of the table", path)
	}
	want := "| keys | treatment | why | qemu-server 9.2.6 |\n|---|---|---|---|\n"
	for _, row := range inheritances() {
		want += fmt.Sprintf("| `%s` | %s | %s | %s |\n", strings.Join(strings.Fields(row.keys), "`, `"), row.treatment, row.why, row.source)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if table != want {
		t.Errorf("the page has\n%s\nwant (-update writes it)\n%s", table, want)
	}
}

// recordedConfig is a configuration that a real server answered.
func recordedConfig(t *testing.T, exchange string) inventory.Config {
	t.Helper()
	folder, err := recordings.Captured("pve-api")
	if err != nil {
		t.Fatal(err)
	}
	exchanges, err := folder.Exchanges("second-8.4/43-template-inheritance")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range exchanges {
		if one.Name != exchange {
			continue
		}
		var answer struct{ Data map[string]any }
		if err := json.Unmarshal(one.Response.JSON, &answer); err != nil {
			t.Fatal(err)
		}
		config := inventory.Config{Raw: map[string]string{}}
		for key, value := range answer.Data {
			config.Raw[key] = fmt.Sprint(value)
		}
		return config
	}
	t.Fatalf("no exchange %s", exchange)
	return inventory.Config{}
}

// TestInheritedByARealClone: what a clone of a real template with everything in it got, and what becomes of it.
func TestInheritedByARealClone(t *testing.T) {
	want := map[Treatment]string{
		Refused:  "affinity args hookscript",
		Reset:    "cpulimit cpuunits net0_link_down numa sockets vcpus",
		Reported: "kvm nameserver net0_firewall net0_mtu net0_queues net0_rate net0_tag net1 scsi0_mbps_rd searchdomain",
		Recorded: "cpu",
	}
	lab := blogLab(t)
	lab.Network.Nameserver = netip.Addr{}
	for _, exchange := range []string{"template.config", "clone.linked.config.lp"} {
		got := map[Treatment]string{}
		for _, found := range Inherited(lab, recordedConfig(t, exchange)) {
			keys := append(strings.Fields(got[found.Treatment]), strings.ReplaceAll(found.Key, " ", "_"))
			slices.Sort(keys)
			got[found.Treatment] = strings.Join(keys, " ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", exchange, diff)
		}
	}
}

// TestCloneOfARealTemplate: `up` unsets what is to be PVE's default, and afterwards everything that it did is verified.
func TestCloneOfARealTemplate(t *testing.T) {
	lab := blogLab(t)
	lab.VMs = lab.VMs[:1]
	vm, template := lab.VMs[0], recordedConfig(t, "template.config")
	lab.Network.Bridge = "vmbr9"
	up, err := Up(Wanted{
		Lab: lab, VMIDs: []int{9100}, IsReady: always(false),
		Templates: map[string]inventory.Template{"pve": {Config: template}},
	})
	if err != nil {
		t.Fatal(err)
	}
	configure, ok := up.Sequences[0].Steps[1].(Configure)
	if !ok || strings.Join(configure.Unset, " ") != "cpulimit cpuunits numa sockets vcpus" {
		t.Fatalf("%+v", up.Sequences[0].Steps[1])
	}
	if !slices.Contains(configure.Settings, Setting{"net0", "virtio,bridge=vmbr9,firewall=1,mtu=1400,queues=2,rate=10,tag=42"}) {
		t.Errorf("net0 is not in %v", configure.Settings)
	}
	made := recordedConfig(t, "clone.linked.config.lp")
	for _, key := range configure.Unset {
		delete(made.Raw, key)
	}
	for _, setting := range configure.Settings {
		made.Raw[setting.Key] = setting.Value
	}
	for _, key := range []string{"affinity", "args", "hookscript"} {
		delete(made.Raw, key) // with these there would be no clone
	}
	made.Raw["scsi1"] = "zfs:vm-431-disk-2,cache=none,discard=on,iothread=1,serial=labctl-data,size=64G,ssd=1"
	made.Raw["net0"] = strings.Replace(made.Raw["net0"], "virtio", "virtio=BC:24:11:00:00:07", 1)
	if err := Drift(lab, vm, 9100, made); err != nil {
		t.Errorf("as it was made: %v", err)
	}
	for key, value := range map[string]string{
		"sockets": "2", "vcpus": "1", "cpulimit": "1.5", "cpuunits": "200", "numa": "1", "numa0": "cpus=0,memory=512", "hotplug": "cpu,disk",
		"balloon": "128", "cores": "1", "memory": "1", "net0": "virtio=BC:24:11:00:00:07,bridge=vmbr0",
		"scsi1": made.Raw["scsi1"] + ",mbps_rd=50", "affinity": "0-1", "args": "-cpu host", "hookscript": "local:snippets/x.sh",
	} {
		other := inventory.Config{Raw: map[string]string{}}
		for k, v := range made.Raw {
			other.Raw[k] = v
		}
		other.Raw[key] = value
		err := Drift(lab, vm, 9100, other)
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
}

// TestStarted: what a VM runs with is compared, not only what its configuration says.
func TestStarted(t *testing.T) {
	lab := blogLab(t)
	vm := lab.VMs[0]
	good := func() Running {
		return Running{Config: inventory.Config{Raw: asAsked(lab, vm)}, CPUs: vm.Cores, MemoryBytes: int64(vm.Memory), State: "running"}
	}
	if err := DriftWhenStarted(lab, vm, 9100, good()); err != nil {
		t.Errorf("as asked: %v", err)
	}
	for name, test := range map[string]struct {
		change func(*Running)
		want   string
	}{
		"fewer vCPUs":   {func(r *Running) { r.CPUs = 1 }, "vCPUs of the running VM is 1, wanted 4"},
		"less memory":   {func(r *Running) { r.MemoryBytes /= 2 }, "memory of the running VM is"},
		"paused":        {func(r *Running) { r.State = "paused" }, "state of the running VM is paused, wanted running"},
		"a value waits": {func(r *Running) { r.Waiting = []string{"cores"} }, "cores in effect is 4, wanted the value that waits for the next start"},
		"another cache": {func(r *Running) {
			r.Config.Raw["scsi1"] = strings.Replace(r.Config.Raw["scsi1"], "cache=none", "cache=writeback", 1)
		}, "scsi1 cache is writeback, wanted none"},
		"a throttled disk":   {func(r *Running) { r.Config.Raw["scsi1"] += ",iops=100" }, "scsi1 iops is 100, wanted none"},
		"a limit on its CPU": {func(r *Running) { r.Config.Raw["cpulimit"] = "0.5" }, "cpulimit is 0.5, wanted PVE's default"},
	} {
		running := good()
		test.change(&running)
		if err := DriftWhenStarted(lab, vm, 9100, running); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestValueDecides has keys whose value decides.
func TestValueDecides(t *testing.T) {
	for _, test := range []struct {
		key, value string
		want       Treatment
	}{
		{"hostpci0", "01:00", Refused},
		{"hostpci0", "host=01:00,pcie=1", Refused},
		{"hostpci0", "mapping=gpu", Reported},
		{"usb0", "spice", Kept},
		{"usb0", "host=spice,usb3=1", Kept},
		{"usb0", "host=1-2", Refused},
		{"usb1", "mapping=stick", Reported},
		{"cicustom", "user=local:snippets/u.yaml", Refused},
		{"cicustom", "vendor=local:snippets/v.yaml", Reported},
		{"hotplug", "0", Kept},
		{"hotplug", "disk,memory", Reset},
		{"something-new", "1", Reported},
	} {
		if row := rowOf(test.key, test.value); row.treatment != test.want {
			t.Errorf("%s=%s: %s, want %s", test.key, test.value, row.treatment, test.want)
		}
	}
}

// TestNetDevice: only what the lab decides is changed, and only when it has to be.
func TestNetDevice(t *testing.T) {
	for _, test := range []struct{ have, bridge, want string }{
		{"virtio=BC:24:11:00:00:01,bridge=vmbr0", "vmbr0", ""},
		{"virtio=BC:24:11:00:00:01,bridge=vmbr0,link_down=0,tag=20", "vmbr0", ""},
		{"virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=20,mtu=9000", "vmbr0", "virtio,bridge=vmbr0,tag=20,mtu=9000"},
		{"e1000=BC:24:11:00:00:01,tag=20,bridge=vmbr0,link_down=1", "vmbr0", "e1000,bridge=vmbr0,tag=20"},
		{"virtio=BC:24:11:00:00:01,bridge=vmbr1,link_down=1", "", "virtio,bridge=vmbr1"},
		{"virtio=BC:24:11:00:00:01,bridge=vmbr1", "", ""},
		{"", "vmbr0", "virtio,bridge=vmbr0"},
	} {
		lab := &labspec.Lab{Network: labspec.Network{Bridge: test.bridge}}
		got, set := NetDevice(lab, inventory.Config{Raw: map[string]string{"net0": test.have}})
		if set != (test.want != "") || set && got != test.want {
			t.Errorf("%q on %q: %q, %v; want %q", test.have, test.bridge, got, set, test.want)
		}
	}
}

// TestThrottles: every option of a drive that PVE's own list has among the throttles is one.
func TestThrottles(t *testing.T) {
	folder, err := recordings.Captured("pve-api")
	if err != nil {
		t.Fatal(err)
	}
	data, err := folder.Read("schema-9.2.json")
	if err != nil {
		t.Fatal(err)
	}
	options := regexp.MustCompile(`"((?:bps|mbps|iops)[a-z_]*)"`).FindAllStringSubmatch(string(data), -1)
	if len(options) == 0 {
		t.Fatal("the schema has none")
	}
	for _, option := range options {
		if !IsThrottle(option[1]) {
			t.Errorf("%s is not taken for a throttle", option[1])
		}
	}
	for _, option := range []string{"size", "cache", "backup", "mbp", "iothread"} {
		if IsThrottle(option) {
			t.Errorf("%s is taken for a throttle", option)
		}
	}
}
