package kafkatest

import (
	"context"
	"log/slog"
	"path/filepath"
)

const classesFile = "classes.jsa"

// brokerClasses returns the archive of the classes that a broker loads, parsed and verified, which
// Java maps instead of loading them one by one (class data sharing, JEP 350). A broker's start
// takes a third of processor time less with it; Apache Kafka's own image has one, too. The first
// start of a Java on this machine makes it, by starting a broker that notes its classes at its end.
// A Java that cannot use it starts without.
func brokerClasses(ctx context.Context, java, jars string, logger *slog.Logger) (string, error) {
	build, err := describeJava(ctx, java) // another build cannot use it
	if err != nil {
		return "", err
	}
	archive := distribution{
		name: filepath.Base(jars) + "-classes-" + shortHash([]byte(build+java)),
		fill: func(ctx context.Context, dir string) error {
			k := &Kafka{java: java, jars: jars}
			k.config.JVM = []string{"-XX:ArchiveClassesAtExit=" + filepath.Join(dir, classesFile)}
			k.config.EnsureDefaults()
			defer func() { _ = k.Close() }()
			if err := k.start(ctx); err != nil {
				return err
			}
			return k.Stop(ctx, 1)
		},
	}
	dir, err := archive.fetch(ctx, logger)
	return filepath.Join(dir, classesFile), err
}
