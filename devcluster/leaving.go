package devcluster

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// syncing knows the members of groups that wait for their assignment. kfake mistakes the request of
// a member that leaves at this moment for a join. From then on it counts one joined member too few,
// and no rebalance of the group completes any more. So such a member is asked to leave again a
// moment later.
//
// Its methods are control functions.
type syncing map[string]*assigning // by group

// assigning is the progress of a group's assignment.
type assigning struct {
	done    int32 // the last generation whose leader brought it
	waiting []waitingSync
}

type waitingSync struct {
	member     string
	instance   string
	generation int32
}

// joins begins a rebalance: all waiting members are told to join again.
func (s syncing) joins(r kmsg.Request) (kmsg.Response, error, bool) {
	if a := s[r.(*kmsg.JoinGroupRequest).Group]; a != nil {
		a.waiting = nil
	}
	return nil, nil, false
}

// syncs notes that a member waits for the leader. The leader's own request has the assignments.
func (s syncing) syncs(r kmsg.Request) (kmsg.Response, error, bool) {
	req := r.(*kmsg.SyncGroupRequest)
	a := s[req.Group]
	if a == nil {
		a = &assigning{}
		s[req.Group] = a
	}
	switch {
	case len(req.GroupAssignment) > 0:
		a.done = max(a.done, req.Generation)
		a.waiting = slices.DeleteFunc(a.waiting, func(w waitingSync) bool { return w.generation <= a.done })
	case req.Generation > a.done:
		w := waitingSync{member: req.MemberID, generation: req.Generation}
		if req.InstanceID != nil {
			w.instance = *req.InstanceID
		}
		a.waiting = append(a.waiting, w)
	}
	return nil, nil, false
}

func (s syncing) leaves(r kmsg.Request) (kmsg.Response, error, bool) {
	req := r.(*kmsg.LeaveGroupRequest)
	a := s[req.Group]
	if a == nil || !slices.ContainsFunc(a.waiting, func(w waitingSync) bool { return w.isAmong(req) }) {
		return nil, nil, false
	}
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	// Clients ask again after this error.
	resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
	return resp, nil, true
}

func (w waitingSync) isAmong(req *kmsg.LeaveGroupRequest) bool {
	return req.MemberID == w.member || slices.ContainsFunc(req.Members, func(m kmsg.LeaveGroupRequestMember) bool {
		if m.InstanceID != nil {
			return *m.InstanceID == w.instance
		}
		return m.MemberID == w.member
	})
}
