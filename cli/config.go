package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cast"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// DefaultConfigFile is read from the working directory where --config names no other file.
const DefaultConfigFile = "foldlog.yaml"

// config is the outcome of reading flags, environment and file.
type config struct {
	flags  *pflag.FlagSet
	values *viper.Viper
	// file is the configuration file that was read; empty if there is none.
	file string
}

// loadConfig reads the configuration for a command. Afterwards the command's flags have the values
// that are in force, whatever they came from.
func loadConfig(cmd *cobra.Command) (*config, error) {
	c := &config{flags: cmd.Flags(), values: viper.New()}
	c.values.SetEnvPrefix(strings.TrimSuffix(envPrefix, "_"))
	c.values.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	for _, o := range options {
		if err := c.values.BindEnv(o.name); err != nil {
			return nil, err
		}
	}
	if err := c.readFile(); err != nil {
		return nil, err
	}
	var problems []error
	for _, o := range options {
		flag := c.flags.Lookup(o.name)
		if flag == nil || flag.Changed {
			continue
		}
		if err := c.apply(o, flag); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return nil, Usage("%w", errors.Join(problems...))
	}
	return c, nil
}

// readFile reads the configuration file and refuses keys that nobody knows.
func (c *config) readFile() error {
	name, _ := c.flags.GetString("config")
	if name == "" {
		name = os.Getenv(envPrefix + "CONFIG")
	}
	optional := name == ""
	if optional {
		name = DefaultConfigFile
	}
	if _, err := os.Stat(name); err != nil {
		if optional && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return Usage("cannot read the configuration file: %w", err)
	}
	c.values.SetConfigFile(name)
	c.values.SetConfigType("yaml")
	if err := c.values.ReadInConfig(); err != nil {
		return Usage("configuration file %s: %w", name, err)
	}
	c.file = name
	// A viper of its own for the keys: in the other one a bound variable hides what lies below it,
	// as in "kafka: {tls: true}".
	only := viper.New()
	only.SetConfigFile(name)
	only.SetConfigType("yaml")
	if err := only.ReadInConfig(); err != nil {
		return Usage("configuration file %s: %w", name, err)
	}
	var problems []error
	for _, key := range only.AllKeys() {
		if _, known := optionNamed(key); !known {
			problems = append(problems, fmt.Errorf("%s: unknown key %q; did you mean %q?", name, key, nearest(key, optionNames())))
		}
	}
	if len(problems) > 0 {
		slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return Usage("%w", errors.Join(problems...))
	}
	return nil
}

// apply sets the flag from the environment or the file, where one of them has a value.
func (c *config) apply(o option, flag *pflag.Flag) error {
	origin := "environment variable " + o.env()
	if os.Getenv(o.env()) == "" { // as for viper, an empty variable is an unset one
		if !c.values.InConfig(o.name) {
			return nil
		}
		origin = fmt.Sprintf("%s: key %q", c.file, o.name)
	}
	value := c.values.Get(o.name)
	var err error
	if slice, isList := flag.Value.(pflag.SliceValue); isList {
		err = replaceList(slice, value)
	} else {
		var text string
		if text, err = cast.ToStringE(value); err == nil {
			err = flag.Value.Set(text)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %v is not a value for it: %w", origin, value, err)
	}
	return nil
}

// replaceList takes a YAML list or a text with commas.
func replaceList(slice pflag.SliceValue, value any) error {
	if text, isText := value.(string); isText {
		items := splitList(text)
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
		return slice.Replace(items)
	}
	items, err := cast.ToStringSliceE(value)
	if err != nil {
		return err
	}
	return slice.Replace(items)
}

// secret returns a setting that has no flag.
func (c *config) secret(name string) string { return c.values.GetString(name) }

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
