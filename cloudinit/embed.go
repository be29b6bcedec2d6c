// Package cloudinit holds what makes a guest fit for measuring: the cloud-config of its first boot, and the shell scripts
// that labctl runs on its targets afterwards. The scripts are plain POSIX sh without templating: everything they need
// comes as environment variables.
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

// UserData is the template (text/template) of the cloud-config; package seed fills it in. It does at the first boot what
// Prepare does afterwards.
//
//go:embed user-data.yaml.tmpl
var UserData string

// VendorData is UserData without user and key, for a data disk on the bus scsi at /opt/data: the snippet for others to
// copy. A test of package seed holds it to the template.
//
//go:embed vendor-data.yaml
var VendorData string
