package zvol

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

const (
	gib     = 1 << 30
	dataset = "rpool/data/vm-101-disk-1"
	guid    = "9713221864590410017"
	written = "labctl-token-0123456789abcdef0123456789abcdef"
)

// situation is everything that the interlocks look at.
type situation struct {
	wanted Wanted
	vm     VMState
	look   Look
	moment Moment
}

// recorded is a situation with the host's look as it was recorded, and everything else right.
func recorded(t *testing.T, name string) situation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "situations", name+".look"))
	if err != nil {
		t.Fatal(err)
	}
	look, err := ParseLook(string(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return situation{
		Wanted{
			VM: "8gb", VMID: 101, Node: "pve", Volume: "zfs:vm-101-disk-1", Device: "/dev/zvol/" + dataset, SizeBytes: gib, Serial: "labctl-data",
			NeedBytes: gib, InSpec: true, ByFlag: true, Token: Token{Text: written, OffsetBytes: 1 << 20}, Seen: Identity{GUID: guid, CreateTXG: "123"},
		},
		VMState{Ours: true, Node: "pve", Volume: "zfs:vm-101-disk-1", Serial: "labctl-data", SizeBytes: gib, UsesVolume: 1},
		look, BeforeWrite,
	}
}

func (s situation) check() error { return Check(s.wanted, s.vm, s.look, s.moment) }

// Every situation that was tried on real OpenZFS is judged, and only those are allowed in which nothing is wrong.
func TestSituations(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "situations", "*.look"))
	if err != nil || len(files) < 48 {
		t.Fatalf("%d situations, %v", len(files), err)
	}
	var verdicts strings.Builder
	allowed := map[string]bool{"ok-ext4": true, "ok-blank": true, "enc-loaded": true}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".look")
		err := recorded(t, name).check()
		if (err == nil) != allowed[name] {
			t.Errorf("%s: %v", name, err)
		}
		fmt.Fprintf(&verdicts, "== %s\n", name)
		var refused *RefusedError
		if errors.As(err, &refused) {
			for _, reason := range refused.Reasons {
				fmt.Fprintf(&verdicts, "%s\n    %s\n", reason.Problem, reason.Remedy)
			}
		}
	}
	golden := filepath.Join("testdata", "verdicts.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(verdicts.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), verdicts.String()); diff != "" {
		t.Errorf("verdicts (-want +got)\n%s", diff)
	}
}

// set changes one fact of a look; without values it is unknown.
func (s *situation) set(key string, values ...string) {
	facts := map[string][]string{}
	for k, v := range s.look.facts {
		facts[k] = v
	}
	facts[key] = values
	s.look = Look{facts}
}

// Every interlock refuses by itself: one thing is wrong, and exactly one reason says so, with what to do.
func TestEveryInterlockRefuses(t *testing.T) {
	tests := map[string]struct {
		spoil  func(*situation)
		reason string
	}{
		"not in the spec":   {func(s *situation) { s.wanted.InSpec = false }, "the lab does not allow it"},
		"not by flag":       {func(s *situation) { s.wanted.ByFlag = false }, "the command line does not confirm it"},
		"VM runs":           {func(s *situation) { s.vm.Running = true }, "VM 101 runs"},
		"VM is stopped":     {func(s *situation) { s.moment = BeforeStop }, "VM 101 is stopped; no guest has shown"},
		"VM is locked":      {func(s *situation) { s.vm.Lock = "backup" }, "VM 101 is locked (backup)"},
		"no mark":           {func(s *situation) { s.vm.Ours = false }, "does not carry the mark"},
		"template":          {func(s *situation) { s.vm.Template = true }, "is a template"},
		"migrated":          {func(s *situation) { s.vm.Node = "pve2" }, "was moved from node pve to pve2"},
		"other volume":      {func(s *situation) { s.vm.Volume = "zfs:vm-101-disk-2" }, `is "zfs:vm-101-disk-2", expected was "zfs:vm-101-disk-1"`},
		"other serial":      {func(s *situation) { s.vm.Serial = "" }, `has the serial ""`},
		"other size in PVE": {func(s *situation) { s.vm.SizeBytes-- }, "by its configuration"},
		"volume used twice": {func(s *situation) { s.vm.UsesVolume = 2 }, "2 drives of VM 101"},
		"named after another": {func(s *situation) {
			s.wanted.Volume, s.vm.Volume = "zfs:vm-102-disk-1", "zfs:vm-102-disk-1"
			s.wanted.Device = "/dev/zvol/rpool/data/vm-102-disk-1"
			s.set("zvol_id", "rpool/data/vm-102-disk-1")
		}, "named after another VM than 101"},
		"other device": {func(s *situation) {
			s.wanted.Device = "/dev/zvol/rpool/data/vm-101-disk-0"
			s.set("zvol_id", "rpool/data/vm-101-disk-0")
		}, "is not named as the volume"},
		"not root":               {func(s *situation) { s.set("uid", "1000") }, "not looked at as root"},
		"root by omission":       {func(s *situation) { s.set("uid") }, "not looked at as root"},
		"another node":           {func(s *situation) { s.set("pve_node", "pve2") }, `is on node pve, host.ssh leads to "pve2"`},
		"another host":           {func(s *situation) { s.set("host", "nas.example.org") }, `host.ssh leads to "nas"`},
		"another cluster":        {func(s *situation) { s.wanted.Certificates = []string{"AA"}; s.set("certificate", "BB", "CC") }, "not the certificate"},
		"another zvol":           {func(s *situation) { s.set("zvol_id", "rpool/data/vm-999-disk-1") }, `which the kernel says to be "rpool/data/vm-999-disk-1"`},
		"the kernel is silent":   {func(s *situation) { s.set("zvol_id") }, `which the kernel says to be ""`},
		"no zd":                  {func(s *situation) { s.set("node", "/dev/sda") }, `leads to "/dev/sda"`},
		"a partition":            {func(s *situation) { s.set("node", "/dev/zd16p1") }, `leads to "/dev/zd16p1"`},
		"no block device":        {func(s *situation) { s.set("kind", "file") }, "is no block device (file)"},
		"other size in Linux":    {func(s *situation) { s.set("size", "1073741825") }, "the kernel gives it"},
		"other size in ZFS":      {func(s *situation) { s.set("zfs_volsize", "2147483648") }, "ZFS gives it"},
		"size unknown":           {func(s *situation) { s.set("zfs_volsize") }, "ZFS gives it"},
		"created anew":           {func(s *situation) { s.set("zfs_guid", "1") }, "another volume than at first"},
		"received anew":          {func(s *situation) { s.set("zfs_createtxg", "999") }, "another volume than at first"},
		"writes are not counted": {func(s *situation) { s.set("nwritten") }, "nothing would show afterwards"},
		"mounted":                {func(s *situation) { s.set("mount", "/mnt (of process 1)") }, "mounted at /mnt"},
		"partitioned":            {func(s *situation) { s.set("part", "zd0p1") }, "has partitions: zd0p1"},
		"held":                   {func(s *situation) { s.set("holder", "dm-3") }, "built on it: dm-3"},
		"loop":                   {func(s *situation) { s.set("loop", "loop7") }, "a loop device is on it: loop7"},
		"open":                   {func(s *situation) { s.set("open", "4242 kvm") }, "have it open: 4242 kvm"},
		"open by QEMU":           {func(s *situation) { s.set("open", "4242 kvm"); s.set("qemu", "4242") }, "have it open: 4242 kvm"},
		"claimed":                {func(s *situation) { s.set("exclusive", "no"); s.set("open_error", "busy") }, "cannot be held alone: busy"},
		"a file system":          {func(s *situation) { s.set("zfs_type", "filesystem") }, `a "filesystem", not a volume`},
		"read-only":              {func(s *situation) { s.set("zfs_readonly", "on") }, "it is read-only"},
		"read-only for Linux":    {func(s *situation) { s.set("read_only", "1") }, "it is read-only"},
		"a clone":                {func(s *situation) { s.set("zfs_origin", "rpool/x@y") }, `it is a clone of "rpool/x@y"`},
		"origin unknown":         {func(s *situation) { s.set("zfs_origin") }, `it is a clone of ""`},
		"has clones":             {func(s *situation) { s.set("clone", "rpool/z") }, "others are clones of it"},
		"snapshots":              {func(s *situation) { s.set("snapshot", dataset+"@auto") }, "it has snapshots"},
		"a full pool":            {func(s *situation) { s.set("zfs_available", "1073741823") }, "the pool has"},
		"an unknown pool":        {func(s *situation) { s.set("zfs_available") }, "the pool has"},
		"somebody's data":        {func(s *situation) { s.set("signatures", `{"signatures":[{"type":"xfs","label":"photos"}]}`) }, `it holds xfs "photos"`},
		"two signatures": {func(s *situation) {
			s.set("signatures", `{"signatures":[{"type":"ext4","label":"labctl-data"},{"type":"swap"}]}`)
		}, `it holds ext4 "labctl-data" and swap`},
		"ext4 of others":     {func(s *situation) { s.set("signatures", `{"signatures":[{"type":"ext4"}]}`) }, "it holds ext4"},
		"signatures unknown": {func(s *situation) { s.set("signatures") }, "cannot be told"},
		"wipefs failed":      {func(s *situation) { s.set("signatures_error", "I/O error") }, "wipefs failed: I/O error"},
		"no token":           {func(s *situation) { s.set("token") }, "the token that was written through VM 101 is not on it"},
		"another token":      {func(s *situation) { s.set("token", "labctl-token-f") }, "the token that was written through VM 101 is not on it"},
		"nobody wrote one":   {func(s *situation) { s.wanted.Token = Token{}; s.set("token") }, "the token that was written through VM 101 is not on it"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := recorded(t, "ok-ext4")
			test.spoil(&s)
			var refused *RefusedError
			if err := s.check(); !errors.As(err, &refused) {
				t.Fatalf("error %v", err)
			}
			if len(refused.Reasons) != 1 || !strings.Contains(refused.Reasons[0].Problem, test.reason) {
				t.Fatalf("reasons %q, want one with %q", refused.Reasons, test.reason)
			}
			if refused.Reasons[0].Remedy == "" || !strings.Contains(refused.Error(), refused.Reasons[0].Remedy) {
				t.Errorf("%q does not say what to do", refused.Error())
			}
		})
	}
	for name, volume := range map[string]string{"a linked clone": "zfs:base-9000-disk-0/vm-101-disk-1", "a base disk": "zfs:base-101-disk-1", "a file": "local:101/vm-101-disk-1.raw"} {
		s := recorded(t, "ok-ext4")
		s.wanted.Volume, s.vm.Volume = volume, volume
		if err := s.check(); err == nil || !strings.Contains(err.Error(), "is not named as a VM's own disk on ZFS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, device := range []string{"/dev/zvol/rpool/../rpool/data/vm-101-disk-1", "/dev/disk/by-id/vm-101-disk-1", ""} {
		s := recorded(t, "ok-ext4")
		s.wanted.Device = device
		if err := s.check(); err == nil || !strings.Contains(err.Error(), "is no device of a zvol") {
			t.Errorf("%s: %v", device, err)
		}
	}
	if err := Check(Wanted{}, VMState{}, Look{}, BeforeWrite); err == nil {
		t.Error("nothing at all is allowed")
	}
}

// While the VM runs, its own QEMU has the device, and nobody else may.
func TestBeforeStop(t *testing.T) {
	s := recorded(t, "ok-ext4")
	s.moment, s.vm.Running = BeforeStop, true
	s.set("open", "4242 kvm")
	s.set("qemu", "4242")
	if err := s.check(); err != nil {
		t.Error(err)
	}
	s.set("open", "4242 kvm", "977 dd")
	if err := s.check(); err == nil || !strings.Contains(err.Error(), "have it open: 977 dd") {
		t.Errorf("error %v", err)
	}
	s.set("qemu")
	if err := s.check(); err == nil || !strings.Contains(err.Error(), "4242 kvm, 977 dd") {
		t.Errorf("error %v", err)
	}
}

// A certificate that only one side tells of decides nothing: the node's name and the token do.
func TestCertificates(t *testing.T) {
	for _, test := range []struct{ api, host []string }{{nil, nil}, {[]string{"AA"}, nil}, {nil, []string{"BB"}}, {[]string{"AA", "BB"}, []string{"CC", "BB"}}} {
		s := recorded(t, "ok-ext4")
		s.wanted.Certificates = test.api
		s.set("certificate", test.host...)
		if err := s.check(); err != nil {
			t.Errorf("%v: %v", test, err)
		}
	}
}

func TestNotes(t *testing.T) {
	s := recorded(t, "enc-loaded")
	s.set("pool_used_percent", "81")
	notes := strings.Join(s.look.Notes(), "\n")
	if !strings.Contains(notes, "aes-256-gcm") || !strings.Contains(notes, "81 % full") {
		t.Errorf("notes %s", notes)
	}
}

func TestParseLook(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("testdata", "situations", "ok-ext4.look"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":       "",
		"cut off":       strings.TrimSuffix(string(good), "end=1\n"),
		"cut in a word": string(good[:len(good)/2]),
		"talk before":   "Welcome to pve\n" + string(good),
		"talk after":    string(good) + "bye\n",
		"more after":    string(good) + "open=1 x\n",
		"said twice":    "uid=0\n" + string(good),
		"other words":   "motd=hello\n" + string(good),
	} {
		if _, err := ParseLook(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseLook(f *testing.F) {
	f.Add("uid=0\nopen=1 kvm\nend=1\n")
	f.Fuzz(func(t *testing.T, text string) {
		look, err := ParseLook(text)
		if err == nil && Check(Wanted{Token: Token{Text: "x"}}, VMState{}, look, BeforeWrite) == nil {
			t.Errorf("%q allows a write", text)
		}
	})
}
