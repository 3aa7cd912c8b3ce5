import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.SchemaCompatibilityType;

/** Prints, for each pair of schemas of the file, whether Java's implementation says that the reader reads what the writer wrote. */
public final class Verdicts {
  public static void main(String[] args) throws Exception {
    for (JsonNode c : new ObjectMapper().readTree(new File(args[0]))) {
      Schema writer = new Schema.Parser().parse(c.get("writer").toString());
      Schema reader = new Schema.Parser().parse(c.get("reader").toString());
      System.out.println(readable(writer, reader) + "\t" + c.get("change").asText());
    }
  }

  private static boolean readable(Schema writer, Schema reader) {
    Schema renamed;
    try { // as a reader of data does, too: aliases are the reader's names for the writer's types
      renamed = Schema.applyAliases(writer, reader);
    } catch (AvroRuntimeException e) { // two of the writer's fields would get one name
      return false;
    }
    return SchemaCompatibility.checkReaderWriterCompatibility(reader, renamed).getType() == SchemaCompatibilityType.COMPATIBLE;
  }
}
