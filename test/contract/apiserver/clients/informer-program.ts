// Prints what @kubernetes/client-node's informer says of the custom kind Note, a line each, until
// its input ends. Argument: kubeconfig.
import {
  ADD,
  CustomObjectsApi,
  DELETE,
  ERROR,
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  makeInformer,
  UPDATE,
} from "@kubernetes/client-node";

interface Note extends KubernetesObject {
  readonly spec: { readonly n: number };
}

const AGAIN_MS = 100;

const config = new KubeConfig();
config.loadFromFile(process.argv[2]!);
const custom = config.makeApiClient(CustomObjectsApi);
const [group, version, namespace, plural] = ["test.r2k.local", "v1", "default", "notes"] as const;
const list = async () => {
  const notes: unknown = await custom.listNamespacedCustomObject({
    group,
    version,
    namespace,
    plural,
  });
  return notes as KubernetesListObject<Note>;
};
const path = `/apis/${group}/${version}/namespaces/${namespace}/${plural}`;
const informer = makeInformer<Note>(config, path, list);
for (const [event, verb] of [
  [ADD, "add"],
  [UPDATE, "change"],
  [DELETE, "delete"],
] as const) {
  informer.on(event, ({ metadata, spec }) => {
    process.stdout.write(`${verb} ${metadata!.name} ${spec.n}\n`);
  });
}
informer.on(ERROR, () => void setTimeout(() => void informer.start(), AGAIN_MS));
await informer.start();
process.stdin.resume().on("end", () => process.exit(0));
