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

// rooms is the structure of the tree from the ground up: a room imports only rooms above it in this
// list.
var rooms = []room{
	// the vocabulary
	{".", "", ""},
	{"topology", ".", ""},

	// means: each does one thing for the floors above
	{"internal/record", "", "github.com/twmb/franz-go/pkg/kgo"},
	{"internal/retry", "", ""},
	{"internal/localdb", "", "*"},
	{"internal/gokashell", "", "*"},
	{"internal/avro", "", "*"},
	{"internal/cluster", "topology internal/retry", "*"},
	{"internal/kafkalog", "internal/cluster", "*"},
	{"internal/versions", "topology internal/retry internal/cluster internal/kafkalog", "*"},

	// records as bytes
	{"schemas", "topology internal/avro", "*"},
	{"codecs", ". topology internal/record internal/retry internal/avro schemas", "*"},

	// domains, and what tests them
	{"scenario", ". topology schemas codecs", ""},
	{"bank", ". topology", ""},
	{"schemas/bank", "", ""},

	// from a command to a row
	{"processors/step", "internal/record", ""},
	{"processors/exactlyonce", ". topology internal/record internal/retry internal/localdb internal/gokashell internal/cluster processors/step", "*"},
	{"processors", ". topology internal/record internal/retry internal/cluster internal/versions codecs processors/step processors/exactlyonce", "*"},
	{"views", ". topology internal/retry internal/localdb internal/gokashell internal/cluster internal/kafkalog internal/versions codecs", "*"},

	// doors
	{"gateway", ". topology internal/record internal/cluster codecs views", "*"},
	{"api", ".", ""},
	{"edge", ". topology codecs views gateway api", "*"},
	{"client", ". api", "github.com/google/uuid"},

	// what reads the whole log
	{"replay", "", ""},
	{"replay/kit", ". topology internal/record internal/retry internal/localdb internal/cluster internal/kafkalog codecs", "*"},
	{"replay/verify", ". topology internal/record internal/kafkalog codecs replay/kit", "*"},
	{"replay/rebuild", "topology internal/retry internal/cluster internal/versions processors replay/kit replay/verify", "*"},
	{"replay/recovery", ". topology internal/record internal/cluster codecs replay/kit", "*"},
	{"replay/backup/archive", "internal/record", "*"},
	{"replay/backup", ". topology internal/record internal/avro internal/cluster codecs replay/kit replay/recovery replay/backup/archive", "*"},

	// programs
	{"devcluster", "internal/retry internal/avro", "*"},
	{"node", "topology internal/retry internal/cluster internal/versions schemas codecs processors views gateway edge devcluster", "*"},
	{"cli", ". topology internal/cluster internal/kafkalog internal/versions schemas codecs gateway client" +
		" replay/kit replay/verify replay/rebuild replay/recovery replay/backup/archive replay/backup devcluster node", "*"},
	{"bank/bankapp", ". bank schemas/bank gateway client cli", "*"},
	{"cmd/foldlog", "cli bank/bankapp", ""},
	{"deploy/healthcheck", "", ""},

	// what judges all of it
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
}

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
