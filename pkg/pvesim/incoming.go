package pvesim

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// incoming is what a request brought along, or why it cannot be read; that comes out only after authentication.
type incoming struct {
	params params
	upload *upload
	err    error
	major  int
}

// readRequest collects the parameters of query and body.
func (c *Cluster) readRequest(r *http.Request) incoming {
	in := incoming{params: params{}, major: c.major}
	in.err = in.read(r)
	return in
}

func (in *incoming) read(r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &earlyError{textAnswer(http.StatusBadRequest, "Bad Request", "")}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		in.params = params(query)
	}
	if r.Body == nil || len(r.TransferEncoding) > 0 {
		return nil
	}
	header := r.Header.Get("Content-Type")
	kind, options, _ := mime.ParseMediaType(header)
	if kind == "multipart/form-data" && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/upload") {
		return in.readUpload(multipart.NewReader(r.Body, options["boundary"]))
	}
	if kind == "multipart/form-data" {
		kind = header
	}
	if r.ContentLength > maxBody {
		return &earlyError{textAnswer(http.StatusNotImplemented, "for data too large", "")}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return &earlyError{answer{drop: true}}
	}
	return in.readBody(r.Method, kind, body)
}

func (in *incoming) readBody(method, kind string, body []byte) error {
	switch {
	case len(body) > maxBody:
		return &earlyError{textAnswer(http.StatusNotImplemented, "for data too large", "")}
	case len(body) == 0:
		return nil
	case method == http.MethodDelete || method == http.MethodGet:
		text := fmt.Sprintf("Unexpected content for method '%s'", method)
		return &earlyError{textAnswer(http.StatusNotImplemented, text, text)}
	case kind == "application/json":
		return in.readJSON(body)
	case kind == "" || kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return &earlyError{textAnswer(http.StatusBadRequest, "Bad Request", "")}
		}
		for name, values := range form {
			in.params[name] = values
		}
		return nil
	}
	text := fmt.Sprintf("upload 'Content-Type '%s' not implemented", kind)
	return &earlyError{textAnswer(http.StatusVariantAlsoNegotiates, text, text)}
}

// readJSON takes parameters from a JSON object: true is 1, an array is a repeated parameter.
func (in *incoming) readJSON(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return in.perlError(fmt.Sprintf("'\"' expected, at character offset 1 (before %q)", bytes.Trim(body, "{}\n")), 917, 934)
	}
	for name, value := range object {
		if list, ok := value.([]any); ok {
			for _, v := range list {
				in.params[name] = append(in.params[name], jsonText(v))
			}
			continue
		}
		in.params[name] = []string{jsonText(value)}
	}
	return nil
}

func jsonText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "1"
		}
		return "0"
	default:
		return fmt.Sprint(v)
	}
}

// uploadFields are the only fields that may come with a file.
var uploadFields = []string{"content", "checksum", "checksum-algorithm"}

// readUpload takes the fields of an upload up to the file; what comes behind it is not looked at.
func (in *incoming) readUpload(parts *multipart.Reader) error {
	bad := &earlyError{textAnswer(http.StatusBadRequest, "Bad Request", "")}
	for {
		part, err := parts.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return in.perlError("upload failed", 1317, 1370)
		case err != nil:
			return bad
		case part.FileName() != "" && part.FormName() != "filename":
			return in.perlError(fmt.Sprintf("wrong field name '%s' for file upload, expected 'filename'", part.FormName()), 1281, 1325)
		case part.FileName() != "":
			if in.upload, err = readFile(part); err != nil {
				return bad
			}
			in.params["filename"] = []string{part.FileName()}
			return nil
		case !slices.Contains(uploadFields, part.FormName()):
			return bad
		}
		value, err := io.ReadAll(io.LimitReader(part, maxBody))
		if err != nil {
			return bad
		}
		in.params[part.FormName()] = []string{string(value)}
	}
}

// perlError is an error of pveproxy itself, which says where in its source it happened: on 8, or on 9.
func (in *incoming) perlError(text string, line8, line9 int) error {
	line := line9
	if in.major == 8 {
		line = line8
	}
	text = fmt.Sprintf("%s at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line %d.", text, line)
	return &earlyError{textAnswer(http.StatusInternalServerError, text, text+"\n")}
}

// maxKept is the largest upload whose content is kept: enough for a seed, not for an installation medium.
const maxKept = 4 << 20

// readFile measures a file and keeps it if it is small.
func readFile(part *multipart.Part) (*upload, error) {
	sums := map[string]hash.Hash{"md5": md5.New(), "sha1": sha1.New(), "sha256": sha256.New(), "sha512": sha512.New()}
	small := &bytes.Buffer{}
	all := []io.Writer{&keeper{small}}
	for _, h := range sums {
		all = append(all, h)
	}
	size, err := io.Copy(io.MultiWriter(all...), part)
	u := &upload{name: part.FileName(), size: size, sums: map[string]string{}}
	for name, h := range sums {
		u.sums[name] = hex.EncodeToString(h.Sum(nil))
	}
	if size <= maxKept {
		u.small = small.Bytes()
	}
	return u, err
}

// keeper keeps what is written to it, up to maxKept bytes and one write more.
type keeper struct{ *bytes.Buffer }

// Write implements io.Writer.
func (k *keeper) Write(p []byte) (int, error) {
	if k.Len() <= maxKept {
		return k.Buffer.Write(p)
	}
	return len(p), nil
}
