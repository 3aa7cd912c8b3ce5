package bankv1

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// App returns yesterday's bank with its command line.
func App() cli.App {
	t, names := Topology(), topology.Names{}
	topics := map[string]bool{}
	for _, a := range t.Aggregates {
		topics[names.Commands(a.Name)], topics[names.Events(a.Name)], topics[names.Table(a.Name)] = true, true, true
	}
	for _, p := range t.Projections {
		topics[names.Table(p.Name)] = true
	}
	return cli.App{
		Name: "foldlog-v1", Summary: "The bank before its events changed.", Version: "v1", Topology: t,
		Schemas: selected{bankschemas.Files, func(topic, version string) bool {
			return topics[topic] && (version == "" || version == "v1.avsc")
		}},
	}
}

// Next returns the release after yesterday's: today's bank without the commands and events that it
// has got since. A release with a new event cannot be taken back, and this one can.
func Next() cli.App {
	app, old := bankapp.App(), Topology()
	var since []string // as schemas write it
	for _, a := range app.Topology.Aggregates {
		was := old.Aggregate(a.Name)
		a.Commands = slices.DeleteFunc(a.Commands, func(c topology.CommandSpec) bool {
			_, known := was.Command(c.Name)
			if !known {
				since = append(since, fmt.Sprintf("%q: %q", "name", c.Record()))
			}
			return !known
		})
		a.Events = slices.DeleteFunc(a.Events, func(e topology.EventSpec) bool {
			known := slices.ContainsFunc(was.Events, func(o topology.EventSpec) bool { return o.Name == e.Name })
			if !known {
				since = append(since, fmt.Sprintf("%q: %q", "name", e.Name))
			}
			return !known
		})
	}
	app.Schemas = selected{bankschemas.Files, func(topic, version string) bool {
		text, _ := bankschemas.Files.ReadFile(topic + "/" + version)
		return !slices.ContainsFunc(since, func(name string) bool { return strings.Contains(string(text), name) })
	}}
	return app
}

// selected shows some of the schema files, and not the list of published versions.
type selected struct {
	fs.ReadDirFS
	// keep is asked about each topic, with "" as the version, and about each version.
	keep func(topic, version string) bool
}

// Open implements [fs.FS].
func (s selected) Open(name string) (fs.File, error) {
	if name == schemas.LockFile {
		return nil, fs.ErrNotExist
	}
	return s.ReadDirFS.Open(name)
}

// ReadDir implements [fs.ReadDirFS].
func (s selected) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := s.ReadDirFS.ReadDir(name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		if name == "." {
			return !s.keep(e.Name(), "")
		}
		return !s.keep(name, e.Name())
	}), err
}
