package codecs

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/foldlog/foldlog/internal/avro"
)

// checkTime returns nil if every reader can take the time.
func checkTime(t time.Time) error {
	if micros := t.UnixMicro(); micros < avro.MinMicros || micros > avro.MaxMicros {
		return fmt.Errorf("recorded_at %s is outside the years 1 to 9999", t)
	}
	return nil
}

// checkTexts returns nil if the texts are valid UTF-8.
func checkTexts(texts ...string) error {
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%q is not valid UTF-8", avro.Clip(s))
		}
	}
	return nil
}

// shared returns the bytes as a string. If they equal likely, it returns likely itself.
func shared(b []byte, likely string) string {
	if string(b) == likely {
		return likely
	}
	return string(b)
}

// readOptionalString returns "" for null.
func readOptionalString(b []byte) string {
	if b = avro.ReadOptional(b); b == nil {
		return ""
	}
	return avro.ReadString(b)
}
