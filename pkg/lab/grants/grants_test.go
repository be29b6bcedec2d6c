package grants

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	labspecs "labctl/lab-specs"
	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func blogLab(t *testing.T) *labspec.Lab {
	t.Helper()
	text, err := labspecs.FS.ReadFile("blog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lab, err := labspec.Parse("blog.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

const token = "labctl@pve!run"

// TestSetup holds the commands for the blog's lab to golden files, one for each major version.
func TestSetup(t *testing.T) {
	for _, major := range []int{8, 9} {
		list := Of(blogLab(t), inventory.Template{}, major).List()
		got := strings.Join(list.Setup(token), "\n") + "\n"
		golden(t, fmt.Sprintf("setup-%d.sh", major), got)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update accepts):\n%s", name, diff)
	}
}

// TestReadmeHasTheCommands: a reader of the README gets the same commands as a user of init.
func TestReadmeHasTheCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := Of(blogLab(t), inventory.Template{}, 9).List().Setup(token)
	if !strings.Contains(string(readme), "```sh\n"+strings.Join(commands, "\n")+"\n```") {
		t.Errorf("the README does not have the block\n%s", strings.Join(commands, "\n"))
	}
}

func TestMakesPool(t *testing.T) {
	for _, test := range []struct {
		pool  string
		major int
		makes bool
	}{{"labctl", 9, true}, {"9lab", 8, true}, {"9lab", 9, false}, {"team/9lab", 9, false}, {"9/lab", 9, true}, {"_x", 9, false}, {"", 9, false}} {
		if MakesPool(test.pool, test.major) != test.makes {
			t.Errorf("%d makes %q: want %v", test.major, test.pool, test.makes)
		}
	}
}

func template(raw map[string]string) inventory.Template {
	all := map[string]string{"boot": "order=scsi0", "scsihw": "virtio-scsi-single", "scsi0": "zfs:base-9000-disk-0,size=2252M", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"}
	for key, value := range raw {
		all[key] = value
	}
	return inventory.Template{Ref: pve.VMRef{Node: "pve", ID: 9000}, Config: pve.VMConfig{Raw: all}}
}

// TestTheTemplateDecides: what a template has that the lab does not want costs privileges, and so does where it lies.
func TestTheTemplateDecides(t *testing.T) {
	lab := blogLab(t)
	usual := Of(lab, template(nil), 9).List()
	if diff := cmp.Diff(Of(lab, inventory.Template{}, 9).List(), usual); diff != "" {
		t.Errorf("a template as labctl builds it needs something else than what is printed before one is known\n%s", diff)
	}
	for _, test := range []struct {
		name string
		raw  map[string]string
		more []string
	}{
		{"another controller", map[string]string{"scsihw": "lsi"}, []string{"/pool/labctl VM.Config.HWType"}},
		{"another bridge", map[string]string{"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr7"}, []string{"/pool/labctl VM.Config.Network", "/sdn/zones/localnetwork/vmbr7 SDN.Use"}},
		{"a second bridge", map[string]string{"net1": "virtio=BC:24:11:00:00:02,bridge=vmbr7"}, []string{"/sdn/zones/localnetwork/vmbr7 SDN.Use"}},
		{"another storage", map[string]string{"ide2": "fast:vm-9000-cloudinit,media=cdrom"}, []string{"/storage/fast Datastore.AllocateSpace", "/storage/fast Datastore.Audit"}},
		{"a CD", map[string]string{"ide2": "local:iso/x.iso,media=cdrom", "ide0": "none,media=cdrom"}, nil},
		{"protection", map[string]string{"protection": "1"}, nil}, // goes with VM.Config.Options, which is needed anyway
	} {
		var more []string
		for _, grant := range Of(lab, template(test.raw), 9).List() {
			if !slices.ContainsFunc(usual, func(g Grant) bool { return g.Path == grant.Path && g.Privilege == grant.Privilege }) {
				more = append(more, grant.Path+" "+grant.Privilege)
			}
		}
		slices.Sort(more)
		if diff := cmp.Diff(test.more, more); diff != "" {
			t.Errorf("%s (-want +got)\n%s", test.name, diff)
		}
	}
}

// TestVLAN: a token with the right to one VLAN of a bridge only is asked for no more.
func TestVLAN(t *testing.T) {
	needs := Of(blogLab(t), template(map[string]string{"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=10"}), 9)
	if diff := cmp.Diff([]string{"vmbr0/10"}, needs.Bridges); diff != "" {
		t.Error(diff)
	}
}

// TestDevicesOfTheTemplate: what the token is asked for when the template uses bridges, VLANs, devices and CPU models.
func TestDevicesOfTheTemplate(t *testing.T) {
	for _, test := range []struct {
		name  string
		raw   map[string]string
		major int
		want  string
	}{
		{"VLAN on another bridge", map[string]string{"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=20"}, 8, "/sdn/zones/localnetwork/vmbr0/20 /sdn/zones/localnetwork/vmbr1/20"},
		{"trunks", map[string]string{"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,trunks=7;9"}, 8, "/sdn/zones/localnetwork/vmbr0/7 /sdn/zones/localnetwork/vmbr0/9"},
		{"mapped PCI device", map[string]string{"hostpci0": "mapping=gpu,pcie=1"}, 8, "/mapping/pci/gpu /sdn/zones/localnetwork/vmbr0"},
		{"mapped USB device", map[string]string{"usb0": "mapping=stick"}, 9, "/mapping/usb/stick /sdn/zones/localnetwork/vmbr0"},
		{"shared directory", map[string]string{"virtiofs0": "share,cache=auto"}, 9, "/mapping/dir/share /sdn/zones/localnetwork/vmbr0"},
		{"random numbers of the host", map[string]string{"rng0": "source=/dev/hwrng"}, 9, "/mapping/hwrng /sdn/zones/localnetwork/vmbr0"},
		{"random numbers", map[string]string{"rng0": "source=/dev/urandom"}, 9, "/sdn/zones/localnetwork/vmbr0"},
		{"custom CPU", map[string]string{"cpu": "custom-fast,flags=+aes"}, 9, "/mapping/cpu/fast /sdn/zones/localnetwork/vmbr0"},
		{"custom CPU, in full", map[string]string{"cpu": "cputype=custom-fast"}, 9, "/mapping/cpu/fast /sdn/zones/localnetwork/vmbr0"},
		{"a CPU of QEMU's", map[string]string{"cpu": "host"}, 9, "/sdn/zones/localnetwork/vmbr0"},
	} {
		var paths []string
		for _, path := range Of(blogLab(t), template(test.raw), test.major).WithCPUModel(template(test.raw).Config).List().Paths() {
			if strings.HasPrefix(path, "/sdn/") || strings.HasPrefix(path, "/mapping/") {
				paths = append(paths, path)
			}
		}
		slices.Sort(paths)
		if got := strings.Join(paths, " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// holdings answers like the server: a map of the paths with grants, and any path when asked for it.
type holdings struct {
	listed map[string][]string
	other  map[string][]string
	asked  int
	err    error
}

func (h *holdings) Permissions(_ context.Context, path string) (map[string][]string, error) {
	h.asked++
	if path == "" {
		return h.listed, h.err
	}
	return map[string][]string{path: h.other[path]}, h.err
}

func TestMissing(t *testing.T) {
	list := List{{"/pool/p", "A", "be"}, {"/pool/p", "B", "see"}, {"/storage/s", "C", "hold"}}
	for _, test := range []struct {
		name    string
		have    holdings
		missing string
		asked   int
	}{
		{"all", holdings{listed: map[string][]string{"/pool/p": {"A", "B", "Z"}, "/storage/s": {"C"}}}, "", 1},
		{"one lacks", holdings{listed: map[string][]string{"/pool/p": {"A"}, "/storage/s": {"C"}}}, "B", 1},
		{"from above", holdings{listed: map[string][]string{"/pool/p": {"A", "B"}}, other: map[string][]string{"/storage/s": {"C"}}}, "", 2},
		{"nothing", holdings{}, "A B C", 3},
	} {
		missing, err := list.Missing(t.Context(), &test.have)
		var names []string
		for _, grant := range missing {
			names = append(names, grant.Privilege)
		}
		if strings.Join(names, " ") != test.missing || err != nil || test.have.asked != test.asked {
			t.Errorf("%s: missing %v, error %v, %d requests", test.name, names, err, test.have.asked)
		}
	}
	broken := errors.New("no answer")
	if _, err := list.Missing(t.Context(), &holdings{err: broken}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestMissingErrorSaysWhatAndHow(t *testing.T) {
	list := List{{"/pool/p", "VM.Audit", "read the VMs"}, {"/storage/s", "C", "hold"}, {"/storage/s", "D", "fill"}}
	err := &MissingError{TokenID: token, Missing: list}
	const want = `the token labctl@pve!run lacks VM.Audit on /pool/p, which it needs to read the VMs
the token labctl@pve!run lacks C, D on /storage/s, which it needs: C to hold; D to fill
give it, as root on the server:
  pveum role modify LabctlVM --append 1 --privs VM.Audit || pveum role add LabctlVM --privs VM.Audit
  pveum acl modify /pool/p --users labctl@pve --tokens 'labctl@pve!run' --roles LabctlVM
  pveum role modify LabctlStore --append 1 --privs 'C D' || pveum role add LabctlStore --privs 'C D'
  pveum acl modify /storage/s --users labctl@pve --tokens 'labctl@pve!run' --roles LabctlStore`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A storage or bridge on which the token holds nothing may be misspelt, when it holds something on others.
func TestMissingErrorDoubtsNames(t *testing.T) {
	const bridges = "/sdn/zones/localnetwork/"
	list := List{{"/storage/zsf", "C", "hold"}, {bridges + "vmbr7/10", "SDN.Use", "plug"}, {"/pool/p", "A", "be"}}
	for _, test := range []struct {
		name string
		held map[string][]string
		want []string
	}{
		{"misspelt", map[string][]string{"/storage/zfs": {"C"}, "/storage/local": {"C"}, bridges + "vmbr0": {"SDN.Use"}}, []string{
			"is the name wrong? this token sees no storage zsf, but local, zfs: correct the lab spec then",
			"is the name wrong? this token sees no bridge vmbr7, but vmbr0: correct the lab spec then",
		}},
		{"known by name", map[string][]string{"/storage/zfs": {"C"}, "/storage/zsf": {"D"}}, nil},
		{"another pool", map[string][]string{"/pool/q": {"A"}}, []string{"is the name wrong? this token sees no pool p, but q: correct the lab spec then"}},
		{"not set up", map[string][]string{"/vms/9000": {"A"}}, nil},
	} {
		text := (&MissingError{TokenID: token, Missing: list, Held: test.held}).Error()
		if got := strings.Count(text, "is the name wrong?"); got != len(test.want) {
			t.Errorf("%s: %d doubts, want %d:\n%s", test.name, got, len(test.want), text)
		}
		for _, line := range test.want {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("%s: lacks %q:\n%s", test.name, line, text)
			}
		}
	}
}

// TestRightsToAllVMs: what the token may do to every VM it need not have on the pool; what is the pool's own it must.
func TestRightsToAllVMs(t *testing.T) {
	needs := Of(blogLab(t), inventory.Template{}, 9)
	have := holdings{listed: map[string][]string{}, other: map[string][]string{}}
	for _, path := range needs.List().Paths() {
		have.listed[path] = needs.List().On(path)
	}
	if err := needs.Check(t.Context(), &have, token); err != nil || have.asked != 1 {
		t.Errorf("everything is held: %v, %d requests", err, have.asked)
	}
	onPool := have.listed["/pool/labctl"]
	have.listed["/pool/labctl"], have.other["/vms/9100"] = []string{"Pool.Audit"}, onPool
	if err := needs.Check(t.Context(), &have, token); err != nil {
		t.Error(err)
	}
	have.listed["/pool/labctl"] = nil
	var missing *MissingError
	if err := needs.Check(t.Context(), &have, token); !errors.As(err, &missing) || len(missing.Missing) != 1 || missing.Missing[0].Privilege != "Pool.Audit" {
		t.Errorf("Pool.Audit is the pool's own: %v", err)
	}
	have.err = errors.New("no answer")
	if err := needs.Check(t.Context(), &have, token); !errors.Is(err, have.err) {
		t.Errorf("error %v", err)
	}
}

// TestQuote: what a shell makes of a quoted word is the word.
func TestQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOf(rapid.RuneFrom([]rune("aB0 !'\"$`\\|&;@=/-.\n"))).Draw(t, "word")
		if got := unquote(shell.Quote(word)); got != word {
			t.Fatalf("%q became %s, which is %q", word, shell.Quote(word), got)
		}
	})
}

// unquote reads single quotes and backslashes outside of them, as sh does.
func unquote(s string) string {
	var word strings.Builder
	inside := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			inside = !inside
		case s[i] == '\\' && !inside:
			i++
			word.WriteByte(s[i])
		default:
			word.WriteByte(s[i])
		}
	}
	return word.String()
}
