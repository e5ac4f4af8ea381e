package reward

// meaning is the set of things that a word or sign can say in a reward text. Each
// has a section of its own in the language tables; docs/rewards.md explains them to
// those who write tables.
type meaning uint64

const (
	mCashback meaning = 1 << iota
	mEarn
	mGet
	mDiscount
	mOther
	mBonus
	mNone
	mUpTo
	mMax
	mCap
	mFrom
	mAtLeast
	mBetween
	mTo
	mAnd
	mOr
	mPlus
	mWas
	mWasAfter
	mNow
	mRaised
	mNew
	mExisting
	mPer
	mPerAfter
	mFor
	mOver
	mOrMore
	mUnder
	mOrLess
	mOrder
	mSpent
	mWorth
	mMore
	mTimes
	mFold
	mDouble
	mPercent
	mMoney
	mPoints
	mUnit
	mPurchase
	mNumber
	mWithout
	mWith
	mNoise
	mHole
	mApp
	mStore
	mOnline
	mPart
	mNewBeside
	mUsual
	mMultiple
	mPrice
	mFromBehind
)

// sections are the names that the meanings have in the tables.
var sections = map[string]meaning{
	"cashback":         mCashback,
	"earn":             mEarn,
	"get":              mGet,
	"discount":         mDiscount,
	"not cashback":     mOther,
	"price":            mPrice,
	"bonus":            mBonus,
	"none":             mNone,
	"up to":            mUpTo,
	"maximum":          mMax,
	"cap":              mCap,
	"from":             mFrom,
	"from, behind":     mFromBehind,
	"at least":         mAtLeast,
	"between":          mBetween,
	"to":               mTo,
	"and":              mAnd,
	"or":               mOr,
	"plus":             mPlus,
	"previous":         mWas,
	"previous, behind": mWasAfter,
	"usually":          mUsual,
	"now":              mNow,
	"raised":           mRaised,
	"new":              mNew,
	"existing":         mExisting,
	// a word that says so only where another one speaks of existing customers
	"new, beside existing": mNewBeside,
	"per":                  mPer,
	"per, behind":          mPerAfter,
	"for":                  mFor,
	"over":                 mOver,
	"or more":              mOrMore,
	"under":                mUnder,
	"or less":              mOrLess,
	"order":                mOrder,
	"spent":                mSpent,
	"worth":                mWorth,
	"of which":             mPart,
	"more":                 mMore,
	"times":                mTimes,
	"fold":                 mFold,
	"double":               mDouble,
	"percent":              mPercent,
	"money":                mMoney,
	"points":               mPoints,
	"unit":                 mUnit,
	"purchase":             mPurchase,
	"multiples":            mMultiple,
	"numbers":              mNumber,
	"without":              mWithout,
	"with":                 mWith,
	"noise":                mNoise,
	"placeholder":          mHole,
	"app":                  mApp,
	"in store":             mStore,
	"online":               mOnline,
}
