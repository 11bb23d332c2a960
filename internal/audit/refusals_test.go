package audit_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/audit/audittest"
)

func refusal(client string) audit.Entry {
	return audit.Entry{Phase: audit.Done, Action: "get", Client: client, Door: "v1", User: "mallory"}
}

// counts returns per client how many records there are and how many refusals
// the summaries among them count.
func counts(r *audittest.Recorder) (records, summarised map[string]int) {
	records, summarised = map[string]int{}, map[string]int{}
	for _, e := range r.Entries() {
		if n, ok := e.Info["refusals"].(int); ok {
			summarised[e.Client] += n
		} else {
			records[e.Client]++
		}
	}
	return records, summarised
}

func TestRefusals_RecordsTenAMinutePerAddressThenCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log audittest.Recorder
		r, err := audit.NewRefusals(audit.RefusalOptions{To: &log})
		if err != nil {
			t.Fatal(err)
		}
		for range 25 {
			r.Record(t.Context(), refusal("10.0.0.1"))
		}
		r.Record(t.Context(), refusal("10.0.0.2"))
		// One customer's IPv6 addresses count together.
		for i := range 12 {
			r.Record(t.Context(), refusal(fmt.Sprintf("2001:db8:1:2::%x", i)))
		}
		records, summarised := counts(&log)
		if records["10.0.0.1"] != 10 || records["10.0.0.2"] != 1 || len(log.Entries()) != 21 || len(summarised) != 0 {
			t.Errorf("within the minute: %v and %v", records, summarised)
		}

		time.Sleep(61 * time.Second)
		synctest.Wait()
		_, summarised = counts(&log)
		want := map[string]int{"10.0.0.1": 15, "2001:db8:1:2::b": 2}
		if !maps.Equal(summarised, want) {
			t.Errorf("summaries %v, want %v", summarised, want)
		}
		if last := log.Entries()[len(log.Entries())-1]; last.Success || last.Action != "get" || last.Door != "v1" {
			t.Errorf("summary %+v", last)
		}

		r.Record(t.Context(), refusal("10.0.0.1"))
		if records, _ = counts(&log); records["10.0.0.1"] != 11 {
			t.Errorf("%d records after a minute, want 11", records["10.0.0.1"])
		}
		r.Close(t.Context())
		r.Close(t.Context())
	})
}

func TestRefusals_LeaveTheReserveAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log audittest.Recorder
		spare := false
		r, err := audit.NewRefusals(audit.RefusalOptions{To: &log, Spare: func() bool { return spare }})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r.Record(t.Context(), refusal("10.0.0.1"))
		}
		if n := len(log.Entries()); n != 0 {
			t.Errorf("%d records though there is no room to spare", n)
		}
		spare = true
		r.Close(t.Context())
		if _, summarised := counts(&log); summarised["10.0.0.1"] != 3 {
			t.Errorf("summaries %v, want 3 refusals", summarised)
		}
	})
}

func TestRefusals_WhatCannotBeRecordedIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log audittest.Recorder
		r, err := audit.NewRefusals(audit.RefusalOptions{To: &log})
		if err != nil {
			t.Fatal(err)
		}
		log.Fail(errors.New("full"))
		r.Record(t.Context(), refusal("10.0.0.1"))
		log.Fail(nil)
		r.Close(t.Context())
		if _, summarised := counts(&log); summarised["10.0.0.1"] != 1 {
			t.Errorf("summaries %v, want 1 refusal", summarised)
		}
	})
}

func TestRefusals_TellABoundedNumberOfAddressesApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log audittest.Recorder
		r, err := audit.NewRefusals(audit.RefusalOptions{To: &log})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10_100 {
			r.Record(t.Context(), refusal(fmt.Sprintf("10.1.%d.%d", i/250, i%250)))
		}
		if n := len(log.Entries()); n != 10_010 {
			t.Errorf("%d records, want 10,010", n)
		}
		r.Close(t.Context())
		if _, summarised := counts(&log); summarised[""] != 90 {
			t.Errorf("summaries %v, want one of 90 refusals for all others", summarised)
		}
	})
}
