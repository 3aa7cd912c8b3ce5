package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// DefaultConfigFile is read from the working directory if --config names no other file.
const DefaultConfigFile = "foldlog.yaml"

// config is the outcome of reading flags, environment and file.
type config struct {
	flags *pflag.FlagSet
	// name is the configuration file that was read, file its settings by key. They are empty if
	// there is none.
	name string
	file map[string]setting
}

// setting is a value as the file or the environment has it: one text, or the items of a list.
type setting struct {
	texts []string
	list  bool
}

// loadConfig reads the configuration for a command. Afterwards the command's flags have the values
// in force, from a flag, the environment, the file, or the default.
func loadConfig(cmd *cobra.Command) (*config, error) {
	c := &config{flags: cmd.Flags(), file: map[string]setting{}}
	if err := c.readFile(); err != nil {
		return nil, err
	}
	var problems []error
	for _, o := range options {
		flag := c.flags.Lookup(o.name)
		if flag == nil || flag.Changed {
			continue
		}
		value, origin, found := c.lookUp(o)
		if !found {
			continue
		}
		if err := value.applyTo(flag); err != nil {
			problems = append(problems, fmt.Errorf("%s: %s is not a value for it: %w", origin, value, err))
		}
	}
	if len(problems) > 0 {
		return nil, Usage("%w", errors.Join(problems...))
	}
	return c, nil
}

// lookUp returns the value of an option in the environment, or else in the file, and its origin for
// messages. An empty variable counts as unset.
func (c *config) lookUp(o option) (value setting, origin string, found bool) {
	if text := os.Getenv(o.env()); text != "" {
		return setting{texts: []string{text}}, "environment variable " + o.env(), true
	}
	value, found = c.file[o.name]
	return value, fmt.Sprintf("%s: key %q", c.name, o.name), found
}

// secret returns a setting that has no flag.
func (c *config) secret(name string) string {
	o, _ := optionNamed(name)
	value, _, _ := c.lookUp(o)
	return strings.Join(value.texts, ",")
}

// readFile reads the configuration file and refuses unknown keys.
func (c *config) readFile() error {
	name, _ := c.flags.GetString("config")
	if name == "" {
		name = os.Getenv(envPrefix + "CONFIG")
	}
	optional := name == ""
	if optional {
		name = DefaultConfigFile
	}
	text, err := os.ReadFile(name)
	switch {
	case optional && errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return Usage("cannot read the configuration file: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return Usage("configuration file %s: %w", name, err)
	}
	c.name = name
	var problems []error
	for _, root := range document.Content {
		if root.Kind != yaml.MappingNode && root.Tag != "!!null" {
			return Usage("configuration file %s: it is no list of keys and values such as \"partitions: 12\"", name)
		}
		problems = append(problems, c.take("", root)...)
	}
	if len(problems) > 0 {
		slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return Usage("%w", errors.Join(problems...))
	}
	return nil
}

// take notes the settings of a mapping and returns its mistakes. Keys within keys are joined by
// dots, so that the message about an unknown one names all of it.
func (c *config) take(prefix string, mapping *yaml.Node) (problems []error) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := prefix+strings.ToLower(mapping.Content[i].Value), mapping.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		_, known := optionNamed(key)
		_, twice := c.file[key]
		switch {
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			problems = append(problems, c.take(key+".", value)...)
		case !known:
			problems = append(problems, fmt.Errorf("%s: unknown key %q; did you mean %q?", c.name, key, nearest(key, optionNames())))
		case twice:
			problems = append(problems, fmt.Errorf("%s: key %q appears twice; keep one", c.name, key))
		case value.Kind == yaml.SequenceNode:
			items := setting{list: true}
			for _, item := range value.Content {
				if item.Kind != yaml.ScalarNode {
					problems = append(problems, fmt.Errorf("%s: key %q: an item of the list is no single value", c.name, key))
				}
				items.texts = append(items.texts, item.Value)
			}
			c.file[key] = items
		case value.Tag == "!!null":
			c.file[key] = setting{texts: []string{""}}
		default:
			c.file[key] = setting{texts: []string{value.Value}}
		}
	}
	return problems
}

// applyTo sets a flag. A flag that takes a list also takes one text with commas.
func (s setting) applyTo(flag *pflag.Flag) error {
	slice, wantsList := flag.Value.(pflag.SliceValue)
	switch {
	case wantsList && s.list:
		return slice.Replace(s.texts)
	case wantsList:
		items := splitList(s.texts[0])
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
		return slice.Replace(items)
	case s.list:
		return errors.New("give one value, not a list")
	}
	return flag.Value.Set(s.texts[0])
}

func (s setting) String() string {
	if s.list {
		return "[" + strings.Join(s.texts, " ") + "]"
	}
	return s.texts[0]
}

func optionNames() []string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return names
}

// nearest returns the candidate that needs the fewest edits to become name.
func nearest(name string, candidates []string) string {
	name = strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
	best, bestEdits := "", -1
	for _, candidate := range candidates {
		if edits := editDistance(name, candidate); bestEdits < 0 || edits < bestEdits {
			best, bestEdits = candidate, edits
		}
	}
	return best
}

// editDistance counts the insertions, deletions and replacements that turn a into b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, replaced)
		}
	}
	return row[len(b)]
}
