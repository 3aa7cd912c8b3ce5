package foldlog.bench;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.Stores;

/**
 * The Kafka Streams peer. Its arguments are NAME=VALUE: brokers, group, input, events, outcomes, dir, events-per-command, threads, commit-ms,
 * linger-ms, cache-mb. It runs until SIGTERM and prints "bench-event NAME UNIX-MILLISECONDS" lines, as the Go peers do.
 */
public final class Peer {
  private Peer() {}

  public static void main(String[] args) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (String arg : args) {
      int equals = arg.indexOf('=');
      options.put(arg.substring(0, equals), arg.substring(equals + 1));
    }
    KafkaStreams streams = new KafkaStreams(topology(options), settings(options));
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.RUNNING) {
        event("running");
      }
    });
    streams.setGlobalStateRestoreListener(new StateRestoreListener() {
      @Override
      public void onRestoreStart(TopicPartition partition, String store, long from, long to) {
        event("restore-begin");
      }

      @Override
      public void onBatchRestored(TopicPartition partition, String store, long to, long restored) {}

      @Override
      public void onRestoreEnd(TopicPartition partition, String store, long restored) {
        event("restore-end");
      }
    });
    CountDownLatch ended = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(exception -> {
      exception.printStackTrace();
      Runtime.getRuntime().halt(1);
      throw new IllegalStateException("unreachable");
    });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close(Duration.ofSeconds(30));
      ended.countDown();
    }));
    streams.start();
    ended.await();
  }

  private static Topology topology(Map<String, String> options) {
    int eventsPerCommand = Integer.parseInt(options.get("events-per-command"));
    ByteArraySerializer serializer = new ByteArraySerializer();
    ByteArrayDeserializer deserializer = new ByteArrayDeserializer();
    return new Topology()
        .addSource("commands", deserializer, deserializer, options.get("input"))
        .addProcessor("ledger", () -> new Ledger(eventsPerCommand), "commands")
        .addStateStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(Ledger.STORE), Serdes.Bytes(), Serdes.ByteArray())
                .withCachingEnabled()
                .withLoggingEnabled(Map.of()),
            "ledger")
        .addSink("events", options.get("events"), serializer, serializer, "ledger")
        .addSink("outcomes", options.get("outcomes"), serializer, serializer, "ledger");
  }

  private static Properties settings(Map<String, String> options) {
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("group"));
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("brokers"));
    p.put(StreamsConfig.STATE_DIR_CONFIG, options.get("dir"));
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.get("threads"));
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.get("commit-ms"));
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, String.valueOf(Long.parseLong(options.get("cache-mb")) << 20));
    p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksSettings.class);
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, "20000");
    p.put(StreamsConfig.METRICS_RECORDING_LEVEL_CONFIG, "INFO");
    p.put("enable.metrics.push", "false");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "10000");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), "4194304");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), "-1");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), options.get("linger-ms"));
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), "524288");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), "134217728");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.MAX_REQUEST_SIZE_CONFIG), "2097152");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), options.get("compression"));
    p.put(StreamsConfig.producerPrefix(ProducerConfig.SEND_BUFFER_CONFIG), "-1");
    p.put(StreamsConfig.restoreConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "20000");
    p.put(StreamsConfig.restoreConsumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), "8388608");
    p.put(StreamsConfig.restoreConsumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), "-1");
    return p;
  }

  private static void event(String name) {
    System.out.println("bench-event " + name + " " + System.currentTimeMillis());
  }
}
