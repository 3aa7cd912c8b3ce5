package banknext

import (
	"embed"
	"io/fs"
	"testing/fstest"

	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/topology"
)

//go:embed schemas/*/v*.avsc
var ours embed.FS

// App returns the release with the changed projections at version 2, beside the ones before or
// alone.
func App(beside bool) cli.App {
	app := bankapp.App()
	next := map[string]*topology.ProjectionSpec{
		"balances":           topology.Projection("balances", "account", BalancesV2()).AtVersion(2),
		"accounts-by-holder": topology.Projection("accounts-by-holder", "account", HolderCounts()).AtVersion(2),
	}
	var parts []topology.Part
	for _, a := range app.Topology.Aggregates {
		parts = append(parts, a)
	}
	for _, p := range app.Topology.Policies {
		parts = append(parts, p)
	}
	for _, p := range app.Topology.Projections {
		if n := next[p.Name]; n != nil && beside {
			p = n.Beside(p)
		} else if n != nil {
			p = n
		}
		parts = append(parts, p)
	}
	added, err := fs.Sub(ours, "schemas")
	if err != nil {
		panic(err) // it is in the program
	}
	app.Topology, app.Schemas = topology.New("bank", parts...), Joined(app.Schemas, added)
	return app
}

// Joined returns the files of all. It panics if one cannot be read.
func Joined(all ...fs.FS) fs.FS {
	files := fstest.MapFS{}
	for _, from := range all {
		err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(from, name)
			files[name] = &fstest.MapFile{Data: text}
			return err
		})
		if err != nil {
			panic(err)
		}
	}
	return files
}
