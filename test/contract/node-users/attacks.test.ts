import { SELECTED_NODE, STORAGE_PROVISIONER } from "@raft2kube/client-kube/object/volumes.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { type As, clusterApiserver, HOSTPATH, NFS, type NodeName } from "./cluster-apiserver.ts";

const cluster = clusterApiserver();
const VOLUMES = "/api/v1/persistentvolumes";
const NS = "/api/v1/namespaces/default";
const CLAIMS = `${NS}/persistentvolumeclaims`;
const MERGE = { "content-type": "application/merge-patch+json" };

/** The attacker's, and one that it attacks. */
const [EVIL, OTHER] = ["n2/csi-provisioner", "n1/csi-provisioner"] as const;

beforeAll(async () => {
  const key = `topology.${HOSTPATH}/node`;
  const allowedTopologies = [{ matchLabelExpressions: [{ key, values: ["n1"] }] }];
  for (const [name, more] of Object.entries({ now: {}, "on-n1": { allowedTopologies } })) {
    await cluster.make("/apis/storage.k8s.io/v1/storageclasses", {
      metadata: { name },
      provisioner: HOSTPATH,
      volumeBindingMode: "Immediate",
      ...more,
    });
  }
  await cluster.make("/api/v1/namespaces", { metadata: { name: "victim" } });
  for (const name of ["gold", "silver"]) {
    await cluster.make("/api/v1/namespaces/victim/secrets", { metadata: { name } });
  }
});

/** Makes a claim, of a class, that was selected for a node. */
async function claim(
  name: string,
  node?: NodeName,
  [storageClassName, driver] = ["standard", HOSTPATH],
): Promise<string> {
  const selected = node === undefined ? {} : { [SELECTED_NODE]: node };
  const annotations = { [STORAGE_PROVISIONER]: driver, ...selected };
  const spec = {
    storageClassName,
    accessModes: ["ReadWriteOnce"],
    resources: { requests: { storage: "1Gi" } },
  };
  return (await cluster.make(CLAIMS, { metadata: { name, annotations }, spec })).metadata.uid;
}

/** The volume that n2's provisioner makes for a claim, with other fields of its spec. */
function volume(of: string, uid: string, spec: object = {}, csi: object = {}): object {
  const matchExpressions = [{ key: `topology.${HOSTPATH}/node`, operator: "In", values: ["n2"] }];
  return {
    metadata: { name: `pvc-${uid}` },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      storageClassName: "standard",
      claimRef: { namespace: "default", name: of, uid },
      csi: { driver: HOSTPATH, volumeHandle: "vol-1", ...csi },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
      ...spec,
    },
  };
}

const create = (as: As, body: object, path = VOLUMES) =>
  cluster.send(as, path, { method: "POST", body });
const patch = (as: As, path: string, body: object) =>
  cluster.send(as, path, { method: "PATCH", body, headers: MERGE });

async function refused(answer: ReturnType<typeof cluster.send>, why: string): Promise<void> {
  const { status, body } = await answer;
  expect([status, body]).toEqual([403, expect.stringContaining(why)]);
}

async function accepted(answer: ReturnType<typeof cluster.send>): Promise<void> {
  const { status, body } = await answer;
  expect([200, 201], body).toContain(status);
}

/** Replaces an object by what `change` makes of it. */
async function replace(as: As, path: string, change: (object: never) => object) {
  const before = JSON.parse((await cluster.send("admin", path)).body) as never;
  return cluster.send(as, path, { method: "PUT", body: change(before) });
}

describe("a volume of a node's provisioner", () => {
  it("gives its node no Secret of a namespace", async () => {
    const uid = await claim("used", "n2");
    const gold = { namespace: "victim", name: "gold" };
    for (const field of [
      "nodePublishSecretRef",
      "nodeStageSecretRef",
      "nodeExpandSecretRef",
      "controllerPublishSecretRef",
      "controllerExpandSecretRef",
    ]) {
      const evil = volume("used", uid, {}, { [field]: gold });
      await refused(create(EVIL, evil), `may not create volumes that name a Secret (${field})`);
    }
    await refused(cluster.send(EVIL, "/api/v1/namespaces/victim/secrets/gold"), "cannot get");
    await refused(cluster.send("n2/kubelet", "/api/v1/namespaces/victim/secrets/gold"), "no relat");
  });

  it("has no files of another node, and none outside of its driver", async () => {
    const uid = await claim("pending", "n1");
    const own = await claim("here", "n2");
    const { csi: _csi, ...rest } = (volume("here", own) as { spec: { csi: object } }).spec;
    const sources = { hostPath: { path: "/" }, local: { path: "/" } };
    for (const [field, source] of Object.entries(sources)) {
      const evil = { metadata: { name: `pvc-${own}` }, spec: { ...rest, [field]: source } };
      await refused(create(EVIL, evil), "may only write CSI volumes that no other node can reach");
    }
    await refused(create(EVIL, volume("pending", uid)), "unbound claims of driver");
    const key = "d/node";
    const here = { key, operator: "In", values: ["n2"] };
    for (const nodeAffinity of [
      null,
      ...[["n1"], ["n1", "n2"]].map((values) => affinity([{ ...here, values }])),
      affinity([{ key, operator: "Exists" }]),
      affinity([here], [{ key, operator: "Exists" }]),
      affinity([{ ...here, key: "kubernetes.io/os" }]),
    ]) {
      const evil = volume("here", own, { nodeAffinity });
      await refused(create(EVIL, evil), "no other node can reach");
    }
    const unknown = volume("here", own, { storageClassName: "nfs" }, { driver: "other.csi" });
    await refused(create(EVIL, unknown), "no other node can reach");
    await accepted(create(EVIL, volume("here", own)));
  });

  it("is for the claim that was selected for its node, by UID", async () => {
    const uid = await claim("mine", "n2");
    const later = await claim("unselected");
    await refused(create(EVIL, volume("unselected", later)), "unbound claims of driver");
    await refused(create(EVIL, volume("mine", uid, { claimRef: null })), "named pvc-UID");
    const byName = { namespace: "default", name: "mine" };
    await refused(create(EVIL, volume("mine", uid, { claimRef: byName })), "named pvc-UID");
    const metadata = { name: "pvc-undefined" };
    const loose = { ...volume("mine", uid, { claimRef: byName }), metadata };
    await refused(create(EVIL, loose), "named pvc-UID");
    const named = { ...volume("mine", uid), metadata: { name: "trap" } };
    await refused(create(EVIL, named), "named pvc-UID");
    await refused(create(EVIL, volume("nobodys", later)), "another claim than that of UID");
    const other = volume("mine", uid, { storageClassName: "now" });
    await refused(create(EVIL, other), "unbound claims of driver");
    const foreign = await claim("foreign", "n2", ["standard", "other.csi"]);
    await refused(create(EVIL, volume("foreign", foreign)), "unbound claims of driver");
    const bound = await claim("bound", "n2");
    await accepted(patch("admin", `${CLAIMS}/bound`, { spec: { volumeName: "theirs" } }));
    await refused(create(EVIL, volume("bound", bound)), "unbound claims of driver");
  });

  it("may be for a claim that is gone: by it the storage is found and deleted", async () => {
    await accepted(create(EVIL, volume("gone", "00000000-0000-4000-8000-000000000001")));
  });

  it("is of a driver of its node", async () => {
    const driver = "else.csi";
    const spec = { storageCapacity: true };
    await cluster.make("/apis/storage.k8s.io/v1/csidrivers", { metadata: { name: driver }, spec });
    const uid = await claim("else", "n2", ["standard", driver]);
    await refused(create(EVIL, volume("else", uid, {}, { driver })), "no driver else.csi in its");
  });

  it("can be reached by any node only of a class that names its provisioner's", async () => {
    const uid = await claim("shared", "n2", ["nfs", NFS]);
    const more = { storageClassName: "nfs", nodeAffinity: null };
    const shared = volume("shared", uid, more, { driver: NFS });
    await refused(create(EVIL, shared), "may only write CSI volumes");
    await accepted(create(OTHER, shared));
    const path = `${VOLUMES}/pvc-${uid}`;
    await refused(cluster.send(EVIL, path, { method: "DELETE" }), "may only write CSI volumes");
    await accepted(cluster.send(OTHER, path, { method: "DELETE" }));
  });

  it("changes in size and class alone, and only by its own provisioner", async () => {
    const uid = await claim("grows", "n2");
    await accepted(create(EVIL, volume("grows", uid)));
    const path = `${VOLUMES}/pvc-${uid}`;
    type Volume = { metadata: object; spec: object };
    for (const spec of [
      { claimRef: { namespace: "victim", name: "c", uid } },
      { persistentVolumeReclaimPolicy: "Delete" },
      { mountOptions: ["suid"] },
    ]) {
      const change = (old: Volume) => ({ ...old, spec: { ...old.spec, ...spec } });
      await refused(replace(EVIL, path, change), "may only change the capacity");
    }
    const owned = (old: Volume) => ({ ...old, metadata: { ...old.metadata, finalizers: ["a/b"] } });
    await refused(replace(EVIL, path, owned), "is not allowed to modify finalizers");
    const grown = { spec: { capacity: { storage: "2Gi" } } };
    await refused(patch(OTHER, path, grown), "may only write CSI volumes");
    await accepted(patch(EVIL, path, grown));
    await refused(cluster.send(OTHER, path, { method: "DELETE" }), "may only write CSI volumes");
    await accepted(cluster.send(EVIL, path, { method: "DELETE" }));
  });
});

function affinity(...terms: object[][]): object {
  const nodeSelectorTerms = terms.map((matchExpressions) => ({ matchExpressions }));
  return { required: { nodeSelectorTerms } };
}

describe("a claim, for a node's provisioner", () => {
  type Claim = { metadata: { annotations: Record<string, string> }; spec: object };
  const select =
    (node: string | undefined) =>
    ({ metadata, ...rest }: Claim) => {
      const { [SELECTED_NODE]: _before, ...others } = metadata.annotations;
      const selected = node === undefined ? {} : { [SELECTED_NODE]: node };
      return { ...rest, metadata: { ...metadata, annotations: { ...others, ...selected } } };
    };
  const update = (as: As, name: string, change: (claim: Claim) => object) =>
    replace(as, `${CLAIMS}/${name}`, change);

  it("is selected where any node may provide the volume, and given back", async () => {
    await claim("immediate", undefined, ["now", HOSTPATH]);
    await refused(update(EVIL, "immediate", select("n1")), "may only select itself");
    const noted = ({ metadata, ...rest }: Claim) => {
      const annotations = { ...metadata.annotations, a: "b" };
      return select("n2")({ ...rest, metadata: { ...metadata, annotations } });
    };
    await refused(update(EVIL, "immediate", noted), "may only select itself");
    await accepted(update(EVIL, "immediate", select("n2")));
    await refused(update(OTHER, "immediate", select(undefined)), "may only select itself");
    await accepted(update(EVIL, "immediate", select(undefined)));
    await claim("scheduled");
    await refused(update(EVIL, "scheduled", select("n2")), "may only select itself");
    await claim("elsewhere", undefined, ["on-n1", HOSTPATH]);
    await refused(update(EVIL, "elsewhere", select("n2")), "may only select itself");
    await accepted(update(OTHER, "elsewhere", select("n1")));
    await claim("networked", undefined, ["nfs", NFS]);
    await refused(update(EVIL, "networked", select("n2")), "may only select itself");
  });

  it("has no other field that it may change", async () => {
    await claim("fixed", "n2");
    const annotated = ({ metadata, ...rest }: Claim) => ({
      ...rest,
      metadata: { ...metadata, annotations: { ...metadata.annotations, a: "b" } },
    });
    await refused(update(EVIL, "fixed", annotated), "may only select itself");
    const sized = ({ spec, ...rest }: Claim) => ({ ...rest, spec: { ...spec, volumeName: "v" } });
    await refused(update(EVIL, "fixed", sized), "may only select itself");
  });

  it("has its status from the provisioner of its volume's node", async () => {
    const uid = await claim("sized", "n2");
    const path = `${CLAIMS}/sized/status`;
    const status = { capacity: { storage: "2Gi" } };
    await refused(patch(EVIL, path, { status }), "claims that have its volumes");
    await accepted(create(EVIL, volume("sized", uid)));
    await accepted(patch("admin", `${CLAIMS}/sized`, { spec: { volumeName: `pvc-${uid}` } }));
    await accepted(patch(EVIL, path, { status }));
    await refused(patch(EVIL, path, { status: { phase: "Lost" } }), "other than");
    const grown = (storage: string) => ({ status: { allocatedResources: { storage } } });
    await accepted(patch(EVIL, path, grown("1Gi")));
    await refused(patch(EVIL, path, grown("9Ti")), "may not grow a claim to 9Ti");
    await refused(patch(OTHER, path, { status }), "claims that have its volumes");
  });
});

it("a node publishes the free space of its own topology alone", async () => {
  const path = "/apis/storage.k8s.io/v1/namespaces/kube-system/csistoragecapacities";
  const capacity = (name: string, nodeTopology: object) => ({
    metadata: { name },
    storageClassName: "standard",
    capacity: "1Gi",
    nodeTopology,
  });
  const of = (node: string) => ({ matchLabels: { [`topology.${HOSTPATH}/node`]: node } });
  const why = "may only publish capacities of its own topology";
  await refused(create(EVIL, capacity("c1", of("n1")), path), why);
  await refused(create(EVIL, capacity("c1", {}), path), why);
  const shared = { matchLabels: { "kubernetes.io/os": "n2" } };
  await refused(create(EVIL, capacity("c1", shared), path), why);
  await accepted(create(EVIL, capacity("c2", of("n2")), path));
  await refused(cluster.send(OTHER, `${path}/c2`, { method: "DELETE" }), why);
  const full = (old: object) => ({ ...old, capacity: "0" });
  await refused(replace(OTHER, `${path}/c2`, full), why);
  await accepted(replace(EVIL, `${path}/c2`, full));
  await accepted(cluster.send(EVIL, `${path}/c2`, { method: "DELETE" }));
});

it("a node's provisioner records events about its claims and volumes alone", async () => {
  const event = (name: string, involvedObject: object, namespace = "default") => ({
    metadata: { name, namespace },
    involvedObject,
    reason: "R",
    message: "m",
    type: "Normal",
    source: { component: "c" },
  });
  const about = (kind: string, name: string) => ({ kind, name, namespace: "default" });
  await claim("told", "n2");
  await claim("others", "n1");
  const events = `${NS}/events`;
  const why = "may only record events about claims and volumes of its own";
  await accepted(create(EVIL, event("e1", about("PersistentVolumeClaim", "told")), events));
  await refused(create(EVIL, event("e2", about("PersistentVolumeClaim", "others")), events), why);
  await refused(create(EVIL, event("e3", about("Pod", "told")), events), why);
  await refused(create(EVIL, event("e4", about("PersistentVolumeClaim", "")), events), why);
  await refused(patch(OTHER, `${events}/e1`, { message: "x" }), why);
  await accepted(patch(EVIL, `${events}/e1`, { message: "x" }));
  await cluster.make(events, event("e5", about("PersistentVolumeClaim", "others")));
  const involvedObject = { name: "told" };
  await refused(patch(EVIL, `${events}/e5`, { involvedObject, message: "x" }), why);
});

it("a kubelet reads the secrets of a volume only where its claim is bound to it", async () => {
  const secretOf = (name: string) => ({ nodePublishSecretRef: { namespace: "victim", name } });
  const bind = (name: string, to: string) =>
    accepted(patch("admin", `${CLAIMS}/${name}`, { spec: { volumeName: `pvc-${to}` } }));
  const uid = await claim("storing");
  await cluster.make(VOLUMES, volume("storing", uid, {}, secretOf("gold")));
  const earlier = "00000000-0000-4000-8000-000000000002";
  await cluster.make(VOLUMES, volume("again", earlier, {}, secretOf("gold")));
  // Two claims that name a volume which is another's: one of another name, one of another UID.
  for (const [name, of] of [
    ["thief", uid],
    ["again", earlier],
  ] as const) {
    await claim(name);
    await bind(name, of);
  }
  const claims = ["storing", "thief", "again", "last"];
  await cluster.make(`${NS}/pods`, {
    metadata: { name: "storing" },
    spec: {
      nodeName: "n2",
      containers: [{ name: "c", image: "i" }],
      volumes: claims.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    },
  });
  const last = await claim("last");
  await cluster.make(VOLUMES, volume("last", last, {}, secretOf("silver")));
  await bind("last", last);
  const read = async (path: string) => (await cluster.send("n2/kubelet", path)).status;
  const isReadable = (name: string) => async () =>
    (await read(`/api/v1/namespaces/victim/secrets/${name}`)) === 200;
  const clock = systemClock();
  await waitFor("the last of claims and volumes", isReadable("silver"), { clock });
  expect(await isReadable("gold")()).toBe(false);
  expect(await read(`${VOLUMES}/pvc-${uid}`)).toBe(403);
  await bind("storing", uid);
  await waitFor("the bound claim", isReadable("gold"), { clock });
});

it("a kubelet keeps no object from being deleted, nor lets one go", async () => {
  const containers = [{ name: "c", image: "i" }];
  const spec = { nodeName: "n2", containers };
  const [pod, node] = [`${NS}/pods/kept`, "/api/v1/nodes/n2"];
  const metadata = { name: "kept", finalizers: ["batch.kubernetes.io/job-tracking"] };
  await cluster.make(`${NS}/pods`, { metadata, spec });
  const own = JSON.parse((await cluster.send("admin", node)).body) as { metadata: { uid: string } };
  const owner = { apiVersion: "v1", kind: "Node", name: "n2", uid: own.metadata.uid };
  const mirror = {
    name: "mirror-n2",
    annotations: { "kubernetes.io/config.mirror": "x" },
    ownerReferences: [{ ...owner, controller: true }],
  };
  const why = "is not allowed to modify finalizers";
  for (const finalizers of [["evil.example/x"], []]) {
    await refused(patch("n2/kubelet", `${pod}/status`, { metadata: { finalizers } }), why);
  }
  const kept = { metadata: { finalizers: ["evil.example/x"] } };
  await refused(patch("n2/kubelet", node, kept), why);
  await refused(patch("n2/kubelet", `${node}/status`, kept), why);
  const made = (more: object) =>
    create("n2/kubelet", { metadata: { ...mirror, ...more }, spec }, `${NS}/pods`);
  await refused(made(kept.metadata), why);
  await accepted(made({}));
  await accepted(patch("n2/kubelet", `${pod}/status`, { status: { phase: "Running" } }));
  await accepted(cluster.send("n2/kubelet", pod, { method: "DELETE" }));
});

it("an API server that starts again gives the nodes' users nothing more", async () => {
  const rules = async () => {
    const path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:r2k:csi-provisioner";
    return (JSON.parse((await cluster.send("admin", path)).body) as { rules: object[] }).rules;
  };
  const before = await rules();
  await cluster.server.api.restart();
  expect(await rules()).toEqual(before);
});
