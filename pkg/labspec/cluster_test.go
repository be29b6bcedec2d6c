package labspec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlacement has how VMs come to their nodes.
func TestPlacement(t *testing.T) {
	tests := map[string]struct {
		replace, by string
		want        []string // the nodes of small and large
	}{
		"all on the lab's node":   {"", "", []string{"pve", "pve"}},
		"spread":                  {"node: pve", "node: pve\nspread: [a, b, c]", []string{"a", "b"}},
		"spread over one":         {"node: pve", "node: pve\nspread: [a]", []string{"a", "a"}},
		"one has its own":         {"  - name: small", "  - node: z\n    name: small", []string{"z", "pve"}},
		"own and spread":          {"node: pve", "node: pve\nspread: [a, b]", []string{"a", "b"}},
		"common node":             {"  cores: 4", "  cores: 4\n  node: z", []string{"z", "z"}},
		"own node is left out":    {"vms:", "spread: [a, b]\nvms:\n  - {name: first, node: z, memory: 2GiB, osDisk: {size: 32GiB}}", []string{"a", "b"}},
		"common node beats deals": {"vmDefaults:", "spread: [a, b]\nvmDefaults:\n  node: z", []string{"z", "z"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lab, err := Parse("lab.yaml", []byte(strings.Replace(read(t, "testdata/base.yaml"), test.replace, test.by, 1)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, vm := range lab.VMs[len(lab.VMs)-2:] {
				got = append(got, vm.Node)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("nodes (-want +got)\n%s", diff)
			}
		})
	}
}

// TestTemplates has which template serves which node.
func TestTemplates(t *testing.T) {
	byID := Template{VMID: 9000, Replicas: []Replica{{"b", 9002}}}
	for _, test := range []struct {
		template Template
		node     string
		vmid     int
		name     string
	}{
		{byID, "a", 9000, ""},
		{byID, "b", 9002, ""},
		{Template{Name: "jammy"}, "b", 0, "jammy"},
	} {
		if vmid, name := test.template.On(test.node); vmid != test.vmid || name != test.name {
			t.Errorf("%+v on %s: %d %q", test.template, test.node, vmid, name)
		}
	}
	if diff := cmp.Diff([]int{9000, 9002}, byID.VMIDs()); diff != "" {
		t.Error(diff)
	}
}

// TestClusterMistakes has what is wrong with nodes, replicas and images.
func TestClusterMistakes(t *testing.T) {
	const template = "template: {vmid: 9000}"
	tests := map[string]struct{ replace, by, want string }{
		"spread is no list":   {"node: pve", "node: pve\nspread: a", `spread: text where a list is expected: write [a, b, c]`},
		"spread is empty":     {"node: pve", "node: pve\nspread: []", `spread: the list is empty: write [a, b, c], or remove the key`},
		"node twice":          {"node: pve", "node: pve\nspread: [a, b, a]", `spread[2]: "a" stands in the list twice: remove one`},
		"no node":             {"node: pve", "node: pve\nspread: [a, b_c]", `spread[1]: "b_c" is not the name of a PVE node: write the host name that PVE shows`},
		"number as node":      {"node: pve", "node: pve\nspread: [a, 7]", `spread[1]: 7 is not text: write "7", in quotes`},
		"replica by name":     {template, "template: {name: t, replicas: [{node: b, vmid: 9002}]}", `template.replicas: copies go by vmid, and the template goes by name: remove the list: every node's template of that name is found`},
		"two on one node":     {template, "template: {vmid: 9000, replicas: [{node: b, vmid: 9002}, {node: b, vmid: 9003}]}", `template.replicas[1].node: b has a copy already, at template.replicas[0]: remove one`},
		"replica is template": {template, "template: {vmid: 9000, replicas: [{node: b, vmid: 9000}]}", `template.replicas[0].vmid: 9000 is the template itself: write the copy's own VMID: a VMID is unique in the cluster`},
		"replica in range":    {template, "template: {vmid: 9000, replicas: [{node: b, vmid: 9105}]}", `template.replicas[0].vmid: 9105 is in the range for the VMs: choose a range without it: labctl removes VMs in the range`},
		"replica incomplete":  {template, "template: {vmid: 9000, replicas: [{node: b}]}", `template.replicas[0].vmid: missing: add vmid: 9002`},
		"compressed image":    {template, "template: {vmid: 9000, image: {url: 'https://a.example/b.img.xz'}}", `template.image.url: "https://a.example/b.img.xz" is not the address of a disk image: write an http or https address that ends in .img, .qcow2, .raw or .vmdk`},
		"zvol of nobody":      {"  directory: /tank/labctl", "  directory: /tank/labctl\n  zvols: [small, other]", `host.zvols[1]: the lab has no VM other: write the name of a VM`},
		"name of a build":     {"name: base", "name: template-base", `name: "template-base" begins as the names of templates that are being built: choose another beginning than template-`},
		"short checksum":      {template, "template: {vmid: 9000, image: {sha256: abc}}", `template.image.sha256: "abc" is not a SHA-256: write its 64 hexadecimal digits in lower case`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(read(t, "testdata/base.yaml"), test.replace, test.by, 1)
			_, err := Parse("lab.yaml", []byte(text))
			if err == nil || !strings.HasSuffix(err.Error(), ": "+test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}
