// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// maxJitter bounds by how much something may be later than its schedule says.
const maxJitter = 5 * time.Minute

// Schedule says when something is due. Each object is late by a time of its own, so that
// those with the same schedule are not due at the same moment: at most five minutes, and
// at most a tenth of the time until the next.
type Schedule struct {
	cron cron.Schedule
	// lateness is between 0 and 1.
	lateness float64
}

// ParseSchedule reads a cron expression of five fields, in a time zone of the IANA
// database; empty means UTC.
func ParseSchedule(expression, timeZone, uid string) (Schedule, error) {
	zone, err := time.LoadLocation(timeZone)
	if err != nil || strings.EqualFold(timeZone, "local") {
		return Schedule{}, fmt.Errorf("there is no time zone %q", timeZone)
	}
	// The parser would also take a time zone in front of the fields.
	if strings.Contains(expression, "=") {
		return Schedule{}, errors.New("it is no cron expression of five fields")
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(expression)
	if err != nil {
		return Schedule{}, fmt.Errorf("it is no cron expression of five fields: %w", err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, errors.New("it is no cron expression of five fields")
	}
	spec.Location = zone
	sum := sha256.Sum256([]byte(uid))
	s := Schedule{cron: spec, lateness: float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)}
	if spec.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, errors.New("there is no day that it is for")
	}
	return s, nil
}

// Next returns the first time after another at which it is due.
func (s Schedule) Next(after time.Time) time.Time {
	slot := s.cron.Next(after.Add(-maxJitter - time.Second))
	for {
		next := s.cron.Next(slot)
		late := time.Duration(s.lateness * float64(min(maxJitter, next.Sub(slot)/10))).Truncate(time.Second)
		if due := slot.Add(late); due.After(after) {
			return due.UTC()
		}
		slot = next
	}
}

// Latest returns the last time after another, and not after now, at which it was due; the
// zero time if there is none.
func (s Schedule) Latest(after, now time.Time) time.Time {
	const day = 24 * time.Hour
	// The last one is near where there are many, so that few are walked through. What is
	// longer ago than the last of these counts as missed for good.
	for _, far := range []time.Duration{time.Hour, day, 8 * day, 400 * day, 9 * 366 * day} {
		var latest time.Time
		for due := s.Next(later(after, now.Add(-far))); !due.After(now); due = s.Next(due) {
			latest = due
		}
		if !latest.IsZero() || now.Sub(after) <= far {
			return latest
		}
	}
	return time.Time{}
}
