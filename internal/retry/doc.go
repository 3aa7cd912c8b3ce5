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
// The body decides when to stop: by success, a final error, or a deadline. The code behind the loop
// handles a context that ended.
//
// # Invariants
//
//  1. The first attempt comes at once, even if the context has ended.
//  2. A pause ends at once when the context ends, and then no attempt follows.
//  3. Pauses are not random. Callers that must not come back together add randomness themselves
//     (see the client and the settings of Kafka's clients).
package retry
