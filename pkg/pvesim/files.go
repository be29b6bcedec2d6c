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
