import { afterAll, beforeAll, expect, it } from "vitest";
import { type Answer, type AskOptions, ask } from "../../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";

const NS = "/api/v1/namespaces/default";

let api: TestApiserver;
let admin: { cert: string; key: string };
let kubelet: { cert: string; key: string };
let uid: string;

const asAdmin = (path: string, options: AskOptions = {}) =>
  ask(api, path, { ...admin, ...options });
const asNode = (path: string, options: AskOptions = {}) =>
  ask(api, path, { ...kubelet, ...options });
const post = (body: object): AskOptions => ({ method: "POST", body });

async function made(path: string, body: object): Promise<Answer> {
  const answer = await asAdmin(path, post(body));
  expect(answer.status, answer.body).toBe(201);
  return answer;
}

function pod(name: string, more: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: { containers: [{ name: "c", image: "i" }], ...more },
  };
}

beforeAll(async () => {
  api = await startApiserverOnEtcd();
  admin = await api.credentials("admin", ["system:masters"]);
  kubelet = await api.credentials("system:node:n1", ["system:nodes"]);
  await made(`${NS}/serviceaccounts`, { metadata: { name: "default" } });
  for (const name of ["used", "unused"]) await made(`${NS}/secrets`, { metadata: { name } });
  for (const name of ["n1", "n2"]) await made("/api/v1/nodes", { metadata: { name } });
  const volumes = [{ name: "v", secret: { secretName: "used" } }];
  const answer = await made(`${NS}/pods`, pod("mine", { nodeName: "n1", volumes }));
  uid = (JSON.parse(answer.body) as { metadata: { uid: string } }).metadata.uid;
  await made(`${NS}/pods`, pod("theirs", { nodeName: "n2" }));
  const seen = async () => (await asNode(`${NS}/pods/mine`)).status === 200;
  await waitFor("the graph", seen);
});
afterAll(() => api.close());

it("a node reads the secrets of its own pods, and no others", async () => {
  expect((await asNode(`${NS}/secrets/used`)).status).toBe(200);
  const refused = await asNode(`${NS}/secrets/unused`);
  expect(refused.status).toBe(403);
  expect(refused.body).toContain("no relationship found between node 'n1' and this object");
  expect((await asNode(`${NS}/secrets`)).status).toBe(403);
});

it("a node lists its own pods only", async () => {
  const own = await asNode("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1");
  expect(JSON.parse(own.body)).toMatchObject({ items: [{ metadata: { name: "mine" } }] });
  expect((await asNode("/api/v1/pods")).status).toBe(403);
  expect((await asNode("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2")).status).toBe(403);
  expect((await asNode(`${NS}/pods/theirs`)).status).toBe(403);
});

it("a node changes its own Node, and neither its taints nor labels that place work", async () => {
  const patch = (name: string, body: object) =>
    asNode(`/api/v1/nodes/${name}`, {
      method: "PATCH",
      body,
      headers: { "content-type": "application/merge-patch+json" },
    });
  expect((await patch("n1", { metadata: { annotations: { a: "b" } } })).status).toBe(200);
  expect(
    (await patch("n1", { metadata: { labels: { "kubernetes.io/hostname": "n1" } } })).status,
  ).toBe(200);
  const placing = { "node-restriction.kubernetes.io/team": "a" };
  expect((await patch("n1", { metadata: { labels: placing } })).status).toBe(403);
  expect((await patch("n1", { spec: { taints: [] } })).status).toBe(403);
  // CVE-2025-5187: the collector would delete the Node, which then comes back with other labels.
  const owner = { apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "y" };
  expect((await patch("n1", { metadata: { ownerReferences: [owner] } })).status).toBe(403);
  expect((await patch("n2", { metadata: { annotations: { a: "b" } } })).status).toBe(403);
  const fourth = await api.credentials("system:node:n4", ["system:nodes"]);
  const owned = { metadata: { name: "n4", ownerReferences: [owner] } };
  const made4 = await ask(api, "/api/v1/nodes", { ...fourth, ...post(owned) });
  expect([made4.status, made4.body]).toEqual([403, expect.stringContaining("ownerReferences")]);
  // The others would send packets for another node's pods to it.
  for (const spec of [{ podCIDR: "10.0.1.0/24" }, { podCIDRs: ["10.0.1.0/24"] }]) {
    const changed = await patch("n1", { spec });
    expect([changed.status, changed.body]).toEqual([403, expect.stringContaining("podCIDRs")]);
    const third = await api.credentials("system:node:n3", ["system:nodes"]);
    const node = { metadata: { name: "n3" }, spec };
    expect((await ask(api, "/api/v1/nodes", { ...third, ...post(node) })).status).toBe(403);
  }
});

it("a Node is judged by what was stored, through whatever endpoint (CVE-2021-25735)", async () => {
  const path = "/api/v1/nodes/n1";
  const before = JSON.parse((await asAdmin(path)).body) as {
    metadata: { labels?: object; annotations?: object };
    spec: { taints?: object[] };
  };
  const evil = {
    ...before,
    metadata: { ...before.metadata, labels: { "node-restriction.kubernetes.io/team": "a" } },
    spec: { ...before.spec, taints: [{ key: "k", effect: "NoSchedule" }] },
  };
  const types = ["merge-patch+json", "strategic-merge-patch+json"];
  for (const endpoint of ["", "/status"]) {
    const put = await asNode(`${path}${endpoint}`, { method: "PUT", body: evil });
    expect([endpoint, put.status]).toEqual([endpoint, 403]);
    for (const type of types) {
      const headers = { "content-type": `application/${type}` };
      const { spec } = evil;
      const { labels } = evil.metadata;
      const body = { metadata: { labels }, spec };
      const patched = await asNode(`${path}${endpoint}`, { method: "PATCH", body, headers });
      expect([endpoint, type, patched.status]).toEqual([endpoint, type, 403]);
    }
  }
  const after = JSON.parse((await asAdmin(path)).body) as typeof before;
  expect([after.metadata.labels, after.spec]).toEqual([before.metadata.labels, before.spec]);
});

it("a node makes mirror pods of its own, owned by itself", async () => {
  expect((await asNode(`${NS}/pods`, post(pod("plain", { nodeName: "n1" })))).status).toBe(403);
  const mirror = (nodeName: string, owner: object[], more: object = {}) => ({
    ...pod("mirror-n1", { nodeName, ...more }),
    metadata: {
      name: "mirror-n1",
      annotations: { "kubernetes.io/config.mirror": "x" },
      ownerReferences: owner,
    },
  });
  expect((await asNode(`${NS}/pods`, post(mirror("n2", [])))).status).toBe(403);
  expect((await asNode(`${NS}/pods`, post(mirror("n1", [])))).status).toBe(403);
  const node = JSON.parse((await asNode("/api/v1/nodes/n1")).body) as { metadata: { uid: string } };
  const own = {
    apiVersion: "v1",
    kind: "Node",
    name: "n1",
    uid: node.metadata.uid,
    controller: true,
  };
  // A controller without pods of its own would adopt it.
  for (const more of [{ controller: undefined }, { blockOwnerDeletion: true }]) {
    const refused = await asNode(`${NS}/pods`, post(mirror("n1", [{ ...own, ...more }])));
    expect([refused.status, refused.body]).toEqual([403, expect.stringContaining("as controller")]);
  }
  const naming = (more: object) => asNode(`${NS}/pods`, post(mirror("n1", [own], more)));
  const fromEnv = { secretKeyRef: { name: "unused", key: "k" } };
  const reading = { name: "c", image: "i", env: [{ name: "E", valueFrom: fromEnv }] };
  const projected = (source: object) => [{ name: "v", projected: { sources: [source] } }];
  for (const [more, what] of [
    // ServiceAccount comes before NodeRestriction.
    [{ containers: [reading] }, "a mirror pod may not reference secrets"],
    [{ volumes: projected({ secret: { name: "unused" } }) }, "may not reference secrets"],
    [{ imagePullSecrets: [{ name: "unused" }] }, "may not reference secrets"],
    [
      { volumes: [{ name: "v", configMap: { name: "c" } }] },
      "can not create pods that reference configmaps",
    ],
    [
      { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c" } }] },
      "can not create pods that reference persistentvolumeclaims",
    ],
    // CVE-2025-4563
    [
      { resourceClaims: [{ name: "r", resourceClaimName: "c" }] },
      "can not create pods that reference resourceclaims",
    ],
  ] as const) {
    const refused = await naming(more);
    expect([refused.status, refused.body]).toEqual([403, expect.stringContaining(what)]);
  }
  expect((await asNode(`${NS}/pods`, post(mirror("n1", [own])))).status).toBe(201);
  for (const value of [null, "y"]) {
    const changed = await asNode(`${NS}/pods/mirror-n1/status`, {
      method: "PATCH",
      body: { metadata: { annotations: { "kubernetes.io/config.mirror": value } } },
      headers: { "content-type": "application/merge-patch+json" },
    });
    const why = "may not remove or update mirror pod annotation";
    expect([changed.status, changed.body]).toEqual([422, expect.stringContaining(why)]);
  }
});

it("a mirror pod gives its node no read access, whichever user created it", async () => {
  const volumes = [{ name: "v", configMap: { name: "mirrored" } }];
  await made(`${NS}/configmaps`, { metadata: { name: "mirrored" } });
  await made(`${NS}/configmaps`, { metadata: { name: "seen" } });
  const annotations = { "kubernetes.io/config.mirror": "x" };
  const metadata = { name: "by-admin", annotations };
  await made(`${NS}/pods`, { ...pod("by-admin", { nodeName: "n1", volumes }), metadata });
  const after = [{ name: "v", configMap: { name: "seen" } }];
  await made(`${NS}/pods`, pod("after", { nodeName: "n1", volumes: after }));
  const seen = async () => (await asNode(`${NS}/configmaps/seen`)).status === 200;
  await waitFor("the pod made after it", seen);
  expect((await asNode(`${NS}/pods/by-admin`)).status).toBe(200);
  expect((await asNode(`${NS}/configmaps/mirrored`)).status).toBe(403);
});

it("a node writes the status of its own pods, and deletes only them", async () => {
  const status = (name: string) =>
    asNode(`${NS}/pods/${name}/status`, {
      method: "PATCH",
      body: { status: { phase: "Running" } },
      headers: { "content-type": "application/strategic-merge-patch+json" },
    });
  expect((await status("mine")).status).toBe(200);
  expect((await status("theirs")).status).toBe(403);
  expect((await asNode(`${NS}/pods/theirs`, { method: "DELETE" })).status).toBe(403);
});

it.each(["127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fe80::1", "224.0.0.1"])(
  "a node gives no pod the address %s, which no EndpointSlice can have",
  async (ip) => {
    const patch = (status: object) =>
      asNode(`${NS}/pods/mine/status`, {
        method: "PATCH",
        body: { status },
        headers: { "content-type": "application/merge-patch+json" },
      });
    const good = ip.includes(":") ? "10.244.0.9" : "fd00::9";
    expect((await patch({ podIP: good, podIPs: [{ ip: good }] })).status).toBe(200);
    const both = { podIP: good, podIPs: [{ ip: good }, { ip }] };
    for (const status of [{ podIP: ip, podIPs: [{ ip }] }, both]) {
      const refused = await patch(status);
      expect(refused.status).toBe(403);
      expect(refused.body).toContain(`cannot set the pod address ${ip}: `);
    }
  },
);

it("a node gives no pod an address of the other family's form, nor two of one family", async () => {
  for (const ips of [["::ffff:127.0.0.1"], ["10.244.0.9", "127.0.0.1"]]) {
    const refused = await asNode(`${NS}/pods/mine/status`, {
      method: "PATCH",
      body: { status: { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } },
      headers: { "content-type": "application/merge-patch+json" },
    });
    expect(refused.status).toBe(422);
  }
});

it("a node gets tokens only for its pods, bound to them", async () => {
  const token = (boundObjectRef: object | undefined) =>
    asNode(
      `${NS}/serviceaccounts/default/token`,
      post({
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { ...(boundObjectRef && { boundObjectRef }) },
      }),
    );
  expect((await token(undefined)).status).toBe(403);
  const bound = { apiVersion: "v1", kind: "Pod", name: "mine", uid };
  expect((await token(bound)).status).toBe(201);
  expect((await token({ ...bound, uid: "other" })).status).toBe(409);
  expect((await token({ ...bound, name: "theirs" })).status).toBe(403);
  expect((await asNode(`${NS}/serviceaccounts/default`)).status).toBe(200);
  expect((await asNode(`${NS}/serviceaccounts/unused`)).status).toBe(403);
});

it("a node gets tokens for the audiences that volumes of its pods ask for alone", async () => {
  const tokens = (audience: string) => [
    { name: "v", projected: { sources: [{ serviceAccountToken: { path: "t", audience } }] } },
  ];
  const driver = { tokenRequests: [{ audience: "for-driver" }], attachRequired: false };
  await made("/apis/storage.k8s.io/v1/csidrivers", {
    metadata: { name: "example.com" },
    spec: driver,
  });
  const volumes = [...tokens("vault"), { name: "d", csi: { driver: "example.com" } }];
  const answer = await made(`${NS}/pods`, pod("asking", { nodeName: "n1", volumes }));
  const { metadata } = JSON.parse(answer.body) as { metadata: { uid: string } };
  const token = async (...audiences: string[]) => {
    const bound = { apiVersion: "v1", kind: "Pod", name: "asking", uid: metadata.uid };
    const body = { spec: { audiences, boundObjectRef: bound } };
    return await asNode(`${NS}/serviceaccounts/default/token`, post(body));
  };
  const known = async () => (await token("vault")).status === 201;
  await waitFor("the graph", known);
  expect((await token("for-driver")).status).toBe(201);
  expect((await token()).status).toBe(201);
  const refused = await token("bank");
  expect([refused.status, refused.body]).toEqual([
    403,
    expect.stringContaining(
      String.raw`audience \"bank\" not found in pod spec volume, system:node:n1 is not authorized`,
    ),
  ]);
  expect((await token("vault", "for-driver")).status).toBe(403);
});

it("a node keeps its own lease and no other", async () => {
  const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  expect((await asNode(leases, post({ metadata: { name: "n1" } }))).status).toBe(201);
  expect((await asNode(leases, post({ metadata: { name: "n2" } }))).status).toBe(403);
  expect((await asNode(`${leases}/n1`)).status).toBe(200);
  expect((await asNode(`${leases}/n2`)).status).toBe(403);
});

it("a node evicts its own pods only, and nothing is done of what it may not", async () => {
  const evict = (name: string) =>
    asNode(
      `${NS}/pods/${name}/eviction`,
      post({ apiVersion: "policy/v1", kind: "Eviction", metadata: { name } }),
    );
  await made(`${NS}/pods`, pod("leaving", { nodeName: "n1" }));
  const refused = await evict("theirs");
  expect([refused.status, refused.body]).toEqual([
    403,
    expect.stringContaining("node n1 can only evict pods with spec.nodeName set to itself"),
  ]);
  expect((await asAdmin(`${NS}/pods/theirs`)).body).not.toContain("DisruptionTarget");
  expect((await evict("leaving")).status).toBe(201);
});

it("a node writes and deletes the device slices of its own, and no others", async () => {
  const slices = "/apis/resource.k8s.io/v1/resourceslices";
  const slice = (name: string, nodeName: string) => ({
    metadata: { name },
    spec: {
      driver: "r2k.test",
      nodeName,
      pool: { name: nodeName, generation: 1, resourceSliceCount: 1 },
      devices: [{ name: "d" }],
    },
  });
  expect((await asNode(slices, post(slice("s1", "n1")))).status).toBe(201);
  const other = await asNode(slices, post(slice("s2", "n2")));
  expect(other.body).toContain("can only create ResourceSlice with the same NodeName");
  await made(slices, slice("s2", "n2"));
  const reads = async () => (await asNode(`${slices}/s1`)).status === 200;
  await waitFor("the graph", reads);
  expect((await asNode(`${slices}/s2`)).status).toBe(403);
  expect((await asNode(`${slices}/s2`, { method: "DELETE" })).status).toBe(403);
  expect((await asNode(slices)).status).toBe(403);
  const own = await asNode(`${slices}?fieldSelector=spec.nodeName%3Dn1`);
  expect((JSON.parse(own.body) as { items: unknown[] }).items).toHaveLength(1);
  expect((await asNode(`${slices}/s1`, { method: "DELETE" })).status).toBe(200);
});

const VOLUMES = "/api/v1/persistentvolumes";

function volume(name: string, uid: string, csi: object): object {
  return {
    metadata: { name },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      claimRef: { kind: "PersistentVolumeClaim", namespace: "default", name: "data", uid },
      csi: { driver: "example.com", volumeHandle: name, ...csi },
    },
  };
}

const CLAIMS = `${NS}/persistentvolumeclaims`;

it("a volume that is not its claim's does not hide the one that is", async () => {
  const resources = { requests: { storage: "1Gi" } };
  const spec = { accessModes: ["ReadWriteOnce"], resources, volumeName: "bound" };
  const claim = await made(CLAIMS, { metadata: { name: "data" }, spec });
  const {
    metadata: { uid: claimUid },
  } = JSON.parse(claim.body) as { metadata: { uid: string } };
  for (const name of ["for-node", "for-controller"]) {
    await made(`${NS}/secrets`, { metadata: { name } });
  }
  const secret = (name: string) => ({ namespace: "default", name });
  await made(VOLUMES, volume("released", "of-an-earlier-claim", {}));
  await made(
    VOLUMES,
    volume("bound", claimUid, {
      nodeStageSecretRef: secret("for-node"),
      controllerPublishSecretRef: secret("for-controller"),
    }),
  );
  const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "data" } }];
  await made(`${NS}/pods`, pod("storing", { nodeName: "n1", volumes }));
  const read = async (path: string) => (await asNode(path)).status;
  await waitFor("the claim", async () => (await read(`${VOLUMES}/bound`)) === 200);
  expect(await read(`${NS}/secrets/for-node`)).toBe(200);
  expect(await read(`${NS}/secrets/for-controller`)).toBe(403);
  const labels = { metadata: { labels: { touched: "yes" } } };
  const headers = { "content-type": "application/merge-patch+json" };
  await asAdmin(`${VOLUMES}/released`, { method: "PATCH", headers, body: labels });
  await made(VOLUMES, volume("later", claimUid, {}));
  await made(`${NS}/pods`, pod("last", { nodeName: "n1" }));
  const known = async () => (await read(`${NS}/pods/last`)) === 200;
  await waitFor("what came after it", known);
  for (const name of ["released", "later"]) expect(await read(`${VOLUMES}/${name}`)).toBe(403);
  expect(await read(`${VOLUMES}/bound`)).toBe(200);
  expect(await read(`${NS}/secrets/for-node`)).toBe(200);
});

it("a node sets a claim's new size, and cannot change its other fields", async () => {
  const change = async (body: object) => {
    const headers = { "content-type": "application/merge-patch+json" };
    return (await asNode(`${CLAIMS}/data/status`, { method: "PATCH", headers, body })).status;
  };
  expect(await change({ status: { phase: "Bound" } })).toBe(403);
  expect(await change({ metadata: { finalizers: null } })).toBe(403);
  expect(await change({ metadata: { labels: { a: "b" } } })).toBe(403);
  const conditions = [{ type: "FileSystemResizePending", status: "True" }];
  expect(await change({ status: { capacity: { storage: "2Gi" }, conditions } })).toBe(200);
});

it("the name alone makes no node: the group must be there", async () => {
  const half = await api.credentials("system:node:n1");
  expect((await ask(api, `${NS}/secrets/used`, half)).status).toBe(403);
});

it("a node takes no address of another Ready Node, of pods or of Services", async () => {
  const headers = { "content-type": "application/merge-patch+json" };
  const patch = (as: typeof asNode, name: string, body: object) =>
    as(`/api/v1/nodes/${name}/status`, { method: "PATCH", headers, body });
  const internal = (address: string) => ({ addresses: [{ type: "InternalIP", address }] });
  const ready = (status: string) => ({ conditions: [{ type: "Ready", status }] });
  const published = (address: string) => ({
    metadata: { annotations: { "flannel.alpha.coreos.com/public-ip": address } },
  });
  const own = { status: internal("192.0.2.1"), ...published("192.0.2.1") };
  expect((await patch(asNode, "n1", own)).status).toBe(200);
  const theirs = { status: { ...internal("192.0.2.2"), ...ready("True") } };
  await patch(asAdmin, "n2", theirs);
  const link = (VtepMAC: string) => ({
    metadata: {
      annotations: { "flannel.alpha.coreos.com/backend-data": JSON.stringify({ VNI: 1, VtepMAC }) },
    },
  });
  await patch(asAdmin, "n2", link("02:00:00:00:00:0a"));
  await asAdmin("/api/v1/nodes/n2", {
    method: "PATCH",
    headers,
    body: { spec: { podCIDR: "10.244.2.0/24" } },
  });
  const list = await asAdmin("/apis/networking.k8s.io/v1/servicecidrs");
  expect(list.body).toContain("10.96.0.0/16");
  const whose = {
    "192.0.2.2": "Node n2",
    "10.244.2.9": "pods of Node n2",
    "10.96.0.1": "Services",
  };
  const refused = { status: 403 };
  for (const [address, owner] of Object.entries(whose)) {
    const body = expect.stringContaining(`to have the address ${address} of ${owner}`) as string;
    const taken = await waitFor(owner, async () => {
      await patch(asNode, "n1", own);
      const answer = await patch(asNode, "n1", { status: internal(address) });
      return answer.status === 403 ? answer : undefined;
    });
    expect(taken).toMatchObject({ ...refused, body });
    expect(await patch(asNode, "n1", published(address))).toMatchObject({ ...refused, body });
  }
  // Other texts and places of the address of n2.
  const taken = { ...refused, body: expect.stringContaining("192.0.2.2 of Node n2") as string };
  for (const text of [
    "::ffff:192.0.2.2",
    "::ffff:c000:202",
    "192.0.514",
    "0300.0.2.2",
    "0xc0000202",
    "192.0.2.2 ",
  ]) {
    for (const type of ["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"]) {
      const status = { addresses: [{ type, address: text }] };
      expect(await patch(asNode, "n1", { status })).toMatchObject(taken);
    }
    expect(await patch(asNode, "n1", published(text))).toMatchObject(taken);
  }
  const many = Array.from({ length: 257 }, (_, i) => internal(`192.0.${i}.1`).addresses[0]);
  expect(await patch(asNode, "n1", { status: { addresses: many } })).toMatchObject({
    ...refused,
    body: expect.stringContaining("is not allowed to have more than 256 addresses") as string,
  });
  // Of two nodes with the same link other nodes leave out the younger.
  const stolen = await patch(asNode, "n1", link("02:00:00:00:00:0A"));
  const ofLink = expect.stringContaining("02:00:00:00:00:0a of Node n2") as string;
  expect(stolen).toMatchObject({ ...refused, body: ofLink });
  expect((await patch(asNode, "n1", link("02:00:00:00:00:0b"))).status).toBe(200);
  await patch(asAdmin, "n2", { status: ready("Unknown") });
  const isFree = async () =>
    (await patch(asNode, "n1", { status: internal("192.0.2.2") })).status === 200;
  await waitFor("the address of a machine that is gone", isFree);
});
