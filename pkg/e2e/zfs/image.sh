#!/bin/sh
# Builds the machine of the ZFS tests: Debian 12 with OpenZFS from backports, whose module is compiled here once.
# Arguments: the directory to put disk.qcow2, vmlinuz, initrd and host_key.pub into, which must exist.
# Needs root, about ten minutes of one core, and 6 GB.
set -eu

out=$1
work=$(mktemp -d "$out/work-XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
root=$work/root

mmdebstrap --variant=minbase --components=main,contrib --aptopt='APT::Install-Recommends "false"' \
	--include=systemd-sysv,udev,dbus,linux-image-cloud-amd64,linux-headers-cloud-amd64,zstd,openssh-server,fio,iproute2,kmod \
	--include=e2fsprogs,xfsprogs,dosfstools,lvm2,dmsetup,gdisk,parted,mount,qemu-utils,qemu-system-x86,openssl,procps,sudo,python3-minimal \
	--customize-hook='chroot "$1" apt-get -t bookworm-backports install --yes --no-install-recommends zfs-dkms zfsutils-linux' \
	--customize-hook='chroot "$1" dkms status | grep -q "zfs.*installed"' \
	--customize-hook='chroot "$1" sh -c "mkdir -p /keep && cp -r /lib/modules/*/updates /keep/"' \
	--customize-hook='chroot "$1" apt-get clean' \
	bookworm "$root" \
	"deb http://deb.debian.org/debian bookworm main contrib" \
	"deb http://deb.debian.org/debian bookworm-backports main contrib"

cat >"$root/etc/systemd/network/80-eth.network" <<-END
	[Match]
	Name=e*
	[Network]
	Address=10.0.2.15/24
	Gateway=10.0.2.2
END
# The key of whoever tests comes on the kernel's command line.
cat >"$root/etc/systemd/system/labctl-key.service" <<-'END'
	[Unit]
	Before=ssh.service
	[Service]
	Type=oneshot
	ExecStart=/bin/sh -c 'mkdir -p -m 700 /root/.ssh; sed -n "s/.*labctl.key=\\([^ ]*\\).*/\\1/p" /proc/cmdline | base64 -d >/root/.ssh/authorized_keys'
	[Install]
	WantedBy=multi-user.target
END
chroot "$root" systemctl enable labctl-key.service systemd-networkd.service ssh.service >/dev/null 2>&1
chroot "$root" systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service >/dev/null 2>&1
chroot "$root" ssh-keygen -A >/dev/null
cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$out/host_key.pub"
echo pve >"$root/etc/hostname"
echo 'LABEL=zfsroot / ext4 rw,noatime 0 1' >"$root/etc/fstab"
rm -rf "$root/keep" "$root"/usr/src/* "$root"/var/lib/dkms "$root"/var/lib/apt/lists/* "$root"/usr/share/doc
cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
cp "$root"/boot/initrd.img-* "$out/initrd"

truncate -s 4G "$work/disk.raw"
mkfs.ext4 -q -L zfsroot -d "$root" "$work/disk.raw"
qemu-img convert -O qcow2 "$work/disk.raw" "$work/disk.qcow2"
mv "$work/disk.qcow2" "$out/disk.qcow2"
