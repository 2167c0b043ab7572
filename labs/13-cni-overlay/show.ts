// Runs a command of the shell on one of three nodes whose overlays are the reader's part: n1 (by
// default), n2, n3, or in the pod of one, pod1. Pod 1 talks to pod 2 on a connection.
import { spawn } from "node:child_process";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { talkBeside } from "../runner/beside.ts";
import { addressesOf, Machines, nodeOf, POD_PORT } from "./machines.ts";

const [command = "true", place = "n1"] = process.argv.slice(2);
const machines = new Machines(3);
await machines.serve();
const nodes = machines.all.map(({ index }) => nodeOf(index));
for (const machine of machines.all) machine.sync(nodes);
const [one] = machines.all;
await one?.pod.open("shown", addressesOf(2).pod, POD_PORT);
const machine = machines.all[Number(/\d/.exec(place)?.[0] ?? 1) - 1] ?? machines.all[0]!;
const run = () => spawn("sh", ["-c", command], { stdio: "inherit" });
const { pod, network } = machine;
const child = place.startsWith("pod") ? inNetns(pod.netns, run) : network.inside(run);
process.exitCode = await talkBeside(child, () => void one?.pod.say("shown"));
machines.close();
