package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// maxBlob bounds what a blob may unpack to: no fio report comes near, a damaged file could.
const maxBlob = 1 << 30

// newBlob is the reference to data.
func newBlob(data []byte) Blob {
	sum := sha256.Sum256(data)
	return Blob{SHA256: hex.EncodeToString(sum[:]), SizeBytes: int64(len(data))}
}

func compress(data []byte) ([]byte, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return nil, fmt.Errorf("compressing raw data: %w", err)
	}
	packed := encoder.EncodeAll(data, nil)
	return packed, encoder.Close()
}

// unpack reverses compress.
func unpack(packed []byte) ([]byte, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlob))
	if err != nil {
		return nil, fmt.Errorf("unpacking raw data: %w", err)
	}
	defer decoder.Close()
	data, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpacking raw data: %w", err)
	}
	return data, nil
}

// checkBlob makes sure that packed is what a blob file of this path must hold.
func checkBlob(path string, packed []byte) error {
	data, err := unpack(packed)
	if err == nil && blobFile(newBlob(data).SHA256) != path {
		err = errors.New("its content does not fit its name")
	}
	return err
}

// Raw returns the uncompressed content of a blob of any run in the store, checked against its hash.
func (s *Store) Raw(blob Blob) ([]byte, error) {
	if !blobPattern.MatchString(blob.SHA256 + blobSuffix) {
		return nil, fmt.Errorf("%q is not the hash of raw data", blob.SHA256)
	}
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	problem := fmt.Errorf("no run in %s has raw data %s: %w", s.dir, blob.SHA256, fs.ErrNotExist)
	for _, id := range ids {
		path := filepath.Join(s.dir, id, filepath.FromSlash(blobFile(blob.SHA256)))
		packed, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = checkBlob(blobFile(blob.SHA256), packed)
		}
		if err == nil {
			return unpack(packed)
		}
		problem = fmt.Errorf("reading %s: %w", path, err) // another run may have a whole copy
	}
	return nil, problem
}
