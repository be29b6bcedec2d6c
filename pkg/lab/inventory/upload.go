package inventory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"

	"labctl/pkg/pve"
)

// UploadName is the owner mark of a file on a storage, which has no notes to carry one: everything that labctl uploads or
// has the server download is named so.
type UploadName struct {
	Lab   string
	Run   string // the run ID
	For   string // the VM's name in the lab spec, or what else the file is for
	Owner string // whose lab it is: in a parsed name only its hash, see SameOwner
	State string // of the state directory, as in Mark; "" in names of labctl before it was noted
	Ext   string // such as "iso" or "qcow2"
}

// ownerHash is what of the owner fits into a file name.
func ownerHash(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(sum[:4])
}

// FileName is the name on the storage: labctl-LAB-RUN-FOR-OWNERHASH+STATE.EXT.
func (n UploadName) FileName() string {
	return fmt.Sprintf("labctl-%s-%s-%s-%s%s.%s", n.Lab, n.Run, n.For, ownerHash(n.Owner), n.State, n.Ext)
}

// SameOwner says whether a parsed name is of that owner.
func (n UploadName) SameOwner(owner string) bool { return n.Owner == ownerHash(owner) }

var uploadPattern = regexp.MustCompile(`[:/]labctl-([a-z0-9-]+)-(\d{8}T\d{6}Z-[0-9a-f]{4})-([a-z0-9-]+)-([0-9a-f]{8})([0-9a-f]{8})?\.([a-z0-9]+)$`)

// ParseUploadName finds the owner mark in a volume ID such as "local:iso/labctl-....iso". Anything that is not exactly a
// mark is none. Owner is then the owner's hash.
func ParseUploadName(volumeID string) (UploadName, bool) {
	m := uploadPattern.FindStringSubmatch(volumeID)
	if m == nil {
		return UploadName{}, false
	}
	return UploadName{Lab: m[1], Run: m[2], For: m[3], Owner: m[4], State: m[5], Ext: m[6]}, true
}

// Upload is a file that labctl put on a storage.
type Upload struct {
	Node   string
	Volume pve.Volume
	Name   UploadName
}

// uploadContent are the kinds of content that labctl uploads.
func uploadContent() []string { return []string{"iso", "import"} }

// VolumeAPI lists storages and what is on them.
type VolumeAPI interface {
	StorageAPI
	Volumes(ctx context.Context, node, storage string, owner pve.VMID) ([]pve.Volume, error)
}

// FindUploads lists the files on a node's storages whose name carries an owner mark, whoever owns them. A storage that
// does not answer is an error: what cannot be seen may be there.
func FindUploads(ctx context.Context, api VolumeAPI, node string) ([]Upload, error) {
	storages, err := api.Storages(ctx, node)
	if err != nil {
		return nil, fmt.Errorf("listing the storages of node %s: %w", node, err)
	}
	var found []Upload
	for _, storage := range storages {
		if !storage.Enabled || !slices.ContainsFunc(storage.Content, func(c string) bool { return slices.Contains(uploadContent(), c) }) {
			continue
		}
		volumes, err := api.Volumes(ctx, node, storage.Name, 0)
		if err != nil {
			return nil, fmt.Errorf("listing the uploads on storage %s of node %s: %w", storage.Name, node, err)
		}
		for _, volume := range volumes {
			if name, ok := ParseUploadName(volume.ID); ok {
				found = append(found, Upload{Node: node, Volume: volume, Name: name})
			}
		}
	}
	return found, nil
}
