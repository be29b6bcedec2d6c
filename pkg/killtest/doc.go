// Package killtest holds the tests that treat labctl as a process: the built binary is killed, interrupted, starved of
// disk space and handed other versions' journals, and afterwards nothing of it may be left on the emulated Proxmox VE. It
// has tests only. The whole kill matrix runs with `go test ./pkg/killtest -kill`; without the flag a sample of it does.
package killtest
