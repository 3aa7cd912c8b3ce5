package views

import (
	"encoding/binary"
	"errors"
	"time"
)

// Keys in a store start with one byte for their kind, so no key of a topic can meet one of the
// store's own.
//
// NB: must not change without raising layoutVersion.
const (
	kindMeta     = 'm' // what the store is a replica of
	kindSynced   = 's' // when the store was last known to have the whole log
	kindPosition = 'o' // per partition: the next offset to apply
	// Per partition, source and source partition: the highest offset of commands that is contained.
	kindProgress = 'p'
	kindRow      = 'r' // rows of tables
	kindOutcome  = 'i' // outcomes by aggregate id and command id
	kindTime     = 't' // outcomes by recorded time, for removing them beyond the horizon
	kindEvent    = 'e' // events by aggregate id and version
	kindTrace    = 'x' // events and outcomes by the ids that they can be traced by (traceindex.go)
)

// layoutVersion is part of the store's meta record. A store of another version is rebuilt.
const layoutVersion = 2

var (
	metaKey   = []byte{kindMeta}
	syncedKey = []byte{kindSynced}
)

func positionKey(partition int32) []byte {
	return binary.BigEndian.AppendUint32([]byte{kindPosition}, uint32(partition))
}

func progressKey(partition int32, s source) []byte {
	key := binary.BigEndian.AppendUint32([]byte{kindProgress}, uint32(partition))
	key = binary.BigEndian.AppendUint32(key, uint32(s.partition))
	return append(key, s.aggregate...)
}

func parseProgressKey(key []byte) (partition int32, s source, err error) {
	if len(key) < 9 || key[0] != kindProgress {
		return 0, source{}, errors.New("not a progress key")
	}
	return int32(binary.BigEndian.Uint32(key[1:])), source{
		partition: int32(binary.BigEndian.Uint32(key[5:])),
		aggregate: string(key[9:]),
	}, nil
}

func rowKey(key string) []byte {
	return append(append(make([]byte, 0, 1+len(key)), kindRow), key...)
}

// eventID is the key by which events are looked up.
type eventID struct {
	aggregateID string
	version     int64
}

// key sorts by aggregate id, then by version. An aggregate id has no zero byte, so no other id's
// events lie among them.
func (id eventID) key() []byte { return append([]byte{kindEvent}, id.suffix()...) }

func (id eventID) suffix() []byte {
	b := make([]byte, 0, len(id.aggregateID)+9)
	return binary.BigEndian.AppendUint64(append(append(b, id.aggregateID...), 0), uint64(id.version))
}

func parseEventSuffix(b []byte) (eventID, error) {
	end := len(b) - 9
	if end < 1 || b[end] != 0 {
		return eventID{}, errors.New("not an event's key")
	}
	return eventID{string(b[:end]), int64(binary.BigEndian.Uint64(b[end+1:]))}, nil
}

// outcomeID is the key by which outcomes are looked up.
type outcomeID struct{ aggregateID, commandID string }

// suffix is unambiguous for any bytes in the ids: the first one's length comes before it.
func (id outcomeID) suffix() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 2+len(id.aggregateID)+len(id.commandID)), uint64(len(id.aggregateID)))
	b = append(b, id.aggregateID...)
	return append(b, id.commandID...)
}

func parseOutcomeSuffix(b []byte) (outcomeID, error) {
	n, size := binary.Uvarint(b)
	if size < 1 || n > uint64(len(b)-size) {
		return outcomeID{}, errors.New("not an outcome's key")
	}
	return outcomeID{string(b[size : size+int(n)]), string(b[size+int(n):])}, nil
}

func (id outcomeID) key() []byte { return append([]byte{kindOutcome}, id.suffix()...) }

func (id outcomeID) timeKey(recordedAt time.Time) []byte {
	return append(timePrefix(recordedAt), id.suffix()...)
}

// timePrefix sorts by time. No time before 1970 occurs in a log.
func timePrefix(t time.Time) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindTime}, uint64(max(0, t.UnixMicro())))
}

// splitTimeKey returns the time in a key that timeKey made, and the key of the outcome behind it.
func splitTimeKey(key []byte) (recordedAt time.Time, outcomeKey []byte, err error) {
	if len(key) < 9 || key[0] != kindTime {
		return time.Time{}, nil, errors.New("not a time key")
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(key[1:]))).UTC(), append([]byte{kindOutcome}, key[9:]...), nil
}

func encodeInt64(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func decodeInt64(b []byte) (int64, error) {
	if len(b) != 8 {
		return 0, errors.New("not a stored number")
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}
