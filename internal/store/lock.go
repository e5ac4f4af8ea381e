package store

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// HolderInfo is a process that has a data folder open.
type HolderInfo struct {
	PID int `json:"pid"`
	// Address is where it serves HTTP; empty for a verb that only works on the data.
	Address string    `json:"address,omitempty"`
	Since   time.Time `json:"since"`
}

// How long a start waits for the folder, and how often it looks. Whoever only asks
// who holds the folder takes a shared lock for an instant, so one look isn't enough.
const (
	lockWait  = time.Second
	lockPause = 20 * time.Millisecond
)

// lock takes the folder for this process until the file is closed, by the process
// or by its end: the lock is the kernel's, the file only says who it is.
func lock(ctx context.Context, dir string, me HolderInfo) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, cashback.Errorf(cashback.DiskFailed, "the data folder %s can't be used: %w", dir, err)
	}
	deadline := time.NewTimer(lockWait)
	defer deadline.Stop()
	for {
		err = flock(f, true)
		if err == nil {
			break
		}
		if !errors.Is(err, errHeld) {
			_ = f.Close()
			return nil, cashback.Errorf(cashback.DiskFailed, "lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-deadline.C:
			_ = f.Close()
			return nil, lockedError(dir)
		case <-time.After(lockPause):
		}
	}
	if err := writeHolder(f, me); err != nil {
		_ = f.Close()
		return nil, diskError(err, "write %s", path)
	}
	return f, nil
}

func lockedError(dir string) error {
	h, err := readHolder(filepath.Join(dir, lockName))
	if err != nil || h.PID == 0 {
		return cashback.Errorf(cashback.Locked, "the data folder %s is in use by another process", dir)
	}
	where := ""
	if h.Address != "" {
		where = " that serves on " + h.Address
	}
	return cashback.Errorf(cashback.Locked, "the data folder %s is in use by process %d%s, started %s", dir, h.PID, where, h.Since.Format(time.RFC3339))
}

func writeHolder(f *os.File, me HolderInfo) error {
	b, err := json.Marshal(me)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(b, '\n'), 0)
	return err
}

func readHolder(path string) (HolderInfo, error) {
	var h HolderInfo
	f, err := os.Open(path)
	if err != nil {
		return h, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(b, &h)
}

// Holder says who has the data folder open; false where nobody has.
func Holder(dir string) (HolderInfo, bool, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return HolderInfo{}, false, nil
	}
	if err != nil {
		return HolderInfo{}, false, cashback.Errorf(cashback.DiskFailed, "the data folder %s can't be read: %w", dir, err)
	}
	defer f.Close()
	err = flock(f, false)
	if err == nil {
		return HolderInfo{}, false, nil
	}
	if !errors.Is(err, errHeld) {
		return HolderInfo{}, false, cashback.Errorf(cashback.DiskFailed, "lock %s: %w", path, err)
	}
	h, err := readHolder(path)
	if err != nil { // it is being written
		return HolderInfo{}, true, nil
	}
	return h, true, nil
}
