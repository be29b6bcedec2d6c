#!/bin/sh
# Makes a fresh guest fit for measuring, as the user who logged in; what needs root goes through sudo -n.
# Running it again changes nothing. Talk goes to stderr.
#
#   LABCTL_SERIAL   serial number of the data disk
#   LABCTL_MOUNT    where to mount it, an absolute path
#   LABCTL_USER     owner of what is there (default: who runs this)
#   LABCTL_ROOT     set in the sandbox, whose guests are processes of one machine: the data disk is then a directory
#                   below $LABCTL_ROOT, and nothing outside of $LABCTL_ROOT is touched
set -eu

by_id=/dev/disk/by-id
fstab=/etc/fstab
label=labctl-data

say() { printf 'labctl: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo -n -- "$@"
	fi
}

# last_lines N says the end of what it reads, indented.
last_lines() { tail -n "$1" | sed 's/^/  /' >&2; }

check_parameters() {
	root=${LABCTL_ROOT:-}
	serial=${LABCTL_SERIAL:?is not set}
	mount=${LABCTL_MOUNT:?is not set}
	user=${LABCTL_USER:-$(id -un)}
	case $serial in *[!A-Za-z0-9_-]*) die "LABCTL_SERIAL=$serial is not a serial number" ;; esac
	case $user in -* | *[!A-Za-z0-9._-]*) die "LABCTL_USER=$user is not a user name" ;; esac
	check_path LABCTL_MOUNT "$mount"
	case $mount in *[!A-Za-z0-9/._-]*) die "LABCTL_MOUNT=$mount has characters that fstab does not take" ;; esac
	[ -z "$root" ] || check_path LABCTL_ROOT "$root"
}

# check_path NAME VALUE admits absolute paths that lead nowhere but down.
check_path() {
	case $2 in
	/ | */ | *//* | */./* | */. | */../* | */..) ;;
	/*) return 0 ;;
	esac
	die "$1=$2 is not a plain absolute path"
}

# find_disk sets disk to the data disk's entry, by its serial number only: names such as sdb change between boots.
find_disk() {
	for name in "scsi-0QEMU_QEMU_HARDDISK_$serial" "virtio-$serial" "ata-QEMU_HARDDISK_$serial"; do
		disk=$root$by_id/$name
		[ ! -e "$disk" ] || return 0
	done
	say "no disk with serial number $serial; $root$by_id has:"
	# shellcheck disable=SC2012 # for people to read
	ls "$root$by_id" 2>&1 | last_lines 20
	die "is the data disk attached, with serial=$serial?"
}

# --- the sandbox -----------------------------------------------------------------------------------------------------

prepare_process() {
	command -v fio >/dev/null || die "fio is not installed on this machine: apt-get install fio"
	find_disk
	[ -d "$disk" ] || die "$disk is not a directory"
	point=$root$mount
	[ ! -L "$point" ] || [ "$(readlink "$point")" = "$disk" ] || die "$point points elsewhere: $(readlink "$point")"
	[ -L "$point" ] || [ ! -e "$point" ] || die "$point is in the way"
	mkdir -p "$(dirname "$point")"
	[ -L "$point" ] || ln -s "$disk" "$point"
}

# --- a virtual machine -----------------------------------------------------------------------------------------------

prepare_machine() {
	await_cloud_init
	as_root true || die "$(id -un) may not use sudo without a password: preparing needs root"
	silence_apt
	install_fio
	mount_disk
}

await_cloud_init() {
	command -v cloud-init >/dev/null || return 0
	status=0
	result=$(cloud-init status --wait --long 2>&1) || status=$?
	case $status in
	0) ;;
	2) say "cloud-init recovered from errors" ;; # "degraded": the configuration was applied
	*)
		printf '%s\n' "$result" | last_lines 10
		as_root tail -n 20 /var/log/cloud-init.log 2>&1 | last_lines 20
		die "cloud-init failed (status $status): see above, and /var/log/cloud-init.log in the guest"
		;;
	esac
}

# silence_apt keeps apt from working behind a measurement, until the next boot.
silence_apt() {
	command -v systemctl >/dev/null || return 0
	units=
	for unit in apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service unattended-upgrades.service; do
		! systemctl cat "$unit" >/dev/null 2>&1 || units="$units $unit"
	done
	# shellcheck disable=SC2086 # split into words; all at once, since every call takes seconds in a slow guest
	set -- $units
	[ $# -gt 0 ] || return 0
	as_root systemctl --quiet mask --runtime "$@" || say "cannot mask$units"
	as_root systemctl --quiet stop "$@" || say "cannot stop$units"
}

install_fio() {
	! command -v fio >/dev/null || return 0
	command -v apt-get >/dev/null || die "fio is not installed and there is no apt-get: put fio into the template"
	say "installing fio"
	# A package list that cannot be fetched need not be the one that matters.
	result=$(apt_get update 2>&1 || :; apt_get install --yes --no-install-recommends fio 2>&1) || {
		printf '%s\n' "$result" | last_lines 10
		die "fio is not installed and apt-get cannot install it: has the guest a network (gateway, nameserver) and a package mirror? Or put fio into the template"
	}
	command -v fio >/dev/null || die "apt-get installed fio, but there is none on $PATH"
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
		apt-get --quiet -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@"
}

mount_disk() {
	exec 9<"$fstab"
	flock 9 # an earlier run whose connection was lost may still be at work
	find_disk
	device=$(readlink -f "$disk")
	refuse_if_in_use
	format_if_blank
	uuid=$(as_root blkid -p -s UUID -o value "$device") || die "$device has no UUID"
	as_root mkdir -p "$mount"
	# cloud-init may have mounted it, and have an entry of its own.
	if ! grep -Eq "^[^#[:space:]]+[[:space:]]+${mount}[[:space:]]" "$fstab"; then
		echo "UUID=$uuid $mount ext4 defaults,nofail 0 2" | as_root tee -a "$fstab" >/dev/null
	fi
	[ -n "$places" ] || as_root mount -t ext4 "UUID=$uuid" "$mount"
	as_root chown "$user:" "$mount"
}

# refuse_if_in_use sets places to the mount points of the device: none, or just the wanted one.
refuse_if_in_use() {
	if system=$(findmnt --noheadings --output SOURCE --mountpoint /) &&
		lsblk --inverse --noheadings --list --paths --output NAME "$system" 2>/dev/null | grep -qFx "$device"; then
		die "$device holds the root file system"
	fi
	parts=$(lsblk --noheadings --list --paths --output NAME "$device") || die "$device cannot be looked at"
	[ "$parts" = "$device" ] || die "$device has partitions or is part of something: $(echo "$parts" | tr '\n' ' ')"
	places=$(findmnt --noheadings --list --output TARGET --source "$device") || places=
	[ -z "$places" ] || [ "$places" = "$mount" ] || die "$device is mounted elsewhere: $(echo "$places" | tr '\n' ' ')"
	there=$(findmnt --noheadings --output SOURCE --mountpoint "$mount") || there=
	[ -z "$there" ] || [ "$there" = "$device" ] || die "something else is mounted at $mount: $there"
}

# format_if_blank leaves an ext4 of ours as it is and refuses everything else that it finds.
format_if_blank() {
	found=$(as_root wipefs --no-act --noheadings --output TYPE,LABEL "$device") || die "$device cannot be read"
	# shellcheck disable=SC2086 # split into words
	set -- $found
	case "$*" in
	"ext4 $label") ;;
	"")
		say "formatting $device"
		# Not lazily: the kernel would write the inode tables behind the first measurements.
		as_root mkfs.ext4 -q -L "$label" -E lazy_itable_init=0,lazy_journal_init=0 "$device" || die "$device cannot be formatted"
		;;
	*) die "$device is not blank, it has: $*" ;;
	esac
}

check_parameters
if [ -n "$root" ]; then
	prepare_process
else
	prepare_machine
fi
