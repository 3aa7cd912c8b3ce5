// Computes each account's balance and each currency's total from the events alone, and prints them as JSON.
//
//   npm ci
//   node consume.js
//
// BROKERS, REGISTRY and TOPIC in the environment say where to read; the defaults are those of `make dev`. Amounts are minor units, printed as
// strings: not every reader of JSON keeps 64 bits.
'use strict'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs')
const { SchemaRegistry, SchemaType } = require('@kafkajs/confluent-schema-registry')
const avsc = require('avsc')
const snappy = require('kafkajs-snappy')

const { BROKERS = '127.0.0.1:9092', REGISTRY = 'http://127.0.0.1:8081', TOPIC = 'account.events' } = process.env

// What an event does to the balance, by its event_type. Others do nothing to it, and those that are added some day are passed over.
const SIGN = { Deposited: 1n, Credited: 1n, Refunded: 1n, Withdrawn: -1n, Debited: -1n }

CompressionCodecs[CompressionTypes.Snappy] = snappy // events are compressed so, and kafkajs alone knows gzip only

// Longs as BigInt: a number of JavaScript is exact to 2^53 only, and avsc refuses to read what is larger.
const long = avsc.types.LongType.__with({
  fromBuffer: (buffer) => buffer.readBigInt64LE(),
  toBuffer: (n) => { const buffer = Buffer.alloc(8); buffer.writeBigInt64LE(n); return buffer },
  fromJSON: BigInt, // a default in a schema
  toJSON: Number,
  isValid: (n) => typeof n === 'bigint',
  compare: (a, b) => (a === b ? 0 : a < b ? -1 : 1)
})
// Each event is read with the schema that it was written with, so a kind of event that is new does not disturb; fields that were added later are
// absent in older events.
const registry = new SchemaRegistry({ host: REGISTRY }, {
  [SchemaType.AVRO]: { typeHook: (schema) => (schema === 'long' || schema.type === 'long' ? long : undefined) }
})

const accounts = new Map()

async function apply (value) {
  const event = await registry.decode(value)
  const id = event.aggregate_id
  if (!accounts.has(id)) accounts.set(id, { currency: null, balance: 0n, version: 0n })
  const account = accounts.get(id)
  account.version++
  if (event.version !== account.version) throw new Error(`account ${id}: version ${event.version} comes where ${account.version} is due`)
  const data = Object.values(event.data)[0] // a union of records: { 'foldlog.bank.account.Deposited': { amount, ... } }
  if (event.event_type === 'AccountOpened') account.currency = data.currency
  else if (event.event_type in SIGN) account.balance += SIGN[event.event_type] * data.amount
}

async function main () {
  const kafka = new Kafka({ clientId: 'node-example', brokers: BROKERS.split(','), logLevel: logLevel.WARN })
  const admin = kafka.admin()
  await admin.connect()
  const left = new Map((await admin.fetchTopicOffsets(TOPIC)).filter(({ high }) => high !== '0').map(({ partition, high }) => [partition, BigInt(high)]))
  await admin.disconnect()

  // kafkajs reads committed transactions alone unless it is told otherwise. It needs a group (Foldlog's own have the names of aggregates, policies
  // and projections: stay away from those). Since nothing is committed there, each run begins at the first event. Two runs at once would share the
  // partitions: give them groups of their own.
  const consumer = kafka.consumer({ groupId: 'node-example' })
  await consumer.connect()
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
  let failed
  const finished = new Promise((resolve, reject) => {
    failed = reject
    // The end of a partition is mostly a transaction's marker, which is no message; this event tells of it all the same.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
      if (BigInt(lastOffset) + 1n >= left.get(partition)) left.delete(partition)
      if (left.size === 0) resolve()
    })
    consumer.on(consumer.events.CRASH, ({ payload: { error } }) => reject(error))
    if (left.size === 0) resolve()
  })
  await consumer.run({
    autoCommit: false,
    eachMessage: ({ message }) => apply(message.value).catch((error) => { failed(error); throw error })
  })
  await finished
  await consumer.disconnect()

  const ledger = { accounts: {}, totals: {} }
  for (const [id, { currency, balance, version }] of [...accounts].sort()) {
    if (currency === null) continue
    ledger.accounts[id] = { currency, balance: String(balance), version: Number(version) }
    ledger.totals[currency] = String(BigInt(ledger.totals[currency] ?? 0) + balance)
  }
  console.log(JSON.stringify(ledger, null, 2))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
