import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { markOf, OwnPart } from "../../../../labs/testing/own-part.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { ours } from "./ours.ts";
import { PLUGINS } from "./suite.ts";
import { NETWORK, patience, ping, Underlay } from "./underlay.ts";

// Takes turns, a cluster on a reader's parts: see labs/own-core.test.ts.

const LAB = "13";

/** The program of a cluster's node, with the parts of a reader of lab 13, beside the product's. */
describe.runIf(process.getuid?.() === 0)("a reader's own overlay", () => {
  const own = new OwnPart("own-overlay");
  let underlay: Underlay;

  beforeAll(async () => {
    await buildPlugins(PLUGINS);
    underlay = await Underlay.create();
  });
  afterAll(async () => {
    own.remove();
    await underlay.close();
    rmSync(PLUGINS, { recursive: true, force: true });
  });

  test("carries packets to and from a node with the product's overlay", async () => {
    own.writeUnjudged();
    const main = await own.bundle();
    const [one, two] = [await underlay.machine(), await underlay.machine()];
    const user = `system:node:${one.name}`;
    const kubeconfig = await underlay.api.kubeconfigFor(user, ["system:nodes"]);
    const conf = join(own.folder, "net-conf.json");
    writeFileSync(conf, JSON.stringify({ Network: NETWORK, Backend: { Type: "vxlan" } }));
    const said = inNetns(one.netns, () =>
      own.start(main, [
        "overlay",
        "--kubeconfig",
        kubeconfig,
        "--hostname-override",
        one.name,
        "--net-config-path",
        conf,
        "--subnet-file",
        one.subnetFile,
      ]),
    );
    await ours({ Type: "vxlan" }).start(underlay, two);
    await waitFor("subnet.env", () => existsSync(one.subnetFile), patience);
    const first = await underlay.pod(one, PLUGINS);
    const second = await underlay.pod(two, PLUGINS);
    for (const [from, to] of [
      [first, second],
      [second, first],
    ] as const) {
      await waitFor("a packet", () => ping(from.netns, to.address), patience);
    }
    expect(said()).toContain(markOf(LAB));
  });
});
