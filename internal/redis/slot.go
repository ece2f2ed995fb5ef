package redis

import "strings"

// slots is how many a Redis Cluster has.
const slots = 16384

// slot returns the slot of key in a Redis Cluster: Redis Cluster specification, "Key distribution model" and "Hash tags".
func slot(key string) uint16 {
	if _, behind, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(behind, "}"); ok && tag != "" {
			key = tag
		}
	}
	return crc16(key) % slots
}

// crc16 is CRC-16/XMODEM.
func crc16(text string) (sum uint16) {
	const polynomial = 0x1021
	for i := range len(text) {
		sum ^= uint16(text[i]) << 8
		for range 8 {
			carry := sum & 0x8000
			if sum <<= 1; carry != 0 {
				sum ^= polynomial
			}
		}
	}
	return sum
}
