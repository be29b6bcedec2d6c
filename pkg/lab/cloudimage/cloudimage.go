// Package cloudimage names the cloud image that a template is made from, and finds out which checksum its publisher
// states for it.
package cloudimage

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Jammy is Ubuntu 22.04 for amd64, as its publisher names the newest build. What is behind the address changes every few
// weeks, and its checksum with it.
const Jammy = "https://cloud-images.ubuntu.com/jammy/current/jammy-server-cloudimg-amd64.img"

// sumsFile has the checksums of all files of a folder, in the format of sha256sum(1).
const sumsFile = "SHA256SUMS"

// maxSums bounds that file in bytes; the publisher's has a few KiB.
const maxSums = 1 << 20

// Doer sends an HTTP request.
type Doer interface {
	Do(request *http.Request) (*http.Response, error)
}

// PublishedSum asks the publisher for the SHA-256 of an image, in hex: the file SHA256SUMS beside the image says it. The
// address has to be https: whoever could change the answer could change the image too.
func PublishedSum(ctx context.Context, client Doer, imageURL string) (string, error) {
	address, name, err := sumsOf(imageURL)
	if err != nil {
		return "", err
	}
	data, err := fetch(ctx, client, address)
	if err != nil {
		return "", fmt.Errorf("asking the publisher for the checksum of %s: %w: give it with template.image.sha256 or --sha256, or a file with --image-file", name, err)
	}
	sum, err := ParseSums(data, name)
	if err != nil {
		return "", fmt.Errorf("%s: %w: correct template.image.url", address, err)
	}
	return sum, nil
}

// sumsOf is the address of the checksums, and the name of the image in them.
func sumsOf(imageURL string) (address, name string, err error) {
	u, err := url.Parse(imageURL)
	if err != nil {
		return "", "", fmt.Errorf("image address: %w", err)
	}
	name = path.Base(u.Path)
	switch {
	case u.Scheme != "https":
		return "", "", fmt.Errorf("image address %s: only over https can the publisher be asked for the checksum: give it with template.image.sha256 or --sha256", imageURL)
	case name == "." || name == "/" || u.Host == "":
		return "", "", fmt.Errorf("image address %s: it names no file", imageURL)
	}
	sums := *u
	sums.Path, sums.RawPath, sums.RawQuery, sums.Fragment = path.Join(path.Dir(u.Path), sumsFile), "", "", ""
	return sums.String(), name, nil
}

func fetch(ctx context.Context, client Doer, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "labctl")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxSums+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", address, err)
	}
	if len(data) > maxSums {
		return nil, fmt.Errorf("%s is longer than %d bytes", address, maxSums)
	}
	return data, nil
}

var sumPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ValidSum says whether the text is a SHA-256 in lower-case hex.
func ValidSum(text string) bool { return sumPattern.MatchString(text) }

// errNotListed is a checksum file that says nothing of the image.
var errNotListed = errors.New("it is not listed there")

// ParseSums finds the checksum of a file in what sha256sum(1) writes: "SUM  NAME" or "SUM *NAME" on each line. Two
// different sums for one name are an error.
func ParseSums(data []byte, name string) (string, error) {
	found := ""
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		sum, rest, ok := strings.Cut(strings.TrimRight(lines.Text(), "\r"), " ")
		if !ok || len(rest) < 2 || rest[1:] != name || (rest[0] != ' ' && rest[0] != '*') {
			continue
		}
		sum = strings.ToLower(sum)
		switch {
		case !ValidSum(sum):
			return "", fmt.Errorf("the checksum of %s is %q, which is no SHA-256", name, sum)
		case found != "" && found != sum:
			return "", fmt.Errorf("%s is listed with two checksums", name)
		}
		found = sum
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("reading the checksums: %w", err)
	}
	if found == "" {
		return "", fmt.Errorf("%s: %w", name, errNotListed)
	}
	return found, nil
}

// Sum reads everything and returns its SHA-256 in hex and its length in bytes.
func Sum(r io.Reader) (sum string, bytes int64, err error) {
	hash := sha256.New()
	n, err := io.Copy(hash, r)
	if err != nil {
		return "", 0, fmt.Errorf("reading the image: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), n, nil
}

// Extension is the ending that PVE wants for the image's format, by what the file begins with: "qcow2" or "raw" (QEMU,
// docs/interop/qcow2.txt: the magic number). Publishers call both .img.
func Extension(head []byte) string {
	if bytes.HasPrefix(head, []byte("QFI\xfb")) {
		return "qcow2"
	}
	return "raw"
}
