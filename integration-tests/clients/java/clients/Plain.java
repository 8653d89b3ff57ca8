package clients;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.apache.avro.Schema;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.GenericRecord;

/** Values as clients/README.md has them: bytes as hexadecimal, times as the microseconds that they are. */
final class Plain {
    private Plain() {}

    static Object of(Object value) {
        if (value instanceof GenericRecord record) {
            Map<String, Object> told = new LinkedHashMap<>();
            for (Schema.Field field : record.getSchema().getFields()) {
                told.put(field.name(), of(record.get(field.pos())));
            }
            return told;
        }
        if (value instanceof List<?> items) {
            List<Object> told = new ArrayList<>(items.size());
            items.forEach(item -> told.add(of(item)));
            return told;
        }
        if (value instanceof GenericFixed fixed) {
            return HexFormat.of().formatHex(fixed.bytes());
        }
        if (value instanceof ByteBuffer bytes) {
            byte[] copy = new byte[bytes.remaining()];
            bytes.duplicate().get(copy);
            return HexFormat.of().formatHex(copy);
        }
        boolean isItself = value == null || value instanceof Number || value instanceof Boolean;
        return isItself ? value : value.toString(); // texts and the words of enums
    }
}
