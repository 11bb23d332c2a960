package config

// Setting is one setting as it is in force.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"` // secrets are masked
	Origin Origin `json:"origin"`
}

// Settings lists every setting as it is in force, in the order of the
// documentation.
func (c *Config) Settings() []Setting {
	all := make([]Setting, len(c.settings))
	for i, f := range c.settings {
		all[i] = Setting{Name: f.name, Value: f.text(), Origin: c.origin[f.name]}
	}
	return all
}
