import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Opens accounts and pays into them, by commands in Kafka.
 *
 * <pre>
 *   mvn dependency:copy-dependencies
 *   FORMAT=avro java -cp 'target/dependency/*' Produce.java
 * </pre>
 *
 * FORMAT is json or avro. PREFIX, ACCOUNTS and DEPOSITS say which accounts and how many deposits each; BROKERS, REGISTRY and TOPIC where to
 * write. The command ids are the same in each run, so a run that is repeated (after a crash, say) changes nothing.
 */
public class Produce {
    static final Map<String, String> ENV = System.getenv();
    static final String BROKERS = ENV.getOrDefault("BROKERS", "127.0.0.1:9092");
    static final String REGISTRY = ENV.getOrDefault("REGISTRY", "http://127.0.0.1:8081");
    static final String TOPIC = ENV.getOrDefault("TOPIC", "account.commands");
    static final String FORMAT = ENV.getOrDefault("FORMAT", "json");
    static final String PREFIX = ENV.getOrDefault("PREFIX", "java");
    static final int ACCOUNTS = Integer.parseInt(ENV.getOrDefault("ACCOUNTS", "10"));
    static final int DEPOSITS = Integer.parseInt(ENV.getOrDefault("DEPOSITS", "5"));

    static final ObjectMapper JSON = new ObjectMapper();
    static final List<Future<RecordMetadata>> SENT = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn"); // or the client tells all of its settings
        if (FORMAT.equals("avro")) {
            fetchSchema();
        }
        // Idempotence and acks=all are Java's defaults, so retries neither double nor reorder. Its partitioner is Kafka's own, murmur2.
        Map<String, Object> config = Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, BROKERS);
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < ACCOUNTS; i++) {
                send(producer, PREFIX + "-" + i, 0, "open", "Open", Map.of("holder", "Java", "currency", "EUR", "overdraft_limit", 0L));
            }
            for (int number = 1; number <= DEPOSITS; number++) {
                for (int i = 0; i < ACCOUNTS; i++) {
                    send(producer, PREFIX + "-" + i, number, "deposit", "Deposit",
                            Map.of("amount", (long) number, "currency", "EUR", "reference", Integer.toString(number)));
                }
            }
            for (var sent : SENT) {
                sent.get(); // throws where the command was not acknowledged; then run again, which is safe
            }
        }
        System.out.println(JSON.writeValueAsString(Map.of("commands", SENT.size())));
    }

    static void send(KafkaProducer<String, byte[]> producer, String account, int number, String type, String record, Map<String, Object> data)
            throws IOException {
        var command = Map.of("command_id", account + "-" + number, "type", type, "actor", "java-example");
        var message = new ProducerRecord<>(TOPIC, account, FORMAT.equals("avro") ? avro(command, record, data) : json(command, data));
        message.headers().add("content-type", ("application/" + FORMAT).getBytes(StandardCharsets.UTF_8));
        SENT.add(producer.send(message));
    }

    static byte[] json(Map<String, String> command, Map<String, Object> data) throws IOException {
        var message = new TreeMap<String, Object>(command);
        message.put("data", data);
        return JSON.writeValueAsBytes(message);
    }

    static Schema schema;
    static int schemaId;

    /** The registered schema is used as it is: what may be sent is for the topic's owner to say. */
    static void fetchSchema() throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(REGISTRY + "/subjects/" + TOPIC + "-value/versions/latest")).build();
        var response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new IOException("schema of " + TOPIC + "-value: " + response.statusCode() + " " + response.body());
        }
        var answer = JSON.readTree(response.body());
        schemaId = answer.get("id").asInt();
        schema = new Schema.Parser().parse(answer.get("schema").asText());
    }

    /** Writes Confluent's wire format: a zero byte, the schema's id in four bytes, Avro. The builder puts defaults where a field is not given. */
    static byte[] avro(Map<String, String> command, String record, Map<String, Object> data) throws IOException {
        Schema union = schema.getField("data").schema();
        Schema branch = union.getTypes().stream().filter(t -> t.getName().equals(record)).findFirst().orElseThrow();
        var inner = new GenericRecordBuilder(branch);
        data.forEach(inner::set);
        var outer = new GenericRecordBuilder(schema);
        command.forEach(outer::set);
        outer.set("data", inner.build());
        var bytes = new ByteArrayOutputStream();
        var out = new DataOutputStream(bytes);
        out.writeByte(0);
        out.writeInt(schemaId);
        var encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(schema).write(outer.build(), encoder);
        encoder.flush();
        return bytes.toByteArray();
    }
}
