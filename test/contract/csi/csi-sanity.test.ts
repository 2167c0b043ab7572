import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { describe, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";

/** Program that scripts/peers/csi-sanity.ts builds, where there is Go. */
const CSI_SANITY = path.join(import.meta.dirname, "../../../.peers/bin/csi-sanity");

/** Specs that must run: fewer means that a capability is no longer declared. */
const PASSED_MIN = 73;

describe.skipIf(!existsSync(CSI_SANITY))("csi-sanity 5.4", () => {
  it("passes on the hostPath driver", async () => {
    const dir = await realpath(testFolder("r2k-sanity-"));
    const socket = path.join(dir, "csi.sock");
    const driver = await startHostPathDriver({
      socket,
      dataDir: path.join(dir, "data"),
      nodeId: "node-1",
      clock: systemClock(),
    });
    try {
      const { stdout } = await promisify(execFile)(CSI_SANITY, [
        `-csi.endpoint=unix://${socket}`,
        `-csi.mountdir=${path.join(dir, "mount")}`,
        `-csi.stagingdir=${path.join(dir, "staging")}`,
        "--ginkgo.no-color",
      ]);
      const [, passed, failed] = /(\d+) Passed \| (\d+) Failed/.exec(stdout) ?? [];
      expect(Number(failed)).toBe(0);
      expect(Number(passed)).toBeGreaterThanOrEqual(PASSED_MIN);
      expect(mountPointsBelow(dir)).toEqual([]);
    } finally {
      await driver.close();
    }
  });
});
