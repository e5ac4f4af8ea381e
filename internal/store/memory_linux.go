package store

import "syscall"

// release tells the kernel that a mapping of a file needn't stay in this process's
// memory; what is read again is found in the page cache.
func release(at uintptr, size int64) {
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, at, uintptr(size), syscall.MADV_DONTNEED) // advice: if it isn't taken, nothing is lost
}
