package pve

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	drivePattern     = regexp.MustCompile(`^(?:ide|sata|scsi|virtio|efidisk|tpmstate|unused)[0-9]+$`)
	cloudInitPattern = regexp.MustCompile(`[:/](?:vm-[0-9]+-)?cloudinit(?:\.(?:raw|qcow2|qed|vmdk|cow|qcow|cloop))?$`)
	sizePattern      = regexp.MustCompile(`^([0-9]+)(\.[0-9]+)?([KMGT]?)$`)
)

// Drive is a disk or CD entry of a VM's config.
type Drive struct {
	// Slot is the config key, such as "scsi1".
	Slot string
	// Volume is the volume ID, such as "zfs:base-9000-disk-0/vm-101-disk-0", or
	// "none", or to allocate one of 64 GiB "zfs:64".
	Volume string
	// Options are the others, such as cache=none. PVE sorts and completes them, so
	// compare drives by their options and not by their text.
	Options map[string]string
}

// ParseDrive reads the value of a drive entry, such as
// "zfs:vm-101-disk-1,cache=none,size=64G". PVE may write the volume as "file=…" and anywhere.
func ParseDrive(slot, value string) (Drive, error) {
	d := Drive{Slot: slot, Options: map[string]string{}}
	for i, part := range strings.Split(value, ",") {
		key, v, ok := strings.Cut(part, "=")
		switch {
		case !ok && i == 0:
			key, v = "file", part
		case !ok || key == "":
			return Drive{}, fmt.Errorf("drive %s: %q in %q is not key=value", slot, part, value)
		}
		if _, twice := d.Options[key]; twice || key == "file" && d.Volume != "" {
			return Drive{}, fmt.Errorf("drive %s: %s occurs twice in %q", slot, key, value)
		}
		if key == "file" {
			d.Volume = v
			continue
		}
		d.Options[key] = v
	}
	if d.Volume == "" {
		return Drive{}, fmt.Errorf("drive %s: no volume in %q", slot, value)
	}
	return d, nil
}

// IsCloudInit reports whether the drive is the one that PVE makes for cloud-init (qemu-server 9.2.6,
// PVE/QemuServer/Drive.pm 756-759).
func (d Drive) IsCloudInit() bool { return cloudInitPattern.MatchString(d.Volume) }

// String returns the value for the config: the volume, then the options sorted by name.
func (d Drive) String() string {
	var b strings.Builder
	b.WriteString(d.Volume)
	for _, key := range slices.Sorted(maps.Keys(d.Options)) {
		b.WriteString("," + key + "=" + d.Options[key])
	}
	return b.String()
}

// SizeBytes returns the size that the config states, which PVE rounds to what
// the storage can do; false when there is none.
func (d Drive) SizeBytes() (int64, bool) {
	return parseSize(d.Options["size"])
}

// parseSize reads a size as PVE::JSONSchema::parse_size does: 1024-based units
// K, M, G, T, and bytes without one; fractions of a byte are cut.
func parseSize(s string) (int64, bool) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	shift := 10 * (strings.Index("KMGT", m[3]) + 1)
	if m[3] == "" {
		shift = 0
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > (1<<62)>>shift {
		return 0, false
	}
	n <<= shift
	if m[2] != "" {
		f, err := strconv.ParseFloat("0"+m[2], 64)
		if err != nil {
			return 0, false
		}
		n += int64(f * float64(int64(1)<<shift))
	}
	return n, true
}

// formatSize writes a size in bytes in the largest unit that states it exactly.
func formatSize(n int64) string {
	unit := 0
	for unit < 4 && n != 0 && n%1024 == 0 {
		n /= 1024
		unit++
	}
	return strconv.FormatInt(n, 10) + []string{"", "K", "M", "G", "T"}[unit]
}
