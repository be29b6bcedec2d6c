package vmtemplate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"labctl/pkg/lab/cloudimage"
)

// localSource reads the file once for its checksum.
func localSource(wanted Wanted) (source, error) {
	open := func() (io.ReadCloser, int64, error) {
		file, err := os.Open(wanted.File)
		if err != nil {
			return nil, 0, fmt.Errorf("opening the image: %w", err)
		}
		info, err := file.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no regular file", wanted.File)
		}
		if err != nil {
			return nil, 0, errors.Join(err, file.Close())
		}
		return file, info.Size(), nil
	}
	file, _, err := open()
	if err != nil {
		return source{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	head := make([]byte, 4)
	if _, err := io.ReadFull(file, head); err != nil {
		return source{}, fmt.Errorf("reading the image %s: %w", wanted.File, err)
	}
	if err := checkHead(wanted.File, head); err != nil {
		return source{}, err
	}
	sum, _, err := cloudimage.Sum(io.MultiReader(strings.NewReader(string(head)), file))
	if err != nil {
		return source{}, err
	}
	if wanted.SHA256 != "" && sum != wanted.SHA256 {
		return source{}, fmt.Errorf("image %s: its checksum is %s, expected was %s: download it again", wanted.File, sum, wanted.SHA256)
	}
	return source{name: path.Base(wanted.File), extension: cloudimage.Extension(head), sha256: sum, open: open}, nil
}

// checkHead refuses what PVE would take for a raw disk only because it is no qcow2 image: a VM would not boot from it.
func checkHead(file string, head []byte) error {
	for _, packed := range []struct{ magic, what, unpack string }{
		{"\x1f\x8b", "gzip", "gunzip"}, {"\xfd7zX", "xz", "unxz"}, {"\x28\xb5\x2f\xfd", "zstd", "unzstd"}, {"BZh", "bzip2", "bunzip2"},
	} {
		if strings.HasPrefix(string(head), packed.magic) {
			return fmt.Errorf("image %s is compressed with %s, which PVE cannot import: unpack it with %s first", file, packed.what, packed.unpack)
		}
	}
	if path.Ext(file) == ".qcow2" && cloudimage.Extension(head) != "qcow2" {
		return fmt.Errorf("image %s is no qcow2 image, as it does not begin with QFI and the byte 0xfb: download it again, or call it .raw when it is a raw disk", file)
	}
	return nil
}
