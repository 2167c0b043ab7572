import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TestCluster } from "./cluster.ts";

// Takes turns, control planes: see hard-way.test.ts.

const NAME = "planes";
const PASSPHRASE = "several words of a test\n";
const POD = "{.metadata.uid} {.status.containerStatuses[0].restartCount}";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start(NAME, ["--control-planes", "3", "--no-demo"]);
});
afterAll(() => cluster?.close());

const r2k = async (...args: string[]) => {
  const done = await cluster.host.r2k(args);
  expect(done.code, done.stderr).toBe(0);
  return done;
};

/** Whether each of the control planes has a process, which is ready when it has been started. */
async function running(): Promise<boolean[]> {
  const planes = (await cluster.processes()).filter(({ name }) => name.startsWith("control "));
  return planes.map(({ pid }) => pid !== null);
}

it("one of three control planes is killed: kubectl and pods go on, a write is kept", async () => {
  await cluster.ask("run", "kept", "--image=r2k.local/busybox:1", "--", "sleep", "100000");
  await cluster.ask("wait", "pod/kept", "--for=condition=Ready", "--timeout=60s");
  const pod = () => cluster.ask("get", "pod", "kept", "-o", `jsonpath=${POD}`);
  const before = await pod();
  await cluster.ask("create", "configmap", "before", "--from-literal=a=b");
  const killed = (await cluster.processes()).find(({ name }) => name === "control control-1")!;
  process.kill(killed.pid!, "SIGKILL");
  const ask = ["get", "configmap", "before", "-o", "name"];
  await cluster.until("an answer", ask, (name) => name === "configmap/before");
  expect(await running()).toEqual([false, true, true]);
  await cluster.ask("create", "configmap", "after", "--from-literal=a=b");
  await r2k("control-plane", "start", "control-1", "--name", NAME);
  expect(await running()).toEqual([true, true, true]);
  await cluster.ask("get", "configmaps", "before", "after");
  expect(await pod()).toBe(before);
});

it("the host's way to the control planes is on loopback alone", async () => {
  const file = join(cluster.host.dir, "data", NAME, "cluster.json");
  const { hostAddress, apiPort } = JSON.parse(readFileSync(file, "utf8")) as {
    hostAddress: string;
    apiPort: number;
  };
  // Pods reach this address, and would be the host itself to the API servers.
  const ask = (host: string) =>
    cluster.host.run("curl", ["-sk", "-m", "10", `https://${host}:${apiPort}/livez`]);
  expect((await ask("127.0.0.1")).stdout).toBe("ok");
  // Refused.
  expect((await ask(hostAddress)).code).toBe(7);
});

it("a backup of several control planes is restored to as many", async () => {
  const { host } = cluster;
  const [file, words] = [join(host.dir, "planes.age"), join(host.dir, "words")];
  writeFileSync(words, PASSPHRASE, { mode: 0o600 });
  await r2k("backup", file, "--name", NAME, "--passphrase-file", words);
  await r2k("down", "--purge", "--name", NAME);
  await r2k("restore", file, "--passphrase-file", words);
  await r2k("start", "--name", NAME, "--no-demo");
  await cluster.ask("get", "configmaps", "before", "after");
  expect(await running()).toEqual([true, true, true]);
});
