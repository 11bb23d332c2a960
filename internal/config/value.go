package config

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// JSON is a setting whose text is a JSON value, passed on as it is.
type JSON = json.RawMessage

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
	networksType = reflect.TypeFor[Networks]()
	jsonType     = reflect.TypeFor[JSON]()
)

// falseTexts are the texts a switch reads as false, as in the older service.
// Every other text is true, however false it looks.
var falseTexts = []string{"", "False", "false", "0"}

// surprising reports whether a switch is read as true although that may not be
// what was meant: "no", "off", "FALSE".
func surprising(text string) bool {
	return !slices.Contains(falseTexts, text) && !slices.Contains([]string{"True", "true", "1"}, text)
}

// assign reads text into the field. The error says what form was expected, and
// quotes the text unless the setting is a secret.
func (f *field) assign(text string) error {
	v := f.value
	switch {
	case v.Type() == secretType:
		if err := checkForm(f.form, text); err != nil {
			return err
		}
		v.Set(reflect.ValueOf(NewSecret(text)))
		return nil
	case v.Type() == networksType:
		n, err := parseNetworks(text)
		v.Set(reflect.ValueOf(n))
		return err
	case v.Type() == jsonType:
		if !json.Valid([]byte(text)) {
			return fmt.Errorf("%q is not JSON", text)
		}
		v.SetBytes([]byte(text))
		return nil
	case v.Type() == durationType:
		d, err := f.parseDuration(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
		return f.checkBounds(text)
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!slices.Contains(falseTexts, text))
		return nil
	case reflect.Int, reflect.Int64:
		n, err := f.parseInt(text)
		if err != nil {
			return err
		}
		v.SetInt(n)
		return f.checkBounds(text)
	case reflect.Slice, reflect.Map:
		return f.assignList(text)
	default:
		if f.form == "lower" {
			text = strings.ToLower(text)
		}
		if err := checkForm(f.form, text); err != nil {
			return err
		}
		v.SetString(text)
		if text == "" {
			return nil
		}
		return f.checkEnum(text)
	}
}

func (f *field) assignList(text string) error {
	v := f.value
	if v.Kind() == reflect.Map || f.form == "json" {
		into := reflect.New(v.Type())
		if err := json.Unmarshal([]byte(text), into.Interface()); err != nil || into.Elem().IsNil() {
			return fmt.Errorf("%q is not %s", text, f.expected())
		}
		v.Set(into.Elem())
		return nil
	}
	list := splitList(text)
	v.Set(reflect.ValueOf(list))
	for _, item := range list {
		if err := f.checkEnum(item); err != nil {
			return err
		}
	}
	return nil
}

// expected describes the form of a setting for messages and documentation.
func (f *field) expected() string {
	switch {
	case f.value.Type() == secretType && f.form == "base64":
		return "base64 of JSON"
	case f.value.Type() == secretType:
		return "text"
	case f.value.Type() == networksType:
		return "list of addresses"
	case f.value.Type() == jsonType:
		return "JSON"
	case f.value.Type() == durationType && f.form == "":
		return "duration"
	}
	switch f.value.Kind() {
	case reflect.Bool:
		return "switch"
	case reflect.Int64, reflect.Int:
		if f.form == "size" {
			return "size"
		}
		return "whole number"
	case reflect.Slice:
		if f.form == "json" {
			return "JSON list of texts"
		}
		return "list"
	case reflect.Map:
		if f.value.Type().Elem().Kind() == reflect.Int {
			return "JSON object of whole numbers"
		}
		return "JSON object of texts"
	default:
		return "text"
	}
}

func (f *field) parseInt(text string) (int64, error) {
	factor := int64(1)
	digits := text
	if f.form == "size" {
		for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
			if rest, ok := strings.CutSuffix(text, suffix); ok {
				digits, factor = strings.TrimSpace(rest), bytes
			}
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/factor || n < math.MinInt64/factor {
		return 0, fmt.Errorf("%q is not a %s", text, f.expected())
	}
	return n * factor, nil
}

// parseDuration reads Go's form, or a whole number in the unit of the older
// settings.
func (f *field) parseDuration(text string) (time.Duration, error) {
	unit := map[string]time.Duration{"seconds": time.Second, "milliseconds": time.Millisecond}[f.form]
	if unit == 0 {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 90s, 5m or 72h", text)
		}
		return d, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > int64(math.MaxInt64/unit) || n < int64(math.MinInt64/unit) {
		return 0, fmt.Errorf("%q is not a whole number of %s", text, f.form)
	}
	return time.Duration(n) * unit, nil
}

func (f *field) checkBounds(text string) error {
	bound := func(limit string) int64 {
		if f.value.Type() == durationType {
			d, _ := time.ParseDuration(limit)
			return int64(d)
		}
		n, _ := strconv.ParseInt(limit, 10, 64)
		return n
	}
	switch n := f.value.Int(); {
	case f.min != "" && n < bound(f.min):
		return fmt.Errorf("%s is below %s", text, f.min)
	case f.max != "" && n > bound(f.max):
		return fmt.Errorf("%s is above %s", text, f.max)
	}
	return nil
}

func (f *field) checkEnum(text string) error {
	if len(f.enum) == 0 || slices.Contains(f.enum, text) {
		return nil
	}
	return fmt.Errorf("%q is not one of %s", text, strings.Join(f.enum, ", "))
}

// cookieName is a token of RFC 9110, section 5.6.2.
var cookieName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// color is how CSS writes a colour in six hex digits.
var color = regexp.MustCompile("^#[0-9a-fA-F]{6}$")

func checkForm(form, text string) error {
	if form == "token" {
		if !cookieName.MatchString(text) {
			return fmt.Errorf("%q is not a cookie name", text)
		}
		return nil
	}
	if text == "" {
		return nil
	}
	switch form {
	case "base64":
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !json.Valid(raw) {
			return errors.New("the value is not base64 of JSON")
		}
	case "color":
		if !color.MatchString(text) {
			return fmt.Errorf("%q is not a colour such as #1f5f8b", text)
		}
	case "hostport":
		_, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return fmt.Errorf("%q is not host:port", text)
		}
	case "url":
		u, err := url.Parse(text)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return errors.New("the value is not an http or https URL")
		}
	case "regexp":
		if _, err := regexp.Compile(text); err != nil {
			return fmt.Errorf("%q is not an expression in Go's syntax, which has no look-around: %w", text, err)
		}
	}
	return nil
}

// splitList takes a comma-separated list apart; blanks around the parts and
// empty parts do not count.
func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// text returns the value in the spelling of the variable; secrets are masked,
// and so is a password in a URL.
func (f *field) text() string {
	v := f.value
	switch x := v.Interface().(type) {
	case Secret:
		return x.String()
	case Networks:
		return x.String()
	case JSON:
		return string(x)
	case time.Duration:
		switch f.form {
		case "seconds":
			return strconv.FormatInt(int64(x/time.Second), 10)
		case "milliseconds":
			return strconv.FormatInt(x.Milliseconds(), 10)
		}
		return x.String()
	case string:
		if f.form == "url" {
			if u, err := url.Parse(x); err == nil {
				return u.Redacted()
			}
		}
		return x
	}
	if v.Kind() == reflect.Map || v.Kind() == reflect.Slice && f.form == "json" {
		b, err := json.Marshal(v.Interface())
		if err != nil {
			panic("config: maps of texts and numbers always encode: " + err.Error())
		}
		return string(b)
	}
	if list, ok := v.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v.Interface())
}
