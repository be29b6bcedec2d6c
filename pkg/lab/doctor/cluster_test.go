package doctor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/pvesim"
)

// wideLab has VMs on all nodes of pvesim.ClusterTopology.
const wideLab = `
apiVersion: labctl/v1
name: wide
node: pve
spread: [pve, pve2, pve3]
template: {vmid: 9000, replicas: [{node: pve2, vmid: 9002}, {node: pve3, vmid: 9003}]}
vmids: {first: 9100, last: 9119}
network: {bridge: vmbr0, address: "10.10.10.{51..59}/24", gateway: 10.10.10.1}
vmDefaults: {cores: 2, memory: 2GiB, osDisk: {size: 8GiB}, dataDisk: {storage: zfs, size: 8GiB}}
vms: [{name: a}, {name: b}, {name: c}]
suite: {workloads: [{name: write, fio: {rw: randwrite, size: 1g}}]}
`

// Every node of a lab that spreads its VMs is looked at, not only the first.
func TestClusters(t *testing.T) {
	withoutTemplate := func(w *testbed) {
		w.topology.Templates = slices.DeleteFunc(w.topology.Templates, func(spec pvesim.TemplateSpec) bool { return spec.Node == "pve3" })
	}
	withoutRight := func(w *testbed) {
		w.topology.Grants = slices.DeleteFunc(w.topology.Grants, func(grant pvesim.GrantSpec) bool { return grant.Path == "/vms/9002" })
	}
	for _, test := range []struct {
		name    string
		spoil   func(*testbed)
		problem string
	}{
		{"healthy", func(*testbed) {}, ""},
		{"no template on the third", withoutTemplate, "template 9003 on node pve3"},
		{"no right to the second's template", withoutRight, "lacks VM.Audit, VM.Clone on /vms/9002"},
		{"a node too many", func(w *testbed) { w.lab = strings.ReplaceAll(w.lab, "pve3", "pve7") }, "there is no node pve7"},
	} {
		for _, major := range []int{8, 9} {
			t.Run(fmt.Sprint(test.name, " ", major), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTestbed(major)
					w.topology, w.lab = pvesim.ClusterTopology(major), wideLab
					test.spoil(w)
					found := findings(w.examine(t), doctor.Error, doctor.Warning, doctor.Note)
					switch {
					case test.problem == "" && len(found) > 0:
						t.Errorf("a healthy cluster is said to have: %v", found)
					case test.problem != "" && !slices.ContainsFunc(found, func(f string) bool {
						return strings.HasPrefix(f, "error: cluster: ") && strings.Contains(f, test.problem)
					}):
						t.Errorf("%q is not among %v", test.problem, found)
					}
				})
			})
		}
	}
}
