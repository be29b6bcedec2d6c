// Package teardown decides what happens to everything that a lab run may have left on PVE. What is known of a VMID is one
// value, Known. What happens is one table, Rows, with a row per case; what lies on a storage under the VMID is judged by
// another, VolumeRows. The package asks nobody and changes nothing. docs/teardown.md has the same rows; a test compares them.
package teardown
