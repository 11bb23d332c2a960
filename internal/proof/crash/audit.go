package crash

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
)

// Recorded counts the attempts in the lines that "audit dump --json" prints.
func Recorded(dump string) (map[Act]int, error) {
	recorded := map[Act]int{}
	lines := bufio.NewScanner(strings.NewReader(dump))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var record struct {
			Phase  string `json:"phase"`
			Action string `json:"action"`
			Type   string `json:"resource_type"`
			ID     string `json:"resource_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			return nil, fmt.Errorf("an audit record is no JSON: %w: %s", err, lines.Bytes())
		}
		if record.Phase != "attempt" {
			continue
		}
		kind := Kind(record.Action)
		if record.Type == "service" {
			kind = Map // creating one and changing it
		}
		recorded[Act{kind, record.ID}]++
	}
	return recorded, lines.Err()
}

// Unrecorded lists the acts of which the log holds fewer attempts than were
// acknowledged.
func (c Counts) Unrecorded(recorded map[Act]int) []string {
	var wrong []string
	for act, n := range c.Of {
		if recorded[act] < n {
			wrong = append(wrong, fmt.Sprintf("%s of %s: %d acknowledged, %d on record", act.Kind, act.ID, n, recorded[act]))
		}
	}
	return wrong
}
