package labspec

import (
	"strings"
	"testing"
)

func TestAsInstance(t *testing.T) {
	for instance, want := range map[string]string{
		"ci-42":                    "lab-ci-42",
		"":                         "",
		"CI":                       "",
		"-a":                       "",
		"../x":                     "",
		strings.Repeat("a", 63):    "", // the VM's name would be too long
		strings.Repeat("a", 63-10): "lab-" + strings.Repeat("a", 63-10),
	} {
		lab := &Lab{Name: "lab", VMs: []VM{{Name: "vm000"}}}
		err := lab.AsInstance(instance)
		if (err == nil) != (want != "") || (err == nil && lab.Name != want) || (err != nil && lab.Name != "lab") {
			t.Errorf("instance %q: lab %s, error %v", instance, lab.Name, err)
		}
	}
}
