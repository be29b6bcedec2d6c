// Package labspec reads the lab file: the one YAML document that says which VMs a lab has, which disk each of them
// gets, which machine hosts them and what is measured on all of them.
//
// [Parse] is strict and complete: it refuses what it does not know, and it reports every problem of the file at once,
// each with line, column, dotted path and remedy. What it returns has all defaults filled in and is known to be
// consistent, so no later package checks a spec again.
//
// Every key of the file is one line of the tables in fields.go. The reader, the defaults and the JSON Schema for
// editors ([Schema]) are all made from these tables.
package labspec
