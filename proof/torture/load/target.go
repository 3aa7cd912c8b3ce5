package load

import (
	"context"
	"net/http"
	"time"

	"github.com/foldlog/foldlog/client"
)

// tryLimit is how long one try may take: more than the server's own limits.
const tryLimit = 15 * time.Second

// Target is an instance that answers, with a client that tries once: the callers try again, so that
// each try is in the history.
type Target struct {
	Name   string
	Client *client.Client
}

// NewTarget returns a target at a base URL.
func NewTarget(name, url string) (Target, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 512
	c, err := client.New(client.Config{URL: url, Patience: -1, HTTPClient: &http.Client{Transport: noting{transport}, Timeout: tryLimit}})
	return Target{Name: name, Client: c}, err
}

// noting notes the position that an answer has seen. The client gives it with rows only, but that
// there is no row is an answer, too.
type noting struct{ http.RoundTripper }

type positionKey struct{}

// withPosition returns a context for one read, and where its answer's position will be.
func withPosition(ctx context.Context) (context.Context, *string) {
	position := new(string)
	return context.WithValue(ctx, positionKey{}, position), position
}

// RoundTrip is in [http.RoundTripper].
func (n noting) RoundTrip(request *http.Request) (*http.Response, error) {
	// else a command would be sent again behind our back, since it has an Idempotency-Key
	if request.GetBody != nil {
		request = request.Clone(request.Context())
		request.GetBody = nil
	}
	response, err := n.RoundTripper.RoundTrip(request)
	if err == nil {
		if position, wanted := request.Context().Value(positionKey{}).(*string); wanted {
			*position = response.Header.Get("Foldlog-Position")
		}
	}
	return response, err
}
