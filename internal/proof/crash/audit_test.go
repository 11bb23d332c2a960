package crash

import (
	"maps"
	"testing"
)

func TestRecorded_CountsAttempts(t *testing.T) {
	t.Parallel()
	got, err := Recorded(`{"id":1,"phase":"attempt","action":"create","resource_type":"credential","resource_id":"id1"}
{"id":2,"phase":"done","action":"get","resource_type":"credential","resource_id":"id1"}
{"id":3,"phase":"attempt","action":"update","resource_type":"credential","resource_id":"id1"}
{"id":4,"phase":"failed","action":"update","resource_type":"credential","resource_id":"id1"}
{"id":5,"phase":"attempt","action":"create","resource_type":"service","resource_id":"s"}
{"id":6,"phase":"attempt","action":"update","resource_type":"service","resource_id":"s"}
`)
	want := map[Act]int{{Create, "id1"}: 1, {Update, "id1"}: 1, {Map, "s"}: 2}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("Recorded = %v, %v; want %v", got, err, want)
	}
	if _, err := Recorded("no record"); err == nil {
		t.Error("a line that is no record is read")
	}
}

func TestUnrecorded_FindsAnActWithoutRecord(t *testing.T) {
	t.Parallel()
	c := Counts{Of: map[Act]int{{Update, "id1"}: 2}}
	for recorded, complete := range map[int]bool{0: false, 1: false, 2: true, 3: true} {
		if got := c.Unrecorded(map[Act]int{{Update, "id1"}: recorded}); (len(got) == 0) != complete {
			t.Errorf("%d of 2 on record: found %q", recorded, got)
		}
	}
}
