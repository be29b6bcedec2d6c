package pve

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// VolumePath returns where a node has a volume, such as "/dev/zvol/rpool/data/vm-101-disk-1". A volume that is not there is
// an error.
func (c *Client) VolumePath(ctx context.Context, node, volumeID string) (string, error) {
	storage, name, ok := strings.Cut(volumeID, ":")
	if !ok || storage == "" || name == "" {
		return "", fmt.Errorf("looking up volume %q: want STORAGE:NAME: %w", volumeID, ErrInvalid)
	}
	var w struct {
		Path wireText `json:"path"`
	}
	path := "/nodes/" + url.PathEscape(node) + "/storage/" + url.PathEscape(storage) + "/content/" + escape(volumeID)
	if err := c.get(ctx, path, &w); err != nil {
		return "", err
	}
	return string(w.Path), nil
}
