package history

import (
	"encoding/json"
	"time"
)

// Run describes a run.
type Run struct {
	Scenario   string            `json:"scenario"`
	Seed       uint64            `json:"seed"`
	Broker     string            `json:"broker"` // "kafka-1", "kafka-3" or "embedded"
	Planted    string            `json:"planted,omitempty"`
	Partitions int               `json:"partitions"`
	Instances  []string          `json:"instances"`
	Settings   map[string]string `json:"settings,omitempty"`
	Began      int64             `json:"began"`
	// Healed is when the last fault was mended and writers had stopped, Settled when every instance
	// was ready and nothing lagged; 0 if never.
	Healed  int64 `json:"healed"`
	Settled int64 `json:"settled"`
	Ended   int64 `json:"ended"`
	// Fresh names the instance that was started last, on an empty data directory: what it shows was
	// rebuilt from the topics alone.
	Fresh string `json:"fresh,omitempty"`
}

// What an operation's line says.
const (
	Invoke  = "invoke"  // the client is about to ask
	OK      = "ok"      // it has an answer: accepted or rejected, a state or a row
	Fail    = "fail"    // certainly nothing happened
	Unknown = "unknown" // it may have happened or not, or will yet
)

// What an operation is.
const (
	CommandCall = "command" // over HTTP
	ProduceCall = "produce" // to the commands topic; ok means that the broker acknowledged it
	StateCall   = "state"   // GET /v1/{aggregate}/{id}
	ViewCall    = "view"    // GET /v1/views/{view}/{key}
)

// Op is one line of a client's history.
type Op struct {
	At     int64  `json:"at"`
	Client int    `json:"client"`
	Number int64  `json:"op"` // unique in the run; invoke and its end share it
	Kind   string `json:"kind"`
	Call   string `json:"call"`

	// Invoke of a command or produce.
	Aggregate       string          `json:"aggregate,omitempty"`
	ID              string          `json:"id,omitempty"`
	Command         string          `json:"command,omitempty"`
	CommandID       string          `json:"command_id,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"`
	ExpectedVersion *int64          `json:"expected_version,omitempty"`
	// Key is the record's key and Raw its value, where what was produced is no ordinary command (a
	// nil value: Raw is absent and Nil true).
	Key []byte `json:"key,omitempty"`
	Raw []byte `json:"raw,omitempty"`
	Nil bool   `json:"nil,omitempty"`

	// Invoke of a read. After is the token that the read had to reach.
	View  string `json:"view,omitempty"`
	After string `json:"after,omitempty"`

	// The end of an operation. Status is HTTP's, 0 without an answer.
	Instance     string `json:"instance,omitempty"` // who was asked
	Status       int    `json:"status,omitempty"`
	Code         string `json:"code,omitempty"` // of a rejection or a problem
	FirstVersion int64  `json:"first_version,omitempty"`
	// Version is that of an accepted command, or of the state that was read.
	Version  int64    `json:"version,omitempty"`
	EventIDs []string `json:"event_ids,omitempty"`
	Repeat   bool     `json:"repeat,omitempty"`
	Token    string   `json:"token,omitempty"`
	Position string   `json:"position,omitempty"` // what a read has seen
	// Body is what a read answered: the state or the row, without the envelope.
	Body json.RawMessage `json:"body,omitempty"`
	// Partition and Offset are where an acknowledged produce is.
	Partition int32  `json:"partition,omitempty"`
	Offset    int64  `json:"offset,omitempty"`
	Error     string `json:"error,omitempty"`
}

// Fault is something that was done to the system, or mended.
type Fault struct {
	At int64 `json:"at"`
	// Kind is "kill", "freeze", "thaw", "term", "start", "broker-kill", "broker-boot", "cut", ...
	Kind   string `json:"kind"`
	Target string `json:"target,omitempty"` // instance or broker
	Detail string `json:"detail,omitempty"`
}

// Sample is what an instance used at a time.
type Sample struct {
	At         int64  `json:"at"`
	Instance   string `json:"instance"`
	RSS        int64  `json:"rss"` // bytes
	FDs        int    `json:"fds"`
	Goroutines int    `json:"goroutines"`
	Ready      bool   `json:"ready"`
}

// Topics is what was known of topics, groups and schemas at the end.
type Topics struct {
	Topics map[string]Topic `json:"topics"`
	// Offsets are the committed offsets: group, topic, partition.
	Offsets map[string]map[string]map[int32]int64 `json:"offsets"`
	// Schemas are those of the registry by id.
	Schemas map[int]string `json:"schemas"`
}

// Topic is a topic's places, by partition.
type Topic struct {
	Compacted bool            `json:"compacted"`
	Start     map[int32]int64 `json:"start"`
	End       map[int32]int64 `json:"end"`    // high watermark
	Stable    map[int32]int64 `json:"stable"` // last stable offset
}

// Record is a record of a topic. A nil value is a deletion, an empty one is not.
type Record struct {
	Partition int32       `json:"p"`
	Offset    int64       `json:"o"`
	Time      int64       `json:"t"` // milliseconds
	Key       []byte      `json:"k"`
	Value     []byte      `json:"v"`
	Headers   [][2][]byte `json:"h,omitempty"`
}

// Row is a row of a view, a state or an entry of a store. A state's is the whole answer,
// {"aggregate_id", "version", "recorded_at", "state"}.
type Row struct {
	Key string          `json:"key"`
	Row json.RawMessage `json:"row"`
}

// Now is the time as the files have it.
func Now() int64 { return time.Now().UnixNano() }
