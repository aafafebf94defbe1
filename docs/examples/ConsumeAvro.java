import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads accepted records or a view with kafka-clients and Apache Avro alone, and writes each
 * decoded value as a line of JSON. Every value begins with a zero byte and the schema's id, four
 * bytes big-endian; the registry door gives the schema of an id.
 *
 * <p>Arguments: client.properties, URL of the registry door, topic, number of records to read.
 */
public final class ConsumeAvro {
  private static final int FRAME_BYTES = 5;

  private final HttpClient http;
  private final String registry;
  private final Map<Integer, GenericDatumReader<GenericRecord>> readers = new HashMap<>();

  private ConsumeAvro(HttpClient http, String registry) {
    this.http = http;
    this.registry = registry;
  }

  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    try (var file = Files.newBufferedReader(Path.of(arguments[0]))) {
      settings.load(file);
    }
    HttpClient http =
        HttpClient.newBuilder()
            .sslContext(trusting(Path.of(settings.getProperty("ssl.truststore.location"))))
            .build();
    ConsumeAvro decoder = new ConsumeAvro(http, arguments[1]);
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    int left = Integer.parseInt(arguments[3]);
    var bytes = new ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<byte[], byte[]>(settings, bytes, bytes)) {
      consumer.subscribe(List.of(arguments[2]));
      while (left > 0) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          out.println(decoder.decode(record.value()));
          left--;
        }
      }
    }
  }

  private GenericRecord decode(byte[] value) throws IOException, InterruptedException {
    ByteBuffer frame = ByteBuffer.wrap(value);
    if (value.length < FRAME_BYTES || frame.get() != 0) {
      throw new IOException("not a framed value");
    }
    int schemaId = frame.getInt();
    var reader = readers.get(schemaId);
    if (reader == null) {
      reader = new GenericDatumReader<>(fetch(schemaId));
      readers.put(schemaId, reader);
    }
    int length = value.length - FRAME_BYTES;
    return reader.read(
        null, DecoderFactory.get().binaryDecoder(value, FRAME_BYTES, length, null));
  }

  private Schema fetch(int schemaId) throws IOException, InterruptedException {
    URI place = URI.create(registry + "/schemas/ids/" + schemaId + "/schema");
    HttpResponse<String> answer =
        http.send(HttpRequest.newBuilder(place).build(), HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IOException("schema " + schemaId + ": " + answer.body());
    }
    return new Schema.Parser().parse(answer.body());
  }

  private static SSLContext trusting(Path pem) throws Exception {
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    try (var file = Files.newInputStream(pem)) {
      trusted.setCertificateEntry(
          "ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context;
  }
}
