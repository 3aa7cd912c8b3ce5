import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Computes each account's balance and each currency's total from the events alone, and prints them as JSON.
 *
 * <pre>
 *   mvn dependency:copy-dependencies
 *   java -cp 'target/dependency/*' Consume.java
 * </pre>
 *
 * BROKERS, REGISTRY and TOPIC in the environment say where to read; the defaults are those of "make dev". Amounts are minor units, printed
 * as strings: not every reader of JSON keeps 64 bits.
 */
public class Consume {
    static final Map<String, String> ENV = System.getenv();
    static final String BROKERS = ENV.getOrDefault("BROKERS", "127.0.0.1:9092");
    static final String REGISTRY = ENV.getOrDefault("REGISTRY", "http://127.0.0.1:8081");
    static final String TOPIC = ENV.getOrDefault("TOPIC", "account.events");

    /** What an event does to the balance, by its event_type. Others do nothing to it, and those that are added some day are passed over. */
    static final Map<String, Integer> SIGN = Map.of("Deposited", 1, "Credited", 1, "Refunded", 1, "Withdrawn", -1, "Debited", -1);

    static final class Account {
        String currency; // null until it is opened
        long balance;
        long version;
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn"); // or the client tells all of its settings
        var accounts = new TreeMap<String, Account>();
        Map<String, Object> config = Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, BROKERS,
                ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed", // without it, events of transactions that failed are read, too
                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(TOPIC).stream().map(p -> new TopicPartition(TOPIC, p.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            // The position passes transaction markers, which are no records, so it gets to the end; a record's offset may not.
            while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (var message : consumer.poll(Duration.ofSeconds(1))) {
                    apply(accounts, deserialize(message.value()));
                }
            }
        }
        var totals = new TreeMap<String, BigInteger>();
        var shown = new TreeMap<String, Object>();
        accounts.forEach((id, account) -> {
            if (account.currency != null) {
                totals.merge(account.currency, BigInteger.valueOf(account.balance), BigInteger::add);
                shown.put(id, Map.of("currency", account.currency, "balance", Long.toString(account.balance), "version", account.version));
            }
        });
        var totalTexts = new TreeMap<String, String>();
        totals.forEach((currency, total) -> totalTexts.put(currency, total.toString()));
        System.out.println(JSON.writerWithDefaultPrettyPrinter().writeValueAsString(Map.of("accounts", shown, "totals", totalTexts)));
    }

    static void apply(Map<String, Account> accounts, GenericRecord event) {
        String id = event.get("aggregate_id").toString();
        Account account = accounts.computeIfAbsent(id, unused -> new Account());
        account.version++;
        if ((Long) event.get("version") != account.version) {
            throw new IllegalStateException("account " + id + ": version " + event.get("version") + " comes where " + account.version + " is due");
        }
        String type = event.get("event_type").toString();
        var data = (GenericRecord) event.get("data"); // a union of records: data.getSchema().getName() is the event's type, too
        if (type.equals("AccountOpened")) {
            account.currency = data.get("currency").toString();
        } else if (SIGN.containsKey(type)) {
            account.balance = Math.addExact(account.balance, SIGN.get(type) * (Long) data.get("amount"));
        }
    }

    static final ObjectMapper JSON = new ObjectMapper();
    static final HttpClient HTTP = HttpClient.newHttpClient();
    static final Map<Integer, GenericDatumReader<GenericRecord>> READERS = new HashMap<>();

    /**
     * Reads Confluent's wire format: a zero byte, the schema's id in four bytes, Avro. Each event is read with the schema that it was written
     * with, so a kind of event that is new does not disturb; fields that were added later are absent in older events (hasField).
     */
    static GenericRecord deserialize(byte[] value) throws IOException, InterruptedException {
        var bytes = ByteBuffer.wrap(value);
        if (bytes.get() != 0) {
            throw new IOException("the value is not in Confluent's wire format");
        }
        int id = bytes.getInt();
        var reader = READERS.get(id);
        if (reader == null) {
            var request = HttpRequest.newBuilder(URI.create(REGISTRY + "/schemas/ids/" + id)).build();
            var response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != 200) {
                throw new IOException("schema " + id + ": " + response.statusCode() + " " + response.body());
            }
            reader = new GenericDatumReader<>(new Schema.Parser().parse(JSON.readTree(response.body()).get("schema").asText()));
            READERS.put(id, reader);
        }
        return reader.read(null, DecoderFactory.get().binaryDecoder(value, bytes.position(), bytes.remaining(), null));
    }
}
