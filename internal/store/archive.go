package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
)

// accountForm is the account within an archive, for the person to read; of it only the
// settings are taken back.
type accountForm struct {
	User     account.User      `json:"user"`
	Sessions []account.Session `json:"sessions"`
	Keys     []account.Key     `json:"api_keys"`
}

// Archive is everything of a person, as of one moment.
func (l *Ledgers) Archive(ctx context.Context, user account.UserID) (a earnings.Archive, err error) {
	defer cashback.Wrap(&err, "export what user %d has", user)
	err = l.store.read(ctx, func(t *tx) error {
		var form accountForm
		if form.User, err = t.user(user); err != nil {
			return err
		}
		if form.Sessions, err = t.sessions(user); err != nil {
			return err
		}
		if form.Keys, err = t.apiKeys(user); err != nil {
			return err
		}
		if a.Account, err = json.Marshal(form); err != nil {
			return cashback.Errorf(cashback.Internal, "write the account: %w", err)
		}
		prefix := userKey(user)
		named := map[cashback.MerchantID]bool{}
		err = eachOf(t, ledgerBucket, prefix, nil, func(key []byte, r *eventRecord) error {
			a.Events = append(a.Events, r.event(numberOf(key)))
			if r.Merchant != 0 {
				named[r.Merchant] = true
			}
			return nil
		})
		if err == nil {
			err = t.each(evidenceBucket, prefix, nil, func(_, doc []byte) error {
				a.Evidence = append(a.Evidence, earnings.EvidenceOf(clone(doc)))
				return nil
			})
		}
		if err == nil {
			a.Imports, err = t.imports(user)
		}
		if err == nil {
			err = eachOf(t, documentsBucket, prefix, nil, func(_ []byte, d *earnings.Document) error {
				a.Documents = append(a.Documents, *d)
				return nil
			})
		}
		for _, id := range sortedKeys(named) {
			m, found := t.ledTo(id)
			if found {
				m.ID = id // the number that the events say, whatever it was merged into
				a.Merchants = append(a.Merchants, m)
			}
		}
		return err
	})
	return a, err
}

// ledTo is the merchant that an id leads to.
func (t *tx) ledTo(id cashback.MerchantID) (cashback.Merchant, bool) {
	m, err := t.merchant(id)
	if err != nil {
		return cashback.Merchant{}, false
	}
	return m.Merchant, true
}

// Restore takes an archive into a person's ledger, all of it or nothing: events that are
// there already, by their keys, aren't written again, so that a second time changes
// nothing. Shops are looked for by their slug; where this instance has the same numbers
// the events stay byte for byte, dates of writing and hashes included.
//
// Errors: those of Enter. Settings are taken where the person has none.
func (l *Ledgers) Restore(ctx context.Context, user account.UserID, a earnings.Archive) (out Entered, err error) {
	defer cashback.Wrap(&err, "take an archive into the ledger of user %d", user)
	err = a.Renumber(func(m cashback.Merchant) cashback.MerchantID {
		here, err := l.store.As(Operator).MerchantBySlug(ctx, m.Slug)
		if err != nil || here.Country != m.Country || !strings.EqualFold(here.Name, m.Name) && (here.Domain == "" || here.Domain != m.Domain) {
			return 0
		}
		if same, err := l.store.As(Operator).Merchant(ctx, m.ID); err == nil && same.ID == here.ID {
			return m.ID
		}
		return here.ID
	})
	if err != nil {
		return out, err
	}
	err = l.store.write(ctx, func(t *tx) error {
		u, err := t.user(user)
		if err != nil {
			return err
		}
		h, err := t.head(user)
		if err != nil {
			return err
		}
		for _, e := range a.Evidence {
			if err := t.keepEvidence(user, e); err != nil {
				return err
			}
		}
		b := &posting{t: t, user: user, head: &h, hash: hex.EncodeToString(h.Hash), purchases: map[string]*earnings.Purchase{}}
		for i, e := range a.Events {
			b.now = e.Recorded
			e, added, err := b.post(e)
			if err != nil {
				return atEvent(err, i, len(a.Events))
			}
			if added {
				out.Added = append(out.Added, e)
			} else {
				out.Known = append(out.Known, e)
			}
		}
		if err := b.finish(len(out.Added)); err != nil {
			return err
		}
		out.Head = h.Seq
		for _, im := range a.Imports {
			if h, err := hex.DecodeString(im.Hash); err == nil && t.value(importsBucket, append(userKey(user), h...)) != nil {
				continue
			}
			if err := t.keepImport(user, im); err != nil {
				return err
			}
		}
		for _, d := range a.Documents {
			if t.value(documentsBucket, documentKey(user, d.Kind, d.Name)) != nil {
				continue // what is here is newer
			}
			if err := t.putDocument(user, d); err != nil {
				return err
			}
		}
		var form accountForm
		if reflect.DeepEqual(u.Settings, account.Preferences{}) && json.Unmarshal(a.Account, &form) == nil && form.User.Settings.Validate() == nil {
			u.Settings = form.User.Settings
			return t.put(usersBucket, userKey(user), &u)
		}
		return nil
	})
	if err != nil {
		return Entered{}, err
	}
	return out, nil
}
