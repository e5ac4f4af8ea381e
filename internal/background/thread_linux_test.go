package background

import (
	"syscall"
	"testing"
)

// TestQuietly: the work's thread has the low priority, and the caller's its own.
func TestQuietly(t *testing.T) {
	of := func() int {
		// The system call's answer is 20 less the niceness.
		p, _, no := syscall.RawSyscall(syscall.SYS_GETPRIORITY, syscall.PRIO_PROCESS, uintptr(syscall.Gettid()), 0)
		if no != 0 {
			t.Fatal(no)
		}
		return 20 - int(p)
	}
	before := of()
	if before > niceness {
		t.Skipf("this process has a niceness of %d itself", before)
	}
	inside := 0
	if err := Quietly(func() error { inside = of(); return nil }); err != nil {
		t.Fatal(err)
	}
	if inside != niceness {
		t.Errorf("a niceness of %d, not %d", inside, niceness)
	}
	for range 100 {
		done := make(chan int)
		go func() { done <- of() }()
		if n := <-done; n != before {
			t.Fatalf("another thread has a niceness of %d, not %d", n, before)
		}
	}
}
