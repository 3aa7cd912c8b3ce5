package devcluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/foldlog/foldlog/internal/avro"
)

// maxReferences bounds how deep schemas may refer to each other.
const maxReferences = 32

// refusal is an error with the answer that a client sees.
type refusal struct {
	status, code int
	message      string
}

func (r *refusal) Error() string { return r.message }

func refuse(status, code int, format string, args ...any) error {
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

func failWith(w http.ResponseWriter, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{http.StatusInternalServerError, codeStoreError, err.Error()}
	}
	fail(w, r.status, r.code, "%s", r.message)
}

// check reports why a schema cannot follow the versions of the subject, by the subject's level or
// else the registry's. If a version is given ("latest" or a number), only that one counts.
func (r *registry) check(subject string, candidate sr.Schema, version string) error {
	next, err := r.parse(candidate)
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, codeInvalidSchema, "invalid schema: %v", err)
	}
	level, err := r.level(subject)
	if err != nil {
		return err
	}
	versions, err := r.versions(subject)
	if err != nil {
		return err
	}
	transitive := strings.HasSuffix(level, "_TRANSITIVE")
	switch {
	case version == "" && !transitive && len(versions) > 1:
		versions = versions[len(versions)-1:]
	case version != "":
		if versions, err = pick(versions, version); err != nil {
			return err
		}
	}
	kind := strings.TrimSuffix(level, "_TRANSITIVE")
	for _, v := range versions {
		if kind == "NONE" {
			break
		}
		old, ok := r.fake.GetSchema(subject, v)
		if !ok {
			return refuse(http.StatusNotFound, codeVersionAbsent, "version %d of subject %q was not found", v, subject)
		}
		previous, err := r.parse(old.Schema)
		if err != nil {
			return refuse(http.StatusUnprocessableEntity, codeInvalidSchema, "version %d of subject %q: %v", v, subject, err)
		}
		if err := compatible(kind, previous, next); err != nil {
			return refuse(http.StatusConflict, codeIncompatible,
				"the schema is incompatible with version %d of subject %q, whose level is %s: %v", v, subject, level, err)
		}
	}
	return nil
}

func compatible(kind string, previous, next *parsed) error {
	if previous.kind != next.kind {
		return fmt.Errorf("its type is %s, not %s", next.kind, previous.kind)
	}
	if previous.kind != sr.TypeAvro {
		if previous.text == next.text {
			return nil
		}
		return fmt.Errorf("the development registry only compares Avro schemas: set the level NONE for a subject of type %s", next.kind)
	}
	if kind == "BACKWARD" || kind == "FULL" {
		if err := avro.Readable(previous.avro, next.avro); err != nil {
			return fmt.Errorf("the new schema cannot read what the old one wrote: %w", err)
		}
	}
	if kind == "FORWARD" || kind == "FULL" {
		if err := avro.Readable(next.avro, previous.avro); err != nil {
			return fmt.Errorf("the old schema cannot read what the new one writes: %w", err)
		}
	}
	return nil
}

// parsed is a schema; for Avro, in a form that can be compared.
type parsed struct {
	kind sr.SchemaType
	text string
	avro avro.Schema
}

func (r *registry) parse(s sr.Schema) (*parsed, error) {
	p := &parsed{kind: s.Type, text: s.Schema}
	if s.Type != sr.TypeAvro {
		return p, nil
	}
	others, err := r.references(nil, s, 0)
	if err != nil {
		return nil, err
	}
	p.avro, err = avro.ParseAny(s.Schema, others...)
	return p, err
}

// references appends the schemas that a schema refers to, each after those that it refers to.
func (r *registry) references(others []string, s sr.Schema, depth int) ([]string, error) {
	if depth > maxReferences {
		return nil, fmt.Errorf("references are more than %d deep", maxReferences)
	}
	for _, ref := range s.References {
		to, ok := r.fake.GetSchema(ref.Subject, ref.Version)
		if !ok {
			return nil, fmt.Errorf("reference %q: subject %q has no version %d", ref.Name, ref.Subject, ref.Version)
		}
		var err error
		if others, err = r.references(others, to.Schema, depth+1); err != nil {
			return nil, fmt.Errorf("reference %q: %w", ref.Name, err)
		}
		others = append(others, to.Schema.Schema)
	}
	return others, nil
}

// level returns the subject's compatibility level, or the registry's.
func (r *registry) level(subject string) (string, error) {
	var config struct {
		Level string `json:"compatibilityLevel"`
	}
	resp := r.call(http.MethodGet, "/config/"+url.PathEscape(subject), nil)
	if err := json.Unmarshal(resp.Body.Bytes(), &config); err != nil || config.Level == "" {
		return "", fmt.Errorf("level of subject %q: status %d: %s", subject, resp.Code, resp.Body.Bytes())
	}
	return config.Level, nil
}

// versions returns the versions of the subject in rising order. It returns none if the subject does
// not exist.
func (r *registry) versions(subject string) ([]int, error) {
	resp := r.call(http.MethodGet, subjectPath(subject)+"/versions", nil)
	if resp.Code == http.StatusNotFound {
		return nil, nil
	}
	var versions []int
	if err := json.Unmarshal(resp.Body.Bytes(), &versions); err != nil {
		return nil, fmt.Errorf("versions of subject %q: status %d: %s", subject, resp.Code, resp.Body.Bytes())
	}
	return versions, nil
}

func pick(versions []int, version string) ([]int, error) {
	if version == "latest" || version == "-1" {
		if len(versions) == 0 {
			return nil, refuse(http.StatusNotFound, codeVersionAbsent, "the subject has no version")
		}
		return versions[len(versions)-1:], nil
	}
	n, err := strconv.Atoi(version)
	if err != nil || n < 1 {
		return nil, refuse(http.StatusUnprocessableEntity, codeInvalidVersion, "%q is not a version: use a number or \"latest\"", version)
	}
	return []int{n}, nil
}

func subjectPath(subject string) string { return "/subjects/" + url.PathEscape(subject) }
