import path from "node:path";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blockRules } from "./block-rules.ts";
import { CsiFixture, refused, type DriverUnderTest } from "./fixture.ts";
import { groupRules } from "./group-rules.ts";
import { csiContract } from "./suite.ts";

type Options = Partial<Parameters<typeof startHostPathDriver>[0]>;

const driverWith = (options: Options): DriverUnderTest => ({
  async start(dir) {
    const socket = path.join(dir, "csi.sock");
    const driver = await startHostPathDriver({
      socket,
      dataDir: path.join(dir, "data"),
      nodeId: "node-1",
      clock: systemClock(),
      ...options,
    });
    return { socket, close: driver.close };
  },
});

csiContract("hostpath", driverWith({}), [blockRules, groupRules]);

describe("the hostPath driver's options", () => {
  const options: Options = {
    maxVolumesPerNode: 7, mutableParameters: ["speed"], form: "directory",
  };
  const csi = new CsiFixture(driverWith(options));
  beforeEach(() => csi.open());
  afterEach(() => csi.close());

  it("reports the most volumes that a node may use, and its own topology", async () => {
    expect(await csi.node.nodeGetInfo({})).toMatchObject({
      maxVolumesPerNode: 7,
      accessibleTopology: { segments: { "topology.hostpath.csi.r2k.dev/node": "node-1" } },
    });
  });

  it("modifies the parameters that it was told to accept, and no others", async () => {
    const volume = await csi.create({ name: "v", mutableParameters: { speed: "low" } });
    const { volumeId } = volume;
    const modify = (mutableParameters: Record<string, string>) =>
      csi.controller.controllerModifyVolume({ volumeId, mutableParameters });
    for (let i = 0; i < 2; i++) await modify({ speed: "high" });
    await expect(modify({ color: "red" })).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    await csi.stop();
    await csi.start();
    await modify({ speed: "higher" });
    await csi.controller.deleteVolume({ volumeId });
    await expect(modify({ speed: "low" })).rejects.toEqual(refused(Status.NOT_FOUND));
  });
});
