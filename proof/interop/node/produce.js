// Opens accounts and pays into them, by commands in Kafka.
//
//   npm ci
//   FORMAT=avro node produce.js
//
// FORMAT is json or avro. PREFIX, ACCOUNTS and DEPOSITS say which accounts and how many deposits each; BROKERS, REGISTRY and TOPIC where to write.
// The command ids are the same in each run, so a run that is repeated (after a crash, say) changes nothing.
'use strict'

const { Kafka, Partitioners, logLevel } = require('kafkajs')
const { SchemaRegistry } = require('@kafkajs/confluent-schema-registry')

const { BROKERS = '127.0.0.1:9092', REGISTRY = 'http://127.0.0.1:8081', TOPIC = 'account.commands', FORMAT = 'json', PREFIX = 'node' } = process.env
const ACCOUNTS = Number(process.env.ACCOUNTS ?? 10)
const DEPOSITS = Number(process.env.DEPOSITS ?? 5)

async function main () {
  const registry = new SchemaRegistry({ host: REGISTRY })
  // The registered schema is used as it is: what may be sent is for the topic's owner to say.
  const schemaId = FORMAT === 'avro' ? await registry.getLatestSchemaId(`${TOPIC}-value`) : undefined

  async function message (account, number, type, record, data) {
    const command = { command_id: `${account}-${number}`, type, actor: 'node-example' }
    const value = FORMAT === 'avro'
      ? await registry.encode(schemaId, { ...command, data: { [`foldlog.bank.account.${record}`]: data } }) // data is a union of records
      : JSON.stringify({ ...command, data })
    return { key: account, value, headers: { 'content-type': `application/${FORMAT}` } }
  }

  const kafka = new Kafka({ clientId: 'node-example', brokers: BROKERS.split(','), logLevel: logLevel.WARN })
  // With idempotence, retries neither double nor reorder. The default partitioner of kafkajs 2 is Kafka's own, murmur2.
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  const accounts = Array.from({ length: ACCOUNTS }, (_, i) => `${PREFIX}-${i}`)
  const send = async (messages) => producer.send({ topic: TOPIC, messages: await Promise.all(messages) }) // throws unless all are acknowledged
  await send(accounts.map((account) => message(account, 0, 'open', 'Open', { holder: 'Node', currency: 'EUR', overdraft_limit: 0 })))
  for (let number = 1; number <= DEPOSITS; number++) {
    const deposit = { amount: number, currency: 'EUR', reference: String(number) }
    await send(accounts.map((account) => message(account, number, 'deposit', 'Deposit', deposit)))
  }
  await producer.disconnect()
  console.log(JSON.stringify({ commands: ACCOUNTS * (1 + DEPOSITS) }))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
