package labspec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// sizePattern is what an editor checks of a size; see ParseSize.
const sizePattern = `^[0-9]+ ?[KMGT](iB)?$`

// The limits of sizes: what Ubuntu still boots with, what QEMU still addresses, and what PVE counts disks in.
const (
	minMemory = 256 * MiB
	maxMemory = 4 * TiB
)

func parseMemory(word string) (Size, error) {
	size, err := ParseSize(word)
	switch {
	case err != nil:
		return 0, err
	case size < minMemory || size > maxMemory:
		return 0, &valueError{fmt.Sprintf("%s is not between %s and %s", word, minMemory, maxMemory), ""}
	case size%MiB != 0:
		return 0, &valueError{fmt.Sprintf("%s is not whole MiB", word), "write " + fmt.Sprint(size.MiB()) + "MiB"}
	}
	return size, nil
}

// parseDisk allows what PVE's "storage:size" can say for certain on every storage: whole GiB.
func parseDisk(word string) (Size, error) {
	size, err := ParseSize(word)
	if err != nil {
		return 0, err
	}
	if n, exact := size.GiB(); !exact || n == 0 {
		return 0, &valueError{fmt.Sprintf("%s is not whole GiB", word), fmt.Sprintf("write %dGiB", n+1)}
	}
	return size, nil
}

// The limits of a volume's block size in ZFS with the feature large_blocks.
const (
	minBlockSize = 1 * KiB
	maxBlockSize = 16 * MiB
)

func parseBlockSize(word string) (Size, error) {
	size, err := ParseSize(word)
	switch {
	case err != nil:
		return 0, err
	case size < minBlockSize || size > maxBlockSize:
		return 0, &valueError{fmt.Sprintf("%s is not between %s and %s", word, minBlockSize, maxBlockSize), ""}
	case size&(size-1) != 0:
		return 0, &valueError{word + " is not a power of two", "write 16KiB or 64KiB"}
	}
	return size, nil
}

func parseRest(word string) (time.Duration, error) {
	rest, err := time.ParseDuration(word)
	switch {
	case err != nil && !strings.ContainsFunc(word, func(r rune) bool { return r < '0' || r > '9' }), word == "0":
		return 0, &valueError{fmt.Sprintf("%s has no unit", word), fmt.Sprintf("write %ss or %sm", word, word)}
	case err != nil:
		return 0, &valueError{fmt.Sprintf("%q is not a duration", word), "write a number and h, m, s or ms, such as 30s"}
	case rest < 0 || rest > restLimit:
		return 0, &valueError{fmt.Sprintf("%s is not between 0s and 1h", word), ""}
	}
	return rest, nil
}

func parseIPv4(word string) (netip.Addr, error) {
	address, err := netip.ParseAddr(word)
	if err != nil || !address.Is4() {
		return netip.Addr{}, &valueError{fmt.Sprintf("%q is not an IPv4 address", word), "write four numbers, such as 192.168.7.1"}
	}
	return address, nil
}

// systemDirectories are those that a Linux system needs as they are: nothing is mounted over or put into them.
func systemDirectories() []string {
	return []string{"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr"}
}

// sharedDirectories hold other things too: only directories below them are used.
func sharedDirectories() []string {
	return []string{"home", "media", "mnt", "opt", "root", "srv", "tmp", "var"}
}

func parseMount(word string) (string, error) {
	if err := directory.check(word); err != nil {
		return "", err
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(word, "/"), "/")
	if slices.Contains(systemDirectories(), first) || rest == "" && slices.Contains(sharedDirectories(), first) {
		return "", &valueError{word + " belongs to the system", "choose a directory of its own, such as /opt/data"}
	}
	return word, nil
}

// parseHostDirectory wants two levels: the first is a pool or belongs to the system.
func parseHostDirectory(word string) (string, error) {
	if _, err := parseMount(word); err != nil {
		return "", err
	}
	if strings.Count(word, "/") < 2 {
		return "", &valueError{word + " is probably a whole pool", "choose a directory in it, such as " + word + "/labctl"}
	}
	return word, nil
}
