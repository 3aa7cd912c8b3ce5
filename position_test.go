package foldlog_test

import (
	"encoding/base64"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foldlog/foldlog"
)

func drawPosition(t *rapid.T) foldlog.Position {
	return foldlog.Position{
		Aggregate: rapid.SampledFrom([]string{"account", "transfer", "a-b-c"}).Draw(t, "aggregate"),
		Partition: rapid.Int32Range(0, math.MaxInt32).Draw(t, "partition"),
		Offset:    rapid.Int64Range(0, math.MaxInt64).Draw(t, "offset"),
	}
}

func TestPositionRoundTrip(t *testing.T) {
	if text := (foldlog.Position{Aggregate: "account", Partition: 3, Offset: 1207}).String(); text != "account/3/1207" {
		t.Errorf("the text is %q; headers of stored records have another", text)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := drawPosition(t)
		if back, err := foldlog.ParsePosition(p.String()); err != nil || back != p {
			t.Fatalf("%v came back as %v, %v", p, back, err)
		}
	})
}

func TestParsePositionRejectsGarbage(t *testing.T) {
	for _, bad := range []string{
		"", "/", "//", "account", "account/1", "/1/2", "account/1/2/3", "account/-1/2", "account/1/-2", "account/x/2", "account/1/x", "account//2",
		"account/1/", "account/2147483648/1", "account/1/9223372036854775808", "account/ 1/2", "account/+1/2", "account/1/+2", "account/01/2", "account/1/02",
		"account/1e3/2", "account/0x1/2",
	} {
		if p, err := foldlog.ParsePosition(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, p)
		}
	}
}

func TestTokenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var token foldlog.Token
		for range rapid.IntRange(0, 8).Draw(t, "positions") {
			token = token.With(drawPosition(t))
		}
		text := token.String()
		back, err := foldlog.ParseToken(text)
		if err != nil || len(back) != len(token) {
			t.Fatalf("%v came back as %v, %v", token, back, err)
		}
		for _, p := range token {
			if !slices.Contains(back, p) {
				t.Fatalf("%v lost %v", back, p)
			}
		}
		slices.Reverse(token)
		if token.String() != text {
			t.Fatal("the same set gives two texts")
		}
	})
	if token, err := foldlog.ParseToken(""); token != nil || err != nil || token.String() != "" {
		t.Errorf("the empty text is %v, %v", token, err)
	}
}

func TestTokenWith(t *testing.T) {
	at := func(aggregate string, partition int32, offset int64) foldlog.Position {
		return foldlog.Position{Aggregate: aggregate, Partition: partition, Offset: offset}
	}
	first := foldlog.Token{at("account", 1, 5)}
	for _, c := range []struct {
		add  foldlog.Position
		want foldlog.Token
	}{
		{at("account", 1, 9), foldlog.Token{at("account", 1, 9)}},
		{at("account", 1, 2), foldlog.Token{at("account", 1, 5)}},
		{at("account", 2, 2), foldlog.Token{at("account", 1, 5), at("account", 2, 2)}},
		{at("transfer", 1, 2), foldlog.Token{at("account", 1, 5), at("transfer", 1, 2)}},
	} {
		if got := first.With(c.add); !slices.Equal(got, c.want) {
			t.Errorf("%v with %v is %v, want %v", first, c.add, got, c.want)
		}
	}
	if first[0].Offset != 5 {
		t.Error("With changed the token that it was given")
	}
}

func TestParseTokenRejectsGarbage(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	for _, bad := range []string{
		"account/1/2", "!", "a", encode([]byte("account/1")), encode([]byte("account/1/2,")), encode([]byte(",account/1/2")), encode([]byte("account/1/-2")),
		encode([]byte("account/1/2\x00")), base64.StdEncoding.EncodeToString([]byte("account/1/23")) + "=", encode([]byte("\xff\xfe")),
	} {
		if token, err := foldlog.ParseToken(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, token)
		}
	}
}

// FuzzParseToken: any text is refused or gives positions that can exist and survive being written
// again.
func FuzzParseToken(f *testing.F) {
	f.Add("")
	f.Add("account/1/2")
	f.Add(foldlog.Token{{Aggregate: "account", Partition: 1, Offset: 2}}.String())
	f.Add(foldlog.Token{{Aggregate: "account", Partition: 1, Offset: 2}, {Aggregate: "transfer", Partition: 0, Offset: math.MaxInt64}}.String())
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("a/1/2,a/1/3")))
	f.Fuzz(func(t *testing.T, text string) {
		token, err := foldlog.ParseToken(text)
		if err != nil {
			return
		}
		for _, p := range token {
			if p.Aggregate == "" || p.Partition < 0 || p.Offset < 0 {
				t.Fatalf("%q gives the impossible position %+v", text, p)
			}
		}
		again, err := foldlog.ParseToken(token.String())
		if err != nil || again.String() != token.String() {
			t.Fatalf("%q gives %v, which comes back as %v, %v", text, token, again, err)
		}
	})
}
