package check

// payload has the fields of every command and event of the bank; which of them a kind has is said
// in the tables below. It is comparable.
type payload struct {
	holderID, holderName               string
	currency, reference, reason        string
	channel                            string
	transferID, counterparty, from, to string
	bookedOn                           string
	booked                             bool // whether there is a bookedOn
	amount, overdraft                  int64
}

type form int

const (
	text form = iota
	number
	optionalText
)

// field is a field of a command or event in Avro and JSON.
type field struct {
	name     string
	form     form
	optional bool // a command may leave it out in JSON
}

var (
	holderIDField     = field{"holder_id", text, true}
	holderNameField   = field{"holder_name", text, true}
	channelField      = field{"channel", text, true}
	currencyField     = field{"currency", text, false}
	amountField       = field{"amount", number, false}
	transferField     = field{"transfer_id", text, false}
	counterpartyField = field{"counterparty", text, false}
	fromField         = field{"from", text, false}
	toField           = field{"to", text, false}
	referenceField    = field{"reference", text, true}
	reasonField       = field{"reason", text, true}
	overdraftField    = field{"overdraft_limit", number, true}
	bookedOnField     = field{"booked_on", optionalText, true}

	cashFields    = []field{amountField, currencyField, referenceField, bookedOnField, channelField}
	stepFields    = []field{transferField, counterpartyField, amountField, currencyField}
	requestFields = []field{fromField, toField, amountField, currencyField, referenceField}
	reasonFields  = []field{reasonField}
)

// commandForms are the fields of each command, by aggregate type and command type.
var commandForms = map[string]map[string][]field{
	"account": {
		"open":    {holderIDField, holderNameField, currencyField, overdraftField},
		"deposit": cashFields, "withdraw": cashFields,
		"freeze": reasonFields, "unfreeze": reasonFields, "close": reasonFields,
		"debit": stepFields, "credit": stepFields, "refund": stepFields,
	},
	"transfer": {
		"request":       requestFields,
		"confirm-debit": reasonFields, "decline-debit": reasonFields, "confirm-credit": reasonFields, "decline-credit": reasonFields,
		"confirm-refund": reasonFields,
	},
}

func withHolder(fields ...field) []field {
	return append([]field{holderIDField, holderNameField}, fields...)
}

var (
	movedFields    = withHolder(cashFields...)
	steppedFields  = withHolder(stepFields...)
	declinedFields = append(withHolder(stepFields...), reasonField)
	flightFields   = []field{fromField, toField, amountField, currencyField}
	failedFields   = []field{fromField, toField, amountField, currencyField, reasonField}
)

// eventForms are the fields of each event, by aggregate type and event type.
var eventForms = map[string]map[string][]field{
	"account": {
		"AccountOpened": withHolder(currencyField, overdraftField),
		"Deposited":     movedFields, "Withdrawn": movedFields,
		"AccountFrozen": withHolder(reasonField), "AccountUnfrozen": withHolder(reasonField), "AccountClosed": withHolder(reasonField),
		"Debited": steppedFields, "Credited": steppedFields, "Refunded": steppedFields,
		"DebitDeclined": declinedFields, "CreditDeclined": declinedFields,
	},
	"transfer": {
		"TransferRequested": requestFields,
		"TransferDebited":   flightFields, "TransferCompleted": flightFields,
		"TransferRefused": failedFields, "TransferReturning": failedFields, "TransferReturned": failedFields,
	},
}

// recordNames are the Avro names of the branches of a command's data, by command type.
var recordNames = map[string]string{
	"open": "Open", "deposit": "Deposit", "withdraw": "Withdraw", "freeze": "Freeze", "unfreeze": "Unfreeze", "close": "Close",
	"debit": "Debit", "credit": "Credit", "refund": "Refund", "request": "Request", "confirm-debit": "ConfirmDebit",
	"decline-debit": "DeclineDebit", "confirm-credit": "ConfirmCredit", "decline-credit": "DeclineCredit", "confirm-refund": "ConfirmRefund",
}

// textAt returns the place of a text field.
func (p *payload) textAt(name string) *string {
	switch name {
	case "holder_id":
		return &p.holderID
	case "holder_name":
		return &p.holderName
	case "channel":
		return &p.channel
	case "currency":
		return &p.currency
	case "reference":
		return &p.reference
	case "reason":
		return &p.reason
	case "transfer_id":
		return &p.transferID
	case "counterparty":
		return &p.counterparty
	case "from":
		return &p.from
	case "to":
		return &p.to
	case "booked_on":
		return &p.bookedOn
	}
	panic("no text field " + name)
}

// numberAt returns the place of a number field.
func (p *payload) numberAt(name string) *int64 {
	switch name {
	case "amount":
		return &p.amount
	case "overdraft_limit":
		return &p.overdraft
	}
	panic("no number field " + name)
}

// native returns the payload's fields as the Avro library has them.
func (p *payload) native(fields []field) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		switch {
		case f.form == number:
			out[f.name] = *p.numberAt(f.name)
		case f.form == optionalText && !p.booked:
			out[f.name] = nil
		case f.form == optionalText:
			out[f.name] = map[string]any{"string": p.bookedOn}
		default:
			out[f.name] = *p.textAt(f.name)
		}
	}
	return out
}

// leaveOut sets a field that is not there.
func (p *payload) leaveOut(f field) {
	if f == channelField {
		p.channel = unknownChannel
	}
}
