package guestsetup

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	labspecs "labctl/lab-specs"
	"labctl/pkg/labspec"
)

var update = flag.Bool("update", false, "rewrite the files that are compared")

func demo(t *testing.T) *labspec.Lab {
	t.Helper()
	text, err := labspecs.FS.ReadFile("demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lab, err := labspec.Parse("demo.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

// The snippet that ships is what the template gives for the labs that ship.
func TestVendorDataShips(t *testing.T) {
	got, err := VendorData(demo(t).VMs[0].DataDisk)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, filepath.Join("..", "..", "..", "cloudinit", "vendor-data.yaml"), got)
}

func TestUserData(t *testing.T) {
	lab := demo(t)
	lab.VMs[1].DataDisk.Mount, lab.VMs[1].DataDisk.Bus = "/srv/fast", labspec.BusVirtIO
	got, err := UserData(lab, 1, "ssh-ed25519 AAAA labctl")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, filepath.Join("testdata", "user-data.yaml"), got+"# ---\n"+networkConfig(lab.Network, 1, MAC("20260102T150405Z-1a2b", "4gb"))+"# ---\n"+networkConfig(labspec.Network{}, 1, "BC:24:11:00:00:01"))
	var parsed struct {
		Users []struct {
			Name string   `yaml:"name"`
			Keys []string `yaml:"ssh_authorized_keys"`
		} `yaml:"users"`
		Mounts [][]string `yaml:"mounts"`
	}
	if err := yaml.Unmarshal([]byte(got), &parsed); err != nil {
		t.Fatal(err)
	}
	if parsed.Users[0].Name != "labctl" || parsed.Users[0].Keys[0] != "ssh-ed25519 AAAA labctl" ||
		parsed.Mounts[0][0] != "/dev/disk/by-id/virtio-labctl-data" || parsed.Mounts[0][1] != "/srv/fast" {
		t.Errorf("%+v", parsed)
	}
}

func TestImage(t *testing.T) {
	image, err := Image(demo(t), 2, "20260102T150405Z-1a2b", "ssh-ed25519 AAAA labctl")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"instance-id: 20260102T150405Z-1a2b-8gb\n", "ssh-ed25519 AAAA labctl\n", "addresses: [192.168.7.203/24]\n"} {
		if !strings.Contains(string(image), want) {
			t.Errorf("%q is not in the image", want)
		}
	}
}

func TestCloudSnippet(t *testing.T) {
	lab := demo(t)
	lab.CloudInit = labspec.CloudInit{Mode: labspec.CloudInitSnippet, Snippet: "local:snippets/labctl.yaml"}
	params := Cloud(lab, 0)
	if diff := cmp.Diff(Param{"cicustom", "vendor=local:snippets/labctl.yaml"}, params[len(params)-1]); diff != "" {
		t.Error(diff)
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-update rewrites it):\n%s", path, diff)
	}
}
