// Package pve is a typed client for the part of the Proxmox VE API that a
// benchmark lab needs: clone, configure, start, ask the guest agent, stop,
// destroy, and wait for the tasks behind all of these. It knows nothing of labs.
//
// Three rules shape it:
//
//   - A change is sent once. Reads are repeated when the network or PVE
//     stumbles, changes never; when the answer to a change is lost the error is
//     [ErrOutcomeUnknown] and the caller has to look what happened. A change in
//     flight outlives a cancelled context for a few seconds, since a lost task
//     ID costs more than they do.
//   - PVE says most things only in prose. All knowledge of its texts is in
//     classify.go; everybody else asks with errors.Is and errors.As.
//   - PVE's numbers may be strings, its booleans numbers, its bytes Latin-1
//     text. wire.go sets that right at the border.
//
// A call passes a chain of handlers, one file each, in the order of chain.go.
// Everything waits on contexts and timers only, so that all of it runs in a
// testing/synctest bubble over an in-memory http.RoundTripper.
//
// Facts about the server were recorded on PVE 8.4.21 and 9.2.11.
package pve
