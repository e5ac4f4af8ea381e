package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// bbolt trusts its file: a wrong page number sends it round in circles, a wrong
// length beyond the mapping, both in goroutines of its own where nothing can be
// caught. So the tree is walked once before bbolt sees the file. The walk reads what
// bbolt would follow (numbers, kinds, bounds) and not the records, whose checksums
// speak for themselves when they are read.
//
// The format, which bbolt 1.x promises not to change, in the machine's byte order:
//
//	page     number 8 · kind 2 · count 2 · overflow 4 · elements
//	meta     magic 4 · version 4 · page size 4 · flags 4 · root 8 · sequence 8 ·
//	         freelist 8 · high water mark 8 · transaction 8 · FNV-1a of that 8
//	branch   offset 4 · key size 4 · page 8, for each child
//	leaf     flags 4 · offset 4 · key size 4 · value size 4, for each record
//	bucket   a leaf's value with flag 1: root page 8 · sequence 8, and where the root
//	         is 0 a whole page behind them
const (
	boltMagic     = 0xed0cdaed
	boltVersion   = 2
	pageHeader    = 16
	elementSize   = 16
	metaOffset    = pageHeader
	metaSize      = 64
	metaTxid      = 48
	branchPage    = 1
	leafPage      = 2
	bucketElement = 1
	noFreelist    = 1<<64 - 1
	deepest       = 32
)

var native = binary.NativeEndian

// boltFile is a database as it lies on the disk.
type boltFile struct {
	f        *os.File
	size     int64
	pageSize int64
	root     uint64
	end      uint64 // the first page number that isn't used
	free     uint64 // the freelist's page, or noFreelist
	txid     uint64
	short    bool // the file ends before its last page

	seen []bool // by page number
	// problem hears of what is wrong; the walk goes on beside it.
	problem func(error)
	// record hears of every record, where it is set.
	record func(bucket, key, value []byte)
}

func openBoltFile(path string) (*boltFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := &boltFile{f: f}
	if err := b.meta(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return b, nil
}

func (b *boltFile) close() { _ = b.f.Close() }

// meta reads the newer one of the two metas that are whole.
func (b *boltFile) meta() error {
	st, err := b.f.Stat()
	if err != nil {
		return err
	}
	b.size = st.Size()
	found := false
	// The second meta stands one page further, and the page's size is in the first;
	// where that is lost, the usual sizes are tried, as bbolt does.
	for at := int64(0); at <= 64<<10; at = max(1024, at*2) {
		m := make([]byte, metaSize)
		if _, err := b.f.ReadAt(m, at+metaOffset); err != nil {
			break
		}
		sum := fnv.New64a()
		_, _ = sum.Write(m[:metaSize-8])
		if native.Uint32(m) != boltMagic || native.Uint32(m[4:]) != boltVersion || native.Uint64(m[56:]) != sum.Sum64() {
			continue
		}
		if size := int64(native.Uint32(m[8:])); at != 0 && size != at {
			continue
		}
		if txid := native.Uint64(m[metaTxid:]); !found || txid > b.txid {
			b.pageSize, b.txid = int64(native.Uint32(m[8:])), txid
			b.root, b.free, b.end = native.Uint64(m[16:]), native.Uint64(m[32:]), native.Uint64(m[40:])
			found = true
		}
	}
	if !found || b.pageSize < 1024 {
		return fmt.Errorf("neither of its two heads is whole")
	}
	there := uint64(b.size / b.pageSize)
	b.short = b.end > there
	b.end = min(b.end, there)
	b.seen = make([]bool, b.end)
	return nil
}

// page reads a page with what overflows of it.
func (b *boltFile) page(id uint64) ([]byte, error) {
	if id < 2 || id >= b.end {
		return nil, fmt.Errorf("page %d is named, and there are %d", id, b.end)
	}
	if b.seen[id] {
		return nil, fmt.Errorf("page %d is named twice", id)
	}
	p := make([]byte, b.pageSize)
	if err := b.fill(p, id); err != nil {
		return nil, err
	}
	if got := native.Uint64(p); got != id {
		return nil, fmt.Errorf("page %d says that it is page %d", id, got)
	}
	more := uint64(native.Uint32(p[12:]))
	if id+more >= b.end {
		return nil, fmt.Errorf("page %d says that it is %d pages long", id, more+1)
	}
	for i := id; i <= id+more; i++ {
		if b.seen[i] {
			return nil, fmt.Errorf("page %d is part of two", i)
		}
		b.seen[i] = true
	}
	if more > 0 {
		p = make([]byte, b.pageSize*int64(more+1))
		if err := b.fill(p, id); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (b *boltFile) fill(p []byte, id uint64) error {
	if _, err := b.f.ReadAt(p, int64(id)*b.pageSize); err != nil {
		if err == io.EOF {
			return fmt.Errorf("the file ends before page %d", id)
		}
		return err
	}
	return nil
}

// walk walks over all buckets.
func (b *boltFile) walk() {
	b.tree(b.root, 0, func(key, value []byte, flags uint32) error {
		if flags&bucketElement == 0 || len(value) < 16 {
			return fmt.Errorf("%q in the root is no bucket", short(string(key)))
		}
		name := bytes.Clone(key)
		visit := func(key, value []byte, flags uint32) error {
			if flags != 0 {
				return fmt.Errorf("a record of %q has flags %x", short(string(name)), flags)
			}
			if b.record != nil {
				b.record(name, key, value)
			}
			return nil
		}
		if root := native.Uint64(value); root != 0 {
			b.tree(root, 0, visit)
			return nil
		}
		return b.leaf(value[16:], fmt.Sprintf("the page in bucket %q", short(string(name))), visit)
	})
}

func (b *boltFile) tree(id uint64, depth int, visit func(key, value []byte, flags uint32) error) {
	p, err := b.page(id)
	if err != nil {
		b.problem(err)
		return
	}
	switch kind := native.Uint16(p[8:]); {
	case kind == leafPage:
		if err := b.leaf(p, fmt.Sprintf("page %d", id), visit); err != nil {
			b.problem(err)
		}
	case kind == branchPage && depth < deepest:
		n := int(native.Uint16(p[10:]))
		if n == 0 || !counted(p, n, 0) {
			b.problem(fmt.Errorf("page %d doesn't have the %d children that it says", id, n))
			return
		}
		for i := range n {
			at := pageHeader + i*elementSize
			e := p[at:]
			if uint64(at)+uint64(native.Uint32(e))+uint64(native.Uint32(e[4:])) > uint64(len(p)) {
				b.problem(fmt.Errorf("a key of page %d ends behind it", id))
				return
			}
			b.tree(native.Uint64(e[8:]), depth+1, visit)
		}
	default:
		b.problem(fmt.Errorf("page %d is of kind %x", id, kind))
	}
}

// counted says that a page has as many elements as its head counts: the first one's
// key stands right behind the last element. A smaller count would hide records, and
// no checksum would miss them.
func counted(p []byte, n, offset int) bool {
	first := pageHeader + n*elementSize
	if first > len(p) {
		return false
	}
	if n == 0 {
		return len(p) < pageHeader+elementSize || bytes.Count(p[pageHeader:pageHeader+elementSize], []byte{0}) == elementSize
	}
	return uint64(pageHeader)+uint64(native.Uint32(p[pageHeader+offset:])) == uint64(first)
}

func (b *boltFile) leaf(p []byte, name string, visit func(key, value []byte, flags uint32) error) error {
	if len(p) < pageHeader || native.Uint16(p[8:]) != leafPage {
		return fmt.Errorf("%s is none", name)
	}
	n := int(native.Uint16(p[10:]))
	if !counted(p, n, 4) {
		return fmt.Errorf("%s doesn't have the %d records that it says", name, n)
	}
	for i := range n {
		at := uint64(pageHeader + i*elementSize)
		e := p[at:]
		from := at + uint64(native.Uint32(e[4:]))
		mid := from + uint64(native.Uint32(e[8:]))
		to := mid + uint64(native.Uint32(e[12:]))
		if to > uint64(len(p)) {
			return fmt.Errorf("record %d of %s ends behind it", i, name)
		}
		if err := visit(p[from:mid:mid], p[mid:to:to], native.Uint32(e)); err != nil {
			b.problem(err)
		}
	}
	return nil
}

// inspect refuses a file that bbolt must not follow.
func inspect(path string) error {
	b, err := openBoltFile(path)
	if err == nil {
		defer b.close()
		b.problem = func(e error) {
			if err == nil {
				err = e
			}
		}
		if b.short {
			err = fmt.Errorf("it is shorter than it should be")
		}
		b.walk()
		if err == nil {
			err = b.freelist()
		}
	}
	if err != nil {
		return cashback.Errorf(cashback.DiskFailed, "the database %s is damaged (%w): restore a backup, or keep what is whole with: cagnotte check --salvage", path, err)
	}
	return nil
}

// freelist looks at the list of free pages, where it was written: a used page in it
// would be overwritten.
func (b *boltFile) freelist() error {
	if b.free == noFreelist {
		return nil
	}
	p, err := b.page(b.free)
	if err != nil {
		return fmt.Errorf("the list of free pages: %w", err)
	}
	ids := p[pageHeader:]
	n := uint64(native.Uint16(p[10:]))
	if n == 0xffff {
		n = native.Uint64(ids)
		ids = ids[8:]
	}
	if native.Uint16(p[8:]) != 0x10 || n > uint64(len(ids)/8) {
		return fmt.Errorf("page %d is no list of free pages", b.free)
	}
	for i := range n {
		id := native.Uint64(ids[i*8:])
		if id < 2 || id >= b.end || b.seen[id] {
			return fmt.Errorf("page %d can't be free", id)
		}
		b.seen[id] = true
	}
	for id := uint64(2); id < b.end; id++ {
		if !b.seen[id] {
			return fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return nil
}

// committed says whether the file names a transaction as done; true when in doubt.
func (s *Store) committed(id int) bool {
	b, err := openBoltFile(s.db.Path())
	if err != nil {
		return true
	}
	defer b.close()
	return b.txid >= uint64(id)
}
