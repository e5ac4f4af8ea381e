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

// Job returns a portal's row of the schedule; NotFound where it has none.
func (s *Store) Job(ctx context.Context, portal string) (job schedule.Job, err error) {
	defer cashback.Wrap(&err, "read the schedule of %s", short(portal))
	err = s.read(ctx, func(t *tx) error {
		found, err := t.get(jobsBucket, []byte(portal), &job)
		if err == nil && !found {
			err = cashback.Errorf(cashback.NotFound, "nothing is planned for a portal %q", short(portal))
		}
		return err
	})
	return job, err
}

// UpdateJob changes a portal's job in a transaction; a portal without a job starts
// from one that only has its name. The function has no side effects.
func (s *Store) UpdateJob(ctx context.Context, portal string, change func(schedule.Job) (schedule.Job, error)) (job schedule.Job, err error) {
	defer cashback.Wrap(&err, "change the schedule of %s", short(portal))
	err = s.write(ctx, func(t *tx) error {
		job, err = t.updateJob(portal, change)
		return err
	})
	if err != nil {
		return schedule.Job{}, err
	}
	return job, nil
}

func (t *tx) updateJob(portal string, change func(schedule.Job) (schedule.Job, error)) (job schedule.Job, err error) {
	if _, err := t.get(jobsBucket, []byte(portal), &job); err != nil && !isDamaged(err) {
		return job, err
	}
	job.Portal = portal
	if job, err = change(job); err != nil {
		return job, err
	}
	job.Portal = portal
	return job, t.put(jobsBucket, []byte(portal), &job)
}

// OperateJob changes a known portal's job by an operator's word, with the line of
// the audit log that says so.
func (s *Store) OperateJob(ctx context.Context, e AuditEntry, change func(schedule.Job) (schedule.Job, error)) (job schedule.Job, err error) {
	defer cashback.Wrap(&err, "change the schedule of %s", short(e.Portal))
	err = s.write(ctx, func(t *tx) error {
		if _, err := t.portal(e.Portal); err != nil {
			return err
		}
		if job, err = t.updateJob(e.Portal, change); err != nil {
			return err
		}
		return t.audit(e)
	})
	if err != nil {
		return schedule.Job{}, err
	}
	return job, nil
}
