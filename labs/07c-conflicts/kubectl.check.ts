import { mapOf } from "../apiserver/config-map-servers.ts";
import { expectLines } from "../apiserver/expect-lines.ts";
import { KUBECTL, type OwnApiserver, withApiserver } from "../apiserver/own-apiserver.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { squeezed } from "../walk.ts";

/** Patience with kubectl, which is another process and reads the API's description first. */
const KUBECTL_PATIENCE = 3;
const WHY = "most users reach an apiserver through kubectl";

/** Runs kubectl; fails unless its output contains the expected text. */
async function expectKubectl(
  own: OwnApiserver,
  words: string,
  expected: string,
  input?: object,
): Promise<void> {
  const output = await own.kubectl(words, input && JSON.stringify(input));
  const lines = output.split("\n").map(squeezed).join("\n");
  judge(lines.includes(expected), {
    when: `kubectl ${words}${input ? ` < ${JSON.stringify(input)}` : ""}`,
    expected,
    happened: output,
    why: WHY,
  });
}

const NAMESPACE_WITH_MAPS = {
  apiVersion: "v1",
  kind: "List",
  items: [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "lab" } },
    ...["a", "b", "c"].map((name) => mapOf(name)),
  ],
};

async function listsAndWatches(own: OwnApiserver): Promise<void> {
  const named = (name: string) => `configmap/${name} created`;
  const created = ["namespace/lab created", ...["a", "b", "c"].map(named)].join("\n");
  await expectKubectl(own, "create -f -", created, NAMESPACE_WITH_MAPS);
  const pages = "-n lab get configmaps --chunk-size=2 -o name";
  await expectKubectl(own, pages, "configmap/a\nconfigmap/b\nconfigmap/c");
  const lines = own.follow("-n lab configmaps");
  const begun = ["a", "b", "c"].map((name) => `ADDED ${name}`);
  await expectLines(lines, {
    when: "kubectl get -w begins",
    expected: begun,
    why: WHY,
    patience: KUBECTL_PATIENCE,
  });
  const stale = { ...mapOf("a", 1), metadata: { ...mapOf("a").metadata, resourceVersion: "1" } };
  await expectKubectl(own, "replace -f -", "the object has been modified", stale);
  await expectKubectl(own, "replace -f -", "configmap/a replaced", mapOf("a", 1));
  await expectKubectl(own, "-n lab delete configmap b", 'configmap "b" deleted');
  const later = ["MODIFIED a", "DELETED b"];
  await expectLines(lines, {
    when: "kubectl get -w continues: a replace is rejected, a is replaced, b is deleted",
    expected: [...begun, ...later],
    why: "a rejected write has no event, a successful one exactly one",
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

const leftOut = KUBECTL === undefined ? "there is no kubectl in PATH" : undefined;

check("kubectl: lists, pages, watches and gets conflicts", () => withApiserver(listsAndWatches), {
  leftOut,
});
check("kubectl: the kind is defaulted, validated, printed", () => withApiserver(servesTheKind), {
  leftOut,
});
