package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// PrintJSON writes a value to Out as one indented JSON document.
func (c *Context) PrintJSON(value any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return Infrastructure("write the result: %w", err)
	}
	return nil
}

// PrintTable writes rows to Out in aligned columns under a header.
func (c *Context) PrintTable(header []string, rows [][]string) error {
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return written(w.Flush())
}

// PrintFields writes names and values to Out, one pair a line, in aligned columns.
func (c *Context) PrintFields(pairs ...[2]string) error { return written(writeFields(c.Out, pairs)) }

func writeFields(out io.Writer, pairs [][2]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		fmt.Fprintf(w, "%s\t%s\n", p[0], p[1])
	}
	return w.Flush()
}

// Printf writes formatted text to Out.
func (c *Context) Printf(format string, args ...any) error {
	_, err := fmt.Fprintf(c.Out, format, args...)
	return written(err)
}

func written(err error) error {
	if err != nil {
		return Infrastructure("write the result: %w", err)
	}
	return nil
}

// plural returns "1 finding" or "2 findings".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
