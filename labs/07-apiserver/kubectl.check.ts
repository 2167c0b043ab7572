import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { squeezed } from "../walk.ts";
import { expectLines } from "./expect-lines.ts";
import { KUBECTL, type OwnApiserver, withApiserver } from "./own-apiserver.ts";
import { mapOf } from "./world.ts";

const WHY = "kubectl is what users see of an apiserver: it lists, watches, compares and complains";

/** Asks kubectl; judges that a line of what it says is the expected one, or begins like it. */
async function expectKubectl(
  own: OwnApiserver,
  words: string,
  expected: string,
  input?: object,
): Promise<void> {
  const said = await own.kubectl(words, input && JSON.stringify(input));
  const lines = said.split("\n").map(squeezed).join("\n");
  judge(lines.includes(expected), {
    when: `kubectl ${words}${input ? ` < ${JSON.stringify(input)}` : ""}`,
    expected,
    happened: said,
    why: WHY,
  });
}

async function listsAndWatches(own: OwnApiserver): Promise<void> {
  await expectKubectl(own, "create namespace lab", "namespace/lab created");
  for (const name of ["a", "b", "c"]) {
    const words = `-n lab create configmap ${name} --from-literal=n=0`;
    await expectKubectl(own, words, `configmap/${name} created`);
  }
  const pages = "-n lab get configmaps --chunk-size=2 -o name";
  await expectKubectl(own, pages, "configmap/a\nconfigmap/b\nconfigmap/c");
  const lines = own.follow("-n lab configmaps");
  const begun = ["a", "b", "c"].map((name) => `ADDED ${name}`);
  await expectLines(lines, { when: "kubectl get -w begins", expected: begun, why: WHY });
  const stale = { ...mapOf("a", 1), metadata: { ...mapOf("a").metadata, resourceVersion: "1" } };
  await expectKubectl(own, "replace -f -", "the object has been modified", stale);
  await expectKubectl(own, "replace -f -", "configmap/a replaced", mapOf("a", 1));
  await expectKubectl(own, "-n lab delete configmap b", 'configmap "b" deleted');
  const later = ["MODIFIED a", "DELETED b"];
  await expectLines(lines, {
    when: "kubectl get -w goes on: a replace is refused, a is replaced, b is deleted",
    expected: [...begun, ...later],
    why: "what was refused did not happen, what happened is told once",
  });
}

const CLASS = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: {
    name: "fast",
    annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
  },
  provisioner: "csi.example.com",
};

async function servesTheKind(own: OwnApiserver): Promise<void> {
  const refused = 'reclaimPolicy: Unsupported value: "Recycle"';
  await expectKubectl(own, "create -f -", refused, { ...CLASS, reclaimPolicy: "Recycle" });
  await expectKubectl(own, "create -f -", "storageclass.storage.k8s.io/fast created", CLASS);
  const row = "fast (default) csi.example.com Delete Immediate false";
  await expectKubectl(own, "get storageclasses", row);
  const changed = { ...CLASS, provisioner: "other.example.com" };
  await expectKubectl(own, "replace -f -", "provisioner: Invalid value", changed);
}

if (KUBECTL !== undefined) {
  check("kubectl: lists, pages, watches, and is told of conflicts", () =>
    withApiserver(listsAndWatches),
  );
  check("kubectl: the kind is completed, checked and shown", () => withApiserver(servesTheKind));
}
