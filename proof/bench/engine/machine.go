package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

// machine is where figures come from.
type machine struct {
	System   string            `json:"system"`
	Cores    int               `json:"cores"`
	CPU      string            `json:"cpu"`
	MemoryMB int               `json:"memory_mb"`
	Load     string            `json:"load_before"` // as the system says it: 1, 5 and 15 minutes
	Versions map[string]string `json:"versions"`
}

func machineNow() machine {
	m := machine{
		System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), CPU: field("/proc/cpuinfo", "model name"), Load: load(),
		Versions: map[string]string{"Apache Kafka and Kafka Streams": kafkatest.KafkaVersion, "Go": strings.TrimPrefix(runtime.Version(), "go"), "Java": javaText()},
	}
	if kilobytes, _, ok := strings.Cut(field("/proc/meminfo", "MemTotal"), " "); ok {
		n, _ := strconv.Atoi(kilobytes) // 0 says that it is not known
		m.MemoryMB = n >> 10
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			switch dependency.Path {
			case "github.com/twmb/franz-go", "github.com/lovoo/goka", "github.com/IBM/sarama":
				m.Versions[filepath.Base(dependency.Path)] = strings.TrimPrefix(dependency.Version, "v")
			}
		}
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				m.Versions["Foldlog"] = setting.Value[:min(12, len(setting.Value))]
			}
		}
	}
	return m
}

// load is the machine's load averages, or empty if they are not to be had.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// field returns the first value of a name in a file of "name : value" lines, or "".
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if left, right, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(left) == name {
			return strings.TrimSpace(right)
		}
	}
	return ""
}

// javaText is the version of the Java that runs Kafka Streams.
func javaText() string {
	java, err := findJava()
	if err != nil {
		return "none"
	}
	printed, err := exec.Command(java, "--version").Output()
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(printed), "\n")
	return first
}
