package clients;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;

import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/**
 * Counts the orders that were placed in each minute, with Kafka Streams and exactly_once_v2: reads the topic of orders,
 * and keeps one record for each minute in the topic OUT, its key the minute as in 2026-11-27T10:15:00Z, its value the
 * count in decimal. Runs until it is told to end.
 *
 * <p>usage: OrdersPerMinute BROKERS REGISTRY_URL ORDERS_TOPIC OUT_TOPIC STATE_FOLDER. OUT_TOPIC names the application too.
 */
public final class OrdersPerMinute {
    private static final Duration MINUTE = Duration.ofMinutes(1);
    // Partitions are read side by side: an order of an hour ago may come behind one of now.
    private static final Duration GRACE = Duration.ofDays(3650);

    private OrdersPerMinute() {}

    /** When it happened, rather than when it came into the log. */
    private record OccurredAt(Registry registry) implements TimestampExtractor {
        @Override
        public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
            GenericRecord meta = (GenericRecord) registry.decode((byte[]) record.value()).get("meta");
            return (long) meta.get("occurred_at") / 1000;
        }
    }

    /** Lets by the records whose CloudEvents header says OrderPlaced. */
    private static final class PlacedOnly extends ContextualFixedKeyProcessor<String, byte[], String> {
        @Override
        public void process(FixedKeyRecord<String, byte[]> record) {
            Header type = record.headers().lastHeader("ce_type");
            if (type != null && new String(type.value(), StandardCharsets.UTF_8).endsWith(".OrderPlaced")) {
                context().forward(record.withValue("placed"));
            }
        }
    }

    private static StreamsBuilder count(Registry registry, String orders, String out) {
        var builder = new StreamsBuilder();
        var placed = Consumed.with(Serdes.String(), Serdes.ByteArray())
                .withTimestampExtractor(new OccurredAt(registry));
        builder.stream(orders, placed)
                .processValues(PlacedOnly::new)
                .groupBy((key, value) -> "orders", Grouped.with(Serdes.String(), Serdes.String()))
                .windowedBy(TimeWindows.ofSizeAndGrace(MINUTE, GRACE))
                .count()
                .toStream()
                .map((window, count) -> KeyValue.pair(
                        Instant.ofEpochMilli(window.window().start()).toString(), count.toString()))
                .to(out, Produced.with(Serdes.String(), Serdes.String()));
        return builder;
    }

    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length != 5) {
            System.err.println("usage: OrdersPerMinute BROKERS REGISTRY_URL ORDERS_TOPIC OUT_TOPIC STATE_FOLDER");
            System.exit(2);
        }
        var settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[3]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        var registry = new Registry(arguments[1]);
        var streams = new KafkaStreams(count(registry, arguments[2], arguments[3]).build(), settings);
        var failed = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            failed.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
        failed.await();
        System.exit(1);
    }
}
