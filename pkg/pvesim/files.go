package pvesim

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// fileEndings are the names that a kind of file may have.
var fileEndings = map[string]*regexp.Regexp{
	"iso":    regexp.MustCompile(`(?i)\.(?:iso|img)$`),
	"vztmpl": regexp.MustCompile(`(?i)\.tar\.(?:gz|xz|zst|bz2)$`),
	"import": regexp.MustCompile(`(?i)\.(?:ova|ovf|qcow2|raw|vmdk)$`),
}

var unsafeInName = regexp.MustCompile(`[^-a-zA-Z0-9_.]`)

// storedName is the name that a file gets: without directories, blanks and other odd characters as underscores.
func storedName(content, name string) (string, error) {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = unsafeInName.ReplaceAllString(name, "_")
	if ending, ok := fileEndings[content]; !ok || !ending.MatchString(name) {
		return "", badParameter("filename", "wrong file extension")
	}
	return name, nil
}

// uploadFile is POST .../storage/{storage}/upload. What was sent is measured; only small files are kept.
func uploadFile(k *call) (any, error) {
	s, err := k.pathStorage()
	if err != nil {
		return nil, err
	}
	content := k.params.text("content")
	name, err := storedName(content, k.upload.name)
	if err != nil {
		return nil, err
	}
	if !s.offers(content) {
		return nil, failure("storage '%s' does not support '%s' content", s.name, content)
	}
	temporary := "/var/tmp/pveupload-" + strings.ReplaceAll(k.uuid(), "-", "")
	target := (&volume{storage: s, name: content + "/" + name, content: content}).devicePath()
	return k.fork("imgcopy", "", sleepFor(k.timings.Fork), func(w *worker) error {
		w.logf("starting file import from: %s", temporary)
		w.logf("target node: %s", k.node())
		w.logf("target file: %s", target)
		w.logf("file size is: %d", k.upload.size)
		if sum := k.params.text("checksum"); sum != "" && sum != k.upload.sums[k.params.text("checksum-algorithm")] {
			return fmt.Errorf("checksum mismatch: got '%s' != expect '%s'", k.upload.sums[k.params.text("checksum-algorithm")], sum)
		}
		w.logf("command: cp -- %s %s", temporary, target)
		s.addFile(content, name, k.upload.size, k.clock).data = k.upload.small
		w.logf("finished file import successfully")
		return nil
	})
}

// downloadFile is POST .../storage/{storage}/download-url. Nothing is fetched from anywhere: the download fails unless
// the topology says that the address has something.
func downloadFile(k *call) (any, error) {
	s, err := k.pathStorage()
	if err != nil {
		return nil, err
	}
	content, url := k.params.text("content"), k.params.text("url")
	name, err := storedName(content, k.params.text("filename"))
	if err != nil {
		return nil, err
	}
	if !s.offers(content) {
		return nil, failure("storage '%s' is not configured for content-type '%s'", s.name, content)
	}
	target := (&volume{storage: s, name: content + "/" + name, content: content}).devicePath()
	return k.fork("download", name, sleepFor(k.timings.Fork), func(w *worker) error {
		w.logf("downloading %s to %s", url, target)
		w.logf("--%s--  %s", k.clock.UTC().Format("2006-01-02 15:04:05"), url)
		file, ok := k.downloads[url]
		if !ok {
			return fmt.Errorf("download failed: Connecting to %s... failed: Connection refused.", hostOf(url)) //nolint:staticcheck // wget's own words
		}
		s.addFile(content, name, file.SizeBytes, k.clock).virtual = file.VirtualBytes
		w.logf("download of '%s' to '%s' finished", url, target)
		return nil
	})
}

func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
