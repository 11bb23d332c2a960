package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// placeholder stands in the variables of single authorities for the name.
const placeholder = "<CA>"

// privateFields returns the settings of one authority; their names end in the
// placeholder.
func privateFields(ca *PrivateCA) []*field {
	section, _ := reflect.TypeFor[Config]().FieldByName("Authorities")
	return structFields(reflect.ValueOf(ca).Elem(), section.Tag)
}

// authorities reads the settings of each authority that is named.
func (l *loader) authorities() {
	used := map[string]bool{}
	for _, name := range l.config.Authorities.PrivateNames {
		ca := PrivateCA{Name: name}
		suffix := strings.ToUpper(name)
		portable := strings.NewReplacer("-", "_", ".", "_").Replace(suffix)
		fields := privateFields(&ca)
		for _, f := range fields {
			general := f.name
			f.name = strings.Replace(general, placeholder, suffix, 1)
			if _, ok := l.given[f.name]; !ok {
				if spelled := strings.Replace(general, placeholder, portable, 1); spelled != f.name {
					if _, ok := l.given[spelled]; ok {
						f.name = spelled
					}
				}
			}
			used[f.name] = true
		}
		l.assign(fields)
		l.config.settings = append(l.config.settings, fields...)
		l.config.Authorities.Private = append(l.config.Authorities.Private, ca)
	}
	for _, name := range slices.Sorted(maps.Keys(l.given)) {
		if l.isFamily(name) && !used[name] {
			l.warn(ForServer, "%s belongs to no authority of ACM_PRIVATE_CAS", name)
		}
	}
}
