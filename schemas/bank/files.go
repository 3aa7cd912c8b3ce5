package bankschemas

import "embed"

// Files has the schemas, under paths such as "account.events/v1.avsc".
//
//go:embed */v*.avsc
var Files embed.FS
