// Prints what fabric8's informer says of the custom kind Note, a line each, until its input ends.
// Argument: kubeconfig.
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import java.io.File;

class Informer {
    public static void main(String[] args) throws Exception {
        var config = Config.fromKubeconfig(new File(args[0]));
        // By default it takes a key of PKCS#8 for one of RSA.
        config.setClientKeyAlgo("EC");
        var notes = new ResourceDefinitionContext.Builder().withGroup("test.r2k.local")
            .withVersion("v1").withKind("Note").withPlural("notes").withNamespaced(true).build();
        try (var client = new KubernetesClientBuilder().withConfig(config).build()) {
            client.genericKubernetesResources(notes).inNamespace("default").inform(
                new ResourceEventHandler<GenericKubernetesResource>() {
                    public void onAdd(GenericKubernetesResource note) {
                        print("add", note);
                    }

                    public void onUpdate(
                        GenericKubernetesResource before, GenericKubernetesResource note) {
                        var version = note.getMetadata().getResourceVersion();
                        if (!version.equals(before.getMetadata().getResourceVersion())) {
                            print("change", note);
                        }
                    }

                    public void onDelete(GenericKubernetesResource note, boolean isUnknown) {
                        print("delete", note);
                    }
                });
            System.in.read();
        }
    }

    static void print(String verb, GenericKubernetesResource note) {
        System.out.println(verb + " " + note.getMetadata().getName() + " " + note.get("spec", "n"));
    }
}
