package lint

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	module = "github.com/foldlog/foldlog"
	// longestFile is where a file has more than one idea in it.
	longestFile = 500
)

// room says what the packages of a folder may import of this module, and which third-party modules
// are theirs alone.
type room struct {
	// imports are folders of this module; "." is the root package.
	imports []string
	// libraries are third-party import path prefixes; nil means any that no other room owns.
	libraries []string
}

// none marks a room that uses the standard library only.
var none = []string{}

// rooms is the structure of the tree. A folder's subfolders belong to it unless they have an entry.
var rooms = map[string]room{
	".":                      {libraries: none},
	"topology":               {imports: []string{"."}, libraries: none},
	"scenario":               {imports: []string{".", "topology", "schemas", "codecs"}, libraries: none},
	"bank":                   {imports: []string{".", "topology", "bank"}, libraries: none},
	"bank/bankapp":           {imports: []string{".", "topology", "bank", "schemas/bank", "cli", "client", "gateway", "internal/cluster", "codecs"}},
	"schemas":                {imports: []string{".", "topology", "schemas", "internal/avro"}},
	"schemas/bank":           {libraries: none},
	"codecs":                 {imports: []string{".", "topology", "schemas", "internal/avro", "internal/record", "internal/retry"}},
	"processors":             {imports: []string{".", "topology", "codecs", "processors/step", "processors/exactlyonce", "internal/record", "internal/cluster", "internal/versions", "internal/retry"}},
	"processors/step":        {imports: []string{"internal/record"}, libraries: none},
	"processors/exactlyonce": {imports: []string{".", "topology", "processors/step", "internal/record", "internal/cluster", "internal/retry", "internal/localdb", "internal/gokashell"}},
	"views":                  {imports: []string{".", "topology", "codecs", "internal/cluster", "internal/kafkalog", "internal/versions", "internal/record", "internal/retry", "internal/localdb", "internal/gokashell"}},
	"replay":                 {libraries: none},
	"replay/kit":             {imports: []string{".", "topology", "codecs", "internal/cluster", "internal/kafkalog", "internal/record", "internal/retry", "internal/localdb"}},
	"replay/verify":          {imports: []string{".", "topology", "codecs", "replay/kit", "internal/kafkalog", "internal/record"}},
	"replay/rebuild":         {imports: []string{"topology", "processors", "replay/kit", "replay/verify", "internal/cluster", "internal/retry", "internal/versions"}},
	"replay/recovery":        {imports: []string{".", "topology", "codecs", "replay/kit", "internal/cluster", "internal/record"}},
	"replay/backup": {imports: []string{".", "topology", "codecs", "replay/kit", "replay/recovery", "replay/backup/archive", "internal/avro", "internal/cluster",
		"internal/record"}},
	"replay/backup/archive": {imports: []string{"internal/record"}},
	"gateway":               {imports: []string{".", "topology", "codecs", "views", "internal/cluster", "internal/record"}},
	"edge":                  {imports: []string{".", "topology", "codecs", "views", "gateway", "api"}},
	"api":                   {imports: []string{"."}, libraries: none},
	"client":                {imports: []string{".", "api"}, libraries: []string{"github.com/google/uuid"}},
	"devcluster":            {imports: []string{"internal/avro", "internal/retry"}},
	"cli": {imports: []string{".", "topology", "schemas", "codecs", "processors", "views", "gateway", "edge", "client", "devcluster",
		"replay/kit", "replay/verify", "replay/recovery", "replay/rebuild", "replay/backup", "replay/backup/archive",
		"internal/cluster", "internal/kafkalog", "internal/record", "internal/versions", "internal/retry"}},
	"cmd/foldlog":               {imports: []string{"bank/bankapp", "cli"}, libraries: none},
	"internal/cluster":          {imports: []string{".", "topology", "internal/retry"}},
	"internal/avro":             {imports: none},
	"internal/kafkalog":         {imports: []string{"internal/cluster"}},
	"internal/retry":            {libraries: none},
	"internal/localdb":          {},
	"internal/gokashell":        {},
	"internal/versions":         {imports: []string{"topology", "internal/cluster", "internal/retry", "internal/kafkalog"}},
	"internal/kafkatest":        {},
	"internal/record":           {libraries: []string{"github.com/twmb/franz-go/pkg/kgo"}},
	"proof/planted":             {libraries: none},
	"proof/history":             {libraries: none},
	"proof/check":               {imports: []string{"proof/history"}}, // nothing that it judges
	"proof/torture":             {imports: []string{".", "proof/history", "proof/planted", "internal/kafkatest", "client"}},
	"proof/cmd/foldlog-torture": {imports: []string{"proof/torture"}},
	"proof/cmd/foldlog-check":   {imports: []string{"proof/check"}, libraries: none},
	"internal/lint":             {libraries: none},
	"proof/bankv1":              {imports: []string{".", "topology", "bank", "bank/bankapp", "schemas", "schemas/bank", "cli"}, libraries: none},
	"proof/banknext":            {imports: []string{".", "topology", "bank", "bank/bankapp", "cli"}, libraries: none},
	"deploy/healthcheck":        {libraries: none},
	"proof/interop":             {libraries: none},
	"proof/walks":               {libraries: none},
	"proof/contract":            {libraries: none},
	"proof/bench": {imports: []string{".", "client", "bank", "bank/bankapp", "cli", "devcluster", "topology", "codecs", "schemas", "schemas/bank",
		"processors", "processors/step", "processors/exactlyonce", "internal/record", "internal/cluster", "internal/kafkatest"}},
}

// owners are libraries that one room keeps to itself, so that they can be replaced there.
var owners = map[string][]string{
	"github.com/hamba/avro": {"internal/avro"},
	"github.com/twmb/avro":  {"internal/avro", "replay/backup/archive"}, // the archive for its container files
	"github.com/riferrei":   {"schemas"},
	// the bench measures against it
	"github.com/lovoo/goka":              {"processors/exactlyonce", "views", "internal/gokashell", "proof/bench"},
	"github.com/spf13":                   {"cli", "bank/bankapp", "proof/cmd/foldlog-torture"},
	"github.com/twmb/franz-go/pkg/kfake": {"devcluster"},
}

// Check returns what is wrong with the tree at root.
func Check(root string) ([]string, error) {
	var findings []string
	report := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	packages := map[string]bool{} // folder -> has a doc.go
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() {
			if skip := relative != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || isModule(file)); skip {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(relative, ".go") {
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if lines := strings.Count(string(source), "\n"); lines > longestFile {
			report("%s has %d lines; split it by ideas (at most %d)", relative, lines, longestFile)
		}
		if strings.HasSuffix(relative, "_test.go") {
			return nil
		}
		folder := path.Dir(relative)
		packages[folder] = packages[folder] || path.Base(relative) == "doc.go"
		if path.Base(relative) == "doc.go" && !numbered.Match(source) {
			report("%s has no numbered invariants", relative)
		}
		for _, finding := range checkImports(relative, source) {
			report("%s", finding)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for folder, documented := range packages {
		if !documented && !strings.HasPrefix(folder, "cmd/") && !strings.HasPrefix(folder, "proof/cmd/") {
			report("%s has no doc.go: say what the package is for, who may import it, and its invariants", folder)
		}
	}
	slices.Sort(findings)
	return findings, nil
}

var numbered = regexp.MustCompile(`(?m)^//\s+1\. `)

func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

func checkImports(file string, source []byte) (findings []string) {
	folder := path.Dir(file)
	name, known := roomOf(folder)
	if !known {
		return []string{fmt.Sprintf("%s is in no room; add %q to the table of rooms with what it may import", file, folder)}
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
	if err != nil {
		return []string{fmt.Sprintf("%s does not parse: %v", file, err)}
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if imported == module || strings.HasPrefix(imported, module+"/") {
			target := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
			if target == "" {
				target = "."
			}
			if targetRoom, _ := roomOf(target); targetRoom != name && !slices.Contains(rooms[name].imports, targetRoom) {
				findings = append(findings, fmt.Sprintf("%s imports %s, which room %q must not see", file, imported, name))
			}
			continue
		}
		if !strings.Contains(strings.Split(imported, "/")[0], ".") {
			continue // the standard library
		}
		if allowed := rooms[name].libraries; allowed != nil && !slices.ContainsFunc(allowed, func(p string) bool { return strings.HasPrefix(imported, p) }) {
			findings = append(findings, fmt.Sprintf("%s imports %s, but room %q has only %v", file, imported, name, allowed))
		}
		for library, owning := range owners {
			if strings.HasPrefix(imported, library) && !slices.Contains(owning, name) {
				findings = append(findings, fmt.Sprintf("%s imports %s, which belongs to %v", file, imported, owning))
			}
		}
	}
	return findings
}

// roomOf returns the room that a folder belongs to: its own entry or the nearest one above.
func roomOf(folder string) (string, bool) {
	for at := folder; ; at = path.Dir(at) {
		if _, known := rooms[at]; known && (at != "." || folder == ".") {
			return at, true
		}
		if at == "." || at == "/" {
			return "", false
		}
	}
}
