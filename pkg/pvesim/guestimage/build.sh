#!/bin/sh
# Builds the disk image of the sandbox's virtual machines from Debian packages: an ext4 file system without partitions,
# booted by the kernel and initrd beside it. Needs root, mmdebstrap, mkfs.ext4 and qemu-img; takes about a minute.
#
#   build.sh DIR    an empty directory: gets disk.qcow2, vmlinuz and initrd
#   LABCTL_SUITE, LABCTL_PACKAGES (by commas), LABCTL_LABEL, LABCTL_MIB   what to build
set -eu

dir=${1:?usage: build.sh DIR}
suite=${LABCTL_SUITE:?} packages=${LABCTL_PACKAGES:?} label=${LABCTL_LABEL:?} mib=${LABCTL_MIB:?}
root=$dir/root

mmdebstrap --quiet --variant=minbase --include="$packages" \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/modules/*/kernel/drivers/gpu/*' \
	--dpkgopt='path-exclude=/usr/lib/modules/*/kernel/drivers/net/ethernet/*' \
	"$suite" "$root"

# --- what a guest needs to boot -----------------------------------------------------------------------------------------

# Only the drivers of the virtual hardware: the initrd is unpacked at every start, without hardware acceleration slowly.
mkdir -p "$root/etc/initramfs-tools/conf.d"
printf 'MODULES=list\nCOMPRESS=zstd\n' >"$root/etc/initramfs-tools/conf.d/labctl"
printf 'virtio_scsi\nvirtio_blk\nsd_mod\n' >>"$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u -k all
printf 'LABEL=%s / ext4 errors=remount-ro,discard 0 1\n' "$label" >"$root/etc/fstab"
printf 'blacklist %s\n' powernow_k8 pcspkr sg evdev psmouse i2c_piix4 bochs floppy >"$root/etc/modprobe.d/labctl.conf"

# --- what makes it one of many ------------------------------------------------------------------------------------------

rm -f "$root"/etc/ssh/ssh_host_* # cloud-init makes them at the first boot
: >"$root/etc/machine-id"        # systemd makes it at the first boot
rm -f "$root/etc/hostname" "$root/etc/resolv.conf"

# cloud-init as in Debian's cloud images, but for what a guest in the sandbox has no use for: without acceleration every
# module takes its time, and so do host keys of other kinds.
cat >"$root/etc/cloud/cloud.cfg.d/90_labctl.cfg" <<-'EOF'
	datasource_list: [NoCloud, None]
	ssh_genkeytypes: [ed25519]
	ssh_quiet_keygen: true
	cloud_init_modules: [bootcmd, write_files, growpart, resizefs, disk_setup, mounts, set_hostname, update_hostname,
	  update_etc_hosts, users_groups, ssh]
	cloud_config_modules: [set_passwords, runcmd]
	cloud_final_modules: [package_update_upgrade_install, write_files_deferred, scripts_vendor, scripts_per_once,
	  scripts_per_boot, scripts_per_instance, scripts_user, final_message, power_state_change]
EOF
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/labctl.conf"

# --- nothing that works behind a measurement, and nothing that a virtual machine has no use for --------------------------

chroot "$root" systemctl --quiet enable systemd-networkd ssh
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer \
	systemd-binfmt.service systemd-journal-catalog-update.service ldconfig.service systemd-hwdb-update.service \
	systemd-update-done.service systemd-networkd-persistent-storage.service systemd-pcrphase.service \
	systemd-tpm2-setup.service systemd-tpm2-setup-early.service getty@tty1.service console-getty.service \
	modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service sys-kernel-debug.mount sys-kernel-tracing.mount \
	dev-hugepages.mount proc-sys-fs-binfmt_misc.automount; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
mkdir -p "$root/etc/systemd/system-generators"
for generator in systemd-ssh-generator systemd-tpm2-generator systemd-gpt-auto-generator systemd-hibernate-resume-generator \
	systemd-rc-local-generator systemd-debug-generator systemd-run-generator; do
	ln -sf /dev/null "$root/etc/systemd/system-generators/$generator"
done
rm -rf "$root/var/lib/apt/lists" "$root/var/cache/apt" "$root/var/log/journal"
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
chroot "$root" ldconfig
touch "$root/etc/.updated" "$root/var/.updated"

# --- the disk -----------------------------------------------------------------------------------------------------------

cp "$root"/boot/vmlinuz-* "$dir/vmlinuz"
cp "$root"/boot/initrd.img-* "$dir/initrd"
rm -f "$root"/boot/vmlinuz-* "$root"/boot/initrd.img-*
truncate -s "${mib}M" "$dir/disk.raw"
mkfs.ext4 -q -F -L "$label" -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$dir/disk.raw"
qemu-img convert -q -f raw -O qcow2 "$dir/disk.raw" "$dir/disk.qcow2"
rm -rf --one-file-system "$root" "$dir/disk.raw"
