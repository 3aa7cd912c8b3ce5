package archive

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds of a container file, and how it is written.
const (
	// blockBytes is the size of a block before compression, without the record that fills it.
	blockBytes = 1 << 20
	// maxBlock bounds a block, compressed and not: a full one with the largest record. No file of
	// ours has larger ones.
	maxBlock = 16 << 20
	// maxMeta bounds a text in the head of a file.
	maxMeta = 4 << 20
	// writerKey is the head's entry with the schema of the values as they stood in the log.
	//
	// NB: must not change. Files have it.
	writerKey = "foldlog.schema"
	codec     = "deflate" // which every implementation of Avro has to know
)

var magic = [4]byte{'O', 'b', 'j', 1}

// Reader reads the rows of one file. The library for container files decodes values, and encoding
// them again need not give the same bytes. This reader leaves values as they are.
type Reader struct {
	in    *bufio.Reader
	sync  [16]byte
	meta  map[string][]byte
	block scanner
	left  int64 // rows in the block
}

// NewReader reads the head of a file.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 256<<10), meta: map[string][]byte{}}
	var head [4]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil || head != magic {
		return nil, errors.New("it is not an Avro object container file")
	}
	for {
		n, err := binary.ReadVarint(r.in)
		if err != nil {
			return nil, fmt.Errorf("its head: %w", whole(err))
		}
		if n == 0 {
			break
		}
		if n < 0 || n > 1000 {
			return nil, fmt.Errorf("its head claims %d entries, and at most 1000 are read", n)
		}
		for range n {
			key, err := r.text()
			if err != nil {
				return nil, err
			}
			if r.meta[string(key)], err = r.text(); err != nil {
				return nil, err
			}
		}
	}
	if _, err := io.ReadFull(r.in, r.sync[:]); err != nil {
		return nil, fmt.Errorf("its head: %w", whole(err))
	}
	if string(r.meta["avro.codec"]) != codec || r.meta[writerKey] == nil {
		return nil, fmt.Errorf("its head does not name the codec %s and %s: it was not written by an export", codec, writerKey)
	}
	return r, nil
}

func (r *Reader) text() ([]byte, error) {
	n, err := binary.ReadVarint(r.in)
	if err == nil && (n < 0 || n > maxMeta) {
		err = fmt.Errorf("a text of %d bytes", n)
	}
	if err != nil {
		return nil, fmt.Errorf("its head: %w", whole(err))
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.in, b); err != nil {
		return nil, fmt.Errorf("its head: %w", whole(err))
	}
	return b, nil
}

// Schema returns the schema of the values, as the registry had it when they were written.
func (r *Reader) Schema() string { return string(r.meta[writerKey]) }

// Next returns the next row, or io.EOF at the end. The row stays valid after the next call.
func (r *Reader) Next() (*Row, error) {
	for r.left == 0 {
		if len(r.block.left) > 0 {
			return nil, errors.New("a block has more than its rows")
		}
		if err := r.readBlock(); err != nil {
			return nil, err
		}
	}
	r.left--
	row := r.block.row()
	return row, r.block.err
}

func (r *Reader) readBlock() error {
	count, err := binary.ReadVarint(r.in)
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	size := int64(0)
	if err == nil {
		size, err = binary.ReadVarint(r.in)
	}
	if err == nil && (count < 0 || size < 0 || size > maxBlock || count > maxBlock) {
		err = fmt.Errorf("a block of %d rows and %d bytes", count, size)
	}
	if err != nil {
		return fmt.Errorf("the head of a block: %w", whole(err))
	}
	compressed := make([]byte, size+int64(len(r.sync)))
	if _, err := io.ReadFull(r.in, compressed); err != nil {
		return fmt.Errorf("a block: %w", whole(err))
	}
	if !bytes.Equal(compressed[size:], r.sync[:]) {
		return errors.New("a block does not end as the blocks of this file do")
	}
	inflate := flate.NewReader(bytes.NewReader(compressed[:size]))
	plain := bytes.NewBuffer(make([]byte, 0, blockBytes+blockBytes/8))
	if _, err := plain.ReadFrom(io.LimitReader(inflate, maxBlock+1)); err != nil {
		return fmt.Errorf("a block: %w", whole(err))
	}
	if plain.Len() > maxBlock {
		return fmt.Errorf("a block has more than %d bytes", maxBlock)
	}
	r.block, r.left = scanner{left: plain.Bytes()}, count
	return nil
}

// whole turns the end of the file inside a row or block into an error of its own.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
