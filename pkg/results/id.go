package results

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// NewID makes a run ID for a run that begins at this time. IDs of different seconds sort by time.
func NewID(begin time.Time) string {
	var tail [2]byte
	rand.Read(tail[:]) //nolint:errcheck // never fails, see crypto/rand
	return idOf(begin, tail[:])
}

// idTime is how an ID begins.
const idTime = "20060102T150405Z"

func idOf(begin time.Time, tail []byte) string {
	return begin.UTC().Format(idTime) + "-" + hex.EncodeToString(tail)
}
