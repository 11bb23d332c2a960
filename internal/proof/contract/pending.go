package contract

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Pending is the list of exchanges that are not yet answered as wanted, each
// with the reason. It may only shrink: an exchange that is on the list and is
// answered rightly has to be taken off it.
type Pending map[int]string

// ReadPending reads lines "<n> <reason>". Empty lines and lines that begin with #
// do not count.
func ReadPending(r io.Reader) (Pending, error) {
	list := Pending{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		number, reason, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		reason = strings.TrimSpace(reason)
		if err != nil || reason == "" {
			return nil, fmt.Errorf("a pending exchange needs a number and a reason: %q", line)
		}
		if _, ok := list[n]; ok {
			return nil, fmt.Errorf("exchange %d is pending twice", n)
		}
		list[n] = reason
	}
	return list, lines.Err()
}

// Check says whether every pending exchange is one of the recording whose answer
// is compared.
func (p Pending) Check(r *Recording) error {
	compared := map[int]bool{}
	for _, ex := range r.Exchanges {
		compared[ex.N] = !r.Skipped(ex.N)
	}
	for n := range p {
		if !compared[n] {
			return fmt.Errorf("exchange %d is pending, but its answer is not compared", n)
		}
	}
	return nil
}
