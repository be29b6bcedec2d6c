package report

import (
	"bytes"
	"strings"
	"testing"

	"labctl/pkg/fio"
	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// durableRun is a run of one workload that waits for the disk and one whose I/O ends in the page cache, on a VM and on
// the zvol below its disk.
func durableRun() *results.Run {
	facts := map[string]string{
		"cpu_model": "AMD EPYC 7302P", "cores": "4", "mem_total_bytes": "4294967296", "kernel": "6.1.0", "directory_fs": "ext4",
		"directory_device": "/dev/sdb", "scheduler": "none", "pve_scsihw": "virtio-scsi-single", "pve_scsi1": "tank:vm-101-disk-1,cache=none,iothread=1,size=64G",
	}
	host := map[string]string{"cpu_model": "AMD EPYC 7302P", "cores": "16", "kernel": "6.8.12-4-pve", "zfs_volblocksize": "16K", "zfs_compression": "lz4"}
	run := &results.Run{
		ID: "20260102T150405Z-2b3c", Kind: results.KindMeasured, Lab: "nightly", Status: results.StatusComplete, Blocks: 1,
		Targets: []results.Target{
			{Name: "vm", Kind: results.TargetVM, Layer: results.LayerGuestFS, Facts: facts},
			{Name: "vm", Kind: results.TargetHost, Layer: results.LayerHostZvol, Facts: host},
		},
		Workloads: []results.Workload{{Name: "sync4k"}, {Name: "buffered"}},
	}
	for i, target := range run.Targets {
		sync := fio.JobResult{Write: flow(1000*float64(i+1), 4096), Sync: fio.Sync{Lat: flow(260/float64(i+1), 1).Clat}}
		for _, trial := range []results.Trial{
			{Cell: results.Cell{Workload: "sync4k"}, Measures: measure.Of(&fio.Report{Jobs: []fio.JobResult{sync}})},
			{
				Cell: results.Cell{Workload: "buffered"}, Measures: measure.Of(&fio.Report{Jobs: []fio.JobResult{{Write: flow(90000, 4096)}}}),
				Findings: []results.Finding{{Rule: "PAGECACHE_RISK", Severity: results.Warning, Evidence: "no direct"}},
			},
		} {
			trial.Block, trial.Target, trial.Layer, trial.Attempt, trial.Seq = 1, target.Name, target.Layer, 1, len(run.Trials)+1
			run.Trials = append(run.Trials, trial)
		}
	}
	return run
}

// The syncs of a durable job stand beside its completion latency, which is without them; a layer is a target of its own;
// a buffered job is said to be one; the environment is told.
func TestDurable(t *testing.T) {
	for _, format := range Formats() {
		var buf bytes.Buffer
		if err := Write(&buf, format, durableRun(), Options{}); err != nil {
			t.Fatal(err)
		}
		golden(t, "run/"+formatName(format, "durable"), buf.Bytes())
		if format != Text {
			continue
		}
		noLineIsTooWide(t, buf.String())
		for _, want := range []string{
			"Completion latency in µs, without the sync", "Sync latency in µs (fsync, fdatasync)", "vm/host-zvol",
			"Warning (PAGECACHE_RISK) on vm, vm/host-zvol: buffered: no direct.", "scsi1: tank:vm-101-disk-1,cache=none,iothread=1,size=64G (vm);",
		} {
			if !strings.Contains(buf.String(), want) {
				t.Errorf("the report lacks %q", want)
			}
		}
	}
	files, err := WriteCharts(t.TempDir(), durableRun())
	if err != nil || !strings.Contains(strings.Join(files, " "), "sync4k/sync_latency.svg") || strings.Contains(strings.Join(files, " "), "buffered/sync_latency.svg") {
		t.Errorf("charts %v, %v", files, err)
	}
}
