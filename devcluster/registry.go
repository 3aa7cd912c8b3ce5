package devcluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// maxSchemaBytes is the largest request body.
const maxSchemaBytes = 1 << 20

// Error codes of the Confluent Schema Registry's API.
const (
	codeIncompatible   = 409
	codeNotFound       = 404
	codeTooLarge       = 413
	codeInvalidSchema  = 42201
	codeInvalidVersion = 42202
	codeInvalidSetting = 42203
	codeStoreError     = 50001
	codeVersionAbsent  = 40402
)

// registry is srfake with two additions: compatibility checks, and a memory across restarts.
type registry struct {
	log     *slog.Logger
	journal *journal

	// mu makes changes one by one. So the journal has their order, and a check still holds when its
	// schema is registered.
	mu     sync.RWMutex
	fake   *srfake.Registry
	broken error // why the journal cannot be written: what memory holds beyond it must not be seen
}

func openRegistry(journalPath string, log *slog.Logger) (*registry, error) {
	r := &registry{log: log, fake: srfake.NewRegistry()}
	journal, torn, err := openJournal(journalPath, r.replay)
	if err != nil {
		return nil, err
	}
	if torn > 0 {
		log.Warn("the registry journal ended in a line that was being written when the process ended: cut off", "bytes", torn)
	}
	r.journal = journal
	return r, nil
}

// replay applies a change of the journal again.
func (r *registry) replay(e entry) error {
	resp := r.call(e.Method, e.Path, e.Body)
	if resp.Code/100 != 2 {
		return fmt.Errorf("%s %s was accepted once, but now is answered with status %d: %s", e.Method, e.Path, resp.Code, resp.Body.Bytes())
	}
	if id := schemaID(resp.Body.Bytes()); id != e.ID {
		return fmt.Errorf("%s %s gave schema id %d, but now gives %d", e.Method, e.Path, e.ID, id)
	}
	return nil
}

func (r *registry) close() error { return r.journal.close() }

// handler returns the HTTP interface. It refuses unknown kinds of changes, since a restart would
// forget them.
func (r *registry) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, struct{}{}) })
	mux.HandleFunc("POST /subjects/{subject}/versions", r.register)
	mux.HandleFunc("POST /subjects/{subject}", r.lookUp)
	mux.HandleFunc("POST /compatibility/subjects/{subject}/versions", r.compatibility)
	mux.HandleFunc("POST /compatibility/subjects/{subject}/versions/{version}", r.compatibility)
	for _, pattern := range []string{
		"PUT /config", "PUT /config/{subject}", "DELETE /config/{subject}",
		"PUT /mode", "DELETE /mode", "PUT /mode/{subject}", "DELETE /mode/{subject}",
		"DELETE /subjects/{subject}", "DELETE /subjects/{subject}/versions/{version}",
	} {
		mux.HandleFunc(pattern, r.change)
	}
	mux.HandleFunc("GET /", func(w http.ResponseWriter, req *http.Request) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		r.pass(w, req, nil)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		fail(w, http.StatusNotFound, codeNotFound, "%s %s is not supported by the development registry", req.Method, req.URL.Path)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req.Body = http.MaxBytesReader(w, req.Body, maxSchemaBytes)
		mux.ServeHTTP(w, req)
	})
}

// register is POST /subjects/{subject}/versions.
func (r *registry) register(w http.ResponseWriter, req *http.Request) {
	body, ok := readSchema(w, req)
	if !ok {
		return
	}
	subject := req.PathValue("subject")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuseBroken(w) {
		return
	}
	// A schema that the subject already has is no change, even if later ones made it incompatible.
	if r.call(http.MethodPost, subjectPath(subject), body.encode()).Code != http.StatusOK {
		if err := r.check(subject, body.schema, ""); err != nil {
			failWith(w, err)
			return
		}
		r.apply(w, req, body.encode())
		return
	}
	r.pass(w, req, body.encode())
}

// lookUp is POST /subjects/{subject}: it returns the version of a schema.
func (r *registry) lookUp(w http.ResponseWriter, req *http.Request) {
	body, ok := readSchema(w, req)
	if !ok {
		return
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	r.pass(w, req, body.encode())
}

// compatibility is POST /compatibility/subjects/{subject}/versions, with or without a version.
func (r *registry) compatibility(w http.ResponseWriter, req *http.Request) {
	body, ok := readSchema(w, req)
	if !ok {
		return
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.refuseBroken(w) {
		return
	}
	err := r.check(req.PathValue("subject"), body.schema, req.PathValue("version"))
	var no *refusal
	if err != nil && (!errors.As(err, &no) || no.code != codeIncompatible) {
		failWith(w, err)
		return
	}
	verdict := map[string]any{"is_compatible": err == nil}
	if req.URL.Query().Get("verbose") == "true" {
		verdict["messages"] = []string{}
		if err != nil {
			verdict["messages"] = []string{err.Error()}
		}
	}
	answer(w, http.StatusOK, verdict)
}

// change is any other request that changes something.
func (r *registry) change(w http.ResponseWriter, req *http.Request) {
	body, ok := readBody(w, req)
	if !ok {
		return
	}
	if req.Method == http.MethodPut {
		// srfake refuses fields that it does not know, and takes a missing field for a value.
		// Confluent's clients send more fields.
		setting := "compatibility"
		if strings.HasPrefix(req.URL.Path, "/mode") {
			setting = "mode"
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(body, &all); err != nil || len(only(all, setting)) == 0 {
			fail(w, http.StatusUnprocessableEntity, codeInvalidSetting, "the body is not a JSON object with the field %q", setting)
			return
		}
		body = encode(only(all, setting))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuseBroken(w) {
		return
	}
	if r.isSet(req, body) {
		r.pass(w, req, body)
		return
	}
	r.apply(w, req, body)
}

// isSet reports whether a level or mode already has the value of the request. Programs that set
// their subjects' level at every start then do not lengthen the journal.
func (r *registry) isSet(req *http.Request, body []byte) bool {
	if req.Method != http.MethodPut {
		return false
	}
	var now struct {
		Level string `json:"compatibilityLevel"`
		Mode  string `json:"mode"`
	}
	var want struct {
		Level string `json:"compatibility"`
		Mode  string `json:"mode"`
	}
	resp := r.call(http.MethodGet, req.URL.EscapedPath()+"?defaultToGlobal=false", nil)
	return resp.Code == http.StatusOK && json.Unmarshal(resp.Body.Bytes(), &now) == nil && json.Unmarshal(body, &want) == nil &&
		now.Level == want.Level && now.Mode == want.Mode
}

// apply passes a change on and journals it if it was accepted. The answer waits for the disk.
func (r *registry) apply(w http.ResponseWriter, req *http.Request, body []byte) {
	path := req.URL.EscapedPath()
	if req.URL.RawQuery != "" {
		path += "?" + req.URL.RawQuery
	}
	resp := r.call(req.Method, path, body)
	if resp.Code/100 == 2 {
		if err := r.journal.add(entry{Method: req.Method, Path: path, Body: body, ID: schemaID(resp.Body.Bytes())}); err != nil {
			r.broken = err
			r.log.Error("the registry stops answering: a change could not be saved; start again when the cause is gone", "error", err)
			r.refuseBroken(w)
			return
		}
	}
	maps.Copy(w.Header(), resp.Header())
	w.WriteHeader(resp.Code)
	_, _ = w.Write(resp.Body.Bytes()) // the client is gone; there is nobody to tell
}

// pass lets srfake answer the request.
func (r *registry) pass(w http.ResponseWriter, req *http.Request, body []byte) {
	if r.refuseBroken(w) {
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.ContentLength = int64(len(body))
	r.fake.Handler().ServeHTTP(w, req)
}

func (r *registry) refuseBroken(w http.ResponseWriter) bool {
	if r.broken != nil {
		fail(w, http.StatusServiceUnavailable, codeStoreError,
			"the registry could not save an earlier change and has to be started again: %v", r.broken)
	}
	return r.broken != nil
}

// call asks srfake.
func (r *registry) call(method, path string, body []byte) *httptest.ResponseRecorder {
	resp := httptest.NewRecorder()
	req, err := http.NewRequest(method, path, bytes.NewReader(body))
	if err != nil {
		fail(resp, http.StatusBadRequest, codeNotFound, "path %q: %v", path, err)
		return resp
	}
	r.fake.Handler().ServeHTTP(resp, req)
	return resp
}

// schemaBody is the body of a request with a schema, without the fields that srfake refuses.
// Confluent's clients send metadata, rule sets, and versions.
type schemaBody struct {
	schema sr.Schema
	fields map[string]json.RawMessage
}

func (b schemaBody) encode() []byte { return encode(b.fields) }

func readSchema(w http.ResponseWriter, req *http.Request) (schemaBody, bool) {
	body, ok := readBody(w, req)
	if !ok {
		return schemaBody{}, false
	}
	var b schemaBody
	if err := json.Unmarshal(body, &b.fields); err != nil {
		fail(w, http.StatusUnprocessableEntity, codeInvalidSchema, "the body is not a JSON object: %v", err)
		return schemaBody{}, false
	}
	b.fields = only(b.fields, "schema", "schemaType", "references")
	if err := json.Unmarshal(b.encode(), &b.schema); err != nil {
		fail(w, http.StatusUnprocessableEntity, codeInvalidSchema, "the body is not a schema: %v", err)
		return schemaBody{}, false
	}
	return b, true
}

func readBody(w http.ResponseWriter, req *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(req.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, codeTooLarge, "the body has more than %d bytes", tooLarge.Limit)
	} else if err != nil {
		fail(w, http.StatusBadRequest, codeInvalidSchema, "read body: %v", err)
	}
	return body, err == nil
}

func only(fields map[string]json.RawMessage, names ...string) map[string]json.RawMessage {
	kept := make(map[string]json.RawMessage, len(names))
	for _, n := range names {
		if v, ok := fields[n]; ok && string(v) != "null" {
			kept[n] = v
		}
	}
	return kept
}

func encode(fields map[string]json.RawMessage) []byte {
	text, err := json.Marshal(fields)
	if err != nil { // what was decoded from JSON can be encoded
		panic(fmt.Sprintf("devcluster: encode %v: %v", fields, err))
	}
	return text
}

func schemaID(body []byte) int {
	var b struct {
		ID int `json:"id"`
	}
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || json.Unmarshal(body, &b) != nil {
		return 0
	}
	return b.ID
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone; there is nobody to tell
}

func fail(w http.ResponseWriter, status, code int, format string, args ...any) {
	answer(w, status, map[string]any{"error_code": code, "message": strings.TrimSpace(fmt.Sprintf(format, args...))})
}
