package kafkatest

import (
	"testing"

	"github.com/google/uuid"
)

// One id in 64 starts with a dash, which kafka-storage takes for an option.
func TestAClusterIDDoesNotLookLikeAnOption(t *testing.T) {
	dash := uuid.UUID{0xf8, 1, 2} // 0xf8 >> 2 is 62: "-" in base64url
	plain := uuid.UUID{0x04, 1, 2}
	left := []uuid.UUID{dash, dash, plain}
	got := newClusterID(func() uuid.UUID {
		id := left[0]
		left = left[1:]
		return id
	})
	if len(left) != 0 || got != "BAECAAAAAAAAAAAAAAAAAA" {
		t.Errorf("got %q with %d ids left", got, len(left))
	}
	c := KafkaConfig{ClusterID: "-AECAAAAAAAAAAAAAAAAAA"}
	c.EnsureDefaults()
	if err := c.Validate(); err == nil {
		t.Error("an id with a dash in front was accepted")
	}
}
