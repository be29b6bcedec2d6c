// Package cidata writes the medium on which cloud-init's NoCloud data source finds its files: an ISO 9660 file system
// labelled "cidata" (cloud-init documentation, "NoCloud").
package cidata

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// Label is the volume label that cloud-init looks for.
const Label = "cidata"

// Files are the texts of the data source. Only UserData and MetaData have to be there.
type Files struct {
	UserData, MetaData, NetworkConfig, VendorData string
}

const blockBytes = 2048

// maxBytes bounds an image; PVE's own cloud-init drives have 4 MiB.
const maxBytes = 4 << 20

// ISO returns the image. Names are stored with Rock Ridge and Joliet, without which they would read USER_DAT.;1.
func ISO(files Files) (image []byte, err error) {
	if files.MetaData == "" || files.UserData == "" {
		return nil, errors.New("making the cloud-init medium: user-data and meta-data must not be empty")
	}
	dir, err := os.MkdirTemp("", "labctl-cidata-")
	if err != nil {
		return nil, fmt.Errorf("making the cloud-init medium: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	image, err = write(filepath.Join(dir, "image"), filepath.Join(dir, "files"), files)
	if err != nil {
		return nil, fmt.Errorf("making the cloud-init medium: %w", err)
	}
	return image, nil
}

// write makes the image in a file that does not exist, by way of a directory that does not either.
func write(path, workspace string, files Files) (image []byte, err error) {
	if err := os.Mkdir(workspace, 0o700); err != nil {
		return nil, err
	}
	backend, err := file.CreateFromPath(path, maxBytes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	system, err := iso9660.Create(backend, maxBytes, 0, blockBytes, workspace)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct{ name, text string }{
		{"user-data", files.UserData},
		{"meta-data", files.MetaData},
		{"network-config", files.NetworkConfig},
		{"vendor-data", files.VendorData},
	} {
		if part.text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(workspace, part.name), []byte(part.text), 0o600); err != nil {
			return nil, err
		}
	}
	if err := system.Finalize(iso9660.FinalizeOptions{RockRidge: true, Joliet: true, VolumeIdentifier: Label}); err != nil {
		return nil, err
	}
	image, err = os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return trim(image), nil
}

// trim cuts the blocks of zeros off the end, as far as the image itself does not say that they belong to it.
func trim(image []byte) []byte {
	end := len(bytes.TrimRight(image, "\x00"))
	return image[:min(len(image), (end+blockBytes-1)/blockBytes*blockBytes)]
}
