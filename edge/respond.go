package edge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/foldlog/foldlog/api"
)

// writeJSON answers with v as JSON. If v has no JSON, it writes nothing and returns an error.
func writeJSON(w http.ResponseWriter, status int, contentType string, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write %T as JSON: %w", v, err)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a client that has gone is nobody's error
	return nil
}

func answer(w http.ResponseWriter, v any) error {
	return writeJSON(w, http.StatusOK, api.ContentTypeJSON, v)
}
