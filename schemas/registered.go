package schemas

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/riferrei/srclient"
)

// Registered is the content of a subject in the registry.
type Registered struct {
	// Versions are the versions that are not deleted, oldest first. There are none if the subject
	// does not exist.
	Versions []RegisteredVersion
	// Compatibility is the subject's own level, or "" if it follows the registry's.
	Compatibility string
}

// RegisteredVersion is one version of a subject.
type RegisteredVersion struct {
	Version, ID int
	Text        string
}

const backwardTransitive = string(srclient.BackwardTransitive)

// Registered returns the content of a subject. known is the number of versions that the caller
// knows. If there are no more, their texts are not fetched and the answer has no versions; -1
// fetches all. The error wraps [ErrUnavailable] (try again) or [ErrNotAvro].
func (r *Registry) Registered(ctx context.Context, subject string, known int) (Registered, error) {
	got, err := r.shared(ctx, fmt.Sprintf("versions %d of %s", known, subject), func() (any, error) { return r.registered(subject, known) })
	if err != nil {
		return Registered{}, fmt.Errorf("versions of subject %s at %s: %w", subject, r.config.URL, err)
	}
	return got.(Registered), nil
}

func (r *Registry) registered(subject string, known int) (Registered, error) {
	numbers, err := r.client.GetSchemaVersions(subject)
	var answered *statusError
	if errors.As(err, &answered) && answered.status == http.StatusNotFound && answered.code == codeSubjectNotFound {
		return Registered{}, nil
	}
	if err != nil {
		return Registered{}, fmt.Errorf("%w: %w", ErrUnavailable, classify(err))
	}
	if len(numbers) <= known {
		return Registered{}, nil
	}
	var all Registered
	for _, n := range numbers {
		s, err := r.client.GetSchemaByVersion(subject, n)
		if err != nil {
			return Registered{}, fmt.Errorf("%w: version %d: %w", ErrUnavailable, n, classify(err))
		}
		if err := selfContained(s); err != nil {
			return Registered{}, fmt.Errorf("version %d: %w", n, err)
		}
		all.Versions = append(all.Versions, RegisteredVersion{Version: n, ID: s.ID(), Text: s.Schema()})
	}
	level, err := r.client.GetCompatibilityLevel(subject, false)
	switch {
	case err == nil:
		all.Compatibility = string(*level)
	case !errors.As(err, &answered) || answered.status != http.StatusNotFound:
		return Registered{}, fmt.Errorf("%w: compatibility: %w", ErrUnavailable, classify(err))
	}
	return all, nil
}
