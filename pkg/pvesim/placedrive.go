package pvesim

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// placeDrive makes what a drive in a request asks for: a new disk, a cloud-init volume, an imported image, or nothing
// when the volume exists. It hands on the drive as the configuration spells it.
func (k *call) placeDrive(v *vm, key string, d drive, placed func(text string)) step {
	return func(w *worker) error {
		store, name, ok := splitVolume(d.volume)
		if !ok {
			placed(d.String())
			return nil
		}
		s, err := k.storageNamed(store)
		if err != nil {
			return failure("%v", err)
		}
		if name == "cloudinit" {
			return k.placeCloudinit(w, v, key, s, d, placed)
		}
		size, isNew := parseGiB(name)
		if !isNew {
			return k.placeExisting(w, s, name, d, placed)
		}
		source, importing := d.options["import-from"]
		delete(d.options, "import-from")
		finish := func(disk *volume) {
			d.volume = disk.id()
			d.setSize(disk.size)
			w.logf("%s: successfully created disk '%s'", key, d.String())
			placed(d.String())
		}
		if importing {
			return k.placeImport(w, v, s, source, finish)
		}
		w.do(k.allocate(s, "", v.id, size, finish))
		return nil
	}
}

func (k *call) placeCloudinit(w *worker, v *vm, key string, s *storage, d drive, placed func(string)) error {
	for _, other := range v.drives() {
		if other != key && parseDrive(v.config[other]).isCloudinit() {
			return failure("%s - cloud-init drive is already attached at '%s'", key, other)
		}
	}
	w.do(k.allocate(s, fmt.Sprintf("vm-%d-cloudinit", v.id), v.id, cloudinitBytes, func(disk *volume) {
		d.volume = disk.id()
		if d.options == nil {
			d.options = map[string]string{}
		}
		d.options["media"] = "cdrom"
		w.logf("%s: successfully created disk '%s'", key, d.String())
		placed(d.String())
	}))
	return nil
}

// placeExisting attaches a volume that exists. On ZFS one that does not is waited for, ten seconds in a synchronous
// call and five minutes in a worker.
func (k *call) placeExisting(w *worker, s *storage, name string, d drive, placed func(string)) error {
	disk, ok := s.find(name)
	switch {
	case ok:
		d.volume = disk.id()
		d.setSize(disk.size)
		placed(d.String())
		return nil
	case s.kind != "zfspool":
		return failure("volume '%s' does not exist", d.volume)
	}
	wait := k.timings.VolumeWait
	if w.task != nil {
		wait *= 30
	}
	w.do(sleepFor(wait), func(*worker) error {
		return failure("timeout: no zvol device link for '%s' found after %d sec.", name, int(wait.Seconds()))
	})
	return nil
}

func (k *call) placeImport(w *worker, v *vm, s *storage, source string, finish func(*volume)) error {
	image, ok := k.volume(source)
	if !ok {
		return failure("volume '%s' does not exist", source)
	}
	size := max(image.virtual, image.size)
	w.logf("create full clone of drive (%s)", source)
	w.do(k.allocate(s, "", v.id, size, func(disk *volume) {
		disk.holdsSystem = true
		if k.major >= 9 {
			w.logf("allocated target volume '%s'", disk.id())
		}
		w.do(k.copyDisk(size, 0, image.devicePath(), disk), func(*worker) error { finish(disk); return nil })
	}))
	return nil
}

// copyDisk takes the time of copying a disk and tells of the progress as qemu-img does. A limit is in KiB per second.
func (c *Cluster) copyDisk(size int64, limit int, source string, target *volume) step {
	const lines = 4
	total := c.timings.CopyPerGiB * time.Duration(size>>20) / 1024
	rate := ""
	if limit > 0 {
		total = max(total, time.Second*time.Duration(size>>10)/time.Duration(limit))
		rate = fmt.Sprintf(" -r %dK", limit)
	}
	command := fmt.Sprintf("/usr/bin/qemu-img convert -p -n -t none -T none%s -f raw -O raw %s zeroinit:%s", rate, source, target.devicePath())
	cut := func(_ *worker, err error) error {
		if interrupted(err) {
			return fmt.Errorf("copy failed: command '%s' failed: %w", command, err)
		}
		return err
	}
	return func(w *worker) error {
		var steps []step
		for i := range lines + 1 {
			part := size * int64(i) / lines
			steps = append(steps, func(w *worker) error {
				w.logf("transferred %s of %s (%.2f%%)", humanSize(part), humanSize(size), float64(part)*100/float64(max(size, 1)))
				return nil
			})
			if i < lines {
				steps = append(steps, sleepFor(total/lines))
			}
		}
		w.try(cut, steps...)
		return nil
	}
}

// humanSize spells a size as qemu-img's progress lines have it.
func humanSize(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

var sshKeyLine = regexp.MustCompile(`^(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+)\s+([A-Za-z0-9+/]+=*)(?:\s.*)?$`)

// checkSSHKeys is the check of each line by ssh-keygen.
func checkSSHKeys(encoded string) error {
	keys, err := url.PathUnescape(encoded)
	if err != nil {
		return failure("SSH public key validation error")
	}
	for line := range strings.Lines(keys) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		m := sshKeyLine.FindStringSubmatch(line)
		if m == nil {
			return failure("SSH public key validation error")
		}
		if _, err := base64.StdEncoding.DecodeString(m[1]); err != nil {
			return failure("SSH public key validation error")
		}
	}
	return nil
}
