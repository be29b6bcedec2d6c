package report

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"labctl/pkg/results"
)

// attribute is something about a target that its numbers depend on.
type attribute struct {
	name string
	of   func(facts map[string]string) string // "" = not known
}

func fact(key string) func(map[string]string) string {
	return func(facts map[string]string) string { return facts[key] }
}

// attributes are told in this order. The facts are those of cloudinit/facts.sh, and with pve_ before them the keys of
// the VM's configuration.
func attributes() []attribute {
	return []attribute{
		{"CPU", func(f map[string]string) string { return join(", ", f["cpu_model"], suffixed(f["cores"], " cores")) }},
		{"Memory", func(f map[string]string) string { return gib(f["mem_total_bytes"]) }},
		{"System", fact("os")},
		{"Kernel", fact("kernel")},
		{"CPU governor", fact("governor")},
		{"fio", func(f map[string]string) string { return firstOf(f["fio_version"], f["fio"]) }},
		{"QEMU", fact("pve_qemu")},
		{"VM", func(f map[string]string) string {
			return join(", ", suffixed(f["pve_cores"], " cores"), suffixed(f["pve_memory"], " MiB"), prefixed("cpu ", f["pve_cpu"]), f["pve_machine"])
		}},
		{"Controller", fact("pve_scsihw")},
		{"Disk", disk},
		{"Storage", fact("storage_type")},
		{"File system", func(f map[string]string) string { return join(" on ", f["directory_fs"], f["directory_device"]) }},
		{"Scheduler", fact("scheduler")},
		{"Write cache", fact("write_cache")},
		{"ZFS", fact("zfs_version")},
		{"recordsize", fact("zfs_recordsize")},
		{"volblocksize", fact("zfs_volblocksize")},
		{"compression", fact("zfs_compression")},
		{"sync", fact("zfs_sync")},
		{"ashift", fact("zfs_ashift")},
		{"Pool", fact("zfs_layout")},
		{"ARC limit", func(f map[string]string) string { return gib(f["zfs_arc_max_bytes"]) }},
	}
}

// diskKey is the key of a disk in a VM's configuration.
var diskKey = regexp.MustCompile(`^pve_((?:scsi|virtio|sata|ide)\d+)$`)

// disk is the line of the disk as it is configured.
func disk(facts map[string]string) string {
	for key, line := range facts {
		if match := diskKey.FindStringSubmatch(key); match != nil {
			return match[1] + ": " + line
		}
	}
	return ""
}

// storages are the storages of the targets' disks.
func storages(targets []results.Target) string {
	var names []string
	for _, t := range targets {
		_, line, _ := strings.Cut(disk(t.Facts), ": ")
		name, _, ok := strings.Cut(line, ":")
		if ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// environment tells what the numbers depend on. What is the same on several targets is said once. Attributes that no
// target knows are listed at the end.
func environment(d Document) facts {
	var known facts
	var unknown []string
	for _, a := range attributes() {
		var values []string
		where := map[string][]string{}
		for _, t := range d.Targets {
			value := firstOf(a.of(t.Facts), "unknown")
			if where[value] == nil {
				values = append(values, value)
			}
			where[value] = append(where[value], t.Place())
		}
		if len(values) == 1 && values[0] == "unknown" || len(values) == 0 {
			unknown = append(unknown, a.name)
			continue
		}
		var parts []string
		for _, value := range values {
			if len(values) > 1 {
				value += " (" + strings.Join(where[value], ", ") + ")"
			}
			parts = append(parts, value)
		}
		known = append(known, [2]string{a.name, strings.Join(parts, "; ")})
	}
	if len(unknown) > 0 {
		known = append(known, [2]string{"Unknown", strings.Join(unknown, ", ")})
	}
	return known
}

// gib is a number of bytes in GiB.
func gib(text string) string {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n <= 0 {
		return ""
	}
	return strconv.FormatFloat(n/(1<<30), 'f', 1, 64) + " GiB"
}

func suffixed(s, suffix string) string {
	if s == "" {
		return ""
	}
	return s + suffix
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
