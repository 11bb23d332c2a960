package vault_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// quietLog is an audit log that costs nothing.
type quietLog struct{}

func (quietLog) Append(context.Context, audit.Entry) (audit.Receipt, error) {
	return quietReceipt{}, nil
}

type quietReceipt struct{}

func (quietReceipt) Number() uint64             { return 1 }
func (quietReceipt) Wait(context.Context) error { return nil }

// benchmarked returns a vault with a service of five credentials.
func benchmarked(b *testing.B) (*world, *vault.Vault, string) {
	w := newWorld(b, defaults)
	var all []string
	for i := range 5 {
		all = append(all, w.credential(b, fmt.Sprint("c", i), fmt.Sprintf(
			`{"password_%d":"correct horse battery staple","url_%d":"postgres://db.example.com:5432/app","user_%d":"app"}`, i, i, i)))
	}
	w.service(b, "foo-production", all...)
	d := w.dependencies(defaults)
	d.Audit, d.Now = quietLog{}, time.Now
	v, err := vault.New(d)
	if err != nil {
		b.Fatal(err)
	}
	return w, v, all[0]
}

func BenchmarkGetService(b *testing.B) {
	_, v, _ := benchmarked(b)
	foo := asService("foo-production")
	get := func(b *testing.B) {
		view, err := v.GetService(b.Context(), foo, "foo-production", false)
		if err != nil || len(view.Credentials) != 5 {
			b.Fatal(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			get(b)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				get(b)
			}
		})
	})
}

func BenchmarkUpdateCredential(b *testing.B) {
	_, v, id := benchmarked(b)
	n := 0
	for b.Loop() {
		n++
		if _, err := v.UpdateCredential(b.Context(), ann, id, whole(b, fmt.Sprintf(`{"password_0":"%d"}`, n))); err != nil {
			b.Fatal(err)
		}
	}
}
