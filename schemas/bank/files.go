package bankschemas

import "embed"

// Files has the schemas, under paths such as "account.events/v1.avsc", and the list of those that
// are published.
//
//go:embed */v*.avsc schemas.lock
var Files embed.FS
