// Package retry is the one loop of attempts with growing pauses:
//
//	for try := range retry.Attempts(ctx, 100*time.Millisecond, 5*time.Second) {
//		if err = ask(ctx); err == nil || isFinal(err) {
//			return err
//		}
//		log.Warn("no answer, trying again", "in", try.Pause(), "error", err)
//	}
//	return ctx.Err()
//
// The body decides when to stop: by success, a final error, or a deadline. What stands behind the
// loop is for a context that ended.
//
// # Invariants
//
//  1. The first attempt comes at once, even if the context has ended.
//  2. A pause ends at once when the context ends, and then no attempt follows.
//  3. Pauses have no chance in them. Those who must not come back together add it themselves (see
//     the client and the settings of Kafka's clients).
package retry
