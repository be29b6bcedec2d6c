package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// labText is a lab that a healthy sandbox can have. {…} are replaced.
const labText = `
apiVersion: labctl/v1
name: check
node: pve
template: {vmid: 9000}
vmids: {first: 9100, last: 9109}
network: {bridge: vmbr0, address: "10.10.10.{51..59}/24", gateway: 10.10.10.1}
vmDefaults:
  cores: 2
  memory: 2GiB
  osDisk: {size: 8GiB}
  dataDisk: {storage: zfs, size: 64GiB, sparse: true, blocksize: 64KiB}
vms:
  - name: one
  - name: two
host: {name: pve, ssh: root@10.10.10.1, directory: /tank/labctl}
suite: {workloads: [{name: write, fio: {rw: randwrite, size: 1g}}]}
`

// testbed is a server, a lab and everything that an examination looks at, to be broken.
type testbed struct {
	topology pvesim.Topology
	faults   pvesim.Faults
	lab      string
	input    doctor.Input
	secret   string
	facts    map[string]string
	hostErr  error
	network  http.RoundTripper // instead of the server
	answers  *strings.Replacer // changes what is told of networks and nodes; nil: nothing
	server   *pvesim.Cluster   // nil: a new one for every examination
}

func newTestbed(major int) *testbed {
	return &testbed{
		topology: pvesim.SandboxTopology(major), lab: labText, secret: pvesim.SandboxTokenSecret,
		facts: map[string]string{
			"fio_version": "fio-3.33", "directory": "/tank/labctl", "directory_free_bytes": fmt.Sprint(int64(1 << 40)), "directory_fs": "zfs",
		},
		input: doctor.Input{
			URL: "https://pve.invalid:8006", TokenID: pvesim.SandboxTokenID,
			Surroundings: doctor.Surroundings{
				Reach: func(context.Context, string) error { return errors.New("refused") },
				Route: func(netip.Addr) error { return nil }, KeyFile: "/home/me/.ssh/id lab",
			},
		},
	}
}

func (w *testbed) newServer(t *testing.T) *pvesim.Cluster {
	t.Helper()
	cluster, err := pvesim.New(w.topology, pvesim.WithFaults(w.faults))
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// examine lets the doctor look.
func (w *testbed) examine(t *testing.T) doctor.Report {
	t.Helper()
	lab, err := labspec.Parse("lab.yaml", []byte(w.lab))
	if err != nil {
		t.Fatal(err)
	}
	cluster := w.server
	if cluster == nil {
		cluster = w.newServer(t)
	}
	transport := cluster.Transport()
	if w.network != nil {
		transport = w.network
	}
	if w.answers != nil {
		transport = changed{transport, w.answers}
	}
	client, err := pve.New(pve.Config{URL: w.input.URL, TokenID: w.input.TokenID, TokenSecret: pve.Secret(w.secret), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	w.input.Lab, w.input.API = lab, client
	w.input.HostFacts = func(context.Context, labspec.Host) (map[string]string, error) { return w.facts, w.hostErr }
	report, err := doctor.Examine(t.Context(), w.input)
	if err != nil {
		t.Fatal(err)
	}
	if err := pvesim.CheckRequests(cluster.Requests()); err != nil {
		t.Error(err)
	}
	return report
}

// findings are those of a severity, as "check: problem".
func findings(report doctor.Report, severities ...doctor.Severity) []string {
	var lines []string
	for _, check := range report.Checks {
		for _, finding := range check.Findings {
			if slices.Contains(severities, finding.Severity) {
				lines = append(lines, fmt.Sprintf("%s: %s: %s", finding.Severity, check.Name, finding.Problem))
			}
		}
	}
	return lines
}

// healthyServers give the token what it needs in other ways than the printed commands, and are otherwise a little unlike
// the sandbox.
func healthyServers() map[string]func(*testbed) {
	both := []string{"labctl@pve", pvesim.SandboxTokenID}
	return map[string]func(*testbed){
		"as the commands make it": func(*testbed) {},
		"rights to all VMs": func(w *testbed) {
			for _, who := range both {
				w.ungranted("/pool/labctl", who)
				w.topology.Grants = append(w.topology.Grants,
					pvesim.GrantSpec{Path: "/pool/labctl", Who: who, Role: "PVEPoolUser"},
					pvesim.GrantSpec{Path: "/vms", Who: who, Role: "LabctlVM", Propagate: true})
			}
		},
		"an administrator's token": func(w *testbed) {
			w.topology.Grants = nil
			for _, who := range both {
				w.topology.Grants = append(w.topology.Grants, pvesim.GrantSpec{Path: "/", Who: who, Role: "Administrator", Propagate: true})
			}
		},
		"rights to all storages and bridges": func(w *testbed) {
			for _, who := range both {
				w.ungranted("/storage/zfs", who)
				w.ungranted("/sdn/zones/localnetwork/vmbr0", who)
				w.topology.Grants = append(w.topology.Grants,
					pvesim.GrantSpec{Path: "/storage", Who: who, Role: "LabctlStore", Propagate: true},
					pvesim.GrantSpec{Path: "/sdn/zones", Who: who, Role: "PVESDNUser", Propagate: true})
			}
		},
		"a token without privilege separation": func(w *testbed) {
			w.topology.Users[1].Tokens[0].Privsep = false
			for _, path := range []string{"/pool/labctl", "/vms/9000", "/storage/zfs", "/sdn/zones/localnetwork/vmbr0"} {
				w.ungranted(path, pvesim.SandboxTokenID)
			}
		},
		"the clocks are a little apart": func(w *testbed) { w.topology.ClockSkew = 4 * time.Second },
		"addresses from DHCP, no host": func(w *testbed) {
			w.replaced(`"10.10.10.{51..59}/24", gateway: 10.10.10.1`, "dhcp")
			w.replaced("host: {name: pve, ssh: root@10.10.10.1, directory: /tank/labctl}\n", "")
		},
		"other people's VMs in the range":               func(w *testbed) { w.topology.VMs = append(w.topology.VMs, pvesim.VMSpec{VMID: 9100, Name: "x"}) },
		"a template by name":                            func(w *testbed) { w.replaced("{vmid: 9000}", "{name: ubuntu-2204}") },
		"a full storage that takes no disks of the lab": func(w *testbed) { w.topology.Storages[0].OtherBytes = 100 << 30 },
		"the lab is up": func(w *testbed) {
			w.replaced("last: 9109", "last: 9101")
			w.input.Up = []doctor.UpVM{{Name: "one", Ref: pve.VMRef{Node: "pve", ID: 9100}}, {Name: "two", Ref: pve.VMRef{Node: "pve", ID: 9101}}}
			w.input.Reach = func(context.Context, string) error { return nil }
			w.topology.VMs = []pvesim.VMSpec{{VMID: 9100, Name: "check-one", Pool: pvesim.SandboxPool}, {VMID: 9101, Name: "check-two", Pool: pvesim.SandboxPool}}
		},
	}
}

func TestNoFalseAlarmOnAHealthyServer(t *testing.T) {
	for _, major := range []int{8, 9} {
		for name, alter := range healthyServers() {
			t.Run(fmt.Sprintf("%d/%s", major, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begun := time.Now()
					w := newTestbed(major)
					alter(w)
					report := w.examine(t)
					if found := findings(report, doctor.Error, doctor.Warning, doctor.Note); found != nil {
						t.Errorf("found %q", found)
					}
					for _, check := range report.Checks {
						if check.State != doctor.StateOK || check.Detail == "" {
							t.Errorf("%+v", check)
						}
					}
					if took := time.Since(begun); took > time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// detail is what is in order by one check.
func detail(t *testing.T, report doctor.Report, name string) string {
	t.Helper()
	at := slices.IndexFunc(report.Checks, func(check doctor.Check) bool { return check.Name == name })
	if at < 0 || report.Checks[at].State != doctor.StateOK {
		t.Fatalf("%s is not in order: %+v", name, report.Checks)
	}
	return report.Checks[at].Detail
}

// TestDetails: what is in order is told as it is.
func TestDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestbed(9)
		w.answers = strings.NewReplacer(`"status":"online"`, `"status":"unknown"`)
		if got := detail(t, w.examine(t), "node"); got != "pve answers" {
			t.Errorf("of a node that pvestatd has not reported: %s", got)
		}
		w = newTestbed(9)
		if got := detail(t, w.examine(t), "node"); got != "pve is online; the token may not see how many cores it has" {
			t.Errorf("of a node: %s", got)
		}
		// The journal speaks of VMIDs that are gone, of one without a name, and of one VM under two VMIDs.
		w.topology.VMs = append(w.topology.VMs, pvesim.VMSpec{VMID: 9101, Name: "check-one", Pool: pvesim.SandboxPool})
		for _, up := range []doctor.UpVM{{Name: "one", Ref: pve.VMRef{Node: "pve", ID: 9100}}, {Name: "", Ref: pve.VMRef{Node: "pve", ID: 100}}, {Name: "one", Ref: pve.VMRef{Node: "pve", ID: 9101}}} {
			w.input.Up, w.input.Known = append(w.input.Up, up), append(w.input.Known, up.Ref)
		}
		report := w.examine(t)
		if got := detail(t, report, "vms"); got != "1 of 2 exist" {
			t.Errorf("of the VMs: %s", got)
		}
		if got := detail(t, report, "vmids"); got != "9102 is free" {
			t.Errorf("of the VMIDs: %s", got)
		}
	})
}

// TestDoctorIsCheap counts what an examination asks for.
func TestDoctorIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestbed(9)
		cluster, err := pvesim.New(w.topology)
		if err != nil {
			t.Fatal(err)
		}
		w.network = cluster.Transport()
		w.examine(t)
		if n := len(cluster.Requests()); n > 13 {
			t.Errorf("%d requests", n)
		}
	})
}

// replaced is the lab with something else in place of a part of it.
func (w *testbed) replaced(part, by string) {
	if !strings.Contains(w.lab, part) {
		panic("the lab has no " + part)
	}
	w.lab = strings.ReplaceAll(w.lab, part, by)
}

// template changes keys of the template's configuration; an empty value removes one.
func (w *testbed) template(config map[string]string) {
	w.topology.Templates[0].Config = maps.Clone(config)
}

// storage changes the storage of the data disks.
func (w *testbed) storage(change func(*pvesim.StorageSpec)) {
	for i := range w.topology.Storages {
		if w.topology.Storages[i].Name == pvesim.SandboxStorage {
			change(&w.topology.Storages[i])
		}
	}
}

// without takes a privilege out of a role.
func (w *testbed) without(role, privilege string) {
	for i, r := range w.topology.Roles {
		if r.Name == role {
			w.topology.Roles[i].Privileges = slices.DeleteFunc(slices.Clone(r.Privileges), func(p string) bool { return p == privilege })
		}
	}
}

// ungranted takes the grants on a path away from a user or token.
func (w *testbed) ungranted(path, who string) {
	w.topology.Grants = slices.DeleteFunc(w.topology.Grants, func(g pvesim.GrantSpec) bool { return g.Path == path && g.Who == who })
}

// grant gives a role on a path to the user and the token.
func (w *testbed) grant(path, role string) {
	for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
		w.topology.Grants = append(w.topology.Grants, pvesim.GrantSpec{Path: path, Who: who, Role: role, Propagate: true})
	}
}

func (w *testbed) refuse(path string, status int, text string) {
	w.faults.Faults = append(w.faults.Faults, pvesim.Fault{
		Name: path, Request: &pvesim.RequestMatch{Path: path}, Times: -1,
		Do: pvesim.Action{Refuse: &pvesim.Refusal{Status: status, Text: text}},
	})
}

// changed is a server whose answers about networks and nodes are others.
type changed struct {
	http.RoundTripper
	answers *strings.Replacer
}

func (c changed) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/network") && !strings.HasSuffix(r.URL.Path, "/nodes") {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(strings.NewReader(c.answers.Replace(string(body))))
	response.ContentLength = -1
	return response, err
}

type noNetwork struct{ err error }

func (n noNetwork) RoundTrip(*http.Request) (*http.Response, error) { return nil, n.err }
