package results

import (
	"strings"
	"testing"
)

func TestBuffered(t *testing.T) {
	for line, want := range map[string]bool{
		"--rw=randwrite --size=4g --end_fsync=1":    true, // written at the end, out of memory
		"--rw=randwrite --size=4g --numjobs=16":     true,
		"--rw=read --ioengine=io_uring":             true,
		"--rw=randwrite --direct=0 --fsync=0":       true,
		"--rw=write --sync=none":                    true,
		"--rw=randwrite --direct=1":                 false,
		"--rw=randwrite --direct":                   false,
		"--rw=randwrite --buffered=0":               false,
		"--rw=randwrite --fdatasync=1":              false,
		"--rw=randwrite --fsync=32":                 false,
		"--rw=write --sync=dsync":                   false,
		"--rw=write --ioengine=rbd":                 false, // goes around the page cache anyway
		"--rw=write --ioengine=psync --direct=true": false,
	} {
		found := buffered(argOptions(append([]string{"fio"}, strings.Fields(line)...)))
		if (len(found) == 1) != want {
			t.Errorf("%s: %v", line, found)
		}
	}
	found := buffered(argOptions([]string{"fio", "--size=256m", "--numjobs=16"}))
	if want := "; size 256m in each of 16 jobs"; len(found) != 1 || !strings.HasSuffix(found[0].Evidence, want) {
		t.Errorf("found %v, want the end %q", found, want)
	}
}
