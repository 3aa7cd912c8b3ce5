package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// fileSchema returns the schema of a file: the writer's record with our columns before its own
// fields. Its name and namespace stay, so that names within it mean what they meant.
func fileSchema(writer string) (string, error) {
	at, err := startOfFields(writer)
	if err != nil {
		return "", fmt.Errorf("schema of a record in the log: %w", err)
	}
	mine := columns
	if strings.HasPrefix(strings.TrimLeft(writer[at:], " \t\r\n"), "]") {
		mine = strings.TrimSuffix(mine, ",")
	}
	return writer[:at] + mine + writer[at:], nil
}

var errNoRecord = errors.New("it is not a record")

// startOfFields returns the place behind the bracket that opens the record's list of fields.
func startOfFields(schema string) (int, error) {
	d := json.NewDecoder(strings.NewReader(schema))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return 0, errNoRecord
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return 0, err
		}
		if key == "fields" {
			if open, err := d.Token(); err != nil || open != json.Delim('[') {
				return 0, errNoRecord
			}
			return int(d.InputOffset()), nil
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	return 0, errNoRecord
}
