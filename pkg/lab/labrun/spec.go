package labrun

import (
	"crypto/sha256"
	"encoding/hex"

	"labctl/pkg/labspec"
)

// Spec is a lab spec with its text.
type Spec struct {
	Lab  *labspec.Lab
	Text []byte
}

// SHA256 is the hash of the text in hex.
func (s Spec) SHA256() string {
	sum := sha256.Sum256(s.Text)
	return hex.EncodeToString(sum[:])
}
