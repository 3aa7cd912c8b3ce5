package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Open reports whether the brokers let anybody do anything: they have no authorizer. An answer that
// only says that this client may not ask means that they have one.
func Open(ctx context.Context, c Config) (bool, error) {
	client, err := c.client()
	if err != nil {
		return false, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, PingTimeout)
	defer cancel()
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	req.Operation, req.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return false, fmt.Errorf("ask the brokers for their ACLs: %w", err)
	}
	switch err := kerr.ErrorForCode(resp.ErrorCode); {
	case errors.Is(err, kerr.SecurityDisabled):
		return true, nil
	case err == nil || errors.Is(err, kerr.ClusterAuthorizationFailed):
		return false, nil
	default:
		return false, fmt.Errorf("ask the brokers for their ACLs: %w", err)
	}
}
