// Runs a command of the shell on a node whose proxy is the reader's part: the Service shop/web is
// 10.96.0.10:80 and node port 30080, its endpoints are two pods; each has one open connection, and
// on that to the Service a pod talks.
import { spawn } from "node:child_process";
import { logger } from "@raft2kube/observe/log.ts";
import { modeNamed } from "@raft2kube/proxy/apply/modes.ts";
import {
  ADDRESSES,
  CLUSTER_CIDR,
  createNodeNetwork,
  TARGETS,
} from "../../testing/network/node-network.ts";
import { talkBeside } from "../runner/beside.ts";
import { clock } from "./own-proxy.ts";
import { SERVICE, webPort } from "./ports.ts";

const [command = "true", mode = "nftables"] = process.argv.slice(2);
const net = await createNodeNetwork();
const log = logger("lab");
const rules = modeNamed(mode).create({ clusterCidr: CLUSTER_CIDR, clock, log });
const targets = [ADDRESSES.one, ADDRESSES.two].map((address) => ({ address, port: TARGETS.http }));
await rules.rebuild([webPort(targets, targets, { nodePort: SERVICE.nodePort })], []);
await net.one.open("of a pod", SERVICE.ip, SERVICE.port);
await net.outside.open("of a machine", ADDRESSES.node, SERVICE.nodePort);
const child = spawn("sh", ["-c", command], { stdio: "inherit" });
process.exitCode = await talkBeside(child, () => void net.one.say("of a pod"));
await rules.close();
net.close();
