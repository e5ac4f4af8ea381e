package crawler

import "hash/maphash"

// keySet is a set of the short names of entries (keyOf). There may be tens of
// thousands in each of many runs, all the while that they last: it takes five to
// eight bytes for each, where a map takes eighteen.
type keySet struct {
	slots []uint32 // 0 is free
	n     int      // of the slots that are taken
	zero  bool     // the set holds 0
}

// keySeed spreads keys over the slots in a way that no portal can foresee.
var keySeed = maphash.MakeSeed()

func (s *keySet) len() int {
	if s.zero {
		return s.n + 1
	}
	return s.n
}

// slot is where a key stands, or would.
func (s *keySet) slot(key uint32) int {
	i := int(uint64(uint32(maphash.Comparable(keySeed, key))) * uint64(len(s.slots)) >> 32)
	for s.slots[i] != 0 && s.slots[i] != key {
		if i++; i == len(s.slots) {
			i = 0
		}
	}
	return i
}

func (s *keySet) has(key uint32) bool {
	if key == 0 {
		return s.zero
	}
	return s.n > 0 && s.slots[s.slot(key)] == key
}

// add reports whether the key is new.
func (s *keySet) add(key uint32) bool {
	if s.has(key) {
		return false
	}
	if key == 0 {
		s.zero = true
		return true
	}
	if 4*(s.n+1) > 3*len(s.slots) {
		const least = 64
		old := s.slots
		s.slots = make([]uint32, max(least, len(old)+len(old)/2))
		for _, k := range old {
			if k != 0 {
				s.slots[s.slot(k)] = k
			}
		}
	}
	s.slots[s.slot(key)] = key
	s.n++
	return true
}

// clone is a set of its own.
func (s *keySet) clone() *keySet {
	c := *s
	c.slots = append([]uint32(nil), s.slots...)
	return &c
}
