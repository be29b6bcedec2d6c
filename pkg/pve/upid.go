package pve

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// upidPattern follows PVE::Tools::upid_decode, but lets pstart have any number
// of digits from eight: it counts 1/100 s since boot and outgrows them.
var upidPattern = regexp.MustCompile(`^UPID:([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)` +
	`:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,16}:([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$`)

// UPID is the ID of a task on a PVE node. The zero UPID stands for "no task".
// UPIDs are comparable and marshal to their text.
type UPID struct {
	// Node is the node on which the task runs.
	Node string
	// Type is the kind of work, such as "qmclone".
	Type string
	// ID is what the work is done to; for a clone that is the source's VMID.
	ID string
	// User is the owner; for an API token "user@realm!token".
	User string
	// StartTime is when the task began by the node's clock, in whole seconds, UTC.
	StartTime time.Time

	text string
}

// ParseUPID reads a UPID as PVE writes it, such as
// "UPID:pve:0000016C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run:".
func ParseUPID(s string) (UPID, error) {
	m := upidPattern.FindStringSubmatch(s)
	if m == nil {
		return UPID{}, fmt.Errorf("task ID %q is not a UPID", s)
	}
	seconds, err := strconv.ParseInt(m[2], 16, 64)
	if err != nil {
		return UPID{}, fmt.Errorf("parsing start time of task ID %q: %w", s, err)
	}
	return UPID{
		Node: m[1], Type: m[3], ID: m[4], User: m[5],
		StartTime: time.Unix(seconds, 0).UTC(), text: s,
	}, nil
}

// String returns the UPID exactly as PVE wrote it, and "" for the zero UPID.
func (u UPID) String() string { return u.text }

// IsZero reports whether u stands for no task.
func (u UPID) IsZero() bool { return u.text == "" }

// MarshalText implements encoding.TextMarshaler.
func (u UPID) MarshalText() ([]byte, error) { return []byte(u.text), nil }

// UnmarshalText implements encoding.TextUnmarshaler; an empty text is the zero UPID.
func (u *UPID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*u = UPID{}
		return nil
	}
	parsed, err := ParseUPID(string(text))
	if err != nil {
		return err
	}
	*u = parsed
	return nil
}
