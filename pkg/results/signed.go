package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Every JSON file of a run begins with the hash of the rest of it, so that a change shows when the file is read, also
// before the run is sealed:
//
//	{
//	  "sha256": "…",
//	  "schema_version": 2,

const (
	sumStart  = "{\n  \"sha256\": \""
	sumEnd    = "\",\n"
	sumLength = len(sumStart) + 2*sha256.Size + len(sumEnd)
)

var errChanged = errors.New("was changed after it was written: its content does not fit its hash")

// encode is the file of a value, with its hash on the second line.
func encode(value any) ([]byte, error) {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	rest := append(bytes.TrimPrefix(text, []byte("{\n")), '\n')
	return append([]byte(sumStart+hashOf(rest)+sumEnd), rest...), nil
}

// checkSum says whether the content of a file of schema 2 is what was written.
func checkSum(content []byte) error {
	if len(content) < sumLength || !bytes.HasPrefix(content, []byte(sumStart)) {
		return errChanged
	}
	sum := content[len(sumStart) : len(sumStart)+2*sha256.Size]
	if string(sum) != hashOf(content[sumLength:]) {
		return errChanged
	}
	return nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
