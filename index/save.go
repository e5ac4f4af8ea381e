package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The saved columns: a line that names the schema, the mark, the length of the
// tables, the tables in CBOR, the cells as they are in memory, little-endian, and a
// CRC over all of it. It is a cache: what doesn't fit is thrown away.

const savedHead = "cagnotte columns " + schema + " 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// savedTables are the parts of a snapshot besides its cells.
type savedTables struct {
	Portals []cashback.Portal   `cbor:"1,keyasint"`
	Lanes   []savedLane         `cbor:"2,keyasint"`
	Shops   []cashback.Merchant `cbor:"3,keyasint"`
	// Cells is how many cells each shop has.
	Cells []uint32 `cbor:"4,keyasint"`
}

type savedLane struct {
	_        struct{} `cbor:",toarray"`
	Portal   uint16
	Kind     cashback.RewardKind
	Currency cashback.Currency
	Points   string
}

const cellSize = 8 + 8 + 4 + 2 + 1 + 1

func appendCell(b []byte, c *cell) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(c.value))
	b = binary.LittleEndian.AppendUint64(b, uint64(c.least))
	b = binary.LittleEndian.AppendUint32(b, c.readAt)
	b = binary.LittleEndian.AppendUint16(b, c.lane)
	return append(b, c.slot, c.flags)
}

func readCell(b []byte) cell {
	return cell{
		value: int64(binary.LittleEndian.Uint64(b)), least: int64(binary.LittleEndian.Uint64(b[8:])),
		readAt: binary.LittleEndian.Uint32(b[16:]), lane: binary.LittleEndian.Uint16(b[20:]), slot: b[22], flags: b[23],
	}
}

func saveColumns(path string, c *columns, m mark) error {
	t := savedTables{Portals: c.portals, Shops: make([]cashback.Merchant, 0, c.shops), Cells: make([]uint32, 0, c.shops)}
	for _, l := range c.lanes {
		t.Lanes = append(t.Lanes, savedLane{Portal: l.portal, Kind: l.kind, Currency: l.currency, Points: l.points})
	}
	n := 0
	c.each(func(p *page, slot int, s *shop) bool {
		t.Shops = append(t.Shops, s.Merchant)
		cells := len(p.of(slot))
		t.Cells = append(t.Cells, uint32(cells))
		n += cells
		return true
	})
	tables, err := cbor.Marshal(&t)
	if err != nil {
		return err
	}
	b := make([]byte, 0, len(savedHead)+32+len(tables)+n*cellSize)
	b = append(b, savedHead...)
	b = binary.BigEndian.AppendUint64(b, m.applied)
	b = binary.BigEndian.AppendUint64(b, m.fingerprint)
	b = binary.BigEndian.AppendUint64(b, uint64(len(tables)))
	b = append(b, tables...)
	c.each(func(p *page, slot int, s *shop) bool {
		for i := range p.of(slot) {
			b = appendCell(b, &p.of(slot)[i])
		}
		return true
	})
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return writeFile(path, b)
}

func loadColumns(path string) (*columns, mark, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, mark{}, err
	}
	return decodeColumns(b)
}

var errSaved = errors.New("the saved columns are damaged")

// decodeColumns reads what saveColumns wrote. Any bytes are safe: what isn't exactly
// that is an error.
func decodeColumns(b []byte) (*columns, mark, error) {
	const fixed = len(savedHead) + 24
	if len(b) < fixed+4 || string(b[:len(savedHead)]) != savedHead {
		return nil, mark{}, fmt.Errorf("%w: they are of another schema", errSaved)
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[len(body):]) {
		return nil, mark{}, fmt.Errorf("%w: they fail their checksum", errSaved)
	}
	head := body[len(savedHead):]
	m := mark{binary.BigEndian.Uint64(head), binary.BigEndian.Uint64(head[8:])}
	size := binary.BigEndian.Uint64(head[16:])
	body = body[fixed:]
	if size > uint64(len(body)) {
		return nil, mark{}, errSaved
	}
	var t savedTables
	if err := savedMode.Unmarshal(body[:size], &t); err != nil {
		return nil, mark{}, fmt.Errorf("%w: %w", errSaved, err)
	}
	c, err := restore(&t, body[size:], m)
	return c, m, err
}

var savedMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{MaxArrayElements: maxMerchantID, MaxMapPairs: 1 << 20}.DecMode()
	if err != nil {
		panic(err) // constants: a test would have failed
	}
	return m
}()

// restore puts a snapshot together again.
func restore(t *savedTables, cells []byte, m mark) (*columns, error) {
	d := (*columns)(nil).draft()
	for _, p := range t.Portals {
		d.portal(p.ID)
	}
	d.setPortals(t.Portals)
	if len(d.portals) != len(t.Portals) || len(t.Cells) != len(t.Shops) || len(t.Lanes) > maxLanes {
		return nil, errSaved
	}
	for i, l := range t.Lanes {
		if i > 0 && int(l.Portal) >= len(t.Portals) || int(d.laneOf(lane{l.Portal, l.Kind, l.Currency, l.Points})) != i {
			return nil, errSaved
		}
	}
	rows := foldAll(t.Shops)
	last := cashback.MerchantID(0)
	var p *page
	at := -1
	for i, s := range rows {
		if s.ID <= last || s.ID > maxMerchantID {
			return nil, errSaved
		}
		last = s.ID
		if n := int(s.ID / pageSize); n != at {
			if p != nil {
				p.finish(int(pageSize), d)
			}
			for n >= len(d.pages) {
				d.pages = append(d.pages, nil)
			}
			p, at = &page{first: cashback.MerchantID(n * pageSize)}, n
			d.pages[n] = p
		}
		slot := int(s.ID % pageSize)
		p.fill(slot)
		d.place(p, slot, s)
		n := int(t.Cells[i])
		if n < 0 || n > len(cells)/cellSize {
			return nil, errSaved
		}
		for range n {
			c := readCell(cells)
			cells = cells[cellSize:]
			if int(c.lane) >= len(d.lanes) || int(c.slot) != slot || c.value < 0 || c.least < 0 {
				return nil, errSaved
			}
			p.cells = append(p.cells, c)
		}
		p.next = slot + 1
		p.start[p.next] = uint32(len(p.cells))
	}
	if p != nil {
		p.finish(pageSize, d)
	}
	if len(cells) != 0 {
		return nil, errSaved
	}
	d.touched = nil
	d.applied = m.applied
	return d.snapshot(), nil
}

// fill carries the start of the cells over slots without a shop.
func (p *page) fill(to int) {
	for i := p.next; i < to; i++ {
		p.start[i+1] = uint32(len(p.cells))
	}
	p.next = to
}

func (p *page) finish(to int, d *draft) {
	p.fill(to)
	p.tally()
	d.shops += p.count
	d.offers += p.offers
}

// foldAll makes the rows of merchants, on both cores: folding the names is most of
// the work of a start.
func foldAll(list []cashback.Merchant) []*shop {
	rows := make([]*shop, len(list))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(list); i += workers {
				rows[i] = rowOf(list[i])
			}
		})
	}
	wg.Wait()
	return rows
}
