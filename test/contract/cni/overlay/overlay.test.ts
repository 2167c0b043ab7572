import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";
import { ours } from "./ours.ts";
import { overlayContract, PLUGINS } from "./suite.ts";
import type { Underlay } from "./underlay.ts";

const DEBIAN = "/usr/lib/cni";

const vxlan = ours({ Type: "vxlan" });
const hostGw = ours({ Type: "host-gw" });
const direct = ours({ Type: "vxlan", VNI: 7, Port: 4789, DirectRouting: true });
const udp = ours({ Type: "udp" });

overlayContract("our VXLAN", 50, [vxlan, vxlan]);
overlayContract("our host-gw", 0, [hostGw, hostGw]);
overlayContract("our VXLAN with direct routes", 50, [direct, direct]);
overlayContract("our UDP", 28, [udp, udp]);

describe.runIf(existsSync(join(DEBIAN, "bridge")))("the reference bridge under our VXLAN", () => {
  const plugins = ({ root }: Underlay) => {
    const dir = join(root, "plugins");
    mkdirSync(dir);
    symlinkSync(join(PLUGINS, "flannel"), join(dir, "flannel"));
    return `${dir}:${DEBIAN}`;
  };
  overlayContract("containernetworking", 50, [vxlan, vxlan], plugins);
});
