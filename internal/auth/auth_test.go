package auth_test

import (
	"testing"

	"gopush/internal/auth"
)

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	keys := auth.NewAPIKeys(map[string]string{"shop": "s3cret", "crm": "other", "nobody": ""})
	tests := []struct {
		name, secret string
		keys         *auth.APIKeys
		want         string
		ok           bool
	}{
		{"first", "s3cret", keys, "shop", true},
		{"second", "other", keys, "crm", true},
		{"wrong", "s3creT", keys, "", false},
		{"a part of one", "s3cre", keys, "", false},
		{"one and more", "s3cret2", keys, "", false},
		{"empty, though a name has an empty secret", "", keys, "", false},
		{"none configured", "s3cret", nil, "", false},
		{"the zero value", "s3cret", &auth.APIKeys{}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if name, ok := tt.keys.Check(tt.secret); name != tt.want || ok != tt.ok {
				t.Errorf("Check(%q) = %q, %v, want %q, %v", tt.secret, name, ok, tt.want, tt.ok)
			}
		})
	}
	if n := keys.Len(); n != 2 {
		t.Errorf("Len() = %d, want 2: an empty secret is no key", n)
	}
}
