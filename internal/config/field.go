package config

import (
	"reflect"
	"slices"
	"strings"
)

// Use says what a command needs settings for. A command is told only about
// problems of settings that it uses.
type Use uint

// The uses. They add up by |.
const (
	ForData   Use = 1 << iota // the data directory
	ForStore                  // the store
	ForKeys                   // the key file and sealing
	ForVault                  // the use cases
	ForAudit                  // the audit log
	ForTokens                 // API tokens
	ForServer                 // listening, callers, events, measurements

	Everything = ForData | ForStore | ForKeys | ForVault | ForAudit | ForTokens | ForServer
)

var usesByTag = map[string]Use{
	"data": ForData, "store": ForStore, "keys": ForKeys, "vault": ForVault,
	"audit": ForAudit, "tokens": ForTokens, "server": ForServer,
}

// field is one setting: its tags, and the place in a Config that it fills.
type field struct {
	name, section, doc string

	initial  string // default, in the variable's spelling
	computed string
	form     string
	enum     []string
	min, max string
	secret   bool
	fileForm bool // <NAME>_FILE is accepted
	// bootstrap says that the value may come from the bootstrap blob.
	bootstrap bool
	use       Use
	absent    string
	unused    string
	value     reflect.Value
}

// fields returns every setting of c but those of single authorities, in the
// order of the documentation.
func (c *Config) fields() []*field {
	var all []*field
	sections := reflect.ValueOf(c).Elem()
	for i := range sections.NumField() {
		s := sections.Type().Field(i)
		if s.Tag.Get("section") == "" {
			continue
		}
		all = append(all, structFields(sections.Field(i), s.Tag)...)
	}
	return all
}

func structFields(v reflect.Value, section reflect.StructTag) []*field {
	var all []*field
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		name := tag.Get("env")
		if name == "" {
			continue
		}
		is := strings.Split(tag.Get("is"), ",")
		f := &field{
			name:      name,
			section:   section.Get("section"),
			doc:       tag.Get("doc"),
			initial:   tag.Get("default"),
			computed:  tag.Get("computed"),
			form:      tag.Get("form"),
			min:       tag.Get("min"),
			max:       tag.Get("max"),
			secret:    slices.Contains(is, "secret"),
			absent:    section.Get("absent"),
			unused:    tag.Get("unused"),
			bootstrap: slices.Contains(is, "bootstrap"),
			value:     v.Field(i),
		}
		f.fileForm = f.secret && !slices.Contains(is, "nofile")
		if enum := tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, "|")
		}
		switch absent := tag.Get("absent"); absent {
		case "":
		case "-":
			f.absent = ""
		default:
			f.absent = absent
		}
		use := tag.Get("use")
		if use == "" {
			use = section.Get("use")
		}
		f.use = usesByTag[use]
		all = append(all, f)
	}
	return all
}
