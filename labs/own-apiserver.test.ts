// Takes turns, a cluster on a reader's parts: see own-core.test.ts.

import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, describe, expect, it } from "vitest";
import { endProcess } from "../cli/apply/end-process.ts";
import type { Status } from "../cli/commands/status.ts";
import { ensurePki } from "../cli/pki/pki.ts";
import { type ClusterConfig, configPath, planCluster, writeCluster } from "../cli/spec/config.ts";
import { processNames } from "../cli/spec/processes.ts";
import { storeMemberNames } from "../cli/spec/store.ts";
import { freePort } from "../testing/free-port.ts";
import { KUBECTL } from "./apiserver/own-apiserver.ts";
import { markOf, OwnPart, PARTS } from "./testing/own-part.ts";

const LABS = ["07a", "07b", "07c"];
const NAME = "lab";
const run = promisify(execFile);
/** kubectl is asked, which takes a tenth of a second of a processor. */
const soon = { clock: systemClock(), timeout_ms: 60_000, interval_ms: 250 };

/** A cluster without a node, on loopback, of a bundle with a reader's parts. */
class ControlPlane {
  readonly own: OwnPart;
  readonly #address: string;
  #program = "";
  #config: ClusterConfig | undefined;
  #kubeconfig = "";

  constructor(own: OwnPart, address: string) {
    this.own = own;
    this.#address = address;
  }

  /** Returns what the control process says. */
  async start(storeMembers: number): Promise<() => string> {
    this.#program = await this.own.bundle();
    const choices = { apiPort: await freePort(), ...(storeMembers > 1 ? { storeMembers } : {}) };
    const planned = await planCluster(NAME, this.#roots, choices);
    const config = { ...planned, hostAddress: this.#address };
    this.#config = config;
    mkdirSync(config.runDir, { recursive: true });
    await writeCluster(config);
    this.#kubeconfig = (await ensurePki(config, Date.now())).kubeconfig("admin");
    const path = configPath(config.dataDir);
    for (const member of storeMemberNames(config)) {
      this.own.start(this.#program, [member, "--config", path]);
    }
    const said = this.own.start(this.#program, ["control", "--config", path]);
    await waitFor("the apiserver", () => this.kubectl("get serviceaccount default"), soon);
    return said;
  }

  get #roots() {
    return { data: join(this.own.folder, "data"), run: join(this.own.folder, "run") };
  }

  async kubectl(words: string): Promise<string> {
    const env = { ...this.own.env, KUBECONFIG: this.#kubeconfig, HOME: this.own.folder };
    return (await run(KUBECTL!, words.split(" "), { env })).stdout;
  }

  /** Returns the output of `r2k status`, which ends with an error, as there is no node. */
  async status(): Promise<Status> {
    const { data, run: runs } = this.#roots;
    const env = { ...this.own.env, R2K_DATA: data, R2K_RUN: runs };
    const words = [this.#program, "status", "--name", NAME, "-o", "json"];
    const ended = await run(process.execPath, words, { env }).catch((failure: unknown) => failure);
    return JSON.parse((ended as { stdout: string }).stdout) as Status;
  }

  /** A member that was killed has been started again by its supervisor: that ends too. */
  async end(): Promise<void> {
    const config = this.#config;
    if (config) {
      for (const name of processNames(config)) await endProcess(config, name, soon.clock);
    }
    this.own.remove();
  }
}

const control = new ControlPlane(new OwnPart("own-apiserver"), "127.0.0.2");
const lossy = new ControlPlane(new OwnPart("lossy-apiserver", ["07b"]), "127.0.0.3");
afterAll(async () => {
  await control.end();
  await lossy.end();
});

describe.runIf(KUBECTL !== undefined)("a reader's own apiserver", () => {
  it("carries a cluster's controllers and scheduler: a Deployment becomes pods", async () => {
    control.own.writeUnjudged();
    const said = await control.start(3);
    const get = "get replicasets,pods -o name";
    await control.kubectl("create deployment web --image=busybox");
    const made = () => control.kubectl(get).then((text) => /pod\/web-\w+-\w+\n$/.test(text));
    await waitFor("ReplicaSet and pod", made, soon);
    await control.kubectl("scale deployment web --replicas=3");
    const three = () => control.kubectl(get).then((text) => text.match(/pod\/web/g)?.length === 3);
    await waitFor("three pods", three, soon);
    await control.kubectl("delete deployment web");
    await waitFor("nothing", async () => (await control.kubectl(get)) === "", soon);
    for (const number of LABS) expect(said()).toContain(markOf(number));
  });

  it("is named by status, which compares what store and cache know", async () => {
    const { views, ownParts } = await control.status();
    expect(ownParts).toEqual(PARTS);
    expect(views?.differences).toEqual([]);
    expect(views?.objects).toBeGreaterThan(0);
  });

  it("goes on when a member of the store is killed", async () => {
    control.own.kill("store-2");
    await control.kubectl("create configmap after --from-literal=a=b");
    expect(await control.kubectl("get configmap after -o jsonpath={.data.a}")).toBe("b");
  });

  it("that loses an event is reported by status with the object", async () => {
    lossy.own.writeUnjudged({
      name: "loses the events of one object",
      file: "apiserver/cache/feed.ts",
      find: "    await this.#applyAll(response.events);",
      replace:
        "    const kept = response.events.filter(({ kv }) => !`${kv!.key}`.endsWith('/lost'));\n" +
        "    await this.#applyAll(kept);",
      caughtBy: "",
    });
    await lossy.start(1);
    await lossy.kubectl("create configmap kept");
    await lossy.kubectl("create configmap lost");
    const { views } = await lossy.status();
    const lost = /^configmaps default\/lost: in the store .* not in the apiserver's cache$/;
    expect(views?.differences).toEqual([expect.stringMatching(lost)]);
  });
});
