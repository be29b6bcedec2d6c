package pvesim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// drive is a drive of a VM as its configuration spells it: a volume and options.
type drive struct {
	volume  string // storage:volume, "storage:GiB" in a request, "none", "cdrom"
	options map[string]string
}

var (
	driveKey = regexp.MustCompile(`^(?:(?:ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0|unused\d+)$`)
	netKey   = regexp.MustCompile(`^net\d+$`)
	sizeText = regexp.MustCompile(`^(\d+(?:\.\d+)?)([KMGT]?)$`)
)

func isDriveKey(key string) bool { return driveKey.MatchString(key) }
func isNetKey(key string) bool   { return netKey.MatchString(key) }

func isUnused(key string) bool { return strings.HasPrefix(key, "unused") }

// parseOptions reads key=value pairs; a pair without a value is kept with an empty one.
func parseOptions(s string) map[string]string {
	options := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(part, "=")
		if key != "" {
			options[key] = value
		}
	}
	return options
}

func parseDrive(s string) drive {
	first, rest, _ := strings.Cut(s, ",")
	if key, value, named := strings.Cut(first, "="); named && key != "file" {
		options := parseOptions(s) // "media=cdrom,file=local:iso/x.iso": the volume stands anywhere
		volume := options["file"]
		delete(options, "file")
		return drive{volume: volume, options: options}
	} else if named {
		first = value
	}
	return drive{volume: first, options: parseOptions(rest)}
}

// booleanOptions of drives are folded to 1 and 0 when a configuration is written.
func foldBoolean(value string) string {
	switch strings.ToLower(value) {
	case "1", "on", "yes", "true":
		return "1"
	case "0", "off", "no", "false":
		return "0"
	}
	return value
}

// String spells the drive as Proxmox writes it: the volume, then the options sorted.
func (d drive) String() string {
	var b strings.Builder
	b.WriteString(d.volume)
	for _, key := range sortedKeys(d.options) {
		value := d.options[key]
		if slices.Contains(driveFlags, key) {
			value = foldBoolean(value)
		}
		fmt.Fprintf(&b, ",%s=%s", key, value)
	}
	return b.String()
}

var driveFlags = []string{"iothread", "ssd", "backup", "replicate", "ro", "shared", "snapshot"}

func (d drive) isCDROM() bool     { return d.options["media"] == "cdrom" }
func (d drive) isCloudinit() bool { return strings.HasSuffix(d.volume, "cloudinit") }

// hasVolume reports whether the drive names a volume of a storage (rather than "none" or the host's CD drive).
func (d drive) hasVolume() bool { return strings.Contains(d.volume, ":") }

func (d *drive) setSize(bytes int64) {
	if d.options == nil {
		d.options = map[string]string{}
	}
	d.options["size"] = formatSize(bytes)
}

// size returns the size that the configuration remembers.
func (d drive) size() int64 {
	size, _ := parseSize(d.options["size"])
	return size
}

// formatSize spells a size with the largest unit that keeps it exact; zero is 0T, as Proxmox has it.
func formatSize(bytes int64) string {
	for _, unit := range []string{"", "K", "M", "G"} {
		if bytes%1024 != 0 {
			return strconv.FormatInt(bytes, 10) + unit
		}
		bytes /= 1024
	}
	return strconv.FormatInt(bytes, 10) + "T"
}

// parseSize reads a number with an optional binary unit.
func parseSize(s string) (int64, bool) {
	m := sizeText.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	number, err := strconv.ParseFloat(m[1], 64)
	shift := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[m[2]]
	size := number * float64(int64(1)<<shift)
	return int64(size), err == nil && size < 1<<62
}

// parseGiB reads the size in "storage:8": GiB without a unit.
func parseGiB(s string) (int64, bool) {
	if strings.TrimRight(s, "0123456789.") != "" {
		return 0, false
	}
	return parseSize(s + "G")
}

// normalizeNet completes a network device: a model without an address gets one, options are sorted.
func (c *Cluster) normalizeNet(value string) string {
	first, rest, _ := strings.Cut(value, ",")
	model, address, has := strings.Cut(first, "=")
	options := parseOptions(rest)
	if model == "model" {
		model, address, has = address, options["macaddr"], options["macaddr"] != ""
		delete(options, "macaddr")
	}
	if !has {
		address = c.mac()
	}
	var b strings.Builder
	b.WriteString(model + "=" + strings.ToUpper(address))
	for _, key := range sortedKeys(options) {
		b.WriteString("," + key + "=" + options[key])
	}
	return b.String()
}

// withNewMAC gives a network device another address, as a clone gets it.
func (c *Cluster) withNewMAC(value string) string {
	first, rest, more := strings.Cut(value, ",")
	model, _, _ := strings.Cut(first, "=")
	value = model + "=" + c.mac()
	if more {
		value += "," + rest
	}
	return value
}
