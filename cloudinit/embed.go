// Package cloudinit holds the shell scripts that labctl runs on its targets after their first boot. They are plain
// POSIX sh without templating: everything they need comes as environment variables.
package cloudinit

import _ "embed" // for the scripts

// Prepare makes a VM fit for measuring: it waits for cloud-init, silences apt, installs fio, and formats and mounts the
// data disk. Running it again changes nothing.
//
//go:embed prepare.sh
var Prepare string

// Facts prints what the target is as key=value lines on stdout. It needs no privileges and changes nothing.
//
//go:embed facts.sh
var Facts string
