package labspec

// VM is one virtual machine of the lab.
type VM struct {
	Name     string // DNS label, unique among the targets
	Node     string // PVE node that it is created on
	Cores    int
	Memory   Size // whole MiB, no ballooning
	OSDisk   OSDisk
	DataDisk DataDisk
}

// OSDisk is the disk cloned from the template, grown before the first boot.
type OSDisk struct {
	Size Size // whole GiB
}

// DataDiskSerial is the serial number of every lab's data disk. The guest finds the disk by it: names such as /dev/sdb change
// between boots.
const DataDiskSerial = "labctl-data"

// DataDisk is the fresh disk that is measured. Its options are PVE's own (qm(1), "scsi[n]").
type DataDisk struct {
	Storage string // ID of the PVE storage
	// Sparse and BlockSize are what the storage must be set to, since PVE makes all disks of a storage alike. nil and 0
	// are whatever it is set to.
	Sparse    *bool
	BlockSize Size // volblocksize of ZFS
	Size      Size // whole GiB
	Bus       Bus
	Cache     Cache
	IOThread  bool // with bus scsi PVE needs the controller virtio-scsi-single
	SSD       bool // the guest sees a non-rotational disk
	Discard   bool
	AIO       AIO
	Mount     string // directory in the guest where the disk's file system is mounted and fio runs
}

// Bus is the disk controller that the guest sees.
type Bus string

// The buses of PVE.
const (
	BusSCSI   Bus = "scsi"
	BusVirtIO Bus = "virtio"
	BusSATA   Bus = "sata"
	BusIDE    Bus = "ide"
)

// HasIOThread reports whether a disk on the bus can have an I/O thread of its own.
func (b Bus) HasIOThread() bool { return b == BusSCSI || b == BusVirtIO }

// HasSSD reports whether a disk on the bus can present itself as an SSD.
func (b Bus) HasSSD() bool { return b != BusVirtIO }

// Cache is QEMU's cache mode of a disk.
type Cache string

// The cache modes of PVE.
const (
	CacheNone         Cache = "none"
	CacheWriteback    Cache = "writeback"
	CacheWritethrough Cache = "writethrough"
	CacheDirectsync   Cache = "directsync"
	CacheUnsafe       Cache = "unsafe"
)

// AIO is the interface that QEMU does a disk's I/O with.
type AIO string

// The asynchronous I/O interfaces of QEMU.
const (
	AIODefault AIO = "" // PVE chooses
	AIOURing   AIO = "io_uring"
	AIONative  AIO = "native" // needs CacheNone or CacheDirectsync
	AIOThreads AIO = "threads"
)
