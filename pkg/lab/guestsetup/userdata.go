package guestsetup

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"text/template"

	"labctl/cloudinit"
	"labctl/pkg/internal/cidata"
	"labctl/pkg/labspec"
)

// values fill in cloudinit.UserData.
type values struct {
	Hostname, User, Key string // all empty: vendor-data
	Device, Mount       string
}

// VendorData is the cloud-config that prepares a VM whose user and key come from PVE.
func VendorData(disk labspec.DataDisk) (string, error) {
	return render(values{Device: device(disk), Mount: disk.Mount})
}

// UserData is the cloud-config that sets a VM up wholly: user, key (a line of authorized_keys) and preparation.
func UserData(lab *labspec.Lab, index int, publicKey string) (string, error) {
	disk := lab.VMs[index].DataDisk
	return render(values{
		Hostname: lab.Name + "-" + lab.VMs[index].Name, User: lab.User, Key: publicKey, Device: device(disk), Mount: disk.Mount,
	})
}

func render(v values) (string, error) {
	layout, err := template.New("user-data").Option("missingkey=error").Parse(cloudinit.UserData)
	if err != nil {
		return "", fmt.Errorf("rendering user-data: %w", err)
	}
	var b strings.Builder
	if err := layout.Execute(&b, v); err != nil {
		return "", fmt.Errorf("rendering user-data: %w", err)
	}
	return b.String(), nil
}

// device is udev's name for the data disk (60-persistent-storage.rules): by its serial number, which QEMU passes on.
func device(disk labspec.DataDisk) string {
	prefix := map[labspec.Bus]string{labspec.BusSCSI: "scsi-0QEMU_QEMU_HARDDISK_", labspec.BusVirtIO: "virtio-"}[disk.Bus]
	if prefix == "" {
		prefix = "ata-QEMU_HARDDISK_"
	}
	return "/dev/disk/by-id/" + prefix + labspec.DataDiskSerial
}

// MAC is the MAC address of a VM of a lab run whose image names it, with the prefix that PVE gives (IEEE: Proxmox Server
// Solutions). cloud-init's renderer for systemd-networkd knows interfaces by this address only.
func MAC(runID, vm string) string {
	sum := sha256.Sum256([]byte(runID + "/" + vm))
	return fmt.Sprintf("BC:24:11:%02X:%02X:%02X", sum[0], sum[1], sum[2])
}

// networkConfig is the address of a VM (cloud-init, network configuration version 2).
func networkConfig(network labspec.Network, index int, mac string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 2\nethernets:\n  lan:\n    match: {macaddress: %q}\n", strings.ToLower(mac))
	address, static := network.AddressOf(index)
	if !static {
		b.WriteString("    dhcp4: true\n")
		return b.String()
	}
	fmt.Fprintf(&b, "    addresses: [%s]\n", address)
	if network.Gateway.IsValid() {
		fmt.Fprintf(&b, "    routes: [{to: 0.0.0.0/0, via: %s}]\n", network.Gateway)
	}
	if network.Nameserver.IsValid() {
		fmt.Fprintf(&b, "    nameservers: {addresses: [%s]}\n", network.Nameserver)
	}
	return b.String()
}

// Image is the medium (ISO 9660) with everything that cloud-init needs for a VM of a lab run.
func Image(lab *labspec.Lab, index int, runID, publicKey string) ([]byte, error) {
	user, err := UserData(lab, index, publicKey)
	if err != nil {
		return nil, err
	}
	return cidata.ISO(cidata.Files{
		UserData: user, NetworkConfig: networkConfig(lab.Network, index, MAC(runID, lab.VMs[index].Name)),
		MetaData: fmt.Sprintf("instance-id: %s-%s\nlocal-hostname: %s-%s\n", runID, lab.VMs[index].Name, lab.Name, lab.VMs[index].Name),
	})
}
