//go:build !linux

package background

// lower does nothing: only Linux has priorities of threads that anybody may lower.
func lower() {}
