package cli

import (
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// TestTheFirstLabIsALab: whatever the server's things are called, the lab that init writes is valid and says so.
func TestTheFirstLabIsALab(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z][a-z0-9-]{0,12}[a-z0-9]`)
		choices := labChoices{
			Node: name.Draw(t, "node"), Pool: name.Draw(t, "pool"), Storage: name.Draw(t, "storage"),
			Bridge: rapid.SampledFrom([]string{"vmbr0", "vmbr12", "lab"}).Draw(t, "bridge"), Template: rapid.IntRange(100, 9999).Draw(t, "template"),
			Address: rapid.SampledFrom([]string{"dhcp", "192.168.7.{101..109}/24"}).Draw(t, "address"),
		}
		if choices.Address != "dhcp" {
			choices.Gateway = rapid.SampledFrom([]string{"", "192.168.7.1"}).Draw(t, "gateway")
		}
		if rapid.Bool().Draw(t, "host") {
			choices.HostSSH, choices.HostDirectory = "root@192.168.7.2", "/tank/labctl"
		}
		var taken []pve.Resource
		for _, id := range rapid.SliceOfN(rapid.IntRange(9100, 9400), 0, 5).Draw(t, "taken") {
			taken = append(taken, pve.Resource{VMID: pve.VMID(id)})
		}
		choices.avoid(taken)
		lab, err := labspec.Parse("lab.yaml", []byte(choices.text()))
		if err != nil {
			t.Fatalf("%v\n%s", err, choices.text())
		}
		if lab.Node != choices.Node || lab.Pool != choices.Pool || lab.Storages()[0] != choices.Storage || lab.Network.Bridge != choices.Bridge ||
			lab.Template.VMID != choices.Template || (lab.Host != nil) != (choices.HostSSH != "") || lab.Network.Address.String() != choices.Address {
			t.Fatalf("%+v became %+v", choices, lab)
		}
		for _, resource := range taken {
			if lab.VMIDs.Contains(int(resource.VMID)) {
				t.Fatalf("VMID %d is taken and in the range %+v", resource.VMID, lab.VMIDs)
			}
		}
	})
}

// TestFirstLabsMeasureTheDisk: the labs that newcomers run first do not measure the page cache.
func TestFirstLabsMeasureTheDisk(t *testing.T) {
	page, err := os.ReadFile("../../docs/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\napiVersion: labctl/v1\n")
	inPage, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("getting-started.md has no lab")
	}
	choices := labChoices{Node: "pve", Pool: "labctl", Storage: "zfs", Bridge: "vmbr0", Template: 9000, FirstVMID: 9100, Address: "dhcp"}
	for name, text := range map[string]string{"init's": choices.text(), "getting started": "apiVersion: labctl/v1\n" + inPage} {
		lab, err := labspec.Parse("lab.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, w := range lab.Suite.Workloads {
			direct, _ := w.Job.Get("direct")
			if durable, _ := w.Job.Get("fdatasync"); direct != "1" && durable != "1" {
				t.Errorf("%s lab: %s is neither direct nor durable", name, w.Name)
			}
		}
	}
}

func TestGatewayIn(t *testing.T) {
	for _, test := range []struct{ pattern, router, want string }{
		{"192.168.7.{101..109}/24", "192.168.7.1", "192.168.7.1"},
		{"192.168.7.{101..109}/24", "10.0.0.1", ""},
		{"192.168.7.{1..9}/24", "192.168.7.1", ""},
		{"192.168.7.{101..109}/24", "", ""},
	} {
		pattern, err := labspec.ParseAddressPattern(test.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := gatewayIn(pattern, test.router); got != test.want {
			t.Errorf("%s, router %s: %q, want %q", test.pattern, test.router, got, test.want)
		}
	}
}
