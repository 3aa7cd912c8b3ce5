// Package localdb opens the LevelDB databases of this process: the engine's stores, the views'
// stores, and the scratch space for data that does not fit into memory.
//
// The owner of a database decides about its content, its receipt and when it is rebuilt.
//
// # Invariants
//
//  1. A store with a hole in its journal does not open: a later record would otherwise vouch for
//     the records in the hole.
//  2. [ErrDamaged] means that the stored bytes are of no use, and that a new store helps. It never
//     means a full disk, missing permissions, or another process that has the store open.
//  3. A damaged store is set aside, not deleted: the newest one is kept to learn from.
//  4. Everything is readable by its user alone.
package localdb
