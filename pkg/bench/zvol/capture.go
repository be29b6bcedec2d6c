package zvol

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Capture is a POSIX shell script that tells what the host knows of a device, as Parse reads it; it changes nothing. Its
// arguments are the device in /dev/zvol and ZFS's name of it. It needs to be root to see every process.
const Capture = `set -u
device=$1 dataset=$2
node=$(readlink -f -- "$device") || { echo "there is no $device here" >&2; exit 1; }
echo "node=$node"
zfs list -Hp -t volume -o name,volsize,type "$dataset" 2>/dev/null | { IFS='	' read -r name size type && printf 'dataset=%s\nvolsize=%s\ntype=%s\n' "$name" "$size" "$type"; }
for holder in "/sys/class/block/${node##*/}/holders/"*; do
	[ ! -e "$holder" ] || echo "holder=${holder##*/}"
done
for fd in /proc/[0-9]*/fd/*; do
	[ "$(readlink -- "$fd" 2>/dev/null)" != "$node" ] || { pid=${fd#/proc/}; pid=${pid%%/*}; echo "open=$pid $(cat "/proc/$pid/comm" 2>/dev/null)"; }
done
printf 'lsblk='
lsblk --json --bytes --output NAME,PATH,SIZE,TYPE,FSTYPE,LABEL,MOUNTPOINTS "$node" | tr -d '\n'
echo`

// blockDevice is a device as lsblk --json has it (util-linux, lsblk.c). Sizes are numbers with --bytes.
type blockDevice struct {
	Name        string        `json:"name"`
	Path        string        `json:"path"`
	Size        int64         `json:"size"`
	Type        string        `json:"type"`
	FSType      *string       `json:"fstype"`
	Label       *string       `json:"label"`
	MountPoints []*string     `json:"mountpoints"`
	Children    []blockDevice `json:"children"`
}

// Parse reads what Capture printed. Output that lacks anything needed for a decision is an error.
func Parse(output []byte) (Device, error) {
	var device Device
	seen := map[string]bool{}
	for line := range strings.Lines(string(output)) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), "=")
		if !ok {
			return Device{}, fmt.Errorf("looking at the device: %.80q is no answer of the script", line)
		}
		seen[key] = true
		if err := device.learn(key, value); err != nil {
			return Device{}, fmt.Errorf("looking at the device: %w", err)
		}
	}
	for _, key := range []string{"node", "dataset", "volsize", "type", "lsblk"} {
		if !seen[key] {
			return Device{}, fmt.Errorf("looking at the device: the host said nothing of %s: is it a zvol, and does zfs list it?", key)
		}
	}
	return device, nil
}

func (d *Device) learn(key, value string) (err error) {
	switch key {
	case "node":
		d.Node = value
	case "dataset":
		d.Dataset = value
	case "volsize":
		d.VolSize, err = strconv.ParseInt(value, 10, 64)
	case "type":
		d.Type = value
	case "holder":
		d.Holders = append(d.Holders, value)
	case "open":
		d.OpenBy = append(d.OpenBy, value)
	case "lsblk":
		err = d.learnBlock(value)
	default:
		err = fmt.Errorf("%q is no answer of the script", key)
	}
	return err
}

// learnBlock reads lsblk's answer: exactly one device, and it is the one that the link leads to.
func (d *Device) learnBlock(text string) error {
	var list struct {
		Devices []blockDevice `json:"blockdevices"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return fmt.Errorf("reading lsblk: %w", err)
	}
	if len(list.Devices) != 1 || list.Devices[0].Path != d.Node {
		return fmt.Errorf("lsblk lists %d devices, expected was %s alone", len(list.Devices), d.Node)
	}
	block := list.Devices[0]
	d.SizeBytes, d.Kind = block.Size, block.Type
	d.FSType, d.Label = orEmpty(block.FSType), orEmpty(block.Label)
	d.learnUse(block)
	return nil
}

// learnUse notes mount points and children, all the way down.
func (d *Device) learnUse(block blockDevice) {
	for _, mount := range block.MountPoints {
		if orEmpty(mount) != "" {
			d.Mounts = append(d.Mounts, *mount)
		}
	}
	for _, child := range block.Children {
		d.Parts = append(d.Parts, child.Path)
		d.learnUse(child)
	}
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
