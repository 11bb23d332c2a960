package config

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Sources is where settings come from.
type Sources struct {
	File    string            // configuration file; empty: the one that CONFIDANT_CONFIGFILE names, if any
	Environ []string          // "NAME=value", as of Environ
	Flags   map[string]string // by name of the setting

	// Bootstrap is what the bootstrap blob holds; it wins over everything.
	// Names that may not come from a blob give a warning.
	Bootstrap map[string]string
}

// Environ returns the environment of the process.
func Environ() []string { return os.Environ() }

// Error lists everything that is wrong with the settings. It holds no secret.
type Error struct{ Problems []string }

// Error returns the problems, one a line.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// Names that are known although they are no setting.
const (
	fileVariable = "CONFIDANT_CONFIGFILE"
	testVariable = "CONFIDANT_ACCEPT_DYNAMODB_LOCAL"
)

// given is the text of a setting as a source has it.
type given struct {
	text   string
	origin Origin
	path   string // the value stands in this file: the <NAME>_FILE form
}

// Load reads the settings and checks those that are used. The configuration is
// never nil; with an *Error it is fit for printing only.
func Load(s Sources, use Use) (*Config, error) {
	l := newLoader()
	l.read(s)
	l.assign(l.config.settings)
	l.authorities()
	l.derive()
	l.check()

	found := &Error{}
	for _, p := range l.problems {
		if p.use&use != 0 {
			found.Problems = append(found.Problems, p.text)
		}
	}
	for _, w := range l.warnings {
		if w.use&use != 0 {
			l.config.Warnings = append(l.config.Warnings, w.text)
		}
	}
	if len(found.Problems) > 0 {
		return l.config, found
	}
	return l.config, nil
}

func newLoader() *loader {
	c := &Config{origin: map[string]Origin{}}
	c.settings = c.fields()
	l := &loader{
		config:  c,
		known:   make(map[string]*field, len(c.settings)),
		given:   map[string]given{},
		aws:     map[string]string{},
		fileAWS: map[string]string{},
		without: map[string][]string{},
	}
	for _, f := range c.settings {
		l.known[f.name] = f
	}
	for _, f := range privateFields(&PrivateCA{}) {
		l.families = append(l.families, strings.TrimSuffix(f.name, placeholder))
	}
	return l
}

// finding is a problem or a warning, and which use it concerns.
type finding struct {
	use  Use
	text string
}

type loader struct {
	config   *Config
	known    map[string]*field
	families []string            // beginnings of the variables of single authorities
	given    map[string]given    // by name of the setting
	aws      map[string]string   // AWS_* names, which belong to the SDK
	fileAWS  map[string]string   // those of the configuration file
	without  map[string][]string // reason -> settings that have no effect for it
	problems []finding
	warnings []finding
}

func (l *loader) problem(use Use, format string, args ...any) {
	l.problems = append(l.problems, finding{use, fmt.Sprintf(format, args...)})
}

func (l *loader) warn(use Use, format string, args ...any) {
	l.warnings = append(l.warnings, finding{use, fmt.Sprintf(format, args...)})
}

// read collects the texts, later sources over earlier ones.
func (l *loader) read(s Sources) {
	environment := make(map[string]string, len(s.Environ))
	for _, entry := range s.Environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			environment[name] = value
		}
	}
	if path := cmp.Or(s.File, environment[fileVariable]); path != "" {
		l.config.file = path
		l.readFile(path)
	}
	l.readEnvironment(environment)
	l.layer(FromFlag, s.Flags)
	l.readBootstrap(s.Bootstrap)
}

// readBootstrap takes over the secrets of the blob.
func (l *loader) readBootstrap(values map[string]string) {
	registered := make(map[string]string, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if f := l.known[name]; f == nil || !f.bootstrap {
			l.warn(Everything, "SECRETS_BOOTSTRAP holds %s, which is no setting that can stand there", name)
			continue
		}
		registered[name] = values[name]
	}
	l.layer(FromBootstrap, registered)
}

func (l *loader) readFile(path string) {
	lines, problems, err := readFile(path)
	if err != nil {
		l.problem(Everything, "reading the configuration file: %v", err)
		return
	}
	for _, p := range problems {
		l.problem(Everything, "%s", p)
	}
	values := make(map[string]string, len(lines))
	first := make(map[string]int, len(lines))
	for _, line := range lines {
		if at, again := first[line.name]; again {
			l.warn(Everything, "%s, line %d: %s was already set in line %d; the later one counts", path, line.number, line.name, at)
		}
		first[line.name] = line.number
		values[line.name] = line.value
		if !l.isKnown(line.name) {
			l.problem(Everything, "%s, line %d: %s is not a setting%s", path, line.number, line.name, l.suggest(line.name))
		}
	}
	l.layer(FromFile, values)
}

func (l *loader) readEnvironment(environment map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if !l.isKnown(name) && name != fileVariable && name != testVariable && l.looksLikeOurs(name) {
			l.config.Unknown = append(l.config.Unknown, name)
			l.warn(Everything, "%s is set in the environment but is not a setting%s", name, l.suggest(name))
		}
	}
	l.layer(FromEnvironment, environment)
}

// layer takes over what one source says.
func (l *loader) layer(origin Origin, values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text := values[name]
		switch {
		case strings.HasPrefix(name, "AWS_") && l.known[name] == nil:
			l.aws[name] = text
			if origin == FromFile {
				l.fileAWS[name] = text
			}
		case l.known[name] != nil || l.isFamily(name):
			l.given[name] = given{text: text, origin: origin}
		}
	}
	for _, f := range l.config.settings {
		path := values[f.name+"_FILE"]
		if !f.fileForm || path == "" {
			continue
		}
		if values[f.name] != "" {
			l.problem(f.use, "%s and %s_FILE are both set; keep one of them", f.name, f.name)
			continue
		}
		l.given[f.name] = given{origin: origin, path: path}
	}
}

// isKnown reports whether a name may stand in a configuration file.
func (l *loader) isKnown(name string) bool {
	if l.known[name] != nil || l.isFamily(name) || strings.HasPrefix(name, "AWS_") {
		return true
	}
	base, ok := strings.CutSuffix(name, "_FILE")
	return ok && l.known[base] != nil && l.known[base].fileForm
}

// assign fills the fields from their defaults and what was given.
func (l *loader) assign(fields []*field) {
	for _, f := range fields {
		l.config.origin[f.name] = FromDefault
		if f.initial != "" {
			if err := f.assign(f.initial); err != nil {
				panic("config: the default of " + f.name + " is not allowed: " + err.Error())
			}
		}
		g, ok := l.given[f.name]
		if !ok {
			continue
		}
		l.config.origin[f.name] = g.origin
		l.assignGiven(f, g)
	}
}

func (l *loader) assignGiven(f *field, g given) {
	text, name := g.text, f.name
	if g.path != "" {
		name += "_FILE"
		content, err := os.ReadFile(g.path)
		if err != nil {
			l.problem(f.use, "%s: %v", name, err)
			return
		}
		text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	}
	before := reflect.New(f.value.Type()).Elem()
	before.Set(f.value)
	if err := f.assign(text); err != nil {
		f.value.Set(before)
		l.problem(f.use, "%s: %v", name, err)
		return
	}
	if f.value.Kind() == reflect.Bool && surprising(text) {
		l.warn(f.use, "%s: %q counts as true; write true or false", name, text)
	}
	if f.absent != "" && text != "" && text != f.initial {
		l.without[f.absent] = append(l.without[f.absent], f.name)
	}
}
