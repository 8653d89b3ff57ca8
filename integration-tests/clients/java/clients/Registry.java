package clients;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;

/** Records in Confluent's framing (a zero byte, the schema's id, Avro), by the read API of a schema registry. */
final class Registry {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final HttpClient http = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
    private final Map<Integer, Schema> known = new ConcurrentHashMap<>();
    private final String url;

    Registry(String url) {
        this.url = url;
    }

    GenericRecord decode(byte[] value) {
        ByteBuffer framed = ByteBuffer.wrap(value);
        if (framed.remaining() < 5 || framed.get() != 0) {
            throw new IllegalArgumentException("no record in Confluent's framing");
        }
        Schema schema = known.computeIfAbsent(framed.getInt(), this::ask);
        var decoder = DecoderFactory.get().binaryDecoder(value, framed.position(), framed.remaining(), null);
        try {
            GenericRecord record = new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
            if (!decoder.isEnd()) {
                throw new IllegalArgumentException("bytes are left over behind a " + schema.getFullName());
            }
            return record;
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private Schema ask(int id) {
        var request = HttpRequest.newBuilder(URI.create(url + "/schemas/ids/" + id)).timeout(TIMEOUT).build();
        try {
            HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new IllegalStateException("the registry told " + answer.statusCode() + " of schema " + id);
            }
            return new Schema.Parser().parse(JSON.readTree(answer.body()).get("schema").textValue());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(interrupted);
        }
    }
}
