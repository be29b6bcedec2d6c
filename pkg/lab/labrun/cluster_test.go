package labrun_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// clusterLab has a VM on each node of pvesim.ClusterTopology, and a fourth that begins anew.
const clusterLab = `apiVersion: labctl/v1
name: wide
node: pve
spread: [pve, pve2, pve3]
template: {vmid: 9000, replicas: [{node: pve2, vmid: 9002}, {node: pve3, vmid: 9003}]}
clone: CLONE
vmids: {first: 9100, last: 9119}
vmDefaults: {cores: 2, memory: 2GiB, osDisk: {size: 8GiB}, dataDisk: {storage: zfs, size: 8GiB}}
vms: [{name: a}, {name: b}, {name: c}, {name: d}]
suite:
  workloads:
    - {name: w, fio: {rw: randwrite, bs: 4k, size: 1g}}
`

type silent struct{}

func (silent) StepStarted(string, string, string)                {}
func (silent) StepFinished(string, string, time.Duration, error) {}
func (silent) Line(string, ...any)                               {}
func (silent) Await(context.Context, change.VM) (map[string]string, error) {
	return map[string]string{}, nil
}

// readyByVMID is what a ready VM is known by.
type readyByVMID struct{ silent }

func (readyByVMID) Await(_ context.Context, vm change.VM) (map[string]string, error) {
	return map[string]string{labrun.FactVMID: vm.Ref.ID.String()}, nil
}

type cluster struct {
	t    *testing.T
	sim  *pvesim.Cluster
	labs *labrun.Labs
	spec labrun.Spec
}

func newCluster(t *testing.T, topology pvesim.Topology, text string) *cluster {
	t.Helper()
	sim, err := pvesim.New(topology, pvesim.WithSeed(1))
	if err != nil {
		t.Fatal(err)
	}
	client, err := pve.New(pve.Config{
		URL: "https://pve.invalid:8006", TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret, Transport: sim.Transport(),
	})
	if err != nil {
		t.Fatal(err)
	}
	lab, err := labspec.Parse("wide.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	labs := &labrun.Labs{
		Store: labrun.Store{Root: t.TempDir()}, Owner: "me@here", Version: "test", Talk: silent{},
		Connect: func(context.Context) (labrun.Server, error) {
			return labrun.Server{URL: "https://pve.invalid:8006", TokenID: pvesim.SandboxTokenID, API: client}, nil
		},
	}
	return &cluster{t: t, sim: sim, labs: labs, spec: labrun.Spec{Lab: lab, Text: []byte(text)}}
}

// with runs a function on the opened lab.
func (c *cluster) with(run func(*labrun.Run) error) error {
	c.t.Helper()
	lab, err := c.labs.Open(c.t.Context(), c.spec)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			c.t.Error(err)
		}
	}()
	return run(lab)
}

func (c *cluster) up() error {
	return c.with(func(run *labrun.Run) error {
		_, err := run.Up(c.t.Context(), labrun.UpOptions{Readiness: readyByVMID{}})
		return err
	})
}

// down removes the lab and forgets it.
func (c *cluster) down() error {
	return c.with(func(run *labrun.Run) error {
		if _, err := run.Down(c.t.Context()); err != nil {
			return err
		}
		return run.Forget()
	})
}

// places says on which node each VM of the lab is.
func (c *cluster) places() map[string]string {
	where := map[string]string{}
	for _, vm := range c.sim.VMs() {
		if name, ours := strings.CutPrefix(vm.Config["name"], "wide-"); ours {
			where[name] = vm.Node
		}
	}
	return where
}

func (c *cluster) everything() []string {
	var lines []string
	for _, vm := range c.sim.VMs() {
		lines = append(lines, fmt.Sprintf("%d on %s", vm.ID, vm.Node))
	}
	for _, volume := range c.sim.Volumes() {
		lines = append(lines, volume.Node+" "+volume.ID)
	}
	return lines
}

func onBothMajors(t *testing.T, test func(t *testing.T, major int)) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint("PVE ", major), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, major) })
		})
	}
}

// A lab spread over three nodes comes up, survives that an operator moves one of its VMs, and goes down everywhere.
func TestLabOverThreeNodes(t *testing.T) {
	for _, clone := range []string{"linked", "full"} {
		t.Run(clone, func(t *testing.T) {
			onBothMajors(t, func(t *testing.T, major int) {
				c := newCluster(t, pvesim.ClusterTopology(major), strings.Replace(clusterLab, "CLONE", clone, 1))
				before := c.everything()
				if err := c.up(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(map[string]string{"a": "pve", "b": "pve2", "c": "pve3", "d": "pve"}, c.places()); diff != "" {
					t.Errorf("places (-want +got)\n%s", diff)
				}
				moved := 0
				for _, vm := range c.sim.VMs() {
					if vm.Config["name"] == "wide-b" {
						moved = vm.ID
					}
				}
				if err := c.sim.Migrate(moved, "pve3"); err != nil {
					t.Fatal(err)
				}
				if err := c.up(); err != nil { // as `bench` would, it finds the VM where it is, and up and ready
					t.Errorf("up after the move: %v", err)
				}
				c.measured(moved, "pve3")
				if err := c.down(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, c.everything()); diff != "" {
					t.Errorf("left behind (-before +after)\n%s", diff)
				}
				if err := pvesim.CheckRequests(c.sim.Requests()); err != nil {
					t.Errorf("not valid against the real schemas: %v", err)
				}
			})
		})
	}
}

// measured checks that the lab sees the VM on the node, running.
func (c *cluster) measured(vmid int, node string) {
	c.t.Helper()
	err := c.with(func(run *labrun.Run) error {
		seen, err := run.Observe(c.t.Context())
		if err != nil {
			return err
		}
		for _, vm := range seen.VMs {
			if int(vm.Ref.ID) == vmid && vm.Ref.Node == node && vm.Running {
				return nil
			}
		}
		return fmt.Errorf("VM %d is not seen running on %s: %+v", vmid, node, seen.VMs)
	})
	if err != nil {
		c.t.Error(err)
	}
}

// A VM that is moved while it is being removed is followed.
func TestMoveInTheMiddleOfDown(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		for _, path := range []string{"/nodes/*/qemu/*/status/stop", "/nodes/*/qemu/*/status/current"} {
			c := newCluster(t, pvesim.ClusterTopology(major), strings.Replace(clusterLab, "CLONE", "full", 1))
			before := c.everything()
			if err := c.up(); err != nil {
				t.Fatal(err)
			}
			c.sim.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{
				{Name: "moved", Request: &pvesim.RequestMatch{Path: path}, Skip: 1, Do: pvesim.Action{Migrate: "pve2"}},
			}})
			if err := c.down(); err != nil {
				t.Logf("%s: the first down: %v", path, err)
				if err := c.down(); err != nil {
					t.Errorf("%s: the second down: %v", path, err)
				}
			}
			if diff := cmp.Diff(before, c.everything()); diff != "" {
				t.Errorf("%s: left behind (-before +after)\n%s", path, diff)
			}
		}
	})
}

// What a cluster cannot do is said before anything is made.
func TestLocalStorageRestrictions(t *testing.T) {
	tests := map[string]struct {
		replace, by string
		shared      bool // the template's disks are on shared storage
		problem     string
	}{
		"no copy on a node": {
			", replicas: [{node: pve2, vmid: 9002}, {node: pve3, vmid: 9003}]", "", false,
			"template 9000 on node pve2: it is on node pve, and its disk ide2 is on storage zfs, which the two nodes do not share: " +
				"build a copy there with `labctl template build --node pve2 --vmid VMID`, and name it in template.replicas",
		},
		"copies swapped":    {"{node: pve2, vmid: 9002}, {node: pve3, vmid: 9003}", "{node: pve2, vmid: 9003}, {node: pve3, vmid: 9002}", false, "it is on node pve3"},
		"unknown node":      {"spread: [pve, pve2, pve3]", "spread: [pve, pve4]", false, "pve4"},
		"by name":           {"{vmid: 9000, replicas: [{node: pve2, vmid: 9002}, {node: pve3, vmid: 9003}]}", "{name: ubuntu-2204}", false, ""},
		"on shared storage": {", replicas: [{node: pve2, vmid: 9002}, {node: pve3, vmid: 9003}]", "", true, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				topology := pvesim.ClusterTopology(9)
				if test.shared {
					topology.Templates[0].Storage = "shared"
				}
				text := strings.Replace(clusterLab, "CLONE", "full", 1)
				c := newCluster(t, topology, strings.Replace(text, test.replace, test.by, 1))
				before := c.everything()
				err := c.up()
				switch {
				case test.problem == "" && err != nil:
					t.Fatal(err)
				case test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)):
					t.Errorf("got  %v\nwant %s", err, test.problem)
				case test.problem == "" && c.places()["b"] != "pve2":
					t.Errorf("places: %v", c.places())
				}
				if err := c.down(); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(before, c.everything()); diff != "" {
					t.Errorf("left behind (-before +after)\n%s", diff)
				}
			})
		})
	}
}
