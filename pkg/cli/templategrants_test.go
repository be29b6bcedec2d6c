package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"labctl/pkg/lab/grants"
	"labctl/pkg/pvesim"
)

// TestTemplateBuildPrivileges: with exactly the printed grants a template is built, and a lab lives on it. Without the
// rights on the image's storage nothing is sent, and the missing one is named.
func TestTemplateBuildPrivileges(t *testing.T) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s := newStranger(t, major)
			s.setUp("--image-storage", "local", "--node", "pve")
			image := s.write("image.qcow2", "QFI\xfb and nothing else")
			build := []string{"template", "build", "--node", "pve", "--storage", "zfs", "--image-file", image}
			list := grants.Build{Node: "pve", Pool: "labctl", Storage: "zfs", ImageStorage: "local", Bridge: "vmbr0"}.List()
			for _, privilege := range []string{"Datastore.AllocateTemplate", "Datastore.Allocate"} {
				s.setRole(t, "LabctlUpload", slices.DeleteFunc(list.On("/storage/local"), func(p string) bool { return p == privilege }))
				before := len(s.cluster.Requests())
				code, _, stderr := s.labctl("", build...)
				if code != exitFailed || !strings.Contains(stderr, privilege+" on /storage/local") {
					t.Errorf("without %s: exit code %d\n%s", privilege, code, stderr)
				}
				for _, request := range s.cluster.Requests()[before:] {
					if request.Method != http.MethodGet {
						t.Errorf("without %s: sent %s %s", privilege, request.Method, request.Path)
					}
				}
			}
			s.setRole(t, "LabctlUpload", list.On("/storage/local"))
			s.mustLabctl("", build...)
			lab := s.write("tiny.yaml", strings.Replace(tinyLab, "{vmid: 9000}", "{name: labctl-ubuntu-2204}", 1))
			s.mustLabctl("", "up", lab)
			s.mustLabctl("", "down", lab)
			s.mustLabctl("", "gc", "--yes")
			for _, volume := range s.cluster.Volumes() {
				if strings.Contains(volume.ID, "labctl-") || volume.VMID >= 9300 {
					t.Errorf("%s is left", volume.ID)
				}
			}
			if err := pvesim.CheckRequests(s.cluster.Requests()); err != nil {
				t.Error(err)
			}
		})
	}
}

func (s *stranger) setRole(t *testing.T, role string, privileges []string) {
	t.Helper()
	if err := s.call(http.MethodPut, "/access/roles/"+role, url.Values{"privs": {strings.Join(privileges, " ")}}); err != nil {
		t.Fatal(err)
	}
}
