package account

// The forms that records had before holder became holder_id and holder_name, and their upcasts.
// They are kept for ever, since logs are. The holder of an account was one text, which becomes the
// id and the name.
//
// NB: must not change. Events and commands in logs have these forms.

// OpenV1 is Open as version 1 of the schema has it.
type OpenV1 struct {
	Holder         string `json:"holder"`
	Currency       string `json:"currency"`
	OverdraftLimit int64  `json:"overdraft_limit"`
}

// Upcast returns today's form.
func (old OpenV1) Upcast() Open {
	return Open{HolderID: old.Holder, HolderName: old.Holder, Currency: old.Currency, OverdraftLimit: old.OverdraftLimit}
}

// OpenedV1 is Opened as version 1 of the schema has it.
type OpenedV1 struct {
	Holder         string `json:"holder"`
	Currency       string `json:"currency"`
	OverdraftLimit int64  `json:"overdraft_limit"`
}

// Upcast returns today's form.
func (old OpenedV1) Upcast() Opened {
	return Opened{HolderID: old.Holder, HolderName: old.Holder, Currency: old.Currency, OverdraftLimit: old.OverdraftLimit}
}

// DepositedV1 is Deposited as version 1 of the schema has it.
type DepositedV1 struct {
	Holder    string  `json:"holder"`
	Amount    int64   `json:"amount"`
	Currency  string  `json:"currency"`
	Reference string  `json:"reference"`
	BookedOn  *string `json:"booked_on"`
}

// Upcast returns today's form.
func (old DepositedV1) Upcast() Deposited {
	return Deposited{HolderID: old.Holder, HolderName: old.Holder, Amount: old.Amount, Currency: old.Currency, Reference: old.Reference,
		BookedOn: old.BookedOn, Channel: ChannelUnknown}
}

// WithdrawnV1 is Withdrawn as version 1 of the schema has it.
type WithdrawnV1 struct {
	Holder    string  `json:"holder"`
	Amount    int64   `json:"amount"`
	Currency  string  `json:"currency"`
	Reference string  `json:"reference"`
	BookedOn  *string `json:"booked_on"`
}

// Upcast returns today's form.
func (old WithdrawnV1) Upcast() Withdrawn {
	return Withdrawn{HolderID: old.Holder, HolderName: old.Holder, Amount: old.Amount, Currency: old.Currency, Reference: old.Reference,
		BookedOn: old.BookedOn, Channel: ChannelUnknown}
}

// FrozenV1 is Frozen as version 1 of the schema has it.
type FrozenV1 struct {
	Holder string `json:"holder"`
	Reason string `json:"reason"`
}

// Upcast returns today's form.
func (old FrozenV1) Upcast() Frozen {
	return Frozen{HolderID: old.Holder, HolderName: old.Holder, Reason: old.Reason}
}

// UnfrozenV1 is Unfrozen as version 1 of the schema has it.
type UnfrozenV1 struct {
	Holder string `json:"holder"`
	Reason string `json:"reason"`
}

// Upcast returns today's form.
func (old UnfrozenV1) Upcast() Unfrozen {
	return Unfrozen{HolderID: old.Holder, HolderName: old.Holder, Reason: old.Reason}
}

// ClosedV1 is Closed as version 1 of the schema has it.
type ClosedV1 struct {
	Holder string `json:"holder"`
	Reason string `json:"reason"`
}

// Upcast returns today's form.
func (old ClosedV1) Upcast() Closed {
	return Closed{HolderID: old.Holder, HolderName: old.Holder, Reason: old.Reason}
}

// DebitedV1 is Debited as version 1 of the schema has it.
type DebitedV1 struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// Upcast returns today's form.
func (old DebitedV1) Upcast() Debited {
	return Debited{HolderID: old.Holder, HolderName: old.Holder, TransferID: old.TransferID, Counterparty: old.Counterparty,
		Amount: old.Amount, Currency: old.Currency}
}

// DebitDeclinedV1 is DebitDeclined as version 1 of the schema has it.
type DebitDeclinedV1 struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
	Reason       string `json:"reason"`
}

// Upcast returns today's form.
func (old DebitDeclinedV1) Upcast() DebitDeclined {
	return DebitDeclined{HolderID: old.Holder, HolderName: old.Holder, TransferID: old.TransferID, Counterparty: old.Counterparty,
		Amount: old.Amount, Currency: old.Currency, Reason: old.Reason}
}

// CreditedV1 is Credited as version 1 of the schema has it.
type CreditedV1 struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// Upcast returns today's form.
func (old CreditedV1) Upcast() Credited {
	return Credited{HolderID: old.Holder, HolderName: old.Holder, TransferID: old.TransferID, Counterparty: old.Counterparty,
		Amount: old.Amount, Currency: old.Currency}
}

// CreditDeclinedV1 is CreditDeclined as version 1 of the schema has it.
type CreditDeclinedV1 struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
	Reason       string `json:"reason"`
}

// Upcast returns today's form.
func (old CreditDeclinedV1) Upcast() CreditDeclined {
	return CreditDeclined{HolderID: old.Holder, HolderName: old.Holder, TransferID: old.TransferID, Counterparty: old.Counterparty,
		Amount: old.Amount, Currency: old.Currency, Reason: old.Reason}
}

// RefundedV1 is Refunded as version 1 of the schema has it.
type RefundedV1 struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// Upcast returns today's form.
func (old RefundedV1) Upcast() Refunded {
	return Refunded{HolderID: old.Holder, HolderName: old.Holder, TransferID: old.TransferID, Counterparty: old.Counterparty,
		Amount: old.Amount, Currency: old.Currency}
}

// AccountV1 is Account as version 1 of the schema has it.
type AccountV1 struct {
	Status         Status `json:"status"`
	Holder         string `json:"holder"`
	Currency       string `json:"currency"`
	OverdraftLimit int64  `json:"overdraft_limit"`
	Balance        int64  `json:"balance"`
}

// Upcast returns today's form.
func (old AccountV1) Upcast() Account {
	return Account{Status: old.Status, HolderID: old.Holder, HolderName: old.Holder, Currency: old.Currency, OverdraftLimit: old.OverdraftLimit, Balance: old.Balance}
}
