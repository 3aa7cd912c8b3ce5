import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes and reads records as any Java program would, with the clients' defaults: RoundTrip BROKERS REGISTRY_URL TOPIC. The topic has
 * to be empty, with LogAppendTime. Ends with an exception on any surprise, else prints what it read.
 */
public class RoundTrip {
    static final long OLD = 741_528_000_000L; // July 1993

    public static void main(String[] args) throws Exception {
        String brokers = args[0], registry = args[1], topic = args[2];
        long before = System.currentTimeMillis();

        try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            var config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            check(config.get("message.timestamp.type").value().equals("LogAppendTime"), "timestamp type is described");
            check(config.get("unclean.leader.election.enable").value().equals("false"), "unclean election is described");
        }

        Properties p = new Properties();
        p.put("bootstrap.servers", brokers);
        p.put("transactional.id", "java");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            for (String what : List.of("committed", "aborted", "last")) {
                producer.beginTransaction();
                RecordMetadata at = producer.send(new ProducerRecord<>(topic, null, OLD, "key", what)).get();
                check(at.timestamp() >= before, "the producer is told the broker's time, not " + at.timestamp());
                if (what.equals("aborted")) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }

        Properties c = new Properties();
        c.put("bootstrap.servers", brokers);
        c.put("group.id", "java");
        c.put("auto.offset.reset", "earliest");
        c.put("isolation.level", "read_committed");
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            long deadline = System.currentTimeMillis() + 30_000;
            while (values.size() < 2) {
                check(System.currentTimeMillis() < deadline, "two records within 30 s, have " + values);
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(200))) {
                    check(r.timestampType() == TimestampType.LOG_APPEND_TIME, "the timestamp is the broker's");
                    check(r.timestamp() >= before && r.timestamp() <= System.currentTimeMillis(), "the time is now, not " + r.timestamp());
                    values.add(r.value());
                }
            }
            consumer.commitSync();
        }

        HttpRequest register = HttpRequest.newBuilder(URI.create(registry + "/subjects/" + topic + "-value/versions"))
            .header("Content-Type", "application/vnd.schemaregistry.v1+json")
            .POST(HttpRequest.BodyPublishers.ofString("{\"schema\":\"\\\"string\\\"\",\"metadata\":null,\"ruleSet\":null}")).build();
        HttpResponse<String> registered = HttpClient.newHttpClient().send(register, HttpResponse.BodyHandlers.ofString());
        check(registered.statusCode() == 200 && registered.body().contains("\"id\":"), "a schema is registered: " + registered.body());
        System.out.println(values);
    }

    static void check(boolean ok, String what) {
        if (!ok) {
            throw new AssertionError("not so: " + what);
        }
    }
}
