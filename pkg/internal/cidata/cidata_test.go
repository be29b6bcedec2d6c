package cidata

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What Linux reads from the image are the names and texts that were put in: xorriso stands for the kernel's driver.
func TestISO(t *testing.T) {
	image, err := ISO(Files{UserData: "#cloud-config\nhostname: a\n", MetaData: "instance-id: 1\n", NetworkConfig: "version: 1\n"})
	if err != nil {
		t.Fatal(err)
	}
	if len(image) > 1<<20 || len(image)%2048 != 0 {
		t.Errorf("image of %d bytes", len(image))
	}
	// The volume label stands at byte 40 of the primary volume descriptor, in sector 16 (ECMA-119, 8.4.7).
	if label := strings.TrimRight(string(image[16*2048+40:16*2048+72]), " \x00"); label != Label {
		t.Errorf("label %q", label)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "seed.iso")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("xorriso"); err != nil {
		t.Skip("xorriso is not installed")
	}
	for _, names := range []string{"any", "norock"} { // Rock Ridge, and without it Joliet
		out := filepath.Join(dir, names)
		output, err := exec.Command("xorriso", "-abort_on", "WARNING", "-read_fs", names, "-indev", path, "-osirrox", "on", "-extract", "/", out).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", names, err, output)
		}
		for name, want := range map[string]string{"user-data": "#cloud-config\nhostname: a\n", "meta-data": "instance-id: 1\n", "network-config": "version: 1\n"} {
			if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(got) != want {
				t.Errorf("%s: %s: %q, %v", names, name, got, err)
			}
		}
		if _, err := os.Stat(filepath.Join(out, "vendor-data")); err == nil {
			t.Error("a vendor-data that nobody gave")
		}
	}
}

// Without user-data or meta-data cloud-init does not take the medium for one of its own.
func TestISOIncomplete(t *testing.T) {
	for _, files := range []Files{{}, {UserData: "#cloud-config\n"}, {MetaData: "instance-id: 1\n"}} {
		if _, err := ISO(files); err == nil {
			t.Errorf("no error for %+v", files)
		}
	}
}
