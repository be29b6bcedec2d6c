package guest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Facts that this package reads; the others are for those who look at results.
const (
	factKind       = "kind"
	factBootID     = "boot_id"
	factDirectory  = "directory"
	factDisk       = "disk"
	factDiskBytes  = "disk_size_bytes"
	factRotational = "rotational"
	factDiscard    = "discard_max_bytes"
	factFio        = "fio_version"
)

// hostProcess is the kind of a guest of the sandbox: it has no disk of its own.
const hostProcess = "host-process"

// checkFacts sees that what every result needs is known.
func (v *visit) checkFacts(context.Context) error {
	var missing []string
	for _, key := range []string{factKind, factBootID, factDirectory, factFio} {
		if v.ready.Facts[key] == "" {
			missing = append(missing, key)
		}
	}
	if missing != nil {
		return final(fmt.Errorf("the guest does not tell its %s", strings.Join(missing, ", ")))
	}
	return nil
}

// checkDisk compares the disk below fio's directory, as the guest sees it, with what was asked for.
func (v *visit) checkDisk(context.Context) error {
	facts, want := v.ready.Facts, v.vm.Disk
	if facts[factKind] == hostProcess {
		v.note = "skipped: the guest is a process of this machine and has no disk of its own"
		return nil
	}
	var problems []error
	differ := func(option, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s, option %s: %s", want.Slot, option, fmt.Sprintf(format, args...)))
	}
	if size, err := strconv.ParseInt(facts[factDiskBytes], 10, 64); err != nil {
		return final(fmt.Errorf("%s: the guest does not tell which disk is below %s", want.Slot, facts[factDirectory]))
	} else if size != want.SizeBytes {
		differ("size", "%s has %d bytes in the guest, want %d", facts[factDisk], size, want.SizeBytes)
	}
	if want.SSD && facts[factRotational] != "0" {
		differ("ssd=1", "%s is rotational in the guest", facts[factDisk])
	}
	if most, err := strconv.ParseInt(facts[factDiscard], 10, 64); want.Discard && (err != nil || most == 0) {
		differ("discard=on", "%s takes no discards in the guest", facts[factDisk])
	}
	if problems != nil {
		return final(errors.Join(problems...))
	}
	return nil
}
