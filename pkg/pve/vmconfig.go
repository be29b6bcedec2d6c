package pve

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// VMConfig is a VM's config with pending changes applied, as the next start
// will see it.
type VMConfig struct {
	// Raw has every value as text: PVE mixes numbers and strings. Unset keys are absent.
	Raw map[string]string
}

// VMConfig reads a VM's config.
func (c *Client) VMConfig(ctx context.Context, ref VMRef) (VMConfig, error) {
	var w map[string]wireText
	if err := c.get(ctx, ref.path("/config"), &w); err != nil {
		return VMConfig{}, err
	}
	raw := make(map[string]string, len(w))
	for key, value := range w {
		raw[key] = string(value)
	}
	return VMConfig{Raw: raw}, nil
}

// PendingConfig is a VM's config as it is in effect, and what waits for the VM's next start.
type PendingConfig struct {
	// Current has the values in effect.
	Current VMConfig
	// Waiting are the keys that have another value, or none, from the next start on, sorted.
	Waiting []string
}

// PendingConfig reads a VM's config as it is in effect.
func (c *Client) PendingConfig(ctx context.Context, ref VMRef) (PendingConfig, error) {
	var w []struct {
		Key     wireText  `json:"key"`
		Value   *wireText `json:"value"`
		Pending *wireText `json:"pending"`
		Delete  wireInt   `json:"delete"`
	}
	if err := c.get(ctx, ref.path("/pending"), &w); err != nil {
		return PendingConfig{}, err
	}
	config := PendingConfig{Current: VMConfig{Raw: map[string]string{}}}
	for _, row := range w {
		if row.Value != nil {
			config.Current.Raw[string(row.Key)] = string(*row.Value)
		}
		if row.Pending != nil || row.Delete > 0 {
			config.Waiting = append(config.Waiting, string(row.Key))
		}
	}
	slices.Sort(config.Waiting)
	return config, nil
}

// Name returns the VM's name, "" when it has none.
func (v VMConfig) Name() string { return v.Raw["name"] }

// Description returns the VM's notes, byte for byte as they were set.
func (v VMConfig) Description() string { return v.Raw["description"] }

// Tags returns the VM's tags; PVE keeps them sorted and in lower case.
func (v VMConfig) Tags() []string { return splitList(v.Raw["tags"]) }

// SMBIOSUUID returns the UUID that the VM's firmware shows, "" when the config has none. PVE makes a new one for every clone
// (qemu-server, API2/Qemu.pm, clone_vm: generate_uuid), so two VMs never share it.
func (v VMConfig) SMBIOSUUID() string {
	for option := range strings.SplitSeq(v.Raw["smbios1"], ",") {
		if uuid, found := strings.CutPrefix(option, "uuid="); found {
			return strings.ToLower(uuid)
		}
	}
	return ""
}

// Lock returns the lock entry, such as "clone", "" when there is none.
func (v VMConfig) Lock() string { return v.Raw["lock"] }

// Template reports whether the VM is a template.
func (v VMConfig) Template() bool { return v.flag("template") }

// Protection reports whether the VM is protected against removal.
func (v VMConfig) Protection() bool { return v.flag("protection") }

// Digest returns the config's SHA-1, to be given with a change of what was read.
func (v VMConfig) Digest() string { return v.Raw["digest"] }

func (v VMConfig) flag(key string) bool {
	on, err := parseBool(v.Raw[key])
	return err == nil && on
}

// Drive returns the drive in a slot such as "scsi1"; false when the slot is
// empty, is none, or cannot be read.
func (v VMConfig) Drive(slot string) (Drive, bool) {
	value, ok := v.Raw[slot]
	if !ok || !drivePattern.MatchString(slot) {
		return Drive{}, false
	}
	d, err := ParseDrive(slot, value)
	return d, err == nil
}

// Drives returns all drives sorted by slot, also CDs and unused volumes.
func (v VMConfig) Drives() []Drive {
	var drives []Drive
	for slot := range v.Raw {
		if d, ok := v.Drive(slot); ok {
			drives = append(drives, d)
		}
	}
	slices.SortFunc(drives, func(a, b Drive) int { return strings.Compare(a.Slot, b.Slot) })
	return drives
}

// AttachedDrives returns the drives that the VM has, sorted by slot, also CDs. A clone gets these and no unused volume.
func (v VMConfig) AttachedDrives() []Drive {
	return slices.DeleteFunc(v.Drives(), func(d Drive) bool { return strings.HasPrefix(d.Slot, "unused") })
}

// ConfigChange is a change of a VM's config. PVE takes the keys in random order
// and keeps those done when one fails: after a failure read the config and send
// all again, except drives that are there by then.
type ConfigChange struct {
	// Set are the keys to set.
	Set []Param
	// Delete are the keys to unset. A drive's volume stays as unusedN.
	Delete []string
	// Digest of the config that the change is meant for; "" for any.
	Digest string
	// BackgroundDelay is how long PVE may work before it answers, in whole
	// seconds and at most 20 s, as pveproxy gives up after 30 s; 0 is not at all.
	BackgroundDelay time.Duration
}

// maxBackgroundDelay is in seconds; the server takes 1 to 30.
const maxBackgroundDelay = 20

// SetVMConfig changes a VM's config, in a task, so that disks may take their
// time. When the task ends within BackgroundDelay there is no task ID, and the
// result is (zero UPID, false, nil) or the failure; else the task still runs
// and is to be waited for.
func (c *Client) SetVMConfig(ctx context.Context, ref VMRef, change ConfigChange) (UPID, bool, error) {
	params := slices.Clone(change.Set)
	params = optional(params, "delete", strings.Join(change.Delete, ","))
	params = optional(params, "digest", change.Digest)
	if change.BackgroundDelay > 0 {
		seconds := int((change.BackgroundDelay + time.Second - 1) / time.Second)
		params = append(params, Param{"background_delay", strconv.Itoa(min(seconds, maxBackgroundDelay))})
	}
	upid, err := c.change(ctx, http.MethodPost, ref.path("/config"), params...)
	return upid, !upid.IsZero(), err
}

// EncodeSSHKeys writes public keys as the config key sshkeys wants them:
// percent-encoded, blanks as %20 and never "+". (The form encodes all that once
// more, on its own.)
func EncodeSSHKeys(keys ...string) string {
	lines := make([]string, 0, len(keys))
	for _, key := range keys {
		if key = strings.TrimSpace(key); key != "" {
			lines = append(lines, key)
		}
	}
	return escape(strings.Join(lines, "\n"))
}
