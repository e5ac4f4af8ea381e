package background

import "syscall"

// niceness is that of a background thread: a tenth of the processor where others want
// all of it, so that whoever waits for it still gets there.
const niceness = 10

// lower puts this thread behind others; a process that may not goes on as it is.
func lower() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), niceness) }
