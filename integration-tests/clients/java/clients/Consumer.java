package clients;

import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A consumer of Daybook's topics, of kafka-clients and avro, as anybody would write it from /asyncapi.json: reads each
 * topic with read_committed from its beginning to its end of now, and prints a line of JSON for each record, in the form
 * that clients/README.md tells.
 *
 * <p>usage: Consumer BROKERS REGISTRY_URL TOPIC...
 */
public final class Consumer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration TIME_LIMIT = Duration.ofMinutes(1);
    private static final Duration POLL = Duration.ofMillis(500);

    private Consumer() {}

    private static Map<String, Object> lineOf(ConsumerRecord<String, byte[]> record, Registry registry) {
        Header header = record.headers().lastHeader("ce_type");
        String type = new String(header.value(), StandardCharsets.UTF_8);
        Map<String, Object> line = new HashMap<>();
        line.put("topic", record.topic());
        line.put("partition", record.partition());
        line.put("offset", record.offset());
        line.put("key", record.key());
        line.put("type", type.substring(type.lastIndexOf('.') + 1));
        line.put("event", Plain.of(registry.decode(record.value())));
        return line;
    }

    private static void read(String brokers, Registry registry, List<String> topics, PrintStream out) throws Exception {
        Map<String, Object> settings = Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers,
                ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        Instant deadline = Instant.now().plus(TIME_LIMIT);
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = topics.stream()
                    .flatMap(topic -> consumer.partitionsFor(topic).stream())
                    .map(info -> new TopicPartition(info.topic(), info.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                if (Instant.now().isAfter(deadline)) {
                    throw new IllegalStateException("the ends were not reached in time: " + ends);
                }
                for (ConsumerRecord<String, byte[]> record : consumer.poll(POLL)) {
                    out.println(JSON.writeValueAsString(lineOf(record, registry)));
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 3) {
            System.err.println("usage: Consumer BROKERS REGISTRY_URL TOPIC...");
            System.exit(2);
        }
        try (var out = new PrintStream(new BufferedOutputStream(System.out), false, StandardCharsets.UTF_8)) {
            List<String> topics = Arrays.asList(arguments).subList(2, arguments.length);
            read(arguments[0], new Registry(arguments[1]), topics, out);
        }
    }
}
