import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Pattern;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/**
 * The step of enforcement on Kafka Streams: one thread, every field decoded, seven rules.
 *
 * <p>Argument: the job's file, as the other variants get it. Says "first" with the first record in
 * hand and "done" when all is acknowledged and committed.
 */
public final class EnforceStreams {
    private static final int FRAME_BYTES = 5;
    private static final Pattern NUMBER = Pattern.compile("[0-9]{2}-D-[0-9]{8}");
    private static final Set<String> REASONS = Set.of("first", "age", "loss", "damage", "change");
    private static final int[] WEIGHTS = {2, 4, 10, 3, 5, 9, 4, 6, 8};

    private EnforceStreams() {}

    public static void main(String[] arguments) throws Exception {
        JsonNode job = new ObjectMapper().readTree(Path.of(arguments[0]).toFile());
        Schema schema = new Schema.Parser().parse(job.get("schema").toString());
        CountDownLatch through = new CountDownLatch(1);
        Count count = new Count(job.get("records").asLong(), through);
        var bytesIn = new ByteArrayDeserializer();
        var bytesOut = new ByteArraySerializer();
        Topology topology = new Topology();
        topology.addSource("in", bytesIn, bytesIn, job.get("source").asText());
        topology.addProcessor("judge", () -> new Judge(schema, count), "in");
        topology.addSink("out", job.get("out").asText(), bytesOut, bytesOut, "judge");
        topology.addSink("dlq", job.get("dlq").asText(), bytesOut, bytesOut, "judge");
        KafkaStreams streams = new KafkaStreams(topology, settings(job));
        streams.start();
        through.await();
        streams.close(); // flushes and commits
        System.out.println("done");
        System.out.flush();
        while (System.in.read() >= 0) {
            // until whoever started this has looked
        }
    }

    private static Properties settings(JsonNode job) {
        String login = "org.apache.kafka.common.security.scram.ScramLoginModule required";
        Properties settings = new Properties();
        settings.put("application.id", job.get("group").asText());
        settings.put("bootstrap.servers", job.get("bootstrap").asText());
        settings.put("security.protocol", "SASL_SSL");
        settings.put("ssl.truststore.type", "PEM");
        settings.put("ssl.truststore.location", job.get("ca_file").asText());
        settings.put("sasl.mechanism", "SCRAM-SHA-512");
        settings.put("sasl.jaas.config", login + " username=\"" + job.get("user").asText()
            + "\" password=\"" + job.get("password").asText() + "\";");
        settings.put("num.stream.threads", "1");
        settings.put("commit.interval.ms", "1000");
        settings.put("auto.offset.reset", "earliest");
        settings.put("state.dir", System.getProperty("java.io.tmpdir"));
        return settings;
    }

    /** Counts what the one thread has judged. */
    private static final class Count {
        private final long records;
        private final CountDownLatch through;
        private long seen;

        Count(long records, CountDownLatch through) {
            this.records = records;
            this.through = through;
        }

        void one() {
            if (seen == 0) {
                System.out.println("first");
                System.out.flush();
            }
            seen++;
            if (seen == records) {
                through.countDown();
            }
        }
    }

    private static final class Judge implements Processor<byte[], byte[], byte[], byte[]> {
        private final GenericDatumReader<GenericRecord> reader;
        private final Count count;
        private BinaryDecoder decoder;
        private ProcessorContext<byte[], byte[]> context;

        Judge(Schema schema, Count count) {
            this.reader = new GenericDatumReader<>(schema);
            this.count = count;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> given) {
            this.context = given;
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            context.forward(record, isGood(record.value()) ? "out" : "dlq");
            count.one();
        }

        private boolean isGood(byte[] value) {
            if (value.length < FRAME_BYTES || value[0] != 0) {
                return false;
            }
            try {
                decoder = DecoderFactory.get()
                    .binaryDecoder(value, FRAME_BYTES, value.length - FRAME_BYTES, decoder);
                return meetsRules(reader.read(null, decoder));
            } catch (IOException | RuntimeException unreadable) {
                return false;
            }
        }

        private static boolean meetsRules(GenericRecord record) {
            String text = record.get("issuer_name").toString();
            int name = text.codePointCount(0, text.length());
            long fee = (Long) record.get("fee_kopecks");
            Object reason = record.get("reason_code");
            return NUMBER.matcher(record.get("document_number").toString()).matches()
                && isInn(record.get("issuer_inn").toString())
                && name >= 3 && name <= 200
                && !record.get("place").toString().isBlank()
                && fee >= 0 && fee <= 1_000_000
                && (reason == null || REASONS.contains(reason.toString()))
                && (Integer) record.get("born_on") <= (Integer) record.get("issued_on");
        }

        private static boolean isInn(String text) {
            if (text.length() != 10 || !text.chars().allMatch(c -> c >= '0' && c <= '9')) {
                return false;
            }
            int sum = 0;
            for (int place = 0; place < WEIGHTS.length; place++) {
                sum += WEIGHTS[place] * (text.charAt(place) - '0');
            }
            return sum % 11 % 10 == text.charAt(9) - '0';
        }
    }
}
