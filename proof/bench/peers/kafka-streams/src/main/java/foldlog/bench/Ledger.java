package foldlog.bench;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The workload: "id amount text" in; "version command" and "id version balance" out; "version balance" as the row of the key. It works on
 * bytes, as somebody would who counts processor seconds. proof/bench/engine/workload.go is the same in Go.
 */
final class Ledger implements Processor<byte[], byte[], byte[], byte[]> {
  static final String STORE = "rows";

  private final int eventsPerCommand;
  private ProcessorContext<byte[], byte[]> context;
  private KeyValueStore<Bytes, byte[]> rows;
  private final byte[] scratch = new byte[64];

  Ledger(int eventsPerCommand) {
    this.eventsPerCommand = eventsPerCommand;
  }

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    this.rows = context.getStateStore(STORE);
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    byte[] command = record.value();
    int idEnd = find(command, 0, (byte) ' ');
    int amountEnd = find(command, idEnd + 1, (byte) ' ');
    long amount = parse(command, idEnd + 1, amountEnd);

    Bytes key = Bytes.wrap(record.key());
    byte[] row = rows.get(key);
    long version = 0;
    long balance = 0;
    if (row != null) {
      int space = find(row, 0, (byte) ' ');
      version = parse(row, 0, space);
      balance = parse(row, space + 1, row.length);
    }
    long first = version + 1;
    version += eventsPerCommand;
    balance += amount;

    int n = append(scratch, 0, first);
    byte[] event = new byte[n + 1 + command.length];
    System.arraycopy(scratch, 0, event, 0, n);
    event[n] = ' ';
    System.arraycopy(command, 0, event, n + 1, command.length);
    context.forward(record.withValue(event), "events");
    for (long v = first + 1; v <= version; v++) {
      byte[] audit = (v + " audit " + new String(command, 0, idEnd, StandardCharsets.US_ASCII)).getBytes(StandardCharsets.US_ASCII);
      context.forward(record.withValue(audit), "events");
    }

    n = append(scratch, 0, version);
    scratch[n++] = ' ';
    n = append(scratch, n, balance);
    byte[] encoded = new byte[n];
    System.arraycopy(scratch, 0, encoded, 0, n);
    byte[] outcome = new byte[idEnd + 1 + n];
    System.arraycopy(command, 0, outcome, 0, idEnd + 1);
    System.arraycopy(encoded, 0, outcome, idEnd + 1, n);
    context.forward(record.withValue(outcome), "outcomes");
    rows.put(key, encoded);
  }

  private static int find(byte[] text, int from, byte wanted) {
    int i = from;
    while (i < text.length && text[i] != wanted) {
      i++;
    }
    return i;
  }

  private static long parse(byte[] text, int from, int to) {
    long n = 0;
    for (int i = from; i < to; i++) {
      n = n * 10 + (text[i] - '0');
    }
    return n;
  }

  /** Writes the decimal digits of n, which is not negative, and returns where they end. */
  private static int append(byte[] to, int at, long n) {
    int digits = 1;
    for (long rest = n / 10; rest > 0; rest /= 10) {
      digits++;
    }
    for (int i = at + digits - 1; i >= at; i--) {
      to[i] = (byte) ('0' + n % 10);
      n /= 10;
    }
    return at + digits;
  }
}
