package lint

import (
	"path"
	"strings"
)

// room lists the imports that the packages of a folder may have. A folder's subfolders belong to
// its room unless they have a room of their own.
type room struct {
	folder string
	// imports are rooms above this one in the table, with spaces between them; "." is the root
	// package.
	imports string
	// libraries are third-party import path prefixes, with spaces between them; "" is the standard
	// library only, "*" any library that no other room owns.
	libraries string
}

// floor is a part of the house, for readers. The order of rooms alone decides what they may import.
type floor struct {
	name  string
	rooms []room
}

// house is the structure of the tree from the ground up: what a room imports is above it here.
var house = []floor{
	{"vocabulary", []room{
		{".", "", ""},
		{"topology", ".", ""},
	}},
	{"means", []room{
		{"internal/address", "", ""},
		{"internal/record", "", "github.com/twmb/franz-go/pkg/kgo"},
		{"internal/retry", "", ""},
		{"internal/localdb", "", "*"},
		{"internal/gokashell", "", "*"},
		{"internal/avro", "", "*"},
		{"internal/cluster", "topology internal/address internal/retry", "*"},
		{"internal/kafkalog", "internal/cluster", "*"},
		{"internal/versions", "topology internal/retry internal/cluster internal/kafkalog", "*"},
	}},
	{"records as bytes", []room{
		{"schemas", "topology internal/address internal/avro", "*"},
		{"codecs", ". topology internal/record internal/retry internal/avro schemas", "*"},
	}},
	{"domains", []room{
		{"scenario", ". topology schemas codecs", ""},
		{"bank", ". topology", ""},
		{"schemas/bank", "", ""},
	}},
	{"from a command to a row", []room{
		{"processors/step", "internal/record", ""},
		{"processors/exactlyonce", ". topology internal/record internal/retry internal/localdb internal/gokashell internal/cluster processors/step", "*"},
		{"processors", ". topology internal/record internal/retry internal/cluster internal/versions schemas codecs processors/step processors/exactlyonce", "*"},
		{"views", ". topology internal/retry internal/localdb internal/gokashell internal/cluster internal/kafkalog internal/versions codecs", "*"},
	}},
	{"doors", []room{
		{"gateway", ". topology internal/record internal/cluster codecs views", "*"},
		{"api", ".", ""},
		{"edge", ". topology codecs views gateway api", "*"},
		{"client", ". api", "github.com/google/uuid"},
	}},
	{"readers of the whole log", []room{
		{"replay", "", ""},
		{"replay/kit", ". topology internal/record internal/retry internal/localdb internal/cluster internal/kafkalog codecs", "*"},
		{"replay/verify", ". topology internal/record internal/kafkalog codecs replay/kit", "*"},
		{"replay/rebuild", "topology internal/retry internal/cluster internal/versions processors replay/kit replay/verify", "*"},
		{"replay/recovery", ". topology internal/record internal/cluster codecs replay/kit", "*"},
		{"replay/backup/archive", "internal/record", "*"},
		{"replay/backup", ". topology internal/record internal/avro internal/cluster codecs replay/kit replay/recovery replay/backup/archive", "*"},
	}},
	{"programs", []room{
		{"devcluster", "internal/retry internal/avro", "*"},
		{"node", "topology internal/address internal/retry internal/cluster internal/versions schemas codecs processors views gateway edge devcluster", "*"},
		{"cli", ". topology internal/address internal/cluster internal/kafkalog internal/versions schemas codecs processors gateway client" +
			" replay/kit replay/verify replay/rebuild replay/recovery replay/backup/archive replay/backup devcluster node", "*"},
		{"bank/bankapp", ". bank schemas/bank gateway client cli", "*"},
		{"cmd/foldlog", "cli bank/bankapp", ""},
		{"deploy/healthcheck", "", ""},
	}},
	{"judges", []room{
		{"internal/lint", "", ""},
		{"internal/kafkatest", "", "*"},
		{"proof/planted", "", ""},
		{"proof/history", "", ""},
		{"proof/check", "proof/history", "*"}, // nothing that it judges
		{"proof/torture", ". client internal/kafkatest proof/planted proof/history", "*"},
		{"proof/cmd/foldlog-torture", "proof/torture", "*"},
		{"proof/cmd/foldlog-check", "proof/check", ""},
		{"proof/bankv1", ". topology schemas bank schemas/bank cli bank/bankapp", ""},
		{"proof/banknext", ". topology bank cli bank/bankapp", ""},
		{"proof/interop", "", ""},
		{"proof/walks", "", ""},
		{"proof/contract", "", ""},
		{"proof/bench", ". topology internal/record internal/cluster schemas codecs bank schemas/bank processors/step processors/exactlyonce processors" +
			" internal/kafkatest", "*"},
	}},
}

// rooms are the rooms of all floors, from the ground up.
var rooms = func() (all []room) {
	for _, f := range house {
		all = append(all, f.rooms...)
	}
	return all
}()

// owners are libraries that few rooms keep to themselves, so that they can be replaced there.
var owners = []struct{ library, rooms string }{
	{"github.com/hamba/avro", "internal/avro"},
	// the archive for its container files
	{"github.com/twmb/avro", "internal/avro replay/backup/archive"},
	{"github.com/riferrei", "schemas"},
	// the bench measures against it
	{"github.com/lovoo/goka", "internal/gokashell processors/exactlyonce views proof/bench"},
	{"github.com/spf13", "cli bank/bankapp proof/cmd/foldlog-torture"},
	{"github.com/twmb/franz-go/pkg/kfake", "devcluster"},
}

// roomOf returns the room that a folder belongs to: its own or the nearest one above.
func roomOf(folder string) (room, bool) {
	for at := folder; ; at = path.Dir(at) {
		for _, r := range rooms {
			if r.folder == at && (at != "." || folder == ".") {
				return r, true
			}
		}
		if at == "." || at == "/" {
			return room{}, false
		}
	}
}

func (r room) mayImport(target string) bool { return contains(r.imports, target) }

func contains(list, word string) bool {
	for field := range strings.FieldsSeq(list) {
		if field == word {
			return true
		}
	}
	return false
}
