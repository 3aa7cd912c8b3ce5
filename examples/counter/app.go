package counter

import (
	"embed"
	"io/fs"

	"github.com/foldlog/foldlog/cli"
)

//go:embed schemas
var files embed.FS

// App returns the system with its command line.
func App() cli.App {
	schemas, err := fs.Sub(files, "schemas")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return cli.App{
		Name:     "counter",
		Summary:  "Counters that go up and down, on Foldlog",
		Topology: Topology(),
		Schemas:  schemas,
		Examples: []cli.Example{
			{Aggregate: "counter", ID: "clicks", Command: "increment", Body: `{"by": 3}`},
			{Aggregate: "counter", ID: "clicks", Command: "decrement", Body: `{"by": 1}`},
		},
	}
}
