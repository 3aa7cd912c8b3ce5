package codecs

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Confluent's wire format: a zero byte, the schema's id in four bytes, big endian, and the Avro
// body.
const (
	magic      = 0
	prefixSize = 5
)

var errNoPrefix = errors.New("not in Confluent's wire format: it starts with a zero byte and four bytes of schema id")

// splitWire returns the schema id and the body.
func splitWire(value []byte) (id int, body []byte, err error) {
	if value == nil {
		return 0, nil, errors.New("no value")
	}
	if len(value) < prefixSize || value[0] != magic {
		return 0, nil, fmt.Errorf("%w; %d bytes", errNoPrefix, len(value))
	}
	return int(binary.BigEndian.Uint32(value[1:prefixSize])), value[prefixSize:], nil
}

// appendPrefix starts a value that the schema's id announces.
func appendPrefix(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magic), uint32(id))
}
