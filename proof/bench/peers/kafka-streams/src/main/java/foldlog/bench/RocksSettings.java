package foldlog.bench;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;

/** RocksDB with one block cache for all stores, larger memtables and bloom filters, as Confluent's and Apache's tuning guides advise. */
public final class RocksSettings implements RocksDBConfigSetter {
  static {
    RocksDB.loadLibrary();
  }

  private static final Cache BLOCKS = new LRUCache(128L << 20);
  private final BloomFilter filter = new BloomFilter(10);

  @Override
  public void setConfig(String store, Options options, Map<String, Object> configs) {
    BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
    table.setBlockCache(BLOCKS);
    table.setFilterPolicy(filter);
    table.setBlockSize(8 << 10);
    options.setTableFormatConfig(table);
    options.setWriteBufferSize(32L << 20);
    options.setMaxWriteBufferNumber(3);
  }

  @Override
  public void close(String store, Options options) {
    filter.close();
  }
}
