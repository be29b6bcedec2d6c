// Package pvesim is a Proxmox VE 8 or 9 cluster that lives inside this process: enough of its API, its storage, its
// tasks and its locks to provision, run and remove labs without a Proxmox host.
//
// It is stateful and exact about what hurts a client: error texts travel in the status line, a worker that ends "OK"
// may leave volumes behind, a clone enters its pool last, locks time out after the real times, and a list is filtered
// by privilege rather than refused. Simulated time is the wall clock: what is due is applied, in order, when the next
// request comes in or when Serve's loop wakes up, so that the whole package also works inside a testing/synctest bubble.
//
//   - cluster.go, topology.go, sandbox.go: what exists at the beginning
//   - clock.go, worker.go, flock.go: simulated time, workers made of steps, file locks
//   - http.go, incoming.go, transport.go, serve.go, router.go, respond.go: requests in, PVE's own answers out
//   - auth.go, acl.go, roles.go: who may do what
//   - everything else is named after the part of Proxmox VE that it plays
//
// The schema is made by internal/schemagen from the schema that Proxmox VE publishes (apidata.js as JSON).
package pvesim

//go:generate go run ./internal/schemagen -out zz_schema.json -8 ../../testdata/pve-api/schema-8.4.json.gz -9 ../../testdata/pve-api/schema-9.2.json.gz
