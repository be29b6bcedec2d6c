package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/doctor"
	"labctl/pkg/lab/grants"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/console"
	"labctl/pkg/sandbox"
)

const tinyLab = `
apiVersion: labctl/v1
name: tiny
node: pve
pool: labctl
template: {vmid: 9000}
vmids: {first: 9300, last: 9309}
network: {bridge: vmbr0, address: "10.10.10.{7..9}/24"}
vms:
  - {name: one, cores: 1, memory: 512MiB, osDisk: {size: 3GiB}, dataDisk: {storage: zfs, size: 1GiB, sparse: true, blocksize: 64KiB}}
suite: {blocks: 1, rest: 0s, workloads: [{name: write, fio: {ioengine: psync, rw: randwrite, bs: 4k, size: 1m}}]}
`

// stranger is a Proxmox VE server that labctl was never on, and a user who sets it up from scratch.
type stranger struct {
	*pveum
	info    sandbox.Info
	cluster *pvesim.Cluster
	dir     string
}

// newStranger serves an emulated server with real guests, and removes what the sandbox gives its own token.
func newStranger(t *testing.T, major int) *stranger {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &stranger{dir: t.TempDir()}
	ready, ended := make(chan sandbox.Info, 1), make(chan error, 1)
	go func() {
		ended <- sandbox.Serve(ctx, sandbox.Options{
			Dir: filepath.Join(s.dir, "server"), Listen: "127.0.0.1:0", Major: major,
			Adjust: []pvesim.Option{func(c *pvesim.Cluster) { s.cluster = c }},
		}, func(info sandbox.Info) error {
			ready <- info
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case s.info = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	s.pveum = &pveum{t: t, console: console.New(s.cluster.RootTransport())}
	for _, path := range []string{"/access/users/labctl@pve", "/access/roles/LabctlVM", "/access/roles/LabctlStore", "/pools/labctl"} {
		if err := s.call(http.MethodDelete, path, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// labctl runs a command as a process would, and returns its exit code and what it wrote.
func (s *stranger) labctl(stdin string, args ...string) (code int, stdout, stderr string) {
	var out, talk bytes.Buffer
	args = append([]string{"--config", s.path("config.yaml"), "--state-dir", s.path("state")}, args...)
	code = run(s.t.Context(), ui.IO{In: strings.NewReader(stdin), Out: &out, Err: &talk}, args)
	return code, out.String(), talk.String()
}

// mustLabctl is labctl for commands that succeed.
func (s *stranger) mustLabctl(stdin string, args ...string) string {
	s.t.Helper()
	code, stdout, stderr := s.labctl(stdin, args...)
	if code != exitDone {
		s.t.Fatalf("labctl %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func (s *stranger) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stranger) write(name, text string) string {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// setUp is what the documentation tells a user to do: print the commands, run them as root, go on with the token.
func (s *stranger) setUp(more ...string) {
	s.t.Helper()
	args := append([]string{"init", "--print-grants", "--url", s.info.URL, "--fingerprint", s.info.Fingerprint, "--storage", "zfs"}, more...)
	commands := s.mustLabctl("", args...)
	s.script(commands)
	secret := s.write("secret", s.console.Secret(defaultTokenID)+"\n")
	s.script(commands) // changes nothing any more: the secret stays the token's
	s.mustLabctl("", "init", "--url", s.info.URL, "--fingerprint", s.info.Fingerprint, "--token-id", defaultTokenID, "--secret-file", secret, "--ssh-proxy", s.info.Gateway, "--lab", s.path("first.yaml"))
}

// examine runs the doctor and returns its report.
func (s *stranger) examine(lab string) (int, doctor.Report) {
	s.t.Helper()
	code, stdout, stderr := s.labctl("", "--output", "json", "doctor", lab)
	var report doctor.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		s.t.Fatalf("doctor: %v\n%s%s", err, stdout, stderr)
	}
	return code, report
}

func allFindings(report doctor.Report) []doctor.Finding {
	var all []doctor.Finding
	for _, check := range report.Checks {
		all = append(all, check.Findings...)
	}
	return all
}

// TestLeastPrivileges: with exactly the printed grants everything works; without any single one of them doctor names it,
// up refuses in the same words before anything is sent, and the commands that both print put it right.
func TestLeastPrivileges(t *testing.T) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s := newStranger(t, major)
			s.setUp()
			lab := s.write("tiny.yaml", tinyLab)
			for _, file := range []string{lab, s.path("first.yaml")} {
				if code, report := s.examine(file); code != exitDone || len(allFindings(report)) > 0 {
					t.Fatalf("doctor %s: exit code %d, found %+v", file, code, allFindings(report))
				}
			}
			s.mustLabctl("", "up", lab)
			if _, err := exec.LookPath("fio"); err == nil {
				s.mustLabctl("", "bench", lab)
			}
			s.mustLabctl("", "down", lab)
			s.mustLabctl("", "up", lab)
			if err := os.RemoveAll(s.path("state/labs")); err != nil {
				t.Fatal(err)
			}
			s.mustLabctl("", "gc", "--yes")
			if _, there := s.cluster.VM(9300); there {
				t.Error("gc left the VM of a lab whose state is lost")
			}
			parsed, err := labspec.Parse(lab, []byte(tinyLab))
			if err != nil {
				t.Fatal(err)
			}
			list := grants.Of(parsed, inventory.Template{}, major).List()
			for _, grant := range list {
				t.Run(grant.Privilege, func(t *testing.T) { s.withoutGrant(t, lab, list, grant) })
			}
			if err := pvesim.CheckRequests(s.cluster.Requests()); err != nil {
				t.Error(err)
			}
		})
	}
}

// withoutGrant takes one privilege away and lets doctor and up notice.
func (s *stranger) withoutGrant(t *testing.T, lab string, list grants.List, grant grants.Grant) {
	rest := slices.DeleteFunc(list.On(grant.Path), func(privilege string) bool { return privilege == grant.Privilege })
	if err := s.call(http.MethodPut, "/access/roles/"+roleOn(t, list, grant.Path), url.Values{"privs": {strings.Join(rest, " ")}}); err != nil {
		t.Fatal(err)
	}
	code, report := s.examine(lab)
	found := allFindings(report)
	if code != exitFailed || len(found) != 1 {
		t.Fatalf("doctor: exit code %d, found %+v", code, found)
	}
	want := fmt.Sprintf("the token %s lacks %s on %s, which it needs to %s", defaultTokenID, grant.Privilege, grant.Path, grant.Why)
	if found[0].Problem != want {
		t.Errorf("doctor says %q, want %q", found[0].Problem, want)
	}
	before := len(s.cluster.Requests())
	code, _, stderr := s.labctl("", "up", lab)
	if code != exitFailed || !strings.Contains(stderr, want) {
		t.Errorf("up: exit code %d\n%s", code, stderr)
	}
	for _, request := range s.cluster.Requests()[before:] {
		if request.Method != http.MethodGet {
			t.Errorf("up sent %s %s", request.Method, request.Path)
		}
	}
	for _, command := range found[0].Commands {
		if !strings.Contains(stderr, command) {
			t.Errorf("up does not print %s", command)
		}
	}
	s.script(strings.Join(found[0].Commands, "\n"))
	if code, report := s.examine(lab); code != exitDone {
		t.Errorf("after the commands: exit code %d, found %+v", code, allFindings(report))
	}
}

// roleOn is the role that the printed commands give on a path.
func roleOn(t *testing.T, list grants.List, path string) string {
	t.Helper()
	for _, command := range list.Setup(defaultTokenID) {
		words := strings.Fields(command)
		if len(words) > 3 && words[1] == "acl" && words[3] == path {
			return words[len(words)-1]
		}
	}
	t.Fatalf("no grant on %s", path)
	return ""
}
