package bankv1

import (
	"io/fs"
	"strings"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
)

// App returns yesterday's bank with its command line.
func App() cli.App {
	return cli.App{
		Name: "foldlog-v1", Summary: "The bank before its events changed.", Version: "v1",
		Topology: Topology(), Schemas: firstVersions{bankschemas.Files},
	}
}

// firstVersions shows the first version of the schema files that this program has.
type firstVersions struct{ fs.ReadDirFS }

// Open implements [fs.FS]. The list of published versions has later ones, too.
func (f firstVersions) Open(name string) (fs.File, error) {
	if name == schemas.LockFile {
		return nil, fs.ErrNotExist
	}
	return f.ReadDirFS.Open(name)
}

// ReadDir implements [fs.ReadDirFS].
func (f firstVersions) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := f.ReadDirFS.ReadDir(name)
	var kept []fs.DirEntry
	for _, e := range entries {
		if e.IsDir() && e.Name() != bank.DailyTurnoverProjection+"-table" || !e.IsDir() && strings.HasPrefix(e.Name(), "v1.") {
			kept = append(kept, e)
		}
	}
	return kept, err
}
