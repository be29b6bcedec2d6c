package pve

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// File is what Upload puts on a storage.
type File struct {
	// Name is the name on the storage, such as "seed.iso"; PVE replaces what is not a letter, digit, ".", "_" or "-".
	Name string
	// Content is what it is: "iso", "vztmpl" or "import".
	Content string
	// SizeBytes is how much Body yields.
	SizeBytes int64
	// Body is read once.
	Body io.Reader
	// SHA256 in hex lets the server check what arrived; "" for no check.
	SHA256 string
}

// slowestUpload is the rate in bytes per second below which an upload is given up.
const slowestUpload = 1 << 20

// sendTime is how long the file may take on its way, beside what any call may take. It is 0 without a file.
func (f *File) sendTime() time.Duration {
	if f == nil {
		return 0
	}
	return time.Duration(f.SizeBytes/slowestUpload) * time.Second
}

// Upload sends a file to a storage and begins to move it to its place, over a file of that name that may be there
// (API2/Storage/Status.pm, upload). The upload has to go to the node that has the storage: pveproxy does not pass it on.
func (c *Client) Upload(ctx context.Context, node, storage string, file File) (UPID, error) {
	params := []Param{{"content", file.Content}}
	if file.SHA256 != "" {
		params = append(params, Param{"checksum-algorithm", "sha256"}, Param{"checksum", file.SHA256})
	}
	var text wireText
	path := storagePath(node, storage) + "/upload"
	if err := c.send(ctx, call{method: http.MethodPost, path: path, params: params, file: &file}, &text); err != nil {
		return UPID{}, err
	}
	upid, err := ParseUPID(string(text))
	if err != nil {
		return UPID{}, &Error{
			Method: http.MethodPost, Path: path, Status: http.StatusOK, Message: err.Error(),
			kinds: []error{ErrOutcomeUnknown}, cause: err,
		}
	}
	return upid, nil
}

// DeleteVolume begins to remove a volume by its ID, such as "local:iso/seed.iso". It needs Datastore.Allocate on the
// storage, and succeeds for a file that is not there.
func (c *Client) DeleteVolume(ctx context.Context, node, volumeID string) (UPID, error) {
	storage, name, ok := strings.Cut(volumeID, ":")
	if !ok || storage == "" || name == "" {
		return UPID{}, fmt.Errorf("removing volume %q: want STORAGE:NAME: %w", volumeID, ErrInvalid)
	}
	return c.begin(ctx, http.MethodDelete, storagePath(node, storage)+"/content/"+escape(volumeID))
}

// storagePath is the API path of a storage on a node.
func storagePath(node, storage string) string {
	return "/nodes/" + url.PathEscape(node) + "/storage/" + url.PathEscape(storage)
}

// newUploadRequest makes the one request with a multipart body: the parameters first, then the file in the field
// "filename", all with its length, since pveproxy refuses chunked bodies (PVE::APIServer::AnyEvent, file_upload_multipart).
func newUploadRequest(ctx context.Context, target string, c call) (*http.Request, error) {
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	for _, param := range c.params {
		if err := form.WriteField(param.Key, param.Value); err != nil {
			return nil, err
		}
	}
	if _, err := form.CreateFormFile("filename", c.file.Name); err != nil {
		return nil, err
	}
	tail := "\r\n--" + form.Boundary() + "--\r\n"
	length := int64(head.Len()) + c.file.SizeBytes + int64(len(tail))
	body := io.MultiReader(&head, io.LimitReader(c.file.Body, c.file.SizeBytes), strings.NewReader(tail))
	req, err := http.NewRequestWithContext(ctx, c.method, target, io.NopCloser(body))
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", form.FormDataContentType())
	setHeaders(req, c)
	return req, nil
}
