package account_test

import (
	"testing"

	"github.com/confidant-secrets/confidant/internal/account"
)

func BenchmarkVerifyToken(b *testing.B) {
	r := newRoom(b)
	token := r.mustToken(b, account.RoleService, "svc")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.VerifyToken(token); err != nil {
			b.Fatal(err)
		}
	}
}
