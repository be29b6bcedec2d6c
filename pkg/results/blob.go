package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory of unpacking; what compress writes needs less.
const maxWindow = 32 << 20

// newPacker makes what pack compresses with. It has large tables, so that one is made for a run.
func newPacker() (*zstd.Encoder, error) {
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return nil, fmt.Errorf("compressing raw data: %w", err)
	}
	return packer, nil
}

// pack compresses data and returns the reference to it.
func pack(packer *zstd.Encoder, data []byte) (Blob, []byte, error) {
	if len(data) > maxBlob {
		return Blob{}, nil, fmt.Errorf("storing %d bytes: at most %d are kept", len(data), maxBlob)
	}
	packed := packer.EncodeAll(data, nil)
	return Blob{SHA256: hashOf(data), SizeBytes: int64(len(data)), PackedSHA256: hashOf(packed)}, packed, nil
}

// unpackTo writes the content of a packed blob, which is at most this long, to w.
func unpackTo(w io.Writer, packed []byte, most int64) error {
	decoder, err := zstd.NewReader(bytes.NewReader(packed),
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	defer decoder.Close()
	n, err := io.Copy(w, io.LimitReader(decoder, most+1))
	switch {
	case err != nil:
		return fmt.Errorf("unpacking: %w", err)
	case n > most:
		return fmt.Errorf("unpacks to more than %d bytes", most)
	}
	return nil
}

// checkBlob makes sure that packed is what a blob file of this path must hold, and returns how long its content is.
func checkBlob(path string, packed []byte, most int64) (int64, error) {
	sum := sha256.New()
	counter := &countingWriter{to: sum}
	if err := unpackTo(counter, packed, min(most, maxBlob)); err != nil {
		return 0, err
	}
	if blobFile(hex.EncodeToString(sum.Sum(nil))) != path {
		return 0, errors.New("its content does not fit its name")
	}
	return counter.n, nil
}

// countingWriter counts what passes.
type countingWriter struct {
	to io.Writer
	n  int64
}

// Write passes p on.
func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
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
		data, err := readBlob(filepath.Join(s.dir, id), blob)
		switch {
		case err == nil:
			return data, nil
		case !errors.Is(err, errMissing):
			problem = err // another run may have a whole copy
		}
	}
	return nil, problem
}

// readBlob reads a blob from the folder of its run.
func readBlob(dir string, blob Blob) ([]byte, error) {
	path := filepath.Join(dir, filepath.FromSlash(blobFile(blob.SHA256)))
	packed, err := readRegular(path, maxPacked)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var content bytes.Buffer
	err = unpackTo(&content, packed, maxBlob)
	if err == nil && hashOf(content.Bytes()) != blob.SHA256 {
		err = errors.New("its content does not fit its name")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return content.Bytes(), nil
}
