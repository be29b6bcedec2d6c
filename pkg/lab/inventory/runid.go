package inventory

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Lifetime is how long after its beginning a lab run that nobody removed counts as forgotten.
const Lifetime = 24 * time.Hour

// runIDTime is the time in a run ID.
const runIDTime = "20060102T150405Z"

// NewRunID makes the ID of a lab run. IDs sort by time.
func NewRunID(now time.Time) string {
	random := make([]byte, 2)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return now.UTC().Format(runIDTime) + "-" + hex.EncodeToString(random)
}

// RunExpiry is when the run with that ID expires, as far as its ID tells; the zero time when it tells nothing.
func RunExpiry(runID string) time.Time {
	begun, err := time.Parse(runIDTime, runID[:min(len(runID), len(runIDTime))])
	if err != nil {
		return time.Time{}
	}
	return begun.Add(Lifetime)
}
