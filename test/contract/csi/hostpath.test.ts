import path from "node:path";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { csiContract } from "./suite.ts";

csiContract("hostpath", {
  async start(dir) {
    const socket = path.join(dir, "csi.sock");
    const driver = await startHostPathDriver({
      socket,
      dataDir: path.join(dir, "data"),
      nodeId: "node-1",
      clock: systemClock(),
    });
    return { socket, close: driver.close };
  },
});
