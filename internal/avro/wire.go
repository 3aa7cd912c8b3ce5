package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Magic is the first byte of a value in Confluent's wire format. The schema's id follows in four
// bytes, big endian, and then the Avro body.
const Magic = 0

const prefixSize = 5

var errNoPrefix = errors.New("not in Confluent's wire format: it starts with a zero byte and four bytes of schema id")

// SplitWire returns the schema id and the body.
func SplitWire(value []byte) (id int, body []byte, err error) {
	if value == nil {
		return 0, nil, errors.New("no value")
	}
	if len(value) < prefixSize || value[0] != Magic {
		return 0, nil, fmt.Errorf("%w; %d bytes", errNoPrefix, len(value))
	}
	return int(binary.BigEndian.Uint32(value[1:prefixSize])), value[prefixSize:], nil
}

// AppendPrefix appends the prefix with the schema's id.
func AppendPrefix(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, Magic), uint32(id))
}
