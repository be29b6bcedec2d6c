package labspec

// workloadMistakes are those of workloads and of the options of fio.
var workloadMistakes = []mistake{
	{
		"same workload", "name: second", "name: first",
		`lab.yaml:27:13: suite.workloads[1].name: "first" is the name of suite.workloads[0] too: give every workload a name of its own`,
	},
	{
		"no direction", "rw: randread, ", "",
		`lab.yaml:28:12: suite.workloads[1].fio.rw: missing: add rw: randwrite, or another of fio's directions`,
	},
	{
		"direction", "rw: randread", "rw: readrand",
		`lab.yaml:28:17: suite.workloads[1].fio.rw: "readrand" is not a direction of fio: write read, write, randread, randwrite, rw or randrw`,
	},
	{
		"no size", ", size: 4g}", "}",
		`lab.yaml:28:12: suite.workloads[1].fio.size: missing: add size: 4g`,
	},
	{
		"no runtime", "runtime: 60, ", "",
		`lab.yaml:26:12: suite.workloads[0].fio.runtime: missing, and time_based needs it: add runtime: 60`,
	},
	{
		"misspelt option", "runtime: 60", "runtmie: 60",
		`lab.yaml:26:55: suite.workloads[0].fio.runtmie: unknown option of fio: did you mean runtime?`,
	},
	{
		"hyphens", "runtime: 60", "--runtime: 60",
		`lab.yaml:26:46: suite.workloads[0].fio.--runtime: "--runtime" is not the name of a fio option: write it as fio(1) does, without leading hyphens`,
	},
	{
		"output", "runtime: 60", "runtime: 60, output-format: json+",
		`lab.yaml:26:74: suite.workloads[0].fio.output-format: is not for lab files: labctl reads the results from fio's standard output as JSON: remove it`,
	},
	{
		"directory", "runtime: 60", "runtime: 60, directory: /tmp",
		`lab.yaml:26:70: suite.workloads[0].fio.directory: is not for lab files: labctl runs fio in the directory of the target: remove it`,
	},
	{
		"underscore", "runtime: 60", "runtime: 60, status_interval: 1",
		`lab.yaml:26:76: suite.workloads[0].fio.status_interval: is not for lab files: labctl reads the results from fio's standard output as JSON: remove it`,
	},
	{
		"command", "runtime: 60", "runtime: 60, exec_prerun: reboot",
		`lab.yaml:26:72: suite.workloads[0].fio.exec_prerun: is not for lab files: a lab file runs no other commands: remove it`,
	},
	{
		"abbreviated command", "runtime: 60", "runtime: 60, exec_prer: touch x",
		`lab.yaml:26:70: suite.workloads[0].fio.exec_prer: fio may take it for exec_prerun, which is not for lab files: a lab file runs no other commands: remove it`,
	},
	{
		"abbreviated directory", "runtime: 60", "runtime: 60, director: /tmp",
		`lab.yaml:26:69: suite.workloads[0].fio.director: fio may take it for directory, which is not for lab files: labctl runs fio in the directory of the target: remove it`,
	},
	{
		"abbreviated option", "runtime: 60", "runtime: 60, iodept: 4",
		`lab.yaml:26:67: suite.workloads[0].fio.iodept: is not the full name of a fio option: did you mean iodepth?`,
	},
	{
		"no option of fio", "runtime: 60", "runtime: 60, colour: red",
		`lab.yaml:26:67: suite.workloads[0].fio.colour: unknown option of fio: write an option that docs/lab-spec.md lists, by its full name`,
	},
	{
		"job name elsewhere", "runtime: 60", "runtime: 60, name: /tmp/victim",
		`lab.yaml:26:65: suite.workloads[0].fio.name: "/tmp/victim" is not a job name that labctl lets fio make files of: use letters, digits, dots, hyphens and underscores`,
	},
	{
		"trim", "rw: randread", "rw: randtrim",
		`lab.yaml:28:17: suite.workloads[1].fio.rw: "randtrim" is not a direction of fio: labctl measures files, which fio cannot trim: write read, write, randread, randwrite, rw or randrw`,
	},
	{
		"memory of a file", "runtime: 60", "runtime: 60, mem: \"mmap:/tmp/x\"",
		`lab.yaml:26:64: suite.workloads[0].fio.mem: "mmap:/tmp/x" is not memory that labctl lets fio take: write malloc, shm, shmhuge, mmap or mmapshared, without a file`,
	},
	{
		"pattern of a file", "runtime: 60", "runtime: 60, buffer_pattern: \"'/etc/shadow'\"",
		`lab.yaml:26:75: suite.workloads[0].fio.buffer_pattern: "'/etc/shadow'" is not a pattern in numbers: write a number, such as 0xdeadbeef, or a "text"`,
	},
	{
		"external engine", "runtime: 60", "runtime: 60, ioengine: \"external:/tmp/x.so\"",
		`lab.yaml:26:69: suite.workloads[0].fio.ioengine: "external:/tmp/x.so" is not an engine that labctl runs: write io_uring, libaio, posixaio, psync, pvsync, pvsync2, sync, vsync or mmap`,
	},
	{
		"standard output as file", "runtime: 60", "runtime: 60, filename: \"-\"",
		`lab.yaml:26:69: suite.workloads[0].fio.filename: "-" is not a plain name below the directory of the target: write a name without a path, or remove the option`,
	},
	{
		"expression", "runtime: 60", "runtime: 60, iodepth: $ncpus*2",
		`lab.yaml:26:68: suite.workloads[0].fio.iodepth: "$ncpus*2" is not a number from 1`,
	},
	{
		"option without value", "runtime: 60", "ioengine: , runtime: 60",
		`lab.yaml:26:55: suite.workloads[0].fio.ioengine: has no value, and fio would take the next option for it: write io_uring, libaio, posixaio, psync, pvsync, pvsync2, sync, vsync or mmap after the colon`,
	},
	{
		"alias beside the name", "bs: 4k, size: 4g, runtime", "bs: 4k, blocksize: 8k, size: 4g, runtime",
		`lab.yaml:26:47: suite.workloads[0].fio.blocksize: is the same option as bs: remove one`,
	},
	{
		"option of another engine", "runtime: 60", "hipri: , runtime: 60",
		`lab.yaml:26:52: suite.workloads[0].fio.hipri: is an option of pvsync2 or io_uring only, and the engine is psync: write the ioengine before it, or remove it`,
	},
	{
		"list of block sizes", "bs: 4k, size: 4g, runtime", "bs: [4k, 8k], size: 4g, runtime",
		`lab.yaml:26:32: suite.workloads[0].fio.bs: a list where one value is expected: write one size, and a workload for each size; for a mix of sizes write bssplit: 4k/50:8k/50`,
	},
	{
		"file elsewhere", "runtime: 60", "runtime: 60, filename: /dev/sda",
		`lab.yaml:26:69: suite.workloads[0].fio.filename: "/dev/sda" is not a plain name below the directory of the target: write a name without a path, or remove the option`,
	},
	{
		"engine", "runtime: 60", "runtime: 60, ioengine: exec",
		`lab.yaml:26:69: suite.workloads[0].fio.ioengine: "exec" is not an engine that labctl runs: write io_uring, libaio, posixaio, psync, pvsync, pvsync2, sync, vsync or mmap`,
	},
	{
		"file above", "runtime: 60", "runtime: 60, filename: a:../b",
		`lab.yaml:26:69: suite.workloads[0].fio.filename: "a:../b" is not a plain name below the directory of the target: write a name without a path, or remove the option`,
	},
	{
		"true", "time_based: }", "time_based: true}",
		`lab.yaml:26:71: suite.workloads[0].fio.time_based: fio does not know the word true: write 1; for a flag write nothing after the colon`,
	},
	{
		"false", "time_based: }", "time_based: , direct: false}",
		`lab.yaml:26:81: suite.workloads[0].fio.direct: fio does not know the word false: write 0; leave a flag out`,
	},
	{
		"list", "runtime: 60", "runtime: 60, percentile_list: [50, 99]",
		`lab.yaml:26:76: suite.workloads[0].fio.percentile_list: a list where one value is expected: join the elements with a colon: 50:99:99.9`,
	},
	{
		"mapping", "runtime: 60", "runtime: 60, verify: {a: b}",
		`lab.yaml:26:67: suite.workloads[0].fio.verify: a mapping where one value is expected`,
	},
	{
		"empty", "runtime: 60", `runtime: 60, ioengine: ""`,
		`lab.yaml:26:69: suite.workloads[0].fio.ioengine: the value is empty: for a flag write nothing after the colon, not quotes`,
	},
	{
		"line break", "runtime: 60", `runtime: 60, ioengine: "psync\nexec_prerun=reboot"`,
		`lab.yaml:26:69: suite.workloads[0].fio.ioengine: the value has a line break or another control character: write it on one line`,
	},
	{
		"duplicate option", "runtime: 60", "runtime: 60, runtime: 61",
		`lab.yaml:26:59: suite.workloads[0].fio.runtime: key stands here twice, first in line 26: remove one`,
	},
	{
		"jobs", "runtime: 60", "runtime: 60, numjobs: 0",
		`lab.yaml:26:68: suite.workloads[0].fio.numjobs: "0" is not a number from 1`,
	},
	{
		"more jobs than fio runs", "runtime: 60", "runtime: 60, filename: x, numjobs: 4097", // REAL_MAX_JOBS in fio.h
		`lab.yaml:26:81: suite.workloads[0].fio.numjobs: 4097 is not between 1 and 4096`,
	},
	{
		"block size", "bs: 4k, size: 4g, runtime", "bs: 4q, size: 4g, runtime",
		`lab.yaml:26:32: suite.workloads[0].fio.bs: "4q" is not a size that fio reads: write a whole number and k, m, g or t, such as 4g`,
	},
	{
		"reversed unit", "size: 4g, runtime", "size: 4GiB, runtime",
		`lab.yaml:26:42: suite.workloads[0].fio.size: fio reads 4GiB as a power of 1000: write 4g, which fio reads as a power of 1024`,
	},
	{
		"text for options", "{rw: randread, bs: 4k, size: 4g}", "fio --rw=randread",
		`lab.yaml:28:12: suite.workloads[1].fio: text where fio's options are expected: write {rw: randwrite, bs: 4k, size: 4g}`,
	},
	{
		"files that nobody counts", "runtime: 60", "nrfiles: 20000, runtime: 60",
		`lab.yaml:26:55: suite.workloads[0].fio.nrfiles: and numjobs make more than 10000 files, and labctl removes the files that it knows: change it so that the names follow from name, numjobs and nrfiles`,
	},
	{
		"too large", "size: 4g, runtime: 60", "size: 4g, runtime: 60, numjobs: 16",
		`lab.yaml:11:34: vmDefaults.dataDisk.size: 64GiB is too small: the files of workload first take 64GiB, which is more than 90 %: write 72GiB or more, or make size × numjobs smaller`,
	},
	{
		"too large together", "rest: 30s\n  workloads:", "files: reuse\n  rest: 30s\n  workloads:\n    - {name: third, fio: {rw: write, size: 50g}}",
		`lab.yaml:11:34: vmDefaults.dataDisk.size: 64GiB is too small: the files of all workloads together take 58GiB, which is more than 90 %: write 65GiB or more, or make size × numjobs smaller`,
	},
}
