package edge

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/topology"
)

// maxDrain is how much of a body that is too large is still read and thrown away. Most clients read
// no answer before they have sent all, and would see a broken connection instead of the 413.
const maxDrain = 8 << 20

// jsonBodyOf reads the request's JSON text of at most topology.MaxCommandBytes.
func jsonBodyOf(r *http.Request) ([]byte, error) {
	if err := checkMediaType(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > topology.MaxCommandBytes && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		return nil, gateway.ErrTooLarge // the client asks first: it need not send the body at all
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, topology.MaxCommandBytes+1))
	switch {
	case err != nil:
		return nil, bodyFailure(err)
	case len(body) > topology.MaxCommandBytes:
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // whatever comes of it, the answer is 413
		return nil, gateway.ErrTooLarge
	}
	return body, nil
}

func bodyFailure(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fail(api.CodeTimeout, "the body came too slowly").because(err)
	}
	return fail(foldlog.CodeMalformed, "the body broke off").because(err)
}

// checkMediaType refuses all but uncompressed application/json in UTF-8. A compressed body could
// grow past any limit.
func checkMediaType(h http.Header) error {
	contentType, _, err := once(h, "Content-Type")
	if err != nil {
		return err
	}
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || media != api.ContentTypeJSON {
		return fail(api.CodeUnsupportedMediaType, "the content type is %q; send application/json", contentType)
	}
	if charset, given := parameters["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return fail(api.CodeUnsupportedMediaType, "the charset is %q; send UTF-8", charset)
	}
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fail(api.CodeUnsupportedMediaType, "the content encoding is %q; send the body as it is", coding)
	}
	return nil
}
