package grants

import (
	"maps"
	"slices"
	"strings"

	"labctl/pkg/lab/inventory"
)

// mappings are the paths on which PVE wants Mapping.Use of whoever clones the template (qemu-server 9.2.6,
// PVE/QemuServer.pm 6432-6468, check_mapping_access).
func mappings(template inventory.Config, major int) []string {
	var paths []string
	for _, key := range slices.Sorted(maps.Keys(template.Raw)) {
		value := template.Raw[key]
		switch kind := strings.TrimRight(key, "0123456789"); {
		case kind == "usb" && mappingOf(value) != "":
			paths = append(paths, "/mapping/usb/"+mappingOf(value))
		case kind == "hostpci" && mappingOf(value) != "":
			paths = append(paths, "/mapping/pci/"+mappingOf(value))
		case kind == "virtiofs":
			first, _, _ := strings.Cut(value, ",")
			paths = append(paths, "/mapping/dir/"+strings.TrimPrefix(first, "dirid="))
		case kind == "rng" && major >= 9 && strings.Contains(value, "/dev/hwrng"):
			paths = append(paths, "/mapping/hwrng")
		}
	}
	return paths
}

// WithCPUModel are the needs on a server that checks who uses a CPU model of the administrator's, as 9.2 does
// (qemu-server 9.2.6, PVE/API2/Qemu.pm 738-757, check_cpu_model_access).
func (n Needs) WithCPUModel(template inventory.Config) Needs {
	model, _, _ := strings.Cut(strings.TrimPrefix(template.Raw["cpu"], "cputype="), ",")
	if name, custom := strings.CutPrefix(model, "custom-"); custom {
		n.Mappings = append(slices.Clone(n.Mappings), "/mapping/cpu/"+name)
	}
	return n
}

// mappingOf is the mapping that a value such as "mapping=gpu,pcie=1" names, or "".
func mappingOf(value string) string {
	for part := range strings.SplitSeq(value, ",") {
		if text, ok := strings.CutPrefix(part, "mapping="); ok {
			return text
		}
	}
	return ""
}
