// Package cli is the command line of a Foldlog system: it turns an [App] (a topology and its schema
// files) into a program that runs the system, feeds it and looks into it.
//
// A domain's main function is one line, cli.Main(mydomain.App()). Domains may import this package
// to add commands of their own ([App.Commands]); nothing else does.
//
// Invariants:
//
//  1. The exit code says who has to act: 0 nobody, 1 the reader of the finding, 2 the author of the
//     command line, 3 the operator of the infrastructure ([ExitOK] and its siblings). NB: must not
//     change. Scripts depend on it.
//  2. A setting has one name: flag --data-dir, environment variable FOLDLOG_DATA_DIR, key data-dir
//     of foldlog.yaml. A flag wins over the environment, the environment over the file, the file
//     over the default. A key that no command knows is an error.
//  3. Secrets come from the environment or the file, never from flags, which every user of a
//     machine can list.
//  4. Standard output carries the result and nothing else, so it can be piped; logs, progress and
//     errors go to standard error. With --json the result is one JSON document.
//  5. An error is one clear line (or one line for each problem) that says what to do.
//  6. It holds commands only. What runs is in package node, which a Go program can embed.
package cli
