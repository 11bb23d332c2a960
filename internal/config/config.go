// Package config reads the settings: from a file of KEY=VALUE lines, the
// environment and the few flags, in that order over the defaults. It is the one
// place that looks at the process environment.
//
// Every setting is one field of the section structs; its tags carry the name,
// the default, the rules and the words of docs/configuration.md, so that
// reading, checking, printing and documenting cannot drift apart. The package
// imports nothing of ours and opens nothing but the configuration file and the
// files that hold secrets.
package config

import (
	"fmt"
	"os"
)

// Config is every setting. Names, types and defaults are those of the older
// service wherever it had the setting.
//
// The tags of a field:
//
//	env       name of the variable
//	default   value when it is not set, in the variable's own spelling
//	computed  words for a default that follows from other settings
//	doc       what it means, one or two sentences
//	form      json, base64, lower, hostport, size: how the text is read, where
//	          the Go type does not say it
//	enum      the values allowed, separated by |
//	min, max  bounds of numbers and durations
//	is        secret: never printed, <NAME>_FILE is accepted;
//	          nofile: a secret without the _FILE form, because the name has a
//	          meaning of its own;
//	          bootstrap: may come from the bootstrap blob
//	use       which commands demand it; the section's when absent
//	absent    the setting is known, but this version lacks what it is for: a
//	          warning when set
//	unused    the setting is known and never has an effect: no warning
type Config struct {
	Server      Server         `section:"Server" use:"server"`
	Login       Login          `section:"Callers" use:"server"`
	SAML        SAML           `section:"Log-in through SAML" use:"server"`
	KMSAuth     KMSAuth        `section:"Service tokens made with KMS" use:"server"`
	Session     Session        `section:"Sessions and API tokens" use:"server"`
	Storage     Storage        `section:"Storage" use:"store"`
	Keys        Keys           `section:"Encryption" use:"keys"`
	Behaviour   Behaviour      `section:"Behaviour" use:"vault"`
	Audit       Audit          `section:"Audit log" use:"audit"`
	Events      Events         `section:"Events and metrics" use:"server"`
	Authorities Authorities    `section:"Certificate authorities" use:"server" absent:"this version issues no certificates"`
	JWT         JWT            `section:"JWTs" use:"server" absent:"this version issues no JWTs"`
	AWSDoor     SecretsManager `section:"AWS Secrets Manager API" use:"server" absent:"this version does not speak the AWS Secrets Manager API"`
	Cleanup     Cleanup        `section:"Clean-up" use:"server" absent:"this version does not clean up by itself"`
	Pages       Pages          `section:"Pages" use:"server" absent:"only the name on the pages can be changed"`

	// Unknown lists names of the environment that look like settings but are
	// none. Warnings has a sentence about each.
	Unknown []string
	// Warnings are what an operator should know although nothing is wrong
	// enough to stop. They hold no secret.
	Warnings []string

	settings []*field
	origin   map[string]Origin
	file     string            // the configuration file; empty: there is none
	aws      map[string]string // AWS_* names of the configuration file, which belong to the SDK
}

// PassToSDK puts AWS_* settings of the configuration file where the SDK looks
// for them: into the environment of the process. What stands there already
// wins.
func (c *Config) PassToSDK() error {
	for name, value := range c.aws {
		if _, set := os.LookupEnv(name); set {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("passing %s to the SDK: %w", name, err)
		}
	}
	return nil
}

// File returns the path of the configuration file, "" without one.
func (c *Config) File() string { return c.file }

// Origin says where a setting's value came from.
type Origin string

// The origins, weakest first.
const (
	FromDefault     Origin = "default"
	FromFile        Origin = "file"
	FromEnvironment Origin = "environment"
	FromFlag        Origin = "flag"
	FromBootstrap   Origin = "bootstrap"
)

// IsSet reports whether the named setting was given at all, whatever its value.
func (c *Config) IsSet(name string) bool {
	o, ok := c.origin[name]
	return ok && o != FromDefault
}
