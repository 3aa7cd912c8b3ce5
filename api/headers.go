package api

// Header names of the HTTP interface.
//
// NB: must not change. Clients send and read them.
const (
	// HeaderIdempotencyKey has the command's id. The server makes one if it is missing.
	HeaderIdempotencyKey = "Idempotency-Key"
	// HeaderCorrelationID has the id of the conversation. It defaults to the command's id.
	HeaderCorrelationID = "Foldlog-Correlation-Id"
	// HeaderAfter has tokens, separated by commas: the read waits until all of them are visible.
	HeaderAfter = "Foldlog-After"
	// HeaderPosition has the token up to which a read has seen everything.
	HeaderPosition = "Foldlog-Position"
	// HeaderViewVersion has the version of the projection that rows are of.
	HeaderViewVersion = "Foldlog-View-Version"
	// HeaderRequestID has the id by which the server's log speaks of the request.
	HeaderRequestID = "Foldlog-Request-Id"
)

// Media types of bodies.
const (
	ContentTypeJSON    = "application/json"
	ContentTypeProblem = "application/problem+json"
)
