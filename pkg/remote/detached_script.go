package remote

// How a command outlives its connection.
//
// Each detached command has a folder on the target, ~/.labctl/detached/<ID>:
//
//	lock     locked for exactly as long as the command lives
//	claimed  made under the lock before the command starts, so it starts once
//	pid      leader of the command's session
//	stdout, stderr
//	status   "<exit code> <started> <ended>", written before the lock is let go
//
// The lock is the whole trick. It belongs to an open file, and every process
// that inherited the file keeps it: the shell that records the status, the
// command, and everything the command started. The kernel lets go of it when
// the last of them is gone, however they went: no process ID to be reused, no
// stale "running" mark after a crash or a reboot, nothing to clean up. And
// whoever wants to know sleeps in flock(2) until then: waiting costs the
// machine under measurement nothing, and the answer comes at once.
//
// Only sh, flock, setsid, date, wc and the usual file tools are used, in the
// forms that dash, busybox, util-linux and coreutils have in common. Every
// process started here is CPU taken from the measurement, so they are few.

// launchScript starts the command unless it was started before, waits for its
// end, hands over what it left, and removes that when the other side has it
// all. Arguments: start|wait, ID, folder to run in, recordScript, then the command.
//
// It can be cut off at any point and run again: a claim without status and
// without lock means that the command died.
const launchScript = `set -u
mode=$1 d=${HOME:?is not set}/.labctl/detached/$2 dir=$3 record=$4
shift 4
say() { echo "labctl-detached $*"; }
# Somebody else may take the result and remove the folder while we wait for the
# lock; the lock we then get is of a file that has no name any more.
check() { [ "/proc/$$/fd/8" -ef "$d/lock" ] || { say gone; exit; }; }

if [ "$mode" = start ]; then
	# Again, because another command's end may remove the parent in between.
	mkdir -p -m 700 "$d" 2>/dev/null || mkdir -p -m 700 "$d" || exit
elif [ ! -d "$d" ]; then
	say gone; exit
fi
exec 8>>"$d/lock"

if [ "$mode" = start ]; then
	# Between the claim and setsid a lost connection must not end us.
	trap '' HUP
	# Waits while somebody else starts it, or while it runs.
	[ ! -e "$d/claimed" ] || say started
	flock -x 8 || exit
	check
	if (: >>"$d/stdout" >>"$d/stderr"; set -C; : >"$d/claimed") 2>/dev/null; then
		# The command's side gets the locked file as descriptor 9 and nothing
		# else of ours, so that sshd can end this session without it.
		setsid sh -c "$record" labctl-detached "$d" "$dir" "$@" </dev/null >"$d/stdout" 2>"$d/stderr" 9>&8 8>&- &
	fi
	# Ours was the same open file, and so the same lock: wait with another one.
	exec 8<"$d/lock"
	trap - HUP
fi
say started
flock -s 8 || exit
check
# Open, the files stay readable when StopDetached removes them meanwhile.
{ cd "$d" && command exec 3<stdout 4<stderr; } 2>/dev/null || { say gone; exit; }
ended=
read -r code started ended 2>/dev/null <status || check
wc -c /dev/fd/3 /dev/fd/4 | {
	read -r outsize name
	read -r errsize name
	if [ "$ended" ]; then
		say ended "$code" "$started" "$ended" "$outsize" "$errsize"
	else
		say died "$outsize" "$errsize"
	fi
}
cat /dev/fd/3 /dev/fd/4

# Until now the result exists only here.
if read -r answer && [ "$answer" = taken ]; then
	cd "$HOME"
	rm -rf "$d"
	rmdir .labctl/detached .labctl 2>/dev/null
fi
exit 0`

// recordScript runs the command and records how it ended. Arguments: the
// command's folder, where to run, the command. A signal to the whole session
// ends the command, while this shell stays to write down with which status.
const recordScript = `trap : HUP INT TERM
d=$1 dir=${2:-.}
shift 2
echo $$ >"$d/pid"
started=$(date +%s%N)
cd "$dir" && "$@"
code=$?
# A stop must not end the date that says when the command ended.
trap '' HUP INT TERM
ended=$(date +%s%N)
echo "$code $started $ended" >"$d/status"`

// stopScript ends a command, kindly first, and removes its folder. Arguments:
// ID, seconds that SIGTERM gets. Nobody is signalled unless the lock is held,
// so a process that merely inherited the process ID is safe; beside the
// session, those that left it are found by the locked file they hold open.
const stopScript = `set -u
d=${HOME:?is not set}/.labctl/detached/$1
[ -f "$d/lock" ] || exit 0
exec 7<"$d/lock"
over() { timeout "$1" flock -s 7; }
end() {
	[ -s "$d/pid" ] && read -r leader <"$d/pid" && kill -s "$1" -- "-$leader"
	for p in /proc/[0-9]*; do
		[ "$p/fd/9" -ef "$d/lock" ] && kill -s "$1" "${p#/proc/}"
	done
} 2>/dev/null

if ! flock -n -s 7; then
	end TERM
	if ! over "$2"; then
		for again in 1 2 3 4 5; do
			end KILL
			over 1 && break
			[ $again -lt 5 ] || { echo "still running after SIGKILL: blocked on I/O?" >&2; exit 1; }
		done
	fi
fi
rm -rf "$d"
rmdir "$HOME/.labctl/detached" "$HOME/.labctl" 2>/dev/null
exit 0`
