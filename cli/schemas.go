package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/schemas"
)

func (c *Context) schemasCommand() *cobra.Command {
	return Group("schemas", "Check, lock and publish the versions of the schemas", c.schemasCheckCommand(), c.schemasLockCommand(), c.schemasPublishCommand())
}

func (c *Context) schemasCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare every schema version with those before it, and with what is registered",
		Long: `Compare every schema version with all before it: each must read what was ever written (BACKWARD_TRANSITIVE, by the Avro specification, and a
little stricter), and what compatibility checkers do not look at is said, too: logical types, defaults, renamed types, narrowed enums.
With --registry on the command line the versions that are registered there are compared as well.

Findings are "refused" (must not be published), "doubtful" (allowed, seldom meant; not told any more once the version is in the lock file) or a "note".
Refused and doubtful ones give exit 1.`,
		Example: c.examples(`
{{name}} schemas check
{{name}} schemas check --registry http://registry:8081 --json | jq '.[].problem'
`),
		Args: cobra.NoArgs,
	}
	c.AddFlags(cmd, RegistryFlags|NameFlags)
	all := cmd.Flags().Bool("all", false, "tell what is doubtful about published versions, too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		findings, set := c.checkSchemas(*all)
		if set != nil && c.Given("registry") {
			registry, err := c.schemaRegistry()
			if err != nil {
				return err
			}
			for _, subject := range set.Subjects(c.Names()) {
				have, err := registry.Registered(cmd.Context(), subject.Name, -1)
				if err != nil {
					return Infrastructure("%w", err)
				}
				findings = append(findings, subject.Compare(have)...)
			}
		}
		if c.JSON() {
			if err := c.PrintJSON(append([]schemas.Finding{}, findings...)); err != nil {
				return err
			}
		} else if err := c.printFindings(findings); err != nil {
			return err
		}
		return refuseFindings(findings)
	}
	return cmd
}

// checkSchemas checks the schema files alone. The set is nil if they cannot be used at all.
func (c *Context) checkSchemas(all bool) ([]schemas.Finding, *schemas.Set) {
	set, err := schemas.Load(c.App.Schemas, c.App.Topology)
	if err != nil {
		var findings []schemas.Finding
		for _, problem := range schemas.Problems(err) {
			findings = append(findings, schemas.Finding{Level: schemas.Refused, Rule: "schema", Where: "schemas", Problem: problem.Error()})
		}
		return findings, nil
	}
	return set.Check(all), set
}

func (c *Context) printFindings(findings []schemas.Finding) error {
	var text strings.Builder
	for _, f := range findings {
		fmt.Fprintln(&text, f)
	}
	if len(findings) == 0 {
		text.WriteString("no findings\n")
	}
	return c.Printf("%s", text.String())
}

// refuseFindings returns an error if there are findings that are more than notes.
func refuseFindings(findings []schemas.Finding) error {
	serious := slices.DeleteFunc(slices.Clone(findings), func(f schemas.Finding) bool { return f.Level == schemas.Note })
	if len(serious) > 0 {
		return Finding("%s", plural(len(serious), "finding"))
	}
	return nil
}

func (c *Context) schemasLockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lock DIRECTORY",
		Short: "Add new schema versions to the lock file, after which they can no longer be edited",
		Long: `Add the .avsc files below the directory to its ` + schemas.LockFile + `, with the SHA-256 of their bytes and of their Parsing Canonical Form. From
then on a program whose files differ from the list refuses to start. Lock a version when it is final: once anything was written with it, its
file is needed for ever, as it was.`,
		Example: c.examples(`
{{name}} schemas lock schemas/bank
`),
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			added, err := schemas.AppendLock(args[0])
			if err != nil {
				return Finding("%w", err)
			}
			if c.JSON() {
				return c.PrintJSON(map[string][]string{"locked": append([]string{}, added...)})
			}
			for _, name := range added {
				if err := c.Printf("locked %s\n", name); err != nil {
					return err
				}
			}
			if len(added) == 0 {
				return c.Printf("nothing new\n")
			}
			return nil
		},
	}
}

// publishedVersion says where a schema file is in the registry.
type publishedVersion struct {
	Subject string `json:"subject"`
	File    string `json:"file"`
	ID      int    `json:"id"`
	New     bool   `json:"new"`
}

func (c *Context) schemasPublishCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Register the schema versions that the registry lacks, in order",
		Long: `Register every locked schema version that the registry lacks, oldest first, and set each subject's compatibility to BACKWARD_TRANSITIVE. What is
there already stays as it is, so it can be run at any time. It refuses while 'schemas check' has findings that are more than notes, and where a registered version
could not be read with the newest file. Processes publish what they need when they start; publish first where only a
deployment may write to the registry.`,
		Example: c.examples(`
{{name}} schemas publish --registry http://registry:8081
`),
		Args: cobra.NoArgs,
	}
	c.AddFlags(cmd, RegistryFlags|NameFlags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		findings, set := c.checkSchemas(false)
		if err := refuseFindings(findings); err != nil {
			return errors.Join(c.printFindings(findings), err)
		}
		registry, err := c.schemaRegistry()
		if err != nil {
			return err
		}
		published, err := c.publish(cmd.Context(), registry, set.Subjects(c.Names()))
		if err != nil {
			return err
		}
		if c.JSON() {
			return c.PrintJSON(published)
		}
		var rows [][]string
		for _, p := range published {
			rows = append(rows, []string{p.Subject, p.File, strconv.Itoa(p.ID), map[bool]string{true: "registered", false: "was there"}[p.New]})
		}
		return c.PrintTable([]string{"SUBJECT", "FILE", "ID", "STATUS"}, rows)
	}
	return cmd
}

// publish registers what is missing, after it has looked at every subject.
func (c *Context) publish(ctx context.Context, registry *schemas.Registry, subjects []schemas.Subject) ([]publishedVersion, error) {
	there := make([]schemas.Registered, len(subjects))
	var refused []schemas.Finding
	for i, subject := range subjects {
		var err error
		if there[i], err = registry.Registered(ctx, subject.Name, -1); err != nil {
			return nil, Infrastructure("%w", err)
		}
		for _, f := range subject.Compare(there[i]) {
			if f.Level == schemas.Refused {
				refused = append(refused, f)
			}
		}
	}
	if err := refuseFindings(refused); err != nil {
		return nil, errors.Join(c.printFindings(refused), err)
	}
	published := []publishedVersion{}
	for i, subject := range subjects {
		for _, v := range subject.Versions {
			_, known := there[i].Find(v)
			id, err := registry.Register(ctx, subject.Name, v.Schema.Compact())
			switch {
			case errors.Is(err, schemas.ErrUnavailable):
				return nil, Infrastructure("%w", err)
			case err != nil:
				return nil, Finding("%w", err)
			}
			published = append(published, publishedVersion{subject.Name, v.File, id, !known})
		}
	}
	return published, nil
}

func (c *Context) schemaRegistry() (*schemas.Registry, error) {
	config, err := c.registryConfig()
	if err != nil {
		return nil, err
	}
	return schemas.New(config, c.Logger), nil
}
