package revision

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Page says which part of a list is wanted.
type Page struct {
	Limit int     // at most so many rows; 0 means all
	After *Cursor // go on behind this row; nil starts at the beginning
}

// Slice is one page of a list. Next is nil when nothing follows; a store that
// cannot know may return a cursor behind which nothing is found.
type Slice[T any] struct {
	Items []T
	Next  *Cursor
}

// Cursor is a place in a list ordered by ModifiedDate and then ID, both
// descending.
type Cursor struct {
	List         string    // the list it belongs to, for example "credential"
	ModifiedDate time.Time // of the last row seen
	ID           string    // key of the last row seen
}

// ErrCursor reports a page token that is malformed or belongs to another list.
var ErrCursor = errors.New("malformed page token")

// maxToken bounds what ParseCursor looks at. A service name of 255 characters
// and a date stay far below it.
const maxToken = 4096

type token struct {
	List string `json:"l"`
	Date string `json:"d"`
	ID   string `json:"i"`
}

// older is the token of the older service: base64 of DynamoDB's last key.
type older struct {
	DataType     map[string]string `json:"data_type"`
	ModifiedDate map[string]string `json:"modified_date"`
	ID           map[string]string `json:"id"`
}

// Token returns the cursor as opaque text that needs no escaping in a URL.
func (c Cursor) Token() string {
	b, err := json.Marshal(token{c.List, FormatDate(c.ModifiedDate), c.ID})
	if err != nil {
		panic("revision: a cursor holds only strings: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads a token of the named list. It also reads the tokens of the
// older service, so that a client can go on across the switch. Any other text
// is ErrCursor.
func ParseCursor(list, text string) (*Cursor, error) {
	if text == "" || len(text) > maxToken {
		return nil, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		// A "+" that was not escaped arrives as a space.
		b, err = base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(text, " ", "+"))
		if err != nil {
			return nil, ErrCursor
		}
	}
	t := token{}
	if err := json.Unmarshal(b, &t); err != nil || t.List == "" {
		o := older{}
		if err := json.Unmarshal(b, &o); err != nil {
			return nil, ErrCursor
		}
		t = token{o.DataType["S"], o.ModifiedDate["S"], o.ID["S"]}
	}
	date, err := ParseDate(t.Date)
	if err != nil || t.List != list || t.ID == "" {
		return nil, ErrCursor
	}
	return &Cursor{List: t.List, ModifiedDate: date, ID: t.ID}, nil
}
