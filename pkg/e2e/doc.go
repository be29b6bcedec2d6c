// Package e2e tests labctl from end to end with real virtual machines and without Proxmox: `make e2e` builds labctl, and
// its tests run it with --sandbox=qemu. They need QEMU, mmdebstrap, fio and root, and take minutes; so they have the build
// tag e2e.
package e2e
