import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";
import { inTurn } from "../../../../testing/drawn.ts";
import { ours } from "./ours.ts";
import { overlayContract, PLUGINS } from "./suite.ts";
import type { Underlay } from "./underlay.ts";

const DEBIAN = "/usr/lib/cni";
const hasBridge = existsSync(join(DEBIAN, "bridge"));

const vxlan = ours({ Type: "vxlan" });
const hostGw = ours({ Type: "host-gw" });
const direct = ours({ Type: "vxlan", VNI: 7, Port: 4789, DirectRouting: true });
const udp = ours({ Type: "udp" });

overlayContract("our VXLAN", 50, [vxlan, vxlan]);
overlayContract("our host-gw", 0, [hostGw, hostGw]);
overlayContract("our UDP", 28, [udp, udp]);

/** The same back end on a network without a router, and under another bridge: they take turns. */
const WAYS_OF_VXLAN = [withDirectRoutes, underReferenceBridge];
const isHere = (way: () => void) => way !== underReferenceBridge || hasBridge;
for (const way of inTurn("ways of VXLAN", WAYS_OF_VXLAN, 1, isHere)) way();

function withDirectRoutes(): void {
  overlayContract("our VXLAN with direct routes", 50, [direct, direct]);
}

function underReferenceBridge(): void {
  const plugins = ({ root }: Underlay) => {
    const dir = join(root, "plugins");
    mkdirSync(dir);
    symlinkSync(join(PLUGINS, "flannel"), join(dir, "flannel"));
    return `${dir}:${DEBIAN}`;
  };
  describe.runIf(hasBridge)("the reference bridge under our VXLAN", () => {
    overlayContract("containernetworking", 50, [vxlan, vxlan], plugins);
  });
}
