import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../../../testing/wait.ts";
import { flanneld, hasFlanneld, startFlanneld } from "./flanneld.ts";
import { ours, startOurs } from "./ours.ts";
import { overlayContract } from "./suite.ts";
import { patience, ping, Underlay } from "./underlay.ts";

const VXLAN = { Type: "vxlan" };
const HOST_GW = { Type: "host-gw" };
const UDP = { Type: "udp" };

describe.runIf(hasFlanneld)("flanneld 0.28", () => {
  overlayContract("flanneld alone", 50, [flanneld(VXLAN), flanneld(VXLAN)]);
  overlayContract("flanneld and ours, VXLAN", 50, [flanneld(VXLAN), ours(VXLAN)]);
  overlayContract("ours and flanneld, host-gw", 0, [ours(HOST_GW), flanneld(HOST_GW)]);
  overlayContract("ours and flanneld, UDP", 28, [ours(UDP), flanneld(UDP)]);

  test("ours takes over from flanneld and gives back, and packets go on", async () => {
    const underlay = await Underlay.create();
    try {
      const [one, two] = [await underlay.machine(), await underlay.machine()];
      const stop = await startFlanneld(underlay, one, VXLAN);
      const other = await startOurs(underlay, two, VXLAN);
      await other.ready;
      const reaches = () => ping(two.netns, "10.244.1.0");
      await waitFor("packets", reaches, patience);
      const mac = () =>
        inNetns(one.netns, () => {
          const text = execFileSync("ip", ["link", "show", "flannel.1"], { encoding: "utf8" });
          return /link\/ether (\S+)/.exec(text)?.[1];
        });
      const before = mac();
      await stop();
      rmSync(one.subnetFile);
      const first = await startOurs(underlay, one, VXLAN);
      await first.ready;
      expect(mac()).toBe(before);
      expect(await reaches()).toBe(true);
      await first.close();
      rmSync(one.subnetFile);
      await startFlanneld(underlay, one, VXLAN);
      await waitFor("packets", reaches, patience);
    } finally {
      await underlay.close();
    }
  });
});
