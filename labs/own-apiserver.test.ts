import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, describe, expect, it } from "vitest";
import { configPath, planCluster, writeCluster } from "../cli/cluster/config.ts";
import { ensurePki } from "../cli/cluster/pki.ts";
import { KUBECTL } from "./07-apiserver/own-apiserver.ts";
import { freePort } from "@raft2kube/rpc/testing/free-port.ts";
import { OwnPart, markOf } from "./testing/own-part.ts";

const TIMEOUT_MS = 180_000;
const run = promisify(execFile);
const own = new OwnPart("own-apiserver", ["07"]);
const soon = { clock: systemClock(), timeout_ms: 60_000 };
let kubeconfig = "";
afterAll(() => own.remove());

/** Starts a cluster's control plane process on loopback. */
async function startControl(program: string): Promise<() => string> {
  const roots = { data: join(own.folder, "data"), run: join(own.folder, "run") };
  const planned = await planCluster("lab", roots, { apiPort: await freePort() });
  const config = { ...planned, hostAddress: "127.0.0.2" };
  mkdirSync(config.runDir, { recursive: true });
  await writeCluster(config);
  kubeconfig = (await ensurePki(config, Date.now())).kubeconfig("admin");
  return own.start(program, ["control", "--config", configPath(config.dataDir)]);
}

async function kubectl(words: string): Promise<string> {
  const env = { ...own.env, KUBECONFIG: kubeconfig, HOME: own.folder };
  return (await run(KUBECTL!, words.split(" "), { env })).stdout;
}

describe.runIf(KUBECTL !== undefined)("a reader's own apiserver", { timeout: TIMEOUT_MS }, () => {
  it("is used once it has passed", async () => {
    await own.write();
    expect(await own.lab("use", "own", "7")).toContain("lab 07: yours");
  });

  it("serves a cluster's controllers and scheduler: a Deployment becomes pods", async () => {
    const output = await startControl(await own.bundle());
    const get = "get replicasets,pods -o name";
    await waitFor("the apiserver", () => kubectl("get serviceaccount default"), soon);
    await kubectl("create deployment web --image=busybox");
    const isCreated = () => kubectl(get).then((text) => /pod\/web-\w+-\w+\n$/.test(text));
    await waitFor("ReplicaSet and pod", isCreated, soon);
    await kubectl("scale deployment web --replicas=3");
    const three = () => kubectl(get).then((text) => text.match(/pod\/web/g)?.length === 3);
    await waitFor("three pods", three, soon);
    await kubectl("delete deployment web");
    await waitFor("no pods", async () => (await kubectl(get)) === "", soon);
    expect(output()).toContain(markOf("07"));
  });
});
