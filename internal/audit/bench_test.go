package audit

import (
	"path/filepath"
	"testing"
	"time"
)

func BenchmarkEncode(b *testing.B) {
	e := sampleEntry()
	var body, line []byte
	h := head{hash: genesis()}
	date := appendDate(nil, time.Now())
	b.ReportAllocs()
	for b.Loop() {
		body = appendBody(body[:0], &e)
		line = h.appendLine(line[:0], date, nil, body)
	}
	b.SetBytes(int64(len(line)))
}

func BenchmarkAppend(b *testing.B) {
	for _, mode := range []Sync{Interval, Always} {
		for _, writers := range []int{1, 16} {
			b.Run(string(mode)+"/"+map[int]string{1: "1", 16: "16"}[writers], func(b *testing.B) {
				l, err := OpenFile(FileOptions{Dir: filepath.Join(b.TempDir(), "audit"), Sync: mode})
				if err != nil {
					b.Fatal(err)
				}
				e := sampleEntry()
				b.ReportAllocs()
				b.SetParallelism(max(1, writers/2))
				if writers == 1 {
					for b.Loop() {
						if _, err := l.Append(b.Context(), e); err != nil {
							b.Fatal(err)
						}
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							if _, err := l.Append(b.Context(), e); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				b.StopTimer()
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func sampleEntry() Entry {
	return Entry{
		Phase: Done, Action: "get", Success: true, User: "payments-production", UserType: "service",
		Client: "10.1.2.3", RequestID: "9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071", Door: "v1",
		ResourceType: "service", ResourceID: "payments-production", Revision: 12,
		Info: map[string]any{"credential_ids": []string{
			"9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071", "1f0c2b6a4d1e4f7f8b1a2c3d4e5f6071", "2f0c2b6a4d1e4f7f8b1a2c3d4e5f6071",
			"3f0c2b6a4d1e4f7f8b1a2c3d4e5f6071", "4f0c2b6a4d1e4f7f8b1a2c3d4e5f6071",
		}, "metadata_only": false},
		Policies: []string{"default-services"}, Duration: 180 * time.Microsecond,
	}
}
