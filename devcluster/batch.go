package devcluster

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A record batch of Kafka's format 2 begins with this header, big endian; the rest is the records,
// compressed or not:
//
//	 0 base offset       int64
//	 8 batch length      int32, of what follows
//	12 leader epoch      int32
//	16 magic             int8, 2
//	17 CRC-32C           uint32, of what follows
//	21 attributes        int16
//	23 last offset delta int32
//	27 base timestamp    int64, milliseconds
//	35 max timestamp     int64, milliseconds
//	43 producer id       int64
//	51 producer epoch    int16
//	53 base sequence     int32
//	57 record count      int32
const (
	batchHeaderBytes  = 61
	batchLengthAt     = 8
	batchMagicAt      = 16
	batchCRCAt        = 17
	attributesAt      = 21
	lastOffsetDeltaAt = 23
	baseTimestampAt   = 27
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	recordsAt         = 57
)

const (
	transactionalBatch uint16 = 1 << 4
	controlBatch       uint16 = 1 << 5
	// logAppendTime is the attribute by which consumers know that the batch's max timestamp is the
	// time of all its records.
	logAppendTime uint16 = 1 << 3
	// appendTimeMark stands for it in kfake's files. kfake would replace the time of a batch with
	// the real attribute by its own, and leave the old checksum. Consumers would refuse the batch,
	// and the next start would cut the log off there. So the attribute is set, and the mark
	// removed, when the batch is fetched. NB: must not change, it is in the data directory.
	appendTimeMark uint16 = 1 << 14
	// knownAttributes are all that Kafka defines for a batch; producers leave the others zero.
	knownAttributes uint16 = 1<<7 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is the bytes of one record batch.
type batch []byte

// wellFormed reports whether b is one whole batch with a right checksum. Others go to kfake
// unchanged, and kfake refuses them.
func (b batch) wellFormed() bool {
	return len(b) >= batchHeaderBytes && b[batchMagicAt] == 2 &&
		uint64(binary.BigEndian.Uint32(b[batchLengthAt:]))+12 == uint64(len(b)) &&
		binary.BigEndian.Uint32(b[batchCRCAt:]) == crc32.Checksum(b[attributesAt:], castagnoli)
}

func (b batch) attributes() uint16 { return binary.BigEndian.Uint16(b[attributesAt:]) }

func (b batch) transactional() bool { return b.attributes()&transactionalBatch != 0 }

func (b batch) control() bool { return b.attributes()&controlBatch != 0 }

func (b batch) offset() int64 { return int64(binary.BigEndian.Uint64(b)) }

// end returns the offset behind the batch's last record.
func (b batch) end() int64 {
	return b.offset() + int64(binary.BigEndian.Uint32(b[lastOffsetDeltaAt:])) + 1
}

func (b batch) producerID() int64 { return int64(binary.BigEndian.Uint64(b[producerIDAt:])) }

func (b batch) producerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[producerEpochAt:])) }

func (b batch) firstSequence() int32 { return int32(binary.BigEndian.Uint32(b[baseSequenceAt:])) }

func (b batch) records() int32 { return int32(binary.BigEndian.Uint32(b[recordsAt:])) }

func (b batch) setAttributes(a uint16) { binary.BigEndian.PutUint16(b[attributesAt:], a) }

func (b batch) sign() {
	binary.BigEndian.PutUint32(b[batchCRCAt:], crc32.Checksum(b[attributesAt:], castagnoli))
}

// stamp makes b a batch that was appended at the given time, in milliseconds, for kfake to store.
func (b batch) stamp(millis int64) {
	b.setAttributes(b.attributes()&knownAttributes&^logAppendTime | appendTimeMark)
	binary.BigEndian.PutUint64(b[baseTimestampAt:], uint64(millis))
	binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(millis))
	b.sign()
}

// unmark removes the attributes that producers must not set.
func (b batch) unmark() {
	if a := b.attributes(); a != a&knownAttributes {
		b.setAttributes(a & knownAttributes)
		b.sign()
	}
}

// marker returns the batch that ends a transaction in a partition, as a transaction coordinator
// writes it.
func marker(offset int64, p producer, commit bool, now time.Time) batch {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	value := kmsg.EndTxnMarker{}
	r := kmsg.Record{Key: key.AppendTo(nil), Value: value.AppendTo(nil)}
	r.Length = int32(len(r.AppendTo(nil)) - 1) // without the length itself, which takes one byte
	rb := kmsg.RecordBatch{
		FirstOffset: offset, Magic: 2, Attributes: int16(transactionalBatch | controlBatch), NumRecords: 1,
		FirstTimestamp: now.UnixMilli(), MaxTimestamp: now.UnixMilli(),
		ProducerID: p.id, ProducerEpoch: p.epoch, FirstSequence: -1, Records: r.AppendTo(nil),
	}
	rb.Length = int32(len(rb.AppendTo(nil)) - 12)
	b := batch(rb.AppendTo(nil))
	b.sign()
	return b
}

// showAppendTimes turns stored batches into the form that consumers know, in place.
func showAppendTimes(batches []byte) {
	for len(batches) >= batchHeaderBytes {
		size := uint64(binary.BigEndian.Uint32(batches[batchLengthAt:])) + 12
		if size < batchHeaderBytes || size > uint64(len(batches)) {
			return
		}
		b := batch(batches[:size])
		if a := b.attributes(); a&appendTimeMark != 0 {
			b.setAttributes(a&^appendTimeMark | logAppendTime)
			b.sign()
		}
		batches = batches[size:]
	}
}
