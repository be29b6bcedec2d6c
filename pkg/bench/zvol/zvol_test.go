package zvol_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/bench/zvol"
	"labctl/pkg/fio"
)

const (
	size    = 64 << 30
	dataset = "rpool/data/vm-101-disk-1"
)

// situation is everything that the interlocks look at.
type situation struct {
	wanted zvol.Wanted
	vm     zvol.VMState
	device zvol.Device
}

// allowed is a situation in which everything is right.
func allowed(t *testing.T) situation {
	t.Helper()
	device, err := zvol.Parse(read(t, "idle.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return situation{
		zvol.Wanted{
			VM: "8gb", VMID: 101, Volume: "zfs:vm-101-disk-1", Device: "/dev/zvol/" + dataset, SizeBytes: size, Serial: "labctl-data",
			InSpec: true, ByFlag: true,
		},
		zvol.VMState{Ours: true, Volume: "zfs:vm-101-disk-1", Serial: "labctl-data", SizeBytes: size, UsesVolume: 1},
		device,
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAllowed(t *testing.T) {
	s := allowed(t)
	if err := zvol.Check(s.wanted, s.vm, s.device); err != nil {
		t.Error(err)
	}
	s.device.FSType, s.device.Label = "", "" // a blank disk
	if err := zvol.Check(s.wanted, s.vm, s.device); err != nil {
		t.Error(err)
	}
}

// Every interlock refuses by itself: one thing is wrong, and exactly one reason says so.
func TestEveryInterlockRefuses(t *testing.T) {
	tests := map[string]struct {
		spoil  func(*situation)
		reason string
	}{
		"not in the spec":     {func(s *situation) { s.wanted.InSpec = false }, "list 8gb under host.zvols"},
		"not by flag":         {func(s *situation) { s.wanted.ByFlag = false }, "say --zvol 8gb"},
		"VM runs":             {func(s *situation) { s.vm.Running = true }, "VM 101 runs"},
		"VM is locked":        {func(s *situation) { s.vm.Lock = "backup" }, "VM 101 is locked (backup)"},
		"no mark":             {func(s *situation) { s.vm.Ours = false }, "does not carry the mark"},
		"template":            {func(s *situation) { s.vm.Template = true }, "is a template"},
		"other volume":        {func(s *situation) { s.vm.Volume = "zfs:vm-101-disk-2" }, `is "zfs:vm-101-disk-2", expected was "zfs:vm-101-disk-1"`},
		"other serial":        {func(s *situation) { s.vm.Serial = "" }, `has the serial ""`},
		"other size in PVE":   {func(s *situation) { s.vm.SizeBytes-- }, "by its configuration"},
		"volume used twice":   {func(s *situation) { s.vm.UsesVolume = 2 }, "2 drives of VM 101"},
		"another VM's volume": {func(s *situation) { s.wanted.VMID = 102 }, "named after another VM than 102"},
		"other device": {func(s *situation) {
			s.wanted.Device, s.device.Dataset = "/dev/zvol/rpool/data/vm-101-disk-0", "rpool/data/vm-101-disk-0"
		}, "is not named as the volume"},
		"a link that wanders": {func(s *situation) { s.wanted.Device = "/dev/zvol/rpool/../rpool/data/vm-101-disk-1" }, "is no device of a zvol"},
		"no zvol":             {func(s *situation) { s.wanted.Device = "/dev/disk/by-id/vm-101-disk-1" }, "is no device of a zvol"},
		"leads elsewhere":     {func(s *situation) { s.device.Node = "/dev/sda" }, `leads to "/dev/sda"`},
		"leads to a part":     {func(s *situation) { s.device.Node = "/dev/zd16p1" }, `leads to "/dev/zd16p1"`},
		"other dataset":       {func(s *situation) { s.device.Dataset = "tank/vm-101-disk-1" }, `ZFS calls the device "tank/vm-101-disk-1"`},
		"a file system":       {func(s *situation) { s.device.Type = "filesystem" }, `a "filesystem", not a volume`},
		"a partition":         {func(s *situation) { s.device.Kind = "part" }, `a "part", not a disk`},
		"other size in ZFS":   {func(s *situation) { s.device.VolSize++ }, "ZFS gives it"},
		"other size in Linux": {func(s *situation) { s.device.SizeBytes++ }, "the kernel gives it"},
		"mounted":             {func(s *situation) { s.device.Mounts = []string{"/mnt"} }, "mounted at /mnt"},
		"partitioned":         {func(s *situation) { s.device.Parts = []string{"/dev/zd16p1"} }, "/dev/zd16p1"},
		"held":                {func(s *situation) { s.device.Holders = []string{"dm-3"} }, "built on it: dm-3"},
		"open":                {func(s *situation) { s.device.OpenBy = []string{"4242 kvm"} }, "have it open: 4242 kvm"},
		"somebody's data":     {func(s *situation) { s.device.FSType, s.device.Label = "xfs", "photos" }, `it holds xfs "photos"`},
		"ext4 of others":      {func(s *situation) { s.device.Label = "" }, `it holds ext4 ""`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := allowed(t)
			test.spoil(&s)
			var refused *zvol.RefusedError
			if err := zvol.Check(s.wanted, s.vm, s.device); !errors.As(err, &refused) {
				t.Fatalf("error %v", err)
			}
			if len(refused.Reasons) != 1 || !strings.Contains(refused.Reasons[0], test.reason) {
				t.Errorf("reasons %q, want one with %q", refused.Reasons, test.reason)
			}
		})
	}
	for name, volume := range map[string]string{"a linked clone": "zfs:base-9000-disk-0/vm-101-disk-1", "a base disk": "zfs:base-101-disk-1", "a file": "local:101/vm-101-disk-1.raw"} {
		s := allowed(t)
		s.wanted.Volume, s.vm.Volume = volume, volume
		if err := zvol.Check(s.wanted, s.vm, s.device); err == nil || !strings.Contains(err.Error(), "is not named as a VM's own disk on ZFS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := zvol.Check(zvol.Wanted{}, zvol.VMState{}, zvol.Device{}); err == nil {
		t.Error("nothing at all is allowed")
	}
}

func TestParse(t *testing.T) {
	device, err := zvol.Parse(read(t, "busy.txt"))
	want := zvol.Device{
		Node: "/dev/zd16", Dataset: dataset, Type: "volume", VolSize: size, SizeBytes: size, Kind: "disk", Mounts: []string{"/mnt/rescue"},
		Parts: []string{"/dev/zd16p1", "/dev/mapper/vg-root"}, Holders: []string{"dm-3"}, OpenBy: []string{"4242 kvm", "977 multipathd"},
	}
	if diff := cmp.Diff(want, device); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	good := string(read(t, "idle.txt"))
	for name, spoil := range map[string]func(string) string{
		"nothing":         func(string) string { return "" },
		"no dataset":      func(s string) string { return strings.Replace(s, "dataset=rpool/data/vm-101-disk-1\n", "", 1) },
		"no lsblk":        func(s string) string { s, _, _ = strings.Cut(s, "lsblk="); return s },
		"lsblk cut off":   func(s string) string { return s[:len(s)-20] },
		"another device":  func(s string) string { return strings.Replace(s, "/dev/zd16\",", "/dev/zd32\",", 1) },
		"no device":       func(s string) string { s, _, _ = strings.Cut(s, "lsblk="); return s + `lsblk={"blockdevices":[]}` },
		"size of letters": func(s string) string { return strings.Replace(s, "volsize=6", "volsize=x", 1) },
		"other words":     func(s string) string { return s + "motd=hello\n" },
		"talk":            func(s string) string { return "Welcome to pve\n" + s },
	} {
		if _, err := zvol.Parse([]byte(spoil(good))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("node=/dev/zd0\ndataset=a\nvolsize=1\ntype=volume\nlsblk={\"blockdevices\":[{\"path\":\"/dev/zd0\"}]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		device, err := zvol.Parse(data)
		if err == nil && device.Node == "" && device.Dataset == "" {
			t.Error("an answer that says nothing was taken")
		}
	})
}

// The script and the parser agree, with the programs of a host faked.
func TestCapture(t *testing.T) {
	dir := t.TempDir()
	node := filepath.Join(dir, "zd16")
	link := filepath.Join(dir, "vm-101-disk-1")
	for name, text := range map[string]string{
		"zfs":   "#!/bin/sh\nprintf '%s\\t68719476736\\tvolume\\n' \"$7\"\n",
		"lsblk": "#!/bin/sh\nfor last; do :; done\nprintf '{\\n  \"blockdevices\": [ {\"name\":\"zd16\",\"path\":\"%s\",\"size\":68719476736,\"type\":\"disk\",\"fstype\":null,\"label\":null,\"mountpoints\":[null]} ]\\n}\\n' \"$last\"\n",
		"zd16":  "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(node, link); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(node) // this process has it open
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	command := exec.CommandContext(t.Context(), "sh", "-c", zvol.Capture, "labctl", link, dataset)
	command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	device, err := zvol.Parse(output)
	if err != nil {
		t.Fatalf("%v in\n%s", err, output)
	}
	if len(device.OpenBy) == 0 {
		t.Errorf("nobody has the device open, but this test does:\n%s", output)
	}
	device.OpenBy = nil
	want := zvol.Device{Node: node, Dataset: dataset, Type: "volume", VolSize: size, SizeBytes: size, Kind: "disk"}
	if diff := cmp.Diff(want, device); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOnDevice(t *testing.T) {
	bytesOf := func(text string) (int64, bool) {
		return map[string]int64{"4g": 4 << 30, "64g": 64 << 30}[text], text != ""
	}
	option := func(name, value string) fio.Option { return fio.Option{Name: name, Value: value, HasValue: true} }
	job := func(options ...fio.Option) fio.Job { return fio.Job{Options: options} }
	tests := map[string]struct {
		job           fio.Job
		want, problem string
	}{
		"one job":      {job(option("rw", "randwrite"), option("size", "4g")), "fio --rw=randwrite --size=4g --filename=/dev/zvol/x --offset_increment=4294967296 --allow_file_create=0 --output-format=json", ""},
		"many jobs":    {job(option("size", "4g"), option("numjobs", "16")), "fio --size=4g --numjobs=16 --filename=/dev/zvol/x --offset_increment=4294967296 --allow_file_create=0 --output-format=json", ""},
		"too many":     {job(option("size", "4g"), option("numjobs", "17")), "", "do not fit"},
		"too large":    {job(option("size", "64g"), option("numjobs", "2")), "", "do not fit"},
		"no size":      {job(option("rw", "randwrite")), "", "how much of the device"},
		"odd size":     {job(option("size", "100%")), "", "how much of the device"},
		"own file":     {job(option("size", "4g"), option("filename", "/dev/sda")), "", "only labctl does"},
		"own offset":   {job(option("size", "4g"), option("offset", "1g")), "", "only labctl does"},
		"odd numjobs":  {job(option("size", "4g"), option("numjobs", "x")), "", "is not a number of jobs"},
		"zero numjobs": {job(option("size", "4g"), option("numjobs", "0")), "", "number of jobs"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			on, err := zvol.OnDevice(test.job, "/dev/zvol/x", size, bytesOf)
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("error %v, want %q", err, test.problem)
				}
				return
			}
			if err != nil || on.CommandLine() != test.want {
				t.Errorf("got  %s, %v\nwant %s", on.CommandLine(), err, test.want)
			}
		})
	}
}
