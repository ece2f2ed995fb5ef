package config_test

import (
	"testing"

	"gopush/internal/config"
)

func TestSlowConsumersAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.SlowConsumers{
		"ticker/=latest": {Prefix: "ticker/", Policy: "latest"}, "=drop": {Policy: "drop"}, "a=b=close": {Prefix: "a=b", Policy: "close"},
	} {
		var got config.SlowConsumers
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "drop", "a=", "a=Drop", "a=keep"} {
		if err := new(config.SlowConsumers).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	mistakes := config.Config{SlowConsumers: []config.SlowConsumers{{Prefix: "a", Policy: "drop"}, {Prefix: "a", Policy: "close"}}}.Validate()
	found := false
	for _, m := range mistakes {
		found = found || m.Setting == "slow_consumers"
	}
	if !found {
		t.Errorf("a prefix with two policies is taken: %v", mistakes)
	}
}
