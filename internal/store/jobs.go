package store

import (
	"context"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/schedule"
)

var _ schedule.Store = (*Store)(nil)

// Jobs lists the schedule by portal.
func (s *Store) Jobs(ctx context.Context) (out []schedule.Job, err error) {
	defer cashback.Wrap(&err, "read the schedule")
	err = s.read(ctx, func(t *tx) error {
		return eachOf(t, jobsBucket, nil, nil, func(_ []byte, j *schedule.Job) error {
			out = append(out, *j)
			return nil
		})
	})
	return out, err
}

// UpdateJob changes a portal's job in a transaction; a portal without a job starts
// from one that only has its name. The function has no side effects.
func (s *Store) UpdateJob(ctx context.Context, portal string, change func(schedule.Job) (schedule.Job, error)) (job schedule.Job, err error) {
	defer cashback.Wrap(&err, "change the schedule of %s", short(portal))
	err = s.write(ctx, func(t *tx) error {
		job = schedule.Job{}
		if _, err := t.get(jobsBucket, []byte(portal), &job); err != nil && !isDamaged(err) {
			return err
		}
		job.Portal = portal
		var err error
		if job, err = change(job); err != nil {
			return err
		}
		job.Portal = portal
		return t.put(jobsBucket, []byte(portal), &job)
	})
	if err != nil {
		return schedule.Job{}, err
	}
	return job, nil
}
