// Package labrun is the life of a lab on a PVE server, from up to down: the lock and the journal that a process holds of
// it, what it undoes, what it proves, and what it finds of labs that nobody removed.
package labrun
