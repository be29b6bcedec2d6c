package results

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Bounds on what is read. No run comes near them, a damaged or hostile one could.
const (
	maxJSON   = 64 << 20  // of one JSON file
	maxPacked = 128 << 20 // of one raw file as it is stored
	maxBlob   = 256 << 20 // of one raw file, unpacked
)

var (
	errMissing    = errors.New("is missing")
	errNotRegular = errors.New("is not a regular file")
)

// readRegular reads a whole file of at most this many bytes. It follows no symbolic link and waits for no FIFO.
func readRegular(path string, most int64) ([]byte, error) {
	file, err := openRegular(path, most, syscall.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	return readAll(file, most)
}

// ReadImport reads a file to be imported, which may be a link. It is a regular file, and not larger than the largest export.
func ReadImport(path string) ([]byte, error) {
	file, err := openRegular(path, maxExport, 0)
	if err != nil {
		return nil, err
	}
	return readAll(file, maxExport)
}

func readAll(file *os.File, most int64) ([]byte, error) {
	defer file.Close() //nolint:errcheck // read-only
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("has more than %d bytes", most)
	}
	return data, err
}

// openRegular opens a regular file of at most this many bytes.
func openRegular(path string, most int64, flags int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|flags, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errMissing
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("%w: it is a symbolic link", errNotRegular)
	case errors.Is(err, syscall.ENXIO): // a socket
		return nil, errNotRegular
	case err != nil:
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err == nil && !info.Mode().IsRegular():
		err = errNotRegular
	case err == nil && info.Size() > most:
		err = fmt.Errorf("has %d bytes, more than %d", info.Size(), most)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
