import { join } from "node:path";
import {
  ADD,
  CoordinationV1Api,
  CoreV1Api,
  DELETE,
  ERROR,
  KubeConfig,
  makeInformer,
  UPDATE,
  type V1ConfigMap,
  V1MicroTime,
} from "@kubernetes/client-node";
import { startStore } from "@raft2kube/store/main.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../../testing/apiserver/test-apiserver.ts";
import { suiteFolder } from "../../../../testing/folders.ts";
import { waitFor } from "../../../../testing/wait.ts";

const namespace = "default";
const TIMEOUT_MS = 60_000;

describe("@kubernetes/client-node", () => {
  const dir = suiteFolder("r2k-clients-");
  let store: Awaited<ReturnType<typeof startStore>>;
  let api: TestApiserver;
  let config: KubeConfig;
  let core: CoreV1Api;

  beforeAll(async () => {
    const listenClient = { path: join(dir, "s.sock") };
    store = await startStore({ dataDir: join(dir, "store"), listenClient });
    api = await startTestApiserver(store.client);
    config = new KubeConfig();
    config.loadFromFile(await api.kubeconfigFor("admin", ["system:masters"]));
    core = config.makeApiClient(CoreV1Api);
  });
  afterAll(async () => {
    await api.close();
    await store.close();
  });

  const until = (what: string, holds: () => boolean) =>
    waitFor(what, () => Promise.resolve(holds()), { timeout_ms: TIMEOUT_MS / 2 });

  it("its informer sees each change in order, and goes on behind a restart", async () => {
    const seen: string[] = [];
    const labelSelector = "watched=yes";
    const body = (name: string, data: Record<string, string>): V1ConfigMap => ({
      metadata: { name, labels: { watched: "yes" } },
      data,
    });
    await core.createNamespacedConfigMap({ namespace, body: body("before", { n: "0" }) });
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const list = () => core.listNamespacedConfigMap({ namespace, labelSelector });
    const informer = makeInformer(config, path, list, labelSelector);
    const note = (verb: string) => (object: V1ConfigMap) =>
      void seen.push(`${verb} ${object.metadata!.name} ${object.data?.["n"]}`);
    informer.on(ADD, note("add"));
    informer.on(UPDATE, note("change"));
    informer.on(DELETE, note("delete"));
    // As documented: a client that wants to continue starts it again.
    informer.on(ERROR, () => void setTimeout(() => void informer.start(), 100));
    await informer.start();
    await until("what was there", () => seen.includes("add before 0"));
    await core.createNamespacedConfigMap({ namespace, body: body("a", { n: "1" }) });
    await core.replaceNamespacedConfigMap({ name: "a", namespace, body: body("a", { n: "2" }) });
    await core.deleteNamespacedConfigMap({ name: "before", namespace });
    await until("three changes", () => seen.includes("delete before 0"));
    expect(seen).toEqual(["add before 0", "add a 1", "change a 2", "delete before 0"]);
    await api.restart();
    await core.createNamespacedConfigMap({ namespace, body: body("b", { n: "3" }) });
    await until("the change behind the restart", () => seen.includes("add b 3"));
    expect(seen.filter((each) => each.endsWith(" b 3"))).toEqual(["add b 3"]);
    await informer.stop();
  });

  it("of several that want a Lease, one gets it; another after it expired", async () => {
    const leases = config.makeApiClient(CoordinationV1Api);
    const name = "leader";
    const spec = (holderIdentity: string) => {
      const renewTime = new V1MicroTime();
      return { holderIdentity, leaseDurationSeconds: 1, renewTime };
    };
    const contend = async (me: string) => {
      const body = { metadata: { name }, spec: spec(me) };
      await leases.createNamespacedLease({ namespace, body });
      return me;
    };
    const first = await Promise.allSettled(["a", "b", "c"].map(contend));
    const winners = first.filter(({ status }) => status === "fulfilled");
    expect(winners).toHaveLength(1);
    const held = await leases.readNamespacedLease({ name, namespace });
    const successors = await Promise.allSettled(
      ["d", "e"].map((me) => {
        const body = { ...held, spec: spec(me) };
        return leases.replaceNamespacedLease({ name, namespace, body });
      }),
    );
    expect(successors.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const refused = successors.find(({ status }) => status === "rejected");
    expect(refused).toMatchObject({ reason: { code: 409 } });
  });
});
