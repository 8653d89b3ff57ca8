import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/**
 * Makes a broker's users, and lets them do what access.txt says and nothing else. Run from its source by kafka.sh:
 * BROKERS PROPERTIES ACCESS PREFIX PASSWORDS, where PASSWORDS is a folder with a file for each user. One program, as
 * Kafka's own tools start Java for each user and want passwords in their arguments.
 */
public final class Access {
    private static final int ITERATIONS = 4096; // RFC 7677
    private static final int TIMEOUT_S = 60;

    private Access() {}

    private static ResourceType typeOf(String kind) {
        return switch (kind) {
            case "topic" -> ResourceType.TOPIC;
            case "group" -> ResourceType.GROUP;
            case "writer" -> ResourceType.TRANSACTIONAL_ID;
            case "cluster" -> ResourceType.CLUSTER;
            default -> throw new IllegalArgumentException("there is no kind " + kind);
        };
    }

    private static ResourcePattern patternOf(String kind, String name) {
        boolean isBeginning = name.endsWith("*") && name.length() > 1;
        return new ResourcePattern(
            typeOf(kind),
            isBeginning ? name.substring(0, name.length() - 1) : name,
            isBeginning ? PatternType.PREFIXED : PatternType.LITERAL);
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(arguments[1]))) {
            settings.load(reader);
        }
        settings.put("bootstrap.servers", arguments[0]);
        Set<String> users = new LinkedHashSet<>();
        List<AclBinding> wanted = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(arguments[2]))) {
            String[] words = line.trim().split("\\s+");
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            users.add(words[0]);
            for (int i = 3; i < words.length; i++) {
                wanted.add(new AclBinding(
                    patternOf(words[1], words[2].replace("PREFIX", arguments[3])),
                    new AccessControlEntry(
                        "User:" + words[0], "*", AclOperation.valueOf(words[i]), AclPermissionType.ALLOW)));
            }
        }
        List<UserScramCredentialAlteration> passwords = new ArrayList<>();
        for (String user : users) {
            String password = Files.readAllLines(Path.of(arguments[4], user)).get(0);
            passwords.add(new UserScramCredentialUpsertion(
                user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS), password));
        }
        try (Admin admin = Admin.create(settings)) {
            admin.alterUserScramCredentials(passwords).all().get(TIMEOUT_S, TimeUnit.SECONDS);
            List<AclBindingFilter> outdated = new ArrayList<>();
            for (AclBinding binding : admin.describeAcls(AclBindingFilter.ANY).values().get(TIMEOUT_S, TimeUnit.SECONDS)) {
                if (!wanted.contains(binding)) {
                    outdated.add(binding.toFilter());
                }
            }
            admin.createAcls(wanted).all().get(TIMEOUT_S, TimeUnit.SECONDS);
            if (!outdated.isEmpty()) {
                admin.deleteAcls(outdated).all().get(TIMEOUT_S, TimeUnit.SECONDS);
            }
        }
    }
}
