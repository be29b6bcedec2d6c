# Leaves a token on the data disk, as the guest sees it, and prints where it lies on the disk: offset=BYTES. The file is
# read back at that place through the name that has the disk's serial number, past every cache.
# Arguments: serial number, mount point, token. LABCTL_ROOT is set in the sandbox, as for prepare.sh.
set -eu
root=${LABCTL_ROOT:-}
serial=$1 mount=$root$2 token=$3

die() {
	echo "$*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo -n -- "$@"
	fi
}

PATH=$PATH:/usr/sbin:/sbin
disk=
for name in "scsi-0QEMU_QEMU_HARDDISK_$serial" "virtio-$serial" "ata-QEMU_HARDDISK_$serial"; do
	[ ! -e "$root/dev/disk/by-id/$name" ] || disk=$root/dev/disk/by-id/$name
done
[ -n "$disk" ] || die "no disk with serial number $serial"
source=$(findmnt --noheadings --output SOURCE --mountpoint "$mount") || die "nothing is mounted at $mount"
[ "$source" = "$(readlink -f "$disk")" ] || die "$mount is $source, not the disk with serial number $serial"

file=$mount/.labctl-token
{ printf '%s\n' "$token"; head -c 4096 /dev/zero; } | head -c 4096 | as_root dd of="$file" bs=4096 iflag=fullblock conv=fsync status=none
extent=$(as_root filefrag -v -b1 "$file" | sed -n 's/^ *0: *0\.\. *[0-9]*: *\([0-9]*\)\.\..*/\1/p')
case $extent in "" | *[!0-9]*) die "filefrag does not say where $file lies" ;; esac
[ $((extent % 512)) -eq 0 ] || die "$file lies at $extent"
found=$(as_root dd if="$disk" bs=512 skip=$((extent / 512)) count=1 iflag=direct status=none | head -n 1 | tr -d '\0')
[ "$found" = "$token" ] || die "the token is not at $extent of $disk"
echo "offset=$extent"
