package pvesim

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// downloadable are the names that a downloaded disk image may have; unlike an import of other origin no ovf.
var downloadable = regexp.MustCompile(`^[-a-zA-Z0-9_.+=]+\.(?:ova|qcow2|raw|vmdk)$`)

// downloadFile is POST .../storage/{storage}/download-url. Nothing is fetched from anywhere: the download fails unless
// the topology says that the address has something.
func downloadFile(k *call) (any, error) {
	s, err := k.pathStorage()
	if err != nil {
		return nil, err
	}
	content := k.params.text("content")
	if s.kind != "dir" {
		return nil, failure("can't upload to storage type '%s', not a file based storage!", s.kind)
	}
	if !s.offers(content) {
		return nil, failure("storage '%s' is not configured for content-type '%s'", s.name, content)
	}
	name, err := storedName(content, k.params.text("filename"))
	if content == "import" && (err != nil || !downloadable.MatchString(name)) {
		return nil, badParameter("filename", "invalid filename or wrong extension")
	}
	if err != nil {
		return nil, err
	}
	d := &download{call: k, storage: s, content: content, name: name, url: k.params.text("url"), sum: k.params.text("checksum")}
	return k.fork("download", name, sleepFor(k.timings.Fork), d.begin)
}

// download is one download under way (PVE::Tools, download_file_from_url).
type download struct {
	*call
	storage            *storage
	content, name, url string
	sum                string // what is expected; empty: no check
}

func (d *download) target() string {
	return (&volume{storage: d.storage, name: d.content + "/" + d.name, content: d.content}).devicePath()
}

// begin looks at what is there already and fetches what is not.
func (d *download) begin(w *worker) error {
	w.logf("downloading %s to %s", d.url, d.target())
	if have, ok := d.storage.volumes[d.content+"/"+d.name]; ok {
		return d.keep(w, have)
	}
	w.logf("--%s--  %s", d.clock.UTC().Format("2006-01-02 15:04:05"), d.url)
	file, ok := d.downloads[d.url]
	if !ok {
		return fmt.Errorf("download failed: Connecting to %s... failed: Connection refused.", hostOf(d.url)) //nolint:staticcheck // wget's own words
	}
	w.do(sleepFor(d.timings.CopyPerGiB*time.Duration(file.SizeBytes>>20)/1024), func(w *worker) error { return d.store(w, file) })
	return nil
}

// keep is a file of that name that exists: it is never overwritten.
func (d *download) keep(w *worker, have *volume) error {
	if d.sum == "" {
		return fmt.Errorf("refusing to override existing file '%s'", d.target())
	}
	w.logf("calculating checksum of existing file...")
	if !matches(have.sha256, d.sum) {
		return fmt.Errorf("checksum mismatch: got '%s' != expect '%s', aborting", have.sha256, d.sum)
	}
	w.logf("OK, got correct file already, no need to download")
	return nil
}

// store puts the file in its place, if it is the expected one; else nothing stays.
func (d *download) store(w *worker, file FileSpec) error {
	if d.sum != "" {
		w.logf("calculating checksum...")
		if !matches(file.SHA256, d.sum) {
			return fmt.Errorf("checksum mismatch: got '%s' != expect '%s'", file.SHA256, d.sum)
		}
		w.logf("OK, checksum verified")
	}
	made := d.storage.addFile(d.content, d.name, file.SizeBytes, d.clock)
	made.virtual, made.sha256 = file.VirtualBytes, file.SHA256
	w.logf("download of '%s' to '%s' finished", d.url, d.target())
	return nil
}

// matches compares two checksums. A file without one is a made-up file, which passes.
func matches(got, want string) bool { return got == "" || strings.EqualFold(got, want) }

func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
