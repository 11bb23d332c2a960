package config

import "time"

// Server is where and how the server listens.
type Server struct {
	Debug          bool          `env:"DEBUG" default:"false" doc:"Development mode: no HTTPS redirect, a verbose log. It also lifts the rule that USE_AUTH=false and USE_ENCRYPTION=false need a loopback listener."`
	Host           string        `env:"HOST" default:"127.0.0.1" doc:"Address to listen on. The container image sets 0.0.0.0."`
	Port           int           `env:"PORT" default:"8080" min:"0" max:"65535" doc:"Port to listen on; 0 lets the system choose one. It speaks TLS when TLS_CERT_FILE is set, and then nothing listens without TLS."`
	TLSCertFile    string        `env:"TLS_CERT_FILE" doc:"Certificate chain in PEM. Set it together with TLS_KEY_FILE or not at all."`
	TLSKeyFile     string        `env:"TLS_KEY_FILE" doc:"Private key of the certificate in PEM."`
	SSLify         bool          `env:"SSLIFY" computed:"false when HOST is loopback, else true" doc:"Redirect plain HTTP to HTTPS and send Strict-Transport-Security."`
	PublicURL      string        `env:"PUBLIC_URL" computed:"SAML_CONFIDANT_URL_ROOT" doc:"Root URL as seen from outside. An https URL makes cookies Secure."`
	ForwardedAllow Networks      `env:"FORWARDED_ALLOW_IPS" default:"127.0.0.1" doc:"Proxies whose X-Forwarded-* headers are believed: addresses or networks separated by commas, or * for all."`
	ClientConfig   JSON          `env:"CLIENT_CONFIG" default:"{}" doc:"JSON that GET /v1/client_config returns as \"defined\"."`
	RequestTimeout time.Duration `env:"GEVENT_REQUEST_TIMEOUT_MS" default:"30000" form:"milliseconds" min:"1ms" doc:"Longest time for one request, in milliseconds."`
	Resolver       string        `env:"GEVENT_RESOLVER" unused:"belongs to the older service's server" doc:"Accepted, never used."`
	StaticFolder   string        `env:"STATIC_FOLDER" default:"public" absent:"pages come from the binary" doc:"Ignored: the pages are part of the binary."`
	CustomFrontend string        `env:"CUSTOM_FRONTEND_DIRECTORY" doc:"Directory served under /custom/modules, /custom/styles and /custom/images; a styles/custom.css in it is part of every page."`
	MetricsListen  string        `env:"METRICS_LISTEN" form:"hostport" doc:"host:port of the metrics listener (Prometheus text under /metrics); empty turns it off."`
}
