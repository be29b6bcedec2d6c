#!/bin/sh
# Prints what this target is, one key=value per line. A fact that cannot be found out is left out. Needs no privileges.
#
#   LABCTL_MOUNT    the directory that fio runs in, an absolute path
#   LABCTL_FIO      the fio that is used, an absolute path (default: the one on the PATH)
#   LABCTL_TARGET   "host" for the Proxmox host, which may itself be a virtual machine
#   LABCTL_ROOT, LABCTL_SANDBOX   set in the sandbox, whose targets are processes of one machine
set +e -u # a fact that fails is no reason to keep the others back

sys=/sys
proc=/proc
directory=${LABCTL_ROOT:-}${LABCTL_MOUNT:?is not set}

# fact KEY VALUE... prints the fact on one line.
fact() {
	key=$1
	shift
	value=$(printf '%s' "$*" | tr '\n' ' ' | sed 's/^ *//; s/ *$//')
	[ -z "$value" ] || printf '%s=%s\n' "$key" "$value"
}

# first FILE prints its first line, or nothing.
first() { [ ! -r "$1" ] || head -n 1 "$1" 2>/dev/null; }

# of_directory FIELD prints what df says of the directory.
of_directory() { df --block-size=1 --output="$1" "$directory" 2>/dev/null | tail -n +2; }

kind() {
	if [ "${LABCTL_SANDBOX:-}" = host ]; then
		echo host-process
	elif [ "${LABCTL_TARGET:-}" != host ] && systemd-detect-virt --quiet --vm 2>/dev/null; then
		echo vm
	else
		echo host
	fi
}

# disk prints the folder in sysfs of the disk below the directory, or nothing: a ZFS dataset has none.
disk() {
	device=$(of_directory source)
	case $device in /dev/*) ;; *) return 0 ;; esac
	folder=$(readlink -f "$sys/class/block/$(basename "$(readlink -f "$device")")") || return 0
	[ ! -e "$folder/partition" ] || folder=$(dirname "$folder")
	[ ! -d "$folder/queue" ] || echo "$folder"
}

fact kind "$(kind)"
fact hostname "$(uname -n)"
# shellcheck source=/dev/null
fact os "$([ ! -r /etc/os-release ] || (. /etc/os-release && echo "${PRETTY_NAME:-}"))"
fact kernel "$(uname -r)"
fact boot_id "$(first $proc/sys/kernel/random/boot_id)"
fact cores "$(nproc 2>/dev/null)"
fact mem_total_bytes "$(awk '$1 == "MemTotal:" { printf "%.0f", $2 * 1024 }' $proc/meminfo 2>/dev/null)"
fact cpu_model "$(sed -n 's/^model name[^:]*: *//p' $proc/cpuinfo 2>/dev/null | head -n 1)"
fact virtualization "$(systemd-detect-virt 2>/dev/null)"
fact clocksource "$(first $sys/devices/system/clocksource/clocksource0/current_clocksource)"
fact governor "$(first $sys/devices/system/cpu/cpu0/cpufreq/scaling_governor)"

fio=${LABCTL_FIO:-$(command -v fio)}
if [ -n "$fio" ]; then
	fact fio_version "$("$fio" --version 2>/dev/null)"
	fact fio_path "$fio"
	fact fio_sha256 "$(sha256sum "$fio" 2>/dev/null | cut -d ' ' -f 1)"
fi

fact user "$(id -un 2>/dev/null)"
[ ! -d "$directory" ] || [ ! -w "$directory" ] || fact directory "$directory" # else there is nowhere to run fio in
fact directory_fs "$(of_directory fstype)"
fact directory_device "$(of_directory source)"
fact directory_free_bytes "$(of_directory avail)"

disk=$(disk)
if [ -n "$disk" ]; then
	fact disk "$(basename "$disk")"
	sectors=$(first "$disk/size")
	fact disk_size_bytes "$((${sectors:-0} * 512))"
	fact rotational "$(first "$disk/queue/rotational")"
	fact scheduler "$(first "$disk/queue/scheduler" | sed 's/.*\[\(.*\)\].*/\1/')"
	fact discard_max_bytes "$(first "$disk/queue/discard_max_bytes")"
	fact write_cache "$(first "$disk/queue/write_cache")"
fi

# A host without ZFS has none of these; so has one that does not let the user ask.
fact zfs_version "$(first $sys/module/zfs/version)"
fact zfs_arc_max_bytes "$(awk '$1 == "c_max" { print $3 }' $proc/spl/kstat/zfs/arcstats 2>/dev/null)"
if [ "$(of_directory fstype)" = zfs ]; then
	dataset=$(of_directory source)
	pool=${dataset%%/*}
	for property in recordsize compression sync; do
		fact "zfs_$property" "$(zfs get -H -o value "$property" "$dataset" 2>/dev/null)"
	done
	fact zfs_ashift "$(zpool get -H -o value ashift "$pool" 2>/dev/null)"
	# The names below the pool's own: mirror-0 vdb vdc.
	fact zfs_layout "$(zpool status "$pool" 2>/dev/null | awk '$1 == "NAME" { table = 1; next } table && NF == 0 { exit } table && line++ { print $1 }')"
fi

fact time "$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)"
