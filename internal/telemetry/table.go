package telemetry

import "strings"

// Kind says how a metric is counted.
type Kind string

// The kinds.
const (
	Counter Kind = "counter" // goes up
	Timer   Kind = "timer"   // how long something took
	Gauge   Kind = "gauge"   // what a value is now
)

// Metric is one row of the table of metrics.
type Metric struct {
	// Name is what Metrics.Count, Time and Gauge take. With "confidant." before
	// it, it is the statsd name of a counter or timer without labels; gauges and
	// metrics with labels are not sent there.
	Name   string
	Kind   Kind
	Labels []string // Prometheus alone; empty for most
	Help   string
}

// Prometheus returns the metric's name there: counters end in _total, timers
// are histograms in seconds.
func (m Metric) Prometheus() string {
	name := "confidant_" + strings.ReplaceAll(m.Name, ".", "_")
	switch m.Kind {
	case Counter:
		return name + "_total"
	case Timer:
		return name + "_seconds"
	}
	return name
}

// Statsd returns the metric's name there, or "" if it is not sent there.
func (m Metric) Statsd() string {
	if m.Kind == Gauge || len(m.Labels) > 0 {
		return ""
	}
	return "confidant." + m.Name
}

// The names that this package counts itself.
const (
	requestsName      = "requests"
	requestName       = "request"
	statsdDroppedName = "statsd.dropped"
	unknownName       = "metrics.unknown"
)

// Table returns all metrics. Everything that is counted stands here and nowhere
// else; the listener, the statsd names and the documentation are made from it.
func Table() []Metric {
	return []Metric{
		{requestsName, Counter, []string{"route", "status"}, "Requests answered."},
		{requestName, Timer, []string{"route"}, "From the request's arrival to its answer."},

		{"list_credentials", Timer, nil, "Listing credentials."},
		{"get_credential_by_id", Timer, nil, "Getting a credential."},
		{"create_credential", Timer, nil, "Creating a credential."},
		{"update_credential", Timer, nil, "Updating a credential."},
		{"list_services", Timer, nil, "Listing services."},
		{"get_service_by_id", Timer, nil, "Getting a service with its credentials."},
		{"get_service_by_id.acl_check_get_service", Timer, nil, "Part of get_service_by_id: the policy's decision about the service."},
		{"get_service_by_id.db_get_service", Timer, nil, "Part of get_service_by_id: reading the service."},
		{"get_service_by_id.db_get_credentials", Timer, nil, "Part of get_service_by_id: reading its credentials."},
		{"get_service_by_id.db_get_blind_credentials", Timer, nil, "Part of get_service_by_id: reading its blind credentials."},
		{"get_service_by_id.acl_check_update_service", Timer, nil, "Part of get_service_by_id: the policy's hint whether the caller may update."},
		{"get_service_by_id.build_response", Timer, nil, "Part of get_service_by_id: decrypting and encoding the answer."},
		{"service_batch_get_credentials", Timer, nil, "Reading the credentials of a service in one batch."},
		{"service_batch_get_blind_credentials", Timer, nil, "Reading the blind credentials of a service in one batch."},

		{"decrypt_token", Timer, nil, "Checking a KMS token."},
		{"kms_decrypt_token", Timer, nil, "Part of decrypt_token: the call of the key service."},
		{"token_version_1", Counter, nil, "KMS tokens of version 1."},
		{"token_version_2", Counter, nil, "KMS tokens of version 2."},

		{"at_rest_action", Counter, nil, "Calls of the key service for data at rest: one for each new data key and each that was not cached."},

		{"archive.save.success", Counter, nil, "Rows copied to the archive."},
		{"archive.save.failure", Counter, nil, "Rows that could not be copied to the archive."},
		{"archive.delete.success", Counter, nil, "Archived rows deleted from the store."},
		{"archive.delete.failure", Counter, nil, "Archived rows that could not be deleted from the store."},
		{"restore.save.success", Counter, nil, "Rows restored from the archive."},
		{"restore.save.failure", Counter, nil, "Rows that could not be restored from the archive."},

		{"audit.failure", Counter, nil, "Acts refused because the audit log took no record."},
		{"audit.unflushed_seconds", Gauge, nil, "For how long the oldest audit record has been waiting to reach the disk."},

		{"event.dropped", Counter, nil, "Events that a receiver will not get."},
		{"event.waiting", Gauge, nil, "Events that wait for their receivers."},

		{statsdDroppedName, Counter, nil, "Values not sent to statsd, because it was not reachable or too slow."},
		{unknownName, Counter, nil, "Values of metrics that do not exist: a mistake in the program."},
	}
}
