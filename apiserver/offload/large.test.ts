import { join } from "node:path";
import { readEncryption } from "@raft2kube/encryption/config.ts";
import { followEncryption } from "@raft2kube/encryption/reload.ts";
import { FILE_RELOAD_MS } from "@raft2kube/reconcile/limits.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { expect, it, onTestFinished, vi } from "vitest";
import { parse, stringify } from "yaml";
import { ask as request } from "../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { startTestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { LARGE_VALUES, SMALL_PATCH_COPIES_MAX } from "../limits.ts";
import { LargeThread } from "./large-thread.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const JSON_TYPE = { "content-type": "application/json" };

/** An EncryptionConfiguration of ConfigMaps, with one key for each name. */
const encrypted = (...names: string[]) => {
  const keys = names.map((name) => ({ name, secret: Buffer.alloc(32, name).toString("base64") }));
  return stringify({
    kind: "EncryptionConfiguration",
    apiVersion: "apiserver.config.k8s.io/v1",
    resources: [{ resources: ["configmaps"], providers: [{ secretbox: { keys } }] }],
  });
};

const server = fileApiserver({
  // Functions, which a thread cannot be given.
  serves: () => true,
  encryption: await readEncryption(encrypted("k")),
});
const { ask } = server;

interface Map {
  metadata: { name: string; resourceVersion?: string; managedFields?: { manager: string }[] };
  data: Record<string, string>;
}

/** A map with more values than the loop may be held for. */
function large(name: string, value = "v"): Map {
  const entries = Array.from({ length: LARGE_VALUES }, (_, n) => [`k${n}`, value]);
  const data = Object.fromEntries(entries) as Record<string, string>;
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data } as Map;
}

/** Runs an action, and how many requests the thread was given by it. */
async function handedOver<T>(action: () => Promise<T>): Promise<[T, number]> {
  const count = async () =>
    Number(/^r2k_large_requests_total (\d+)/m.exec((await ask("/metrics")).body)?.[1]);
  const before = await count();
  const result = await action();
  return [result, (await count()) - before];
}

it("a body of many values is taken by the thread, a small one by the loop", async () => {
  const [small, none] = await handedOver(() =>
    ask(MAPS, { method: "POST", body: { metadata: { name: "small" }, data: { a: "b" } } }),
  );
  expect([small.status, none]).toEqual([201, 0]);
  const [made, one] = await handedOver(() => ask(MAPS, { method: "POST", body: large("made") }));
  expect([made.status, one]).toEqual([201, 1]);
  const object = JSON.parse(made.body) as Map;
  expect(object.data).toEqual(large("made").data);
  expect(object.metadata.managedFields).toHaveLength(1);
  expect(made.headers["audit-id"]).toMatch(/./);
});

it("each kind of patch is merged in the thread, and reads see it", async () => {
  await ask(MAPS, { method: "POST", body: { metadata: { name: "patched" }, data: { a: "b" } } });
  const patch =
    (type: string, body: object | string, query = "") =>
    () =>
      ask(`${MAPS}/patched${query}`, { method: "PATCH", headers: { "content-type": type }, body });
  const { data } = large("patched");
  const steps = Object.keys(data).map((key) => ({
    op: "replace",
    path: `/data/${key}`,
    value: "json",
  }));
  const yaml = stringify({ ...large("patched", "yaml"), metadata: { name: "patched" } });
  const changes: [action: ReturnType<typeof patch>, value: string][] = [
    [patch("application/merge-patch+json", { data }), "v"],
    [patch("application/strategic-merge-patch+json", large("patched", "strategic")), "strategic"],
    [patch("application/json-patch+json", steps), "json"],
    [patch("application/apply-patch+yaml", yaml, "?fieldManager=m&force=1"), "yaml"],
  ];
  for (const [action, value] of changes) {
    const [answer, one] = await handedOver(action);
    expect([answer.status, one, value]).toEqual([200, 1, value]);
    const read = JSON.parse((await ask(`${MAPS}/patched`)).body) as Map;
    expect(read.data["k7"]).toBe(value);
    expect(read.metadata.resourceVersion).toBe(
      (JSON.parse(answer.body) as Map).metadata.resourceVersion,
    );
  }
});

it("a small JSON patch that copies often is taken by the thread", async () => {
  await ask(MAPS, { method: "POST", body: { metadata: { name: "copied" }, data: { a: "b" } } });
  const headers = { "content-type": "application/json-patch+json" };
  const copying = (count: number) => () => {
    const body = JSON.stringify(
      Array.from({ length: count }, (_, at) => ({
        op: "copy",
        from: "/data/a",
        path: `/data/${at}`,
      })),
    ).replaceAll('"copy"', '"c\\u006fpy"');
    return ask(`${MAPS}/copied`, { method: "PATCH", headers, body });
  };
  const [few, none] = await handedOver(copying(SMALL_PATCH_COPIES_MAX));
  expect([few.status, none]).toEqual([200, 0]);
  const [many, one] = await handedOver(copying(SMALL_PATCH_COPIES_MAX + 1));
  expect([many.status, one]).toEqual([200, 1]);
});

it("what is stored and large is changed there, and read in every form by the loop", async () => {
  await ask(MAPS, { method: "POST", body: large("stored") });
  // Once there is a cache that holds it, that knows how large it is.
  const cached = async () => (await ask(`${MAPS}?resourceVersion=0`)).body.includes(`"stored"`);
  await waitFor("the cache", cached);
  const forms = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;g=meta.k8s.io;v=v1",
  ];
  for (const accept of forms) {
    const get = () => ask(`${MAPS}/stored`, { headers: { accept } });
    const [answer, none] = await handedOver(get);
    expect([answer.status, none, accept]).toEqual([200, 0, accept]);
    expect(answer.headers["content-type"]).toBe(accept.split(";")[0]);
    if (accept === "application/yaml") {
      expect((parse(answer.body) as Map).data).toEqual(large("").data);
    } else expect(answer.body).toContain("stored");
  }
  const label = { metadata: { labels: { a: "b" } } };
  const headers = { "content-type": "application/merge-patch+json" };
  const [labelled, one] = await handedOver(() =>
    ask(`${MAPS}/stored`, { method: "PATCH", headers, body: label }),
  );
  expect([labelled.status, one]).toEqual([200, 1]);
  const [gone, two] = await handedOver(() => ask(`${MAPS}/stored`, { method: "DELETE" }));
  expect([gone.status, two]).toEqual([200, 1]);
});

it("refusals, warnings and conflicts come back as from the loop", async () => {
  const wrong = large("wrong");
  wrong.data["no/key"] = "";
  const invalid = await ask(MAPS, { method: "POST", body: wrong });
  expect(invalid.status).toBe(422);
  expect(invalid.body).toContain(`"field":"data[no/key]"`);
  const odd = { ...large("odd"), stranger: 1 };
  const warned = await ask(`${MAPS}?dryRun=All`, { method: "POST", body: odd });
  expect([warned.status, warned.headers["warning"]]).toEqual([
    201,
    `299 - "unknown field \\"stranger\\""`,
  ]);
  expect((await ask(`${MAPS}/odd`)).status).toBe(404);
  await ask(MAPS, { method: "POST", body: large("twice") });
  const again = await ask(MAPS, { method: "POST", body: large("twice") });
  expect([again.status, again.body]).toEqual([409, expect.stringContaining("AlreadyExists")]);
  const stale = { ...large("twice"), metadata: { name: "twice", resourceVersion: "1" } };
  const put = await ask(`${MAPS}/twice`, { method: "PUT", body: stale });
  expect([put.status, put.body]).toEqual([409, expect.stringContaining("Conflict")]);
  const broken = `${JSON.stringify(large("broken")).slice(0, -1)},]`;
  const unread = await ask(MAPS, { method: "POST", headers: JSON_TYPE, body: broken });
  expect([unread.status, unread.body]).toEqual([400, expect.stringContaining("invalid character")]);
});

it("a forbidden request gets 403 before it is offloaded", async () => {
  const other = await server.api.credentials("other");
  const post = () => ask(MAPS, { ...other, method: "POST", body: large("sneaked") });
  const [answer, none] = await handedOver(post);
  expect([answer.status, none]).toEqual([403, 0]);
});

it("reservations of a Service are taken through the thread as well", async () => {
  const annotations = large("").data;
  const body = { metadata: { name: "large", annotations }, spec: { ports: [{ port: 80 }] } };
  const post = () => ask("/api/v1/namespaces/default/services", { method: "POST", body });
  const [made, one] = await handedOver(post);
  expect([made.status, one]).toEqual([201, 1]);
  const { spec } = JSON.parse(made.body) as { spec: { clusterIP: string } };
  const held = await ask(`/apis/networking.k8s.io/v1/ipaddresses/${spec.clusterIP}`);
  expect(held.status).toBe(200);
});

it("administrators and the control plane wait for no large request of others", async () => {
  const serve = vi.spyOn(LargeThread.prototype, "serve");
  onTestFinished(() => serve.mockRestore());
  const rawSelector = `a in (${"value,".repeat(LARGE_VALUES)}c)`;
  const body = { spec: { resourceAttributes: { labelSelector: { rawSelector } } } };
  const review = (user?: string) => {
    const headers = { ...JSON_TYPE, ...(user && { "impersonate-user": user }) };
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    return ask(path, { method: "POST", body, headers });
  };
  const users = [undefined, "alice", "system:node:n1", "system:kube-scheduler"];
  for (const user of users) expect(await review(user)).toMatchObject({ status: 201 });
  const [admin, alice, node, scheduler] = serve.mock.contexts;
  expect(alice).not.toBe(admin);
  expect(node).toBe(alice);
  expect(scheduler).toBe(admin);
});

it("the thread works on a store in this very process, with the encryption of now", async () => {
  const dir = testFolder("r2k-large-");
  const listenClient = { path: join(dir, "s.sock") };
  const store = await startStore({ dataDir: join(dir, "store"), listenClient });
  let keys = ["old"];
  const clock = new ManualClock();
  const file = await followEncryption(() => Promise.resolve(encrypted(...keys)), clock);
  const api = await startTestApiserver(store.client, { encryption: file });
  const stored = async () => {
    const key = Buffer.from("/registry/configmaps/default/inside");
    return (await store.client.range({ key })).kvs[0]!.value.toString("latin1");
  };
  try {
    const admin = await api.credentials("admin", ["system:masters"]);
    const made = await request(api, MAPS, { method: "POST", body: large("inside"), ...admin });
    expect([made.status, made.body]).toEqual([201, made.body]);
    expect(await stored()).toMatch(/^k8s:enc:secretbox:v1:old:/);
    keys = ["new", "old"];
    const isReloaded = () => {
      clock.advance(FILE_RELOAD_MS);
      return file.reloads.success.count === 1;
    };
    await waitFor("the new keys", isReloaded);
    const headers = { "content-type": "application/merge-patch+json" };
    const body = { data: large("", "other").data };
    const patched = await request(api, `${MAPS}/inside`, {
      method: "PATCH",
      headers,
      body,
      ...admin,
    });
    expect([patched.status, patched.body]).toEqual([200, patched.body]);
    expect(await stored()).toMatch(/^k8s:enc:secretbox:v1:new:/);
    expect((await request(api, "/metrics", admin)).body).toMatch(/^r2k_large_requests_total 2$/m);
    const read = await request(api, `${MAPS}/inside`, admin);
    expect((JSON.parse(read.body) as Map).data).toEqual(large("", "other").data);
  } finally {
    await api.close();
    await file.close();
    await store.close();
  }
});

it("an object with 150,000 things to warn about is made, with a few of the warnings", async () => {
  const env = Array.from({ length: 150_000 }, () => ({ name: "A" }));
  const [name, labels] = ["warned", { a: "b" }];
  const podSpec = { containers: [{ name: "a", image: "b", env }] };
  const template = { metadata: { labels }, spec: podSpec };
  const spec = { selector: { matchLabels: labels }, template };
  const path = "/apis/apps/v1/namespaces/default/deployments?dryRun=All";
  const made = await ask(path, { method: "POST", body: { metadata: { name }, spec } });
  expect(made.status).toBe(201);
  const warned = String(made.headers["warning"]);
  expect(warned).toContain("hides previous definition");
  expect(warned.length).toBeLessThan(8_000);
});
